"""Customers on the command line: their own file, and the list."""

import csv
from pathlib import Path

from tests.cli.conftest import Segments, write_lines

MAKE = ("--business", "shop", "--time-zone", "Asia/Colombo", "--currency", "LKR")
HEADER = "customer_id,name,email,loyalty_level,registered_at"


def test_a_file_of_customers_is_imported_and_the_second_time_changes_nothing(
    segments: Segments, tmp_path: Path
) -> None:
    rows = ("C1,Nimali Perera,nimali@example.com,GOLD,2024-01-31", "C2,'=Sum(1),,,")
    file = write_lines(tmp_path / "customers.csv", HEADER, *rows)

    first = segments.run("import-customers", file, *MAKE)
    again = segments.run("import-customers", file)
    listed = segments.run("customers")

    assert first.out == "customers.csv: 2 rows read: 2 created, 0 updated, 0 unchanged, 0 rejected.\n"
    assert again.out == "customers.csv: 2 rows read: 0 created, 0 updated, 2 unchanged, 0 rejected.\n"
    assert [line.split() for line in listed.lines[1:]] == [
        ["C1", "Nimali", "Perera", "GOLD", "0", "0.00"],
        ["C2", "=Sum(1)", "0", "0.00"],
    ]


def test_of_two_rows_of_one_customer_the_later_holds_and_the_counts_add_up(segments: Segments, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "customers.csv", "customer_id,name", "C1,Old", "C2,Two", "C1,New")

    first = segments.run("import-customers", file, *MAKE)
    again = segments.run("import-customers", file)
    listed = segments.run("customers")

    assert first.out == "customers.csv: 3 rows read: 2 created, 0 updated, 1 unchanged, 0 rejected.\n"
    assert again.out == "customers.csv: 3 rows read: 0 created, 0 updated, 3 unchanged, 0 rejected.\n"
    assert listed.lines[1].split()[:2] == ["C1", "New"]


def test_wrong_rows_are_listed_and_the_others_taken(segments: Segments, tmp_path: Path) -> None:
    rows = (
        "C1,Nimäli,,,,38",
        ",Nobody,,,,",
        "C2,Two,,,last summer,",
        "C3,Three",
        "C4,\udcff,,,,",
        f"C5,{'x' * 1001},,,,",
    )
    file = write_lines(tmp_path / "customers.csv", f"{HEADER},shoe size", *rows)

    ended = segments.run("import-customers", file, *MAKE, "--rejects", tmp_path / "rejects.csv")
    silent = segments.run("import-customers", file)

    assert ended.out == "customers.csv: 6 rows read: 1 created, 0 updated, 0 unchanged, 5 rejected.\n"
    assert ended.err == "Ignored columns: shoe size\n"
    assert silent.err.splitlines()[1] == "First rejected: line 3: no customer. --rejects FILE lists every one."
    rows = list(csv.reader((tmp_path / "rejects.csv").read_text(encoding="utf-8").splitlines()))
    assert rows[1][:6] == ["", "Nobody", "", "", "", ""]
    assert [(row[6], row[7]) for row in rows[1:]] == [
        ("3", "no customer"),
        ("4", "registered_at must be an ISO 8601 date or timestamp such as 2024-03-01 or 2024-03-01T09:30:00Z"),
        ("5", "the row has 2 cells, the header has 6"),
        ("6", "the row is not UTF-8 text: mend it, or give the file's encoding"),
        ("7", "name is longer than 1000 characters"),
    ]


def test_a_file_without_customers_is_refused_before_the_business_is_made(segments: Segments, tmp_path: Path) -> None:
    nameless = segments.expect_refusal(
        "import-customers", write_lines(tmp_path / "names.csv", "name,email", "Ada,"), *MAKE
    )
    empty = segments.expect_refusal("import-customers", write_lines(tmp_path / "empty.csv", HEADER), *MAKE)

    assert nameless == "Missing required columns: customer_id. Columns seen: name, email."
    assert empty == "No data found in empty.csv."


def test_the_list_is_sorted_searched_turned_round_and_cut(shop: Segments) -> None:
    best = shop.run("customers", "--sort", "total_revenue", "--reverse", "--first", "3")
    found = shop.run("customers", "--search", "ha")

    assert best.lines[0].split() == ["customer", "name", "level", "orders", "revenue", "EUR", "last", "purchase"]
    assert [line.split() for line in best.lines[1:]] == [
        ["Ada", "9", "900.00", "2024-03-29"],
        ["Gus", "2", "500.00", "2024-01-06"],
        ["Ben", "7", "400.00", "2024-03-11"],
    ]
    assert [line.split()[0] for line in found.lines[1:]] == ["Hal"]


def test_the_last_purchase_is_a_day_of_the_business(segments: Segments, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "o.csv", "customer_id,order_id,timestamp,amount", "C1,1,2024-03-30T22:00:00Z,1000.00")
    segments.run("import", file, *MAKE)

    listed = segments.run("customers")

    assert listed.lines[1].split() == ["C1", "1", "1,000.00", "2024-03-31"]


def test_names_are_shown_as_they_are_and_cannot_steer_the_terminal(segments: Segments, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "c.csv", "customer_id,name", "[/],[bold]:smile:", "b,\x1b[31mred")
    segments.run("import-customers", file, *MAKE)

    listed = segments.run("customers")

    assert [line.split()[:2] for line in listed.lines[1:]] == [["[/]", "[bold]:smile:"], ["b", "�[31mred"]]


def test_a_list_of_nobody_has_its_heading(made: Segments) -> None:
    assert len(made.run("customers").lines) == 1


def test_two_customers_are_merged_and_what_moved_is_said(segments: Segments, tmp_path: Path) -> None:
    orders = write_lines(
        tmp_path / "orders.csv", "customer_id,order_id,date,amount", "A,1,2024-01-31,5", "B,2,2024-01-31,7"
    )
    people = write_lines(tmp_path / "people.csv", "customer_id,name,loyalty_level", "A,Ada,GOLD")
    members = write_lines(tmp_path / "members.csv", "customer_id", "A")
    rich = write_lines(tmp_path / "rich.json", '{"name": "Rich", "rules": {">": [{"var": "total_revenue"}, 10]}}')
    vip = write_lines(tmp_path / "vip.json", '{"name": "VIP", "kind": "MANUAL"}')
    segments.run("import", orders, *MAKE)
    segments.run("import-customers", people)
    for file in (rich, vip):
        segments.run("segment", "create", file)
    segments.run("segment", "assign", "vip", members)
    segments.run("recalculate")

    merged = segments.run("customers", "merge", "A", "B", "--business", "shop")
    listed = segments.run("customers")
    again = segments("customers", "merge", "A", "B")
    unknown = segments("customers", "merge", "X", "B")
    astray = segments("customers", "--business", "shop", "merge", "A", "B")

    assert merged.lines == [
        "A is another name of B now: 1 purchase and 1 membership moved, 1 membership ended; "
        "taken over: name, loyalty level.",
        "Memberships followed of 2 customers.",
    ]
    assert [line.split()[:5] for line in listed.lines[1:]] == [["B", "Ada", "GOLD", "2", "12.00"]]
    assert (again.code, again.err) == (1, "Error: A and B are the same customer already.\n")
    assert (unknown.code, unknown.err) == (1, "Error: There is no customer with the id X in the business shop.\n")
    assert (astray.code, astray.err) == (
        2,
        "Error: Invalid value: --business stands after merge. --help shows how it is used.\n",
    )
    assert segments.run("db", "check").out.endswith("The store is sound.\n")
