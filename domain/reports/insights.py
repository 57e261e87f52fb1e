"""What stands out in a report: names of groups, and what is said of them. Only groups with customers stand out; of two
that are equal it is the first in the table's order."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.classification.groups import Method
from domain.classification.rfm import GROWING, WORRYING, RfmScheme
from domain.reports.report import Group, Report, sort_by_table


@dataclass(frozen=True, slots=True)
class Insights:
    """Names of the groups that stand out; None where nothing qualifies. The change is that of the fastest growing group
    in customers, None without a window before."""

    highest_revenue: str | None = None
    largest: str | None = None
    fastest_growing: str | None = None
    fastest_growing_change: int | None = None
    needs_attention: str | None = None


def find_insights(report: Report, before: Report | None) -> Insights:
    """What stands out among the non-empty named groups of the main dimension; `before` is the window before."""
    order = sort_by_table(report.method, report.scheme, (group.kind for group in report.main))
    place = {kind.code: at for at, kind in enumerate(order)}
    full = sorted(
        (group for group in report.main if group.customers and group is not report.other),
        key=lambda group: place[group.kind.code],
    )
    if not full:
        return Insights()
    highest, largest = max(full, key=lambda group: group.revenue), max(full, key=lambda group: group.customers)
    if report.method is not Method.RFM:
        return Insights(highest.kind.name, largest.kind.name)
    named = {group.kind.name: group for group in full}
    growing = _find_fastest(report.scheme, named, before)
    return Insights(
        highest.kind.name,
        largest.kind.name,
        None if growing is None else growing.kind.name,
        None if growing is None or before is None else growing.customers - before.of(growing.kind).customers,
        next((name for name in WORRYING[report.scheme] if name in named), None),
    )


def _find_fastest(scheme: RfmScheme, named: Mapping[str, Group], before: Report | None) -> Group | None:
    """Of the promising groups the one that grew most; the first of them where none did."""
    growing = [named[name] for name in GROWING[scheme] if name in named]
    if before is not None and growing:
        best = max(growing, key=lambda group: group.customers - before.of(group.kind).customers)
        if best.customers > before.of(best.kind).customers:
            return best
    return growing[0] if growing else None
