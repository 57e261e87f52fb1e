"""A worker on a shop where something was bought, and the rules and runs that tests of runs begin with."""

import pytest

from domain.jobs.model import Job, JobKind
from domain.model import Business
from domain.segments.model import Segment
from gql.composition import Services
from persistence.database.engines import Database
from tests.conftest import SetClock
from tests.drivers.working import ACTOR, Working
from tests.shops.factories import purchase

DAY = "2024-06-01"


def over(amount: int) -> object:
    """Customers who spent more."""
    return {">": [{"var": "total_revenue"}, amount]}


def uses(key: str) -> object:
    """Members of that segment."""
    return {"in": [key, {"var": "segments"}]}


OVER_10 = over(10)


@pytest.fixture
async def working(
    request: pytest.FixtureRequest, database: Database, services: Services, shop: Business, clock: SetClock
) -> Working:
    """A worker on a shop whose customers spent what the module says in SPENT, in cents; everything was followed."""
    spent: dict[str, int] = request.module.SPENT
    items = [purchase(name, f"O{number}", DAY, amount) for number, (name, amount) in enumerate(spent.items(), 1)]
    await services.purchases.record(shop, items, ACTOR)
    made = Working.of(database, clock, shop)
    await made.worker.run_once(shop)
    return made


def another(working: Working) -> Working:
    """A second worker on the same shop."""
    return Working.of(working.store.database, working.clock, working.business, "other")


async def start_run(working: Working) -> tuple[Segment, Job]:
    """A segment of those who spent more than 10, and a run of it that waits."""
    segment = await working.segment("big", OVER_10)
    return segment, await working.recalculations.start(working.business, segment.id, ACTOR)


async def acquire_run(working: Working, owner: str = "worker") -> Job:
    """The run that waits, as somebody of that name has it now."""
    async with working.store.open_heartbeats(working.business) as jobs:
        held = await jobs.acquire(JobKind.RECALCULATION, owner, working.clock.now)
    assert held is not None
    return held
