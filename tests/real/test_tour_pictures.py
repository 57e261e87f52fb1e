"""The pictures of the tour are those that its script draws: of the same size, and of nearly the same shades."""

from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from tests.drivers.documents import ROOT
from tests.drivers.pictures import PICTURES, draw_pictures

pytestmark = [pytest.mark.tools, pytest.mark.slow, pytest.mark.anyio]
MOST = 12
"""Of 255 shades, on average: another browser may set its letters a little otherwise."""


async def test_the_pictures_of_the_tour_show_what_the_explorer_shows(tmp_path: Path) -> None:
    await draw_pictures(tmp_path)

    for name in PICTURES:
        kept, made = (Image.open(folder / f"tour-{name}.png").convert("L") for folder in (ROOT / "docs", tmp_path))
        assert kept.size == made.size
        assert ImageStat.Stat(ImageChops.difference(kept, made)).mean[0] < MOST, name
        assert (ROOT / "docs" / f"tour-{name}.png").stat().st_size < 100_000
