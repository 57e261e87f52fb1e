"""The steps that change the tables: the files tell the program what the tool that applies them knows, and each step
takes along what a store of any earlier one holds."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, Boolean, Connection, MetaData, Table, Text, event, func, select, text

from domain.calendar import from_micros, to_micros
from domain.imports.model import PurchaseImport, Reject, UndoSummary
from domain.imports.quality import Quality
from domain.jobs.model import Job, JobKind, JobReason, JobStatus
from domain.model import Actor
from domain.pages import PageRequest
from gql.app import create_app
from gql.composition import Services
from gql.schema.types.ids import encode
from gql.settings import Settings
from persistence.database.engines import Database, open_database
from persistence.database.steps import find_current, find_head, list_steps
from persistence.migrations.migrate import build_configuration, list_differences, upgrade
from persistence.store import SqlStore
from tests.conftest import NOW, SetClock, sample_cases
from tests.drivers.face import SECRET, Face


def test_the_steps_are_those_of_the_migrations_one_after_the_other() -> None:
    found = ScriptDirectory.from_config(build_configuration())

    assert list_steps() == [script.revision for script in reversed(list(found.walk_revisions()))]
    assert [find_head()] == found.get_heads()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A store without any tables."""
    if request.param == "sqlite":
        database = open_database(f"sqlite:///{tmp_path}/store.sqlite")
        yield database
        database.bulk.dispose()
        return
    server = request.getfixturevalue("postgresql_server")
    name = f"steps_{uuid4().hex}"
    database = open_database(server.create(name, "template1"))
    yield database
    database.bulk.dispose()
    server.drop(name)


def filled(connection: Connection) -> dict[str, int]:
    """A row in every table: all numbers are 1, so every reference leads somewhere. How many rows each table has."""
    metadata = MetaData()
    metadata.reflect(connection)
    tables = [table for table in metadata.sorted_tables if table.name != "alembic_version"]
    for table in tables:
        row: dict[str, object] = {}
        for column in table.c:
            kind = column.type
            row[column.name] = {} if isinstance(kind, JSON) else "x" if isinstance(kind, Text) else 1
            if isinstance(kind, Boolean):
                row[column.name] = False
        connection.execute(table.insert().values(**row))
    return counted(connection, tables)


def counted(connection: Connection, tables: list[Table]) -> dict[str, int]:
    return {
        table.name: int(connection.execute(select(func.count()).select_from(text(table.name))).scalar_one())
        for table in tables
    }


@pytest.mark.parametrize("step", sample_cases(list_steps()[:-1], *list_steps()[:-1:6], list_steps()[-2]))
def test_a_store_of_an_earlier_step_is_brought_to_the_newest_with_all_that_it_holds(empty: Database, step: str) -> None:
    with empty.bulk.begin() as connection:
        command.upgrade(build_configuration(connection), step)
    with empty.bulk.begin() as connection:
        before = filled(connection)

    upgrade(empty.bulk)

    with empty.bulk.connect() as connection:
        metadata = MetaData()
        metadata.reflect(connection)
        after = counted(connection, [table for table in metadata.sorted_tables if table.name in before])
        assert find_current(connection) == find_head()
        if empty.dialect == "sqlite":
            assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
            assert connection.execute(text("PRAGMA foreign_keys")).scalar_one() == 1
    if step < "0008" and "job" in before and "purchase_import" in before:
        # An import is a job, too.
        before["job"] += before["purchase_import"]
    assert after == {name: before[name] for name in after}
    assert {"business", "customer", "purchase", "purchase_line"} <= set(after)
    assert list_differences(empty.bulk) == []


def test_steps_that_are_interrupted_say_so_and_are_begun_anew(empty: Database) -> None:
    """SQLAlchemy has closed the connection by then, so that nothing can be put back on it."""

    def interrupt(cursor: object, statement: str, *rest: object) -> None:
        if "alembic_version SET" in statement:
            event.remove(empty.bulk, "do_execute", interrupt)
            raise KeyboardInterrupt

    event.listen(empty.bulk, "do_execute", interrupt)
    with pytest.raises(KeyboardInterrupt):
        upgrade(empty.bulk)
    upgrade(empty.bulk)

    assert list_differences(empty.bulk) == []


