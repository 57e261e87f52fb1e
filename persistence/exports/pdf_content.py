"""What the pages of a report say, from the headline figures down to the actions: words, and figures that are words
already, for the template to set. Colours are those of domain/reports/brand.py; what a colour says is also said by a
sign or a word."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from domain.calendar import format_day, load_zone
from domain.classification.groups import Meaning
from domain.reports.brand import (
    COLOURS,
    GREY,
    INK,
    PALE,
    RULE,
    VERDICTS,
    WHITE,
    choose_letters,
    judge_change,
    mix_colours,
)
from domain.reports.document import (
    CHARTED,
    DIMENSION_TITLES,
    FIGURES,
    ChartSlice,
    DocumentGroup,
    ReportDocument,
    build_slices,
)
from domain.reports.figures import (
    choose_decimals,
    format_amount,
    format_average,
    format_change,
    format_count,
    format_growth,
    format_share,
    isolate_name,
    sign,
)
from domain.reports.trend import TrendBand, list_bands

NAMED = 8
"""Groups that a card of shared actions lists by name."""
CARDS = 3
"""Cards beside each other."""
MANY = CHARTED + 2 * CARDS
"""Cards of groups that differ by nothing but their names; of more, only the first have one."""
PALEST = 0.9
"""How white the cell of few customers is."""
STEPS = 4
"""Lines of a grid, at most, above its zero."""


def build_content(document: ReportDocument) -> dict[str, Any]:
    """Everything that the pages say, in their order."""
    dimensions = document.dimensions
    cards, likewise = _build_actions([group for groups in dimensions.values() for group in groups])
    subtitle = f"Customer segmentation, {document.kind}"
    full = bool(document.totals.customers)
    return {
        "title": f"Customer segmentation, {document.business}",
        "running": f"{isolate_name(document.business)} · {subtitle} · {_describe_window(document)}",
        "foot": f"Generated {_format_second(document.generated_at, document.time_zone)}",
        "colours": _list_colours(document),
        "logo": _build_logo(document),
        "business": document.business,
        "subtitle": subtitle,
        "under": _list_subtitles(document),
        "figures": _list_figures(document),
        "insights": document.sentences,
        "charts": [_build_chart(document, name, groups) for name, groups in dimensions.items() if full],
        "key": "" if document.previous is None or not full else KEY,
        "matrix": _build_matrix(document),
        "guide": _write_guide(document),
        "tables": [_build_table(document, name, groups) for name, groups in dimensions.items()],
        "cards": cards,
        "likewise": likewise,
        "trend": _build_trend(document),
    }


KEY = "Changes for the better are solid and green, those for the worse striped and red, others grey."


def _list_colours(document: ReportDocument) -> dict[str, str]:
    accent = document.brand.accent
    return {
        "accent": accent,
        "second": mix_colours(accent, WHITE, 0.35),
        "ink": INK,
        "grey": GREY,
        "rule": RULE,
        "pale": PALE,
        **{meaning.value: colour for meaning, colour in COLOURS.items()},
    }


def _build_logo(document: ReportDocument) -> dict[str, Any] | None:
    """The picture as whole numbers, as the template reads no other bytes."""
    logo = document.brand.logo
    if logo is None:
        return None
    return {"bytes": [*logo.data], "format": logo.format, "alt": f"Logo of {document.business}"}


def _list_subtitles(document: ReportDocument) -> list[str]:
    place = "all storefronts" if document.storefront is None else f"storefront {isolate_name(document.storefront)}"
    label = document.currency_label
    named = document.currency if label == document.currency else f"{label} ({document.currency})"
    zone_words = f"time zone {document.time_zone}"
    lines = [f"{_describe_window(document)} · {zone_words} · {place} · amounts in {named}"]
    lines.append(_describe_previous(document))
    if document.filtered:
        lines.append("Only the groups that were asked for are listed; the figures are those of all customers.")
    return lines


def _describe_window(document: ReportDocument) -> str:
    days = "1 day" if document.days == 1 else f"{document.days:,} days"
    return f"{format_day(document.first)} to {format_day(document.last)} ({days})"


def _describe_previous(document: ReportDocument) -> str:
    """The window before, as far as there is one."""
    if document.previous_first is None or document.previous_last is None:
        return "There is no window before it."
    suffix = "; it holds no purchases" if document.previous is None else ""
    span = f"{format_day(document.previous_first)} to {format_day(document.previous_last)}"
    return f"Compared with the window before: {span}{suffix}"


def _format_second(value: datetime, time_zone: str) -> str:
    """The second it was, in the business's zone."""
    local = value.astimezone(load_zone(time_zone))
    return f"{format_day(local.date())}, {local:%H:%M:%S} ({time_zone})"


