"""The list of segments, and the page of one: what it tells and does, and that two who look at it see the same."""

import asyncio
from pathlib import Path

import pytest

from domain.model import Business
from domain.segments.runner import Runner
from tests.drivers.console import Console, Shop, check_accessibility, serve
from tests.shops.console_shops import fill_nothing

pytestmark = [pytest.mark.tools, pytest.mark.anyio]
ONE_FOUND = "document.querySelectorAll('li button').length === 1"
TABS = ("members", "history", "changes", "snapshots", "overlap", "why")
IDS = (
    "query Ids($key: String!, $customer: String!) { segment(key: $key) { id } customer(externalId: $customer) { id } }"
)
ASSIGN = """mutation Assign($segment: ID!, $customer: ID!) {
  assignSegment(segmentId: $segment, customerIds: [$customer]) { assignedCount } }"""


async def assign(shop: Shop, key: str, customer: str) -> None:
    found = await shop.query(IDS, key=key, customer=customer)
    given = {"segment": found["segment"]["id"], "customer": found["customer"]["id"]}
    assert (await shop.query(ASSIGN, **given))["assignSegment"] == {"assignedCount": 1}


async def test_segments_are_searched_filtered_and_sorted_by_the_address(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/segments")
    assert len(await page.rows()) == 1 + 11
    await check_accessibility(page)

    await page.click(selector="#sort-MEMBER_COUNT")
    await page.settle()
    largest = (await page.rows())[1]
    await page.choose("Kind", "By hand")
    await page.settle()
    by_hand = await page.rows()
    await page.fill("Search by name or key", "vi")
    await page.wait_text("1 segment, by hand, found by “vi”, by members, from the end.")

    assert (largest[0].splitlines()[0], largest[2].splitlines()[0]) == ("Abroad", "783")
    assert [row[0].splitlines()[0] for row in by_hand[1:]] == ["Written to", "VIP"]
    assert (await page.address()).endswith("/#/segments?sort=MEMBER_COUNT&reverse=true&kind=MANUAL&search=vi")


async def test_a_shop_without_segments_gets_the_standard_ones(console: Console, tmp_path: Path) -> None:
    async with serve(tmp_path / "shop", fill_nothing) as shop:
        page = await console.open(shop, "/segments")
        assert "There are no segments yet" in await page.text("main")
        await check_accessibility(page)

        await page.click("One for each of the eight RFM groups")
        await page.wait_text("8 segments, by name.")

        assert (await page.rows())[1][0].splitlines()[0] == "At Risk"
        await page.close()


async def test_who_may_only_look_is_offered_nothing_else(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/segments", token=demo.token("customers:view"))
    offered = await page.texts("main button, main .button")
    said = await page.text("main")
    await page.click("VIP")
    await page.settle()

    assert offered == []
    assert "This token may look only" in said
    assert await page.texts("main .page-head button, main .page-head .button") == ["Export members"]
    assert "needs customers:edit" in await page.text("main") or "need customers:edit" in await page.text("main")


@pytest.mark.parametrize("tab", TABS)
async def test_every_part_of_a_segment_can_be_read_by_everybody(console: Console, demo: Shop, tab: str) -> None:
    page = await console.open(demo, f"/segments/won-back?tab={tab}", width=380 if tab == "overlap" else 1280)

    assert await page.text("h1") == "Won back"
    assert "A customer is in it when the customer belongs to “written-to”" in await page.text("main")
    await check_accessibility(page)


async def test_members_are_found_sorted_and_told_of_another_day(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/segments/vip?sort=TOTAL_REVENUE&reverse=true")
    revenues = [row[3] for row in (await page.rows())[1:]]
    await page.fill("Search members", "mal")
    await page.wait_text("found by “mal”")
    found = [row[0].splitlines()[0] for row in (await page.rows())[1:]]
    then = await console.open(demo, "/segments/vip?day=2026-08-20")

    numbers = [float(text.split()[0].replace(",", "")) for text in revenues]
    assert len(numbers) == 14 and numbers == sorted(numbers, reverse=True)
    assert found == ["Malsha Karunaratne"]
    assert "0 members at the end of Aug 20, 2026." in await then.text("main")


async def test_members_are_added_and_removed_and_whoever_looks_on_is_told(own_demo: Shop, console: Console) -> None:
    page = await console.open(own_demo, "/segments/vip")
    onlooker = await console.open(own_demo, "/segments/vip")
    changes = await console.open(own_demo, "/segments/vip?tab=changes")

    await page.click("Add a member")
    await page.fill("Search a customer", "C00040")
    await page.wait_for(ONE_FOUND)
    await page.click(selector="dialog li button")
    await page.wait_text("15 members.")
    await onlooker.wait_text("1 entered and 0 left since this was shown.")
    await onlooker.wait_text("15", ".figures strong")
    await changes.wait_text("by hand, tester", "tbody tr")
    await onlooker.click("Show")
    await onlooker.wait_text("15 members.")
    name = (await changes.rows())[1][0]
    await page.click(f"Remove {name}")
    await page.wait_text("14 members.")

    await onlooker.wait_text("0 entered and 1 left since this was shown.")
    await changes.wait_text("Left", "tbody tr")


async def test_changes_wait_while_they_are_paused(own_demo: Shop, console: Console) -> None:
    page = await console.open(own_demo, "/segments/vip?tab=changes")
    before = await page.rows()

    await page.click("Pause")
    await assign(own_demo, "vip", "C00040")
    await page.wait_text("1 change more since.")
    paused = await page.rows()
    await page.click("Pause")
    await page.wait_text("Shown as they happen.")

    assert paused == before
    assert [row[1] for row in await page.rows()] == ["What", "Entered", *[row[1] for row in before[1:]]]


async def test_a_segment_is_recalculated_and_says_what_came_of_it(own_demo: Shop, console: Console) -> None:
    page = await console.open(own_demo, "/segments/abroad")
    onlooker = await console.open(own_demo, "/segments/abroad?tab=history")

    await page.click("Recalculate")
    await page.wait_text("Recalculated just now:")
    await onlooker.wait_text("Succeeded, just now", ".facts")

    every = await console.open(own_demo, "/segments")
    await every.click("Recalculate all")
    await every.wait_for("document.querySelectorAll('tbody tr').length === 11 && !document.querySelector('progress')")
    assert {row[4] for row in (await every.rows())[1:]} == {"just now", "–"}


async def test_a_snapshot_is_taken_and_compared(own_demo: Shop, console: Console) -> None:
    page = await console.open(own_demo, "/segments/vip?tab=snapshots")
    await page.click("Take a snapshot")
    await page.settle()
    await assign(own_demo, "vip", "C00040")
    await page.wait_text("1 entered and 0 left since this was shown.")
    await page.click("Take a snapshot")
    await page.wait_text("Entered: 1")

    assert "Stayed: 14" in await page.text("main")
    assert "from=" in await page.address()


async def test_overlap_is_told_of_chosen_segments_and_leads_to_the_customers(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/segments/vip?tab=overlap&with=abroad")

    await page.choose("Another segment", "Best customers")
    await page.click("Add")
    await page.settle()

    assert (await page.address()).endswith("with=abroad&with=best-customers")
    assert [row[0] for row in await page.rows(".panel > .wide table")][1:] == ["Abroad", "Best customers"]
    links = await page.evaluate("[...document.querySelectorAll('td a')].map((each) => each.hash)")
    assert "#/customers?segment=vip&segment=best-customers" in links


async def test_why_somebody_is_in_or_out_is_told_clause_by_clause(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/segments/won-back?tab=why")

    await page.fill("Look somebody up", "C00007")
    await page.wait_for(ONE_FOUND)
    await page.click(selector=".later li button")
    await page.wait_text("in it?")

    assert "No. 1 of 2 clauses of the rule do not hold." in await page.text("main")
    first, second = (await page.rows())[1:]
    assert (first[0], first[2]) == ("the customer belongs to “written-to”", "✗ Does not hold")
    assert (second[0], second[2]) == ("the last purchase was fewer than 58 days ago", "✓ Holds")
    assert (await page.address()).endswith("tab=why&customer=C00007")


@pytest.mark.slow
async def test_a_segment_is_copied_frozen_and_deleted_unless_another_needs_it(own_demo: Shop, console: Console) -> None:
    page = await console.open(own_demo, "/segments/written-to")
    await page.click("Delete")
    await page.click("Delete", within="dialog")
    await page.wait_text("written-to is used by the rules of: Won back (won-back)", "dialog")
    await page.click("Cancel", within="dialog")

    await page.click("Freeze")
    await page.fill("Name of the new segment", "Frozen")
    await page.click("Create", within="dialog")
    await page.wait_text("Frozen", "h1")
    assert "50 members." in await page.text("main")
    await page.click("Delete")
    await page.click("Delete", within="dialog")
    await page.wait_text("11 segments, by name.")


async def test_members_are_exported_with_the_columns_that_are_chosen(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/segments/vip")

    await page.click("Export members")
    await page.choose("As", "CSV")
    await page.click("email", within="dialog")
    await page.click("country", within="dialog")
    await page.click("Download", within="dialog")
    lines = (await page.downloaded()).read_text(encoding="utf-8-sig").splitlines()

    assert lines[0].startswith("customer_id,name,loyalty_level,") and lines[0].endswith(",rfm_segment,country")
    assert len(lines) == 1 + 14


async def test_a_segment_that_is_not_there_says_so(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/segments/no-such-segment")

    assert await page.text("h1") == "There is no such segment"


@pytest.mark.slow
async def test_a_run_that_goes_on_is_seen_by_everybody_and_can_be_cancelled(
    own_demo: Shop, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait, go = Runner.run_next, asyncio.Event()

    async def hold(runner: Runner, business: Business) -> bool:
        await go.wait()
        return await wait(runner, business)

    monkeypatch.setattr(Runner, "run_next", hold)
    page = await console.open(own_demo, "/segments/abroad")
    onlooker = await console.open(own_demo, "/segments/abroad")
    every = await console.open(own_demo, "/segments")
    await page.click("Recalculate")

    for each in (page, onlooker):
        await each.wait_text("Waiting …", ".notice.info")
    await check_accessibility(page)
    await every.click("Recalculate all")
    await every.wait_text("Recalculating every segment")
    await onlooker.click("Cancel")
    await page.wait_text("The run was cancelled; the members are as before.")
    await onlooker.wait_gone("Waiting …")
    go.set()
    await every.wait_gone("Recalculating every segment")
