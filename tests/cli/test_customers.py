"""Customers on the command line: their own file, and the list."""

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

from openpyxl import Workbook

from tests.cli.conftest import Segments, write_lines

MAKE = ("--business", "shop", "--time-zone", "Asia/Colombo", "--currency", "LKR")
ORDERS = "customer_id,order_id,date,amount"
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
        "C1,Nimáli,,,,38",
        ",Nobody,,,,",
        "C2,Two,,,last summer,",
        "C3,Three",
        "C4,\udcff,,,,",
        f"C5,{'x' * 1001},,,,",
    )
    file = write_lines(tmp_path / "customers.csv", f"{HEADER},shoe size", *rows)

    ended = segments.run("import-customers", file, *MAKE, "--rejects", tmp_path / "rejects.csv")
    silent = segments.run("import-customers", file)

    assert ended.lines[0] == "customers.csv: 6 rows read: 1 created, 0 updated, 0 unchanged, 5 rejected."
    assert ended.err == "Ignored columns: shoe size\n"
    assert silent.err.splitlines()[1] == "First rejected: line 3: no customer. --rejects FILE lists every one."
    rows = list(csv.reader((tmp_path / "rejects.csv").read_text(encoding="utf-8").splitlines()))
    assert rows[1][:6] == ["", "Nobody", "", "", "", ""]
    assert [(row[6], row[7]) for row in rows[1:]] == [
        ("3", "no customer"),
        ("4", "registered_at: the date 'last summer' is not ISO 8601 (or give --date-format)"),
        ("5", "the row has 2 cells, the header has 6"),
        ("6", "the row is not UTF-8 text: mend it, or give the file's encoding"),
        ("7", "name is longer than 1000 characters"),
    ]


def test_a_file_without_customers_is_refused_before_the_business_is_made(segments: Segments, tmp_path: Path) -> None:
    nameless = segments.expect_refusal(
        "import-customers", write_lines(tmp_path / "names.csv", "name,email", "Ada,"), *MAKE
    )
    empty = segments.expect_refusal("import-customers", write_lines(tmp_path / "empty.csv", HEADER), *MAKE)

    assert nameless == (
        "Missing required columns: customer_id. Columns seen: name, email. Use --map COLUMN=customer_id."
    )
    assert empty == "No data found in empty.csv."


def members(segments: Segments, columns: str) -> list[list[str]]:
    """The columns of all customers, as an export says them."""
    if "all" not in segments.run("status").out:
        everybody = '{"name": "All", "rules": {"!": {"var": "erased"}}}'
        segments.run("segment", "create", write_lines(segments.data / "all.json", everybody))
        segments.run("recalculate", "all")
    exported = segments.run("export", "members", "all", "--columns", columns)
    return list(csv.reader(exported.lines[1:]))


def test_what_is_known_of_customers_comes_in_by_name_and_by_map(segments: Segments, tmp_path: Path) -> None:
    header = "Customer ID,First Name,Last Name,Phone,Country,City,Shoe,Agreed,Joined,Code,Tags"
    rows = (
        "'123,Ann,J,'+94 77 1,LK,Colombo,38.5,yes,2024-03-01,007,vip",
        '="00042",Bob,,N/A,,,,no,,12,',
        "ANN@X.com,,Müller,-,NULL,Kandy,40,,2024-03-02T10:00:00Z,,",
    )
    file = write_lines(tmp_path / "customers.csv", header, *rows)
    maps = [("--map", pair) for pair in (
        "Shoe=attribute:shoe", "Agreed=attribute:agreed", "Joined=attribute:since", "Code=attribute:code",
        "Tags=attribute:tags:text",
    )]  # fmt: skip

    ended = segments.run("import-customers", file, *MAKE, *(word for pair in maps for word in pair))
    again = segments.run("import-customers", file, *(word for pair in maps for word in pair))

    assert ended.out == "customers.csv: 3 rows read: 3 created, 0 updated, 0 unchanged, 0 rejected.\n"
    assert again.out == "customers.csv: 3 rows read: 0 created, 0 updated, 3 unchanged, 0 rejected.\n"
    assert ended.err.splitlines() == [
        "The attribute shoe is a number of at most 15 digits before and 6 after the point, as its first values are.",
        "The attribute agreed is true or false, as its first values are.",
        "The attribute since is an ISO 8601 date or timestamp such as 2024-03-01, as its first values are.",
        "The attribute code is a text, as its first values are.",
    ]
    assert again.err == ""
    own = members(segments, "customer_id,name,phone,country,city")
    assert own == [
        ["123", "Ann J", "'+94 77 1", "LK", "Colombo"],
        ["00042", "Bob", "", "", ""],
        ["ann@x.com", "Müller", "", "", "Kandy"],
    ]
    named = "attributes.shoe,attributes.agreed,attributes.since,attributes.code,attributes.tags"
    assert members(segments, named) == [
        ["38.5", "true", "2024-02-29T18:30:00Z", "007", "vip"],
        ["", "false", "", "12", ""],
        ["40", "", "2024-03-02T10:00:00Z", "", ""],
    ]


