"""The page on which segments are made and changed. A shop of the test alone stands before the console among its
fixtures, so that it ends after the pages that follow it."""

import asyncio
import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.console.test_rules import DOCUMENTED
from tests.drivers.browser import SECONDS, Page
from tests.drivers.console import Console, Shop, check_accessibility

pytestmark = [pytest.mark.tools, pytest.mark.anyio]
SEGMENT = "query($key: String!) { segment(key: $key) { id name description rules version schedule isDynamic kind } }"
UPDATE = "mutation($input: UpdateSegmentInput!) { updateSegment(input: $input) { userErrors { message } } }"
VIEW = "customers:view"


async def read_text(page: Page) -> Any:
    """The rule that the text holds."""
    return json.loads(await page.value("#rules-text"))


async def write_rule(page: Page, rule: object) -> None:
    await page.type("#rules-text", rule if isinstance(rule, str) else json.dumps(rule))


async def find_segment(shop: Shop, key: str) -> dict[str, Any]:
    return dict((await shop.query(SEGMENT, key=key))["segment"])


async def test_a_segment_is_made_of_rows(own_demo: Shop, console: Console) -> None:
    page = await console.open(own_demo, "/new-segment")
    await page.fill("Name", "Often here")

    await page.choose("What", "Order count")
    await page.fill("Value", "10")
    await page.click("Add a condition")
    assert (await page.focused()) == "What"
    await page.select(".rule + .rule select, li:last-child > .rule select", "City")
    await page.select("li:last-child > .rule [id$=-how]", "is one of")
    await page.type("li:last-child > .rule [id$=-value]", "Colombo")
    await page.press("Enter")
    await page.settle()

    rule = {"and": [{">=": [{"var": "order_count"}, 10]}, {"in": [{"var": "city"}, ["Colombo"]]}]}
    assert await read_text(page) == rule
    assert "The number of orders is at least 10 and the town of residence is one of “Colombo”." in await page.text()
    await check_accessibility(page)
    await page.click("Create segment")
    await page.wait_for("location.hash === '#/segments/often-here'")
    await page.settle()
    assert (await find_segment(own_demo, "often-here"))["rules"] == rule


