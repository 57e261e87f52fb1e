"""A report as a PDF: what a manager reads, from the headline figures down to the actions. The same document on the same
machine gives the same bytes: nothing but the document and the fonts decides them."""

from pathlib import Path

from domain.reports.document import DIMENSION_TITLES, ReportDocument, slices
from persistence.exports.pdf_charts import chart_height, group_chart, heat_map, map_height
from persistence.exports.pdf_fonts import font_book
from persistence.exports.pdf_sheet import GREY, LEFT, PALE, RIGHT, Sheet, Style
from persistence.exports.pdf_table import action_cards, group_table
from persistence.exports.pdf_text import Typesetter
from persistence.exports.pdf_words import (
    amount,
    change,
    count,
    insight_words,
    instant,
    method_words,
    money,
    named,
    previous_words,
    window_words,
)

LISTED = 8
"""Characters without a font that the note about them lists."""


def report_pdf(document: ReportDocument, fonts: Path | None = None) -> bytes:
    """The file. `fonts` is a folder whose fonts come before the system's."""
    letters = Typesetter(font_book(fonts))
    # The foot says how many pages there are and the head which characters have no font: both are known after a draft.
    draft = _composed(document, letters, 1)
    missing = len(letters.missing)
    while True:
        final = _composed(document, letters, draft.page)
        if (final.page, len(letters.missing)) == (draft.page, missing):
            return final.finished()
        draft, missing = final, len(letters.missing)


def _composed(document: ReportDocument, letters: Typesetter, total: int) -> Sheet:
    made = instant(document.generated_at, document.time_zone)
    sheet = Sheet(letters, f"Customer segmentation, {document.business}", f"Generated {made}", total)
    _head(sheet, document)
    _note(sheet)
    _figures(sheet, document)
    _insights(sheet, document)
    _charts(sheet, document)
    _tables(sheet, document)
    _actions(sheet, document)
    return sheet


def _head(sheet: Sheet, document: ReportDocument) -> None:
    title, under = Style(19, bold=True), Style(8.8, color=GREY)
    sheet.paragraph(document.business, title, most=3)
    sheet.y -= 2
    sheet.paragraph(f"Customer segmentation, {method_words(document)}", Style(11.5), most=2)
    sheet.y -= 3
    place = "all storefronts" if document.storefront is None else f"storefront {named(document.storefront)}"
    zone = f"time zone {document.time_zone}"
    sheet.paragraph(f"{window_words(document)} · {zone} · {place} · amounts in {document.currency}", under)
    sheet.paragraph(previous_words(document), under)
    if document.filtered:
        sheet.paragraph(
            "Only the groups that were asked for are listed; the figures are those of all customers.", under
        )
    sheet.y -= 8


def _note(sheet: Sheet) -> None:
    missing = list(sheet.letters.missing)
    if not missing:
        return
    codes = ", ".join(f"U+{ord(letter):04X}" for letter in missing[:LISTED])
    more = "" if len(missing) <= LISTED else f" and {len(missing) - LISTED:,} more"
    text = (
        f"A box stands for a character that no font here has: {codes}{more}. "
        "Install fonts that have it, such as Noto Sans, or name their folder in SEGMENTS_FONTS."
    )
    sheet.paragraph(text, Style(8))
    sheet.y -= 6


def _figures(sheet: Sheet, document: ReportDocument) -> None:
    compared = document.previous_customers is not None
    before = f"{change(document.customers, document.previous_customers)}, before: {count(document.previous_customers)}"
    figures = (
        ("Customers", count(document.customers), before if compared else ""),
        ("Revenue", amount(document.revenue), document.currency),
        ("Orders", count(document.orders), ""),
        ("Average order", money(document.average_order, document.currency), ""),
        ("Spend per customer", money(document.average_spend, document.currency), ""),
    )
    gap, height = 8.0, 50.0
    width = (RIGHT - LEFT - gap * (len(figures) - 1)) / len(figures)
    widest = max(sheet.letters.line(figure, bold=True).width for _label, figure, _below in figures)
    large = Style(min(13.0, (width - 14) / widest), bold=True)
    sheet.room(height)
    bottom = sheet.y - height
    for place, (label, figure, below) in enumerate(figures):
        left = LEFT + place * (width + gap)
        sheet.box(left, bottom, width, height, PALE, radius=4)
        sheet.write(left + 8, bottom + height - 14, label, Style(7.5, color=GREY), width=width - 12)
        line = sheet.letters.line(figure, bold=True)
        sheet.put(left + 8, bottom + height - 31, line, large)
        if below:
            line = sheet.letters.line(below)
            sheet.put(left + 8, bottom + 7, line, Style(6.8, color=GREY), width=width - 12)
    sheet.y = bottom - 4


def _insights(sheet: Sheet, document: ReportDocument) -> None:
    sheet.heading("Insights", 20)
    style = Style(9.2)
    for sentence in insight_words(document):
        sheet.room(style.leading)
        sheet.box(LEFT + 1, sheet.y - style.leading + style.size * 0.55, 3, 3, GREY)
        sheet.paragraph(sentence, style, x=LEFT + 11, width=RIGHT - LEFT - 11)
        sheet.y -= 1.5


def _charts(sheet: Sheet, document: ReportDocument) -> None:
    if document.customers == 0:
        return
    compared = document.previous_customers is not None
    for dimension, groups in document.dimensions.items():
        bars = slices(groups)
        sheet.heading(DIMENSION_TITLES.get(dimension, dimension), chart_height(bars))
        group_chart(sheet, bars, document.currency, compared)
    if document.matrix is not None:
        sheet.heading("Recency and frequency", map_height())
        heat_map(sheet, document.matrix, document.days)


def _tables(sheet: Sheet, document: ReportDocument) -> None:
    for dimension, groups in document.dimensions.items():
        title = DIMENSION_TITLES.get(dimension, dimension)
        group_table(sheet, document, f"{title} in figures, amounts in {document.currency}", groups)


def _actions(sheet: Sheet, document: ReportDocument) -> None:
    if not document.rows:
        return
    sheet.heading("Recommended actions", 80)
    action_cards(sheet, [group for groups in document.dimensions.values() for group in groups])
