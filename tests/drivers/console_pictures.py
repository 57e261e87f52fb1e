"""Draws every page of the console on the demo shop, in both themes and at three widths, into build/pictures, to be
looked at: `make pictures`. With `--docs` it draws those that README and docs show, too. The shop is as of one instant,
so that a picture shows the same on every day."""

import asyncio
import io
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from tests.drivers.browser import launch
from tests.drivers.console import PAGES, Console, find_addresses, serve
from tests.drivers.documents import ROOT

FOLDER = ROOT / "build" / "pictures"
WIDTHS = (380, 1024, 1920)
THEMES = ("light", "dark")
HEIGHT, COLOURS = 1_000, 224
SHOWN = {
    "overview": ("overview", "light"),
    "segment": ("segment", "light"),
    "editor": ("edit-segment", "light"),
    "customer": ("customer", "dark"),
}
"""The pictures of the docs, `console-….png`: the page and the theme of each."""


async def draw_all(folder: Path) -> None:
    """Every page, whole, as NAME-WIDTH-THEME.png."""
    async with AsyncExitStack() as stack:
        place = Path(stack.enter_context(TemporaryDirectory()))
        browser = await stack.enter_async_context(launch(place / "browser"))
        shop = await stack.enter_async_context(serve(place / "shop"))
        for name, address in (await find_addresses(shop)).items():
            async with AsyncExitStack() as pages:
                page = await Console(browser, pages).open(shop, address)
                for width in WIDTHS:
                    for theme in THEMES:
                        await page.resize(width, 900)
                        await page.prefer(theme, motion="reduce")
                        await page.settle()
                        (folder / f"{name}-{width}-{theme}.png").write_bytes(await page.draw(whole=True))


async def draw_shown(folder: Path) -> None:
    """The pictures of the docs: what is seen of a page at first, in few colours."""
    async with AsyncExitStack() as stack:
        place = Path(stack.enter_context(TemporaryDirectory()))
        browser = await stack.enter_async_context(launch(place / "browser"))
        shop = await stack.enter_async_context(serve(place / "shop"))
        addresses = await find_addresses(shop)
        for name, (shown, theme) in SHOWN.items():
            page = await Console(browser, stack).open(shop, addresses[shown], height=HEIGHT, theme=theme)
            picture = Image.open(io.BytesIO(await page.draw())).convert("RGB").quantize(COLOURS)
            picture.save(folder / f"console-{name}.png", optimize=True)


async def main() -> None:
    """What the command line asks for."""
    await asyncio.to_thread(FOLDER.mkdir, parents=True, exist_ok=True)
    await draw_all(FOLDER)
    if "--docs" in sys.argv:
        await draw_shown(ROOT / "docs")
    print(f"{len(PAGES) * len(WIDTHS) * len(THEMES)} pictures are in {FOLDER.relative_to(ROOT)}")


if __name__ == "__main__":
    asyncio.run(main())
