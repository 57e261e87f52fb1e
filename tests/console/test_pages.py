"""Every page of the console, on shops of every kind: it is shown without a complaint, nobody is kept out by how it is
made, and it fits the width that there is."""

import time

import pytest

from tests.conftest import sample_cases
from tests.drivers.browser import Page
from tests.drivers.console import PAGES, Console, Shop, check_accessibility, find_addresses

pytestmark = [pytest.mark.tools, pytest.mark.anyio]
FAILED = "This page could not be shown"
BROAD = """[...document.querySelectorAll('body *')]
  .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && one.checkVisibility()
    && !one.closest('.wide, .unseen, svg, dialog'))
  .map((one) => `${one.tagName} ${one.className} ${one.innerText?.slice(0, 40)}`).slice(0, 5)"""
"""What reaches beyond the window where nothing can be scrolled by itself."""
WIDE = "document.documentElement.scrollWidth > innerWidth"
UNSEEN = """(() => {
  const [focused, style] = [document.activeElement, getComputedStyle(document.activeElement)];
  const seen = style.outlineStyle !== 'none' || style.boxShadow !== 'none' || focused.type?.startsWith('date');
  return seen || focused === document.body ? '' : focused.outerHTML;
})()"""
"""What has the focus and does not show it; a date shows in which part of it the focus is. After the last of a page
comes the body, where the browser itself has it."""
UNUSUAL = [
    (shop, name)
    for shop in ("empty_shop", "every_script", "many_categories")
    for name in PAGES
    if not name.startswith("settings-")
]
"""What looks another way in another shop."""
ALWAYS = (
    *(("empty_shop", name) for name in ("overview", "segments", "new-segment", "customers", "imports")),
    *(("every_script", name) for name in ("segments", "customer")),
    ("many_categories", "overview-behavior"),
)
"""Those of them that are looked at before anything is merged."""
FIRST = ("overview", "segment", "edit-segment", "customers", "import", "settings", "settings-audit")
"""Pages of the demo shop that are."""


async def check_page(page: Page) -> None:
    """One heading of the first order, and nothing wider than the window."""
    assert await page.text("h1") not in ("", FAILED, "Sign in")
    assert await page.evaluate("document.querySelectorAll('h1').length") == 1
    assert await page.evaluate("document.title") not in ("", "Segments")
    assert not await page.evaluate(WIDE), await page.evaluate(BROAD)


@pytest.mark.parametrize("name", sample_cases(PAGES, *FIRST))
async def test_a_page_of_the_demo_shop_is_for_everybody(console: Console, demo: Shop, name: str) -> None:
    page = await console.open(demo, (await find_addresses(demo))[name])

    await check_page(page)
    await check_accessibility(page)
    await page.prefer("dark", motion="reduce")
    await check_accessibility(page, "color-contrast", "link-in-text-block")
    for width, zoom in ((380, 1), (1280, 2), (1920, 1)):
        await page.resize(width, 900, zoom)
        await page.settle()
        await check_page(page)
    await page.resize(380, 900)
    await page.settle()
    await check_accessibility(page)


@pytest.mark.parametrize(("shop", "name"), sample_cases(UNUSUAL, *ALWAYS), indirect=["shop"])
async def test_a_page_of_an_unusual_shop_is_for_everybody(console: Console, shop: Shop, name: str) -> None:
    page = await console.open(shop, (await find_addresses(shop))[name])

    await check_page(page)
    await check_accessibility(page)
    await page.resize(380, 900)
    await page.settle()
    await check_page(page)


@pytest.mark.parametrize("name", sample_cases(PAGES, "segment", "customer", "imports", "settings"))
async def test_who_may_only_look_sees_every_page(console: Console, demo: Shop, name: str) -> None:
    page = await console.open(demo, (await find_addresses(demo))[name], token=demo.token("customers:view"))

    await check_page(page)


@pytest.mark.parametrize("name", sample_cases(PAGES, "overview"))
async def test_the_focus_is_seen_wherever_it_goes(console: Console, demo: Shop, name: str) -> None:
    page = await console.open(demo, (await find_addresses(demo))[name])
    unseen = []

    for _ in range(40):
        await page.press("Tab")
        unseen.append(await page.evaluate(UNSEEN))

    assert [each for each in unseen if each] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
async def test_a_page_of_a_hundred_thousand_customers_is_there_within_a_second(
    console: Console, many_customers: Shop, name: str
) -> None:
    """From going there to its heading, with what stands on it at first; the best of three. The first time the server
    counts what it then keeps until something changes, and another program may hold up any of them."""
    addresses = await find_addresses(many_customers)
    page = await console.open(many_customers, "/no-such-page")
    seconds = []

    for _ in range(3):
        began = time.perf_counter()
        await page.evaluate(f"location.hash = {addresses[name]!r}")
        await page.wait_for("!['', 'There is no such page'].includes(document.querySelector('h1').innerText)")
        seconds.append(time.perf_counter() - began)
        await page.settle()
        await check_page(page)
        await page.evaluate("location.hash = '/no-such-page'")
        await page.settle()

    assert min(seconds) < 1
