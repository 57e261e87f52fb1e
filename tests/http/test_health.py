"""Whether the process lives and whether it can serve: line R12 of the reliability requirements."""

import asyncio
import time
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from gql.app import create_app
from gql.http.health import READY_SECONDS
from gql.settings import Settings
from persistence.database.engines import Database, open_database
from tests.conftest import SetClock
from tests.drivers.face import SECRET, Face

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("undisturbed")]


def client_of(database: Database, clock: SetClock) -> httpx.AsyncClient:
    """A stranger before an application over the store as it is."""
    app = create_app(Settings(jwt_secret=SECRET), clock, database=database)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")


@pytest.mark.read_only
async def test_r12_a_server_with_its_store_is_ready_and_tells_strangers_no_more(both: Face) -> None:
    live = await both.client.get("/healthz")
    ready = await both.client.get("/readyz")

    assert (live.status_code, live.json()) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})
    assert live.headers["cache-control"] == ready.headers["cache-control"] == "no-store"


@pytest.mark.read_only
async def test_r12_the_process_lives_without_asking_the_store(both: Face) -> None:
    seen = both.statements()
    began = time.perf_counter()

    for _ in range(20):
        assert (await both.client.get("/healthz")).status_code == 200

    assert time.perf_counter() - began < 1
    assert seen == []


async def test_r12_the_store_is_asked_once_a_second_by_all_together(both: Face) -> None:
    seen = both.statements()

    await asyncio.gather(*(both.client.get("/readyz") for _ in range(50)))
    asked = len(seen)
    for _ in range(20):
        assert (await both.client.get("/readyz")).status_code == 200

    assert asked > 0
    assert len(seen) == asked


async def test_r12_a_store_without_the_newest_tables_is_not_ready(database: Database, clock: SetClock) -> None:
    async with client_of(database, clock) as client:
        before = await client.get("/readyz")
        async with database.writer.begin() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
        await asyncio.sleep(READY_SECONDS)
        after = await client.get("/readyz")

    assert before.status_code == 200
    assert (after.status_code, after.json()) == (503, {"status": "unavailable"})


async def test_r12_an_empty_store_is_not_ready(tmp_path: Path, clock: SetClock) -> None:
    database = open_database(f"sqlite:///{tmp_path}/empty.sqlite")
    async with client_of(database, clock) as client:
        ready, live = await client.get("/readyz"), await client.get("/healthz")
    await database.close()

    assert (ready.status_code, live.status_code) == (503, 200)


@pytest.mark.parametrize(
    "address", ["postgresql://nobody:hunter2@127.0.0.1:1/nothing", "postgresql://nobody:hunter2@/nothing?host=/nowhere"]
)
async def test_r12_without_its_store_the_process_lives_and_is_not_ready(
    clock: SetClock, face: Face, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    database = open_database(address)
    async with client_of(database, clock) as client:
        ready, live = await client.get("/readyz"), await client.get("/healthz")
        query = {"query": "{ viewer { business { name } } }"}
        answer = await client.post("/graphql", json=query, headers=face.bearer())
    await database.close()

    assert (ready.status_code, ready.json()) == (503, {"status": "unavailable"})
    assert live.status_code == 200
    assert answer.json()["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
    assert "hunter2" not in ready.text + answer.text + caplog.text


@pytest.mark.read_only
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_r12_probes_are_only_read(face: Face, path: str, method: str) -> None:
    answer = await face.client.request(method, path)

    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]
