"""How the groups of a report went: each of them in the windows that end with the report's last day and one to eleven
months before it, as charts and tables show it. The groups of a dimension add up to the whole of each window."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from domain.classification.groups import Meaning
from domain.money import to_decimal
from domain.reports.brand import COLOURS, list_shades
from domain.reports.transitions import TrendPoint

BANDS = 10
"""Groups that a chart shows by name; the others stand together."""
ORDER = (Meaning.GOOD, Meaning.NEUTRAL, Meaning.WATCH, Meaning.BAD)
"""From the bottom of a chart up, so that what is good stands together, and what is bad."""


@dataclass(frozen=True, slots=True)
class TrendSeries:
    """One group, window by window."""

    dimension: str
    name: str
    code: str
    meaning: Meaning
    customers: tuple[int, ...]
    revenue: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class TrendBand:
    """One series of a chart, in its colour."""

    name: str
    colour: str
    customers: tuple[int, ...]
    revenue: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class Trend:
    """The groups in table order, over windows that end with these dates, the earliest first."""

    dates: tuple[date, ...]
    series: tuple[TrendSeries, ...]

    @property
    def dimensions(self) -> dict[str, tuple[TrendSeries, ...]]:
        names = dict.fromkeys(each.dimension for each in self.series)
        return {name: tuple(each for each in self.series if each.dimension == name) for name in names}


def build_trend(points: Sequence[TrendPoint], codes: frozenset[str] | None, decimals: int) -> Trend | None:
    """The series of the groups with these codes, or of all; None where no window holds a purchase."""
    if not any(point.customers for point in points):
        return None
    by_kind: dict[str, list[TrendPoint]] = {}
    for point in points:
        if codes is None or point.kind.code in codes:
            by_kind.setdefault(point.kind.code, []).append(point)
    series = tuple(
        TrendSeries(
            kind.dimension,
            kind.name,
            kind.code,
            kind.meaning,
            tuple(point.customers for point in own),
            tuple(to_decimal(point.revenue, decimals) for point in own),
        )
        for own in by_kind.values()
        for kind in (own[0].kind,)
    )
    return Trend(tuple(dict.fromkeys(point.date for point in points)), series)


def list_bands(series: Sequence[TrendSeries], accent: str) -> tuple[TrendBand, ...]:
    """What a chart of one dimension shows, from the bottom up, in the colours of what the groups mean; where none means
    anything, in shades of the accent. Of many groups those with the most customers have a band
    of their own, and one without any has none."""
    ranked = sorted((each for each in series if any(each.customers)), key=lambda each: -sum(each.customers))
    named = ranked if len(ranked) <= BANDS else ranked[: BANDS - 1]
    bands = [each for meaning in ORDER for each in series if each.meaning is meaning and each in named]
    if rest := ranked[len(named) :]:
        bands.append(_add_up(rest))
    colours = {**COLOURS, Meaning.NEUTRAL: accent} if {each.meaning for each in bands} == {Meaning.NEUTRAL} else COLOURS
    counts = Counter(each.meaning for each in bands)
    shades = {meaning: list_shades(colours[meaning], count) for meaning, count in counts.items()}
    return tuple(TrendBand(each.name, shades[each.meaning].pop(0), each.customers, each.revenue) for each in bands)


def _add_up(rest: Sequence[TrendSeries]) -> TrendSeries:
    """Those that a chart does not name, as one."""
    customers = tuple(map(sum, zip(*(each.customers for each in rest), strict=True)))
    revenue = tuple(sum(amounts, Decimal(0)) for amounts in zip(*(each.revenue for each in rest), strict=True))
    return TrendSeries(rest[0].dimension, f"Other ({len(rest)})", "", Meaning.NEUTRAL, customers, revenue)
