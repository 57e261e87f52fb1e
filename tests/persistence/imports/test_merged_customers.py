"""Imports and merged customers: an import that is taken back after a merge, one that is at work meanwhile, and orders
that come under either id."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from domain.customers.merging import CustomerMerge
from domain.errors import Conflict, InvalidInput, UndoRefused
from domain.imports.model import Progress
from domain.model import Actor, Business, NewCustomer
from gql.composition import Services
from persistence.database.engines import Database
from persistence.imports import importer as importing
from persistence.imports import undo as import_undo
from persistence.imports.undo import ImportUndo
from persistence.tables.imports import purchase_import
from tests.conftest import SetClock, examples
from tests.drivers.files import HEADER, Importer, counts
from tests.drivers.store_image import assert_sound, image
from tests.persistence.conftest import bought, everybody, merge, names, record_of
from tests.shops.factories import import_file

pytestmark = pytest.mark.anyio
ACTOR = Actor("tester")


def newest(database: Database, business: Business) -> int:
    """The number of its newest import."""
    own = purchase_import.c.business_id == business.id
    with database.bulk.connect() as connection:
        return int(max(connection.execute(select(purchase_import.c.id).where(own)).scalars()))


def undo(database: Database, shop: Business, clock: SetClock, number: int) -> Any:
    return ImportUndo(database, shop, clock, number).run(ACTOR)


async def test_the_lines_of_an_order_may_name_the_customer_by_either_id(
    importer: Importer, services: Services, shop: Business
) -> None:
    await services.customers.upsert(shop, [NewCustomer("A"), NewCustomer("B"), NewCustomer("C")], ACTOR)
    await merge(services, shop, "A", "B")

    summary = importer.lines("A,O1,2024-06-01,10", "B,O1,2024-06-01,5", "C,O2,2024-06-01,1", "A,O1,2024-06-01,2")

    assert counts(summary) == (4, 0, 0, 0)
    assert await bought(services, shop, "B") == {"O1": 1700}


async def test_an_import_taken_back_after_the_merge_restores_what_it_had_changed(
    importer: Importer, database: Database, services: Services, shop: Business, clock: SetClock
) -> None:
    rich = f"{HEADER},category"
    importer.lines("A,O1,2024-06-01,10,Tea", "A,O1,2024-06-01,5,Cake", "B,O2,2024-06-01,20,", header=rich)
    one = newest(database, shop)
    importer.lines("A,O1,2024-06-02,99,Cups", "A,O3,2024-06-01,7,", "B,O4,2024-06-01,1,", header=rich)
    two = newest(database, shop)
    await merge(services, shop, "A", "B")

    second = undo(database, shop, clock, two)
    between, lines = await bought(services, shop, "B"), image(database, shop).lines["O1"]
    await assert_sound(database, shop, clock)
    first = undo(database, shop, clock, one)

    assert (second.removed, second.restored, second.left, second.customers_removed) == (2, 1, 0, 0)
    assert between == {"O1": 1500, "O2": 2000}
    assert lines == [(1, "Tea", 1000, "COMPLETED"), (2, "Cake", 500, "COMPLETED")]
    assert (first.removed, first.customers_removed, first.customers_kept) == (2, 0, 1)
    assert await names(services, shop) == ["B"]
    assert (await record_of(services, shop, "A")).customer.external_id == "B"
    await assert_sound(database, shop, clock)


async def test_an_order_that_was_deleted_before_the_merge_is_still_told(
    importer: Importer, database: Database, services: Services, shop: Business, clock: SetClock
) -> None:
    importer.lines("A,O1,2024-06-01,10", "B,O2,2024-06-01,20")
    importer.lines("A,O1,2024-06-01,11")
    await services.purchases.delete(shop, ["O1"], ACTOR)
    await merge(services, shop, "A", "B")

    with pytest.raises(UndoRefused, match=r"1 orders that it had changed were deleted since\.$"):
        undo(database, shop, clock, newest(database, shop))


async def test_while_an_import_is_taken_back_nobody_is_merged(
    importer: Importer,
    database: Database,
    services: Services,
    shop: Business,
    clock: SetClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    importer.lines(*(f"C{number:03},O{number},2024-06-01,1" for number in range(20)))
    number = newest(database, shop)
    monkeypatch.setattr(import_undo, "FEWEST", 1)
    monkeypatch.setattr(import_undo, "MOST", 1)

    class Died(Exception):
        """As if the process had."""

    def die(done: int, total: int) -> None:
        raise Died

    with pytest.raises(Died):
        ImportUndo(database, shop, clock, number).run(ACTOR, die)
    sentence = (
        f"^Import {number} is being taken back. Merge when that has ended; segments imports undo {number} finishes it.$"
    )
    with pytest.raises(Conflict, match=sentence):
        await merge(services, shop, "C018", "C019")
    undo(database, shop, clock, number)

    assert await names(services, shop) == []


async def test_an_import_that_is_at_work_meanwhile_goes_on_with_the_one_who_stays(
    database: Database,
    services: Services,
    shop: Business,
    clock: SetClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importing, "FEWEST", 1)
    monkeypatch.setattr(importing, "MOST", 1)
    await services.customers.upsert(shop, [NewCustomer("A"), NewCustomer("B")], ACTOR)
    file = tmp_path / "orders.csv"
    lines = [HEADER, *(f"{name},{name}{number},2024-06-01,1" for name in "AB" for number in range(20)), ""]
    file.write_text("\n".join(lines))
    loop, merged = asyncio.get_running_loop(), list[CustomerMerge]()

    def merge_halfway(step: Progress) -> None:
        if step.phase == "merging" and not merged:
            merged.append(asyncio.run_coroutine_threadsafe(merge(services, shop, "A", "B"), loop).result())

    summary = await asyncio.to_thread(import_file, database, shop, clock, file, progress=merge_halfway)

    assert 0 < merged[0].purchases < 20
    assert counts(summary) == (40, 0, 0, 0)
    kept = await record_of(services, shop, "B")
    assert (kept.totals.order_count, kept.totals.revenue) == (40, 4000)
    assert await names(services, shop) == ["B"]
    await assert_sound(database, shop, clock)
    undone = undo(database, shop, clock, newest(database, shop))
    assert (undone.removed, (await record_of(services, shop, "A")).totals.order_count) == (40, 0)


ROWS = st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 6), st.integers(1, 9)), max_size=8)
PAIRS = st.lists(st.sampled_from(["AB", "BA", "AC", "CB"]), min_size=1, max_size=2)


@settings(max_examples=examples(5, 25), deadline=None, suppress_health_check=list(HealthCheck))
@given(first=ROWS, second=ROWS, third=ROWS, pairs=PAIRS)
async def test_whatever_was_merged_an_import_that_is_taken_back_leaves_what_was_before_it(
    database: Database,
    services: Services,
    clock: SetClock,
    tmp_path: Path,
    first: list[Any],
    second: list[Any],
    third: list[Any],
    pairs: list[str],
) -> None:
    key = f"b{len(await services.businesses.load_all())}"
    business = await services.businesses.create(key, None, "UTC", "EUR")
    importer = Importer(database, business, tmp_path, clock.now)
    await services.customers.upsert(business, [NewCustomer(name) for name in "ABC"], ACTOR)
    owners: dict[str, str] = {}

    def load(rows: list[Any]) -> tuple[int, dict[str, int]]:
        importer.lines(*(f"{name},{key}-O{order},2024-06-01,{amount}" for name, order, amount in rows))
        return newest(database, business), money()

    def money() -> dict[str, int]:
        return {order: row[5] for order, row in image(database, business).purchases.items()}

    _, one = load(first)
    number, _ = load(second)
    for pair in pairs:
        with suppress(InvalidInput):
            await services.merging.merge_named(business, pair[0], pair[1], ACTOR)
            owners[pair[0]] = pair[1]
    later, _ = load(third)
    await assert_sound(database, business, clock)
    undo(database, business, clock, later)
    undo(database, business, clock, number)

    assert money() == one
    held = {record.customer.external_id for record in await everybody(services, business)}
    assert held.isdisjoint(owners)
    assert {row[0] for row in image(database, business).purchases.values()} <= held
    await assert_sound(database, business, clock)
