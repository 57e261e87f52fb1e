"""Labels of all customers at once: what they are decided by, and what they are true for. The store decides them; the
numbers come from here."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from domain.classification import ClassificationSettings
from domain.model import Business
from domain.money import exponent
from domain.ports import ClassificationSpan

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


def labelling(business: Business, today: date, first_day: int | None) -> Labelling:
    """As of `today`, by the business's settings; `first_day` is that of its earliest purchase."""
    settings = ClassificationSettings.from_settings(business.settings)
    last = today.toordinal()
    first = last if first_day is None else min(first_day, last)
    span = ClassificationSpan(
        settings.recent_from(today).toordinal(), last, tuple(settings.festive.day_ranges(first, last))
    )
    basis = f"{ARITHMETIC}:{last}:{business.settings_version}:{business.time_zone}"
    return Labelling(settings, span, exponent(business.currency), basis)


@dataclass(slots=True)
class Distribution:
    """How many customers there are, and how many have each label, told by the labels that stand together."""

    dimensions: tuple[str, ...] = DIMENSIONS
    groups: Counter[tuple[str | None, ...]] = field(default_factory=Counter)

    @property
    def customers(self) -> int:
        """All of them, those without labels too."""
        return self.groups.total()

    def labels(self) -> Mapping[str, Mapping[str, int]]:
        """Dimension, label, number of customers, the most frequent first; who has none is in none."""
        found: dict[str, Counter[str]] = {name: Counter() for name in self.dimensions}
        for group, count in self.groups.items():
            for name, label in zip(self.dimensions, group, strict=True):
                if label is not None:
                    found[name][label] += count
        return {
            name: dict(sorted(counted.items(), key=lambda item: (-item[1], item[0]))) for name, counted in found.items()
        }
