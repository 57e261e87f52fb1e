"""Labels of a customer: frequency, spending and category, from the thresholds of the business. First match in the order
given; whole numbers decide, shares are compared by cross-multiplication."""

from calendar import isleap, monthrange
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation

from domain.errors import InvalidInput
from domain.money import to_minor

LABELS = {"NEW": "New", "LOYAL": "Loyal", "LAPSED": "Lapsed", "SEASONAL": "Seasonal"}
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
MonthDay = tuple[int, int]


@dataclass(frozen=True, slots=True)
class FestivePeriods:
    """Ranges of month and day, both ends included, which may wrap the new year; and dated ranges."""

    yearly: tuple[tuple[MonthDay, MonthDay], ...] = (((4, 1), (4, 20)), ((12, 1), (12, 31)))
    dated: tuple[tuple[date, date], ...] = ()

    def contains(self, day: date) -> bool:
        """Whether the date is festive."""
        here = (day.month, day.day)
        if any(low <= day <= high for low, high in self.dated):
            return True
        return any(low <= here <= high if low <= high else here >= low or here <= high for low, high in self.yearly)

    def day_ranges(self, first: int, last: int) -> list[tuple[int, int]]:
        """Merged inclusive ranges of day numbers inside the span."""
        found: list[tuple[int, int]] = [(low.toordinal(), high.toordinal()) for low, high in self.dated]
        begin, end = (date.fromordinal(min(max(day, 1), date.max.toordinal())) for day in (first, last))
        for year in range(begin.year - 1, end.year + 1):
            for low, high in self.yearly:
                closing = year if low <= high else year + 1
                if closing >= 1:
                    found.append(
                        (_opening(year, *low), date.max.toordinal() if closing > 9999 else _on(closing, *high))
                    )
        merged: list[tuple[int, int]] = []
        for low_day, high_day in sorted((max(low, first), min(high, last)) for low, high in found):
            if low_day > high_day:
                continue
            if merged and low_day <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(merged[-1][1], high_day))
            else:
                merged.append((low_day, high_day))
        return merged


def _opening(year: int, month: int, day: int) -> int:
    # A range that begins on 29 February begins on 1 March in other years; one that ends on it ends on the 28th.
    if year < 1:
        return 1
    return _on(year, 3, 1) if (month, day) == (2, 29) and not isleap(year) else _on(year, month, day)


def _on(year: int, month: int, day: int) -> int:
    return date(year, month, min(day, monthrange(year, month)[1])).toordinal()


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

    def recent_from(self, today: date) -> date:
        """The first date of the last `loyal_months` calendar months: the day after the same day that long before."""
        return date.fromordinal(subtract_months(today, self.loyal_months).toordinal() + 1)

    def check(self) -> None:
        """InvalidInput names the threshold that contradicts another or is out of its bounds."""
        if self.low_lifetime >= self.high_lifetime:
            raise InvalidInput("low_lifetime must be less than high_lifetime", ("low_lifetime",))
        for name in AMOUNTS:
            if getattr(self, name) < 0:
                raise InvalidInput(f"{name} must not be negative", (name,))
        for name, high in BOUNDS.items():
            if not 1 <= getattr(self, name) <= high:
                raise InvalidInput(f"{name} must be between 1 and {high}", (name,))
        if self.family_percent > self.dominant_percent:
            raise InvalidInput("family_percent must be at most dominant_percent", ("family_percent",))
        if sorted(self.frequency_order) != sorted(LABELS):
            raise InvalidInput(f"frequency_order must hold each of {', '.join(LABELS)} once", ("frequency_order",))

    @classmethod
    def from_settings(cls, settings: Mapping[str, object]) -> "ClassificationSettings":
        """The stored settings, defaults for what is absent."""
        known: dict[str, object] = {}
        known |= {name: _amount(name, settings[name]) for name in AMOUNTS if name in settings}
        known |= {name: _whole(name, settings[name]) for name in BOUNDS if name in settings}
        if "frequency_order" in settings:
            order = settings["frequency_order"]
            known["frequency_order"] = tuple(map(str, order)) if isinstance(order, list | tuple) else ()
        made = cls(**known)  # type: ignore[arg-type]
        made.check()
        return made


def _amount(name: str, value: object) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal("NaN")
    if isinstance(value, bool) or not amount.is_finite():
        raise InvalidInput(f"{name} must be a number such as 15000", (name,))
    return amount


def _whole(name: str, value: object) -> int:
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
    """The three labels; all missing without a qualifying purchase."""

    frequency: str | None = None
    spending: str | None = None
    category: str | None = None


def classify(
    facts: ClassificationFacts | None, settings: ClassificationSettings, today: date, decimals: int
) -> Classification:
    """The labels as of `today`; `decimals` is the currency's exponent."""
    if facts is None or not facts.order_count:
        return Classification()
    return Classification(
        _frequency(facts, settings, today), _spending(facts, settings, decimals), _category(facts, settings)
    )


def _frequency(facts: ClassificationFacts, settings: ClassificationSettings, today: date) -> str:
    holds = {
        "NEW": facts.order_count == 1,
        "LOYAL": facts.recent_orders >= settings.loyal_orders,
        "LAPSED": facts.last_day <= today.toordinal() - settings.lapsed_days,
        "SEASONAL": 100 * facts.festive_orders >= settings.festive_percent * facts.order_count,
    }
    return next((LABELS[name] for name in settings.frequency_order if holds[name]), "Regular")


def _spending(facts: ClassificationFacts, settings: ClassificationSettings, decimals: int) -> str:
    average, high, low = (
        to_minor(value, decimals)
        for value in (settings.high_average_order, settings.high_lifetime, settings.low_lifetime)
    )
    if facts.lifetime >= average * facts.order_count or facts.lifetime >= high:
        return "High Value"
    return "Low Value" if facts.lifetime <= low else "Medium Value"


def _category(facts: ClassificationFacts, settings: ClassificationSettings) -> str:
    lines = sum(facts.category_lines.values())
    named = {name: count for name, count in facts.category_lines.items() if name is not None}
    # Two categories can both reach the dominant share only where it is half or less: the larger, then the name, wins.
    dominant = [name for name, count in named.items() if 100 * count >= settings.dominant_percent * lines]
    if dominant:
        return min(dominant, key=lambda name: (-named[name], name))
    strong = sum(100 * count >= settings.family_percent * lines for count in named.values())
    return "Family" if strong >= 2 else "Mixed"
