"""Workbooks. A report has a summary with native charts, a sheet a dimension, and for RFM the heat map of recency by
frequency; charts show the long tail as Other, sheets show every row. Members are written row by row, so that a million
take no more memory than a thousand, and where a sheet is full the next one begins. Every cell says its type: text is
always text, however much it looks like a formula or an error; amounts carry the currency's format; instants are local,
as sheets know no zones."""

import asyncio
import unicodedata
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import ExitStack
from datetime import date, datetime
from decimal import Decimal
from io import BytesIO
from math import ceil
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock
from typing import Any
from zoneinfo import ZoneInfo

from openpyxl import Workbook
from openpyxl.cell import Cell as SheetCell
from openpyxl.cell import WriteOnlyCell
from openpyxl.chart import BarChart, Reference
from openpyxl.formatting.rule import ColorScaleRule
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter

from domain.calendar import load_zone
from domain.formulas import is_formula
from domain.money import find_exponent
from domain.reports.document import DIMENSION_TITLES, DocumentGroup, ReportDocument, build_slices
from domain.segments.member_export import MemberExport, MemberPage
from persistence.exports.csv import Cell, strip_unreadable

FIRST_YEAR = 1900
"""Sheets count days from here; what is earlier is shown as text."""
NARROWEST, WIDEST = 10, 60
LINE_HEIGHT, HIGHEST = 15.0, 409.0
"""Points of a line of text, and of the highest row that there can be."""


def build_money_format(currency: str, decimals: int) -> str:
    """The number format of amounts, such as [$EUR] #,##0.00; the same in every language of a spreadsheet."""
    places = f".{'0' * decimals}" if decimals else ""
    return f"[${currency}] #,##0{places}"


def fill(cell: SheetCell, value: Cell | date, tz: ZoneInfo) -> SheetCell:
    """Put the value into the cell with its true type."""
    if isinstance(value, str):
        cell.value = strip_unreadable(value)
        if cell.data_type != "s" or is_formula(value):
            cell.data_type = "s"
            # Without it, whoever edits the cell would make a formula of it.
            cell.quotePrefix = True
    elif isinstance(value, datetime):
        local = value.astimezone(tz).replace(tzinfo=None)
        cell.value = local if local.year >= FIRST_YEAR else local.isoformat(" ")
    elif isinstance(value, date) and value.year < FIRST_YEAR:
        cell.value = value.isoformat()
    else:
        cell.value = value
    return cell


def build_stream_cell(sheet: Any, value: Cell, tz: ZoneInfo) -> Any:
    """The value as a sheet that is written row by row takes it: a cell of its own only where a plain value would be
    misread, as such cells are dear."""
    if isinstance(value, str):
        if is_formula(value) or value[:1] == "#":
            return fill(WriteOnlyCell(sheet), value, tz)
        return strip_unreadable(value)
    if isinstance(value, datetime):
        local = value.astimezone(tz).replace(tzinfo=None)
        return local if local.year >= FIRST_YEAR else local.isoformat(" ")
    return value


