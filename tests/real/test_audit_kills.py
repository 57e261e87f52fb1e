"""Line T9 of the reliability requirements: a process that is killed while it writes leaves the change with its audit
event, or neither of them."""

import asyncio
import signal
import sys

import pytest

from domain.model import Actor, Business
from domain.pages import PageRequest
from gql.composition import Services
from persistence.database.engines import Database
from tests.conftest import sample_cases
from tests.persistence.conftest import everybody
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
STAGES = [
    "UPDATE business SET change_number",
    "INSERT INTO purchase",
    "INSERT INTO audit_sequence",
    "INSERT INTO audit_event",
    "COMMIT",
    "nothing",
]


@pytest.mark.parametrize("stage", sample_cases(STAGES, "INSERT INTO audit_event"))
async def test_t9_a_change_and_its_event_survive_a_kill_together_or_not_at_all(
    stage: str, database: Database, services: Services, shop: Business
) -> None:
    url = database.bulk.url.render_as_string(hide_password=False)
    dying = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.drivers.dying", url, "record", "1", stage)
    assert await asyncio.wait_for(dying.wait(), 60) == -signal.SIGKILL

    done = stage == "nothing"
    events = await services.read(shop, lambda unit: unit.audits.load_page(PageRequest(9)))
    assert [(event.id, event.actor, event.action) for event in events.items] == [(1, "dying", "recordPurchases")] * done
    assert [each.totals.order_count for each in await everybody(services, shop)] == [1] * done
    again = await services.purchases.record(shop, [purchase("C1", "O1", "2024-06-01", 500)], Actor("test"))
    assert (again.created, again.unchanged) == (1 - done, done)
    after = await services.read(shop, lambda unit: unit.audits.load_page(PageRequest(9)))
    assert [event.id for event in after.items] == [*range(1 + done, 0, -1)]