def test_a_value_of_another_kind_rejects_its_row(segments: Segments, tmp_path: Path) -> None:
    numbers = [f"C{number},{number}" for number in range(1, 601)]
    file = write_lines(tmp_path / "customers.csv", "customer_id,Shoe", *numbers, "D1,large", "D2,7")
    told = ("--map", "Shoe=attribute:shoe", "--rejects", tmp_path / "rejects.csv")

    ended = segments.run("import-customers", file, *MAKE, *told)

    assert ended.lines[0] == "customers.csv: 602 rows read: 601 created, 0 updated, 0 unchanged, 1 rejected."
    (row,) = list(csv.reader((tmp_path / "rejects.csv").read_text(encoding="utf-8").splitlines()))[1:]
    assert row[2:4] == [
        "602",
        "the attribute shoe must be a number of at most 15 digits before and 6 after the point, not 'large'",
    ]
    other = segments.expect_refusal("import-customers", file, "--map", "Shoe=attribute:shoe:text")
    assert other == "the attribute shoe is of the kind number, not text."


def test_a_phone_that_lost_its_digits_and_a_damaged_id_are_refused(segments: Segments, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "c.csv", "customer_id,phone", "C1,9.4771E+11", "1.2E+11,", "guest,", "17850.0,077")

    ended = segments.run("import-customers", file, *MAKE, "--rejects", tmp_path / "rejects.csv")

    assert ended.lines[0] == "c.csv: 4 rows read: 1 created, 0 updated, 0 unchanged, 3 rejected."
    rows = list(csv.reader((tmp_path / "rejects.csv").read_text(encoding="utf-8").splitlines()))
    assert [row[3][:40] for row in rows[1:]] == [
        "phone '9.4771E+11' is in scientific nota",
        "the customer id '1.2E+11' is in scientif",
        "no customer",
    ]
    assert members(segments, "customer_id,phone") == [["17850", "077"]]


def test_a_wrong_map_names_what_would_be_right(segments: Segments, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "c.csv", "customer_id,Shoe", "C1,7")

    for pair, told in (
        ("Shoe=size", "--map must give Shoe one of the fields customer_id, order_id"),
        ("Hat=attribute:hat", "--map Hat=attribute:hat: the file has no column Hat. Columns seen: customer_id, Shoe."),
        ("Shoe=attribute:my shoe", "--map must give Shoe one of the fields"),
    ):
        assert segments.expect_refusal("import-customers", file, *MAKE, "--map", pair).startswith(told)


def test_a_workbook_of_customers_is_read(segments: Segments, tmp_path: Path) -> None:
    book = Workbook()
    book.active.append(["customer_id", "name", "registered_at", "Shoe"])  # type: ignore[union-attr]
    book.active.append([17850, "Ann", datetime(2024, 3, 1), 38.5])  # type: ignore[union-attr]
    book.save(tmp_path / "c.xlsx")

    ended = segments.run("import-customers", tmp_path / "c.xlsx", *MAKE, "--map", "Shoe=attribute:shoe")

    assert ended.out == "c.xlsx: 1 row read: 1 created, 0 updated, 0 unchanged, 0 rejected.\n"
    assert members(segments, "customer_id,name,attributes.shoe") == [["17850", "Ann", "38.5"]]


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

    assert [line.split()[:2] for line in listed.lines[1:]] == [["[/]", "[bold]:smile:"], ["b", "[31mred"]]


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


def test_a_file_of_customers_is_read_as_its_format_says(segments: Segments, tmp_path: Path) -> None:
    file = write_lines(
        tmp_path / "kunden.csv",
        "Kunde;Vorname;Nachname;Telefon;Seit;Größe",
        "1;Ann;Müller;077;31.03.2024;38,5",
        "2;Bob;;NULL;;40",
    )
    told = ("--map", "Kunde=customer_id", "--map", "Vorname=first_name", "--map", "Nachname=last_name")
    more = ("--map", "Telefon=phone", "--map", "Seit=registered_at", "--map", "Größe=attribute:size")
    form = ("--date-format", "%d.%m.%Y", "--decimal", ",", "--customer-id-prefix", "de-")

    guessed = segments.expect_refusal("import-customers", file, *MAKE, *told, *more)
    ended = segments.run("import-customers", file, *MAKE, *told, *more, *form)
    again = segments.run("import-customers", file, *told, *more, *form)

    assert guessed.startswith("The dates of kunden.csv, such as '31.03.2024', are not ISO 8601. Give --date-format")
    assert ended.out == "kunden.csv: 2 rows read: 2 created, 0 updated, 0 unchanged, 0 rejected.\n"
    assert again.out == "kunden.csv: 2 rows read: 0 created, 0 updated, 2 unchanged, 0 rejected.\n"
    assert members(segments, "customer_id,name,phone,attributes.size") == [
        ["de-1", "Ann Müller", "077", "38.5"],
        ["de-2", "Bob", "", "40"],
    ]


