"""Labels of customers: frequency, spending and category, from the thresholds of the business. The first that holds
counts; whole numbers decide, shares are compared by cross-multiplication. The conditions are written once, for the
numbers of one customer and for the columns of a statement over all of them, which compare alike."""

from calendar import monthrange
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from domain.classification.festive import FestivePeriods, read_periods
from domain.errors import InvalidInput
from domain.model import Business, BusinessSettings
from domain.money import find_exponent, to_minor


@dataclass(frozen=True, slots=True)
class ClassificationSpan:
    """The days that classification looks at: from when a purchase is recent, the festive ranges, and today."""

    recent_from: int
    today: int
    festive: tuple[tuple[int, int], ...]


LABELS = {"NEW": "New", "LOYAL": "Loyal", "LAPSED": "Lapsed", "SEASONAL": "Seasonal"}
REGULAR = "Regular"
FREQUENCIES = (*LABELS.values(), REGULAR)
HIGH, MEDIUM, LOW = SPENDINGS = ("High Value", "Medium Value", "Low Value")
FAMILY, MIXED = "Family", "Mixed"
AMOUNTS = ("high_average_order", "high_lifetime", "low_lifetime")
BOUNDS = {
    "loyal_orders": 1000,
    "loyal_months": 120,
    "lapsed_days": 9999,
    "festive_percent": 100,
    "dominant_percent": 100,
    "family_percent": 100,
}
"""The settings that are whole numbers, each with its highest value; the lowest is 1."""


