"""What files are made of, for their tests: report documents from scored cells as the store would return them, and
members of a segment."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

from domain.classification.groups import Meaning, Method
from domain.classification.rfm import EIGHT, UNCLASSIFIED, RfmScheme
from domain.model import Business, BusinessSettings
from domain.reports.document import DocumentCell, DocumentGroup, ReportDocument, Totals
from domain.reports.insights import Insights
from domain.reports.transitions import MONTHS, list_months_back
from domain.reports.trend import Trend, TrendSeries
from domain.segments.member_export import MemberExport
from domain.segments.model import Definition, Segment, SegmentKind

GENERATED = datetime(2026, 9, 28, 12, 5, 33, tzinfo=UTC)
EIGHT_ROWS = (
    # customers, before, orders, revenue in cents, ages
    (124, 118, 1_116, 14_820_450, 992),
    (210, 224, 1_050, 9_612_075, 4_410),
    (96, 80, 240, 3_101_990, 960),
    (75, 75, 150, 1_290_055, 2_025),
    (88, 61, 220, 2_745_500, 5_896),
    (41, 52, 123, 512_020, 2_829),
    (132, 90, 132, 1_485_000, 924),
    (187, 201, 203, 733_915, 13_277),
)
SENTENCES = (
    "Most revenue: Champions, 148,204 EUR, 42.0 % of the total, from 124 customers.",
    "Largest group: Loyal Customers, 210 customers, 21.0 % of all.",
    "Fastest growing: New Customers, 132 customers, 42 more than in the window before.",
    "Needs attention: At Risk, 88 customers who spent 27,455 EUR. First step: Send win-back offers.",
    "Unclassified: 47 customers, 10,203 EUR of revenue, in none of the named groups; the eleven-segment scheme places"
    " them all.",
)
REST = (47, 38, 55, 1_020_333, 1_880)


def group(
    name: str,
    figures: tuple[int, int | None, int, int, int],
    whole: tuple[int, int],
    *,
    dimension: str = "rfm",
    code: str = "",
    description: str = "A group",
    profile: str | None = None,
    actions: tuple[str, ...] = ("Write to them", "Call them", "Visit them"),
    decimals: int = 2,
    meaning: Meaning = Meaning.NEUTRAL,
) -> DocumentGroup:
    customers, before, orders, revenue, ages = figures
    # Before, each of its customers ordered and spent as much.
    times = None if before is None else before / customers if customers else 0.0

    def money(minor: float) -> Decimal:
        return Decimal(round(minor)).scaleb(-decimals)

    return DocumentGroup(
        dimension=dimension,
        name=name,
        code=code or name.upper(),
        description=description,
        profile=profile,
        actions=actions,
        scores=None,
        meaning=meaning,
        customers=customers,
        orders=orders,
        revenue=money(revenue),
        previous_customers=before,
        previous_orders=None if times is None else round(orders * times),
        previous_revenue=None if times is None else money(revenue * times),
        customer_share=customers / whole[0] if whole[0] else 0.0,
        revenue_share=revenue / whole[1] if whole[1] else 0.0,
        average_order=money(revenue / orders) if orders else None,
        average_age=ages / customers if customers else None,
        average_frequency=orders / customers if customers else None,
        average_spend=money(revenue / customers) if customers else None,
    )


def cells(count: Callable[[int, int], int]) -> tuple[DocumentCell, ...]:
    """One for each recency and frequency, with as many customers as the function says."""
    return tuple(
        DocumentCell(r, f, 3, "Champions", count(r, f), count(r, f), Decimal(count(r, f)).scaleb(-2))
        for r in range(1, 6)
        for f in range(1, 6)
    )


def sum_up(customers: int, orders: int, revenue: Decimal) -> Totals:
    """The headline figures of a window."""
    cent = Decimal(1).scaleb(int(revenue.as_tuple().exponent))
    return Totals(
        customers,
        orders,
        revenue,
        (revenue / orders).quantize(cent) if orders else None,
        (revenue / customers).quantize(cent) if customers else None,
    )


def document(groups: tuple[DocumentGroup, ...], rest: DocumentGroup | None = None, **changes: object) -> ReportDocument:
    """A document whose headline figures add up over the first dimension of its groups."""
    rows = [row for row in (*groups, *([rest] if rest else [])) if row.dimension == groups[0].dimension]
    customers, orders = sum(row.customers for row in rows), sum(row.orders for row in rows)
    before = [
        (row.previous_customers, row.previous_orders or 0, row.previous_revenue or Decimal(0))
        for row in rows
        if row.previous_customers is not None
    ]
    made = ReportDocument(
        business="Brückner & Söhne",
        business_key="shop",
        currency="EUR",
        currency_label="EUR",
        decimals=2,
        time_zone="Europe/Berlin",
        storefront=None,
        method=Method.RFM,
        scheme=RfmScheme.EIGHT_SEGMENT,
        days=90,
        first=date(2026, 7, 1),
        last=date(2026, 9, 28),
        previous_first=date(2026, 4, 2),
        previous_last=date(2026, 6, 30),
        generated_at=GENERATED,
        totals=sum_up(customers, orders, sum((row.revenue for row in rows), Decimal(0))),
        previous=sum_up(
            sum(row[0] for row in before), sum(row[1] for row in before), sum((row[2] for row in before), Decimal(0))
        )
        if before
        else None,
        insights=Insights(),
        sentences=(),
        groups=groups,
        unclassified=rest,
        cells=None,
        filtered=False,
    )
    labelled = {"currency_label": changes["currency"]} if "currency" in changes else {}
    return replace(made, **{**labelled, **changes})  # type: ignore[arg-type]


def eight_segments(**changes: object) -> ReportDocument:
    """A shop's report by the eight segments."""
    rows = (*EIGHT_ROWS, REST)
    whole = (sum(row[0] for row in rows), sum(row[3] for row in rows))
    made = [
        replace(
            group(kind.name, row, whole, code=kind.code),
            **{name: getattr(kind, name) for name in ("description", "profile", "actions", "meaning")},
        )
        for kind, row in zip((*EIGHT, UNCLASSIFIED), rows, strict=True)
    ]
    named = tuple(sorted(made[:-1], key=lambda each: -each.revenue))
    scored = cells(lambda r, f: (r * 7 + f * f * 5) % 97 * (1 if r != 2 or f != 5 else 0))
    standing = Insights("Champions", "Loyal Customers", "New Customers", 42, "At Risk")
    return document(named, made[-1], **{"insights": standing, "sentences": SENTENCES, "cells": scored, **changes})


