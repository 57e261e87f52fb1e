"""The report as a workbook, opened again: real numbers with real formats, text that never runs, charts that name at
most twelve groups and sheets that list all."""

import io
import zipfile
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from openpyxl import load_workbook

from domain.classification.groups import Method
from domain.reports.document import OTHER, ReportDocument
from persistence.exports.xlsx import render_report_xlsx
from tests.shops.report_documents import SENTENCES, categories, document, eight_segments, sum_up

MANY = tuple(f"Category {place}" for place in range(300))
BEHAVIOR = ["Summary", "Category preference", "Channel", "Season", "Chart data"]
FORMULAS = ("=1+1", "+49", "-2", "@SUM(A1)", "#N/A", '=HYPERLINK("http://x","y")')


def book(made: ReportDocument) -> Any:
    return load_workbook(io.BytesIO(render_report_xlsx(made)))


def table(sheet: Any) -> list[dict[str, Any]]:
    head, *rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    return [dict(zip(head, row, strict=True)) for row in rows]


def test_there_is_a_summary_a_sheet_a_dimension_and_a_heat_map_where_there_are_scores() -> None:
    assert book(eight_segments()).sheetnames == ["Summary", "RFM segments", "Heat map", "Chart data"]
    assert book(categories(("Tea", "Milk"))).sheetnames == BEHAVIOR


def test_the_summary_says_what_the_report_is_about() -> None:
    sheet = book(eight_segments(storefront="Mitte"))["Summary"]

    said = {row[0].value: row[1].value for row in sheet.iter_rows(min_row=3)}
    assert sheet["A1"].value == "Brückner & Söhne: customer segmentation"
    assert said["First day"] == datetime(2026, 7, 1)
    assert said["Generated at (local time)"] == datetime(2026, 9, 28, 14, 5, 33)
    assert (said["Storefront"], said["Customers"], said["Orders"]) == ("Mitte", 1000, 3289)
    assert (said["Revenue"], said["Average order"]) == (353213.38, 107.39)
    assert [row[1].value for row in sheet.iter_rows(min_row=18)] == list(SENTENCES)


def test_the_sheet_of_a_dimension_holds_every_number_of_the_document() -> None:
    made = eight_segments()

    found = table(book(made)["RFM segments"])

    assert [row["Segment"] for row in found] == [group.name for group in made.rows]
    first = found[0]
    assert (first["Customers"], first["Customers before"], first["Change"], first["Orders"]) == (124, 118, 6, 1116)
    assert (first["Revenue"], first["Average order"], first["Average spend"]) == (148204.5, 132.8, 1195.2)
    assert (first["Share of customers"], first["Days since last purchase"], first["Average orders"]) == (0.124, 8, 9)
    assert sum(Decimal(str(row["Revenue"])) for row in found) == made.totals.revenue
    assert first["Recommended actions"].splitlines() == list(made.rows[0].actions)


@pytest.mark.parametrize(
    ("currency", "decimals", "form"),
    [("EUR", 2, "[$EUR] #,##0.00"), ("JPY", 0, "[$JPY] #,##0"), ("KWD", 3, "[$KWD] #,##0.000")],
)
def test_amounts_have_the_format_of_the_currency(currency: str, decimals: int, form: str) -> None:
    sheet = book(eight_segments(currency=currency, decimals=decimals))["RFM segments"]

    formats = {cell.value: sheet.cell(2, cell.column).number_format for cell in sheet[1]}
    assert formats["Revenue"] == formats["Average order"] == formats["Average spend"] == form
    assert (formats["Customers"], formats["Share of revenue"]) == ("#,##0", "0.0%")


def test_headers_are_frozen_and_columns_as_wide_as_what_stands_in_them() -> None:
    sheet = book(categories(("高级客户" * 4, "Tea")))["Category preference"]

    assert sheet.freeze_panes == "B2"
    assert sheet.auto_filter.ref == "A1:R3"
    # Sixteen wide characters, and a margin.
    assert sheet.column_dimensions["A"].width == 34
    assert sheet.column_dimensions["C"].width >= 10


def test_rows_are_as_high_as_what_stands_in_them() -> None:
    made = book(eight_segments())
    sheet, summary = made["RFM segments"], made["Summary"]

    heights = [sheet.row_dimensions[row].height for row in range(1, 11)]

    # "Days since last purchase" takes three lines, and the buttons of the filter one; each group has three actions.
    assert heights == [60] + [45] * 9
    assert {summary.row_dimensions[row].height for row in range(3, 18)} == {15}
    long = book(categories(("word " * 40, "x" * 1000)))
    assert long["Channel"].row_dimensions[2].height == 45
    assert long["Category preference"].row_dimensions[2].height > 45
    assert long["Category preference"].row_dimensions[3].height == 409


