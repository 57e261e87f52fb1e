"""The table of groups and the list of actions in a PDF report. Columns are as wide as their numbers, names wrap in what
is left; a row never breaks over pages and every page repeats the heading."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.reports.document import CHARTED, DIMENSION_TITLES, DocumentGroup, ReportDocument
from persistence.exports.pdf_sheet import BOTTOM, GREY, INK, LEFT, PALE, RIGHT, TOP, Sheet, Style
from persistence.exports.pdf_text import Line
from persistence.exports.pdf_words import amount, average, change, count, share

NAMES = 96.0
"""Narrowest column of names; wide amounts make the letters smaller before they take more."""
CARD_GAP = 16.0
CARDS = 3
MANY = CHARTED + 2 * CARDS
"""Cards of groups that differ by nothing but their names; of more, only the first have one."""
TALLEST = 240.0
"""A card that would be taller takes the whole width."""
NAMED = 8
"""Groups that a card of shared actions lists by name."""
ACT = Style(8.2)
INDENT = 10.0
HEADS = (
    ("Customers", ""),
    ("Share", ""),
    ("Before", ""),
    ("Change", ""),
    ("Revenue", ""),
    ("Share", ""),
    ("Average", "order"),
    ("Spend per", "customer"),
    ("Days since", "last order"),
    ("Orders per", "customer"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """A row as text."""

    name: str
    code: str
    cells: tuple[str, ...]
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the columns end and how large the letters are."""

    names: float
    rights: tuple[float, ...]
    size: float


def group_table(sheet: Sheet, document: ReportDocument, title: str, groups: Sequence[DocumentGroup]) -> None:
    """The groups of one dimension, with the sum of all below them where all are there. A table that fits a page is
    not divided."""
    rows = [_row(group) for group in groups]
    if not document.filtered:
        rows.append(_sum_of(document))
    columns = _columns(sheet, rows)
    laid = [_laid(sheet, columns, row) for row in rows]
    whole = sum(row.height for row in laid) + 2 * columns.size * 1.3
    sheet.heading(title, whole if whole < TOP - BOTTOM - 30 else 60)
    _heads(sheet, columns)
    for row in laid:
        _write(sheet, columns, row)


def _row(group: DocumentGroup) -> Row:
    cells = (
        count(group.customers),
        share(group.customer_share),
        count(group.previous_customers),
        change(group.customers, group.previous_customers),
        amount(group.revenue),
        share(group.revenue_share),
        amount(group.average_order),
        amount(group.average_spend),
        average(group.average_age, 1),
        average(group.average_frequency, 2),
    )
    said = group.code.casefold() == f"{group.dimension}:{group.name}".casefold()
    return Row(group.name, "" if said else group.code, cells)


def _sum_of(document: ReportDocument) -> Row:
    full = bool(document.customers)
    cells = (
        count(document.customers),
        share(1.0) if full else share(0.0),
        count(document.previous_customers),
        change(document.customers, document.previous_customers),
        amount(document.revenue),
        share(1.0) if document.revenue else share(0.0),
        amount(document.average_order),
        amount(document.average_spend),
        "",
        average(document.orders / document.customers, 2) if full else average(None, 2),
    )
    return Row("All customers", "", cells, strong=True)


def _columns(sheet: Sheet, rows: Sequence[Row]) -> Columns:
    def ems(place: int) -> float:
        heads = (sheet.letters.line(text, bold=True).width * 0.9 for text in HEADS[place])
        cells = (sheet.letters.line(row.cells[place], bold=row.strong).width for row in rows)
        return max(*heads, *cells)

    widths = [ems(place) for place in range(len(HEADS))]
    size = 7.6
    gap = 7.0
    while size > 4 and sum(widths) * size + gap * len(widths) + NAMES > RIGHT - LEFT:
        size -= 0.1
        gap = max(gap - 0.15, 3.0)
    rights: list[float] = []
    end = RIGHT - 2
    for width in reversed(widths):
        rights.insert(0, end)
        end -= width * size + gap
    return Columns(end - LEFT - 4, tuple(rights), size)


def _heads(sheet: Sheet, columns: Columns) -> None:
    style = Style(columns.size * 0.9, bold=True, color=GREY)
    sheet.room(60)
    for line in range(2):
        sheet.y -= style.leading
        for (first, second), right in zip(HEADS, columns.rights, strict=True):
            text = (second or first, first if second else "")[1 - line]
            if text:
                sheet.write(right, sheet.y + 2, text, style, align="right")
    sheet.write(LEFT + 4, sheet.y + 2, "Group", style)
    sheet.y -= 2
    sheet.rule(sheet.y, color=INK, thick=0.8)


@dataclass(frozen=True, slots=True)
class LaidRow:
    """A row with the lines of its first cell."""

    row: Row
    names: tuple[tuple[Line, Style], ...]

    @property
    def height(self) -> float:
        """With the space above and below."""
        return sum(style.leading for _line, style in self.names) + 6


