"""Recalculation, its state, and memberships that follow an import, from the command line."""

import asyncio
import json
import re
from pathlib import Path

import pytest

from domain.segments.model import Definition, NewSegment, SegmentKind
from gql.composition import read_system_clock
from persistence.database.engines import open_database
from persistence.store import SqlStore
from tests.cli.conftest import MAKE, Segments, write_lines

HEADER = "customer_id,order_id,date,amount"


def add(segments: Segments, key: str, rules: object, kind: SegmentKind = SegmentKind.AUTOMATIC) -> None:
    """A segment of the only business."""

    async def work() -> None:
        database = open_database(f"sqlite:///{segments.data / 'segments.sqlite'}")
        store = SqlStore(database, read_system_clock)
        (business,) = await store.load_businesses()
        automatic = kind is SegmentKind.AUTOMATIC
        definition = Definition(rules=rules) if automatic else Definition()
        async with store.write(business) as unit:
            new = NewSegment(key, key, None, kind, automatic, False, definition, None, "test")
            await unit.segments.add(new, unit.instant)
        await database.close()

    asyncio.run(work())


@pytest.fixture
def two(segments: Segments, tmp_path: Path) -> Segments:
    """A store with two customers."""
    segments.run("import", write_lines(tmp_path / "orders.csv", HEADER, "A,1,2024-03-01,5", "B,2,2024-03-01,20"), *MAKE)
    return segments


@pytest.fixture
def shop(two: Segments) -> Segments:
    """With the segment of those who spent more than ten."""
    add(two, "big", {">": [{"var": "total_revenue"}, 10]})
    return two


def test_one_segment_is_recalculated(shop: Segments) -> None:
    first, second = shop.run("recalculate", "big"), shop.run("recalculate", "big")

    assert first.out == "big: 2 customers evaluated, 1 entered, 0 left.\n"
    assert second.out == "big: 2 customers evaluated, 0 entered, 0 left.\n"


def test_all_segments_are_recalculated_and_a_broken_one_is_told_of(shop: Segments) -> None:
    add(shop, "broken", {"in": ["nowhere", {"var": "segments"}]})

    ended = shop("recalculate")

    assert (ended.code, ended.out) == (
        1,
        "all segments: 2 customers evaluated, 1 entered, 0 left. 1 of 2 segments could not be recalculated; 1 could.\n",
    )
    status = shop.run("status").out
    assert "failed: There is no segment with the key nowhere." in status
    assert "succeeded" in status


def test_a_misspelt_key_or_a_manual_segment_starts_nothing(shop: Segments) -> None:
    add(shop, "vip", None, SegmentKind.MANUAL)

    assert shop.expect_refusal("recalculate", "big", "bgi") == "There is no segment with the key bgi."
    assert shop.expect_refusal("recalculate", "big", "vip") == "The members of vip are put in by hand."
    assert "succeeded" not in shop.run("status").out


def test_memberships_follow_an_import(shop: Segments, tmp_path: Path) -> None:
    shop.run("recalculate", "big")

    ended = shop.run("import", write_lines(tmp_path / "more.csv", HEADER, "A,3,2024-03-02,50"))

    assert ended.lines[-1] == "Memberships followed of 1 customers."
    assert shop.run("recalculate", "big").out == "big: 2 customers evaluated, 0 entered, 0 left.\n"


def test_a_store_without_segments_says_so(two: Segments) -> None:
    assert two.run("status").out == "There are no segments yet.\n"
    assert two.run("recalculate").out == "all segments: 0 customers evaluated, 0 entered, 0 left.\n"


def test_segments_that_use_the_recalculated_one_are_calculated_before_the_command_ends(shop: Segments) -> None:
    add(shop, "user", {"in": ["big", {"var": "segments"}]})
    add(shop, "farther", {"!": {"in": ["user", {"var": "segments"}]}})

    ended = shop.run("recalculate", "big")

    assert ended.lines == [
        "big: 2 customers evaluated, 1 entered, 0 left.",
        "user: 2 customers evaluated, 1 entered, 0 left.",
        "farther: 2 customers evaluated, 1 entered, 0 left.",
    ]
    assert shop.run("status").out.count("succeeded") == 3


def test_what_an_import_queues_is_calculated_before_the_command_ends(shop: Segments, tmp_path: Path) -> None:
    add(shop, "top", {"==": [{"var": "monetary_score"}, 1]})

    first = shop.run("import", write_lines(tmp_path / "more.csv", HEADER, "A,3,2024-03-02,50"))
    second = shop.run("import", write_lines(tmp_path / "again.csv", HEADER, "B,4,2024-03-02,50"), "--format", "json")

    followed = "Memberships followed of 1 customers."
    assert first.lines[-2:] == [followed, "top: 2 customers evaluated, 2 entered, 0 left."]
    assert json.loads(second.out)["created"] == 1
    said = second.err.splitlines()
    assert said[0] == followed
    assert re.fullmatch(
        r"top: waits until \d{4}-\d\d-\d\d \d\d:\d\d \(UTC\), as it ranks customers: a server calculates it then, "
        r"or segments recalculate top at any time\.",
        said[1],
    )


def test_a_manual_segment_has_no_next_run(shop: Segments, tmp_path: Path) -> None:
    auto = '{"name": "Auto", "rules": {">": [{"var": "total_revenue"}, 10]}}'
    for text in ('{"name": "Hand", "kind": "MANUAL"}', auto):
        shop.run("segment", "create", write_lines(tmp_path / "segment.json", text))

    rows = {line.split()[0]: line for line in shop.run("status").lines if line.split()}

    assert "02:15" in rows["auto"]
    assert "02:15" not in rows["hand"]