def _list_figures(document: ReportDocument) -> list[dict[str, Any]]:
    """The headline figures, each with what it was in the window before; more is better of each."""
    totals, before = document.totals, document.previous
    figures: list[dict[str, Any]] = []
    for name, (label, is_amount) in FIGURES.items():
        now, earlier = getattr(totals, name), None if before is None else getattr(before, name)
        places = choose_decimals([now, earlier], document.decimals) if is_amount else 0

        def show(value: Decimal | int | None, places: int = places) -> str:
            return format_amount(None if value is None else Decimal(value), places)

        figure = {"label": label, "figure": show(now), "change": "", "before": "no purchases in the window before"}
        if earlier is not None:
            figure["before"] = f"before: {show(earlier)}"
        direction = 0
        if now is not None and earlier is not None:
            direction, growth = (now > earlier) - (now < earlier), format_growth(now, earlier)
            change = sign(now - earlier, show(abs(now - earlier)))
            figure["change"] = f"{change} ({growth})" if growth else change
        figures.append({**figure, "direction": direction, "verdict": judge_change(Meaning.GOOD, direction).value})
    return figures


def _build_chart(document: ReportDocument, dimension: str, groups: Sequence[DocumentGroup]) -> dict[str, Any]:
    captions = ["Customers", f"Revenue, {document.currency_label}", "Against the window before"]
    slices = build_slices(groups)
    places = choose_decimals([bar.revenue for bar in slices], document.decimals)
    return {
        "title": get_title(dimension),
        "captions": captions[:2] if document.previous is None else captions,
        "bars": [_build_bar(bar, places) for bar in slices],
    }


def _build_bar(bar: ChartSlice, places: int) -> dict[str, Any]:
    """Values to draw as floats: amounts may be larger than the template's whole numbers."""
    change = bar.change
    return {
        "name": bar.name,
        "customers": (float(bar.customers), format_count(bar.customers)),
        "revenue": (float(bar.revenue), format_amount(bar.revenue, places)),
        "change": (float(change or 0), format_change(change)),
        "verdict": judge_change(bar.meaning, change or 0).value,
    }


def _build_matrix(document: ReportDocument) -> list[list[dict[str, str]]] | None:
    """Customers by recency and frequency, each cell the more coloured the more they are."""
    if document.matrix is None or document.totals.customers == 0:
        return None
    accent, most = document.brand.accent, max(map(max, document.matrix))
    pale = mix_colours(accent, WHITE, PALEST)

    def build_cell(customers: int) -> dict[str, str]:
        ground = mix_colours(pale, accent, customers / most) if customers else PALE
        return {"said": format_count(customers), "ground": ground, "letters": choose_letters(ground)}

    return [[build_cell(customers) for customers in row] for row in document.matrix]


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
    totals = document.totals
    columns = (
        [*(group.revenue for group in groups), totals.revenue],
        [*(group.average_order for group in groups), totals.average_order],
        [*(group.average_spend for group in groups), totals.average_spend],
    )
    places = [choose_decimals(amounts, document.decimals) for amounts in columns]
    rows = [_build_row(group, places) for group in groups]
    if not document.filtered:
        rows.append(_build_sum_row(document, places))
    return {"title": f"{get_title(dimension)} in figures, amounts in {document.currency_label}", "rows": rows}


def _build_row(group: DocumentGroup, places: Sequence[int]) -> dict[str, Any]:
    cells = (
        format_count(group.customers),
        format_share(group.customer_share),
        format_count(group.previous_customers),
        format_change(group.change),
        format_amount(group.revenue, places[0]),
        format_share(group.revenue_share),
        format_amount(group.average_order, places[1]),
        format_amount(group.average_spend, places[2]),
        format_average(group.average_age, 1),
        format_average(group.average_frequency, 2),
    )
    repeats_name = group.code.casefold() == f"{group.dimension}:{group.name}".casefold()
    code = "" if repeats_name else group.code
    verdict = judge_change(group.meaning, group.change or 0)
    said = VERDICTS.get(verdict, "")
    return {"name": group.name, "code": code, "cells": cells, "verdict": verdict.value, "said": said, "strong": False}


