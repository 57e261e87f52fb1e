"""Customers whom a list names: looked up by the database alone, however many they are, and never as of before."""

from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from domain.imports.rows import Batch
from domain.model import Actor, Business, NewCustomer
from domain.segments.member_lists import MembersFile
from domain.segments.model import SegmentKind
from domain.segments.validation import Draft
from domain.store import Naming
from gql.composition import Services
from persistence import evaluation as module
from persistence.database.engines import Database
from persistence.segments.named import NamedCustomerStore
from persistence.unit import Unit
from tests.conftest import SetClock, examples, measure_memory

pytestmark = pytest.mark.anyio
ACTOR = Actor("test")


@dataclass
class Rows:
    """A source of a column of ids, the same ones again and again."""

    names: Sequence[str]
    times: int = 1
    name: str = "list.csv"
    header: Sequence[str] = ("customer_id",)
    typed: bool = False

    def read_rows(self) -> Iterator[tuple[int, list[str]]]:
        for line in range(len(self.names) * self.times):
            yield line + 2, [self.names[line % len(self.names)]]

    def read_batches(self) -> Generator[Batch, None, None]:
        raise AssertionError("a list of members is read row by row")


@pytest.fixture
async def vip(services: Services, shop: Business) -> Business:
    """A shop of customers C1 to C9, with the segment `vip` by hand."""
    await services.customers.upsert(shop, [NewCustomer(f"C{n}") for n in range(1, 10)], ACTOR)
    await services.segments.create(shop, Draft("VIP", SegmentKind.MANUAL), ACTOR)
    return shop


async def test_who_is_erased_or_merged_while_the_list_is_looked_up_is_as_afterwards(
    services: Services, vip: Business, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on_writing = module.go_on_writing

    @asynccontextmanager
    async def change_before(*given: Any) -> AsyncIterator[Unit]:
        await services.erasure.erase(vip, 2, ACTOR)
        await services.merging.merge(vip, 3, 4, ACTOR)
        async with go_on_writing(*given) as unit:
            yield unit

    monkeypatch.setattr(module, "go_on_writing", change_before)

    file = MembersFile.of(Rows(["C1", "C2", "C3"]))
    done = await services.member_lists.set_from_file(vip, "vip", file, ACTOR, skip_unknown=True)

    async with services.store.read(vip) as unit:
        inside = [await unit.memberships.are_members([(1, customer)]) for customer in (1, 2, 3, 4)]
    assert (done.assigned, done.unknown, done.unknown_rows) == (2, 1, [(3, "C2")])
    assert list(map(bool, inside)) == [True, False, False, True]


async def test_a_list_that_fails_leaves_nothing_to_the_next(services: Services, vip: Business) -> None:
    with pytest.raises(BaseException, match="2 rows name nobody"):
        await services.member_lists.set_from_file(vip, "vip", MembersFile.of(Rows(["C1", "x", "y"])), ACTOR)

    done = await services.member_lists.set_from_file(vip, "vip", MembersFile.of(Rows(["C2"])), ACTOR)

    assert (done.read, done.assigned, done.unknown, done.segment.key) == (1, 1, 0, "vip")


@pytest.mark.parametrize("naming", Naming)
async def test_no_way_of_naming_goes_through_all_customers(
    fresh_sqlite: Database, clock: SetClock, naming: Naming
) -> None:
    async with fresh_sqlite.reader.connect() as connection:
        named = NamedCustomerStore(connection, 1)
        await named.prepare()
        bare = named._select_meant(naming).compile(fresh_sqlite.reader, compile_kwargs={"literal_binds": True})
        plan = [str(row[-1]) for row in await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {bare}")]

    assert plan[0] == "SCAN listed"
    assert all("business_id=? AND " in step for step in plan[1:])


@pytest.mark.slow
async def test_a_long_list_takes_no_more_memory_than_a_short_one(services: Services, vip: Business) -> None:
    names = [f"C{n}" for n in range(1, 10)]
    taken = []

    for times in (2_000, examples(10_000, 110_000)):
        with measure_memory() as most:
            done = await services.member_lists.set_from_file(vip, "vip", MembersFile.of(Rows(names, times)), ACTOR)
        assert (done.read, done.segment.key) == (9 * times, "vip")
        taken.append(most[0])

    assert taken[1] < 1.5 * taken[0]
