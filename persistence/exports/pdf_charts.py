"""The charts of a PDF report, drawn as boxes and lines: customers, revenue and change side by side for each group, and
the heat map of recency and frequency. Every bar has its number beside it; a colour never says anything alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reportlab.lib.colors import Color, HexColor

from domain.reports.document import ChartSlice
from persistence.exports.pdf_sheet import GREY, INK, LEFT, PALE, RIGHT, RULE, WHITE, Sheet, Style
from persistence.exports.pdf_words import amount, change, count

BLUE = HexColor("#2f6fde")
TEAL = HexColor("#0f8f80")
GREEN = HexColor("#2e8b4f")
RED = HexColor("#c2413b")
COOL, HOT = HexColor("#e8f0fe"), HexColor("#174ea6")
ROW = 16.0
BAR = 8.5
GAP = 16.0
CAPTION = Style(7.5, bold=True, color=GREY)
LABEL = Style(8)
VALUE = Style(7.5)
SMALL = Style(7, color=GREY)
CELL_WIDTH, CELL_HEIGHT = 48.0, 29.0


@dataclass(frozen=True, slots=True)
class Panel:
    """A column of bars that share one scale."""

    left: float
    width: float


def chart_height(bars: Sequence[ChartSlice]) -> float:
    """What the chart of the groups takes."""
    return ROW * len(bars) + 16


def map_height() -> float:
    """What the heat map takes."""
    return 5 * CELL_HEIGHT + 28


def group_chart(sheet: Sheet, bars: Sequence[ChartSlice], currency: str, compared: bool) -> None:
    """Customers, revenue and, where there is a window before, the change of each group."""
    height = chart_height(bars)
    sheet.room(height)
    labels = min(140.0, max(sheet.letters.line(bar.name).width for bar in bars) * LABEL.size + 6)
    panels = 3 if compared else 2
    width = (RIGHT - LEFT - labels - GAP * panels) / panels
    columns = [Panel(LEFT + labels + GAP + place * (width + GAP), width) for place in range(panels)]
    captions = ["Customers", f"Revenue, {currency}", "Against the window before"][:panels]
    top = sheet.y - 10
    for panel, caption in zip(columns, captions, strict=True):
        sheet.put(panel.left, top, sheet.letters.line(caption, bold=True), CAPTION, width=panel.width)
    for place, bar in enumerate(bars):
        middle = top - ROW * (place + 1) + 3.5
        _label(sheet, bar.name, middle - 2.8, labels)
    _bars(sheet, columns[0], top, [bar.customers for bar in bars], [count(bar.customers) for bar in bars], BLUE)
    revenues = [float(bar.revenue) for bar in bars]
    _bars(sheet, columns[1], top, revenues, [amount(bar.revenue) for bar in bars], TEAL)
    if compared:
        _changes(sheet, columns[2], top, bars)
    sheet.y -= height


def _label(sheet: Sheet, name: str, y: float, width: float) -> None:
    line = sheet.letters.fitted(name, width / LABEL.size)
    sheet.put_at_start(LEFT, y, line, LABEL, width)


def _bars(sheet: Sheet, panel: Panel, top: float, values: Sequence[float], texts: Sequence[str], color: Any) -> None:
    largest = max(values, default=0)
    texts_width = max(sheet.letters.line(text).width for text in texts) * VALUE.size
    style, length = VALUE, panel.width - texts_width - 4
    if length < panel.width * 0.25:
        length = panel.width * 0.25
        style = Style(VALUE.size * (panel.width - length - 4) / texts_width)
    sheet.canvas.setStrokeColor(RULE)
    sheet.canvas.setLineWidth(0.6)
    sheet.canvas.line(panel.left, top - 3, panel.left, top - ROW * len(values) - 2)
    for place, (value, text) in enumerate(zip(values, texts, strict=True)):
        middle = top - ROW * (place + 1) + 3.5
        reach = length * value / largest if largest > 0 else 0.0
        if reach > 0:
            sheet.box(panel.left, middle - BAR / 2, max(reach, 0.8), BAR, color)
        sheet.write(panel.left + reach + 3, middle - 2.6, text, style)


def _changes(sheet: Sheet, panel: Panel, top: float, bars: Sequence[ChartSlice]) -> None:
    """Bars to the right where a group grew, to the left where it shrank."""
    moves = [0 if bar.previous_customers is None else bar.customers - bar.previous_customers for bar in bars]
    texts = [change(bar.customers, bar.previous_customers) for bar in bars]
    texts_width = max(sheet.letters.line(text).width for text in texts) * VALUE.size + 4
    widest = max((abs(move) for move in moves), default=0)
    down = max((-move for move in moves if move < 0), default=0)
    up = max((move for move in moves if move > 0), default=0)
    free = panel.width - texts_width * ((down > 0) + 1)
    scale = free / (down + up) if widest else 0.0
    zero = panel.left + (texts_width if down else 0.0) + down * scale
    sheet.canvas.setStrokeColor(RULE)
    sheet.canvas.setLineWidth(0.6)
    sheet.canvas.line(zero, top - 3, zero, top - ROW * len(bars) - 2)
    for place, (move, text) in enumerate(zip(moves, texts, strict=True)):
        middle = top - ROW * (place + 1) + 3.5
        reach = abs(move) * scale
        if move > 0:
            sheet.box(zero, middle - BAR / 2, max(reach, 0.8), BAR, GREEN)
        if move < 0:
            sheet.box(zero - max(reach, 0.8), middle - BAR / 2, max(reach, 0.8), BAR, RED)
        if move < 0:
            sheet.write(zero - reach - 3, middle - 2.6, text, VALUE, align="right")
        else:
            sheet.write(zero + reach + 3, middle - 2.6, text, VALUE)


def heat_map(sheet: Sheet, matrix: Sequence[Sequence[int]], days: int) -> None:
    """Customers by recency and frequency, the best in the upper right corner, with how to read it beside it."""
    height = map_height()
    sheet.room(height)
    top = sheet.y - 6
    left = LEFT + 92
    most = max(max(row) for row in matrix)
    for line, recency in enumerate(range(5, 0, -1)):
        y = top - (line + 1) * CELL_HEIGHT
        sheet.write(left - 8, y + CELL_HEIGHT / 2 - 2.8, f"Recency {recency}", LABEL, align="right")
        for column, customers in enumerate(matrix[recency - 1]):
            x = left + column * CELL_WIDTH
            heat = customers / most if most else 0.0
            color = _between(COOL, HOT, heat) if customers else PALE
            sheet.box(x + 0.75, y + 0.75, CELL_WIDTH - 1.5, CELL_HEIGHT - 1.5, color, radius=2)
            dark = WHITE if heat > 0.45 else INK if customers else GREY
            style = Style(8.5, color=dark)
            line_of_count = sheet.letters.line(count(customers))
            sheet.put(
                x + CELL_WIDTH / 2 - min(line_of_count.width * style.size, CELL_WIDTH - 4) / 2,
                y + CELL_HEIGHT / 2 - 3,
                line_of_count,
                style,
                width=CELL_WIDTH - 4,
            )
    bottom = top - 5 * CELL_HEIGHT
    for column in range(5):
        middle = left + (column + 0.5) * CELL_WIDTH
        sheet.write(middle, bottom - 11, f"Frequency {column + 1}", SMALL, width=CELL_WIDTH, align="middle")
    _guide(sheet, left + 5 * CELL_WIDTH + 24, top, days)
    sheet.y -= height


def _guide(sheet: Sheet, left: float, top: float, days: int) -> None:
    window = "the day" if days == 1 else f"the {days:,} days"
    paragraphs = (
        "Each cell is a number of customers; the darker, the more.",
        f"Recency 5 bought in the latest fifth of {window}, recency 1 in the earliest.",
        "Frequency 5 orders most often, compared with the other customers of the window; equal customers score alike.",
        "The upper right corner holds the best customers; the lower right corner those who ordered often and stopped.",
    )
    y = top - 8
    for paragraph in paragraphs:
        for line in sheet.wrap(paragraph, Style(8), RIGHT - left):
            sheet.put(left, y, line, Style(8))
            y -= 10.8
        y -= 4.5


def _between(low: Any, high: Any, part: float) -> Color:
    return Color(
        low.red + (high.red - low.red) * part,
        low.green + (high.green - low.green) * part,
        low.blue + (high.blue - low.blue) * part,
    )
