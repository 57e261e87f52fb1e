"""Files from the command line: reports and members of segments."""

import csv
import io
import json
from pathlib import Path

import pytest
from openpyxl import load_workbook

from domain.formulas import protect_text
from tests.cli.conftest import MAKE, WINDOW, Segments, Stencils, write_lines


@pytest.fixture
def shop(segments: Segments, ten: Path, stencils: Stencils) -> Segments:
    """The ten customers, two of them in the segment vip."""

    def fill() -> None:
        segments.run("import", ten, *MAKE)
        segments.run("segment", "create", write_lines(ten.with_name("vip.json"), '{"name": "VIP", "kind": "MANUAL"}'))
        segments.run("segment", "assign", "vip", write_lines(ten.with_name("members.csv"), "customer_id", "Ada", "Ben"))

    return stencils.fill(segments, "vip", fill)


def test_the_ending_of_the_file_decides_its_format(shop: Segments, tmp_path: Path) -> None:
    files = [tmp_path / f"report.{ending}" for ending in ("csv", "xlsx", "pdf", "json")]

    said = [shop.run("report", *WINDOW, "--output", file).out for file in files]

    assert said == [""] * 4
    rows = list(csv.reader(io.StringIO(files[0].read_text(encoding="utf-8-sig"), newline="")))
    assert rows[0][:2] == ["Customer segmentation report", "shop"]
    assert load_workbook(files[1]).sheetnames == ["Summary", "RFM segments", "Heat map", "Trend", "Chart data"]
    assert files[2].read_bytes().startswith(b"%PDF-")
    assert json.loads(files[3].read_text())["data"]["customer_count"] == 10
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_a_format_that_is_named_goes_before_the_ending(shop: Segments, tmp_path: Path) -> None:
    shop.run("report", *WINDOW, "--format", "json", "--output", tmp_path / "report.txt")

    assert json.loads((tmp_path / "report.txt").read_text())["success"] is True


def test_text_goes_to_standard_output_and_nothing_else_does(shop: Segments) -> None:
    report = shop.run("report", *WINDOW, "--format", "csv").out
    book = shop.expect_refusal("report", *WINDOW, "--format", "xlsx")
    members = shop.expect_refusal("export", "members", "vip", "--format", "xlsx")

    assert report.startswith("Customer segmentation report,shop,")
    assert book == members == "--output must name the file for --format xlsx."


def test_members_of_a_segment_are_written(shop: Segments, tmp_path: Path) -> None:
    printed = shop.run("export", "members", "vip", "--columns", "customer_id,total_revenue,order_count")
    shop.run("export", "members", "vip", "--output", tmp_path / "vip.json")
    shop.run("export", "members", "vip", "--output", tmp_path / "vip.xlsx", "--columns", "customer_id")

    assert printed.lines == ["customer_id,total_revenue,order_count", "Ada,900.00,9", "Ben,400.00,7"]
    made = json.loads((tmp_path / "vip.json").read_text())
    assert (made["segment"], made["segment_key"], len(made["members"])) == ("VIP", "vip", 2)
    sheet = load_workbook(tmp_path / "vip.xlsx").active
    assert [[cell.value for cell in row] for row in sheet] == [["customer_id"], ["Ada"], ["Ben"]]


def test_a_file_that_cannot_be_written_is_one_sentence_and_leaves_what_was_there(
    shop: Segments, tmp_path: Path
) -> None:
    (tmp_path / "kept.csv").write_text("before")

    nowhere = shop.expect_refusal("report", *WINDOW, "--output", tmp_path / "no" / "report.csv")
    folder = shop.expect_refusal("export", "members", "vip", "--format", "csv", "--output", tmp_path / "data")
    shop.expect_refusal("export", "members", "nobody", "--output", tmp_path / "kept.csv")

    assert "report.csv cannot be written: No such file or directory" in nowhere
    assert "cannot be written" in folder
    assert (tmp_path / "kept.csv").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--format", "pdf"), "--format must be one of: csv, xlsx, json."),
        (("--columns", "name,shoe"), "--columns must be of: customer_id, name"),
    ],
)
def test_a_wrong_option_is_named(shop: Segments, arguments: tuple[str, str], sentence: str) -> None:
    assert shop.expect_refusal("export", "members", "vip", *arguments).startswith(sentence)


ODD = ("=1+1", ";=1+1", '"=1+1', "a;-5", "＝1", "@x;y", "-5", 'it\'s; "=so"', "plain, -text")


def test_e1_exported_customers_are_the_same_when_they_are_imported_elsewhere(
    segments: Segments, tmp_path: Path
) -> None:
    given = tmp_path / "given.csv"
    with given.open("w", newline="", encoding="utf-8") as file:
        # A file may protect its texts itself, so each is written as an export would write it.
        rows = [(protect_text(text), protect_text(text)) for text in ODD]
        csv.writer(file).writerows([("customer_id", "name"), *rows])
    rule = write_lines(tmp_path / "all.json", '{"name": "All", "rules": {">=": [{"var": "order_count"}, 0]}}')

    known = []
    for key in ("one", "two"):
        segments.run("import-customers", given, "--business", key, "--time-zone", "UTC", "--currency", "EUR")
        segments.run("segment", "create", rule, "--business", key)
        segments.run("recalculate", "all", "--business", key)
        # What the first business exports is what the second one imports.
        given, told = tmp_path / f"{key}.csv", tmp_path / f"{key}.json"
        for output in (given, told):
            segments.run("export", "members", "all", "--business", key, "--output", output)
        members = json.loads(told.read_text(encoding="utf-8"))["members"]
        known.append(sorted((member["customer_id"], member["name"]) for member in members))

    assert known == [sorted((text, text) for text in ODD)] * 2
