"""What the whole store says of its work, on either database: what waits and since when, and what became of rows."""

from datetime import timedelta

import pytest

from domain.jobs.model import JobKind, JobStatus
from domain.model import Business
from persistence.agenda import summarise_work
from tests.drivers.files import Importer
from tests.drivers.working import Working
from tests.persistence.jobs.conftest import acquire_run, start_run

pytestmark = pytest.mark.anyio
SPENT = {"A": 500, "B": 5000}
ROWS = b"customer_id,order_id,date,amount\nA,O9,2024-06-01,1.00\nA,O8,2024-06-01,no\n"


async def test_work_is_summed_over_the_store(working: Working, importer: Importer, shop: Business) -> None:
    ended: list[tuple[str, JobKind, JobStatus, float]] = []
    working.feed.ended = lambda business, kind, status, seconds: ended.append((business.key, kind, status, seconds))
    importer.content(ROWS)
    importer.content(ROWS)
    await start_run(working)
    database, began = working.store.database, working.clock.now

    working.clock.now = began + timedelta(seconds=90)
    waiting = await summarise_work(database.reader, working.clock())
    job = await acquire_run(working)
    running = await summarise_work(database.reader, working.clock())
    working.clock.now = began + timedelta(seconds=100)
    await working.runner.run(shop, job)
    done = await summarise_work(database.reader, working.clock())

    kind, none = JobKind.RECALCULATION, dict.fromkeys(JobKind, 0)
    assert (waiting.queued[kind], waiting.running[kind], waiting.oldest_seconds[kind]) == (
        1,
        0,
        pytest.approx(90, abs=0.01),
    )
    assert (running.queued[kind], running.running[kind], running.oldest_seconds[kind]) == (0, 1, 0.0)
    assert (done.queued, done.running) == (none, none)
    assert done.import_rows == {"created": 1, "updated": 0, "unchanged": 1, "rejected": 2}
    assert ended == [("shop", kind, JobStatus.SUCCEEDED, pytest.approx(10, abs=0.01))]
