"""Classifiers of one's own in the batch: the same labels as on a page, in the file and its distribution, whatever was
kept before."""

from collections.abc import Callable

import pytest

from domain.classifiers import Classifier, Classifiers, Columns
from domain.model import Actor, Business
from gql.composition import Services
from persistence.database.engines import Database
from persistence.labels.labels import LabelStore, keep
from tests.conftest import SetClock
from tests.shops.factories import line, purchase

pytestmark = pytest.mark.anyio
Rows = list[tuple[str | None, ...]]
ORDERS = {"Ada": 12, "Ben": 10, "Cy": 9, "Dee": 1}
BUILT_IN: dict[str, tuple[str | None, ...]] = {
    "Ada": ("Loyal", "Low Value", "Tea"),
    "Ben": ("Loyal", "Low Value", "Tea"),
    "Cy": ("Loyal", "Low Value", "Tea"),
    "Dee": ("New", "Low Value", "Tea"),
}


def called(columns: Columns) -> list[str | None]:
    return ["VIP" if orders >= 10 else None for orders in columns["order_count"]]


VIP: dict[str, Callable[[str], Classifier]] = {
    "sql": lambda dimension: Classifier("vip", dimension, sql="CASE WHEN order_count >= 10 THEN 'VIP' END"),
    "function": lambda dimension: Classifier("vip", dimension, function=called),
}


@pytest.fixture
async def filled(services: Services, shop: Business) -> Business:
    for name, orders in ORDERS.items():
        await bought(services, shop, name, *range(orders))
    return shop


async def bought(services: Services, shop: Business, name: str, *numbers: int) -> None:
    days = [f"2024-05-{number + 1:02}" for number in numbers]
    items = [purchase(name, f"{name}-{day}", day, 100, lines=(line("Tea", 100),)) for day in days]
    await services.purchases.record(shop, items, Actor("test"))


def batch(database: Database, business: Business, clock: SetClock, *every: Classifier) -> Rows:
    with LabelStore(database, business.id, clock, Classifiers(every)).decide_labels() as decided:
        found = [tuple(row) for row in decided.load_rows()]
        keep(decided)
        return found


@pytest.mark.parametrize("kind", VIP)
async def test_a_dimension_is_added_after_the_built_in_ones(
    database: Database, filled: Business, clock: SetClock, kind: str
) -> None:
    rows = batch(database, filled, clock, VIP[kind]("loyalty"))

    assert rows == [(name, *labels, "VIP" if name in ("Ada", "Ben") else None) for name, labels in BUILT_IN.items()]


@pytest.mark.parametrize("kind", VIP)
async def test_a_label_is_replaced_where_there_is_an_answer_and_kept_labels_stay_built_in(
    services: Services, database: Database, filled: Business, clock: SetClock, kind: str
) -> None:
    first = batch(database, filled, clock, VIP[kind]("spending"))
    await bought(services, filled, "Cy", 20)
    second = batch(database, filled, clock, VIP[kind]("spending"))
    without = batch(database, filled, clock)

    def spending(*vip: str) -> Rows:
        return [(name, labels[0], "VIP" if name in vip else labels[1], labels[2]) for name, labels in BUILT_IN.items()]

    assert first == spending("Ada", "Ben")
    assert second == spending("Ada", "Ben", "Cy")
    assert without == spending()


async def test_several_classifiers_stand_side_by_side(database: Database, filled: Business, clock: SetClock) -> None:
    mine = Classifier("mine", "category", sql="CASE WHEN customer_id = 'Dee' THEN 'Coffee' END")

    rows = batch(database, filled, clock, mine, VIP["function"]("loyalty"), VIP["sql"]("also"))

    assert rows[0] == ("Ada", "Loyal", "Low Value", "Tea", "VIP", "VIP")
    assert rows[3] == ("Dee", "New", "Low Value", "Coffee", None, None)


@pytest.mark.parametrize("kind", VIP)
async def test_a_classifier_that_fails_leaves_the_built_in_labels(
    database: Database, filled: Business, clock: SetClock, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    def raising(columns: Columns) -> list[str | None]:
        raise ValueError

    failing = {"sqlite": "json_extract(customer_id, '$') > 0", "postgresql": "1 / (order_count - 9) > 0"}
    sql = Classifier("bad", "loyalty", sql=f"CASE WHEN {failing[database.dialect]} THEN 'VIP' END")
    bad = sql if kind == "sql" else Classifier("bad", "loyalty", function=raising)

    rows = batch(database, filled, clock, bad, Classifier("good", "spending", function=called))

    assert rows[0] == ("Ada", "Loyal", "VIP", "Tea", None)
    assert rows[3] == ("Dee", *BUILT_IN["Dee"], None)
    assert "bad" in caplog.text
    assert "built-in labels stand" in caplog.text
