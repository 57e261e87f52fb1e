"""The frame of the console."""

import pytest

from tests.drivers.console import Console, Shop, check_accessibility

pytestmark = [pytest.mark.tools, pytest.mark.anyio]


async def test_the_page_that_the_address_names_is_shown(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/no-such-page")

    assert await page.text("h1") == "There is no such page"
    await page.click("Segments", within="nav")
    await page.settle()
    assert (await page.address()).endswith("/#/segments")
    await check_accessibility(page)