NOW_MICROS = to_micros(NOW)
BUSINESS = {"id": 1, "key": "shop", "name": "Shop", "currency": "EUR", "time_zone": "UTC", "created_at": 5}
BUSINESS |= {"settings": {"classify_every": "0 * * * *"}, "change_number": 40, "last_instant": NOW_MICROS}
QUALITY = Quality(1, 2, 3, 4, 5, 6, 7, 0, None, ())
COUNTS = ("rows_read", "created", "updated", "unchanged", "rejected", "future")
IDLE = {"phase": "finished", "done": 9, "total": 9, "created_at": 100, "started_at": 200, "finished_at": 300}
DONE, WAITING = {**IDLE, "status": "SUCCEEDED"}, {"status": "QUEUED", "phase": "queued"}
BUSY = {"status": "RUNNING", "owner": "dead"}
UPLOAD = {"file": "abc", "name": "orders.csv", "decimal": ","}
COUNTED = {**dict(zip(COUNTS, (9, 4, 3, 1, 1, 2), strict=True)), "quality": QUALITY.to_document(), "time_zone": "UTC"}
MERGING = {"phase": "merging", "done": 2, "total": 6, "created_at": 600, "started_at": 700, "heartbeat_at": 800}
ASKED = {"created_at": 610, "requested_by": "bob", "heartbeat_at": 620, "request_key": "once", "request_digest": "d"}
IMPORTS: list[dict[str, Any]] = [
    {**DONE, **COUNTED, "id": 1, "requested_by": "ada", "heartbeat_at": 290},
    {**IDLE, "id": 3, "status": "FAILED", "phase": "merging", "error_code": "INVALID_FILE", "error": "Bad."},
    {**IDLE, "id": 4, "status": "CANCELLED", "error_code": "CANCELLED", "error": "Gone.", "cancel_requested": True},
    {**DONE, "id": 7, "undo_begun_at": 400, "undone_at": 500, "undo": {"removed": 1}},
    {**BUSY, **MERGING, "id": 8, "options": {**UPLOAD, "attempts": 2}},
    {**WAITING, **ASKED, "id": 9, "options": UPLOAD},
]
FAILED = {"status": "FAILED", "error_code": "PARTLY_FAILED", "error_message": "1 of 2."}
EVALUATING = {"phase": "evaluating", "done": 1, "total": 5, "created_at": 810, "started_at": 820, "heartbeat_at": 830}
JOBS: list[dict[str, Any]] = [
    {**DONE, "id": 1, "evaluated": 9, "entered": 2, "left_count": 1, "snapshot_at": 300},
    {**IDLE, **FAILED, "id": 2, "segment_id": None},
    {**DONE, "id": 3, "reason": "PART", "parent_id": 2},
    {**WAITING, "id": 4, "segment_id": 5, "created_at": 800, "requested_by": "ada"},
    {**BUSY, **EVALUATING, "id": 8, "attempts": 3, "cancel_requested": True},
]


def instant(micros: int | None) -> Any:
    return None if micros is None else from_micros(micros)


def as_import(row: dict[str, Any]) -> PurchaseImport:
    """What the service must say of the row, but for the attempts, which are no option any more."""
    options = {name: value for name, value in row.get("options", {}).items() if name != "attempts"} or None
    return PurchaseImport(
        row["id"],
        f"file {row['id']}",
        JobStatus(row["status"]),
        row["phase"],
        row.get("done", 0),
        row.get("total"),
        *(instant(row.get(name)) for name in ("created_at", "started_at", "finished_at")),
        *(row.get(name) for name in ("error_code", "error", "requested_by")),
        row.get("cancel_requested", False),
        *(row.get(name, 0) for name in COUNTS),
        QUALITY if "quality" in row else None,
        options,
        *(instant(row.get(name)) for name in ("heartbeat_at", "undo_begun_at", "undone_at")),
        row.get("time_zone"),
        UndoSummary(**row.get("undo", {})),
    )


def as_job(row: dict[str, Any]) -> Job:
    return Job(
        row["id"],
        JobKind.RECALCULATION,
        JobReason(row.get("reason", "REQUEST")),
        row.get("parent_id"),
        row.get("segment_id", 1 if row["id"] != 2 else None),
        JobStatus(row["status"]),
        row["phase"],
        row.get("done", 0),
        row.get("total"),
        *(instant(row.get(name)) for name in ("created_at", "started_at", "finished_at")),
        row.get("requested_by"),
        row.get("cancel_requested", False),
        row.get("attempts", 0),
        *(row.get(name) for name in ("error_code", "error_message")),
        *(row.get(name, 0) for name in ("evaluated", "entered", "left_count")),
        instant(row.get("snapshot_at")),
    )