def measure_width(text: str) -> int:
    """Columns that the text takes: wide characters count twice."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def fit_width(texts: Iterable[str]) -> float:
    """A column width for all lines of these texts."""
    return float(
        min(max([NARROWEST, *(measure_width(line) + 2 for text in texts for line in text.splitlines())]), WIDEST)
    )


def shorten_text(text: str, columns: int) -> str:
    """The text in at most so many columns, an ellipsis where it was longer."""
    if measure_width(text) <= columns:
        return text
    start = ""
    for letter in text:
        if measure_width(start + letter) >= columns:
            break
        start += letter
    return f"{start.rstrip()}…"


def count_lines(text: str, columns: float) -> int:
    """About how many lines the text takes in a column so wide, where it is broken between words."""
    count = 0
    for line in text.splitlines():
        left = 0.0
        for word in line.split(" "):
            needed = measure_width(word)
            if needed > left or not left:
                # A word that is longer than the column is broken, too.
                breaks = max(ceil(needed / columns), 1)
                count += breaks
                left = breaks * columns
            left -= needed + 1
    return max(count, 1)


def compute_row_height(lines: int) -> float:
    """The height of a row of so many lines."""
    return min(lines * LINE_HEIGHT, HIGHEST)


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


def render_report_xlsx(document: ReportDocument) -> bytes:
    file = BytesIO()
    ReportBook(document).book.save(file)
    return file.getvalue()


class ReportBook:
    def __init__(self, document: ReportDocument) -> None:
        self.document = document
        self.tz: ZoneInfo = load_zone(document.time_zone)
        self.money = build_money_format(document.currency, document.decimals)
        self.book = Workbook()
        self.book.properties.creator = "segments"
        self.book.properties.title = "Customer segmentation report"
        self.book.properties.created = document.generated_at.replace(tzinfo=None)
        summary = self.book.active
        summary.title = "Summary"
        for dimension, groups in document.dimensions.items():
            self._write_dimension(DIMENSION_TITLES.get(dimension, dimension.title()), groups)
        if document.matrix is not None:
            self._write_heat_map(document.matrix)
        data = self.book.create_sheet("Chart data")
        self._write_summary(summary)
        self._draw_charts(summary, data)

    def _put(self, sheet: Any, row: int, column: int, value: Cell | date, form: str | None = None) -> Any:
        cell = fill(sheet.cell(row, column), value, self.tz)
        if form is not None:
            cell.number_format = self.money if form == MONEY else form
        return cell

    def _write_summary(self, sheet: Any) -> None:
        document = self.document
        totals, before = document.totals, document.previous
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
            ("Customers", totals.customers, WHOLE),
            ("Customers in the window before", None if before is None else before.customers, WHOLE),
            ("Orders", totals.orders, WHOLE),
            ("Revenue", totals.revenue, MONEY),
            ("Average order", totals.average_order, MONEY),
            ("Average spend of a customer", totals.average_spend, MONEY),
            *(("Insights" if place == 0 else "", text, None) for place, text in enumerate(document.sentences)),
        ]
        wide = fit_width([str(line[1]) for line in lines])
        for row, (name, value, form) in enumerate(lines, 3):
            label = self._put(sheet, row, 1, name)
            label.font, label.alignment = BOLD, Alignment(vertical="top")
            cell = self._put(sheet, row, 2, "None" if value is None else value, form)
            cell.alignment = Alignment(horizontal="left", vertical="top", wrap_text=form is None)
            sheet.row_dimensions[row].height = compute_row_height(count_lines(str(value), wide))
        sheet.column_dimensions["A"].width = fit_width([line[0] for line in lines])
        sheet.column_dimensions["B"].width = wide
        sheet.freeze_panes = "A2"
        _on_pages(sheet)

    def _write_dimension(self, title: str, groups: tuple[DocumentGroup, ...]) -> None:
        sheet: Any = self.book.create_sheet(title)
        rows = [_list_values(group) for group in groups]
        # Programs that do not measure text show as many lines as the row is high.
        heights = [1] * (len(rows) + 1)
        for column, (name, form) in enumerate(COLUMNS, 1):
            shown = [self._estimate_text(values[column - 1], form) for values in rows]
            wide = DIGIT_WIDTH if form == DIGIT else fit_width([*shown, *name.split()])
            sheet.column_dimensions[get_column_letter(column)].width = wide
            head = self._put(sheet, 1, column, name)
            head.font, head.fill = BOLD, HEAD
            head.alignment = Alignment(horizontal=ACROSS.get(form, "right"), vertical="top", wrap_text=True)
            heights[0] = max(heights[0], count_lines(name, wide))
            for row, values in enumerate(rows, 2):
                cell = self._put(sheet, row, column, values[column - 1], form)
                cell.alignment = Alignment(horizontal=ACROSS.get(form), vertical="top", wrap_text=form is None)
                if form is None:
                    heights[row - 1] = max(heights[row - 1], count_lines(shown[row - 2], wide))
        # Below the headings there is room for the buttons of the filter.
        heights[0] += 1
        for row, lines in enumerate(heights, 1):
            sheet.row_dimensions[row].height = compute_row_height(lines)
        sheet.freeze_panes = "B2"
        sheet.auto_filter.ref = f"A1:{get_column_letter(len(COLUMNS))}{len(rows) + 1}"
        sheet.print_title_rows = "1:1"
        _on_pages(sheet)

    def _estimate_text(self, value: Cell, form: str | None) -> str:
        """About what the cell shows, for its width."""
        if value is None:
            return ""
        if form == MONEY:
            return f"{self.document.currency} {value:,}"
        return "0.0" if form in (SHARE, MEAN) else str(value)

    def _write_heat_map(self, matrix: tuple[tuple[int, ...], ...]) -> None:
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

    def _draw_charts(self, summary: Any, data: Any) -> None:
        row = 1
        for place, (dimension, groups) in enumerate(self.document.dimensions.items()):
            title = DIMENSION_TITLES.get(dimension, dimension.title())
            bars = build_slices(groups)
            for column, head in enumerate((title, "Customers", "Revenue"), 1):
                self._put(data, row, column, head).font = BOLD
            for offset, bar in enumerate(bars, 1):
                self._put(data, row + offset, 1, shorten_text(bar.name, LONGEST_LABEL))
                self._put(data, row + offset, 2, bar.customers, WHOLE)
                self._put(data, row + offset, 3, bar.revenue, MONEY)
            names = Reference(data, min_col=1, min_row=row + 1, max_row=row + len(bars))
            for column, what in ((2, "Customers"), (3, f"Revenue ({self.document.currency})")):
                values = Reference(data, min_col=column, min_row=row, max_row=row + len(bars))
                chart = _build_bar_chart(f"{what}: {title}", values, names)
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


def _build_bar_chart(title: str, values: Reference, names: Reference) -> BarChart:
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


def _list_values(group: DocumentGroup) -> list[Cell]:
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


LARGEST_SHEET = 1_048_576
"""Rows of a sheet."""
PIECE = 1 << 18
WIDTHS = {"name": 28, "email": 30, "segment": 24, "assigned_at": 20, "last_purchase_at": 20, "customer_id": 18}
PLAIN_WIDTH = 14


async def write_members_xlsx(export: MemberExport, pages: AsyncIterator[MemberPage]) -> AsyncGenerator[bytes, None]:
    """The workbook; its bytes come when it is whole, as its table of contents stands at the end."""
    book = MemberBook(export)
    try:
        async for page in pages:
            await asyncio.to_thread(book.append, page)
        await asyncio.to_thread(book.save)
        while piece := await asyncio.to_thread(book.read):
            yield piece
    finally:
        # Whoever is stopped may be stopped again and again, and could not wait for what a thread still writes.
        await asyncio.shield(asyncio.to_thread(book.discard))


class MemberBook:
    """A workbook that grows. Its steps are taken in threads, which cannot be stopped: each waits for the one before, so
    that nothing is taken away from under it."""

    def __init__(self, export: MemberExport) -> None:
        self.export = export
        self.turn = Lock()
        self.held = ExitStack()
        self.tz = load_zone(export.business.time_zone)
        self.book = Workbook(write_only=True)
        self.format = build_money_format(export.business.currency, find_exponent(export.business.currency))
        self.rows = 0
        self.sheet: Any = None
        self._begin()

    def _begin(self) -> None:
        number = len(self.book.worksheets) + 1
        self.sheet = self.book.create_sheet("Members" if number == 1 else f"Members {number}")
        self.sheet.freeze_panes = "A2"
        heads = []
        for place, name in enumerate(self.export.columns, 1):
            self.sheet.column_dimensions[get_column_letter(place)].width = WIDTHS.get(name, PLAIN_WIDTH)
            head = WriteOnlyCell(self.sheet, name)
            head.font = Font(name="Calibri", bold=True)
            heads.append(head)
        self.sheet.append(heads)
        # One cell for every amount: what is appended is written at once.
        self.amount = WriteOnlyCell(self.sheet)
        self.amount.number_format = self.format
        self.rows = 1

    def append(self, page: MemberPage) -> None:
        with self.turn:
            for row in page:
                if self.rows == LARGEST_SHEET:
                    self.sheet.close()
                    self._begin()
                self.sheet.append([self._make_cell(value) for value in row])
                self.rows += 1

    def _make_cell(self, value: Any) -> Any:
        if isinstance(value, Decimal):
            self.amount.value = value
            return self.amount
        return build_stream_cell(self.sheet, value, self.tz)

    def save(self) -> None:
        """Write the finished file and stand at its beginning."""
        with self.turn:
            self.file = self.held.enter_context(TemporaryFile())  # noqa: SIM115
            self.book.save(self.file)
            self.file.seek(0)

    def read(self) -> bytes:
        """The next piece of the finished file; empty at its end."""
        with self.turn:
            piece: bytes = self.file.read(PIECE)
            return piece

    def discard(self) -> None:
        """Take away what lies on the disk, also of a book that was not saved."""
        with self.turn:
            self.held.close()
            for sheet in self.book.worksheets:
                if not sheet.closed:
                    sheet.close()
                if Path(sheet._writer.out).exists():
                    sheet._writer.cleanup()
