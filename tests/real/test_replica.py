"""Two servers of PostgreSQL, one of which follows the other's log, and the application before them. What was written is
in the next answer, also while the follower stands still; when it goes on it answers again, and when it is gone nobody
notices."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url

from gql.settings import Settings
from persistence.database.engines import open_database
from persistence.database.replica import ANSWERED, AWAY, BEHIND
from tests.conftest import SetClock
from tests.drivers.face import SECRET, Face, facing
from tests.drivers.postgresql import Cluster, cluster, stand_by
from tests.drivers.sockets import becomes

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
NAMED = (
    'mutation ($name: String) { upsertCustomers(input: [{externalId: "C1", name: $name}]) { userErrors { message } } }'
)
ASKED = "{ customers(first: 1) { nodes { name } } }"


@pytest.fixture
def clusters() -> Iterator[tuple[Cluster, Cluster]]:
    # Not under pytest's folder, which the user that PostgreSQL runs as may not enter.
    with TemporaryDirectory(prefix="segments-replica-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        with cluster(folder / "first") as first, stand_by(first, folder / "follower") as follower:
            yield first, follower


def connect(one: Cluster) -> Engine:
    return create_engine(make_url(one.url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")


@pytest.fixture
async def told() -> list[str]:
    """Who answered each reading."""
    return []


@pytest.fixture
async def face(clusters: tuple[Cluster, Cluster], clock: SetClock, told: list[str]) -> AsyncIterator[Face]:
    first, follower = clusters
    database = open_database(first.url, None, follower.url)
    async with facing(database, clock, Settings(jwt_secret=SECRET)) as made:
        assert database.replica is not None
        database.replica.tell = told.append
        yield made
    await database.close()


async def write(face: Face, name: str) -> None:
    assert await face.data(NAMED, {"name": name}) == {"upsertCustomers": {"userErrors": []}}


async def ask(face: Face) -> str:
    """The name of the only customer."""
    name: str = (await face.data(ASKED))["customers"]["nodes"][0]["name"]
    return name


async def test_whoever_wrote_reads_it_whatever_the_follower_does(
    face: Face, clusters: tuple[Cluster, Cluster], told: list[str]
) -> None:
    behind = connect(clusters[1])

    def has_caught_up(name: str) -> bool:
        with behind.connect() as connection:
            return bool(connection.execute(text("SELECT name FROM customer")).scalar_one_or_none() == name)

    await write(face, "Ann")
    await becomes(lambda: has_caught_up("Ann"))
    assert await ask(face) == "Ann"
    assert set(told) == {ANSWERED}

    told.clear()
    with behind.connect() as connection:
        connection.execute(text("SELECT pg_wal_replay_pause()"))
        paused = text("SELECT pg_get_wal_replay_pause_state()")
        await becomes(lambda: connection.execute(paused).scalar_one() == "paused")
    for name in ("Bea", "Cid"):
        await write(face, name)
        assert await ask(face) == name
    assert set(told) == {BEHIND}
    assert not has_caught_up("Cid")

    told.clear()
    with behind.connect() as connection:
        connection.execute(text("SELECT pg_wal_replay_resume()"))
    await becomes(lambda: has_caught_up("Cid"))
    await write(face, "Dan")
    await becomes(lambda: has_caught_up("Dan"))
    assert await ask(face) == "Dan"
    assert set(told) == {ANSWERED}

    told.clear()
    behind.dispose()
    clusters[1].stop()
    await write(face, "Eve")
    assert await ask(face) == "Eve"
    assert set(told) == {AWAY}
