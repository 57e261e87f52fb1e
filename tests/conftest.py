"""Stores for the tests: every storage test runs on SQLite and on PostgreSQL, both real, of the test alone or shared by
the tests of a module that only read; and how much of everything is tried by default."""

import gc
import tracemalloc
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache, partial, wraps
from pathlib import Path
from shutil import copy
from typing import Any, TypeVar
from uuid import uuid4
from weakref import WeakKeyDictionary

import pytest
from hypothesis import settings
from sqlalchemy import Engine
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg, PGDialectAsync_psycopg
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from domain.model import Business
from gql import app
from gql.composition import Services
from persistence.database import engines
from persistence.database.engines import Database, open_database
from persistence.migrations.migrate import upgrade
from persistence.tables.metadata import metadata
from tests.drivers.stores import PostgresqlServer, serve_postgresql

SHARED = Path(__file__).parents[2] / "shared"
T = TypeVar("T")
NOW = datetime(2024, 6, 15, 12, 0, tzinfo=UTC)
# The small profile tries the same examples each time; `--hypothesis-profile=full` tries more, and others each time.
settings.register_profile("full", max_examples=100, deadline=None)
settings.register_profile("small", max_examples=25, deadline=None, derandomize=True, database=None)
settings.load_profile("small")


def examples(small: int, full: int) -> int:
    """How many of them the profile that is used has, where those of the profile itself are not right."""
    return full if settings.get_current_profile_name() == "full" else small


SLOWEST = (
    "test_readme.py",
    "cli/test_serve.py",
    "real/test_ending.py",
    "cli/test_program.py",
    "real/test_workers.py",
    "persistence/rules/test_agreement.py",
    "real/test_run_kills.py",
    "cli/test_watch.py",
    "persistence/reports/test_truth.py",
    "schema/test_foreign_ids.py",
)
"""Begun first, so that no process works on one of them while the others have nothing left."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "read_only: only reads or is refused, so its module shares one store")
    config.addinivalue_line("markers", "shared_store: may write; its module shares one store with it")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slowest files first; otherwise the order stays."""
    ranks = {name: rank for rank, name in enumerate(SLOWEST)}
    folder = Path(__file__).parent

    def rank(item: pytest.Item) -> int:
        name = item.path.relative_to(folder).as_posix() if item.path.is_relative_to(folder) else ""
        return ranks.get(name, len(SLOWEST))

    items.sort(key=rank)


def pytest_collection_finish() -> None:
    """What was collected stays until the end: the collector need not look through it again and again."""
    gc.collect()
    gc.freeze()


class SetClock:
    """A clock that stands where a test puts it."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Of the session, so that what a module shares may be made within the loop of its tests."""
    return "asyncio"


@contextmanager
def pause_collector() -> Iterator[None]:
    """For what is measured: what a thousand tests before left is not collected meanwhile, which takes a second."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def measure_memory() -> Iterator[list[int]]:
    """The most bytes that Python objects made in the block take at once, as the one number of the list."""
    found = [0]
    tracemalloc.start()
    try:
        yield found
    finally:
        found[0] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()


@pytest.fixture
def undisturbed() -> Iterator[None]:
    """For a whole test that measures time."""
    with pause_collector():
        yield


@pytest.fixture(scope="session", autouse=True)
def made_once() -> Iterator[None]:
    """Each test has engines and an application of its own, but what a statement is compiled to is the same for all
    engines of a kind, and the schema for the same settings."""
    kept: dict[Any, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        for kind in (SQLiteDialect_aiosqlite, SQLiteDialect_pysqlite, PGDialect_psycopg, PGDialectAsync_psycopg):
            patch.setattr(kind, "__eq__", lambda one, other: type(one) is type(other))
            patch.setattr(kind, "__hash__", lambda one: hash(type(one)))
        for name in ("create_engine", "create_async_engine"):
            create = partial(getattr(engines, name), execution_options={"compiled_cache": kept})
            patch.setattr(engines, name, create)
        patch.setattr(app, "make_schema", cache(app.make_schema))
        yield


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    with serve_postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def postgresql(postgresql_server: PostgresqlServer) -> str:
    """The address of a PostgreSQL database that a test may do with as it likes: what the last one left is there."""
    return postgresql_server.address


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite store to copy."""
    path = tmp_path_factory.mktemp("migrated") / "store.sqlite"
    database = open_database(f"sqlite:///{path}")
    upgrade(database.bulk)
    database.bulk.dispose()
    return path


