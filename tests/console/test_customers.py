"""Customers in the console: the list with its question in the address and in words, and the page of one of them with
all that can be done to it. A shop of the test alone is asked for first, so that its pages are closed before it is."""

import json
from unicodedata import normalize
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest

from tests.drivers.browser import Page
from tests.drivers.console import Console, Shop, check_accessibility
from tests.drivers.server import wait_until
from tests.shops.console_shops import NAMES

pytestmark = [pytest.mark.tools, pytest.mark.anyio]


async def question(page: Page) -> dict[str, list[str]]:
    """What stands in the address of the page."""
    return parse_qs(urlsplit(await page.address()).fragment.partition("?")[2])


async def ids(page: Page) -> list[str]:
    return [row[1] for row in (await page.rows())[1:]]


async def test_the_list_is_asked_by_search_labels_and_segments_and_says_so(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/customers")
    assert (await page.text(".lead")).endswith("customers, by revenue, most first.")

    await page.click(selector="[id='filter-spending-High Value']")
    await page.wait_text("whose spending is “High Value”", ".lead")
    assert await page.evaluate("document.activeElement.id") == "filter-spending-High Value"
    await page.click(selector="[id='filter-frequency-Loyal']")
    await page.wait_text("whose frequency is “Loyal” and whose spending is “High Value”", ".lead")
    await page.click(selector="[id='filter-segment-big-spenders']")
    await page.wait_text("who are in “Big spenders”", ".lead")

    assert await question(page) == {"spending": ["High Value"], "frequency": ["Loyal"], "segment": ["big-spenders"]}
    told = (await page.text(".lead")).split()[0]
    made = unquote(await page.evaluate("document.querySelector('.page-head a.button').hash.split('?')[1]"))
    rules = json.loads(parse_qs(made)["rules"][0])
    by_rules = await demo.query(
        "query($f: CustomerFilter) { customers(filter: $f) { totalCount } }", f={"rules": rules}
    )
    assert by_rules["customers"]["totalCount"] == int(told.replace(",", "")) > 0
    assert await page.text("[role=status].unseen") == await page.text(".lead")

    await page.type("#search-search", "a")
    await page.wait_text("found by “a”", ".lead")
    assert await page.evaluate("document.querySelector('.page-head a.button')") is None
    assert await page.evaluate("document.activeElement.id") == "search-search"
    await page.click(selector=".chip")
    await page.wait_gone("found by", ".lead")
    assert await page.focused() == "Customers"
    await page.click("Without any filter")
    await page.wait_text("customers, by revenue", ".lead")
    assert await question(page) == {}


async def test_the_list_is_sorted_and_paged_both_ways(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/customers")
    assert await page.evaluate(
        "document.querySelector('[aria-sort]').ariaSort + document.querySelector('[aria-sort] a').id"
    ) == ("descendingsort-TOTAL_REVENUE")

    await page.click(selector="#sort-EXTERNAL_ID")
    await page.wait_text("by customer id.", ".lead")
    first = await ids(page)
    await page.click("Next")
    await page.wait_for("location.hash.includes('after=')")
    await page.settle()
    second = await ids(page)
    await page.click("Previous")
    await page.wait_for("location.hash.includes('before=')")
    await page.settle()

    assert first == sorted(first) and second == sorted(second) and first[-1] < second[0]
    assert await ids(page) == first
    await page.back()
    await page.settle()
    assert await ids(page) == second
    await page.click(selector="#sort-ORDER_COUNT")
    await page.wait_text("by orders, most first", ".lead")
    orders = [int(row[2].replace(",", "")) for row in (await page.rows())[1:]]
    assert orders == sorted(orders, reverse=True)


async def test_nobody_found_says_what_to_change(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/customers?search=zzz&spending=High+Value")
    assert "try fewer letters" in await page.text(".empty")

    await page.click("Search zzz", within=".empty")
    await page.wait_gone("zzz", ".lead")

    assert len(await ids(page)) == 50


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("segment=nonsense", "There is no segment with the key nonsense."),
        ("rules=nonsense", "The rule in the address is no JSON."),
        ("sort=SIZE", "EXTERNAL_ID, NAME"),
    ],
)
async def test_what_cannot_be_asked_is_told_beside_its_filter(
    console: Console, demo: Shop, address: str, told: str
) -> None:
    page = await console.open(demo, f"/customers?{address}&frequency=New")

    assert told in await page.text(".notice.error")
    await page.click("Show all customers")
    await page.wait_text("customers, by revenue", ".lead")


async def test_a_rule_of_another_page_is_a_filter_in_words(console: Console, demo: Shop) -> None:
    rule = {">=": [{"var": "order_count"}, 20]}

    page = await console.open(demo, f"/customers?rules={quote(json.dumps(rule))}")

    await page.wait_text("the number of orders is at least 20", ".chips")
    assert min(int(row[2]) for row in (await page.rows())[1:]) >= 20


async def test_an_empty_shop_says_where_customers_come_from(console: Console, empty_shop: Shop) -> None:
    page = await console.open(empty_shop, "/customers")

    assert "This shop has no customers yet" in await page.text("main")
    await page.click("Import a file")
    assert await page.wait_for("location.hash === '#/imports'")


async def test_a_long_list_of_values_can_be_searched(console: Console, every_script: Shop) -> None:
    page = await console.open(every_script, "/customers", width=380)
    shown = "[...document.querySelectorAll('[id^=filter-segment]')].filter((box) => box.checkVisibility()).length"
    assert await page.evaluate(shown) == 0

    await page.click("Search and filters")
    assert await page.evaluate(shown) == len(NAMES)
    await page.fill(f"Find among {len(NAMES)}: Segment", "ΠΑΠΑΔΟΠΟΎΛΟΥ")

    assert await page.evaluate(shown) == 1
    await check_accessibility(page)


@pytest.mark.parametrize("width", [380, 1280])
async def test_names_of_every_script_are_shown_and_lead_to_their_pages(
    console: Console, every_script: Shop, width: int
) -> None:
    page = await console.open(every_script, "/customers?sort=EXTERNAL_ID", width=width)

    shown = await page.evaluate("[...document.querySelectorAll('tbody th a')].map((link) => link.textContent)")
    assert shown == [normalize("NFC", name) for name in NAMES]
    await page.click(selector="tbody tr:nth-child(13) th a")
    await page.wait_for("document.querySelector('h1').textContent === '<script>alert(1)</script>'")
    await page.settle()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def find_best(shop: Shop, first: int = 1) -> list[str]:
    """The ids of those with the most revenue."""
    query = "query($n: Int) { customers(first: $n, sort: TOTAL_REVENUE, reverse: true) { nodes { externalId } } }"
    return [node["externalId"] for node in (await shop.query(query, n=first))["customers"]["nodes"]]


async def test_a_customer_stands_on_the_scale_of_the_shop(console: Console, demo: Shop) -> None:
    (best,) = await find_best(demo)
    found = await demo.query(
        "query($id: String) { customer(externalId: $id) { rfm { score scale { score } } } }", id=best
    )
    page = await console.open(demo, f"/customers/{best}")

    scores = await page.texts(".scale [aria-current] strong")
    assert "".join(scores) == found["customer"]["rfm"]["score"]
    assert len(await page.texts(".scale li")) == len(found["customer"]["rfm"]["scale"])
    await page.click("High Value")
    await page.wait_text("whose spending is “High Value”", ".lead")


async def test_a_segment_says_why_clause_by_clause_when_it_is_asked(console: Console, demo: Shop) -> None:
    (best,) = await find_best(demo)
    page = await console.open(demo, f"/customers/{best}")
    before = len(page.requests)

    await page.click(selector="[id='why-big-spenders'] > summary")
    await page.wait_text("✓ Holds", "[id='why-big-spenders']")

    assert len(page.requests) == before + 1
    assert "total revenue is more than" in await page.text("[id='why-big-spenders'] table")
    await check_accessibility(page)


@pytest.mark.slow
async def test_the_timeline_has_everything_once_newest_first(console: Console, demo: Shop) -> None:
    (best,) = await find_best(demo)
    query = """query($id: String) { customer(externalId: $id) {
      purchases { totalCount } membershipHistory { totalCount } } }"""
    found = (await demo.query(query, id=best))["customer"]
    page = await console.open(demo, f"/customers/{best}")
    times = "[...document.querySelectorAll('.timeline time')].map((time) => time.dateTime)"

    while await page.evaluate("[...document.querySelectorAll('button')].some((e) => e.innerText === 'Show more')"):
        shown = len(await page.evaluate(times))
        await page.click("Show more")
        await page.wait_for(f"{times}.length > {shown}")
        assert await page.evaluate("document.activeElement.className") == "event"

    everything = await page.evaluate(times)
    assert everything == sorted(everything, reverse=True)
    assert len(everything) == found["purchases"]["totalCount"] + found["membershipHistory"]["totalCount"]
    await page.click("Entries and exits")
    await page.wait_for(f"{times}.length === {found['membershipHistory']['totalCount']}")


async def test_who_may_not_edit_sees_no_control_and_is_told_why(console: Console, demo: Shop) -> None:
    (best,) = await find_best(demo)

    page = await console.open(demo, f"/customers/{best}", token=demo.token("customers:view"))

    assert "lacks the permission customers:edit" in await page.text(".page-head")
    assert [text for text in await page.texts("main button") if text != "Show more"] == []


async def test_a_customer_is_put_into_a_segment_and_taken_out(own_demo: Shop, console: Console) -> None:
    made = """mutation { createSegment(input: { name: "Friends", kind: MANUAL }) { userErrors { message } } }"""
    await own_demo.query(made)
    (best,) = await find_best(own_demo)
    page = await console.open(own_demo, f"/customers/{best}")

    await page.click("Put into a segment …")
    await page.fill("Segment", "frie")
    await page.wait_for("document.querySelectorAll('dialog li').length === 1")
    await check_accessibility(page)
    await page.click("Friends (0 members)")
    await page.wait_text("by hand, tester", "main")
    assert await page.focused() == "Put into a segment …"
    await page.click("Take out")
    await page.click("Take out", within="dialog")
    await page.wait_for("!document.querySelector('a[href$=friends]')?.closest('.lined')")

    assert "Left Friends by hand" in await page.text(".timeline")


@pytest.mark.slow
async def test_a_rule_that_says_something_else_than_the_membership_is_told_and_followed(
    own_demo: Shop, console: Console
) -> None:
    create = """mutation($rules: JSON) { createSegment(input: {
      name: "Island", kind: AUTOMATIC, isDynamic: false, rules: $rules }) { segment { id } } }"""
    rule = {"==": [{"var": "city"}, "Jaffna East"]}
    segment = (await own_demo.query(create, rules=rule))["createSegment"]["segment"]["id"]
    (best,) = await find_best(own_demo)

    async def calculated() -> bool:
        query = "query($id: ID!) { segment(id: $id) { lastCalculated } }"
        return (await own_demo.query(query, id=segment))["segment"]["lastCalculated"] is not None

    await wait_until(calculated)
    move = 'mutation($id: String!) { upsertCustomers(input: [{ externalId: $id, city: "Jaffna East" }]) { updated } }'
    assert (await own_demo.query(move, id=best))["upsertCustomers"]["updated"] == 1
    page = await console.open(own_demo, f"/customers/{best}")

    assert "Not a member yet, although the rule holds" in await page.text("main")
    await page.click("Recalculate this customer")
    await page.wait_text("Entered Island", ".timeline")

    await page.wait_text("are as their rules say", "main")
    assert await page.text("[role=status].unseen") == "Entered Island."


@pytest.mark.slow
async def test_two_ids_of_one_person_become_one_customer(own_demo: Shop, console: Console) -> None:
    one, other = await find_best(own_demo, 2)
    page = await console.open(own_demo, f"/customers/{one}")

    await page.click("Merge into another …")
    await page.fill("Customer who stays", other)
    await page.wait_for("document.querySelectorAll('dialog li').length === 1")
    await page.click(selector="dialog li button")
    await page.wait_text("cannot be undone", "dialog")
    await page.click("Merge", within="dialog")
    await page.wait_for(f"location.hash === '#/customers/{other}'")
    await page.open(f"{own_demo.url}/#/customers/{one}")
    await page.wait_text("was merged into this customer", "main")

    assert other in await page.text(".lead")


@pytest.mark.slow
async def test_a_question_goes_with_its_page(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/customers")
    await page.click(selector="tbody th a")
    await page.click("Erase …")
    await page.wait_text("What goes", "dialog")

    await page.back()
    await page.wait_text("customers, by revenue", ".lead")

    assert await page.evaluate("document.querySelector('dialog')") is None


async def test_erasing_tells_what_follows_and_asks_for_the_id(own_demo: Shop, console: Console) -> None:
    (best,) = await find_best(own_demo)
    page = await console.open(own_demo, f"/customers/{best}", theme="dark")
    await page.click("Erase …")
    assert await page.focused() == "Cancel"
    told = await page.text("dialog")
    assert "What goes" in told and "What stays" in told and "This cannot be undone." in told
    await check_accessibility(page)

    await page.fill(f"Type the customer id {best} to confirm", "C")
    await page.click("Erase for good")
    await page.wait_text(f"This is not the id {best}.", "dialog")
    await page.fill(f"Type the customer id {best} to confirm", best)
    await page.click("Erase for good")
    await page.wait_for("document.querySelector('h1')?.innerText === 'Erased customer'")
    await page.settle()

    assert "In no segment" not in await page.text("main") and "An erased customer is in no segment." in await page.text(
        "main"
    )
    assert await page.texts(".page-head button") == []
    # The address holds, and the old one finds nobody.
    await page.reload()
    await page.wait_text("Erased customer", "h1")
    await page.open(f"{own_demo.url}/#/customers/{best}")
    await page.wait_text("There is no such customer", "h1")
