"""A report as a PDF: what a manager reads, from the headline figures down to the actions. Words and numbers are made
here, pages by the template beside this file, which gets them as data and can read no file but itself. The same document
on the same machine gives the same bytes. A number is never rounded more than it says: amounts and counts are whole,
shares have one decimal, averages of days one and of orders two."""

import json
import logging
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import typst

from domain.calendar import format_day, load_zone
from domain.classification.groups import Method
from domain.classification.rfm import RfmScheme
from domain.reports.document import CHARTED, DIMENSION_TITLES, ChartSlice, DocumentGroup, ReportDocument, build_slices
from domain.reports.figures import isolate_name

log = logging.getLogger("segments")
TEMPLATE = Path(__file__).with_name("report.typ")
SYSTEM = (
    Path("/usr/local/share/fonts"),
    Path("/usr/share/fonts"),
    Path("/Library/Fonts"),
    Path("/System/Library/Fonts"),
)
FAMILIES = (
    "Noto Sans",
    "Noto Sans Arabic",
    "Noto Sans Hebrew",
    "Noto Sans Devanagari",
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Noto Sans JP",
    "Noto Sans KR",
    "Noto Sans TC",
    "DejaVu Sans",
)
"""In the order they are asked. For a character that none of them has, the font most like them is taken that has it."""
MISSING = re.compile(r'the text `"(.+?)"` could not be displayed')
ESCAPED = re.compile(r"\\u\{([0-9a-f]+)\}")
LISTED = 8
"""Characters without a font that the log lists at a time."""
REMEMBERED = 10
"""Compilations for which the typesetter keeps what it laid out; so many empty ones later it has let go of a report's
hundred megabytes, which no other report would use."""
LONGEST = 4_000
"""Characters of one text that are set; what is longer ends in an ellipsis."""
KEPT = frozenset("\u200c\u200d\u200e\u200f")
"""Joiners, and invisible letters of a direction."""
NAMED = 8
"""Groups that a card of shared actions lists by name."""
CARDS = 3
"""Cards beside each other."""
MANY = CHARTED + 2 * CARDS
"""Cards of groups that differ by nothing but their names; of more, only the first have one."""
METHODS = {Method.VALUE: "by value", Method.BEHAVIOR: "by behaviour"}
SCHEMES = {RfmScheme.EIGHT_SEGMENT: "RFM, eight segments", RfmScheme.ELEVEN_SEGMENT: "RFM, eleven segments"}
NONE = "–"


@dataclass(frozen=True, slots=True)
class FontBook:
    """The fonts of this machine, and the characters of which the log has said that they lack them."""

    fonts: typst.Fonts
    families: tuple[str, ...]
    told: set[str] = field(default_factory=set)

    def tell(self, missing: Iterable[str]) -> None:
        """Say of each character once that no font has it."""
        new = sorted({letter for letter in missing if letter not in KEPT} - self.told)
        if not new:
            return
        self.told.update(new)
        listed = ", ".join(
            f"U+{ord(letter):04X} {unicodedata.name(letter, 'without a name')}" for letter in new[:LISTED]
        )
        more = "" if len(new) <= LISTED else f" and {len(new) - LISTED:,} more"
        log.warning(
            "no font for PDF reports has %s%s; put one that has them into the folder of SEGMENTS_FONTS", listed, more
        )


@lru_cache(maxsize=8)
def load_font_book(folder: Path | None = None) -> FontBook:
    """The fonts under the given folder, then the system's, then the few of the typesetter."""
    places = [str(place) for place in (folder, *SYSTEM) if place is not None]
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=True, font_paths=places)
    installed = fonts.fonts()
    own = {font.family for font in installed if font.path and folder in Path(font.path).parents}
    put = sorted(family for family in own if family not in FAMILIES and not family.startswith("Noto"))
    there = {font.family for font in installed}
    return FontBook(fonts, (*put, *(family for family in FAMILIES if family in there)))


def render_report_pdf(document: ReportDocument, fonts: Path | None = None) -> bytes:
    """The file. `fonts` is a folder whose fonts come before the system's."""
    book = load_font_book(fonts)
    data = json.dumps({"fonts": book.families, **_clean_value(_build_content(document))})
    template = TEMPLATE.read_bytes()
    # Compilers are not for two threads, so each file has its own. The template is its root: it can read no other file.
    compiler = typst.Compiler(root=TEMPLATE, font_paths=book.fonts, sys_inputs={"data": data})
    try:
        content = compiler.compile(template, format="pdf", pdf_standards="ua-1")
    except typst.TypstError as error:
        # A file for screen readers may hold no character without a glyph: the refusal names them. So one that is not.
        book.tell(_find_missing(error.diagnostic))
        content = compiler.compile(template, format="pdf")
    for _ in range(REMEMBERED):
        compiler.compile(b"", format="svg")
    assert isinstance(content, bytes), "a PDF is one file"
    return content


