"""Only what was bought counts for categories and stands in the lists of rules: lines of qualifying purchases whose own
status qualifies and whose amount is not below 0."""

import pytest
from alembic import command
from sqlalchemy import text

from domain.classification.groups import Method
from domain.model import Business, PurchaseStatus
from domain.pages import PageRequest
from domain.rules.evaluator import holds
from domain.rules.parser import parse_rule
from domain.segments.customer_facts import build_rule_context, read_customer_facts
from gql.composition import Services
from persistence.database.engines import Database
from persistence.labels.labels import LabelStore, keep
from persistence.migrations.migrate import build_configuration, upgrade
from persistence.rules.compiler import RuleCompiler, select_matching
from persistence.store import SqlStore
from tests.conftest import SetClock, once_a_store
from tests.drivers.files import Importer, counts
from tests.drivers.store_image import image
from tests.drivers.working import Working
from tests.persistence.conftest import buy, record_of
from tests.shops.factories import line, purchase

pytestmark = pytest.mark.anyio
HEADER = "customer_id,order_id,date,amount,status,category"
ORDERS = (
    # The first line of the order is not bought, and still the order counts once, with what was paid.
    "Cup,c1,2024-06-01,100.00,cancelled,Tea",
    "Cup,c1,2024-06-01,20.00,paid,Cup",
    # What came back is no line that was bought.
    "Back,b1,2024-06-01,50.00,paid,Tea",
    "Back,b1,2024-06-01,-50.00,paid,Tea",
    "Back,b1,2024-06-01,10.00,paid,Mug",
    # Nothing of what was refunded was bought.
    "Gone,g1,2024-06-01,40.00,refunded,Tea",
    "Gone,g1,2024-06-01,5.00,cancelled,Tea",
    "Gone,g2,2024-06-01,7.00,paid,Mug",
    "Lost,l1,2024-06-01,40.00,refunded,Tea",
    # Three lines of four, where the fourth does not count.
    "Most,m1,2024-06-01,1.00,pending,Mug",
    "Most,m1,2024-06-01,1.00,paid,Tea",
    "Most,m2,2024-06-01,1.00,paid,Tea",
    "Most,m3,2024-06-01,1.00,paid,Tea",
    "Most,m4,2024-06-01,1.00,paid,Mug",
)
CATEGORIES = {"Cup": "Cup", "Back": "Family", "Gone": "Mug", "Lost": None, "Most": "Tea"}
CATEGORIES |= dict.fromkeys(("Nothing", "Half"), "Mixed")
GROUPS = {"Cup": 1, "Mug": 1, "Tea": 1, "Mixed": 3}
"""Those of BEHAVIOR, which knows no Family."""


@pytest.fixture
@once_a_store
async def filled(database: Database, services: Services, shop: Business, importer: Importer) -> Business:
    """With two customers of whom some purchases have no line that was bought, which is one line without a category."""
    importer.lines(*ORDERS, header=HEADER)
    refund = line("Tea", -500)
    items = [
        purchase("Nothing", "n1", "2024-06-01", 3000, lines=(refund,)),
        purchase("Half", "h1", "2024-06-01", 3000, lines=(refund, refund)),
        purchase("Half", "h2", "2024-06-01", 3000, lines=(line("Cup", 3000),)),
    ]
    return await buy(services, shop, items)


async def selected(database: Database, business: Business, clock: SetClock, rule: object) -> set[str]:
    """The customers for whom the rule holds; the statement and the row evaluator agree about each."""
    tree = parse_rule(rule)
    async with SqlStore(database, clock).read(business) as unit:
        context = await build_rule_context(unit, clock.now, [tree])
        everyone = await read_customer_facts(unit, context, range(1, len(CATEGORIES) + 1))
    names = {key: str(each.values["external_id"]) for key, each in everyone.items()}
    assert sorted(names.values()) == sorted(CATEGORIES)
    statement = select_matching(
        context, {"rule": RuleCompiler(context, lambda key: parse_rule(False)).compile_condition(tree)}
    )
    with database.bulk.connect() as connection:
        found = {names[key] for key, answer in connection.execute(statement) if answer}
    assert found == {names[key] for key, each in everyone.items() if holds(tree, each)}
    return found


@pytest.mark.read_only
async def test_the_category_of_a_customer_is_that_of_what_was_bought(
    services: Services, filled: Business, database: Database, clock: SetClock
) -> None:
    with LabelStore(database, filled.id, clock).decide_labels() as decided:
        assert {row[0]: row[3] for row in decided.load_rows()} == CATEGORIES
    for name, category in CATEGORIES.items():
        record = await record_of(services, filled, name)
        labelled = await services.customers.load_classifications(filled, {record.customer.id: record.totals})
        assert labelled[record.customer.id].category == category
        if category is not None:
            assert name in await selected(database, filled, clock, {"==": [{"var": "category_label"}, category]})


@pytest.mark.read_only
async def test_the_report_on_behaviour_counts_what_was_bought(services: Services, filled: Business) -> None:
    report = await services.reporting.make_report(filled, method=Method.BEHAVIOR)

    found = {each.kind.name: each for each in report.groups if each.kind.dimension == "category"}
    assert {name: each.customers for name, each in found.items() if each.customers} == GROUPS
    # An order whose first line was not bought still counts once, with all of its amount.
    assert (found["Cup"].orders, found["Cup"].revenue) == (1, 2000)
    assert (report.orders, report.revenue) == (10, 2000 + 1000 + 700 + 400 + 3 * 3000)


