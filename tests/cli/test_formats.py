"""Formats of sources on the command line: saved from a file or from options, shown as what can be saved again, and what
every command that reads a source reads it by."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.imports.presets import load_presets
from tests.cli.conftest import MAKE, UTC_EUR, Segments, write_lines, write_settings
from tests.cli.test_watch import DONE, watching
from tests.drivers.mongo import Mongo, place

TILL = """
date_format = "%d.%m.%Y"
decimal = ","
statuses = {bezahlt = "COMPLETED", storno = "CANCELLED"}

[columns]
Kunde = "customer_id"
Beleg = "order_id"
Datum = "date"
Betrag = "amount"
Zustand = "status"
"""
STATED = {
    "columns": {
        "Kunde": "customer_id",
        "Beleg": "order_id",
        "Datum": "purchase_date",
        "Betrag": "amount",
        "Zustand": "status",
    },
    "date_format": ["%d.%m.%Y"],
    "decimal": ",",
    "statuses": {"bezahlt": "COMPLETED", "storno": "CANCELLED"},
}
ROWS = ("Kunde;Beleg;Datum;Betrag;Zustand", "Ada;1;03.04.2024;12,50;bezahlt", "Ben;2;04.04.2024;7,00;storno")
ORDERS = [("1", "COMPLETED", 1250), ("2", "CANCELLED", 700)]


@pytest.fixture
def shop(segments: Segments) -> Segments:
    segments.run("businesses", "create", "shop", *UTC_EUR)
    return segments


@pytest.fixture
def till(shop: Segments, tmp_path: Path) -> Segments:
    """A shop that keeps the format of its till."""
    shop.run("formats", "save", "till", write_settings(tmp_path, TILL, "till.toml"))
    return shop


@pytest.fixture
def sales(tmp_path: Path) -> Path:
    """What the till wrote."""
    return write_lines(tmp_path / "sales.csv", *ROWS)


def orders(segments: Segments) -> list[tuple[str, str, int]]:
    """Id, status and amount of what is stored."""
    with closing(sqlite3.connect(segments.data / "segments.sqlite")) as store:
        rows = store.execute("SELECT external_id, status, amount FROM purchase ORDER BY external_id").fetchall()
    return [
        (order, ("COMPLETED", "PARTIAL", "PENDING", "REFUNDED", "CANCELLED")[status], amount)
        for order, status, amount in rows
    ]


def test_a_format_is_saved_from_a_file_listed_shown_and_deleted(shop: Segments, tmp_path: Path) -> None:
    saved = shop.run("formats", "save", "till", write_settings(tmp_path, TILL, "till.toml"))
    listed = shop.json("formats", "list")
    table = shop.run("formats", "list").lines
    deleted = shop.run("formats", "delete", "till")

    assert saved.out == "Saved till for shop. Use it: segments import FILE --source-format till\n"
    assert (listed[0]["name"], listed[0]["preset"], listed[0]["settings"]) == ("till", False, STATED)
    assert [one["name"] for one in listed[1:] if one["preset"]] == [one["name"] for one in listed[1:]]
    assert table[0].split() == ["name", "saved", "what", "it", "says"]
    assert table[1].split()[0] == "till"
    assert table[1].rstrip().endswith("columns, date_format, decimal, statuses")
    assert deleted.out == "Deleted till of shop.\n"
    assert shop.json("formats", "list") == listed[1:]


def test_options_say_a_format_as_they_say_one_of_an_import(shop: Segments, tmp_path: Path, sales: Path) -> None:
    options = ("--map", "Kunde=customer_id", "--map", "Beleg=order_id", "--map", "Datum=date", "--map", "Betrag=amount")
    more = ("--map", "Zustand=status", "--date-format", "%d.%m.%Y", "--decimal", ",")
    words = ("--status", "bezahlt=COMPLETED", "--status", "storno=CANCELLED")

    shop.run("formats", "save", "till", *options, *more, *words)

    assert shop.json("formats", "list")[0]["settings"] == STATED
    shop.run("import", sales, "--source-format", "till")
    assert orders(shop) == ORDERS


def test_what_is_shown_can_be_saved_again_presets_too(till: Segments, tmp_path: Path) -> None:
    before = {one["name"]: one["settings"] for one in till.json("formats", "list")}

    for number, name in enumerate(before):
        shown = write_settings(tmp_path, till.run("formats", "show", name).out, f"{name}.toml")
        till.run("formats", "save", f"again-{number}", shown)

    after = {one["name"]: one["settings"] for one in till.json("formats", "list")}
    assert [after[f"again-{number}"] for number in range(len(before))] == list(before.values())
    assert set(before) == {"till"} | {name for name, one in load_presets().items() if one.refusal is None}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("decimal = ';'", "decimal must be . or ,."),
        ("colour = 1", "A format has no 'colour'. There are: "),
        ("", "settings must say something of the source, such as date_format."),
        ("[", "till.toml is not readable TOML: "),
        ("orders = 'row'\norder_id_scope = 'year'", "order_id_scope is for files with order ids, orders for those"),
    ],
)
def test_a_file_that_says_no_format_is_refused_in_its_own_words(
    shop: Segments, tmp_path: Path, text: str, said: str
) -> None:
    file = write_settings(tmp_path, text, "till.toml")

    assert said in shop.expect_refusal("formats", "save", "till", file)
    assert shop.json("formats", "list")[0]["preset"] is True


def test_what_does_not_go_together_is_refused(till: Segments, tmp_path: Path) -> None:
    file = write_settings(tmp_path, TILL, "till.toml")

    assert till.expect_refusal("formats", "save", "x") == (
        "Give a FILE, or options such as --date-format, that say how the source is written."
    )
    assert till.expect_refusal("formats", "save", "x", file, "--decimal", ",") == (
        "A format is saved from a FILE or from options, not from both."
    )
    assert till.expect_refusal("formats", "save", "x", "--source-format", "till") == (
        "--source-format reads by a format that is saved: show that one, and save what is changed."
    )
    assert till.expect_refusal("formats", "save", "etsy", file) == "name must not be that of a preset, as etsy is."
    assert till.expect_refusal("formats", "show", "pos").startswith(
        "There is no format 'pos'. There are: till, amazon-"
    )
    assert till.expect_refusal("formats", "delete", "pos") == (
        "name must be the name of a saved format, not pos. There are: till."
    )


def test_an_import_reads_by_the_format_it_names_or_the_setting_does(
    till: Segments, tmp_path: Path, sales: Path
) -> None:
    unknown = till.expect_refusal("import", sales, "--source-format", "pos")
    preset = till.expect_refusal("import", sales, "--source-format", "etsy")
    till.run("import", sales, "--source-format", "till")
    by_name = orders(till)
    till.run("settings", "apply", write_settings(tmp_path, '[import]\nformat = "till"'))
    write_lines(sales, *ROWS, "Cy;3;05.04.2024;1,00;bezahlt")
    till.run("import", sales)

    assert unknown == "--source-format must be the name of a saved format, not pos. There are: till."
    assert preset == (
        "--source-format must be the name of a saved format, not etsy. There are: till. A preset is given by --preset."
    )
    assert by_name == ORDERS
    assert orders(till) == [*ORDERS, ("3", "COMPLETED", 100)]
    assert till.expect_refusal("formats", "delete", "till") == (
        "till is what the setting import.format names: change that first."
    )


def test_a_setting_names_a_format_that_is_there(till: Segments, tmp_path: Path) -> None:
    pos = write_settings(tmp_path, '[import]\nformat = "pos"')
    message = "import.format must be the name of a saved format, not pos. There are: till."

    assert till.expect_refusal("settings", "apply", pos) == message
    assert till.expect_refusal("settings", "apply", pos, "--check") == message


def test_a_business_that_an_import_makes_has_no_formats_yet(segments: Segments, sales: Path) -> None:
    said = segments.expect_refusal("import", sales, *MAKE, "--source-format", "till")

    assert said == "--source-format must be the name of a saved format, not till. There are: none yet."


def test_a_classification_reads_again_what_is_read_by_a_format_that_was_saved_anew(
    till: Segments, tmp_path: Path, sales: Path
) -> None:
    classify = ("classify", "--csv-path", sales, "--source-format", "till", "--check-freshness")

    till.run(*classify)
    first = orders(till)
    fresh = till(*classify)
    words = TILL.replace('storno = "CANCELLED"', 'storno = "REFUNDED"')
    till.run("formats", "save", "till", write_settings(tmp_path, words, "till.toml"))
    till.run(*classify)

    assert first == ORDERS
    assert (fresh.code, fresh.out.partition(".")[0]) == (
        10,
        "Skipped: the source has not changed since the last run that succeeded",
    )
    assert orders(till) == [ORDERS[0], ("2", "REFUNDED", 700)]


def test_a_watched_file_is_read_by_the_format(till: Segments, sales: Path) -> None:
    with watching(till, sales, "--settle", "0.4", "--source-format", "till") as watch:
        watch.said(DONE)
        watch.end()

    assert orders(till) == ORDERS


def test_columns_of_a_format_are_paths_in_a_collection(shop: Segments, mongo: Mongo, tmp_path: Path) -> None:
    paths = """
