"""The explorer in a real browser: every example of it runs, its token is that of all tabs and is kept with the history
for the session alone, no name is cut off, and nothing foreign is asked."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gql.http.explorer import is_local
from tests.drivers.browser import Page, browser_page
from tests.drivers.server import Server, demo_server

pytestmark = [pytest.mark.tools, pytest.mark.anyio]
RESULT = "document.querySelector('.graphiql-response .CodeMirror')?.CodeMirror.getValue() ?? ''"
TABS = "[...document.querySelectorAll('.graphiql-tab-button')].map(tab => tab.innerText)"
EXAMPLES = "[...document.querySelectorAll('.examples button')].map(one => one.querySelector('b').innerText)"
CHOICES = """[...document.querySelectorAll('.graphiql-explorer-root > div > div > [class*=graphiql-explorer]')]
  .sort((one, other) => one.getBoundingClientRect().top - other.getBoundingClientRect().top)
  .map(one => one.querySelector('.graphiql-explorer-field-view').innerText.trim())"""
NAMED = """(editor => !editor.operationName || editor.getValue().includes(` ${editor.operationName}`))(
  document.querySelector('.graphiql-query-editor .CodeMirror').CodeMirror)"""
"""Whether the editor has seen what operation it holds."""
CUT = """[...document.querySelectorAll(`.graphiql-doc-explorer-title, .graphiql-tab-button, .CodeMirror-hscrollbar,
  .graphiql-history-item-label, .examples button`)]
  .filter(one => one.offsetParent !== null && one.scrollWidth > one.clientWidth + 1)
  .map(one => one.innerText || one.className)"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    assert is_local(), "run: make graphiql"
    with demo_server(tmp_path_factory.mktemp("explorer")) as made:
        yield made


@asynccontextmanager
async def explorer(server: Server, folder: Path, width: int = 1280) -> AsyncIterator[Page]:
    """The page, loaded, at the end of which nobody complained and only this server was asked."""
    async with browser_page(folder) as page:
        await page.resize(width, 900)
        await page.open(f"{server.url}/graphql")
        await page.wait_for("document.querySelector('.graphiql-execute-button') !== null")
        yield page
        asked = [url for url in page.requests if urlsplit(url).scheme in ("http", "https", "ws")]
    assert {urlsplit(url).netloc for url in asked} == {urlsplit(server.url).netloc}
    assert page.complaints == []


async def press(page: Page, name: str) -> None:
    await page.wait_for(f"(one => one && (one.click(), true))(document.querySelector('[aria-label=\"{name}\"]'))")


async def run(page: Page, expected: str) -> None:
    """Run the tab that is open, until the answer says what is expected."""
    await page.wait_for(NAMED)
    await page.evaluate("document.querySelector('.graphiql-execute-button').click()")
    await page.wait_for(f"({RESULT}).includes({json.dumps(expected)})")


async def test_the_explorer_opens_every_example_in_a_tab_of_its_own_and_runs_them(
    server: Server, tmp_path: Path
) -> None:
    async with explorer(server, tmp_path) as page:
        await page.wait_for(f"({EXAMPLES}).length > 0")
        names = await page.evaluate(EXAMPLES)
        await run(page, "Quiet regulars")
        for number in range(1, len(names)):
            await page.evaluate(f"document.querySelectorAll('.examples button')[{number}].click()")
            await page.wait_for(f"({TABS}).length === {number + 1}")
            await run(page, '"data"')
            assert '"errors"' not in await page.evaluate(RESULT), names[number]
            await page.evaluate("document.querySelector('.graphiql-execute-button[aria-label^=\"Stop\"]')?.click()")
        tabs = await page.evaluate(TABS)
        await page.evaluate("document.querySelectorAll('.examples button')[0].click()")
        await page.wait_for("document.querySelector('.graphiql-tab-active').innerText === 'Segments'")
        assert await page.evaluate(TABS) == tabs

    assert len(set(tabs)) == len(names) >= 10


async def test_a_token_is_entered_once_for_all_tabs_and_kept_with_the_history_for_the_session_alone(
    server: Server, tmp_path: Path
) -> None:
    typed = (
        "(value => { const field = document.getElementById('authorization'); field.value = value;"
        " field.dispatchEvent(new FocusEvent('focusout', { bubbles: true })); })"
    )
    async with explorer(server, tmp_path) as page:
        await run(page, "Quiet regulars")
        await page.evaluate(f"{typed}('not-a-token')")
        await run(page, "UNAUTHENTICATED")
        await press(page, "Add tab")
        await page.wait_for(f"({TABS}).length === 2")
        await page.evaluate(
            "document.querySelector('.graphiql-query-editor .CodeMirror').CodeMirror.setValue('{viewer{subject}}')"
        )
        await run(page, "UNAUTHENTICATED")
        await page.evaluate(f"{typed}({json.dumps(server.token)})")
        await run(page, '"demo"')
        assert await page.evaluate("document.getElementById('authorization').value") == f"Bearer {server.token}"
        await page.wait_for("(sessionStorage.getItem('graphiql:tabState') ?? '').includes('viewer')")

        await page.open(f"{server.url}/graphql")
        await page.wait_for(f"({TABS}).length === 2")
        assert await page.evaluate("document.getElementById('authorization').value") == f"Bearer {server.token}"
        await press(page, "Show History")
        await page.wait_for("document.querySelectorAll('.graphiql-history-item').length === 2")
        kept = await page.evaluate("JSON.stringify({...sessionStorage})")
        local = await page.evaluate("JSON.stringify({...localStorage})")
        cookies = await page.evaluate("document.cookie")
        assert all(" 401 " in each for each in page.complaints)
        page.complaints.clear()

    history = json.dumps([value for key, value in json.loads(kept).items() if key != "authorization"])
    assert "Bearer" not in history
    assert (local, cookies) == ("{}", "")


@pytest.mark.parametrize("width", [1280, 1920])
async def test_no_name_is_cut_off(server: Server, tmp_path: Path, width: int) -> None:
    async with explorer(server, tmp_path, width) as page:
        await page.wait_for(f"({EXAMPLES}).length > 0")
        cut = await page.evaluate(CUT)
        for number in range(1, 8):
            await page.evaluate(f"document.querySelectorAll('.examples button')[{number}].click()")
            await page.wait_for(f"({TABS}).length === {number + 1}")
            await page.wait_for(NAMED)
            cut += await page.evaluate(CUT)
        await run(page, '"data"')
        await press(page, "Show History")
        await page.wait_for("document.querySelectorAll('.graphiql-history-item').length > 0")
        cut += await page.evaluate(CUT)
        await press(page, "Show Documentation Explorer")
        await page.wait_for("document.querySelectorAll('.graphiql-doc-explorer a').length > 50")
        await page.evaluate(
            "[...document.querySelectorAll('.graphiql-doc-explorer a')]"
            ".find(one => one.innerText === 'CreateStandardSegmentsPayload').click()"
        )
        await page.wait_for("document.querySelector('.graphiql-doc-explorer-title').innerText.startsWith('Create')")
        cut += await page.evaluate(CUT)

    assert cut == []


async def test_what_is_asked_most_stands_first_among_the_fields_to_choose_from(server: Server, tmp_path: Path) -> None:
    async with explorer(server, tmp_path) as page:
        await press(page, "Show GraphiQL Explorer")
        await page.wait_for(f"({CHOICES}).length > 10")
        listed = await page.evaluate(CHOICES)

    assert listed[:3] == ["viewer", "segments", "customers"]
    assert listed[-2:] == ["node", "nodes"]
