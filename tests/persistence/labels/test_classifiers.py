"""Which classifiers are taken at start, on both databases, and exactly what they see."""

import tomllib
from decimal import Decimal
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from domain.classification.labels import ClassificationSettings, ClassificationSpan
from domain.classifiers import COLUMNS, Classifier, Classifiers
from domain.model import Actor, Business
from gql.composition import Services
from persistence.database.engines import Database, open_database
from persistence.labels.classifiers import load_installed
from tests.drivers.documents import blocks
from tests.shops.classifiers import VIP_FUNCTION, VIP_SQL, install
from tests.shops.factories import line, purchase

pytestmark = pytest.mark.anyio
TODAY = 739052
"""15 June 2024."""


def left_out(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "segments"]


@pytest.mark.parametrize("module", [VIP_SQL, VIP_FUNCTION], ids=["sql", "function"])
async def test_what_is_installed_is_found(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, module: str
) -> None:
    install(monkeypatch, tmp_path, module, vip="vip")

    found = load_installed(database.bulk)

    assert [(one.name, one.dimension) for one in found.every] == [("vip", "loyalty")]
    assert (found.added, found.dimensions) == (("loyalty",), ("frequency", "spending", "category", "loyalty"))
    assert left_out(caplog) == []


async def test_the_example_of_the_documentation_is_found(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ((module,), (project,)) = blocks("docs/classifiers.md", "python"), blocks("docs/classifiers.md", "toml")
    named = tomllib.loads(project.text)["project"]["entry-points"]["segments.classifiers"]
    points = {name: place.removeprefix("shop_classifiers:") for name, place in named.items()}
    install(monkeypatch, tmp_path, module.text, **points)

    found = load_installed(database.bulk)

    assert [(one.name, one.dimension) for one in found.every] == [("baskets", "spending"), ("vip", "loyalty")]
    assert found.functions[0].function is not None
    assert found.functions[0].function({"average_order_value": [Decimal(100), Decimal("99.99")]}) == [
        "Big basket",
        None,
    ]
    assert left_out(caplog) == []


async def test_nothing_is_installed_by_itself(database: Database) -> None:
    assert load_installed(database.bulk) == Classifiers()


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ('Classifier("x", "d", sql="CASE WHEN orders > 1 THEN 1 END")', "the database refuses its sql: "),
        ('Classifier("x", "d", sql="CASE WHEN")', "the database refuses its sql: "),
        ('Classifier("x", "d", sql="max(frequency)")', "its sql must say something of each customer, not of all"),
        ("3", "is no Classifier of domain.classifiers, nor makes one"),
        ("1 / 0", "cannot be loaded (ZeroDivisionError)"),
    ],
)
async def test_one_that_cannot_be_used_is_told_in_a_sentence_and_the_others_are_taken(
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    made: str,
    said: str,
) -> None:
    head = "from domain.classifiers import Classifier\n"
    install(monkeypatch, tmp_path / "wrong", f"{head}wrong = {made}\n", wrong="wrong")
    install(monkeypatch, tmp_path / "right", VIP_SQL, vip="vip")

    found = load_installed(database.bulk)

    (told,) = left_out(caplog)
    assert [one.name for one in found.every] == ["vip"]
    assert told.startswith("classifier wrong is left out: ")
    assert said in told
    assert "\n" not in told


async def test_a_dimension_has_one_classifier(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    points = [EntryPoint(name, f"{__name__}:{name}", "segments.classifiers") for name in ("second", "first")]

    found = load_installed(database.bulk, points)

    assert [one.name for one in found.every] == ["first"]
    assert left_out(caplog) == ["classifier second is left out: the classifier first has the dimension loyalty already"]


first = Classifier("first", "loyalty", sql="frequency")
second = Classifier("second", "loyalty", sql="frequency")


async def test_a_store_out_of_reach_leaves_nothing_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    install(monkeypatch, tmp_path, VIP_SQL, vip="vip")
    away = open_database("postgresql://nobody@127.0.0.1:1/nothing")

    found = load_installed(away.bulk)

    assert [one.name for one in found.every] == ["vip"]
    assert left_out(caplog) == []


async def seen(services: Services, shop: Business, sql: str) -> tuple[dict[str, object], str]:
    """What a function sees of the one customer of the shop, and what the expression says."""
    settings = ClassificationSettings()
    span = ClassificationSpan(TODAY - 100, TODAY, ((TODAY - 20, TODAY - 10),))
    asked = Classifiers((Classifier("told", "told", sql=sql),))
    async with services.customers.store.read(shop) as unit:
        batches = [batch async for batch in unit.classified.load_batches(span, settings, 2, asked)]
    (batch,) = batches
    assert list(batch.columns) == list(COLUMNS)
    return {name: values[0] for name, values in batch.columns.items()}, str(batch.answers["told"][0])


async def bought(services: Services, shop: Business) -> None:
    tea, days = (line("Tea", 1),), ("2024-01-05", "2024-06-01", "2024-06-14")
    amounts = (1000, 1001, 1000)
    items = [purchase("C 100%", f"{day}", day, amount, lines=tea) for day, amount in zip(days, amounts, strict=True)]
    await services.purchases.record(shop, items, Actor("test"))


async def test_a_function_sees_the_documented_columns_exactly(services: Services, shop: Business) -> None:
    await bought(services, shop)

    columns, _ = await seen(services, shop, "frequency")

    assert columns == {
        "customer_id": "C 100%",
        "order_count": 3,
        "total_revenue": Decimal("30.01"),
        "average_order_value": Decimal("10.00"),
        "first_purchase_day": 738890,
        "last_purchase_day": 739051,
        "recent_orders": 2,
        "festive_orders": 1,
        "today": TODAY,
        "frequency": "Regular",
        "spending": "Low Value",
        "category": "Tea",
    }


async def test_an_expression_sees_the_same(services: Services, shop: Business) -> None:
    await bought(services, shop)
    conditions = (
        "order_count = 3",
        "total_revenue = 30.01",
        "average_order_value = 10",
        "today - first_purchase_day = 162",
        "today - last_purchase_day = 1",
        "recent_orders = 2 AND festive_orders = 1",
        "order_count / 2 = 1",
        "customer_id LIKE '%100%' AND customer_id = 'C 100%'",
        "frequency = 'Regular' AND spending = 'Low Value' AND category = 'Tea'",
        "'a:b' <> 'select ; -- over'",
    )

    said = [(await seen(services, shop, f"CASE WHEN {one} THEN ' yes ' ELSE 'no' END"))[1] for one in conditions]

    assert dict(zip(conditions, said, strict=True)) == dict.fromkeys(conditions, "yes")