def _laid(sheet: Sheet, columns: Columns, row: Row) -> LaidRow:
    name = Style(max(columns.size, 6.6) + 0.4, bold=True)
    code = Style(6, color=GREY)
    names = [(line, name) for line in sheet.wrap(row.name, name, columns.names)]
    codes = [(line, code) for line in sheet.wrap(row.code, code, columns.names)] if row.code else []
    return LaidRow(row, (*names, *codes))


def _write(sheet: Sheet, columns: Columns, laid: LaidRow) -> None:
    if sheet.room(laid.height):
        _heads(sheet, columns)
    row = laid.row
    if row.strong:
        sheet.box(LEFT, sheet.y - laid.height, RIGHT - LEFT, laid.height, PALE)
    y = top = sheet.y - 3
    for line, style in laid.names:
        y -= style.leading
        sheet.put_at_start(LEFT + 4, y + 2.6, line, style, columns.names)
    cell = Style(columns.size, bold=row.strong)
    for text, right in zip(row.cells, columns.rights, strict=True):
        sheet.write(right, top - laid.names[0][1].leading + 2.6, text, cell, align="right")
    sheet.y -= laid.height
    sheet.rule(sheet.y)


@dataclass(frozen=True, slots=True)
class Card:
    """What to do about a group, or about several that share it."""

    width: float
    lines: tuple[tuple[Line, Style], ...]
    actions: tuple[tuple[Line, ...], ...]

    @property
    def height(self) -> float:
        """With the space below it."""
        listed = sum(len(lines) for lines in self.actions)
        return sum(style.leading for _line, style in self.lines) + listed * ACT.leading + 14


def action_cards(sheet: Sheet, groups: Sequence[DocumentGroup]) -> None:
    """A card a group in three columns. Groups that share description and actions share a card; of many whose texts
    differ by nothing but their names the first have one, and a line says so of the others."""
    shared: dict[tuple[str, ...], list[DocumentGroup]] = {}
    for group in groups:
        shared.setdefault(_texts(group), []).append(group)
    likewise: dict[tuple[str, ...], list[DocumentGroup]] = {}
    for first, *_ in shared.values():
        likewise.setdefault(_texts(first, hidden=first.name), []).append(first)
    many = [alike for alike in likewise.values() if len(alike) > MANY]
    for alike in many:
        for group in alike[CHARTED:]:
            del shared[_texts(group)]
    narrow = (RIGHT - LEFT - CARD_GAP * (CARDS - 1)) / CARDS
    row: list[Card] = []
    for members in shared.values():
        card = _card(sheet, members, narrow)
        if card.height > TALLEST:
            _row_of_cards(sheet, row)
            _row_of_cards(sheet, [_card(sheet, members, RIGHT - LEFT)])
            row = []
            continue
        row.append(card)
        if len(row) == CARDS:
            _row_of_cards(sheet, row)
            row = []
    _row_of_cards(sheet, row)
    for alike in many:
        more = f"The same holds, each with its own name, for {len(alike) - CHARTED:,} more groups of the table"
        title = DIMENSION_TITLES.get(alike[0].dimension, alike[0].dimension)
        sheet.paragraph(f"{more} {title}.", Style(8.2))


def _texts(group: DocumentGroup, hidden: str = "") -> tuple[str, ...]:
    """What a card says; `hidden` is left out of it."""
    texts = (group.dimension, group.description, group.profile or "", *group.actions)
    return tuple(text.replace(hidden, "") for text in texts) if hidden else texts


def _row_of_cards(sheet: Sheet, cards: Sequence[Card]) -> None:
    if not cards:
        return
    height = max(card.height for card in cards)
    sheet.room(height)
    left = LEFT
    for card in cards:
        y = sheet.y - 2
        sheet.rule(y, left, left + card.width)
        y -= 3
        for line, style in card.lines:
            y -= style.leading
            sheet.put_at_start(left, y + style.size * 0.3, line, style, card.width)
        for action in card.actions:
            sheet.box(left + 3, y - ACT.leading + ACT.size * 0.5, 2.6, 2.6, GREY)
            for line in action:
                y -= ACT.leading
                sheet.put_at_start(left + INDENT, y + ACT.size * 0.3, line, ACT, card.width - INDENT)
        left += card.width + CARD_GAP
    sheet.y -= height


def _card(sheet: Sheet, alike: Sequence[DocumentGroup], width: float) -> Card:
    title, text = Style(9, bold=True), Style(7.8, color=GREY)
    first = alike[0]
    lines: list[tuple[Line, Style]] = []
    for group in alike[:NAMED]:
        lines += [(line, title) for line in sheet.wrap(group.name, title, width)]
    if len(alike) > NAMED:
        more = f"and {len(alike) - NAMED:,} more of the table"
        lines += [(line, text) for line in sheet.wrap(more, text, width)]
    said = first.description if first.profile is None else f"{first.description}. {first.profile}."
    lines += [(line, text) for line in sheet.wrap(said, text, width)]
    return Card(width, tuple(lines), tuple(tuple(sheet.wrap(action, ACT, width - INDENT)) for action in first.actions))