[columns]
"buyer.ref" = "customer_id"
"no" = "order_id"
"sums.0" = "amount"
"at" = "date"
"""
    shop.run("formats", "save", "documents", write_settings(tmp_path, paths, "documents.toml"))
    shop.run("formats", "save", "etsy-like", "--preset", "etsy")
    day = datetime(2024, 3, 1, tzinfo=UTC)
    mongo.insert("purchases", {"buyer": {"ref": "Ada"}, "no": "A1", "at": day, "sums": [12.5, 1]})

    shop.run("import", *place(mongo), "--source-format", "documents")
    refused = shop.expect_refusal("import", *place(mongo), "--source-format", "etsy-like")

    assert orders(shop) == [("A1", "COMPLETED", 1250)]
    assert refused == "--preset is for files, not for MongoDB."


def test_a_file_of_customers_is_read_by_a_format(shop: Segments, tmp_path: Path) -> None:
    people = write_lines(tmp_path / "people.csv", "Nummer,Voller Name", "K1,Ada")
    shop.run("formats", "save", "people", "--map", "Nummer=customer_id", "--map", "Voller Name=name")

    shop.run("import-customers", people, "--source-format", "people")
    unknown = shop.expect_refusal("import-customers", people, "--source-format", "pos")

    assert shop.run("customers").lines[1].split()[:2] == ["K1", "Ada"]
    assert unknown == "--source-format must be the name of a saved format, not pos. There are: people."


def test_json_is_read_too(shop: Segments, tmp_path: Path) -> None:
    shop.run("formats", "save", "till", write_lines(tmp_path / "till.json", json.dumps(STATED)))

    assert shop.json("formats", "list")[0]["settings"] == STATED


def test_an_option_agrees_with_what_the_format_says_beside_it(till: Segments, tmp_path: Path) -> None:
    dear = write_lines(tmp_path / "dear.csv", ROWS[0], "Ada;1;03.04.2024;1.234,50;bezahlt")

    till.run("import", dear, "--source-format", "till", "--thousands", ".")

    assert orders(till) == [("1", "COMPLETED", 123450)]
    assert till.expect_refusal("import", dear, "--thousands", ".") == (
        "--thousands . needs another sign for the decimals: give --decimal ,."
    )
