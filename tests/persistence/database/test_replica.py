"""A replica answers what only reads, and never what is older than the store was when the request began; where it
cannot, the store does. The replica here is a copy of the store that goes on when a test says so."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from domain.errors import InvalidInput, StoreDamaged, Unavailable
from domain.model import Actor, Business, NewCustomer
from domain.segments.model import SegmentKind
from domain.segments.validation import Draft
from gql.composition import Services
from gql.settings import Settings
from persistence.database import replica as replicas
from persistence.database import silence
from persistence.database.engines import Database, open_database
from persistence.database.replica import ANSWERED, AWAY, BEHIND
from persistence.store import SqlStore
from tests.conftest import SetClock
from tests.drivers.face import SECRET, presenting
from tests.drivers.stores import PostgresqlServer

pytestmark = pytest.mark.anyio
ACTOR = Actor("test")


class Pair:
    """A store with a shop, and its copy; `told` says who answered each reading."""

    def __init__(self, server: PostgresqlServer, clock: SetClock) -> None:
        self.clock, self.told = clock, list[str]()
        self.store = open_database(server.address_of("first"), None, server.address_of("copy"))
        self.copy = open_database(server.address_of("copy"))
        assert self.store.replica is not None
        self.store.replica.tell = self.told.append

    async def open_shop(self) -> Business:
        """The shop as the store has it, for a request that only reads."""
        return (await Services(self.store, self.clock).businesses.open("shop")).allow_replica()

    async def write(self, database: Database, name: str) -> None:
        services = Services(database, self.clock)
        await services.customers.upsert(await services.businesses.open("shop"), [NewCustomer("C1", name)], ACTOR)

    async def read(self, shop: Business) -> str | None:
        """The name of the only customer."""
        async with SqlStore(self.store, self.clock).read(shop) as unit:
            record = await unit.customers.find_by_external_id("C1")
        assert record is not None
        return record.customer.name

    async def close(self) -> None:
        await self.store.close()
        await self.copy.close()


@pytest.fixture
async def pair(postgresql_server: PostgresqlServer, clock: SetClock) -> AsyncIterator[Pair]:
    postgresql_server.create("first")
    made = open_database(postgresql_server.address_of("first"))
    services = Services(made, clock)
    shop = await services.businesses.create("shop", None, "UTC", "EUR")
    await services.customers.upsert(shop, [NewCustomer("C1", "Ann")], ACTOR)
    await made.close()
    postgresql_server.create("copy", "first")
    opened = Pair(postgresql_server, clock)
    yield opened
    await opened.close()
    for name in ("first", "copy"):
        postgresql_server.drop(name)


async def test_a_replica_that_is_as_new_answers(pair: Pair) -> None:
    with pair.copy.bulk.begin() as connection:
        connection.execute(text("UPDATE customer SET name = 'of the copy'"))

    assert await pair.read(await pair.open_shop()) == "of the copy"
    assert pair.told == [ANSWERED]


async def test_what_was_written_is_read_from_the_store_until_the_replica_has_it(pair: Pair) -> None:
    begun_before = await pair.open_shop()
    await pair.write(pair.store, "Bea")

    request = await pair.open_shop()
    lagging = [await pair.read(request), await pair.read(begun_before)]
    await pair.write(pair.copy, "Bea")
    caught_up = [await pair.read(await pair.open_shop()), await pair.read(request)]

    assert lagging == ["Bea", "Ann"]
    assert caught_up == ["Bea", "Bea"]
    # A request that the store has answered once is not asked of the replica again.
    assert pair.told == [BEHIND, ANSWERED, ANSWERED]


async def test_within_a_request_time_does_not_go_back(pair: Pair) -> None:
    """As it could with several replicas behind one address."""
    request = await pair.open_shop()
    await pair.write(pair.copy, "Bea")
    await pair.write(pair.store, "Bea")
    newer = await pair.read(request)
    with pair.copy.bulk.begin() as connection:
        connection.execute(text("UPDATE business SET change_number = change_number - 1"))
        connection.execute(text("UPDATE customer SET name = 'Ann'"))

    assert (newer, await pair.read(request)) == ("Bea", "Bea")
    assert pair.told == [ANSWERED, BEHIND]


async def test_whoever_does_not_only_read_asks_the_store(pair: Pair) -> None:
    with pair.copy.bulk.begin() as connection:
        connection.execute(text("UPDATE customer SET name = 'of the copy'"))

    shop = await Services(pair.store, pair.clock).businesses.open("shop")

    assert await pair.read(shop) == "Ann"
    assert pair.told == []


async def test_files_are_of_the_replica_once_it_has_what_was_written(pair: Pair) -> None:
    for database in (pair.store, pair.copy):
        services = Services(database, pair.clock)
        shop = await services.businesses.open("shop")
        made, _ = await services.segments.create(shop, Draft("VIP", SegmentKind.MANUAL), ACTOR)
        await services.memberships.assign(shop, made.id, [1], ACTOR)

    async with presenting(pair.store, pair.clock, Settings(jwt_secret=SECRET)) as face:
        assert pair.store.replica is not None
        pair.store.replica.tell = pair.told.append
        number = (await face.data("{ segments(first: 1) { nodes { id } } }"))["segments"]["nodes"][0]["id"]

        async def load() -> tuple[str, set[str]]:
            """The name of the only member in a file, and who answered."""
            pair.told.clear()
            answer = await face.client.get(
                f"/exports/segments/{number}/members.csv?columns=name", headers=face.bearer()
            )
            report = await face.client.get("/exports/segmentation.json", headers=face.bearer())
            assert (answer.status_code, report.status_code) == (200, 200)
            return answer.text.splitlines()[1], set(pair.told)

        with pair.copy.bulk.begin() as connection:
            connection.execute(text("UPDATE customer SET name = 'of the copy'"))
        assert await load() == ("of the copy", {ANSWERED})
        await pair.write(pair.store, "Bea")
        assert await load() == ("Bea", {BEHIND})
        await pair.write(pair.copy, "Bea")
        assert await load() == ("Bea", {ANSWERED})


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("{ segments(first: 1) { nodes { name } } }", {ANSWERED}),
        ("{ segments(first: 1) { nodes { ...S } } } fragment S on Segment { latestRecalculation { status } }", set()),
        ("{ imports(first: 1) { nodes { status } } }", set()),
        ("{ segments(first: 1) { nodes { name } } a: nodes(ids: []) { id } }", set()),
        ("{ auditEvents(first: 2) { nodes { action outcome } } }", set()),
    ],
)
async def test_what_may_change_without_a_write_of_the_business_is_of_the_store(
    pair: Pair, query: str, told: set[str]
) -> None:
    async with presenting(pair.store, pair.clock, Settings(jwt_secret=SECRET, answer_memory=0)) as face:
        await face.data("mutation { exportSegmentationReport(format: CSV) { url } }")
        assert pair.store.replica is not None
        pair.store.replica.tell = pair.told.append

        found = await face.data(query)

    assert set(pair.told) == told
    if "auditEvents" in query:
        exported = {"action": "exportSegmentationReport", "outcome": "DONE"}
        assert exported in found["auditEvents"]["nodes"]


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE alembic_version SET version_num = '0001'", "its tables are at step 0001"),
        ("UPDATE business SET digest_key = 'other'", "it is of another store"),
        ("ALTER TABLE business RENAME TO gone", "it cannot be asked: ProgrammingError"),
    ],
)
async def test_a_replica_that_does_not_fit_is_left_alone_and_told_once(
    pair: Pair, statement: str, words: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pair.copy.bulk.begin() as connection:
        before = connection.execute(text("SELECT digest_key FROM business")).scalar_one()
        connection.execute(text(statement))

    with caplog.at_level(logging.WARNING, "segments"):
        found = [await pair.read(await pair.open_shop()) for _ in range(2)]
        monkeypatch.setattr(replicas, "REST_SECONDS", 0)
        assert pair.store.replica is not None
        pair.store.replica._rests_until = 0
        found.append(await pair.read(await pair.open_shop()))
        with pair.copy.bulk.begin() as connection:
            if "RENAME" in statement:
                connection.execute(text("ALTER TABLE gone RENAME TO business"))
            connection.execute(text("UPDATE business SET digest_key = :key"), {"key": before})
            connection.execute(text("UPDATE alembic_version SET version_num = :step"), {"step": replicas.find_head()})
        found.append(await pair.read(await pair.open_shop()))

    assert found == ["Ann"] * 4
    assert pair.told == [AWAY, AWAY, AWAY, ANSWERED]
    assert [record.message for record in caplog.records] == [
        f"the store is asked instead of its replica, as {words}",
        "the replica is asked again",
    ]


async def test_a_replica_that_falls_silent_is_left_alone(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pair.store.replica is not None
    await pair.read(await pair.open_shop())
    backends = text("SELECT pid FROM pg_stat_activity WHERE datname = 'copy' AND backend_type = 'client backend'")
    with pair.store.bulk.connect() as connection:
        silent = connection.execute(backends).scalars().all()
    monkeypatch.setattr(silence, "SECONDS", 0.2)
    monkeypatch.setattr(silence, "PARTING_SECONDS", 0.1)

    for backend in silent:
        os.kill(backend, signal.SIGSTOP)
    try:
        async with asyncio.timeout(4):
            found = [await pair.read(await pair.open_shop()) for _ in range(2)]
    finally:
        for backend in silent:
            os.kill(backend, signal.SIGCONT)

    assert found == ["Ann", "Ann"]
    assert pair.told == [ANSWERED, AWAY, AWAY]
    assert pair.store.replica.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("statement", "failure", "answered"),
    [
        ("SELECT 1e308::float8 * 1e308::float8", InvalidInput, ANSWERED),
        ("SELECT gone", DBAPIError, ANSWERED),
        # What the caller does with its rows: a disk that is full, a client that has left.
        ("SELECT 1", ConnectionResetError, ANSWERED),
        ("SELECT pg_terminate_backend(pg_backend_pid())", Unavailable, AWAY),
        ("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'XX001'; END $$", StoreDamaged, AWAY),
    ],
)
async def test_a_replica_is_left_alone_for_its_own_failures_only(
    pair: Pair, statement: str, failure: type[Exception], answered: str
) -> None:
    with pytest.raises(failure):
        async with SqlStore(pair.store, pair.clock).read(await pair.open_shop()) as unit:
            await unit.connection.execute(text(statement))
            raise ConnectionResetError

    await pair.read(await pair.open_shop())

    assert pair.told == [ANSWERED, answered]


def test_only_postgresql_has_replicas(tmp_path: Path) -> None:
    for store, replica in (
        (f"sqlite:///{tmp_path}/a.sqlite", "postgresql://host/x"),
        ("postgresql://host/x", f"sqlite:///{tmp_path}/a.sqlite"),
    ):
        with pytest.raises(InvalidInput, match="SEGMENTS_READ_URL must begin with postgresql://"):
            open_database(store, None, replica)
    with pytest.raises(InvalidInput, match="SEGMENTS_READ_URL must be like"):
        open_database("postgresql://host/x", None, "nonsense")
