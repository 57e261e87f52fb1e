"""A report as a workbook: a summary with native charts, a sheet a dimension, for RFM the heat map of recency by
frequency, and the trend. Charts show the long tail as Other, sheets show every row with every decimal. Whatever has a
colour for its meaning says it in a word, too. The same document gives the same bytes."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from io import BytesIO
from math import ceil
from os import PathLike
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo
from zoneinfo import ZoneInfo

from openpyxl import Workbook
from openpyxl.chart import AreaChart, BarChart, Reference
from openpyxl.chart.marker import DataPoint
from openpyxl.chart.shapes import GraphicalProperties
from openpyxl.chart.text import RichText
from openpyxl.drawing.fill import ColorChoice, PatternFillProperties
from openpyxl.drawing.line import LineProperties
from openpyxl.drawing.text import CharacterProperties, Paragraph, ParagraphProperties
from openpyxl.formatting.rule import ColorScaleRule
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.writer.excel import ExcelWriter

from domain.calendar import load_zone
from domain.classification.groups import Meaning
from domain.reports.brand import (
    COLOURS,
    GREY,
    PALE,
    RULE,
    VERDICTS,
    WHITE,
    judge_change,
    lighten_until_readable,
    mix_colours,
)
from domain.reports.document import DIMENSION_TITLES, FIGURES, DocumentGroup, ReportDocument, build_slices
from domain.reports.figures import choose_decimals
from domain.reports.trend import TrendSeries, list_bands
from persistence.exports.csv import Cell
from persistence.exports.xlsx_cells import compute_row_height, count_lines, fill, fit_width, shorten_text

EARLIEST = (1980, 1, 1, 0, 0, 0)
"""What a ZIP file may say at least of the time of its parts."""
WHOLE, SHARE, MEAN, DAY = "#,##0", "0.0%", "#,##0.0", "yyyy-mm-dd"
CHANGE, GROWTH = "+#,##0;-#,##0;0", "+0.0%;-0.0%;0.0%"
MONEY, DIGIT, WORD = "money", "0", "word"
DIGIT_WIDTH = 6.0
ACROSS: dict[str | None, str] = {None: "left", DIGIT: "center", WORD: "center"}
"""Where text, digits and single words stand in their columns; numbers stand on the right."""
LONGEST_LABEL = 30
"""Columns of a name at the axis of a chart, which would be squeezed by longer ones; the sheets hold names in full."""
LONGEST_HEADING = 80
"""Characters of a name at the head of printed pages, which may hold 255 in all."""
TITLE, BOLD = Font(name="Calibri", bold=True, size=14), Font(name="Calibri", bold=True)
ROW_LINE, SUM_LINE = Border(top=Side("thin", color=RULE[1:])), Border(top=Side("thin", color=GREY[1:]))
CHART_WIDTH, CHART_HEIGHT, CHART_ROWS = 11.0, 8.0, 16
CHART_COLUMNS = ("A", "D")
ONE_PAGE = 120
"""Rows that can be read where they are printed on one page."""
COLUMNS: tuple[tuple[str, str | None], ...] = (
    ("Segment", None),
    ("Code", None),
    ("Customers", WHOLE),
    ("Share of customers", SHARE),
    ("Customers before", WHOLE),
    ("Change", CHANGE),
    ("Change is", WORD),
    ("Orders", WHOLE),
    ("Orders before", WHOLE),
    ("Revenue", MONEY),
    ("Share of revenue", SHARE),
    ("Revenue before", MONEY),
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
CHANGE_COLUMNS = [place for place, (name, _) in enumerate(COLUMNS, 1) if name in ("Change", "Change is")]


def render_report_xlsx(document: ReportDocument) -> bytes:
    file = BytesIO()
    with StableZip(file, "w", ZIP_DEFLATED) as archive:
        ExcelWriter(ReportBook(document).book, archive).write_data()
    return file.getvalue()


class StableZip(ZipFile):
    """A ZIP file that says nothing of when it was made."""

    def writestr(self, zinfo_or_arcname: str | ZipInfo, data: Any, *more: Any, **named: Any) -> None:
        name = zinfo_or_arcname if isinstance(zinfo_or_arcname, str) else zinfo_or_arcname.filename
        part = ZipInfo(name, EARLIEST)
        part.compress_type = ZIP_DEFLATED
        super().writestr(part, data, *more, **named)

    def write(self, filename: str | PathLike[str], arcname: Any = None, *more: Any, **named: Any) -> None:
        self.writestr(arcname, Path(filename).read_bytes())


class ReportBook:
    def __init__(self, document: ReportDocument) -> None:
        self.document = document
        self.tz: ZoneInfo = load_zone(document.time_zone)
        self.label = document.currency_label
        self.accent = document.brand.accent
        self.head = PatternFill("solid", fgColor=self.accent[1:])
        self.pale = PatternFill("solid", fgColor=PALE[1:])
        self.book = Workbook()
        properties = self.book.properties
        properties.creator, properties.title = "segments", "Customer segmentation report"
        properties.created = properties.modified = document.generated_at.replace(tzinfo=None)
        summary = self.book.active
        summary.title = "Summary"
        for dimension, groups in document.dimensions.items():
            self._write_dimension(get_title(dimension), groups)
        if document.matrix is not None:
            self._write_heat_map(document.matrix)
        self.data: Any = self.book.create_sheet("Chart data")
        self.data.sheet_state = "hidden"
        self.data_row = 1
        self._write_summary(summary)
        if document.trend is not None:
            self._write_trend(self.book.create_sheet("Trend", index=len(self.book.sheetnames) - 1))

    def _put(self, sheet: Any, row: int, column: int, value: Cell | date, form: str | None = None) -> Any:
        cell = fill(sheet.cell(row, column), value, self.tz)
        if form is not None:
            cell.number_format = form
        return cell

    def _put_head(self, sheet: Any, row: int, column: int, text: Cell | date, across: str = "left") -> Any:
        head = self._put(sheet, row, column, text, DAY if isinstance(text, date) else None)
        head.font, head.fill = Font(name="Calibri", bold=True, color=WHITE[1:]), self.head
        head.alignment = Alignment(horizontal=across, vertical="top", wrap_text=True)
        return head

    def _build_money_format(self, amounts: Sequence[Decimal | None]) -> str:
        """The number format of amounts that stand together; what they are in is said above them."""
        places = choose_decimals(amounts, self.document.decimals)
        return f"#,##0.{'0' * places}" if places else WHOLE

    def _write_summary(self, sheet: Any) -> None:
        document = self.document
        title = self._put(sheet, 1, 1, f"{document.business}: customer segmentation")
        title.font, title.alignment = TITLE, Alignment(vertical="top", wrap_text=True)
        sheet.merge_cells(start_row=1, end_row=1, start_column=1, end_column=6)
        sheet.row_dimensions[1].height = compute_row_height(ceil(1.4 * count_lines(title.value, 75)))
        lines: list[tuple[str, Cell | date, str | None]] = [
            ("Report", document.kind, None),
            ("First day", document.first, DAY),
            ("Last day", document.last, DAY),
            ("Days", document.days, WHOLE),
            ("Time zone", document.time_zone, None),
            ("Storefront", "All" if document.storefront is None else document.storefront, None),
            ("Currency", document.currency, None),
            ("Generated at (local time)", document.generated_at, "yyyy-mm-dd hh:mm:ss"),
        ]
        sheet.column_dimensions["A"].width = 28.0
        for column in "BCDEF":
            sheet.column_dimensions[column].width = 16.0
        row = 3
        for name, value, form in lines:
            label = self._put(sheet, row, 1, name)
            label.font, label.alignment = BOLD, Alignment(vertical="top")
            cell = self._put(sheet, row, 2, value, form)
            cell.alignment = Alignment(horizontal="left", vertical="top", wrap_text=form is None)
            sheet.merge_cells(start_row=row, end_row=row, start_column=2, end_column=6)
            sheet.row_dimensions[row].height = compute_row_height(count_lines(str(value), 80))
            row += 1
        row = self._write_figures(sheet, row + 1)
        self._put(sheet, row, 1, "Insights").font = BOLD
        for sentence in document.sentences:
            row += 1
            cell = self._put(sheet, row, 1, sentence)
            cell.alignment = Alignment(vertical="top", wrap_text=True)
            sheet.merge_cells(start_row=row, end_row=row, start_column=1, end_column=6)
            sheet.row_dimensions[row].height = compute_row_height(count_lines(sentence, 100))
        self._draw_charts(sheet, row + 2)
        sheet.freeze_panes = "A2"
        self._on_pages(sheet, "portrait", single=True)

    def _write_figures(self, sheet: Any, row: int) -> int:
        """The headline figures beside those of the window before; the row after them."""
        totals, before = self.document.totals, self.document.previous
        heads = ("Figure", "This window", "Window before", "Change", "Growth", "Change is")
        for column, head in enumerate(heads, 1):
            self._put_head(sheet, row, column, head, {1: "left", 6: "center"}.get(column, "right"))
        for name, (label, is_amount) in FIGURES.items():
            row += 1
            now, earlier = getattr(totals, name), None if before is None else getattr(before, name)
            form = self._build_money_format([now, earlier]) if is_amount else WHOLE
            self._put(sheet, row, 1, f"{label} ({self.label})" if is_amount else label)
            self._put(sheet, row, 2, now, form)
            if now is None or earlier is None:
                said = "no purchases in the window before" if before is None else None
                self._put(sheet, row, 3, said).alignment = Alignment(indent=1)
                continue
            self._put(sheet, row, 3, earlier, form)
            verdict = judge_change(Meaning.GOOD, (now > earlier) - (now < earlier))
            growth = None if not earlier else (now - earlier) / Decimal(earlier)
            changes = ((now - earlier, f"+{form};-{form};0"), (growth, GROWTH), (VERDICTS.get(verdict), None))
            for column, (value, shape) in enumerate(changes, 4):
                self._put(sheet, row, column, value, shape).font = _colour_font(verdict)
            sheet.cell(row, 6).alignment = Alignment(horizontal="center")
        return row + 2

    def _write_dimension(self, title: str, groups: tuple[DocumentGroup, ...]) -> None:
        sheet: Any = self.book.create_sheet(title)
        rows = [_list_values(group) for group in groups]
        verdicts = [judge_change(group.meaning, group.change or 0) for group in groups]
        if not self.document.filtered:
            rows.append(_list_sums(self.document))
            verdicts.append(judge_change(Meaning.GOOD, self.document.change or 0))
        # Programs that do not measure text show as many lines as the row is high.
        heights = [1] * (len(rows) + 1)
        for column, (plain, kind) in enumerate(COLUMNS, 1):
            values: list[Any] = [row[column - 1] for row in rows]
            name, form = plain, None if kind == WORD else kind
            if kind == MONEY:
                name, form = f"{plain} ({self.label})", self._build_money_format(values)
            shown = [_estimate_text(value, kind) for value in values]
            wide = DIGIT_WIDTH if kind == DIGIT else fit_width([*shown, *name.split()])
            sheet.column_dimensions[get_column_letter(column)].width = wide
            self._put_head(sheet, 1, column, name, ACROSS.get(kind, "right"))
            heights[0] = max(heights[0], count_lines(name, wide))
            for row, value in enumerate(values, 2):
                cell = self._put(sheet, row, column, value, form)
                cell.alignment = Alignment(horizontal=ACROSS.get(kind), vertical="top", wrap_text=kind is None)
                cell.border = ROW_LINE
                if column in CHANGE_COLUMNS:
                    cell.font = _colour_font(verdicts[row - 2])
                if kind is None:
                    heights[row - 1] = max(heights[row - 1], count_lines(shown[row - 2], wide))
        # Below the headings there is room for the buttons of the filter.
        heights[0] += 1
        for row, lines in enumerate(heights, 1):
            sheet.row_dimensions[row].height = compute_row_height(lines)
        if not self.document.filtered:
            self._mark_sums(sheet, len(rows) + 1, len(COLUMNS))
        sheet.freeze_panes = "B2"
        sheet.auto_filter.ref = f"A1:{get_column_letter(len(COLUMNS))}{len(groups) + 1}"
        sheet.print_title_rows = "1:1"
        self._on_pages(sheet)

    def _mark_sums(self, sheet: Any, row: int, columns: int) -> None:
        for column in range(1, columns + 1):
            cell = sheet.cell(row, column)
            cell.fill, cell.border = self.pale, SUM_LINE
            cell.font = Font(name="Calibri", bold=True, color=cell.font.color)

    def _write_heat_map(self, matrix: tuple[tuple[int, ...], ...]) -> None:
        sheet: Any = self.book.create_sheet("Heat map")
        self._put(sheet, 1, 1, "Customers by recency (rows) and frequency (columns)").font = TITLE
        for frequency in range(1, 6):
            self._put_head(sheet, 3, frequency + 1, f"F{frequency}", "center")
        for row, recency in enumerate(range(5, 0, -1), 4):
            self._put_head(sheet, row, 1, f"R{recency}")
            for frequency in range(1, 6):
                cell = self._put(sheet, row, frequency + 1, matrix[recency - 1][frequency - 1], WHOLE)
                cell.alignment = Alignment(horizontal="center")
        # As digits are black there.
        most = lighten_until_readable(self.accent)
        colours = ColorScaleRule(start_type="min", start_color=WHITE[1:], end_type="max", end_color=most[1:])
        sheet.conditional_formatting.add("B4:F8", colours)
        sheet.freeze_panes = "B4"
        self._on_pages(sheet)

    def _write_trend(self, sheet: Any) -> None:
        """For each dimension the customers and the revenue of every group, window by window, and charts below."""
        trend = self.document.trend
        assert trend is not None
        self._put(sheet, 1, 1, f"Windows of {self.document.days:,} days by their last day").font = TITLE
        row, places = 3, []
        for dimension, series in trend.dimensions.items():
            for what in ("customers", "revenue"):
                rows = [(each.name, list(getattr(each, what))) for each in series]
                if not self.document.filtered:
                    rows.append(
                        ("All customers", [sum(column) for column in zip(*(own for _, own in rows), strict=True)])
                    )
                money = what == "revenue"
                form = self._build_money_format([each for _, own in rows for each in own]) if money else WHOLE
                title = f"Revenue ({self.label})" if money else "Customers"
                self._put(sheet, row, 1, f"{title}: {get_title(dimension)}").font = BOLD
                self._put_head(sheet, row + 1, 1, "Segment")
                for column, day in enumerate(trend.dates, 2):
                    self._put_head(sheet, row + 1, column, day, "right")
                for own, (name, values) in enumerate(rows, row + 2):
                    self._put(sheet, own, 1, name)
                    for column, value in enumerate(values, 2):
                        self._put(sheet, own, column, value, form)
                if not self.document.filtered:
                    self._mark_sums(sheet, row + 1 + len(rows), len(trend.dates) + 1)
                places.append((f"{title}: {get_title(dimension)}", series, what))
                row += len(rows) + 3
        # So wide that the charts of the second column do not lie over those of the first.
        sheet.column_dimensions["A"].width = max(21.0, fit_width([each.name for each in trend.series]))
        for column in range(2, len(trend.dates) + 2):
            sheet.column_dimensions[get_column_letter(column)].width = 13.0
        for number, (title, series, what) in enumerate(places):
            anchor = f"{'AH'[number % 2]}{row + number // 2 * (CHART_ROWS + 2)}"
            sheet.add_chart(self._build_area_chart(title, series, what, trend.dates), anchor)
        sheet.freeze_panes = "B2"
        # Tables and charts of several dimensions are longer than wide.
        self._on_pages(sheet, "landscape" if len(places) == 2 else "portrait", single=row < ONE_PAGE)

    def _build_area_chart(
        self, title: str, series: Sequence[TrendSeries], what: str, dates: Sequence[date]
    ) -> AreaChart:
        bands = list_bands(series, self.accent)
        first = self.data_row
        for column, day in enumerate(dates, 2):
            self._put(self.data, first, column, day, DAY)
        for row, band in enumerate(bands, first + 1):
            self._put(self.data, row, 1, shorten_text(band.name, LONGEST_LABEL))
            for column, value in enumerate(getattr(band, what), 2):
                self._put(self.data, row, column, value, WHOLE)
        self.data_row += len(bands) + 2
        chart = AreaChart()
        chart.grouping, chart.title, chart.legend.position = "stacked", title, "r"
        values = Reference(self.data, min_col=1, max_col=len(dates) + 1, min_row=first + 1, max_row=first + len(bands))
        chart.add_data(values, from_rows=True, titles_from_data=True)
        chart.set_categories(Reference(self.data, min_col=2, max_col=len(dates) + 1, min_row=first))
        for own, band in zip(chart.series, bands, strict=True):
            own.graphicalProperties = _build_fill(band.colour)
            # So that areas can be told apart without their colours.
            own.graphicalProperties.line = LineProperties(solidFill=WHITE[1:], w=9525)
        chart.x_axis.number_format = DAY
        _style_chart(chart)
        chart.width = CHART_WIDTH * 1.9
        return chart

    def _draw_charts(self, summary: Any, row: int) -> None:
        """For each dimension its customers, revenue and change, two charts beside each other from the row on."""
        number = 0
        for dimension, groups in self.document.dimensions.items():
            title, bars, first = get_title(dimension), build_slices(groups), self.data_row
            heads = (title, "Customers", f"Revenue ({self.label})", "Change of customers")
            for column, head in enumerate(heads, 1):
                self._put(self.data, first, column, head)
            for own, bar in enumerate(bars, first + 1):
                self._put(self.data, own, 1, shorten_text(bar.name, LONGEST_LABEL))
                for column, value in enumerate((bar.customers, bar.revenue, bar.change), 2):
                    self._put(self.data, own, column, value, WHOLE)
            last = first + len(bars)
            self.data_row = last + 2
            names = Reference(self.data, min_col=1, min_row=first + 1, max_row=last)
            compared = 3 if self.document.previous is not None else 2
            colours = (self.accent, mix_colours(self.accent, WHITE, 0.35), COLOURS[Meaning.NEUTRAL])
            for what in range(compared):
                values = Reference(self.data, min_col=what + 2, min_row=first, max_row=last)
                chart = _build_bar_chart(f"{heads[what + 1]}: {title}", values, names, colours[what])
                if what == 2:
                    chart.series[0].dPt = [
                        DataPoint(idx=at, spPr=_build_verdict(judge_change(bar.meaning, bar.change or 0)))
                        for at, bar in enumerate(bars)
                    ]
                    chart.x_axis.tickLblPos = "low"
                else:
                    # Others let bars begin at the smallest value.
                    chart.y_axis.scaling.min = 0
                summary.add_chart(chart, f"{CHART_COLUMNS[number % 2]}{row + number // 2 * CHART_ROWS}")
                number += 1

    def _on_pages(self, sheet: Any, orientation: str = "landscape", *, single: bool = False) -> None:
        """Printed as wide as a page, with whose report it is on each; on a single page where it would cut charts."""
        document = self.document
        sheet.page_setup.orientation = orientation
        sheet.page_setup.paperSize, sheet.page_setup.fitToHeight = sheet.PAPERSIZE_A4, int(single)
        sheet.sheet_properties.pageSetUpPr.fitToPage = True
        name = document.business[:LONGEST_HEADING].replace("&", "&&")
        sheet.oddHeader.left.text = f"{name}: customer segmentation, {document.kind}"
        sheet.oddHeader.right.text = f"{document.first.isoformat()} to {document.last.isoformat()}"
        sheet.oddFooter.left.text, sheet.oddFooter.right.text = "&A", "Page &P of &N"
        # However small a wide sheet is printed, this can be read.
        sheet.HeaderFooter.scaleWithDoc = False


def get_title(dimension: str) -> str:
    return DIMENSION_TITLES.get(dimension, dimension.title())


def _colour_font(verdict: Meaning) -> Font:
    return Font(name="Calibri", color=COLOURS[verdict][1:])


def _build_fill(colour: str) -> GraphicalProperties:
    return GraphicalProperties(solidFill=colour[1:])


def _build_verdict(verdict: Meaning) -> GraphicalProperties:
    """The look of a change: what is worse is striped, so that it is seen without its colour."""
    colour = COLOURS[verdict]
    if verdict is not Meaning.BAD:
        return _build_fill(colour)
    light = ColorChoice(srgbClr=mix_colours(colour, WHITE, 0.7)[1:])
    return GraphicalProperties(pattFill=PatternFillProperties("wdUpDiag", ColorChoice(srgbClr=colour[1:]), light))


def _style_chart(chart: Any) -> None:
    """Light lines, letters in grey, and all of its data though their sheet is hidden."""
    chart.width, chart.height = CHART_WIDTH, CHART_HEIGHT
    chart.visible_cells_only = False
    # Some programs draw no axis that does not say so.
    chart.x_axis.delete = chart.y_axis.delete = False
    chart.y_axis.number_format = WHOLE
    line = LineProperties(solidFill=RULE[1:], w=6350)
    chart.y_axis.majorGridlines.spPr = GraphicalProperties(ln=line)
    small = CharacterProperties(sz=900, solidFill=GREY[1:])
    for axis in (chart.x_axis, chart.y_axis):
        axis.graphicalProperties = GraphicalProperties(ln=line)
        axis.txPr = RichText(p=[Paragraph(pPr=ParagraphProperties(defRPr=small), endParaRPr=small)])
    title = CharacterProperties(sz=1100, b=True)
    chart.title.tx.rich.p[0].pPr = ParagraphProperties(defRPr=title)
    chart.title.overlay = False


def _build_bar_chart(title: str, values: Reference, names: Reference, colour: str) -> BarChart:
    chart = BarChart()
    chart.type, chart.title, chart.legend = "bar", title, None
    chart.add_data(values, titles_from_data=True)
    chart.set_categories(names)
    chart.gapWidth = 40
    chart.series[0].graphicalProperties = _build_fill(colour)
    chart.series[0].invertIfNegative = False
    # The first group stands at the top, as in the table.
    chart.x_axis.scaling.orientation = "maxMin"
    _style_chart(chart)
    return chart


def _estimate_text(value: Any, form: str | None) -> str:
    """About what a cell shows, for its width."""
    if value is None:
        return ""
    if form == MONEY:
        return f"{value:,}"
    return "0.0" if form in (SHARE, MEAN) else str(value)


def _list_values(group: DocumentGroup) -> list[Cell]:
    return [
        group.name,
        group.code,
        group.customers,
        group.customer_share,
        group.previous_customers,
        group.change,
        VERDICTS.get(judge_change(group.meaning, group.change or 0)),
        group.orders,
        group.previous_orders,
        group.revenue,
        group.revenue_share,
        group.previous_revenue,
        group.average_order,
        group.average_spend,
        group.average_frequency,
        group.average_age,
        *(group.scores or (None, None, None)),
        group.description,
        "\n".join(group.actions),
    ]


def _list_sums(document: ReportDocument) -> list[Cell]:
    totals, before = document.totals, document.previous
    full = bool(totals.customers)
    return [
        "All customers",
        None,
        totals.customers,
        float(full),
        None if before is None else before.customers,
        document.change,
        VERDICTS.get(judge_change(Meaning.GOOD, document.change or 0)),
        totals.orders,
        None if before is None else before.orders,
        totals.revenue,
        float(bool(totals.revenue)),
        None if before is None else before.revenue,
        totals.average_order,
        totals.average_spend,
        totals.orders / totals.customers if full else None,
        *(None,) * 6,
    ]
