"""The pictures of the tour and of the console are those that their scripts draw: of the same size, and of nearly the
same shades."""

from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from tests.drivers.console_pictures import SHOWN, draw_shown
from tests.drivers.documents import ROOT
from tests.drivers.pictures import PICTURES, draw_pictures

pytestmark = [pytest.mark.tools, pytest.mark.slow, pytest.mark.anyio]
MOST = 12
"""Of 255 shades, on average: another browser may set its letters a little otherwise."""


async def test_the_pictures_of_the_tour_show_what_the_explorer_shows(tmp_path: Path) -> None:
    await draw_pictures(tmp_path)

    for name in PICTURES:
        check_picture(tmp_path, f"tour-{name}.png")


async def test_the_pictures_of_the_console_show_what_it_shows(tmp_path: Path) -> None:
    await draw_shown(tmp_path)

    for name in SHOWN:
        check_picture(tmp_path, f"console-{name}.png")


def check_picture(folder: Path, name: str) -> None:
    """The kept one looks like the one that was drawn."""
    kept, made = (Image.open(place / name).convert("L") for place in (ROOT / "docs", folder))
    assert kept.size == made.size
    assert ImageStat.Stat(ImageChops.difference(kept, made)).mean[0] < MOST, name
    assert (ROOT / "docs" / name).stat().st_size < 100_000
