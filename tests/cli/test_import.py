"""Purchases from a file: looked at before anything is written, counted so that the counts add up, and nothing twice."""

import csv
import gzip
import shlex
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from domain.imports.dates import DIRECTIVES
from tests.cli.conftest import MAKE, UTC_EUR, Segments, write_lines
from tests.conftest import find_shared

HEADER = "customer_id,order_id,date,amount"
NOBODY = ["key", "name", "time", "zone", "currency"]
"""The list of businesses where there is none."""


def test_the_first_import_makes_the_business_and_the_second_changes_nothing(segments: Segments, ten: Path) -> None:
    first = segments.run("import", ten, *MAKE)
    again = segments.run("import", ten)

    assert first.lines[0] == "ten.csv: 34 rows read: 34 created, 0 updated, 0 unchanged, 0 rejected."
    assert again.lines[0] == "ten.csv: 34 rows read: 0 created, 0 updated, 34 unchanged, 0 rejected."
    assert first.err == again.err == ""


def test_a_dry_run_counts_and_writes_nothing_not_even_the_business(segments: Segments, ten: Path) -> None:
    dry = segments.run("import", ten, *MAKE, "--dry-run")
    none = segments.run("businesses", "list")
    segments.run("import", ten, *MAKE)
    write_lines(ten, HEADER, "Ada,new,2024-03-31,5.00")
    known = segments.run("import", ten, "--dry-run")

    assert dry.lines[0] == "ten.csv: 34 rows read: 34 created, 0 updated, 0 unchanged, 0 rejected."
    assert dry.lines[-1] == "Dry run: nothing was written."
    assert none.out.split() == NOBODY
    assert known.lines[0] == "ten.csv: 1 row read: 1 created, 0 updated, 0 unchanged, 0 rejected."
    assert segments.run("import", ten).lines[0] == known.lines[0]


def test_rejected_rows_go_to_the_file_with_their_cells_line_reason_and_order(
    segments: Segments, tmp_path: Path
) -> None:
    rows = ("Ada,1,2024-03-01,5.00", ",2,2024-03-01,5.00", "=cmd|x,3,yesterday,5.00", "Ben,4,2024-03-01,-1")
    purchases = write_lines(tmp_path / "orders.csv", HEADER, *rows)

    ended = segments.run("import", purchases, *MAKE, "--rejects", tmp_path / "rejects.csv")

    assert ended.lines[0] == "orders.csv: 4 rows read: 1 created, 0 updated, 0 unchanged, 3 rejected."
    assert list(csv.reader((tmp_path / "rejects.csv").read_text().splitlines())) == [
        [*HEADER.split(","), "reject_line", "reject_reason", "reject_order"],
        ["", "2", "2024-03-01", "5.00", "3", "no customer", "2"],
        ["'=cmd|x", "3", "yesterday", "5.00", "4", "the date 'yesterday' is not ISO 8601 (or give --date-format)", "3"],
        ["Ben", "4", "2024-03-01", "-1", "5", "a negative amount without a positive row in its order", "4"],
    ]


def test_the_file_of_rejects_is_imported_once_it_is_mended(segments: Segments, tmp_path: Path) -> None:
    rows = ("Ada;1;01/03/2024;5,00", "Ada;1;02/03/2024;-1,50", ";2;01/03/2024;7,00", "Ben;3;01/03/2024;2,00")
    purchases = write_lines(tmp_path / "orders.csv", HEADER.replace(",", ";"), *rows, "Ada;1;03.03.2024;2,50")
    options = ("--date-format", "%d/%m/%Y", "--decimal", ",")
    rejects = tmp_path / "rejects.csv"

    segments.run("import", purchases, *MAKE, *options, "--rejects", rejects)
    text = rejects.read_text().replace("03.03.2024", "03/03/2024").replace("\n,2,", "\nAda,2,")
    rejects.write_text(text)
    mended = segments.run("import", rejects, *options, "--rejects", tmp_path / "more.csv")

    assert mended.lines[:1] == ["rejects.csv: 4 rows read: 4 created, 0 updated, 0 unchanged, 0 rejected."]
    assert mended.err == ""
    assert len((tmp_path / "more.csv").read_text().splitlines()) == 1
    assert [line.split()[:3] for line in segments.run("customers").lines[1:]] == [
        ["Ada", "2", "13.00"],
        ["Ben", "1", "2.00"],
    ]


