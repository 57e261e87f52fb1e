"""What a change of settings means for segments: those whose rules use a label or a score that is measured by a changed
setting must be calculated again, as no customer changed whom they could follow."""

from collections.abc import Iterable, Mapping

from domain.rules.context import RANKED, variable_names
from domain.segments.dependencies import defined
from domain.segments.model import Segment

FREQUENCY = frozenset({"purchase_frequency_label"})
SPENDING = frozenset({"spending_label"})
CATEGORY = frozenset({"category_label"})
MEASURES: Mapping[str, frozenset[str]] = {
    "high_average_order": SPENDING,
    "high_lifetime": SPENDING,
    "low_lifetime": SPENDING,
    "loyal_orders": FREQUENCY,
    "loyal_months": FREQUENCY,
    "lapsed_days": FREQUENCY,
    "festive_percent": FREQUENCY,
    "frequency_order": FREQUENCY,
    "festive_periods": FREQUENCY,
    "dominant_percent": CATEGORY,
    "family_percent": CATEGORY,
    "rfm_days": RANKED,
}
"""Variables of rules by the settings that measure them."""


def measured_by(names: Iterable[str], segments: Iterable[Segment]) -> list[Segment]:
    """The segments whose own rules use what these settings measure, each after those that it uses."""
    variables = frozenset().union(*(MEASURES.get(name, frozenset()) for name in names))
    if not variables:
        return []
    found = defined(segments)
    trees = found.trees
    return [
        each
        for each in found.segments
        if each.key in trees and not variables.isdisjoint(variable_names(trees[each.key]))
    ]
