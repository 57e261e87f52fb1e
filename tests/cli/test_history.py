"""Compaction of history: the archive first, then the rows; what lasts, sizes and snapshots stay, and whoever asks for
what is gone is told since when history is whole."""

import asyncio
import csv
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.errors import HistoryCompacted
from domain.pages import PageRequest
from domain.segments.history import check_reachable
from domain.segments.model import ChangeList, MembershipSource
from domain.store import MemberList
from persistence.database.engines import Database, open_database
from persistence.store import SqlStore
from tests.cli.conftest import MAKE, Segments, write_lines
from tests.conftest import SetClock
from tests.drivers.working import Working

COMPACT = ("history", "compact", "--before", "2024-04-01", "--archive")
MARCH, MAY = datetime(2024, 3, 10, tzinfo=UTC), datetime(2024, 5, 10, tzinfo=UTC)


@contextmanager
def store(segments: Segments) -> Iterator[Database]:
    database = open_database(f"sqlite:///{segments.data / 'segments.sqlite'}")
    yield database
    database.bulk.dispose()


async def shop(database: Database, clock: SetClock) -> Working:
    """A worker on the only business, as it is now."""
    (business,) = await SqlStore(database, clock).load_businesses()
    return Working.of(database, clock, business)


async def history(database: Database) -> None:
    """A was a VIP for a day in March, B since March, C for a day in May; each time a snapshot was made."""
    clock = SetClock(MARCH)
    working = await shop(database, clock)
    vip = await working.by_hand("vip")
    for at, customers in ((MARCH, [1, 2]), (MAY, [3])):
        clock.now = at
        for put_in in (True, False):
            async with working.store.write(working.business) as unit:
                if put_in:
                    await unit.memberships.add(vip.id, customers, unit.instant, MembershipSource.MANUAL, "tester")
                else:
                    await unit.memberships.remove(vip.id, [customers[0]], unit.instant, "tester")
            clock.now += timedelta(days=1)
    await database.close()


@pytest.fixture
def kept(segments: Segments, tmp_path: Path) -> Segments:
    rows = ("A,1,2024-03-01,5", "B,2,2024-03-01,20", "C,3,2024-03-01,30")
    segments.run("import", write_lines(tmp_path / "orders.csv", "customer_id,order_id,date,amount", *rows), *MAKE)
    with store(segments) as database, database.bulk.begin() as connection:
        # The history begins before the import, which happens today.
        connection.exec_driver_sql("UPDATE business SET last_instant = 0")
    with store(segments) as database:
        asyncio.run(history(database))
    return segments


def test_what_ended_is_archived_and_then_removed(kept: Segments, tmp_path: Path) -> None:
    archive = tmp_path / "old.csv.gz"

    ended = kept.run(*COMPACT, archive)

    assert ended.out == f"1 memberships are in {archive}; 1 were removed.\n"
    with gzip.open(archive, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["segment", "customer_id", "entered_at", "left_at", "source", "entered_by", "left_by"],
        ["vip", "A", "2024-03-10T00:00:00.000001+00:00", "2024-03-11T00:00:00+00:00", "MANUAL", "tester", "tester"],
    ]
    with store(kept) as database:
        asyncio.run(after(database))


async def after(database: Database) -> None:
    """What stays, and what is told of the rest."""
    working = await shop(database, SetClock(datetime(2024, 6, 1, tzinfo=UTC)))
    horizon = datetime(2024, 4, 1, tzinfo=UTC)
    assert working.business.history_from == horizon
    async with working.store.read(working.business) as unit:
        (vip,) = await unit.segments.load_all()
        page = await unit.members.load_page(MemberList(vip.id, horizon), PageRequest(10))
        (changes,) = await unit.history.load_change_pages([(ChangeList(vip.id, since=horizon), PageRequest(10))])
        (size,) = await unit.history.count_past_members([(vip.id, MARCH + timedelta(hours=1))])
    assert [record.customer.external_id for record, _ in page.items] == ["B"]
    assert [change.customer_id for change in changes.items] == [3, 3]
    assert size == 2
    check_reachable(working.business, horizon, None)
    with pytest.raises(HistoryCompacted, match=r"^The history before 2024-04-01T00:00:00Z was compacted\.$"):
        check_reachable(working.business, horizon - timedelta(microseconds=1))
    await database.close()


@pytest.mark.parametrize(
    ("before", "sentence"),
    [
        ("2999-01-01", "--before must not lie in the future."),
        ("yesterday", "--before must be a date such as 2024-01-01, not yesterday."),
    ],
)
def test_a_wrong_date_removes_nothing(before: str, sentence: str, kept: Segments, tmp_path: Path) -> None:
    refused = kept.expect_refusal("history", "compact", "--before", before, "--archive", tmp_path / "old.csv.gz")

    assert refused == sentence
    assert not (tmp_path / "old.csv.gz").exists()


def test_an_archive_that_is_there_or_cannot_be_written_removes_nothing(kept: Segments, tmp_path: Path) -> None:
    (tmp_path / "old.csv.gz").write_text("precious")

    there = kept.expect_refusal(*COMPACT, tmp_path / "old.csv.gz")
    nowhere = kept.expect_refusal(*COMPACT, tmp_path / "no" / "old.csv.gz")

    assert "exists already" in there
    assert "cannot be written" in nowhere
    assert (tmp_path / "old.csv.gz").read_text() == "precious"
    assert kept.run(*COMPACT, tmp_path / "a.csv.gz").out.endswith("1 were removed.\n")


def test_the_same_date_again_is_named_as_the_business_names_it(kept: Segments, tmp_path: Path) -> None:
    with store(kept) as database, database.bulk.begin() as connection:
        connection.exec_driver_sql("UPDATE business SET time_zone = 'Asia/Colombo'")
    kept.run(*COMPACT, tmp_path / "a.csv.gz")

    again = kept.expect_refusal(*COMPACT, tmp_path / "b.csv.gz")
    with store(kept) as database, database.bulk.begin() as connection:
        connection.exec_driver_sql("UPDATE business SET time_zone = 'UTC'")
    moved = kept.expect_refusal("history", "compact", "--before", "2024-03-31", "--archive", tmp_path / "b.csv.gz")

    sentence = "--before must lie after {}: history is compacted up to there already."
    assert (again, moved) == (sentence.format("2024-04-01"), sentence.format("2024-03-31 18:30"))


def test_the_archive_is_named_as_what_it_is(kept: Segments, tmp_path: Path) -> None:
    refused = kept.expect_refusal(*COMPACT, tmp_path / "old.txt")

    assert refused == f"--archive must end in .gz, such as {tmp_path}/old.csv.gz."
    assert list(tmp_path.glob("old*")) == []
