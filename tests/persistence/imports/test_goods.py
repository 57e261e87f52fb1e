"""What lines say of goods and what orders say beside money, from staged rows to the store and back: product, sku and
quantity stay with their line wherever it stands, attributes with their order, and an import that is taken back restores
both. Holds on both databases."""

from collections.abc import Sequence
from typing import Any

import pytest

from domain.imports.model import ImportSummary
from domain.imports.rows import StagedColumns, StagedRow
from domain.model import Actor, Business, NewPurchase, PurchaseLine, PurchaseStatus, WriteCounts
from gql.composition import Services
from persistence import merge
from persistence.database.engines import Database
from persistence.imports.importer import PurchaseImporter
from persistence.imports.undo import ImportUndo
from persistence.sources.appended import load_staged_rows
from tests.conftest import SetClock
from tests.drivers.files import HEADER, Importer
from tests.drivers.store_image import image
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
AT, DAY = 1_709_251_200_000_000, 738946
RED = '{"color":"red"}'


def row(line: int, order: str, amount: int = 100, customer: str = "C1", **said: Any) -> StagedRow:
    return StagedRow(line, order, customer, AT, DAY, 0, amount, "Tea", None, None, **said)


def put(database: Database, shop: Business, clock: SetClock, *portions_of_rows: Sequence[StagedRow]) -> ImportSummary:
    """Import the rows as a reader yields them."""
    portions = [StagedColumns(*zip(*rows, strict=True)) for rows in portions_of_rows]
    return PurchaseImporter(database, shop, clock).run("rows", lambda _: portions, lambda _: iter(()), actor="test")


TWO = [
    row(2, "O1", product="Sarong", sku="00123", quantity=1_500_000, attributes=RED),
    row(4, "O1", 200, product="Tea", quantity=-2_000_000),
]
OTHER = row(3, "O2", customer="C2")
GOODS = {("O1", 1): ("Sarong", "00123", 1_500_000), ("O1", 2): ("Tea", None, -2_000_000)}


@pytest.mark.parametrize("rows", [[*TWO, OTHER], [TWO[0], OTHER, TWO[1]]], ids=["together", "apart"])
async def test_goods_stay_with_their_line_and_attributes_with_their_order(
    rows: list[StagedRow], database: Database, shop: Business, clock: SetClock
) -> None:
    first = put(database, shop, clock, rows)
    again = put(database, shop, clock, rows)

    assert (first.created, again.unchanged) == (3, 3)
    found = image(database, shop)
    assert found.goods == GOODS
    assert found.attributes == {"O1": RED}


async def test_portions_that_say_nothing_of_goods_stand_beside_those_that_do(
    database: Database, shop: Business, clock: SetClock
) -> None:
    plain = [row(2, "O1"), row(3, "O1"), row(4, "O2"), row(5, "O3")]
    rich = [row(6, "O4", quantity=0), row(7, "O5"), row(8, "O5", sku="1"), row(9, "O6")]

    put(database, shop, clock, plain, rich, [row(10, "O7"), row(11, "O8")])

    found = image(database, shop)
    assert {order: len(lines) for order, lines in found.lines.items()} == {f"O{n}": 1 for n in range(1, 9)} | {
        "O1": 2,
        "O5": 2,
    }
    assert found.goods == {("O4", 1): (None, None, 0), ("O5", 2): (None, "1", None)}


@pytest.mark.parametrize("between", [[], [OTHER]], ids=["together", "apart"])
async def test_attributes_are_those_of_the_first_row_that_states_any(
    between: list[StagedRow], database: Database, shop: Business, clock: SetClock
) -> None:
    rows = [row(2, "O1"), *between, row(4, "O1", attributes=RED), row(5, "O1", attributes='{"color":"blue"}')]

    put(database, shop, clock, rows)

    assert image(database, shop).attributes == {"O1": RED}


async def test_columns_of_a_file_say_product_sku_and_quantity(importer: Importer) -> None:
    first = importer.lines(
        "C1,O1,2024-03-01,10,Green tea,007,2.500000",
        "C1,O1,2024-03-01,5,,,-1",
        "C1,O2,2024-03-01,5,,,",
        "C1,O3,2024-03-01,5,,,1.0000001",
        "C1,O4,2024-03-01,5,,,1000000000",
        header=f"{HEADER},product,sku,quantity",
    )

    assert (first.created, first.rejected) == (3, 2)
    goods = image(importer.database, importer.business).goods
    assert goods == {("O1", 1): ("Green tea", "007", 2_500_000), ("O1", 2): (None, None, -1_000_000)}


