"""Imports from the command line: listed, looked at, and taken back."""

from pathlib import Path

from tests.cli.conftest import SOUND, WINDOW, Segments, write_lines

HEADER = "customer_id,order_id,date,amount,category"


def test_imports_are_listed_newest_first_with_their_counts(shop: Segments, tmp_path: Path) -> None:
    shop.run(
        "import", write_lines(tmp_path / "more.csv", HEADER, "Ada,new,2024-03-31,5.00,Tea", ",x,2024-03-31,5.00,Tea")
    )

    listed = shop.json("imports", "list")
    table = shop.run("imports", "list", "--first", "1").lines

    told = [(one["source"], one["status"], one["rows_read"], one["created"], one["rejected"]) for one in listed]
    assert told == [("more.csv", "SUCCEEDED", 2, 1, 1), ("ten.csv", "SUCCEEDED", 34, 34, 0)]
    assert listed[0]["requested_by"] == "command line"
    assert [line.split()[1:3] for line in table] == [["source", "status"], ["more.csv", "succeeded"], ["are", "in"]]


def test_at_eighty_columns_names_are_cut_and_no_figure_is(shop: Segments, tmp_path: Path) -> None:
    shop.run("import", write_lines(tmp_path / f"{'long' * 20}.csv", HEADER, "Ada,new,2024-03-31,5.00,Tea"))
    shop.patch.setenv("COLUMNS", "80")

    table = shop.run("imports", "list").lines

    assert max(map(len, table)) <= 80
    assert " ".join(table[0].split()) == "id source status began read created updated unchanged rejected"
    assert table[1].split()[-5:] == ["1", "1", "0", "0", "0"]
    assert [line.count("…") for line in table] == [0, 1, 0, 0]


def test_a_business_without_imports_says_so(made: Segments) -> None:
    assert made.run("imports", "list").out == "There are no imports yet.\n"
    assert made.expect_refusal("imports", "show", "7") == (
        "There is no import 7. segments imports list shows those there are."
    )


def test_what_is_doubtful_is_a_table_after_the_import_and_json_where_that_is_asked_for(
    shop: Segments, tmp_path: Path
) -> None:
    doubtful = write_lines(
        tmp_path / "doubtful.csv",
        HEADER,
        *(f"Ada,usual-{number},2024-03-01,{number + 10}.00,Tea" for number in range(30)),
        "Ben,huge,2024-03-01,99999.00,Tea",
        "Ben,later,2999-01-01,12.00,Tea",
        "Ben,later,2999-01-01,12.00,Tea",
        "Cy,free,2024-03-01,0,",
        "Cy,back,2024-03-01,-1,Tea",
        "Cy,never,,11.00,Tea",
    )

    table = shop.run("import", doubtful, "--dry-run")
    told = shop.json("import", doubtful)
    shown = shop.json("imports", "show", str(told["id"]))

    checks = table.lines[2 : next(place for place, line in enumerate(table.lines) if line.startswith("rejected"))]
    assert [line.split("  ")[0].strip() for line in checks] == [
        "check",
        "rows without a date (rejected)",
        "rows of orders that lie in the future",
        "rows of orders before 1970 or more than ten years ahead",
        "rows equal to another row of their order",
        "rows with a negative amount",
        "rows with an amount of zero",
        "rows without a category",
        "orders with an amount far beyond the rest",
        "refunds not attributed to an order (rejected)",
    ]
    assert "huge (99,999.00)" in table.out
    assert checks[-1].split()[-3:] == ["1.00", "in", "all"]
    assert (told["rows_read"], told["created"], told["rejected"], told["future"]) == (36, 34, 2, 2)
    assert told["quality"] == {
        "missing_dates": 1,
        "future_dates": 2,
        "doubtful_dates": 2,
        "duplicates": 1,
        "negative_amounts": 1,
        "zero_amounts": 1,
        "unknown_categories": 1,
        "outliers": 1,
        "outliers_above": told["quality"]["outliers_above"],
        "largest_outliers": [{"order_id": "huge", "amount": "99999.00"}],
        "refunds_not_attributed": 1,
        "refunded_amount": "1.00",
        "replaced_orders": 0,
    }
    assert shown["quality"] == told["quality"]


def test_undo_takes_the_newest_import_back_and_the_report_is_as_before(shop: Segments, tmp_path: Path) -> None:
    more = write_lines(tmp_path / "more.csv", HEADER, "Ada,Ada-1,2024-03-30,700.00,Tea", "Zoe,z,2024-03-30,70.00,Tea")
    before = shop.json("report", *WINDOW)
    told = shop.json("import", more)
    changed = shop.json("report", *WINDOW)

    undone = shop.run("imports", "undo", str(told["id"]))
    again = shop.expect_refusal("imports", "undo", str(told["id"]))

    assert (told["created"], told["updated"]) == (1, 1)
    assert undone.out == f"Import {told['id']} was taken back: 1 orders removed, 1 restored, 1 customers removed.\n"
    assert shop.json("report", *WINDOW) == before != changed
    assert again == f"Import {told['id']} was taken back already."
    assert "undone" in shop.run("imports", "list").out
    assert shop.run("db", "check").out == SOUND


def test_undo_says_what_has_changed_since(shop: Segments, tmp_path: Path) -> None:
    first = shop.json("imports", "list")[0]["id"]
    shop.run("import", write_lines(tmp_path / "more.csv", HEADER, "Ada,Ada-1,2024-03-30,700.00,Tea"))

    refused = shop.expect_refusal("imports", "undo", str(first))

    assert refused == (
        f"Import {first} cannot be taken back, and nothing was changed: 1 orders were changed since: Ada-1."
    )


def test_forms_that_there_are_not_are_refused(shop: Segments) -> None:
    for command in (["list"], ["show", "1"], ["undo", "1"]):
        assert shop.expect_refusal("imports", *command, "--format", "xml") == "--format must be one of: table, json."
