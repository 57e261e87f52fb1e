"""The report as a workbook: a summary with native charts, a sheet a dimension, and for RFM the heat map of recency by
frequency. Amounts are numbers in the business's currency; charts show the long tail as Other, sheets show every row."""

from datetime import date
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

from openpyxl import Workbook
from openpyxl.chart import BarChart, Reference
from openpyxl.formatting.rule import ColorScaleRule
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter

from domain.calendar import zone
from domain.report_document import DIMENSION_TITLES, DocumentGroup, ReportDocument, slices
from persistence.exports.cells import Cell
from persistence.exports.xlsx_cells import fill, fitting, line_count, money_format, row_height, shortened

WHOLE, SHARE, MEAN = "#,##0", "0.0%", "#,##0.0"
MONEY, DIGIT = "money", "0"
DIGIT_WIDTH = 6.0
ACROSS: dict[str | None, str] = {None: "left", DIGIT: "center"}
"""Where text and digits stand in their columns; numbers stand on the right."""
LONGEST_LABEL = 30
"""Columns of a name at the axis of a chart, which would be squeezed by longer ones; the sheets hold names in full."""
TITLE, BOLD = Font(name="Calibri", bold=True, size=14), Font(name="Calibri", bold=True)
HEAD = PatternFill("solid", fgColor="DDE6F0")
CHART_WIDTH, CHART_HEIGHT, CHART_ROWS = 16.0, 9.0, 19
COLUMNS: tuple[tuple[str, str | None], ...] = (
    ("Segment", None),
    ("Code", None),
    ("Customers", WHOLE),
    ("Share of customers", SHARE),
    ("Customers before", WHOLE),
    ("Change", "+#,##0;-#,##0;0"),
    ("Orders", WHOLE),
    ("Revenue", MONEY),
    ("Share of revenue", SHARE),
    ("Average order", MONEY),
    ("Average spend", MONEY),
    ("Average orders", MEAN),
    ("Days since last purchase", MEAN),
    ("R", DIGIT),
    ("F", DIGIT),
    ("M", DIGIT),
    ("Description", None),
    ("Recommended actions", None),
)


def report_xlsx(document: ReportDocument) -> bytes:
    """The bytes of the workbook."""
    file = BytesIO()
    ReportBook(document).book.save(file)
    return file.getvalue()


