"""A store that is damaged, or can only be read, behind a server: lines R10 and R12 of the reliability requirements. The
damage is real: pages of the file are overwritten, or the files of PostgreSQL."""

from pathlib import Path

import pytest
from sqlalchemy import text

from persistence.database.condition import DAMAGED
from persistence.database.engines import PAGE_BYTES, Database
from tests.drivers.face import Face
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
BUY = {"input": []}
COUNT = "{ customers { totalCount } }"
SPENT = "{ customers(sortBy: TOTAL_REVENUE) { nodes { externalId } } }"


def file_of(database: Database) -> Path:
    return Path(str(database.bulk.url.database))


async def let_go(database: Database) -> None:
    """What the store holds is in its file, and in the memory of no connection."""
    with database.bulk.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    await database.close()


async def smash(database: Database, name: str) -> None:
    """Overwrite the first page of a table or an index."""
    with database.bulk.connect() as connection:
        statement = text("SELECT rootpage FROM sqlite_master WHERE name = :name")
        page = connection.execute(statement, {"name": name}).scalar_one()
    await let_go(database)
    with file_of(database).open("r+b") as file:
        file.seek((page - 1) * PAGE_BYTES)
        file.write(b"\xff" * PAGE_BYTES)


async def ready(face: Face) -> int:
    return (await face.client.get("/readyz")).status_code


async def test_a_smashed_page_is_unavailability_and_the_server_is_ready_no_more(
    face: Face, caplog: pytest.LogCaptureFixture
) -> None:
    shop = await face.services.businesses.open("shop")
    await face.services.purchases.record(shop, [purchase("Ada", "A1", "2024-01-02", 100)], face.actor)
    before = await ready(face), await face.code("{ nonsense }")
    await smash(face.database, "ix_metrics_revenue")
    first = (await face.post(SPENT)).json()

    assert before[0] == 200
    assert first["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
    assert first["errors"][0]["message"] == DAMAGED
    assert await face.data(COUNT) == {"customers": {"totalCount": 1}}
    assert (await face.client.get("/healthz")).status_code == 200
    assert [line for line in caplog.messages if "damaged" in line] == [
        "the store is damaged: it answered with SQLITE_CORRUPT"
    ]
