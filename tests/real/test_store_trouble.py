"""A store that does not answer: lines R6 and R7 of the reliability requirements, with a real PostgreSQL that is frozen,
is restarted, ends its processes, or has no connection left."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import psycopg
import pytest

from gql.http.health import READY_SECONDS
from gql.settings import Settings
from persistence.database.engines import open_database
from tests.conftest import SetClock
from tests.drivers.face import SECRET, Face, facing
from tests.drivers.postgresql import Cluster, cluster

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("undisturbed")]
COUNT = "{ customers { totalCount } }"
DEADLINE = 6.0
"""Well beyond the two seconds that a question waits for a connection, so that a busy machine keeps them apart."""


@pytest.fixture
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("own")) as made:
        yield made


@pytest.fixture
async def face(postgres: Cluster, clock: SetClock) -> AsyncIterator[Face]:
    database = open_database(postgres.url)
    async with facing(database, clock, Settings(jwt_secret=SECRET, deadline_seconds=DEADLINE)) as made:
        yield made
    await database.close()


async def outcome(face: Face) -> tuple[str, float]:
    """The code of a query, or OK, and how long it took."""
    began = time.perf_counter()
    body = (await face.post(COUNT)).json()
    code = body["errors"][0]["extensions"]["code"] if "errors" in body else "OK"
    return code, time.perf_counter() - began


async def status(face: Face, path: str) -> int:
    return (await face.client.get(path)).status_code


async def recovered(face: Face) -> None:
    """Ready within five seconds, every connection given back, and thirty questions at once answered."""
    for _ in range(20):
        if await status(face, "/readyz") == 200:
            break
        await asyncio.sleep(READY_SECONDS / 4)
    else:
        raise AssertionError("it never recovered")
    again = await asyncio.gather(*(outcome(face) for _ in range(30)))

    assert {code for code, _ in again} == {"OK"}
    for _ in range(100):
        if not face.database.reader.pool.checkedout():  # type: ignore[attr-defined]
            break
        await asyncio.sleep(0.05)
    else:
        raise AssertionError("connections are still out")


@pytest.mark.slow
async def test_r7_while_the_store_is_frozen_every_question_has_an_end_and_the_process_lives(
    face: Face, postgres: Cluster
) -> None:
    first, _ = await outcome(face)
    with postgres.freeze():
        await asyncio.sleep(READY_SECONDS)
        found, ready, live = await asyncio.gather(
            asyncio.gather(*(outcome(face) for _ in range(60))), status(face, "/readyz"), status(face, "/healthz")
        )
        still_live = await status(face, "/healthz")
    codes = Counter(code for code, _ in found)
    waits = [took for code, took in found if code == "UNAVAILABLE"]

    assert first == "OK"
    assert set(codes) == {"TIMEOUT", "UNAVAILABLE"}, found
    assert codes["UNAVAILABLE"] >= 10, found
    assert all(1.9 < took < DEADLINE for took in waits), waits
    assert max(took for _, took in found) < DEADLINE + 1.5
    assert (ready, live, still_live) == (503, 200, 200)
    await recovered(face)


async def test_r7_without_a_free_connection_the_store_is_unavailable_and_then_is_not(
    face: Face, postgres: Cluster
) -> None:
    await face.database.reader.dispose()
    with ExitStack() as stack:
        with pytest.raises(psycopg.OperationalError, match="too many clients"):
            while True:
                stack.enter_context(psycopg.connect(postgres.url))
        found, ready, live = await outcome(face), await status(face, "/readyz"), await status(face, "/healthz")

    assert found[0] == "UNAVAILABLE"
    assert (ready, live) == (503, 200)
    await recovered(face)


WRITE = 'mutation { createSegment(input: {name: "%s", kind: MANUAL}) { segment { name } } }'


async def test_r6_while_the_store_is_restarted_every_failure_is_told_and_nothing_is_half_written(
    face: Face, postgres: Cluster
) -> None:
    over = asyncio.Event()
    codes, written = Counter[str](), list[str]()

    async def ask(number: int) -> None:
        count = 0
        while not over.is_set():
            name = f"s{number}-{count}"
            body = (await face.post(WRITE % name if number % 2 else COUNT)).json()
            if "errors" in body:
                codes[body["errors"][0]["extensions"]["code"]] += 1
            elif number % 2:
                written.append(name)
            count += 1
            await asyncio.sleep(0.02)

    asking = [asyncio.create_task(ask(number)) for number in range(6)]
    await asyncio.sleep(0.3)
    with psycopg.connect(postgres.url, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    await asyncio.sleep(0.3)
    await asyncio.to_thread(postgres.restart)
    over.set()
    await asyncio.gather(*asking)
    await recovered(face)
    with psycopg.connect(postgres.url) as connection:
        kept = {row[0] for row in connection.execute("SELECT name FROM segment")}
        events = connection.execute("SELECT COUNT(*) FROM audit_event WHERE action = 'createSegment'").fetchone()

    assert set(codes) <= {"UNAVAILABLE", "TIMEOUT"}, codes
    assert codes["UNAVAILABLE"]
    assert set(written) <= kept
    assert events == (len(kept),)