def _build_sum_row(document: ReportDocument, places: Sequence[int]) -> dict[str, Any]:
    totals, before = document.totals, None if document.previous is None else document.previous.customers
    change = None if before is None else totals.customers - before
    full = bool(totals.customers)
    cells = (
        format_count(totals.customers),
        format_share(float(full)),
        format_count(before),
        format_change(change),
        format_amount(totals.revenue, places[0]),
        format_share(float(bool(totals.revenue))),
        format_amount(totals.average_order, places[1]),
        format_amount(totals.average_spend, places[2]),
        "",
        format_average(totals.orders / totals.customers if full else None, 2),
    )
    verdict = judge_change(Meaning.GOOD, change or 0)
    return {
        "name": "All customers",
        "code": "",
        "cells": cells,
        "verdict": verdict.value,
        "said": VERDICTS.get(verdict, ""),
        "strong": True,
    }


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
        likewise.append(f"{more} {get_title(members[0].dimension)}.")
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


def _build_trend(document: ReportDocument) -> dict[str, Any] | None:
    """The groups over the last windows: charts, and a table that says what they show."""
    trend = document.trend
    if trend is None:
        return None
    window = "day" if document.days == 1 else f"{document.days:,} days"
    label = document.currency_label
    charts, tables = [], []
    drawn = [("Customers", "customers")]
    if len(trend.dimensions) == 1:
        drawn.append((f"Revenue, {label}", "revenue"))
    for dimension, series in trend.dimensions.items():
        bands, title = list_bands(series, document.brand.accent), get_title(dimension)
        for what, name in drawn:
            charts.append(_build_area(f"{what}: {title}", bands, name, trend.dates))
            tables.append(_build_trend_table(f"{what} by window: {title}", bands, name, document))
    return {
        "title": "Trend",
        "note": f"Each point is the {window} up to the day below it; the latest is this report.",
        "days": [f"{day.day} {format_month(day)}" for day in trend.dates],
        "charts": charts,
        "tables": tables,
    }


def format_month(day: date) -> str:
    """Such as Apr 2024."""
    _, month, year = format_day(day).split()
    return f"{month[:3]} {year}"


def _build_area(title: str, bands: Sequence[TrendBand], name: str, dates: Sequence[date]) -> dict[str, Any]:
    """Areas over each other, the first at the bottom, with the lines of a grid."""
    values = [[float(each) for each in getattr(band, name)] for band in bands]
    peak = max(map(sum, zip(*values, strict=True)))
    step = find_step(peak)
    span = f"from {format_day(dates[0])} to {format_day(dates[-1])}"
    names = ", ".join(isolate_name(band.name) for band in reversed(bands))
    return {
        "title": title,
        "alt": f"{title}, as areas over each other, {span}; from the top: {names}. A table below has the figures.",
        "top": max(peak, step),
        "lines": [(step * place, f"{step * place:,.10g}") for place in range(int(peak // step) + 1)],
        "bands": [
            {"name": band.name, "colour": band.colour, "values": own} for band, own in zip(bands, values, strict=True)
        ],
    }


def find_step(peak: float) -> float:
    """The distance between the lines of a grid: 1, 2 or 5 times a power of ten, at least 1."""
    for step in (factor * 10.0**power for power in range(20) for factor in (1, 2, 5)):
        if peak <= step * STEPS:
            return step
    raise ValueError(f"no grid for {peak}")


def _build_trend_table(title: str, bands: Sequence[TrendBand], name: str, document: ReportDocument) -> dict[str, Any]:
    """The same as numbers, from the top down, with the sum of all where all are there."""
    columns: list[tuple[str, Sequence[int | Decimal]]] = [(band.name, getattr(band, name)) for band in reversed(bands)]
    if not document.filtered:
        sums = [sum(values) for values in zip(*(own for _, own in columns), strict=True)]
        columns.append(("All customers", sums))
    amounts = [Decimal(each) for _, own in columns for each in own]
    places = choose_decimals(amounts, document.decimals) if name == "revenue" else 0
    rows = [
        {"name": named, "cells": [format_amount(Decimal(each), places) for each in own], "strong": False}
        for named, own in columns
    ]
    rows[-1]["strong"] = not document.filtered
    return {"title": title, "rows": rows}


def get_title(dimension: str) -> str:
    return DIMENSION_TITLES.get(dimension, dimension)