def test_customers_that_were_rejected_are_imported_once_they_are_mended(segments: Segments, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "customers.csv", "customer_id,name,registered_at", "C1,=One,", ",'-Two,2024-01-31")
    rejects = tmp_path / "rejects.csv"

    segments.run("import-customers", file, *MAKE, "--rejects", rejects)
    rejects.write_text(rejects.read_text().replace("\n,", "\nC2,"))
    mended = segments.run("import-customers", rejects)

    assert mended.out == "rejects.csv: 1 row read: 1 created, 0 updated, 0 unchanged, 0 rejected.\n"
    assert [line.split()[:2] for line in segments.run("customers").lines[1:]] == [["C1", "=One"], ["C2", "-Two"]]


def test_an_order_over_two_files_is_told_and_its_rows_can_be_added(segments: Segments, tmp_path: Path) -> None:
    first = write_lines(tmp_path / "first.csv", HEADER, "Ada,1,2024-03-01,5.00", "Ben,2,2024-03-01,1.00")
    second = write_lines(tmp_path / "second.csv", HEADER, "Ada,1,2024-03-01,2.50", "Ada,1,2024-03-01,5.00")
    third = write_lines(tmp_path / "third.csv", HEADER, "Ben,2,2024-03-01,3.00")
    segments.run("import", first, *MAKE)

    added = segments.run("import", second, "--append-lines")
    again = segments.run("import", second, "--append-lines")
    replaced = segments.run("import", third)
    refused = segments("classify", "--csv-path", third, "--append-lines")

    assert (added.lines[0].split(": ")[2], added.err) == ("0 created, 2 updated, 0 unchanged, 0 rejected.", "")
    assert again.lines[0].endswith("0 created, 0 updated, 2 unchanged, 0 rejected.")
    assert [line.split()[:3] for line in segments.run("customers").lines[1:]] == [
        ["Ada", "1", "12.50"],
        ["Ben", "1", "3.00"],
    ]
    assert replaced.err == (
        "Warning: 1 order of this file replaced lines that another import had written. If an order is spread over "
        "several files, undo this import and give --append-lines, which adds its rows.\n"
    )
    sentence = "Error: --append-lines is for imports: what is classified or watched states orders completely."
    assert (refused.code, refused.err.splitlines()[-1]) == (12, sentence)


def test_a_file_of_which_no_row_was_read_is_shown_with_the_command_that_reads_it(
    segments: Segments, tmp_path: Path
) -> None:
    orders = write_lines(tmp_path / "orders.csv", HEADER, 'Ada,1,2024-03-01,"1.234,50"', 'Ben,2,2024-03-02,"99,00"')

    ended = segments("import", orders, *MAKE)
    told = segments("import", orders, "--business", "shop", "--decimal", ",")
    _, *words = shlex.split(ended.err.splitlines()[-1])

    assert (ended.code, ended.err.splitlines()[3]) == (1, "The file could be imported so:")
    assert "To import it so:" in ended.err
    assert words == ["import", str(orders), "--business", "shop", "--decimal", ",", "--thousands", "."]
    assert told.code == 0
    assert segments.run(*words).lines[0].split(": ")[2] == "1 created, 0 updated, 1 unchanged, 0 rejected."