class ReportBook:
    """The workbook of one report."""

    def __init__(self, document: ReportDocument) -> None:
        self.document = document
        self.tz: ZoneInfo = zone(document.time_zone)
        self.money = money_format(document.currency, document.decimals)
        self.book = Workbook()
        self.book.properties.creator = "segments"
        self.book.properties.title = "Customer segmentation report"
        self.book.properties.created = document.generated_at.replace(tzinfo=None)
        summary = self.book.active
        summary.title = "Summary"
        for dimension, groups in document.dimensions.items():
            self._dimension(DIMENSION_TITLES.get(dimension, dimension.title()), groups)
        if document.matrix is not None:
            self._heat_map(document.matrix)
        data = self.book.create_sheet("Chart data")
        self._summary(summary)
        self._charts(summary, data)

    def _put(self, sheet: Any, row: int, column: int, value: Cell | date, form: str | None = None) -> Any:
        cell = fill(sheet.cell(row, column), value, self.tz)
        if form is not None:
            cell.number_format = self.money if form == MONEY else form
        return cell

    def _summary(self, sheet: Any) -> None:
        document, found = self.document, self.document.insights
        self._put(sheet, 1, 1, f"{document.business}: customer segmentation").font = TITLE
        lines: list[tuple[str, Cell | date, str | None]] = [
            ("Method", document.method.value, None),
            *([("Scheme", document.scheme.value, None)] if document.matrix is not None else []),
            ("First day", document.first, "yyyy-mm-dd"),
            ("Last day", document.last, "yyyy-mm-dd"),
            ("Days", document.days, WHOLE),
            ("Time zone", document.time_zone, None),
            ("Storefront", "All" if document.storefront is None else document.storefront, None),
            ("Currency", document.currency, None),
            ("Generated at (local time)", document.generated_at, "yyyy-mm-dd hh:mm:ss"),
            ("Customers", document.customers, WHOLE),
            ("Customers in the window before", document.previous_customers, WHOLE),
            ("Orders", document.orders, WHOLE),
            ("Revenue", document.revenue, MONEY),
            ("Average order", document.average_order, MONEY),
            ("Average spend of a customer", document.average_spend, MONEY),
            ("Highest revenue segment", found.highest_revenue, None),
            ("Largest segment", found.largest, None),
            ("Fastest growing segment", found.fastest_growing, None),
            ("Needs attention", found.needs_attention, None),
        ]
        wide = fitting([str(line[1]) for line in lines])
        for row, (name, value, form) in enumerate(lines, 3):
            label = self._put(sheet, row, 1, name)
            label.font, label.alignment = BOLD, Alignment(vertical="top")
            cell = self._put(sheet, row, 2, "None" if value is None else value, form)
            cell.alignment = Alignment(horizontal="left", vertical="top", wrap_text=form is None)
            sheet.row_dimensions[row].height = row_height(line_count(str(value), wide))
        sheet.column_dimensions["A"].width = fitting([line[0] for line in lines])
        sheet.column_dimensions["B"].width = wide
        sheet.freeze_panes = "A2"
        _on_pages(sheet)

    def _dimension(self, title: str, groups: tuple[DocumentGroup, ...]) -> None:
        sheet: Any = self.book.create_sheet(title)
        rows = [_values(group) for group in groups]
        # Programs that do not measure text show as many lines as the row is high.
        heights = [1] * (len(rows) + 1)
        for column, (name, form) in enumerate(COLUMNS, 1):
            shown = [self._shown(values[column - 1], form) for values in rows]
            wide = DIGIT_WIDTH if form == DIGIT else fitting([*shown, *name.split()])
            sheet.column_dimensions[get_column_letter(column)].width = wide
            head = self._put(sheet, 1, column, name)
            head.font, head.fill = BOLD, HEAD
            head.alignment = Alignment(horizontal=ACROSS.get(form, "right"), vertical="top", wrap_text=True)
            heights[0] = max(heights[0], line_count(name, wide))
            for row, values in enumerate(rows, 2):
                cell = self._put(sheet, row, column, values[column - 1], form)
                cell.alignment = Alignment(horizontal=ACROSS.get(form), vertical="top", wrap_text=form is None)
                if form is None:
                    heights[row - 1] = max(heights[row - 1], line_count(shown[row - 2], wide))
        # Below the headings there is room for the buttons of the filter.
        heights[0] += 1
        for row, lines in enumerate(heights, 1):
            sheet.row_dimensions[row].height = row_height(lines)
        sheet.freeze_panes = "B2"
        sheet.auto_filter.ref = f"A1:{get_column_letter(len(COLUMNS))}{len(rows) + 1}"
        sheet.print_title_rows = "1:1"
        _on_pages(sheet)

    def _shown(self, value: Cell, form: str | None) -> str:
        """About what the cell shows, for its width."""
        if value is None:
            return ""
        if form == MONEY:
            return f"{self.document.currency} {value:,}"
        return "0.0" if form in (SHARE, MEAN) else str(value)

    def _heat_map(self, matrix: tuple[tuple[int, ...], ...]) -> None:
        sheet: Any = self.book.create_sheet("Heat map")
        self._put(sheet, 1, 1, "Customers by recency (rows) and frequency (columns)").font = TITLE
        for frequency in range(1, 6):
            head = self._put(sheet, 3, frequency + 1, f"F{frequency}")
            head.font, head.fill, head.alignment = BOLD, HEAD, Alignment(horizontal="center")
        for row, recency in enumerate(range(5, 0, -1), 4):
            head = self._put(sheet, row, 1, f"R{recency}")
            head.font, head.fill = BOLD, HEAD
            for frequency in range(1, 6):
                cell = self._put(sheet, row, frequency + 1, matrix[recency - 1][frequency - 1], WHOLE)
                cell.alignment = Alignment(horizontal="center")
        colours = ColorScaleRule(start_type="min", start_color="FFFFFF", end_type="max", end_color="2F6DB5")
        sheet.conditional_formatting.add("B4:F8", colours)
        sheet.freeze_panes = "B4"

    def _charts(self, summary: Any, data: Any) -> None:
        row = 1
        for place, (dimension, groups) in enumerate(self.document.dimensions.items()):
            title = DIMENSION_TITLES.get(dimension, dimension.title())
            bars = slices(groups)
            for column, head in enumerate((title, "Customers", "Revenue"), 1):
                self._put(data, row, column, head).font = BOLD
            for offset, bar in enumerate(bars, 1):
                self._put(data, row + offset, 1, shortened(bar.name, LONGEST_LABEL))
                self._put(data, row + offset, 2, bar.customers, WHOLE)
                self._put(data, row + offset, 3, bar.revenue, MONEY)
            names = Reference(data, min_col=1, min_row=row + 1, max_row=row + len(bars))
            for column, what in ((2, "Customers"), (3, f"Revenue ({self.document.currency})")):
                values = Reference(data, min_col=column, min_row=row, max_row=row + len(bars))
                chart = _bars(f"{what}: {title}", values, names)
                anchor = f"{'D' if column == 2 else 'N'}{2 + place * CHART_ROWS}"
                summary.add_chart(chart, anchor)
            row += len(bars) + 2
        data.column_dimensions["A"].width = LONGEST_LABEL + 2
        data.column_dimensions["C"].width = 20
        data.freeze_panes = "B2"


def _on_pages(sheet: Any) -> None:
    """Printed as wide as a page, which lies."""
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True


def _bars(title: str, values: Reference, names: Reference) -> BarChart:
    chart = BarChart()
    chart.type, chart.style, chart.title, chart.legend = "bar", 10, title, None
    chart.add_data(values, titles_from_data=True)
    chart.set_categories(names)
    chart.width, chart.height, chart.gapWidth = CHART_WIDTH, CHART_HEIGHT, 40
    # The first group stands at the top, as in the table.
    chart.x_axis.scaling.orientation = "maxMin"
    # Some programs draw no axis that does not say so.
    chart.x_axis.delete = chart.y_axis.delete = False
    chart.y_axis.number_format = WHOLE
    # Others let bars begin at the smallest value.
    chart.y_axis.scaling.min = 0
    return chart


def _values(group: DocumentGroup) -> list[Cell]:
    before = group.previous_customers
    return [
        group.name,
        group.code,
        group.customers,
        group.customer_share,
        before,
        None if before is None else group.customers - before,
        group.orders,
        group.revenue,
        group.revenue_share,
        group.average_order,
        group.average_spend,
        group.average_frequency,
        group.average_age,
        *(group.scores or (None, None, None)),
        group.description,
        "\n".join(group.actions),
    ]
