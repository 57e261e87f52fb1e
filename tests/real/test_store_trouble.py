"""A store that does not answer: line R7 of the reliability requirements, with a real PostgreSQL that is frozen and
with one that has no connection left."""

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