def subtract_months(day: date, months: int) -> date:
    """The same day of the month that many calendar months before, or that month's last day."""
    index = day.year * 12 + day.month - 1 - months
    year, month = max(index // 12, 1), index % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


@dataclass(frozen=True, slots=True)
class ClassificationSettings:
    """The thresholds of a business; amounts in major units."""

    high_average_order: Decimal = Decimal(15000)
    high_lifetime: Decimal = Decimal(150000)
    low_lifetime: Decimal = Decimal(10000)
    loyal_orders: int = 5
    loyal_months: int = 6
    lapsed_days: int = 90
    festive_percent: int = 80
    dominant_percent: int = 70
    family_percent: int = 30
    frequency_order: tuple[str, ...] = ("NEW", "LOYAL", "LAPSED", "SEASONAL")
    festive: FestivePeriods = field(default_factory=FestivePeriods)

    def find_recent_start(self, today: date) -> date:
        """The first date of the last `loyal_months` calendar months: the day after the same day that long before."""
        return date.fromordinal(subtract_months(today, self.loyal_months).toordinal() + 1)

    def find_contradictions(self) -> list[tuple[str, str, str]]:
        """Thresholds that contradict each other: the one to mend, the other, and the sentence."""
        contradictions = []
        if self.low_lifetime >= self.high_lifetime:
            contradictions.append(("low_lifetime", "high_lifetime", "low_lifetime must be less than high_lifetime"))
        if self.family_percent > self.dominant_percent:
            contradictions.append(
                ("family_percent", "dominant_percent", "family_percent must be at most dominant_percent")
            )
        return contradictions

    def check(self) -> None:
        """InvalidInput names the threshold that contradicts another or is out of its bounds."""
        for name in AMOUNTS:
            if getattr(self, name) < 0:
                raise InvalidInput(f"{name} must not be negative", (name,))
        for name, high in BOUNDS.items():
            if not 1 <= getattr(self, name) <= high:
                raise InvalidInput(f"{name} must be between 1 and {high}", (name,))
        for name, _, message in self.find_contradictions()[:1]:
            raise InvalidInput(message, (name,))
        if sorted(self.frequency_order) != sorted(LABELS):
            raise InvalidInput(f"frequency_order must hold each of {', '.join(LABELS)} once", ("frequency_order",))

    @classmethod
    def from_settings(cls, settings: Mapping[str, object]) -> "ClassificationSettings":
        """The stored settings, defaults for what is absent."""
        thresholds = cls.from_unchecked(settings)
        thresholds.check()
        return thresholds

    @classmethod
    def from_unchecked(cls, settings: Mapping[str, object]) -> "ClassificationSettings":
        """The same where they may contradict each other."""
        known: dict[str, Any] = {}
        known |= {name: _read_amount(name, settings[name]) for name in AMOUNTS if name in settings}
        known |= {name: _read_whole(name, settings[name]) for name in BOUNDS if name in settings}
        if "frequency_order" in settings:
            order = settings["frequency_order"]
            known["frequency_order"] = tuple(map(str, order)) if isinstance(order, list | tuple) else ()
        if "festive_periods" in settings:
            try:
                known["festive"] = read_periods(settings["festive_periods"])
            except ValueError as error:
                raise InvalidInput(f"festive_periods {error}", ("festive_periods",)) from error
        return cls(**known)


@lru_cache(maxsize=256)
def read_thresholds(settings: BusinessSettings) -> ClassificationSettings:
    """Those among the settings of a business, understood once; InvalidInput where they cannot be."""
    return ClassificationSettings.from_settings(settings.stored)


def _read_amount(name: str, value: object) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal("NaN")
    if isinstance(value, bool) or not amount.is_finite():
        raise InvalidInput(f"{name} must be a number such as 15000", (name,))
    return amount


def _read_whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInput(f"{name} must be a whole number", (name,))
    return value


@dataclass(frozen=True, slots=True)
class ClassificationFacts:
    """What a customer's counted purchases say; lifetime in minor units, lines by category."""

    order_count: int
    lifetime: int
    recent_orders: int
    last_day: int
    festive_orders: int
    category_lines: Mapping[str | None, int]


@dataclass(frozen=True, slots=True)
class Classification:
    """The three labels, all missing without a qualifying purchase, and those of further dimensions by name."""

    frequency: str | None = None
    spending: str | None = None
    category: str | None = None
    further: tuple[tuple[str, str], ...] = ()


def classify(
    facts: ClassificationFacts | None, settings: ClassificationSettings, today: date, decimals: int
) -> Classification:
    """The labels as of `today`; `decimals` is the currency's exponent."""
    if facts is None or not facts.order_count:
        return Classification()
    return Classification(
        _classify_frequency(facts, settings, today),
        _classify_spending(facts, settings, decimals),
        _classify_category(facts, settings),
    )


def build_frequency_conditions(
    settings: ClassificationSettings, today: int, *, orders: Any, recent: Any, festive: Any, last_day: Any
) -> list[tuple[Any, str]]:
    """Each condition with its label, in the order that the business gave; REGULAR where none holds."""
    conditions = {
        "NEW": orders == 1,
        "LOYAL": recent >= settings.loyal_orders,
        "LAPSED": last_day <= today - settings.lapsed_days,
        "SEASONAL": has_share(settings.festive_percent, festive, orders),
    }
    return [(conditions[name], LABELS[name]) for name in settings.frequency_order]


def build_spending_conditions(
    settings: ClassificationSettings, decimals: int, *, mean: Any, lifetime: Any
) -> list[tuple[Any, str]]:
    """Each condition with its label; MEDIUM where none holds. `mean` is the whole quotient, which reaches a whole bound
    exactly where the average order does, and cannot overflow."""
    average, high, low = (
        to_minor(value, decimals)
        for value in (settings.high_average_order, settings.high_lifetime, settings.low_lifetime)
    )
    return [((mean >= average) | (lifetime >= high), HIGH), (lifetime <= low, LOW)]


def build_category_conditions(*, dominant: Any, largest: Any, strong: Any) -> list[tuple[Any, Any]]:
    """Each condition with its label; MIXED where none holds. `largest` is the category of most lines, `dominant`
    whether it has the dominant share, `strong` how many categories have that of families."""
    return [(dominant, largest), (strong >= 2, FAMILY)]


def has_share(percent: int, part: Any, whole: Any) -> Any:
    """Whether the part is at least so many per cent of the whole."""
    return 100 * part >= percent * whole


def _classify_frequency(facts: ClassificationFacts, settings: ClassificationSettings, today: date) -> str:
    conditions = build_frequency_conditions(
        settings,
        today.toordinal(),
        orders=facts.order_count,
        recent=facts.recent_orders,
        festive=facts.festive_orders,
        last_day=facts.last_day,
    )
    return _find_first(conditions, REGULAR)


def _classify_spending(facts: ClassificationFacts, settings: ClassificationSettings, decimals: int) -> str:
    mean = facts.lifetime // facts.order_count
    conditions = build_spending_conditions(settings, decimals, mean=mean, lifetime=facts.lifetime)
    return _find_first(conditions, MEDIUM)


def _classify_category(facts: ClassificationFacts, settings: ClassificationSettings) -> str:
    lines = sum(facts.category_lines.values())
    named = {name: count for name, count in facts.category_lines.items() if name is not None}
    if not named:
        return MIXED
    # Two categories can both reach the dominant share only where it is half or less: the larger, then the name, wins.
    largest = min(named, key=lambda name: (-named[name], name))
    conditions = build_category_conditions(
        dominant=has_share(settings.dominant_percent, named[largest], lines),
        largest=largest,
        strong=sum(has_share(settings.family_percent, count, lines) for count in named.values()),
    )
    return _find_first(conditions, MIXED)


def _find_first(conditions: Iterable[tuple[bool, str]], otherwise: str) -> str:
    return next((label for holds, label in conditions if holds), otherwise)


DIMENSIONS = ("frequency", "spending", "category")
ARITHMETIC = 2
"""Raised when the same purchases and settings would get other labels, so that kept ones are not trusted."""


@dataclass(frozen=True, slots=True)
class Labelling:
    """How labels are decided as of a day. Labels that were kept under the same `basis` differ only where a customer's
    purchases changed since."""

    settings: ClassificationSettings
    span: ClassificationSpan
    decimals: int
    basis: str


def build_labelling(business: Business, today: date, first_day: int | None) -> Labelling:
    """As of `today`, by the business's settings; `first_day` is that of its earliest purchase."""
    settings = read_thresholds(business.settings)
    last = today.toordinal()
    first = last if first_day is None else min(first_day, last)
    span = ClassificationSpan(
        settings.find_recent_start(today).toordinal(), last, tuple(settings.festive.find_day_ranges(first, last))
    )
    basis = f"{ARITHMETIC}:{last}:{business.settings_version}:{business.time_zone}"
    return Labelling(settings, span, find_exponent(business.currency), basis)


@dataclass(slots=True)
class Distribution:
    """How many customers there are, and how many have each label, told by the labels that stand together."""

    dimensions: tuple[str, ...] = DIMENSIONS
    groups: Counter[tuple[str | None, ...]] = field(default_factory=Counter)

    @property
    def customers(self) -> int:
        """All of them, those without labels too."""
        return self.groups.total()

    def count_labels(self) -> Mapping[str, Mapping[str, int]]:
        """Dimension, label, number of customers, the most frequent first; who has none is in none."""
        counts: dict[str, Counter[str]] = {name: Counter() for name in self.dimensions}
        for group, count in self.groups.items():
            for name, label in zip(self.dimensions, group, strict=True):
                if label is not None:
                    counts[name][label] += count
        return {
            name: dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))
            for name, counted in counts.items()
        }