def test_the_reject_that_is_named_is_one_that_is_wrong_itself(segments: Segments, tmp_path: Path) -> None:
    lines = ("Ada,1,2024-03-01,10", "Ada,1,2024-03-01,11", "Ada,1,2024-03-01,12.50-")
    orders = write_lines(tmp_path / "orders.csv", HEADER, *lines, "Ben,2,2024-03-02,5")
    alone = write_lines(tmp_path / "alone.csv", HEADER, *lines)

    some, every = segments.run("import", orders, *MAKE), segments("import", alone, *MAKE)

    number = "must be a number such as 12.50 (give --negative trailing if it is below zero)"
    assert some.err == f"First rejected: line 4: the amount '12.50-' {number}. --rejects FILE lists every one.\n"
    assert f"All 3 rows were rejected, 1 of them for this reason: the amount '…' {number}.\n" in every.err


def test_an_import_whose_every_row_is_rejected_fails_with_its_summary(segments: Segments, tmp_path: Path) -> None:
    orders = write_lines(tmp_path / "orders.csv", HEADER, "Ada,1,2024-03-01,x", "Ada,2,2024-03-01,y", ",3,2024-03-01,1")
    customers = write_lines(tmp_path / "customers.csv", "customer_id,registered_at", ",", "Ada,yesterday", "Ben,today")

    ended = segments("import", orders, *MAKE, "--dry-run"), segments("import", orders, *MAKE)
    of_customers = segments("import-customers", customers)
    segments.patch.delenv("COLUMNS")
    shown = segments.run("imports", "show", segments.json("imports", "list")[0]["id"])

    number = "the amount '…' must be a number such as 12.50"
    for one in ended:
        assert one.code == 1
        assert one.lines[0] == "orders.csv: 3 rows read: 0 created, 0 updated, 0 unchanged, 3 rejected."
        assert one.err.splitlines()[-1] == f"Error: All 3 rows were rejected, 2 of them for this reason: {number}."
    assert (of_customers.code, of_customers.lines[0].split(": ")[2]) == (
        1,
        "0 created, 0 updated, 0 unchanged, 3 rejected.",
    )
    assert of_customers.err.splitlines()[-1].startswith(
        "Error: All 3 rows were rejected, 2 of them for this reason: regis"
    )
    assert shown.lines[2] == "status       failed"
    assert [line.split("  ")[0] for line in shown.lines[-3:]] == ["rejected because", number, "no customer"]
    assert shown.lines[-2].split()[-16:-14] == ["2", "2"]


def test_columns_and_dates_of_another_form_are_named(segments: Segments, tmp_path: Path) -> None:
    purchases = write_lines(tmp_path / "till.csv", "who;no;when;sum;note", "Ada;1;31/03/2024;5.00;x")
    named = ("--map", "who=customer_id", "--map", "no=order_id", "--map", "when=purchase_date", "--map", "sum=amount")

    ended = segments.run("import", purchases, *MAKE, *named, "--date-format", "%d/%m/%Y")
    listed = segments.run("customers")

    assert ended.lines[0] == "till.csv: 1 row read: 1 created, 0 updated, 0 unchanged, 0 rejected."
    assert ended.err == "Ignored columns: note\n"
    assert listed.lines[1].split() == ["Ada", "1", "5.00", "2024-03-31"]


def test_rows_of_the_future_are_counted_apart(segments: Segments, tmp_path: Path) -> None:
    purchases = write_lines(tmp_path / "orders.csv", HEADER, "Ada,1,2999-01-01,5.00")

    ended = segments.run("import", purchases, *MAKE)

    assert ended.lines[1] == "1 row lies in the future and counts from its instant on."


