"""The lease of whoever writes a copy: what is newer is never replaced by what is older."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from domain.calendar import to_micros
from persistence.imports.undo import ImportUndo
from persistence.lake import writing
from persistence.lake.reading import ANSWERED
from persistence.lake.writing import LEASE_SECONDS, CopyWriter, LeaseLost
from persistence.tables.copies import columnar_copy, store_identity
from persistence.tables.imports import purchase_import
from tests.persistence.lake.conftest import TESTER, Copied
from tests.shops.factories import import_file

pytestmark = pytest.mark.anyio


def build_writer(copied: Copied, step: Callable[[str], None] = lambda what: None) -> CopyWriter:
    with copied.database.bulk.connect() as connection:
        store = connection.execute(select(store_identity.c.id)).scalar_one()
    place = copied.lake.open_place(store, copied.business.id)
    return CopyWriter(copied.database, copied.business.id, place, copied.clock, step)


def run_once(what: str, work: Callable[[], None]) -> Callable[[str], None]:
    """A step of a writer, at the first of that name of which something else is done."""
    waiting = [work]

    def step(done: str) -> None:
        if done == what and waiting:
            waiting.pop()()

    return step


@pytest.mark.parametrize("heartbeat", [0, 3600])
async def test_a_writer_that_slept_longer_than_its_lease_puts_nothing_in_force(
    copied: Copied, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heartbeat: int
) -> None:
    monkeypatch.setattr(writing, "HEARTBEAT_SECONDS", heartbeat)
    file = tmp_path / "orders.csv"
    file.write_text("customer_id,order_id,date,amount\nnew,x,2024-02-01,77\n")
    copied.clock.now += timedelta(seconds=1)
    import_file(copied.database, copied.business, copied.clock, file)
    with copied.database.bulk.connect() as connection:
        number = connection.execute(select(func.max(purchase_import.c.id))).scalar_one()
    seen: list[str] = []

    def write_beside() -> None:
        copied.clock.now += timedelta(seconds=LEASE_SECONDS + 1)
        ImportUndo(copied.database, copied.business, copied.clock, number).run(TESTER)
        copied.clock.now += timedelta(seconds=1)
        assert build_writer(copied).renew(whole=True) is not None

    asleep = run_once("purchase read", write_beside)

    def step(what: str) -> None:
        seen.append(what)
        asleep(what)

    with pytest.raises(LeaseLost):
        build_writer(copied, step).renew(whole=True)

    assert ("manifest written" in seen) == (heartbeat > 0)
    assert (await copied.ask(), await copied.renew()) == (ANSWERED, [])


async def test_a_generation_takes_the_place_of_the_one_it_was_planned_from(copied: Copied) -> None:
    def forget() -> None:
        with copied.database.bulk.begin() as connection:
            connection.execute(text("UPDATE columnar_copy SET generation = 'another'"))

    with pytest.raises(LeaseLost):
        build_writer(copied, run_once("manifest written", forget)).renew(whole=True)

    assert await copied.ask() == "gone"


@pytest.mark.parametrize(("days", "taken"), [(0, False), (30, True)])
async def test_a_clock_that_goes_back_does_not_make_a_lease_longer(copied: Copied, days: int, taken: bool) -> None:
    copied.clock.now += timedelta(days=days)
    build_writer(copied)._take_lease()
    # Another host, whose clock is behind by nearly a lease.
    copied.clock.now -= timedelta(days=days, seconds=LEASE_SECONDS - 1)

    with nullcontext() if taken else pytest.raises(LeaseLost):
        assert build_writer(copied).renew(whole=True) is not None

    assert await copied.ask() == ANSWERED


async def test_a_lease_is_held_on_to_while_the_clock_goes_back(copied: Copied, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "HEARTBEAT_SECONDS", 0)
    until: list[int] = []

    def step(what: str) -> None:
        if what == "purchase read":
            copied.clock.now -= timedelta(days=1)
        if what == "purchase written":
            with copied.database.bulk.connect() as connection:
                until.append(connection.execute(select(columnar_copy.c.leased_until)).scalar_one())

    assert build_writer(copied, step).renew(whole=True) is not None

    assert until == [to_micros(copied.clock.now) + LEASE_SECONDS * 1_000_000]


async def test_a_lease_that_ran_out_is_held_on_to_where_nobody_took_it(
    copied: Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "HEARTBEAT_SECONDS", 0)

    def sleep() -> None:
        copied.clock.now += timedelta(seconds=LEASE_SECONDS + 1)

    assert build_writer(copied, run_once("purchase read", sleep)).renew(whole=True) is not None
    assert await copied.ask() == ANSWERED