CHANGES = [{"product": "Other"}, {"product": None}, {"sku": "123"}, {"quantity": 1_500_001}, {"quantity": None}]


@pytest.mark.parametrize("lines", [1, 2])
@pytest.mark.parametrize("change", [*CHANGES, {"attributes": None}, {"attributes": '{"color":"blue"}'}])
async def test_an_order_that_says_something_else_is_updated_and_taken_back(
    change: dict[str, object], lines: int, database: Database, shop: Business, clock: SetClock
) -> None:
    put(database, shop, clock, [*TWO[:lines], OTHER])
    before = image(database, shop)

    changed = put(database, shop, clock, [TWO[0]._replace(**change), *TWO[1:lines], OTHER])

    assert (changed.updated, changed.unchanged) == (lines, 1)
    assert image(database, shop) != before
    ImportUndo(database, shop, clock, changed.import_id or 0).run(Actor("test"))
    assert image(database, shop) == before


@pytest.mark.parametrize(("between", "repeated"), [([], 1), ([OTHER], 1)], ids=["together", "apart"])
async def test_rows_are_equal_where_they_say_the_same_of_goods_too(
    between: list[StagedRow], repeated: int, database: Database, shop: Business, clock: SetClock
) -> None:
    rows = [row(2, "O1", product="Sarong"), *between]
    rows += [row(4 + place, "O1", **said) for place, said in enumerate(({"product": "Tea"}, {"sku": "1"}))]
    rows += [row(6, "O1", quantity=1), row(7, "O1", product="Sarong")]

    summary = put(database, shop, clock, rows)

    assert summary.quality is not None and summary.quality.duplicates == repeated


async def test_stored_rows_are_staged_again_as_they_were(database: Database, shop: Business, clock: SetClock) -> None:
    made = put(database, shop, clock, [*TWO, OTHER])

    with database.bulk.begin() as connection:
        staged = load_staged_rows(connection, shop.id, ["O1", "O9"], [made.import_id or 0])
        none = load_staged_rows(connection, shop.id, ["O9"], [made.import_id or 0])

    assert staged is not None and none is not None
    rows = [StagedRow(*each) for each in zip(*staged, strict=True)]
    assert rows == [TWO[0]._replace(line=2), TWO[1]._replace(line=3, attributes=RED)]
    assert list(map(len, none)) == [0] * len(StagedColumns._fields)


async def test_what_is_recorded_is_what_is_read(services: Services, database: Database, shop: Business) -> None:
    lines = (PurchaseLine("Tea", 100, PurchaseStatus.COMPLETED, "Green", "G-1", 250_000),)
    attributes = {"gift": True, "weight": 2.50, "color": "grün", "count": 3.0, "gone": None}
    stated: list[NewPurchase] = [purchase("C1", "O1", "2024-03-01", 100, lines=lines, attributes=attributes)]

    first = await services.purchases.record(shop, stated, Actor("test"))
    same = {"color": "grün", "count": 3, "gift": True, "weight": 2.5}
    again = [purchase("C1", "O1", "2024-03-01", 100, lines=lines, attributes=same)]
    unchanged = await services.purchases.record(shop, again, Actor("test"))

    assert (first, unchanged) == (WriteCounts(1, 0, 0), WriteCounts(0, 0, 1))
    assert image(database, shop).attributes == {"O1": '{"color":"grün","count":3,"gift":true,"weight":2.5}'}
    async with services.store.read(shop) as unit:
        ((key, record),) = (await unit.purchases.find_by_keys([(1, 1)])).items()
        assert record.purchase.attributes == same
        assert await unit.purchases.load_lines([key]) == {key: list(lines)}


def test_a_line_is_compared_by_everything_that_is_kept_of_it() -> None:
    kept = {"category", "amount", "status", "product", "sku", "quantity"}

    assert set(merge.LINE_COLUMNS) == kept | {"line"}
    assert all(f"k.{name}" in merge.SAME_LINE for name in kept)
