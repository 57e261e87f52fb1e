"""Stores for the tests: every storage test runs on SQLite and on PostgreSQL, both real, both fresh."""

import gc
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from shutil import copy
from uuid import uuid4

import pytest

from domain.model import Business
from gql.composition import Services, make_services
from persistence.database.engines import Database, open_database
from persistence.migrations.migrate import upgrade
from tests.drivers.stores import PostgresqlServer, served_postgresql

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
def postgresql_server() -> Iterator[PostgresqlServer]:
    with served_postgresql() as server:
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


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """An empty, migrated store."""
    if request.param == "sqlite":
        copy(request.getfixturevalue("migrated"), tmp_path / "store.sqlite")
        address = f"sqlite:///{tmp_path}/store.sqlite"
    else:
        address = request.getfixturevalue("postgresql_server").empty_store()
    opened = open_database(address)
    yield opened
    await opened.close()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
async def shared_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Database]:
    """A migrated store that the tests of a module share: what one writes, the next one finds."""
    if request.param == "sqlite":
        path = copy(request.getfixturevalue("migrated"), tmp_path_factory.mktemp("shared") / "store.sqlite")
        opened = open_database(f"sqlite:///{path}")
        yield opened
        await opened.close()
        return
    server: PostgresqlServer = request.getfixturevalue("postgresql_server")
    name = f"shared_{uuid4().hex}"
    opened = open_database(server.create(name))
    yield opened
    await opened.close()
    server.drop(name)


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