FORMAT = "--date-format must name year, month and day, such as %d/%m/%Y: it lacks the year."
SEEN = "Columns seen: customer_id, order_id, date, amount, category, storefront."


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["none.csv", *MAKE], "No such file: none.csv."),
        (["x" * 300, *MAKE], f"No such file: {'x' * 255}."),
        (["empty.csv", *MAKE], "No data found in empty.csv."),
        (["header.csv", *MAKE], "No data found in header.csv."),
        ([".", *MAKE], ". is a folder, and a file is wanted."),
        (
            ["short.csv", *MAKE],
            "Missing required columns: purchase_date. Columns seen: customer_id, order_id, amount. "
            "Use --map COLUMN=purchase_date.",
        ),
        (["ten.csv", *MAKE, "--map", "amount"], "--map must be COLUMN=FIELD, not amount."),
        (["ten.csv", *MAKE, "--map", "price=amount"], f"--map price=amount: the file has no column price. {SEEN}"),
        (["ten.csv", *MAKE, "--date-format", "%d/%m"], FORMAT),
        (
            ["ten.csv", *MAKE, "--date-format", "%Y-%m-%d %Q"],
            f"--date-format has no directive %Q: there are {' '.join(DIRECTIVES)}.",
        ),
        (["ten.csv", *MAKE, "--rejects", "ten.csv"], "--rejects must be another file than the one that is imported."),
        (
            ["ten.csv", *MAKE, "--rejects", "none/r.csv"],
            "--rejects must be a file that can be written, and none/r.csv cannot.",
        ),
        (["ten.csv"], "There is no business yet. Give --business KEY, --time-zone and --currency to make one."),
        (
            ["ten.csv", "--business", "shop"],
            "There is no business with the key shop. There are: none yet. "
            "Give --time-zone and --currency to make it with the import.",
        ),
        (
            ["ten.csv", *MAKE, "--time-zone", "Mars"],
            "--time-zone must be an IANA name such as Asia/Colombo, not 'Mars'.",
        ),
        (["ten.csv", *MAKE, "--currency", "EURO"], "--currency must be an ISO 4217 code such as EUR, not 'EURO'."),
        (
            ["ten.csv", "--business", "The Shop", *UTC_EUR],
            "key must be 1 to 64 lower-case letters, digits or hyphens, such as my-shop.",
        ),
    ],
)
def test_what_cannot_be_imported_is_one_sentence(
    segments: Segments, ten: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str
) -> None:
    monkeypatch.chdir(ten.parent)
    (ten.parent / "empty.csv").touch()
    write_lines(ten.parent / "header.csv", HEADER)
    write_lines(ten.parent / "short.csv", "customer_id,order_id,amount", "Ada,1,5.00")
    before = ten.read_text()

    assert segments.expect_refusal("import", *arguments).endswith(sentence)
    assert ten.read_text() == before


@pytest.mark.parametrize(
    ("command", "name", "sentence"),
    [
        ("import", "none/r.csv", "--rejects must be a file that can be written, and {path} cannot."),
        ("import-customers", "none/r.csv", "--rejects must be a file that can be written, and {path} cannot."),
        ("import", ".", "--rejects must be a file, and {path} is a folder."),
        ("import", "ten.csv", "--rejects must be another file than the one that is imported."),
    ],
)
def test_where_the_rejects_cannot_go_nothing_is_imported_and_no_business_made(
    segments: Segments, ten: Path, command: str, name: str, sentence: str
) -> None:
    path = ten.parent / name
    before = ten.read_text()

    ended = segments(command, ten, *MAKE, "--rejects", path)

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.splitlines()[-1] == f"Error: {sentence.format(path=path)}"
    assert ten.read_text() == before
    assert segments.run("businesses", "list").out.split() == NOBODY


def test_a_file_that_cannot_be_read_makes_no_business(segments: Segments, tmp_path: Path) -> None:
    segments("import", tmp_path / "none.csv", *MAKE)

    assert segments.run("businesses", "list").out.split() == NOBODY


def test_zone_and_currency_that_differ_from_the_stored_ones_are_refused(shop: Segments, ten: Path) -> None:
    zone = shop.expect_refusal("import", ten, "--time-zone", "Asia/Colombo")
    currency = shop.expect_refusal("import", ten, "--currency", "LKR")

    assert zone == "--time-zone is Asia/Colombo, but the business shop has UTC."
    assert currency == "--currency is LKR, but the business shop has EUR."


