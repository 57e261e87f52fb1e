"""Files without order ids: what is an order is told, its id is made, and mended rows come back as what they were."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import MAKE, Segments, write_lines

HEADER = "customer_id,purchase_date,amount"
ROWS = ("C1,2024-03-01T10:00,10", "C1,2024-03-01T12:00,11", "C1,2024-03-01T12:00,12", "C2,2024-03-02,5")


def load_orders(segments: Segments) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(segments.data / "segments.sqlite")) as store:
        return sorted(store.execute("SELECT external_id, amount FROM purchase"))


@pytest.mark.parametrize(
    ("orders", "amounts"),
    [("row", [500, 1000, 1100, 1200]), ("customer_day", [500, 3300]), ("customer_instant", [500, 1000, 2300])],
)
def test_what_is_an_order_is_told_and_reading_again_changes_nothing(
    orders: str, amounts: list[int], segments: Segments, tmp_path: Path
) -> None:
    file = write_lines(tmp_path / "orders.csv", HEADER, *ROWS)

    segments.run("import", file, *MAKE, "--orders", orders)
    first = load_orders(segments)
    again = segments.run("import", file, "--orders", orders)

    assert sorted(amount for _, amount in first) == amounts
    assert all(order.startswith("made:") and len(order) == 37 and "C1" not in order for order, _ in first)
    assert load_orders(segments) == first
    assert again.lines[0] == "orders.csv: 4 rows read: 0 created, 0 updated, 4 unchanged, 0 rejected."


def test_a_row_that_was_mended_is_the_order_that_it_would_have_been(segments: Segments, tmp_path: Path) -> None:
    whole = write_lines(tmp_path / "whole.csv", HEADER, *ROWS)
    faulty = write_lines(tmp_path / "faulty.csv", HEADER, ROWS[0], ROWS[1].replace(",11", ",eleven"), *ROWS[2:])
    rejects = tmp_path / "rejects.csv"

    segments.run("import", faulty, *MAKE, "--orders", "row", "--rejects", rejects)
    rejects.write_text(rejects.read_text().replace(",eleven,", ",11,"))
    segments.run("import", rejects, "--orders", "row")
    again = segments.run("import", whole, "--orders", "row")

    assert again.lines[0] == "whole.csv: 4 rows read: 0 created, 0 updated, 4 unchanged, 0 rejected."


def test_a_mended_row_that_had_no_place_takes_none_from_an_accepted_one(segments: Segments, tmp_path: Path) -> None:
    faulty = write_lines(tmp_path / "faulty.csv", HEADER, "C1,2024-13-01,10", "C1,2024-03-01,11")
    rejects = tmp_path / "rejects.csv"

    segments.run("import", faulty, *MAKE, "--orders", "row", "--rejects", rejects)
    rejects.write_text(rejects.read_text().replace("2024-13-01,10", "2024-03-01,10"))
    for _ in range(2):
        segments.run("import", rejects, "--orders", "row")

    assert sorted(amount for _, amount in load_orders(segments)) == [1000, 1100]


def test_a_file_without_order_ids_says_how_it_can_be_read(segments: Segments, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "orders.csv", HEADER, *ROWS)

    missing = segments.expect_refusal("import", file, *MAKE)
    misled = segments.expect_refusal("import", file, *MAKE, "--map", "customer_id=order_id")

    assert missing.endswith("say with --orders what an order is: row, customer_day or customer_instant.")
    assert misled == (
        "The column customer_id is mapped to order_id, so that no column says customer_id. "
        "A file without order ids is read with --orders row, customer_day or customer_instant."
    )


def test_an_order_id_is_unique_within_what_is_told(segments: Segments, tmp_path: Path) -> None:
    header = "customer_id,order_id,date,amount,storefront"
    rows = ("C1,1,2023-03-01,10,Kandy", "C1,1,2024-03-01,11,Galle")
    file = write_lines(tmp_path / "orders.csv", header, *rows)

    segments.run("import", file, *MAKE, "--order-id-scope", "year", "--order-id-prefix", "pos-")

    assert load_orders(segments) == [("pos-2023/1", 1000), ("pos-2024/1", 1100)]
    segments.run("import", file, "--order-id-scope", "storefront")
    assert load_orders(segments)[:2] == [("Galle/1", 1100), ("Kandy/1", 1000)]