def _find_missing(diagnostic: str) -> Iterator[str]:
    for characters in MISSING.findall(diagnostic):
        yield from ESCAPED.sub(lambda code: chr(int(code[1], 16)), characters)


def clean_text(text: str) -> str:
    """The text as one line can show it: no control or formatting characters but joiners and direction marks,
    no lone surrogates, white space as single spaces, letters composed."""
    short = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    spaced = "".join(" " if letter.isspace() else letter for letter in short)
    letters = (letter for letter in spaced if letter in KEPT or unicodedata.category(letter) not in ("Cc", "Cf", "Cs"))
    return " ".join(unicodedata.normalize("NFC", "".join(letters)).split())


def _clean_value(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {key: _clean_value(each) for key, each in value.items()}
    return [_clean_value(each) for each in value] if isinstance(value, list | tuple) else value


def _build_content(document: ReportDocument) -> dict[str, Any]:
    """Everything that the pages say, in their order."""
    dimensions = document.dimensions
    cards, likewise = _build_actions([group for groups in dimensions.values() for group in groups])
    return {
        "title": f"Customer segmentation, {document.business}",
        "foot": f"Generated {_format_second(document.generated_at, document.time_zone)}",
        "business": document.business,
        "subtitle": f"Customer segmentation, {_describe_method(document)}",
        "under": _list_subtitles(document),
        "figures": _list_figures(document),
        "insights": document.sentences,
        "charts": [
            _build_chart(document, name, groups) for name, groups in dimensions.items() if document.totals.customers
        ],
        "matrix": _build_matrix(document),
        "guide": _write_guide(document),
        "tables": [_build_table(document, name, groups) for name, groups in dimensions.items()],
        "cards": cards,
        "likewise": likewise,
    }


def _list_subtitles(document: ReportDocument) -> list[str]:
    place = "all storefronts" if document.storefront is None else f"storefront {isolate_name(document.storefront)}"
    zone_words = f"time zone {document.time_zone}"
    lines = [f"{_describe_window(document)} · {zone_words} · {place} · amounts in {document.currency}"]
    lines.append(_describe_previous(document))
    if document.filtered:
        lines.append("Only the groups that were asked for are listed; the figures are those of all customers.")
    return lines


def _list_figures(document: ReportDocument) -> list[tuple[str, str, str]]:
    totals, before = document.totals, None if document.previous is None else document.previous.customers
    compared = "" if before is None else f"{_format_change(totals.customers, before)}, before: {_format_count(before)}"
    return [
        ("Customers", _format_count(totals.customers), compared),
        ("Revenue", _format_amount(totals.revenue), document.currency),
        ("Orders", _format_count(totals.orders), ""),
        ("Average order", _format_money(totals.average_order, document.currency), ""),
        ("Spend per customer", _format_money(totals.average_spend, document.currency), ""),
    ]


def _build_chart(document: ReportDocument, dimension: str, groups: Sequence[DocumentGroup]) -> dict[str, Any]:
    captions = ["Customers", f"Revenue, {document.currency}", "Against the window before"]
    compared = document.previous is not None
    return {
        "title": _get_title(dimension),
        "captions": captions if compared else captions[:2],
        "bars": [_build_bar(bar) for bar in build_slices(groups)],
    }


def _build_bar(bar: ChartSlice) -> dict[str, Any]:
    """Values to draw as floats: amounts may be larger than the template's whole numbers."""
    before = bar.previous_customers
    return {
        "name": bar.name,
        "customers": (float(bar.customers), _format_count(bar.customers)),
        "revenue": (float(bar.revenue), _format_amount(bar.revenue)),
        "change": (0.0 if before is None else float(bar.customers - before), _format_change(bar.customers, before)),
    }


def _build_matrix(document: ReportDocument) -> list[list[tuple[int, str]]] | None:
    if document.matrix is None or document.totals.customers == 0:
        return None
    return [[(customers, _format_count(customers)) for customers in row] for row in document.matrix]


def _write_guide(document: ReportDocument) -> list[str]:
    window = "the day" if document.days == 1 else f"the {document.days:,} days"
    return [
        "Each cell is a number of customers; the darker, the more.",
        f"Recency 5 bought in the latest fifth of {window}, recency 1 in the earliest.",
        "Frequency 5 orders most often, compared with the other customers of the window; equal customers score alike.",
        "The upper right corner holds the best customers; the lower right corner those who ordered often and stopped.",
    ]


def _build_table(document: ReportDocument, dimension: str, groups: Sequence[DocumentGroup]) -> dict[str, Any]:
    """The groups of one dimension, with the sum of all below them where all are there."""
    rows = [_build_row(group) for group in groups]
    if not document.filtered:
        rows.append(_build_sum_row(document))
    return {"title": f"{_get_title(dimension)} in figures, amounts in {document.currency}", "rows": rows}


def _build_row(group: DocumentGroup) -> dict[str, Any]:
    cells = (
        _format_count(group.customers),
        _format_share(group.customer_share),
        _format_count(group.previous_customers),
        _format_change(group.customers, group.previous_customers),
        _format_amount(group.revenue),
        _format_share(group.revenue_share),
        _format_amount(group.average_order),
        _format_amount(group.average_spend),
        _format_average(group.average_age, 1),
        _format_average(group.average_frequency, 2),
    )
    repeats_name = group.code.casefold() == f"{group.dimension}:{group.name}".casefold()
    return {"name": group.name, "code": "" if repeats_name else group.code, "cells": cells, "strong": False}


def _build_sum_row(document: ReportDocument) -> dict[str, Any]:
    totals, before = document.totals, None if document.previous is None else document.previous.customers
    full = bool(totals.customers)
    cells = (
        _format_count(totals.customers),
        _format_share(1.0) if full else _format_share(0.0),
        _format_count(before),
        _format_change(totals.customers, before),
        _format_amount(totals.revenue),
        _format_share(1.0) if totals.revenue else _format_share(0.0),
        _format_amount(totals.average_order),
        _format_amount(totals.average_spend),
        "",
        _format_average(totals.orders / totals.customers, 2) if full else _format_average(None, 2),
    )
    return {"name": "All customers", "code": "", "cells": cells, "strong": True}


def _build_actions(groups: Sequence[DocumentGroup]) -> tuple[list[dict[str, Any]], list[str]]:
    """A card for each group, and what is said of those without. Groups that share description and actions share a card;
    of many whose texts differ by nothing but their names the first have one, and a line says so of the others."""
    shared: dict[tuple[str, ...], list[DocumentGroup]] = {}
    for group in groups:
        shared.setdefault(_list_texts(group), []).append(group)
    alike: dict[tuple[str, ...], list[DocumentGroup]] = {}
    for first, *_ in shared.values():
        alike.setdefault(_list_texts(first, hidden=first.name), []).append(first)
    likewise = []
    for members in alike.values():
        if len(members) <= MANY:
            continue
        for group in members[CHARTED:]:
            del shared[_list_texts(group)]
        more = f"The same holds, each with its own name, for {len(members) - CHARTED:,} more groups of the table"
        likewise.append(f"{more} {_get_title(members[0].dimension)}.")
    return [_build_card(members) for members in shared.values()], likewise


def _list_texts(group: DocumentGroup, hidden: str = "") -> tuple[str, ...]:
    """What a card says; `hidden` is left out of it."""
    texts = (group.dimension, group.description, group.profile or "", *group.actions)
    return tuple(text.replace(hidden, "") for text in texts) if hidden else texts


def _build_card(members: Sequence[DocumentGroup]) -> dict[str, Any]:
    first, rest = members[0], len(members) - NAMED
    description = first.description if first.profile is None else f"{first.description}. {first.profile}."
    return {
        "names": [group.name for group in members[:NAMED]],
        "said": [*([f"and {rest:,} more of the table"] if rest > 0 else []), description],
        "actions": first.actions,
    }


def _get_title(dimension: str) -> str:
    return DIMENSION_TITLES.get(dimension, dimension)


def _format_second(value: datetime, time_zone: str) -> str:
    """The second it was, in the business's zone."""
    local = value.astimezone(load_zone(time_zone))
    return f"{format_day(local.date())}, {local:%H:%M:%S} ({time_zone})"


def _describe_method(document: ReportDocument) -> str:
    """How the customers are grouped."""
    return SCHEMES[document.scheme] if document.method is Method.RFM else METHODS[document.method]


def _describe_window(document: ReportDocument) -> str:
    days = "1 day" if document.days == 1 else f"{document.days:,} days"
    return f"{format_day(document.first)} to {format_day(document.last)} ({days})"


def _describe_previous(document: ReportDocument) -> str:
    """The window before, as far as there is one."""
    if document.previous_last is None:
        return "There is no window before it."
    first = document.previous_first
    span = (
        f"up to {format_day(document.previous_last)}"
        if first is None
        else f"{format_day(first)} to {format_day(document.previous_last)}"
    )
    suffix = "; it holds no purchases" if document.previous is None else ""
    return f"Compared with the window before: {span}{suffix}"


def _format_count(value: int | None) -> str:
    """With commas between thousands."""
    return NONE if value is None else f"{value:,}"


def _format_amount(value: Decimal | None) -> str:
    """Every decimal of the currency, commas between thousands."""
    return NONE if value is None else f"{value:,f}"


def _format_money(value: Decimal | None, currency: str) -> str:
    return NONE if value is None else f"{_format_amount(value)} {currency}"


def _format_share(value: float) -> str:
    """Per cent."""
    return f"{100 * value:.1f} %"


def _format_average(value: float | None, decimals: int) -> str:
    return NONE if value is None else f"{value:,.{decimals}f}"


def _format_change(now: int, before: int | None) -> str:
    """By how many customers a group grew."""
    if before is None:
        return NONE
    return "0" if now == before else f"+{now - before:,}" if now > before else f"−{before - now:,}"
