"""The report as a workbook, opened again: real numbers with real formats, text that never runs, charts that name at
most twelve groups and sheets that list all."""

import io
import re
import zipfile
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from openpyxl import load_workbook

from domain.classification.groups import Meaning, Method
from domain.reports.brand import COLOURS, RULE, Brand
from domain.reports.document import OTHER, ReportDocument
from domain.reports.insights import Insights
from persistence.exports.xlsx import render_report_xlsx
from tests.shops.report_documents import categories, document, eight_segments, sum_up, trended

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
    assert said["Report"] == "RFM, eight segments"
    assert said["First day"] == datetime(2026, 7, 1)
    assert said["Generated at (local time)"] == datetime(2026, 9, 28, 14, 5, 33)
    assert said["Storefront"] == "Mitte"


def test_the_headline_figures_stand_beside_those_of_the_window_before() -> None:
    sheet = book(eight_segments())["Summary"]

    head = next(row for row in range(1, 30) if sheet.cell(row, 1).value == "Figure")
    found = [[cell.value for cell in row[:6]] for row in sheet.iter_rows(min_row=head, max_row=head + 5)]
    assert found[0] == ["Figure", "This window", "Window before", "Change", "Growth", "Change is"]
    assert found[1] == ["Customers", 1000, 939, 61, pytest.approx(61 / 939), "better"]
    assert found[2] == ["Revenue (EUR)", 353213.38, 334100.91, 19112.47, pytest.approx(0.0572, rel=0.01), "better"]
    assert [row[0] for row in found[3:]] == ["Orders", "Average order (EUR)", "Spend per customer (EUR)"]
    assert found[5][3:] == [-2.6, pytest.approx(-2.6 / 355.81), "worse"]
    assert [sheet.cell(row, 2).number_format for row in range(head + 1, head + 6)] == [
        "#,##0",
        "#,##0",
        "#,##0",
        "#,##0.00",
        "#,##0.00",
    ]
    assert sheet.cell(head + 1, 4).font.color.rgb[2:] == COLOURS[Meaning.GOOD][1:]
    assert sheet.cell(head + 5, 4).font.color.rgb[2:] == COLOURS[Meaning.BAD][1:]


def test_without_a_window_before_the_figures_say_so() -> None:
    sheet = book(eight_segments(previous=None))["Summary"]

    said = [row[2].value for row in sheet.iter_rows() if row[0].value in ("Customers", "Orders", "Revenue (EUR)")]
    assert said == ["no purchases in the window before"] * 3


def test_the_sheet_of_a_dimension_holds_every_number_of_the_document() -> None:
    made = eight_segments()

    *found, total = table(book(made)["RFM segments"])

    assert [row["Segment"] for row in found] == [group.name for group in made.rows]
    first = found[0]
    assert (first["Customers"], first["Customers before"], first["Change"], first["Orders"]) == (124, 118, 6, 1116)
    assert (first["Revenue (EUR)"], first["Average order (EUR)"], first["Average spend (EUR)"]) == (
        148204.5,
        132.8,
        1195.2,
    )
    assert (first["Orders before"], first["Revenue before (EUR)"]) == (1062, 141033.31)
    assert (first["Share of customers"], first["Days since last purchase"], first["Average orders"]) == (0.124, 8, 9)
    assert first["Recommended actions"].splitlines() == list(made.rows[0].actions)
    assert total["Segment"] == "All customers"
    assert sum(Decimal(str(row["Revenue (EUR)"])) for row in found) == Decimal(str(total["Revenue (EUR)"]))
    for name in ("Customers", "Customers before", "Change", "Orders"):
        assert sum(row[name] for row in found) == total[name], name
    assert (total["Share of customers"], total["Share of revenue"], total["Average order (EUR)"]) == (1, 1, 107.39)