def test_two_columns_of_one_name_are_refused_unless_one_is_chosen(segments: Segments, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "c.csv", "customer_id,Phone,Phone", "C1,077,078")

    refused = segments.expect_refusal("import-customers", file, *MAKE)
    segments.run("import-customers", file, *MAKE, "--map", "Phone#2=phone")

    assert refused.startswith("2 columns are named Phone: say which one is meant with --map Phone#1=FIELD")
    assert members(segments, "customer_id,phone") == [["C1", "078"]]


def test_of_two_columns_one_attribute_is_refused(segments: Segments, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "c.csv", "customer_id,A,B", "C1,1,2")

    told = ("--map", "A=attribute:x", "--map", "B=attribute:x:number")
    assert segments.expect_refusal("import-customers", file, *MAKE, *told) == "--map: two columns are the attribute x."


def test_rejected_customers_are_mended_and_read_with_the_same_options(segments: Segments, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "c.csv", "Kunde;Seit;Telefon", "1;31.03.2024;+94", "2;32.03.2024;'+94", "3;;077")
    told = ("--map", "Kunde=customer_id", "--map", "Seit=registered_at", "--map", "Telefon=phone")
    form = ("--date-format", "%d.%m.%Y")
    rejects = tmp_path / "rejects.csv"

    segments.run("import-customers", file, *MAKE, *told, *form, "--rejects", rejects)
    rejects.write_text(rejects.read_text(encoding="utf-8").replace("32.03.2024", "30.03.2024"), encoding="utf-8")
    mended = segments.run("import-customers", rejects, *told, *form)

    assert mended.out == "rejects.csv: 1 row read: 1 created, 0 updated, 0 unchanged, 0 rejected.\n"
    assert members(segments, "customer_id,phone") == [["1", "'+94"], ["3", "077"], ["2", "'+94"]]


def test_what_cannot_be_seen_in_texts_is_taken_out_and_told(segments: Segments, tmp_path: Path) -> None:
    people = write_lines(
        tmp_path / "people.csv", "customer_id,name,city", "C1,\u202eAnn\x1b Lee\u202c,Galle", "C2,Ben,Kandy"
    )
    orders = write_lines(
        tmp_path / "orders.csv",
        f"{ORDERS},category,who",
        "C1,O1,2024-03-01,5,Te\u200fa,Ann\x07 Lee",
        "C\u202e2,O2,2024-03-01,5,Tea,Ben",
    )

    first = segments.run("import-customers", people, *MAKE)
    second = segments("import", orders, "--map", "who=name")
    listed = segments.run("customers")

    assert "Control characters and marks of direction were taken out of name.\n" in first.err
    assert "Warning: Control characters and marks of direction were taken out of category.\n" in second.err
    assert "Warning: Control characters and marks of direction were taken out of name.\n" in second.err
    assert "2 rows read: 1 created, 0 updated, 0 unchanged, 1 rejected" in second.out
    assert [line.split()[:3] for line in listed.lines[1:]] == [["C1", "Ann", "Lee"], ["C2", "Ben", "0"]]


def test_a_customer_is_shown_with_what_such_scores_take_in_this_shop(segments: Segments, tmp_path: Path) -> None:
    today = datetime.now(UTC).date()
    rows = [f"C{n},{n}-{turn},{today - timedelta(n)},{n}00" for n in range(1, 11) for turn in range(1 + n // 5)]
    segments.run("import", write_lines(tmp_path / "orders.csv", ORDERS, *rows), *MAKE)
    file = write_lines(tmp_path / "customers.csv", "customer_id,name", "C9,Nimali Perera", "C99,Nobody")
    segments.run("import-customers", file, "--business", "shop")

    shown = segments.run("customers", "show", " C9 ", "--business", "shop")
    never = segments.run("customers", "show", "C99", "--business", "shop")

    assert shown.lines == [
        "C9 Nimali Perera",
        "2 orders, LKR 1,800.00 in all",
        "Score 535 over 365 days: Loyal Customers, of eleven segments Champions",
        "  R5 up to 72 days since the last purchase",
        "  F3 with 2 orders",
        "  M5 from 1,600.01 LKR",
    ]
    assert never.lines[1:] == ["0 orders, LKR 0.00 in all", "No scores: no purchase counts."]
    refused = segments.expect_refusal("customers", "show", "C11", "--business", "shop")
    assert refused == "There is no customer with the id C11 in the business shop."