def test_names_cannot_steer_the_terminal(segments: Segments, tmp_path: Path) -> None:
    purchases = write_lines(tmp_path / "[red]\x1b[31m.csv", f"{HEADER},\x1b]0;x\x07", "Ada,1,2024-03-31,5,")
    faulty = write_lines(tmp_path / "faulty.csv", "customer\x1b[2J,order_id", "Ada,1")

    ended = segments.run("import", purchases, *MAKE)
    refused = segments.expect_refusal("import", faulty)

    assert ended.lines[0] == "[red]�[31m.csv: 1 row read: 1 created, 0 updated, 0 unchanged, 0 rejected."
    assert ended.err == "Ignored columns: �]0;x�\n"
    assert "Columns seen: customer�[2J, order_id." in refused


@pytest.mark.parametrize(
    ("name", "zone", "currency", "counts"),
    [
        ("cdnow_sample", "UTC", "USD", (6_919, 6_919, 0)),
        ("completejourney_sample", "America/New_York", "USD", (58_950, 58_950, 0)),
        ("online_retail_2010_12", "Europe/London", "GBP", (7_690, 5_963, 1_727)),
    ],
)
def test_real_files_are_imported_with_no_flags_but_the_business(
    segments: Segments, name: str, zone: str, currency: str, counts: tuple[int, int, int]
) -> None:
    path = find_shared("data", f"{name}.csv.gz")
    read, created, rejected = counts
    segments.run("businesses", "create", "shop", "--time-zone", zone, "--currency", currency)

    first = segments.run("import", path, "--business", "shop")
    again = segments.run("import", path, "--business", "shop")

    start = f"{name}.csv.gz: {read:,} rows read: "
    assert first.lines[0] == f"{start}{created:,} created, 0 updated, 0 unchanged, {rejected:,} rejected."
    assert again.lines[0] == f"{start}0 created, 0 updated, {created:,} unchanged, {rejected:,} rejected."
    with gzip.open(path, "rt") as file:
        assert sum(1 for _ in file) == read + 1


def test_further_columns_are_kept_as_attributes_of_purchases(segments: Segments, tmp_path: Path) -> None:
    header = "customer_id,order_id,timestamp,amount,Gift,Weight,Voucher,Due"
    rows = (
        "C1,1,2024-03-01,10,yes,1.50,007,2024-03-05",
        "C1,1,2024-03-01,5,,,,",
        "C2,2,2024-03-02,7,no,,N/A,",
        "C3,3,2024-03-02,7,perhaps,,,",
    )
    file = write_lines(tmp_path / "orders.csv", header, *rows)
    named = ("Gift=attribute:Gift:boolean", *(f"{name}=attribute:{name}" for name in ("Weight", "Voucher", "Due")))
    told = [word for pair in named for word in ("--map", pair)]

    ended = segments.run("import", file, *MAKE, *told)
    again = segments.run("import", file, *told)
    refused = segments.expect_refusal("import", file, "--map", "Gift=attribute:Gift:text")

    assert ended.lines[0] == "orders.csv: 4 rows read: 3 created, 0 updated, 0 unchanged, 1 rejected."
    assert again.lines[0] == "orders.csv: 4 rows read: 0 created, 0 updated, 3 unchanged, 1 rejected."
    assert "the attribute Gift must be true or false, not 'perhaps'" in ended.err + again.err
    assert "The attribute Voucher is a text, as its first values are." in ended.err
    assert "is a text" not in again.err
    assert refused == "the attribute Gift is of the kind boolean, not text."
    with closing(sqlite3.connect(segments.data / "segments.sqlite")) as connection:
        kept = connection.execute("SELECT external_id, attributes FROM purchase ORDER BY external_id").fetchall()
    assert kept == [
        ("1", '{"Due":"2024-03-05T00:00:00Z","Gift":true,"Voucher":"007","Weight":1.5}'),
        ("2", '{"Gift":false}'),
    ]