def some(items: str, name: str, value: object) -> object:
    """Whoever has one of these with that value."""
    return {"some": [{"var": items}, {"==": [{"var": name}, value]}]}


NOT_BOUGHT = {"in": [{"var": "status"}, ["PENDING", "CANCELLED", "REFUNDED"]]}


@pytest.mark.read_only
@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (some("purchases.lines", "category", "Tea"), {"Back", "Most"}),
        ({"some": [{"var": "purchases.lines"}, {"<": [{"var": "amount"}, 0]}]}, set()),
        ({"some": [{"var": "purchases.lines"}, NOT_BOUGHT]}, set()),
        ({"none": [{"var": "purchases.lines"}, True]}, {"Lost", "Nothing"}),
        (some("all_purchases.lines", "category", "Tea"), set(CATEGORIES)),
        (some("all_purchases.lines", "status", "CANCELLED"), {"Cup", "Gone"}),
        (some("all_purchases.lines", "status", "PENDING"), {"Most"}),
        # The order's own status is another matter.
        (some("all_purchases", "status", "CANCELLED"), set()),
        (some("all_purchases", "status", "REFUNDED"), {"Gone", "Lost"}),
        (some("all_purchases", "amount", 40), {"Gone", "Lost"}),
        (some("purchases", "amount", 40), set()),
    ],
)
async def test_the_lists_of_rules_hold_the_lines_that_were_bought(
    rule: object, expected: set[str], filled: Business, database: Database, clock: SetClock
) -> None:
    assert await selected(database, filled, clock, rule) == expected


async def test_an_order_that_does_not_qualify_has_the_sum_of_its_own_rows(filled: Business, database: Database) -> None:
    found = image(database, filled)

    assert {order: row[3:6] for order, row in found.purchases.items() if order in ("g1", "l1", "c1", "b1")} == {
        "g1": ("REFUNDED", 0, 4000),
        "l1": ("REFUNDED", 0, 4000),
        "c1": ("COMPLETED", 1, 2000),
        "b1": ("COMPLETED", 1, 1000),
    }
    assert found.totals["Lost"][:2] == (0, 0)
    assert found.totals["Gone"][:2] == (1, 700)


EARLIER = """UPDATE {table} SET amount = 0 WHERE status > 1 AND written_by IN (SELECT id FROM purchase_import)"""
"""What an import wrote before step 0007."""


async def test_a_store_of_an_earlier_step_shows_what_was_refunded_and_all_that_depends_on_lines_follows(
    services: Services, shop: Business, importer: Importer, database: Database, clock: SetClock
) -> None:
    importer.lines(*ORDERS, header=HEADER)
    stated = purchase("Told", "t1", "2024-06-01", 0, status=PurchaseStatus.REFUNDED, lines=(line("Tea", 500),))
    whole = purchase("Plain", "p1", "2024-06-01", 700, lines=(line("Tea", 700),))
    await buy(services, shop, [stated, whole])
    changed = [row.replace(",40.00,refunded", ",41.00,refunded") for row in ORDERS]
    importer.lines(*changed, header=HEADER)
    right, kept = image(database, shop), before(database)
    assert sorted(kept) == [(4000, 3)] * 2
    with database.bulk.begin() as connection:
        for table in ("purchase", "purchase_before"):
            connection.execute(text(EARLIER.format(table=table)))
    assert image(database, shop) != right
    working = Working.of(database, clock, shop)
    segment = await working.segment("refunded", some("all_purchases", "amount", 41))
    await working.calculate(segment)
    while await working.worker.run_once(shop):
        pass
    assert await working.members(segment) == []
    with LabelStore(database, shop.id, clock).decide_labels() as decided:
        list(decided.load_rows())
        keep(decided)
    with database.bulk.begin() as connection:
        connection.execute(text("UPDATE customer_label SET category = 'Tea'"))
    version = (await services.businesses.open("shop")).data_version
    with database.bulk.begin() as connection:
        command.downgrade(build_configuration(connection), "0006")

    upgrade(database.bulk)

    assert image(database, shop) == right
    assert before(database) == kept
    raised = (await services.businesses.open("shop")).data_version
    assert raised > version
    async with working.store.read(shop) as unit:
        (event,) = (await unit.audits.load_page(PageRequest(1))).items
        assert (event.actor, event.action, event.id) == ("upgrade", "countBoughtLines", raised)
    concerned = {"Cup", "Back", "Gone", "Lost", "Most"}
    assert changed_customers(database) == concerned
    with LabelStore(database, shop.id, clock).decide_labels() as decided:
        found = {row[0]: row[3] for row in decided.load_rows()}
        assert decided.fresh == len(concerned)
        assert found == {name: CATEGORIES[str(name)] for name in concerned} | {"Plain": "Tea", "Told": None}
    await working.worker.run_once(shop)
    assert await working.members(segment) == ["Gone", "Lost"]
    assert counts(importer.lines(*changed, header=HEADER)) == (0, 0, len(ORDERS), 0)


def before(database: Database) -> list[tuple[int, int]]:
    """Amount and status of what imports changed, as it was."""
    with database.bulk.connect() as connection:
        return [tuple(row) for row in connection.execute(text("SELECT amount, status FROM purchase_before"))]


def changed_customers(database: Database) -> set[str]:
    """Those whom the newest write concerned."""
    newest = """SELECT c.external_id FROM customer c JOIN business b ON b.id = c.business_id JOIN customer_metrics m
        ON m.business_id = c.business_id AND m.customer_id = c.id WHERE m.changed_at = b.last_instant"""
    with database.bulk.connect() as connection:
        return set(connection.execute(text(newest)).scalars())
