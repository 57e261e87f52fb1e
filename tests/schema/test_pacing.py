"""How completing an answer shares the event loop: no turn of the loop is long, whatever the document; and what is
asked together is answered together, however often the answer paused."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from types import SimpleNamespace

import pytest
import strawberry
from graphql import get_introspection_query

from domain.model import Actor
from gql.schema import pacing
from gql.schema.executor import PacedExecutor
from gql.schema.pacing import Pace, Turns
from persistence.database.engines import Database
from tests.conftest import NOW, once_a_store
from tests.drivers.face import Face
from tests.shops.factories import line, purchase

pytestmark = [pytest.mark.anyio, pytest.mark.read_only]
CUSTOMERS, ORDERS = 60, 15
NESTED = f"""{{ customers(first: {CUSTOMERS}) {{ nodes {{
  externalId metrics {{ orderCount totalRevenue averageOrderValue firstPurchaseAt }} rfm {{ score segmentName }}
  classification {{ frequency spending }} attributes
  purchases(first: {ORDERS}) {{ nodes {{ id externalId amount status purchasedAt lines {{ category amount }} }} }}
}} edges {{ cursor node {{ externalId }} }} }} }}"""


@pytest.fixture
@once_a_store
async def filled(database: Database, both: Face) -> Face:
    """Every customer has as many orders, of two lines each."""
    shop = await both.services.businesses.open("shop")
    lines = (line("Kids", 100), line(None, 50))
    orders = [
        purchase(f"C{who:02}", f"O{who}-{n}", (NOW - timedelta(days=n + who)).isoformat(), 150 + who, lines=lines)
        for who in range(CUSTOMERS)
        for n in range(ORDERS)
    ]
    await both.services.purchases.record(shop, orders, Actor("test"))
    return both


@asynccontextmanager
async def measuring() -> AsyncIterator[list[float]]:
    """The seconds of work of each turn of the loop, in its thread, so that it does not matter who else is busy."""
    turns: list[float] = []
    over = asyncio.Event()

    async def tick() -> None:
        last = time.thread_time()
        while not over.is_set():
            await asyncio.sleep(0)
            now = time.thread_time()
            turns.append(now - last)
            last = now

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0)
    yield turns
    over.set()
    await ticking


@pytest.mark.usefixtures("undisturbed")
async def test_no_turn_of_the_loop_takes_more_than_a_part_of_a_large_answer(filled: Face) -> None:
    await filled.data(NESTED)

    async with measuring() as turns:
        await filled.data(NESTED)

    # The answer takes many of the turns that one may use up.
    work = sum(turns)
    print(f"the longest of {len(turns)} turns took {max(turns) * 1000:.0f} ms, all {work * 1000:.0f} ms")
    assert work > 10 * pacing.TURN_SECONDS
    assert max(turns) < work / 8


@pytest.mark.usefixtures("undisturbed")
async def test_an_introspection_takes_turns_too(filled: Face) -> None:
    async with measuring() as turns:
        await filled.data(get_introspection_query().replace("IntrospectionQuery", f"Of{filled.database.dialect}"))

    # The longest turn checks the document.
    assert max(turns) < sum(turns) / 2


async def test_what_pauses_at_each_item_asks_for_as_many_statements(
    filled: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled.data(NESTED)
    statements = filled.statements()
    found = []

    for seconds in (3600.0, 0.0):
        monkeypatch.setattr(pacing, "TURN_SECONDS", seconds)
        statements.clear()
        found.append((await filled.data(NESTED), sorted(statements)))

    assert found[0] == found[1]


async def test_what_is_stopped_while_it_pauses_leaves_nothing_behind(
    filled: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing, "TURN_SECONDS", 0.0)
    before = asyncio.all_tasks()

    for turns in (20, 60, 200, 600, 1200):
        asking = asyncio.create_task(filled.post(NESTED))
        for _ in range(turns):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    # Statements that were stopped come to their end.
    if left := asyncio.all_tasks() - before:
        _, left = await asyncio.wait(left, timeout=10)

    # Whatever was begun and never awaited would warn now, which fails a test.
    gc.collect()
    assert left == set()
    assert filled.database.reader.pool.checkedout() == 0  # type: ignore[attr-defined]


@strawberry.type
class Branch:
    """Of a tree in which some wait and some do not."""

    depth: int

    @strawberry.field
    async def name(self) -> str:
        """After a turn."""
        await asyncio.sleep(0)
        return f"at {self.depth}"

    @strawberry.field
    async def branches(self) -> "list[Branch]":
        """Three, after a turn."""
        await asyncio.sleep(0)
        return self.twigs()

    @strawberry.field
    def twigs(self) -> "list[Branch]":
        """Three, at once."""
        return [Branch(depth=self.depth + 1) for _ in range(3)]


@strawberry.type
class Query:
    """Where the tree begins."""

    @strawberry.field
    def root(self) -> Branch:
        """The trunk."""
        return Branch(depth=0)


TREE = """{ root { name branches { name twigs { name branches { name depth } } branches { name twigs { name } } }
  twigs { branches { name } } } }"""


@pytest.mark.parametrize("seconds", [3600.0, 0.0], ids=["without pauses", "with pauses"])
async def test_whatever_moment_it_is_stopped_at_nothing_is_begun_and_never_awaited(
    seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing, "TURN_SECONDS", seconds)
    schema = strawberry.Schema(query=Query, execution_context_class=PacedExecutor)
    before, moments, ended = asyncio.all_tasks(), 0, False

    while not ended:
        asking = asyncio.create_task(schema.execute(TREE, context_value=SimpleNamespace(pace=Pace())))
        for _ in range(moments):
            await asyncio.sleep(0)
        ended = asking.done()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        if left := asyncio.all_tasks() - before:
            await asyncio.wait(left, timeout=10)
        assert asyncio.all_tasks() == before
        moments += 1

    # Whatever was begun and never awaited would warn now, which fails a test.
    gc.collect()
    assert moments > 10


async def test_operations_that_pause_go_on_alternately() -> None:
    turns = Turns()
    order: list[str] = []

    async def go_on(name: str, pace: Pace) -> None:
        await pace.next()
        order.append(name)

    many, few = Pace(turns), Pace(turns)
    await asyncio.gather(*(go_on("many", many) for _ in range(20)), go_on("few", few))

    assert order.index("few") == 1
    assert order.count("many") == 20


async def test_a_loader_waits_for_what_is_paused() -> None:
    pace = Pace()
    asked: list[int] = []

    async def ask_later(key: int) -> None:
        await pace.next()
        await asyncio.sleep(0)
        asked.append(key)

    waiting = [asyncio.create_task(ask_later(key)) for key in range(100)]
    await asyncio.sleep(0)
    await pace.settle()

    assert len(asked) == 100
    await asyncio.gather(*waiting)
