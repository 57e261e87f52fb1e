"""The explorer in a real browser: it loads, a query runs, the result shows, and nothing foreign is asked."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gql.http.explorer import is_local
from tests.drivers.browser import browser_page
from tests.drivers.server import demo_server

pytestmark = [pytest.mark.tools, pytest.mark.anyio]


async def test_the_explorer_loads_runs_a_query_and_shows_the_result(tmp_path: Path) -> None:
    assert is_local(), "run: make graphiql"
    with demo_server(tmp_path) as server:
        async with browser_page(tmp_path) as page:
            await page.open(f"{server.url}/graphql")
            await page.wait_for("document.querySelector('.graphiql-execute-button') !== null")
            tabs = await page.evaluate("document.querySelectorAll('.graphiql-tab').length")
            await page.evaluate("document.querySelector('.graphiql-execute-button').click()")
            result = "document.querySelector('.result-window')?.innerText ?? ''"
            await page.wait_for(f"({result}).includes('Ceylon Threads')")
            await page.screenshot(tmp_path / "graphiql.png")
            foreign = [url for url in page.requests if urlsplit(url).scheme in ("http", "https", "ws")]
            hosts = {urlsplit(url).netloc for url in foreign}

    assert tabs == 5
    assert hosts == {urlsplit(server.url).netloc}
    assert page.complaints == []
