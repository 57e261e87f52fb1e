"""A scheduled run that failed is posted to the shop's own endpoint, over a real socket; what the endpoint does with it
keeps nothing from going on."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from domain.jobs.model import JobStatus
from domain.jobs.progress import ProgressFeed
from domain.jobs.worker import Worker
from domain.model import BusinessSettings
from domain.segments.model import Segment
from domain.segments.runner import Runner
from gql.segmentation import ScheduledSegmentation
from gql.settings import Settings
from persistence.alerts import Alerts
from persistence.store import SqlStore
from tests.drivers.face import Face
from tests.drivers.server import QuietHandler, listening
from tests.drivers.working import ACTOR, Working

pytestmark = pytest.mark.anyio
BROKEN = {"in": ["nowhere", {"var": "segments"}]}


@dataclass
class Endpoint:
    """What was posted, and how it is answered."""

    url: str = ""
    status: int = 204
    posted: list[Any] = field(default_factory=list)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            made.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(made.status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

    with listening(Handler) as address:
        made.url = f"{address}/alerts"
        yield made


async def make_alarmed(face: Face, url: str) -> Working:
    """A worker that posts to the address."""
    made = Working.of(face.database, face.clock, await face.services.businesses.open("shop"))
    runner = Runner(made.store, made.clock, made.feed, "worker", Alerts(url))
    handler = replace(made.handler, runner=runner)
    return replace(made, runner=runner, handler=handler, worker=replace(made.worker, handlers=(handler,)))


async def due(working: Working, segment: Segment) -> None:
    async with working.store.write(working.business) as unit:
        await unit.segments.change(replace(segment, schedule="0 * * * *", next_run_at=working.clock.now))


async def test_a_failed_scheduled_run_is_posted(face: Face, endpoint: Endpoint) -> None:
    working = await make_alarmed(face, endpoint.url)
    await due(working, await working.segment("odd", BROKEN))

    await working.worker.run_once(working.business)

    (posted,) = endpoint.posted
    assert posted.pop("finishedAt").startswith("2024-06-15T12:00:00")
    assert posted == {
        "event": "recalculation.failed",
        "business": "shop",
        "segment": "odd",
        "job": 1,
        "code": "BAD_USER_INPUT",
        "message": "There is no segment with the key nowhere.",
    }


async def test_nobody_is_told_of_what_succeeded_or_was_asked_for(face: Face, endpoint: Endpoint) -> None:
    working = await make_alarmed(face, endpoint.url)
    await due(working, await working.segment("good", {">": [{"var": "order_count"}, 0]}))
    await working.recalculations.start(working.business, (await working.segment("odd", BROKEN)).id, ACTOR)

    await working.worker.run_once(working.business)

    assert endpoint.posted == []


async def test_a_scheduled_classification_that_failed_is_posted(face: Face, endpoint: Endpoint, tmp_path: Path) -> None:
    business = await face.services.businesses.open("shop")
    (tmp_path / "taken").write_text("not a folder")
    kept = {"classify_every": "0 * * * *", "output_dir": str(tmp_path / "taken")}
    scheduled = ScheduledSegmentation(Settings(data=tmp_path, alert_url=endpoint.url), face.database, face.clock)
    worker = Worker(SqlStore(face.database, face.clock), face.clock, ProgressFeed(), (scheduled,))
    await worker.run_once(replace(business, settings=BusinessSettings.of(kept)))
    face.clock.now += timedelta(hours=1)
    with face.database.bulk.begin() as connection:
        connection.execute(text("UPDATE business SET settings = :kept WHERE key = 'shop'"), {"kept": json.dumps(kept)})

    assert await worker.run_once(await face.services.businesses.open("shop"))

    (posted,) = endpoint.posted
    assert (posted["event"], posted["business"]) == ("classification.failed", "shop")
    assert "taken" in posted["message"] and posted["code"] != "INTERNAL"


@pytest.mark.parametrize("trouble", ["refused", "error", "redirect", "nonsense"])
async def test_an_endpoint_in_trouble_keeps_nothing_from_going_on(
    trouble: str, face: Face, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.status = {"error": 500, "redirect": 302}.get(trouble, 204)
    url = {"refused": "http://127.0.0.1:9/", "nonsense": "http://[/"}.get(trouble, endpoint.url)
    working = await make_alarmed(face, url)
    await due(working, await working.segment("odd", BROKEN))
    good = await working.segment("good", {">=": [{"var": "order_count"}, 0]})
    await due(working, good)

    await working.worker.run_once(working.business)

    async with working.store.read(working.business) as unit:
        newest = await unit.jobs.find_newest([1, good.id])
    assert [newest[1].status, newest[good.id].status] == [JobStatus.FAILED, JobStatus.SUCCEEDED]
    assert len(endpoint.posted) == (1 if trouble in ("error", "redirect") else 0)
    assert "the alert recalculation.failed could not be delivered" in caplog.text
    assert "127.0.0.1" not in caplog.text