def test_changes_have_a_colour_and_a_word_for_what_they_mean() -> None:
    sheet = book(eight_segments())["RFM segments"]

    said = {row[0].value: (row[5].value, row[6].value, row[5].font.color.rgb[2:].lower()) for row in sheet.iter_rows()}
    good, bad, neither = (COLOURS[meaning][1:] for meaning in (Meaning.GOOD, Meaning.BAD, Meaning.NEUTRAL))
    assert said["Champions"] == (6, "better", good)
    assert said["Loyal Customers"] == (-14, "worse", bad)
    assert said["At Risk"] == (27, "worse", bad)
    assert said["Need Attention"] == (-11, "better", good)
    assert said["Promising"] == (0, None, neither)
    assert said["Unclassified"] == (9, None, neither)


@pytest.mark.parametrize(
    ("currency", "decimals", "form"), [("EUR", 2, "#,##0.00"), ("JPY", 0, "#,##0"), ("KWD", 3, "#,##0.000")]
)
def test_amounts_have_the_decimals_of_the_currency_where_they_are_not_large(
    currency: str, decimals: int, form: str
) -> None:
    sheet = book(eight_segments(currency=currency, decimals=decimals))["RFM segments"]

    formats = {cell.value: sheet.cell(2, cell.column).number_format for cell in sheet[1]}
    assert formats[f"Revenue ({currency})"] == "#,##0"
    assert formats[f"Average order ({currency})"] == formats[f"Average spend ({currency})"] == form
    assert (formats["Customers"], formats["Share of revenue"]) == ("#,##0", "0.0%")


def test_headers_are_frozen_and_columns_as_wide_as_what_stands_in_them() -> None:
    sheet = book(categories(("高级客户" * 4, "Tea")))["Category preference"]

    assert sheet.freeze_panes == "B2"
    assert sheet.auto_filter.ref == "A1:U3"
    # Sixteen wide characters, and a margin.
    assert sheet.column_dimensions["A"].width == 34
    assert sheet.column_dimensions["C"].width >= 10


def test_rows_are_as_high_as_what_stands_in_them() -> None:
    made = book(eight_segments())
    sheet, summary = made["RFM segments"], made["Summary"]

    heights = [sheet.row_dimensions[row].height for row in range(1, 11)]

    # "Days since last purchase" takes three lines, and the buttons of the filter one; each group has three actions.
    assert heights == [60] + [45] * 9
    assert sheet.row_dimensions[11].height == 15
    assert {summary.row_dimensions[row].height for row in range(3, 11)} == {15}
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
    assert (across["Revenue (EUR)"][0], across["Revenue (EUR)"][1].horizontal) == ("right", None)
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
    made = categories((name, "Tea"), business=name, storefront=name, insights=Insights(name))

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


def test_every_dimension_has_charts_of_customers_revenue_and_change() -> None:
    without = eight_segments(previous=None)

    charts = parts(categories(("Tea", "Milk")), "xl/charts/")

    assert (len(parts(eight_segments(), "xl/charts/")), len(parts(without, "xl/charts/"))) == (3, 2)
    assert len(charts) == 9
    assert all(b"<barChart>" in chart for chart in charts)
    # Bars that began elsewhere would be as long as nothing.
    assert sum(b'<min val="0" />' in chart for chart in charts) == 6


def test_charts_have_light_lines_and_draw_what_stands_on_the_hidden_sheet() -> None:
    made = trended(eight_segments())

    charts = parts(made, "xl/charts/")

    assert book(made)["Chart data"].sheet_state == "hidden"
    assert len(charts) == 5
    light = f'<a:srgbClr val="{RULE[1:]}"'.encode()
    assert all(b'<plotVisOnly val="0" />' in chart and light in chart for chart in charts)


