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
from tests.cli.conftest import Segments

ORDERS = "customer_id,order_id,date,amount\nA,1,2024-03-01,5\nB,2,2024-03-01,20\n"
MORE = "customer_id,order_id,date,amount\nA,3,2024-03-02,50\n"
NEW = ("--business", "shop", "--time-zone", "UTC", "--currency", "EUR")


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
def shop(segments: Segments, tmp_path: Path) -> Segments:
    """A store with two customers, and the segment of those who spent more than ten."""
    (tmp_path / "orders.csv").write_text(ORDERS)
    segments.done("import", tmp_path / "orders.csv", *NEW)
    add(segments, "big", {">": [{"var": "total_revenue"}, 10]})
    return segments


def test_one_segment_is_recalculated(shop: Segments) -> None:
    first, second = shop.done("recalculate", "big"), shop.done("recalculate", "big")

    assert first.out == "big: 2 customers evaluated, 1 entered, 0 left.\n"
    assert second.out == "big: 2 customers evaluated, 0 entered, 0 left.\n"


def test_all_segments_are_recalculated_and_a_broken_one_is_told_of(shop: Segments) -> None:
    add(shop, "broken", {"in": ["nowhere", {"var": "segments"}]})

    ended = shop("recalculate")

    assert (ended.code, ended.out) == (
        1,
        "all segments: 2 customers evaluated, 1 entered, 0 left. 1 of 2 segments could not be recalculated; 1 could.\n",
    )
    status = shop.done("status").out
    assert "failed: There is no segment with the key nowhere." in status
    assert "succeeded" in status


def test_a_misspelt_key_or_a_manual_segment_starts_nothing(shop: Segments) -> None:
    add(shop, "vip", None, SegmentKind.MANUAL)

    for keys, sentence in (
        (("big", "bgi"), "Error: There is no segment with the key bgi.\n"),
        (("big", "vip"), "Error: The members of vip are put in by hand.\n"),
    ):
        ended = shop("recalculate", *keys)
        assert (ended.code, ended.out, ended.err) == (1, "", sentence)
    assert "succeeded" not in shop.done("status").out


def test_memberships_follow_an_import(shop: Segments, tmp_path: Path) -> None:
    shop.done("recalculate", "big")
    (tmp_path / "more.csv").write_text(MORE)

    ended = shop.done("import", tmp_path / "more.csv")

    assert ended.lines[-1] == "Memberships followed of 1 customers."
    assert shop.done("recalculate", "big").out == "big: 2 customers evaluated, 0 entered, 0 left.\n"


def test_a_store_without_segments_says_so(segments: Segments, tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text(ORDERS)
    segments.done("import", tmp_path / "orders.csv", *NEW)

    assert segments.done("status").out == "There are no segments yet.\n"
    assert segments.done("recalculate").out == "all segments: 0 customers evaluated, 0 entered, 0 left.\n"


def test_segments_that_use_the_recalculated_one_are_calculated_before_the_command_ends(shop: Segments) -> None:
    add(shop, "user", {"in": ["big", {"var": "segments"}]})
    add(shop, "farther", {"!": {"in": ["user", {"var": "segments"}]}})

    ended = shop.done("recalculate", "big")

    assert ended.lines == [
        "big: 2 customers evaluated, 1 entered, 0 left.",
        "user: 2 customers evaluated, 1 entered, 0 left.",
        "farther: 2 customers evaluated, 1 entered, 0 left.",
    ]
    assert shop.done("status").out.count("succeeded") == 3


def test_what_an_import_queues_is_calculated_before_the_command_ends(shop: Segments, tmp_path: Path) -> None:
    add(shop, "top", {"==": [{"var": "monetary_score"}, 1]})
    (tmp_path / "more.csv").write_text(MORE)
    (tmp_path / "again.csv").write_text(MORE.replace("A,3,", "B,4,"))

    first = shop.done("import", tmp_path / "more.csv")
    second = shop.done("import", tmp_path / "again.csv", "--format", "json")

    assert first.lines[-2:] == [
        "Memberships followed of 1 customers.",
        "top: 2 customers evaluated, 2 entered, 0 left.",
    ]
    assert json.loads(second.out)["created"] == 1
    said = second.err.splitlines()
    assert said[0] == "Memberships followed of 1 customers."
    assert re.fullmatch(
        r"top: waits until \d{4}-\d\d-\d\d \d\d:\d\dZ, as it ranks customers: a server calculates it then, "
        r"or segments recalculate top at any time\.",
        said[1],
    )


def test_a_manual_segment_has_no_next_run(shop: Segments, tmp_path: Path) -> None:
    (tmp_path / "hand.json").write_text('{"name": "Hand", "kind": "MANUAL"}')
    (tmp_path / "auto.json").write_text('{"name": "Auto", "rules": {">": [{"var": "total_revenue"}, 10]}}')
    for name in ("hand", "auto"):
        shop.done("segment", "create", tmp_path / f"{name}.json")

    rows = {line.split()[0]: line for line in shop.done("status").lines if line.split()}

    assert "02:15Z" in rows["auto"]
    assert "02:15Z" not in rows["hand"]
