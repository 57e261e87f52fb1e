"""Draws the pictures of the tour: `python -m tests.drivers.pictures` after `make graphiql`, on a machine with Chromium.
The shop, its server and the browser are all as of one instant, so that a picture shows the same on every day."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from domain.demo.shop import KEY
from gql.app import create_app
from gql.auth import issue_token
from gql.cli.actions.demo import fill_demo
from gql.composition import open_store
from gql.settings import Settings
from tests.drivers.browser import Page, browser_page
from tests.drivers.documents import ROOT
from tests.drivers.face import EVERYTHING, SECRET
from tests.drivers.sockets import live

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
WIDTH, HEIGHT = 1280, 800
COLOURS = 96
PICTURES = {
    "explorer": ("Segments", ""),
    "preview": ("Preview of a rule", ""),
    "why": ("Why is somebody in a segment?", ""),
    "won-back": ("Who went from group to group", '"fromSegment": "At Risk"'),
    "shrinking": ("A segment that shrinks", ""),
    "subscription": ("Follow who comes and goes", ""),
}
"""The file of each, `tour-….png`, the example that it shows, and what its answer is shown from."""


async def draw_pictures(folder: Path) -> None:
    """Every picture of the tour, into the folder."""
    with TemporaryDirectory() as place:
        async with shown(Path(place)) as page:
            for name, (example, begin) in PICTURES.items():
                await show(page, example, begin)
                Image.open(io.BytesIO(await page.draw())).convert("RGB").quantize(COLOURS).save(
                    folder / f"tour-{name}.png", optimize=True
                )


@asynccontextmanager
async def shown(place: Path) -> AsyncIterator[Page]:
    """The explorer of the demo shop at that instant."""
    settings = Settings(data=place / "data", jwt_secret=SECRET, demo=True)
    store = open_store(settings)
    await fill_demo(store, lambda: NOW)
    await store.database.close()
    hour = timedelta(hours=1)
    token = issue_token(SECRET, subject="demo", business=KEY, permissions=EVERYTHING, lifetime=hour, now=NOW)
    async with live(create_app(settings, lambda: NOW, lambda: token)) as server, browser_page(place) as page:
        await page.resize(WIDTH, HEIGHT)
        await page.call(
            "Page.addScriptToEvaluateOnNewDocument", source=f"Date.now = () => {int(NOW.timestamp() * 1000)}"
        )
        await page.open(f"http://{server.host}/graphql")
        await page.wait_for("document.querySelectorAll('.examples button').length > 0")
        yield page


async def show(page: Page, example: str, begin: str) -> None:
    """The example in its tab, with its answer from there on, and nothing that blinks."""
    answer = "document.querySelector('.graphiql-response .CodeMirror').CodeMirror"
    editor = "document.querySelector('.graphiql-query-editor .CodeMirror').CodeMirror"
    await page.evaluate(f"{answer}.setValue('')")
    await page.evaluate(
        "[...document.querySelectorAll('.examples button')]"
        f".find(one => one.querySelector('b').innerText === {example!r}).click()"
    )
    await asyncio.sleep(1.5)
    await page.wait_for(f"{editor}.getValue().includes(` ${{{editor}.operationName}}`)")
    await page.evaluate("document.querySelector('.graphiql-execute-button').click()")
    await page.wait_for(f"{answer}.getValue().includes('\"data\"')")
    line = f"{answer}.getValue().split('\\n').findIndex(one => one.includes({begin!r})) - 1"
    await page.evaluate(f"{answer}.scrollTo(0, {answer}.heightAtLine(Math.max({line}, 0), 'local'))")
    await page.evaluate("document.activeElement.blur()")
    await asyncio.sleep(0.5)


if __name__ == "__main__":
    asyncio.run(draw_pictures(ROOT / "docs"))