@pytest.mark.anyio
async def test_imports_that_become_jobs_keep_every_value_and_their_ids(empty: Database) -> None:
    with empty.bulk.begin() as connection:
        command.upgrade(build_configuration(connection), "0007")
    with empty.bulk.begin() as connection:
        metadata = MetaData()
        metadata.reflect(connection)
        tables = dict(metadata.tables)

        def put(table: str, **row: object) -> None:
            connection.execute(tables[table].insert().values(**{"business_id": 1} | row))

        connection.execute(tables["business"].insert().values(**BUSINESS))
        for row in IMPORTS:
            put("purchase_import", source=f"file {row['id']}", **row)
        put("import_reject", import_id=1, line=7, text="x", reason="no customer")
        for row in JOBS:
            put("job", **{"kind": "RECALCULATION", "reason": "REQUEST", "segment_id": 1, **row})
        put("label_state", owner="", due_at=NOW_MICROS + 7)

    upgrade(empty.bulk)

    clock = SetClock(NOW)
    services = Services(empty, clock)
    business = await services.businesses.open("shop")
    everything = PageRequest(50)
    async with services.store.read(business) as unit:
        imports = await unit.imports.load_page(everything)
        assert await unit.imports.count() == len(IMPORTS)
        rejects = await unit.imports.load_rejects([(1, None), (1, "no customer")], everything)
        jobs = await unit.jobs.find_by_ids(range(20))
        listed = await unit.jobs.load_page(everything)
        assert await unit.jobs.count() == 4
        parts = await unit.jobs.load_page(everything, parent_id=2)
    assert [asdict(one) for one in imports.items] == [asdict(as_import(row)) for row in reversed(IMPORTS)]
    assert [page.items for page in rejects.values()] == [[Reject(7, "x", "no customer")]] * 2
    known = await services.imports.find_earlier(business, "once", "d")
    assert known is not None and known.id == 9
    assert {key: asdict(job) for key, job in jobs.items()} == {row["id"]: asdict(as_job(row)) for row in JOBS}
    assert [job.id for job in listed.items] == [8, 4, 2, 1]
    assert [job.id for job in parts.items] == [3]
    app = create_app(Settings(jwt_secret=SECRET), clock, database=empty)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        face = Face(app, client, clock, empty, services)
        for kind in ("PurchaseImport", "Recalculation"):
            number = encode(kind, business.id, 8)
            query = f'{{ job(id: "{number}") {{ __typename id status }} node(id: "{number}") {{ id }} }}'
            found = await face.data(query)
            assert found["job"] == {"__typename": kind, "id": number, "status": "RUNNING"}
            assert found["node"] == {"id": number}
    async with SqlStore(empty, clock).write(business) as unit:
        taken = await unit.imports.acquire(8, "next", NOW)
    assert taken is not None and taken.attempts == 3
    await empty.close()


def test_every_business_there_is_gets_a_key_of_its_own_for_made_ids(empty: Database) -> None:
    with empty.bulk.begin() as connection:
        command.upgrade(build_configuration(connection), "0012")
    with empty.bulk.begin() as connection:
        metadata = MetaData()
        metadata.reflect(connection)
        for id in (1, 2):
            connection.execute(metadata.tables["business"].insert().values(**{**BUSINESS, "id": id, "key": f"b{id}"}))

    upgrade(empty.bulk)

    with empty.bulk.connect() as connection:
        keys = connection.execute(text("SELECT digest_key FROM business")).scalars().all()
    assert [len(bytes.fromhex(key)) for key in keys] == [32, 32]
    assert len(set(keys)) == 2


EVENT = {"actor": "ada", "action": "note", "outcome": "DONE", "at": 5, "detail": {}}


@pytest.mark.anyio
@pytest.mark.parametrize("back", [False, True])
async def test_events_keep_their_ids_and_the_next_one_follows_the_greatest(empty: Database, back: bool) -> None:
    with empty.bulk.begin() as connection:
        command.upgrade(build_configuration(connection), "0014")
    with empty.bulk.begin() as connection:
        metadata = MetaData()
        metadata.reflect(connection)
        events = [{**EVENT, "business_id": of, "id": id} for of, ids in ((1, (3, 7, 21)), (2, (40,))) for id in ids]
        for id in (1, 2, 3):
            row = {**BUSINESS, "id": id, "key": f"b{id}", "digest_key": "x"}
            connection.execute(metadata.tables["business"].insert().values(**row))
        connection.execute(metadata.tables["audit_event"].insert(), events)

    upgrade(empty.bulk)

    store = SqlStore(empty, SetClock())
    for key in (1, 2, 3):
        await store.audit(key, Actor("ada"), "read", None, {})
        business = await store.find_business(f"b{key}")
        assert business is not None
        async with store.write(business[0]) as unit:
            await unit.audit(Actor("ada"), "write", None, {})
    statement = text("SELECT business_id, id, change_number FROM audit_event ORDER BY business_id, id")
    with empty.bulk.connect() as connection:
        found = [tuple(row) for row in connection.execute(statement)]
    first = [(1, 3, 3), (1, 7, 7), (1, 21, 21), (1, 22, None), (1, 23, 41)]
    assert found == [*first, (2, 40, 40), (2, 41, None), (2, 42, 41), (3, 1, None), (3, 2, 41)]
    if back:
        with empty.bulk.begin() as connection:
            command.downgrade(build_configuration(connection), "0014")
        with empty.bulk.connect() as connection:
            # Where events are numbered by change numbers again, the next one must be free.
            numbers = text("SELECT change_number FROM business ORDER BY id")
            assert connection.execute(numbers).scalars().all() == [41, 42, 41]
    await empty.close()