def categories(names: tuple[str, ...], **changes: object) -> ReportDocument:
    """A report by behaviour with a category a name, two channels and two seasons."""
    figures = [
        (900 - 3 * place, 880 - place * 2, 1_000, 5_000_000 - place * 15_001, 9_000) for place in range(len(names))
    ]
    whole = (sum(row[0] for row in figures), sum(row[3] for row in figures))
    half = whole[0] // 3, whole[1] // 3
    groups = [
        group(
            name,
            row,
            whole,
            dimension="category",
            code=f"CATEGORY:{name}",
            description=f"Prefer {name}",
            profile=f"At least 70 % of the lines in {name}",
            actions=(f"Show what is new in {name}", f"Recommend what goes with {name}", "Ask what they miss"),
        )
        for name, row in zip(names, figures, strict=True)
    ]
    for dimension, pair in (("channel", ("Online", "Omnichannel")), ("season", ("Year-round", "Festive"))):
        low = (half[0], half[0] - 20, 1_200, half[1], 8_000)
        high = (whole[0] - half[0], whole[0] - half[0] - 5, 3_000, whole[1] - half[1], 22_000)
        for name, row in zip(pair, (high, low), strict=True):
            groups.append(group(name, row, whole, dimension=dimension, code=f"{dimension.upper()}:{name}"))
    standing = Insights(names[0], names[0])
    return document(tuple(groups), None, **{"method": Method.BEHAVIOR, "insights": standing, **changes})


def trended(made: ReportDocument) -> ReportDocument:
    """The document with a trend in which every group grew by a twelfth of itself from window to window."""
    places = range(1, MONTHS + 1)
    series = tuple(
        TrendSeries(
            row.dimension,
            row.name,
            row.code,
            row.meaning,
            tuple(row.customers * place // MONTHS for place in places),
            tuple(round(row.revenue * place / MONTHS, made.decimals) for place in places),
        )
        for row in made.rows
    )
    return replace(made, trend=Trend(tuple(list_months_back(made.last)), series))


def member_export(columns: tuple[str, ...]) -> MemberExport:
    """These columns of the members of a segment, in Japan."""
    business = Business(1, "shop", "Shop", "JPY", "Asia/Tokyo", BusinessSettings(), 1, 1, 1)
    flags = (SegmentKind.MANUAL, False, False, Definition(), None, 1)
    segment = Segment(1, "vip", "VIP", None, *flags, GENERATED, GENERATED, GENERATED, None, None, None, None, 1)
    return MemberExport(business, segment, GENERATED, columns)