def test_headings_stand_where_their_figures_stand() -> None:
    sheet = book(eight_segments())["RFM segments"]

    across = {cell.value: (cell.alignment.horizontal, sheet.cell(2, cell.column).alignment) for cell in sheet[1]}

    left = {name for name, (head, _) in across.items() if head == "left"}
    assert left == {"Segment", "Code", "Description", "Recommended actions"}
    assert [across[name][0] for name in "RFM"] == [across[name][1].horizontal for name in "RFM"] == ["center"] * 3
    assert (across["Revenue"][0], across["Revenue"][1].horizontal) == ("right", None)
    assert all(cell.alignment.wrap_text for cell in sheet[1])


@pytest.mark.parametrize("name", ["A long name of a category, " * 6, "高级客户" * 40])
def test_charts_shorten_names_and_sheets_do_not(name: str) -> None:
    opened = book(categories((name, "Tea")))

    assert table(opened["Category preference"])[0]["Segment"] == name
    label = opened["Chart data"]["A2"].value
    assert label.endswith("…")
    assert name.startswith(label[:-1])
    assert 12 <= len(label) <= 30


def test_dimensions_stand_in_one_order_whatever_they_brought() -> None:
    made = categories(("Tea", "Milk"))
    turned = replace(made, groups=tuple(reversed(made.groups)))

    opened = book(turned)

    assert opened.sheetnames == BEHAVIOR
    assert [opened["Chart data"].cell(row, 1).value for row in (1, 5, 9)] == BEHAVIOR[1:4]


@pytest.mark.parametrize("name", FORMULAS)
def test_a_name_that_looks_like_a_formula_is_text(name: str) -> None:
    made = categories((name, "Tea"), business=name, storefront=name)

    cells = [cell for sheet in book(made) for row in sheet.iter_rows() for cell in row if cell.value == name]

    assert len(cells) >= 3
    assert {(cell.data_type, cell.quotePrefix) for cell in cells if not name.startswith("#")} <= {("s", True)}
    assert {cell.data_type for cell in cells} == {"s"}
    assert b"<f>" not in b"".join(parts(made, "xl/worksheets/"))


def test_characters_that_no_sheet_may_hold_are_replaced() -> None:
    made = categories(("a\x00b\x0bc\ufffe", "Tea"))

    assert table(book(made)["Category preference"])[0]["Segment"] == "a\ufffdb\ufffdc\ufffd"


def parts(made: ReportDocument, folder: str) -> list[bytes]:
    with zipfile.ZipFile(io.BytesIO(render_report_xlsx(made))) as archive:
        return [archive.read(name) for name in archive.namelist() if name.startswith(folder)]


def test_every_dimension_has_a_chart_of_customers_and_one_of_revenue() -> None:
    assert len(parts(eight_segments(), "xl/charts/")) == 2
    charts = parts(categories(("Tea", "Milk")), "xl/charts/")
    assert len(charts) == 6
    assert all(b"<barChart>" in chart for chart in charts)
    # Bars that began elsewhere would be as long as nothing.
    assert all(b'<min val="0" />' in chart for chart in charts)


def test_a_chart_shows_the_long_tail_as_other_and_the_sheet_shows_all_of_it() -> None:
    made = categories(MANY)

    opened = book(made)

    assert [row["Segment"] for row in table(opened["Category preference"])] == list(MANY)
    data = [[cell.value for cell in row] for row in opened["Chart data"].iter_rows(max_row=13)]
    assert [row[0] for row in data[1:12]] == list(MANY[:11])
    groups = made.dimensions["category"]
    customers, revenue = (sum(getattr(group, name) for group in groups[11:]) for name in ("customers", "revenue"))
    assert data[12] == [f"{OTHER} (289)", customers, float(revenue)]
    assert sum(row[1] for row in data[1:13]) == sum(group.customers for group in groups)


def test_the_heat_map_is_coloured_by_the_sheet_itself() -> None:
    made = eight_segments()

    sheet = book(made)["Heat map"]

    assert made.matrix is not None
    shown = [[sheet.cell(row, column).value for column in range(2, 7)] for row in range(4, 9)]
    assert shown == [list(made.matrix[recency - 1]) for recency in range(5, 0, -1)]
    assert [sheet.cell(row, 1).value for row in range(4, 9)] == ["R5", "R4", "R3", "R2", "R1"]
    (rules,) = sheet.conditional_formatting
    assert str(rules.sqref) == "B4:F8"
    assert rules.rules[0].type == "colorScale"


def test_an_empty_report_is_a_workbook_too() -> None:
    empty = eight_segments(cells=None, totals=sum_up(0, 0, Decimal(0)), method=Method.VALUE)

    opened = book(replace(empty, groups=(), unclassified=None))

    assert opened.sheetnames == ["Summary", "Chart data"]


def test_the_document_of_one_customer_adds_up() -> None:
    one = replace(eight_segments().groups[0], customers=1, previous_customers=None, orders=1, revenue=Decimal("0.01"))

    found = table(book(document((one,)))["RFM segments"])

    assert (found[0]["Customers"], found[0]["Customers before"], found[0]["Change"]) == (1, None, None)
    assert found[0]["Revenue"] == 0.01