async def test_what_is_typed_as_text_shows_as_rows(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/new-segment")
    unusual = {"missing_some": [1, ["email", "phone"]]}

    await write_rule(page, {"or": [{"<": [{"var": "total_revenue"}, 5]}, unusual]})
    await page.wait_text("it is kept as it is")
    await page.type(".rule input[type=number]", "7")
    await page.settle()

    assert await read_text(page) == {"or": [{"<": [{"var": "total_revenue"}, 7]}, unusual]}
    await write_rule(page, '{"or": [')
    await page.wait_text("This is no JSON yet")
    await page.fill("Name", "Half")
    await page.click("Create segment")
    assert (await page.focused()) == "JSONLogic"


async def test_rows_move_and_go_without_disturbing_the_others(console: Console, demo: Shop) -> None:
    rule = [{">": [{"var": "order_count"}, value]} for value in (1, 2, 3)]
    page = await console.open(demo, "/new-segment?rules=" + quote(json.dumps(rule)))

    await page.click("Move down condition 1")
    assert (await page.focused()) == "Move down condition 2"
    await page.press("Enter")
    assert (await page.focused()) == "Move up condition 3"
    assert await read_text(page) == [rule[1], rule[2], rule[0]]
    await page.click("Remove condition 2")
    assert await read_text(page) == [rule[1], rule[0]]
    await page.click("Add a group")
    await page.select("[id^=rule-][id$=-mode]", "Not all of these hold")

    # The row of the new group is not complete: it stands in no text, and nothing is saved with it.
    assert await read_text(page) == {"!": [{"and": [rule[1], rule[0]]}]}
    await page.fill("Name", "Half")
    await page.click("Create segment")
    await page.wait_text("Complete this condition, or remove it.")


async def test_faults_are_said_at_their_rows(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/new-segment")

    await write_rule(page, {"and": [{">": [{"var": "order_count"}, 1]}, {">": [{"var": "totl_revenue"}, 1]}]})
    await page.wait_text("There is no variable totl_revenue")
    await page.settle()

    failed = await page.texts(".rule > .failed")
    assert failed[0] == ""
    assert failed[1].startswith("There is no variable totl_revenue")
    await check_accessibility(page)


@pytest.mark.slow
async def test_every_documented_rule_is_taken_from_its_rows(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/new-segment")

    for rule in DOCUMENTED:
        await write_rule(page, json.loads(rule))
        # Each select is told what it says already: nothing may change by drawing the rows.
        found = await page.evaluate("[...document.querySelectorAll('.builder select')].map(s => s.selectedIndex)")
        assert -1 not in found
    await page.settle()
    assert "mended" not in await page.text(".editor-side")
    await check_accessibility(page)


async def test_the_newest_preview_is_shown_whichever_answer_comes_first(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/new-segment")
    held = await page.hold(about="999000")
    await write_rule(page, {">": [{"var": "total_revenue"}, 999000]})
    async with asyncio.timeout(SECONDS):
        while not any("999000" in body for body in page.bodies):
            await page.evaluate("new Promise(requestAnimationFrame)")

    await write_rule(page, {">=": [{"var": "total_revenue"}, 0]})
    await page.wait_text("Every customer matches the definition")
    held.set()
    await page.settle()

    assert "Every customer matches the definition" in await page.text(".editor-side")


async def test_a_box_of_scores_is_picked(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/new-segment?minScore=344&maxScore=555")
    await page.wait_text("recency 3 to 5, frequency 4 to 5, money 4 to 5")
    await page.settle()
    total = await page.text(".total strong")
    assert f" {total} customers have such scores" in await page.text()

    await page.click("Recency 3")
    await page.click("Money 1")
    await page.settle()

    assert "recency 4 to 5, frequency 4 to 5, money any" in await page.text()
    assert "the recency score is between 4 and 5" in (await page.text(".editor-side")).lower()
    assert (await page.focused()) == "Money 1"
    await check_accessibility(page)


async def test_who_would_enter_and_leave_is_told(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/segments/big-spenders/edit")
    await page.wait_text("members of now would stay; nobody enters or leaves")

    await page.type(".rule input[type=number]", "200000")
    await page.wait_text("would enter")
    await page.settle()

    assert "▼ 0 would leave" in await page.text(".editor-side")
    assert await page.evaluate("document.querySelector('.editor-side .facts a').hash.startsWith('#/customers/')")


async def test_two_editors_end_in_a_conflict_with_both_versions(own_demo: Shop, console: Console) -> None:
    page = await console.open(own_demo, "/segments/big-spenders/edit")
    stored = await find_segment(own_demo, "big-spenders")
    theirs = {"id": stored["id"], "name": "Theirs", "schedule": "0 * * * *"}
    await own_demo.query(UPDATE, input=theirs)

    await page.fill("Name", "Mine")
    await page.click("Save changes")
    await page.wait_text("Somebody else has changed this segment")

    assert await page.rows() == [
        ["Field", "Yours", "Theirs"],
        ["Name", "Mine", "Theirs"],
        ["Calculated anew", "Every night\n\nas it was", "Every hour"],
    ]
    await check_accessibility(page)
    await page.click("Go on editing")
    assert await page.value("#segment-name") == "Mine"
    await page.click("Save changes")
    await page.click("Keep mine")
    await page.wait_for("location.hash === '#/segments/big-spenders'")
    await page.settle()
    kept = await find_segment(own_demo, "big-spenders")
    assert (kept["name"], kept["schedule"], kept["version"]) == ("Mine", None, stored["version"] + 2)

    page = await console.open(own_demo, "/segments/big-spenders/edit")
    await own_demo.query(UPDATE, input={**theirs, "name": "Theirs again"})
    await page.fill("What it is for", "Mine too")
    await page.click("Save changes")
    await page.click("Take theirs")
    await page.wait_for("document.querySelector('#segment-name').value === 'Theirs again'")
    assert "Somebody else" not in await page.text()


async def test_leaving_asks_while_something_is_not_saved(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/segments")
    await page.evaluate("location.hash = '#/segments/vip/edit'")
    await page.wait_text("Edit VIP")
    await page.click("Cancel")
    await page.wait_gone("Edit VIP")
    await page.back()
    await page.wait_text("Edit VIP")
    await page.settle()

    await page.fill("Name", "VIPs")
    await page.click("Segments", within="nav")
    await page.click("Cancel", within="dialog")
    await page.wait_gone("Leave without saving")
    await page.wait_for("location.hash === '#/segments/vip/edit'")
    assert await page.value("#segment-name") == "VIPs"
    await page.back()
    await page.click("Leave without saving")
    await page.wait_for("location.hash !== '#/segments/vip/edit'")
    await page.wait_gone("Edit VIP")


async def test_closing_the_tab_asks_while_something_is_not_saved(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/new-segment")
    asks = "!window.dispatchEvent(new Event('beforeunload', { cancelable: true }))"

    assert await page.evaluate(asks) is False
    await page.fill("Name", "New")
    assert await page.evaluate(asks) is True


async def test_refusals_are_said_at_their_fields(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/new-segment?name=VIP&rules=" + quote('{">": [{"var": "order_count"}, 5]}'))

    await page.click("Create segment")
    await page.wait_text("name is in use by the segment vip")
    await page.settle()

    assert (await page.focused()) == "Name"
    await page.fill("Name", "")
    await page.click("Create segment")
    await page.wait_text("name must not be blank")


@pytest.mark.slow
async def test_bounds_and_a_schedule_are_saved_and_shown_again(own_demo: Shop, console: Console) -> None:
    page = await console.open(own_demo, "/new-segment?name=Bound")
    await page.click("Remove condition 1")
    await page.click(selector="summary")
    await page.fill("Orders, at least", "5")
    await page.fill("Loyalty level", "GOLD")
    await page.press("Enter")
    await page.choose("Calculated anew", "Mondays at 6:00")
    await page.type("#bound-maxOrders", "2")
    await page.wait_text("maxOrders must be at least minOrders")
    await page.type("#bound-maxOrders", "")
    await page.wait_text("The number of orders is at least 5 and the loyalty level is one of “GOLD”.")

    await page.click("Create segment")
    await page.wait_for("location.hash === '#/segments/bound'")
    await page.settle()
    assert (await find_segment(own_demo, "bound"))["schedule"] == "0 6 * * 1"
    page = await console.open(own_demo, "/segments/bound/edit")
    assert await page.value("#bound-minOrders") == "5"
    assert "GOLD" in await page.text(".chips")


async def test_a_copy_begins_with_the_definition(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/new-segment?copy=big-spenders")

    assert await page.value("#segment-name") == "Big spenders (copy)"
    assert await read_text(page) == {">": [{"var": "total_revenue"}, 250000]}


async def test_a_token_that_may_only_look_is_told_so(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/segments/big-spenders/edit", token=demo.token(VIEW))

    assert "lacks the permission customers:edit" in await page.text()
    assert await page.texts("main button, main input") == []


@pytest.mark.slow
async def test_three_hundred_categories_are_offered(console: Console, many_categories: Shop) -> None:
    rule = {"some": [{"var": "purchases.lines"}, {"==": [{"var": "category"}, "x"]}]}
    page = await console.open(many_categories, "/new-segment?rules=" + quote(json.dumps(rule)))

    await page.wait_for("document.querySelectorAll('datalist option').length === 200")
    began = await page.evaluate("performance.now()")
    for _ in range(20):
        await page.click("Add a condition", within="main .builder > .rules > .actions")
    took = await page.evaluate("performance.now()") - began
    assert took < 20_000


async def test_an_empty_shop_has_an_editor(console: Console, empty_shop: Shop) -> None:
    page = await console.open(empty_shop, "/new-segment")
    await page.choose("What", "Order count")
    await page.fill("Value", "1")

    await page.wait_text("0 of 0 customers")
    await page.settle()
    await check_accessibility(page)


@pytest.mark.parametrize("width", [380, 1920])
async def test_the_page_is_no_wider_than_its_window(console: Console, demo: Shop, width: int) -> None:
    page = await console.open(demo, "/segments/kids-wear-with-a-newsletter/edit", width=width)
    await page.click("Only customers with these scores")
    await page.settle()

    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_a_segment_by_hand_has_no_conditions(own_demo: Shop, console: Console) -> None:
    page = await console.open(own_demo, "/segments/vip/edit", theme="dark")

    assert "Its members are put in by hand, so it has no conditions." in await page.text()
    assert "Conditions" not in await page.text("main")
    await check_accessibility(page)
    await page.fill("Name", "Guests of honour")
    await page.click("Save changes")
    await page.wait_for("location.hash === '#/segments/vip'")
    await page.settle()
    assert (await find_segment(own_demo, "vip"))["name"] == "Guests of honour"
