"""The overview: what it shows of the demo shop, where its marks lead, what stands in its address, and what it shows of
a shop without purchases or of a window without any."""

import csv
from typing import Any

import pytest

from tests.drivers.browser import Page
from tests.drivers.console import Console, Shop, check_accessibility

pytestmark = [pytest.mark.tools, pytest.mark.anyio]
REPORT = """query R($days: Int! = 90, $asOf: Date) {
  segmentationReport(days: $days, asOf: $asOf) { customerCount insights { sentences }
    segments { segmentName segmentCode customerCount } unclassified { customerCount } } }"""
BEHIND = """query B($filter: CustomerFilter) {
  customers(filter: $filter, sort: TOTAL_REVENUE, reverse: true) { totalCount nodes { name externalId } } }"""


async def report_of(shop: Shop, **variables: Any) -> Any:
    return (await shop.query(REPORT, **variables))["segmentationReport"]


async def marks_of(page: Page, panel: str) -> list[str]:
    """What the links in the drawings of a panel are called."""
    script = f"[...document.querySelectorAll('section:has(#{panel}) svg a > title')].map((each) => each.textContent)"
    return list(await page.evaluate(script))


async def follow(page: Page, called: str) -> None:
    """The link in a drawing whose name begins so."""
    await page.evaluate(f"""[...document.querySelectorAll('svg a')]
      .find((each) => each.querySelector(':scope > title').textContent.startsWith({called!r}))
      .dispatchEvent(new MouseEvent('click', {{ bubbles: true, cancelable: true }}))""")
    await page.settle()


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (380, "dark")])
async def test_the_report_of_the_demo_shop_is_shown_whole(console: Console, demo: Shop, width: int, theme: str) -> None:
    report = await report_of(demo)

    page = await console.open(demo, "/", width=width, theme=theme)

    shown = await page.text("main")
    assert all(sentence in shown for sentence in report["insights"]["sentences"])
    assert "Aug 24, 2026 to Nov 21, 2026, 90 days, compared with May 26, 2026 to Aug 23, 2026" in shown
    assert await page.texts("figure h3") == [
        "Customers by group",
        "Customers by recency and frequency",
        "Customers by group over twelve windows",
        "From group to group",
    ]
    counts = {each["segmentName"]: each["customerCount"] for each in [*report["segments"]]}
    counts["Unclassified"] = report["unclassified"]["customerCount"]
    drawn = {each.split(":")[0]: int(each.split(": ")[1].split(" ")[0]) for each in await marks_of(page, "groups")}
    assert drawn == counts
    assert sum(int(each.split(": ")[1].split(",")[0]) for each in await marks_of(page, "scores")) == sum(
        counts.values()
    )
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    await check_accessibility(page)


async def test_each_mark_leads_to_its_customers_and_back(console: Console, demo: Shop) -> None:
    cell = (await demo.query(BEHIND, filter={"report": {"recency": 5, "frequency": 5}}))["customers"]
    champions = next(each for each in (await report_of(demo))["segments"] if each["segmentName"] == "Champions")
    page = await console.open(demo)

    await follow(page, "5, lately, 5, most orders: ")
    assert (await page.address()).endswith("/#/?cell=55")
    assert f"{cell['totalCount']} customers" in await page.text("dialog")
    assert [row[0] for row in await page.rows("dialog table")][1:] == [
        each["name"] or each["externalId"] for each in cell["nodes"]
    ]
    assert await page.focused() == "Recency 5, frequency 5"
    await check_accessibility(page)
    await page.press("Escape")
    await page.wait_for("!document.querySelector('dialog') && document.activeElement.id === 'mark-#/?cell=55'")
    await page.settle()

    await follow(page, "Champions: ")
    assert f"{champions['customerCount']} customers" in await page.text("dialog")
    assert "Offer VIP loyalty perks" in await page.text("dialog")
    await page.click("Next", within="dialog")
    await page.wait_for("document.querySelector('dialog .pager')?.innerText.includes('Previous')")
    assert len(await page.rows("dialog table")) == champions["customerCount"] - 50 + 1
    await page.back()
    await page.wait_for("!document.querySelector('dialog .pager')?.innerText.includes('Previous')")
    await page.click("Make a segment of these", within="dialog")
    assert "/#/new-segment?name=Champions&rules=" in await page.address()
    await page.back()
    await page.settle()

    await page.wait_for("document.querySelector('dialog') && document.querySelector('section:has(#moves) svg a')")
    (move,) = [each for each in await marks_of(page, "moves") if each.startswith("Champions → Did not buy")]
    await page.click("Close", within="dialog")
    await page.wait_for("!document.querySelector('dialog') && document.querySelector('section:has(#moves) svg a')")
    await follow(page, "Champions → Did not buy")
    assert f"{move.split(': ')[1]} customers" in await page.text("dialog")


