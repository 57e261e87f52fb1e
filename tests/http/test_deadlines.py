"""Work that takes too long or that nobody waits for any more: line D8 of the reliability requirements, on both
databases."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from gql.schema.answers import AnswerMemory, KeptAnswer
from gql.settings import Settings
from persistence.database.engines import Database
from persistence.reports.reports import GroupReportStore, ReportStore
from persistence.segments.analysis import RuleAnalysisStore
from tests.conftest import SetClock
from tests.drivers.face import SECRET, Face, code_of, facing
from tests.drivers.probe import Journal, probe_app
from tests.http.test_json_body import COUNT, PURCHASE, RECORD

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("undisturbed")]


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
async def probe(both: Face, database: Database, clock: SetClock, journal: Journal) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the misbehaving schema on each database, with short deadlines."""
    settings = Settings(jwt_secret=SECRET, deadline_seconds=0.3)
    app = probe_app(settings, clock, both.services, database, journal)
    given = {"transport": httpx.ASGITransport(app), "base_url": "http://127.0.0.1", "headers": both.bearer()}
    async with httpx.AsyncClient(**given) as client:
        yield client


@pytest.mark.parametrize("field", ["slow", "heavy", "heavyByLoader"])
async def test_d8_an_operation_that_takes_too_long_is_stopped(
    probe: httpx.AsyncClient, database: Database, journal: Journal, field: str
) -> None:
    began = time.perf_counter()
    answer = await probe.post("/graphql", json={"query": f"{{ {field} }}"})
    took = time.perf_counter() - began

    assert answer.status_code == 200
    assert answer.json()["data"] is None
    assert code_of(answer) == "TIMEOUT"
    assert 0.3 <= took < 1.3
    await asyncio.sleep(0.2)
    assert journal.began == journal.ended
    assert database.reader.pool.checkedout() == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("field", ["slow", "heavy", "heavyByLoader"])
async def test_d8_work_stops_within_a_second_of_the_disconnect(
    both: Face, database: Database, clock: SetClock, journal: Journal, field: str
) -> None:
    app = probe_app(Settings(jwt_secret=SECRET), clock, both.services, database, journal)

    await leave(app, both, f"{{ {field} }}")

    await asyncio.sleep(0.1)
    assert journal.began == journal.ended
    assert database.reader.pool.checkedout() == 0  # type: ignore[attr-defined]


async def leave(app: ASGIApp, face: Face, query: str) -> None:
    """Ask, go away while the answer is made, and see that this ends within a second."""
    body = json.dumps({"query": query}).encode()
    headers = [(b"content-type", b"application/json"), (b"authorization", face.bearer()["Authorization"].encode())]
    place = {"path": "/graphql", "raw_path": b"/graphql", "query_string": b"", "server": ("127.0.0.1", 80)}
    scope = {"type": "http", "method": "POST", "headers": headers, "http_version": "1.1", "scheme": "http", **place}
    gone = asyncio.Event()
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, object]:
        if messages:
            return messages.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        pass

    serving = asyncio.create_task(app(scope, receive, send))  # type: ignore[arg-type]
    await asyncio.sleep(0.3)
    assert not serving.done()
    gone.set()
    await asyncio.wait_for(serving, 1)


def hold_business(patch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let every answer be kept, of a business that takes so long to be opened and has changed."""

    async def open_slowly(*_: object) -> None:
        await asyncio.sleep(seconds)

    state: Any = ()
    patch.setattr(AnswerMemory, "find_key", lambda *_: (("", None), "", "shop", frozenset(), None))
    patch.setattr(AnswerMemory, "find", lambda *_: KeptAnswer(b"{}", 10, 10, 0, 0.0, state))
    patch.setattr(AnswerMemory, "open_business", open_slowly)


async def test_d8_to_see_whether_a_kept_answer_holds_is_part_of_the_deadline(
    probe: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold_business(monkeypatch, 0.2)

    answer = await probe.post("/graphql", json={"query": "{ slow(seconds: 0.2) }"})

    assert code_of(answer) == "TIMEOUT"


async def test_d8_whoever_goes_is_not_waited_for_while_it_is_seen_whether_a_kept_answer_holds(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold_business(monkeypatch, 60)

    await leave(face.app, face, COUNT)


async def test_d8_a_stopped_statement_leaves_the_store_usable(probe: httpx.AsyncClient, both: Face) -> None:
    for _ in range(8):
        assert code_of(await probe.post("/graphql", json={"query": "{ heavy }"})) == "TIMEOUT"

    await both.post(RECORD, {"input": [PURCHASE]})
    assert (await both.data(COUNT))["customers"]["totalCount"] == 1


MOVES = '{ segmentTransitions(from: "2024-05-01", to: "2024-06-01") { cells { customerCount } } }'
TREND = '{ segmentationTrend(from: "2024-05-01", to: "2024-06-01") { customerCount } }'
PREVIEW = "{ segmentPreview(definition: {criteria: {minOrders: 1}}) { population matchCount } }"


@pytest.mark.parametrize(
    ("document", "place", "name"),
    [
        (MOVES, GroupReportStore, "sum_transitions"),
        (TREND, GroupReportStore, "sum_trend"),
        ("{ classificationStatistics { customerCount } }", GroupReportStore, "count_labels"),
        ("{ segmentationReport { customerCount } }", ReportStore, "load_cells"),
        (PREVIEW, RuleAnalysisStore, "compute_sizes"),
    ],
)
async def test_d8_what_is_dear_is_computed_to_its_end_and_found_by_the_next_call(
    database: Database, clock: SetClock, monkeypatch: pytest.MonkeyPatch, document: str, place: type, name: str
) -> None:
    settings = Settings(jwt_secret=SECRET, deadline_seconds=0.1, report_deadline_seconds=0.2)
    compute, asked, go_on, done = getattr(place, name), 0, asyncio.Event(), asyncio.Event()

    async def compute_slowly(*given: object) -> object:
        nonlocal asked
        asked += 1
        await go_on.wait()
        found = await compute(*given)
        done.set()
        return found

    monkeypatch.setattr(place, name, compute_slowly)
    async with facing(database, clock, settings) as face:
        late = await face.post(document)
        go_on.set()
        await asyncio.wait_for(done.wait(), 10)
        answer = await face.data(document)

    assert (code_of(late), late.json()["errors"][0]["message"]) == (
        "TIMEOUT",
        "The operation took longer than 0.2 seconds.",
    )
    assert asked == 1
    assert answer
