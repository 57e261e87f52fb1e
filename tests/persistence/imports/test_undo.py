"""Taking an import back: the store is afterwards what it was before, table by table, or nothing was changed and the
reasons are said."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from domain.errors import Conflict, NotFound, UndoRefused
from domain.imports.model import UndoSummary
from domain.jobs.model import JobKind
from domain.model import Actor, Business, NewCustomer, NewPurchase, PurchaseStatus
from gql.composition import Services
from persistence.database.engines import Database
from persistence.imports import undo as import_undo
from persistence.imports.undo import ImportUndo
from persistence.tables.imports import purchase_import
from persistence.tables.metadata import metadata
from persistence.tables.requests import audit_event
from tests.conftest import NOW, SetClock, examples
from tests.drivers.files import HEADER, Importer
from tests.drivers.store_image import assert_sound
from tests.drivers.working import Working

pytestmark = pytest.mark.anyio
RICH = f"{HEADER},category,storefront,channel,status"
ACTOR = Actor("tester")
RECORDS = {"job", "purchase_import", "import_reject", "import_range"}
RECORDS |= {"audit_event", "audit_sequence", "alembic_version", "removed_customer"}
COUNTERS = {"change_number", "data_version", "last_instant", "next_customer", "next_purchase", "next_storefront"}
IGNORED = {"business": COUNTERS, "customer_metrics": {"changed_at"}}


def tables(database: Database) -> dict[str, set[tuple[Any, ...]]]:
    """Every row of every table but the records of writes, without the counters that only rise."""
    found = {}
    with database.bulk.connect() as connection:
        for table in metadata.sorted_tables:
            if table.name not in RECORDS:
                kept = [column for column in table.c if column.name not in IGNORED.get(table.name, ())]
                rows = connection.execute(select(*kept)).all()
                found[table.name] = {tuple(map(str, row)) for row in rows}
    return found


def newest(database: Database) -> int:
    with database.bulk.connect() as connection:
        return int(max(connection.execute(select(purchase_import.c.id)).scalars()))


def undo(importer: Importer, import_id: int | None = None) -> UndoSummary:
    """Take back that import, or the newest."""
    number = newest(importer.database) if import_id is None else import_id
    return ImportUndo(importer.database, importer.business, lambda: importer.now, number).run(ACTOR)


def order(customer: str, number: str, amount: str = "10", date: str = "2024-03-01", **more: str) -> str:
    rest = (more.get(name, "") for name in ("category", "storefront", "channel", "status"))
    return ",".join((customer, number, date, amount, *rest))


async def test_undo_leaves_the_store_as_the_import_before_left_it(importer: Importer, database: Database) -> None:
    importer.lines(
        order("C1", "O1", "10", category="Tea", storefront="main"),
        order("C1", "O2", "20", category="Tea"),
        order("C2", "O3", "30", channel="web"),
        header=RICH,
    )
    before = tables(database)
    importer.lines(
        order("C1", "O1", "11", category="Coffee", storefront="new"),
        order("C1", "O1", "12", category="Cake"),
        order("C1", "O2", "20", category="Tea"),
        order("C2", "O3", "30", date="2999-01-01"),
        order("C3", "O4", "40", storefront="new"),
        header=RICH,
    )
    changed = tables(database)

    done = undo(importer)

    assert changed != before
    assert tables(database) == before
    assert done == UndoSummary(removed=1, restored=2, customers_removed=1, storefronts_removed=1)
    await assert_sound(database, importer.business, lambda: importer.now)


async def test_undo_is_audited_and_happens_once(importer: Importer, database: Database) -> None:
    importer.lines(order("C1", "O1"), header=RICH)
    number = newest(database)

    undo(importer, number)

    with database.bulk.connect() as connection:
        events = connection.execute(select(audit_event).order_by(audit_event.c.id.desc())).all()
        record = connection.execute(select(purchase_import)).one()
    assert (events[0].action, events[0].actor, events[0].detail["import"]) == ("undoImport", "tester", number)
    assert record.undone_at is not None
    with pytest.raises(Conflict, match=f"^Import {number} was taken back already.$"):
        undo(importer, number)
    with pytest.raises(NotFound, match=r"^There is no import 999\."):
        undo(importer, 999)


async def test_imports_are_taken_back_one_after_the_other_to_an_empty_store(
    importer: Importer, database: Database
) -> None:
    empty = tables(database)
    ids = []
    for amount in ("10", "20", "30"):
        importer.lines(order("C1", "O1", amount), order(f"C{amount}", f"N{amount}"), header=RICH)
        ids.append(newest(database))

    done = [undo(importer, number) for number in reversed(ids)]

    assert [(one.removed, one.restored, one.customers_removed) for one in done] == [(1, 1, 1), (1, 1, 1), (2, 0, 2)]
    assert tables(database) == empty


async def test_what_was_changed_or_deleted_since_is_said_and_nothing_is_changed(
    importer: Importer, database: Database, services: Services, shop: Business
) -> None:
    importer.lines(*(order("C1", f"O{number}") for number in range(9)), header=RICH)
    importer.lines(*(order("C1", f"O{number}", "11") for number in range(3)), order("C2", "P1"), header=RICH)
    number = newest(database)
    importer.lines(order("C1", "O0", "12"), order("C2", "P1", "12"), header=RICH)
    await services.purchases.delete(shop, ["O1"], ACTOR)
    before = tables(database)

    with pytest.raises(UndoRefused) as refused:
        undo(importer, number)

    assert refused.value.message == (
        f"Import {number} cannot be taken back, and nothing was changed: 2 orders were changed since: P1, O0; "
        "1 orders that it had changed were deleted since."
    )
    assert tables(database) == before
    with database.bulk.connect() as connection:
        assert set(connection.execute(select(purchase_import.c.undo_begun_at)).scalars()) == {None}


async def test_orders_that_others_wrote_do_not_keep_an_import_from_being_taken_back(
    importer: Importer, database: Database, services: Services, shop: Business
) -> None:
    importer.lines(order("C1", "O1"), order("C2", "O2"), header=RICH)
    number = newest(database)
    mine = NewPurchase("C1", "X1", NOW - timedelta(days=1), 500, PurchaseStatus.COMPLETED, None, None, ())
    await services.purchases.record(shop, [mine], ACTOR)
    importer.lines(order("C2", "X2"), header=RICH)

    done = undo(importer, number)

    assert (done.removed, done.customers_removed, done.customers_kept) == (2, 0, 0)
    with database.bulk.connect() as connection:
        orders = connection.execute(select(metadata.tables["purchase"].c.external_id)).scalars()
        assert set(orders) == {"X1", "X2"}
    await assert_sound(database, shop, lambda: importer.now)


async def test_customers_with_a_history_or_data_of_their_own_stay_without_purchases(
    importer: Importer, database: Database, services: Services, shop: Business, clock: SetClock
) -> None:
    working = Working.of(database, clock, shop)
    segment = await working.segment("big", {">": [{"var": "total_revenue"}, 50]})
    importer.lines(order("C1", "O1", "90"), order("C2", "O2"), order("C3", "O3"), header=RICH)
    await working.worker.run_once(shop)
    entered = await working.members(segment)
    await services.customers.upsert(shop, [NewCustomer("C2", name="Bea", given=frozenset({"name"}))], ACTOR)

    done = undo(importer)
    await working.worker.run_once(shop)

    assert (done.removed, done.customers_removed, done.customers_kept) == (3, 1, 2)
    assert {row[2] for row in tables(database)["customer"]} == {"C1", "C2"}
    assert (entered, await working.members(segment)) == (["C1"], [])
    await assert_sound(database, shop, clock)


async def test_no_customer_goes_while_a_run_may_still_give_it_a_membership(
    importer: Importer, database: Database, shop: Business, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    working = Working.of(database, clock, shop)
    segment = await working.segment("big", {">": [{"var": "total_revenue"}, 50]})
    importer.lines(order("C1", "O1", "90"), header=RICH)
    await working.recalculations.start(shop, segment.id, ACTOR)
    async with working.store.open_heartbeats(shop) as jobs:
        await jobs.acquire(JobKind.RECALCULATION, "somebody", clock())
    monkeypatch.setattr(import_undo, "PATIENCE_SECONDS", 0.3)

    done = undo(importer)

    assert (done.removed, done.customers_removed, done.customers_kept) == (1, 0, 1)


async def test_an_undo_that_died_is_finished_by_the_next(
    importer: Importer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    importer.lines(*(order(f"C{number:03}", f"O{number}") for number in range(0, 300, 2)), header=RICH)
    before = tables(database)
    importer.lines(*(order(f"C{number:03}", f"O{number}", "11") for number in range(300)), header=RICH)
    monkeypatch.setattr(import_undo, "FEWEST", 3)
    monkeypatch.setattr(import_undo, "MOST", 30)
    number = newest(database)

    class Died(Exception):
        """As if the process had."""

    def die(done: int, total: int) -> None:
        if done >= 100:
            raise Died

    with pytest.raises(Died):
        ImportUndo(database, importer.business, lambda: importer.now, number).run(ACTOR, die)
    halfway = tables(database)
    done = undo(importer, number)

    assert halfway != before
    assert tables(database) == before
    assert (done.removed, done.restored, done.customers_removed) == (150, 150, 150)


async def test_an_import_that_two_take_back_at_once_is_counted_and_told_once(
    importer: Importer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    importer.lines(*(order(f"C{number:03}", f"O{number}") for number in range(0, 90, 2)), header=RICH)
    before = tables(database)
    importer.lines(*(order(f"C{number:03}", f"O{number}", "11") for number in range(90)), header=RICH)
    monkeypatch.setattr(import_undo, "FEWEST", 3)
    monkeypatch.setattr(import_undo, "MOST", 30)
    number, others = newest(database), list[UndoSummary]()

    def join(done: int, total: int) -> None:
        if done >= 30 and not others:
            others.append(undo(importer, number))

    done = ImportUndo(database, importer.business, lambda: importer.now, number).run(ACTOR, join)

    assert tables(database) == before
    assert done == UndoSummary(removed=45, restored=45, customers_removed=45)
    assert others == [done]
    with database.bulk.connect() as connection:
        told = connection.execute(select(audit_event.c.id).where(audit_event.c.action == "undoImport")).all()
    assert len(told) == 1


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["C1", "C2", "C3", "C4"]),
        st.integers(0, 7),
        st.sampled_from(["5", "10", "0", "-3"]),
        st.sampled_from(["2024-03-01", "2024-05-05T10:00:00", "2999-01-01"]),
        st.sampled_from(["", "Tea", "Cake"]),
        st.sampled_from(["", "main", "north"]),
        st.sampled_from(["", "web"]),
        st.sampled_from(["", "refunded", "pending", "partial"]),
    ),
    max_size=14,
)


@settings(max_examples=examples(5, 15), deadline=None, suppress_health_check=list(HealthCheck))
@given(first=ROWS, second=ROWS)
async def test_whatever_two_imports_hold_undoing_the_second_leaves_the_first(
    importer: Importer, database: Database, first: list[tuple[Any, ...]], second: list[tuple[Any, ...]]
) -> None:
    def rows(found: list[tuple[Any, ...]]) -> list[str]:
        return [f"{row[0]},O{row[1]},{row[3]},{row[2]},{','.join(row[4:])}" for row in found]

    empty = tables(database)
    importer.lines(*rows(first), header=RICH)
    one, before = newest(database), tables(database)
    importer.lines(*rows(second), header=RICH)

    undo(importer)
    between = tables(database)
    await assert_sound(database, importer.business, lambda: importer.now)
    undo(importer, one)

    assert between == before
    assert tables(database) == empty