def test_what_is_worse_is_striped_and_what_is_better_is_not() -> None:
    made = eight_segments()

    change = parts(made, "xl/charts/")[2].decode()

    points = re.findall(r"<dPt>.*?</dPt>", change, re.DOTALL)
    looks = ["striped" if "<a:pattFill" in point else re.findall(r'val="(\w{6})"', point)[0] for point in points]
    good, neither = COLOURS[Meaning.GOOD][1:], COLOURS[Meaning.NEUTRAL][1:]
    named = dict(zip([group.name for group in made.rows], looks, strict=True))
    assert {name for name, look in named.items() if look == "striped"} == {"Loyal Customers", "At Risk"}
    assert {name for name, look in named.items() if look == neither} == {"Promising", "Unclassified"}
    assert {look for look in looks if look != "striped"} == {good, neither}
    assert COLOURS[Meaning.BAD][1:] in change


def test_charts_and_headings_have_the_colour_of_the_business() -> None:
    made = eight_segments(brand=Brand("#7b1fa2"), currency_label="€")

    assert b'val="7b1fa2"' in parts(made, "xl/charts/")[0]
    sheet = book(made)["RFM segments"]
    assert sheet["A1"].fill.fgColor.rgb[2:] == "7b1fa2"
    assert "Revenue (€)" in [cell.value for cell in sheet[1]]


def test_the_trend_has_every_group_in_every_window() -> None:
    made = trended(eight_segments())
    assert made.trend is not None

    sheet = book(made)["Trend"]

    rows = [[cell.value for cell in row[:13]] for row in sheet.iter_rows()]
    heads = [place for place, row in enumerate(rows) if row[0] == "Segment"]
    assert [rows[place - 1][0] for place in heads] == ["Customers: RFM segments", "Revenue (EUR): RFM segments"]
    assert [day.date() for day in rows[heads[0]][1:]] == list(made.trend.dates)
    for place, name in zip(heads, ("customers", "revenue"), strict=True):
        listed = rows[place + 1 : place + 1 + len(made.rows)]
        assert [row[0] for row in listed] == [group.name for group in made.rows]
        assert [row[1:] for row in listed] == [
            [float(each) for each in getattr(one, name)] for one in made.trend.series
        ]
        assert rows[place + 1 + len(made.rows)][0] == "All customers"


def test_pages_are_printed_as_wide_as_they_are_with_whose_report_it_is_on_each() -> None:
    opened = book(trended(eight_segments(business="Brückner & Söhne")))

    for sheet in opened.worksheets[:-1]:
        assert sheet.sheet_properties.pageSetUpPr.fitToPage is True
        assert sheet.oddHeader.left.text == "Brückner && Söhne: customer segmentation, RFM, eight segments"
        assert sheet.oddHeader.right.text == "2026-07-01 to 2026-09-28"
        assert sheet.oddFooter.right.text == "Page &P of &N"
        assert sheet.HeaderFooter.scaleWithDoc is False
    assert [sheet.page_setup.fitToHeight for sheet in opened.worksheets[:-1]] == [1, 0, 0, 1]
    assert opened["RFM segments"].print_title_rows == "$1:$1"
    assert opened["Trend"].page_setup.orientation == "landscape"
    assert book(trended(categories(("Books", "Games"))))["Trend"].page_setup.orientation == "portrait"


def test_the_same_document_gives_the_same_bytes() -> None:
    made = trended(eight_segments())

    assert render_report_xlsx(made) == render_report_xlsx(replace(made))


def test_a_chart_shows_the_long_tail_as_other_and_the_sheet_shows_all_of_it() -> None:
    made = categories(MANY)

    opened = book(made)

    assert [row["Segment"] for row in table(opened["Category preference"])] == [*MANY, "All customers"]
    data = [[cell.value for cell in row] for row in opened["Chart data"].iter_rows(max_row=13)]
    assert [row[0] for row in data[1:12]] == list(MANY[:11])
    groups = made.dimensions["category"]
    customers, revenue = (sum(getattr(group, name) for group in groups[11:]) for name in ("customers", "revenue"))
    assert data[12][:3] == [f"{OTHER} (289)", customers, float(revenue)]
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
    assert found[0]["Revenue (EUR)"] == 0.01