def is_shared(item: Any) -> bool:
    """Whether the test works on the store of its module instead of one of its own."""
    return any(item.get_closest_marker(name) for name in ("shared_store", "read_only"))


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """A migrated store: an empty one, or that of the module."""
    opened: Database = request.getfixturevalue(f"{'shared' if is_shared(request.node) else 'fresh'}_{request.param}")
    return opened


@pytest.fixture
async def fresh_sqlite(migrated: Path, tmp_path: Path) -> AsyncIterator[Database]:
    opened = open_database(f"sqlite:///{copy(migrated, tmp_path / 'store.sqlite')}")
    yield opened
    await opened.close()


@pytest.fixture
async def fresh_postgresql(postgresql_server: PostgresqlServer) -> AsyncIterator[Database]:
    opened = open_database(postgresql_server.empty_store())
    yield opened
    await opened.close()


@pytest.fixture(scope="module")
async def shared_sqlite(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Database]:
    opened = open_database(f"sqlite:///{copy(migrated, tmp_path_factory.mktemp('shared') / 'store.sqlite')}")
    yield opened
    await opened.close()


@pytest.fixture(scope="module")
async def shared_postgresql(postgresql_server: PostgresqlServer) -> AsyncIterator[Database]:
    name = f"shared_{uuid4().hex}"
    opened = open_database(postgresql_server.create(name))
    yield opened
    await opened.close()
    postgresql_server.drop(name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """A test that is marked as one that only reads, or is refused, leaves the store of its module as it was."""
    given = getattr(item, "funcargs", {}) if item.get_closest_marker("read_only") else {}
    shared = [getattr(value, "database", value) for name, value in given.items() if not name.startswith("fresh")]
    databases = [store for store in shared if type(store) is Database]
    before = [content(database) for database in databases]
    yield
    assert [content(database) for database in databases] == before, "the test is marked read_only, but it wrote"


def content(database: Database) -> dict[str, list[str]]:
    """Every row of the store but what reading and being refused make: the reports that are kept, and audit events."""
    with database.bulk.connect() as connection:
        return {
            table.name: sorted(repr(tuple(row)) for row in connection.exec_driver_sql(f"SELECT * FROM {table.name}"))
            for table in metadata.sorted_tables
            if table.name not in ("kept_report", "audit_event", "audit_sequence")
        }


_filled: WeakKeyDictionary[Engine, dict[object, Any]] = WeakKeyDictionary()


def once_a_store(fill: Callable[..., Coroutine[Any, Any, T]]) -> Callable[..., Coroutine[Any, Any, T]]:
    """For a fixture that fills `database`: a store that tests share is filled once."""

    @wraps(fill)
    async def filled(*, database: Database, **given: Any) -> T:
        known = _filled.setdefault(database.bulk, {})
        if fill not in known:
            known[fill] = await fill(database=database, **given)
        made: T = known[fill]
        return made

    return filled


@pytest.fixture
def services(database: Database, clock: SetClock) -> Services:
    return Services(database, clock)


@pytest.fixture
@once_a_store
async def shop(database: Database, services: Services) -> Business:
    """A business in UTC with euros."""
    return await services.businesses.create("shop", "The Shop", "UTC", "EUR")


def sample_cases(cases: Iterable[Any], *chosen: Any) -> list[Any]:
    """The cases for `parametrize`, of which only the chosen ones run in `make test`, and all in `make test-slow`."""
    return [
        case if case in chosen else pytest.param(*case if isinstance(case, tuple) else (case,), marks=pytest.mark.slow)
        for case in cases
    ]


sqlite_alone = pytest.mark.parametrize("database", sample_cases(("sqlite", "postgresql"), "sqlite"), indirect=True)
"""For tests of shape and refusal over statements that storage tests run on both: on both in `make test-slow` alone."""


def find_shared(*parts: str) -> Path:
    """A file beside the project; the test is skipped with a word where it is absent."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{'/'.join(parts)} is not beside the project")
    return path
