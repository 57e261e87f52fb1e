"""A store that is damaged, or can only be read, behind a server: lines R10 and R12 of the reliability requirements. On
SQLite the damage is real, pages of the file are overwritten; PostgreSQL is made to say what it says of such pages."""

import os
from pathlib import Path
from shutil import copy

import pytest
from sqlalchemy import text

from domain.model import Actor
from gql.settings import Settings
from persistence.database.condition import DAMAGED, READ_ONLY
from persistence.database.engines import open_database
from tests.conftest import SetClock
from tests.drivers.damage import smash
from tests.drivers.face import SECRET, Face, presenting
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
COUNT = "{ segments { totalCount } }"
BY_REVENUE = "{ customers(sort: TOTAL_REVENUE) { nodes { externalId } } }"
CREATE = 'mutation { createSegment(input: {name: "VIP", kind: MANUAL}) { segment { key } } }'
REPORT = "{ segmentationReport { customerCount } }"
UNREADABLE = (
    """CREATE FUNCTION unreadable(value bigint) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'invalid page in block 0 of relation base/1/2' USING ERRCODE = 'XX001'; END $$""",
    "ALTER TABLE customer_metrics RENAME TO metrics",
    """CREATE VIEW customer_metrics AS SELECT business_id, customer_id, order_count, unreadable(revenue) AS revenue,
    first_at, last_at, first_day, last_day, last_sort, changed_at FROM metrics""",
)


@pytest.fixture
async def filled(both: Face) -> Face:
    shop = await both.services.businesses.open("shop")
    await both.services.purchases.record(shop, [purchase("Ada", "A1", "2024-01-02", 100)], Actor("tester"))
    return both


def file_of(face: Face) -> Path:
    return Path(str(face.database.bulk.url.database))


async def damage(face: Face) -> None:
    """What customers are sorted by can be read no more."""
    if face.database.dialect == "sqlite":
        await face.database.close()
        smash(file_of(face), "ix_metrics_revenue")
    else:
        with face.database.bulk.begin() as connection:
            for statement in UNREADABLE:
                connection.execute(text(statement))


async def test_damage_is_unavailability_and_the_server_is_ready_no_more(
    filled: Face, caplog: pytest.LogCaptureFixture
) -> None:
    await damage(filled)

    first = (await filled.post(BY_REVENUE)).json()
    other = await filled.data(COUNT)
    ready, live = await filled.client.get("/readyz"), await filled.client.get("/healthz")

    (error,) = first["errors"]
    assert (error["extensions"]["code"], error["message"]) == ("UNAVAILABLE", DAMAGED)
    assert other == {"segments": {"totalCount": 0}}
    assert (ready.status_code, ready.json(), live.status_code) == (503, {"status": "unavailable"}, 200)
    told = {"sqlite": "SQLITE_CORRUPT", "postgresql": "XX001"}[filled.database.dialect]
    assert [line for line in caplog.messages if "damaged" in line] == [f"the store is damaged: it answered with {told}"]


async def test_a_text_that_is_none_is_damage_and_is_told_to_nobody(
    fresh_sqlite_face: Face, caplog: pytest.LogCaptureFixture
) -> None:
    face = fresh_sqlite_face
    shop = await face.services.businesses.open("shop")
    await face.services.purchases.record(shop, [purchase("Ada", "A1", "2024-01-02", 100)], Actor("tester"))
    with face.database.bulk.begin() as connection:
        connection.execute(text("UPDATE customer SET name = CAST(x'416461ff' AS TEXT)"))

    answer = (await face.post("{ customers { nodes { name } } }")).json()

    assert answer["errors"][0]["message"] == DAMAGED
    assert (await face.client.get("/readyz")).status_code == 503
    assert "Ada" not in str(answer) + caplog.text


@pytest.mark.parametrize("fate", ["cut", "removed"])
async def test_a_store_that_is_cut_or_removed_beneath_the_server_is_never_begun_anew(
    fresh_sqlite_face: Face, fate: str
) -> None:
    file = file_of(fresh_sqlite_face)
    await fresh_sqlite_face.database.close()
    if fate == "removed":
        file.unlink()
    else:
        os.truncate(file, 0)

    answer = (await fresh_sqlite_face.post(COUNT)).json()

    assert answer["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
    assert (await fresh_sqlite_face.client.get("/readyz")).status_code == 503
    assert file.stat().st_size == 0


async def test_a_store_that_can_only_be_read_is_served(
    fresh_sqlite_face: Face, clock: SetClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fresh_sqlite_face.database.close()
    file = Path(copy(file_of(fresh_sqlite_face), tmp_path / "copy.sqlite"))
    # As whoever may only read it is told; the tests may be root's, who may write everywhere.
    monkeypatch.setattr("persistence.database.condition.can_write", lambda path: False)
    database = open_database(f"sqlite:///{file}")
    before = file.read_bytes()

    async with presenting(database, clock, Settings(jwt_secret=SECRET)) as face:
        read = await face.data(COUNT)
        report = await face.data(REPORT)
        written = (await face.post(CREATE)).json()
        ready = await face.client.get("/readyz")
    await database.close()

    assert read == {"segments": {"totalCount": 0}}
    assert report == {"segmentationReport": {"customerCount": 0}}
    assert written["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
    assert written["errors"][0]["message"] == READ_ONLY
    assert ready.status_code == 200
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.glob("copy*")] == ["copy.sqlite"]