async def test_the_switches_stand_in_the_address_and_in_the_report(console: Console, demo: Shop) -> None:
    page = await console.open(demo)

    await page.click("30")
    await page.wait_text("30 days")
    await page.choose("Storefront", "Galle Fort")
    await page.wait_text("at Galle Fort")
    await page.fill("Other number of days", "0")
    await page.wait_text("A whole number from 1 to 9,999.")
    await page.fill("Other number of days", "45")
    await page.wait_text("45 days")
    await page.click("RFM, eleven-segment scheme")
    await page.wait_text("Previously Loyal")
    assert "days=45" in await page.address()
    await page.click("Revenue", within="main")
    await page.wait_text("Revenue by group over twelve windows")
    for view, group in (
        ("Value", "High Value"),
        ("Channel", "Omnichannel"),
        ("Season", "Year-round"),
        ("Category", "Mixed"),
    ):
        await page.click(view, within=".tabs")
        await page.wait_text(group, "section:has(#meanings)")

    await page.back()
    await page.wait_text("Year-round", "section:has(#meanings)")
    assert "Galle Fort" in await page.text("h1 + .lead")


async def test_the_report_is_downloaded_as_it_is_shown(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/?days=30")

    await page.click("Download as CSV")

    with (await page.downloaded()).open(encoding="utf-8-sig", newline="") as file:
        text = " ".join(cell for row in csv.reader(file) for cell in row)
    assert "2026-10-23" in text
    assert "2026-11-21" in text
    assert "Champions" in text


async def test_an_empty_shop_is_told_its_first_step_and_whoever_may_not_take_it_why(
    console: Console, empty_shop: Shop
) -> None:
    page = await console.open(empty_shop)
    looking = await console.open(empty_shop, token=empty_shop.token("customers:view"))

    assert await page.text("h1") == "Welcome"
    await check_accessibility(page)
    await page.click("Import a file")
    assert (await page.address()).endswith("/#/imports")
    assert "customers:edit to import" in await looking.text("main")
    assert "Import a file" not in await looking.text("main")


async def test_a_window_without_purchases_offers_the_one_that_has_the_last(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/?asOf=2010-01-01")

    assert "Nobody bought from Oct 4, 2009 to Jan 1, 2010." in await page.text("main")
    await page.click("show the window that ends then")
    await page.wait_text("What stands out")
    assert "asOf=2026-11-" in await page.address()


async def test_whoever_may_not_edit_is_offered_no_segments(console: Console, demo: Shop) -> None:
    page = await console.open(demo, token=demo.token("customers:view"))

    assert "Make a segment of each group" not in await page.text("main")
    assert "a token that has customers:edit" in await page.text("main")
    assert await page.texts(".actions button")


async def test_a_part_that_fails_leaves_the_rest_and_is_tried_again(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/no-such-page")
    await page.answer(500, '{"errors": [{"message": "The trend is not there."}]}', about="query Trend")

    await page.evaluate("location.hash = '#/'")
    await page.wait_text("The trend is not there.")
    await page.wait_text("From group to group")
    await page.let_through()
    await page.click("Try again")
    await page.wait_text("Customers by group over twelve windows")
    page.complaints.clear()


@pytest.mark.slow
async def test_three_hundred_categories_are_drawn_in_part_and_listed_on_request(
    console: Console, many_categories: Shop
) -> None:
    page = await console.open(many_categories, "/?view=category&days=365")

    assert len(await marks_of(page, "groups")) == 12
    assert "other groups" in await page.text("section:has(#groups)")
    assert await page.evaluate("document.querySelectorAll('section:has(#moves) svg rect').length") <= 2 * 14
    rows = "document.querySelectorAll('section:has(#meanings) tbody tr').length"
    assert await page.evaluate(rows) == 50
    await page.click(selector="#all-groups")
    await page.wait_for(f"{rows} >= 300")
    await check_accessibility(page)


async def test_a_list_that_is_not_there_is_told_in_its_place(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/?group=NOBODY")

    assert "These customers cannot be shown" in await page.text("dialog")
    assert "What stands out" in await page.text("main")


@pytest.mark.slow
async def test_names_of_every_script_fit_a_small_window(console: Console, every_script: Shop) -> None:
    page = await console.open(every_script, "/?view=category&days=365&by=revenue", width=380)

    assert await page.evaluate("document.documentElement.scrollWidth") <= 380
    assert await page.evaluate("document.querySelectorAll('main img, main script').length") == 0
    await page.click("山田 太郎", within="section:has(#meanings)")
    await page.wait_for("document.querySelector('dialog h2')?.innerText === '山田 太郎'")
    assert await page.evaluate("document.querySelector('dialog').scrollWidth") <= 380
    await check_accessibility(page)
