"""What stands out in a report: names of groups, and the sentences that say it wherever people read. Only groups with
customers stand out; of two that are equal it is the first in the table's order. A sentence says no more than the table
beside it: what did not grow is not called growing, nor largest what the unclassified exceed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from domain.classification.groups import Method
from domain.classification.rfm import GROWING, UNCLASSIFIED, WORRYING, RfmScheme
from domain.money import to_decimal
from domain.reports.figures import format_amount, format_customers, format_share, isolate_name
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
    fastest = _find_fastest(report.scheme, named, before)
    return Insights(
        highest.kind.name,
        largest.kind.name,
        None if fastest is None else fastest.kind.name,
        None if fastest is None or before is None else _compute_change(fastest, before),
        next((name for name in WORRYING[report.scheme] if name in named), None),
    )


def _find_fastest(scheme: RfmScheme, named: Mapping[str, Group], before: Report | None) -> Group | None:
    """Of the promising groups the one that grew most; the first of them where none did."""
    growing = [named[name] for name in GROWING[scheme] if name in named]
    if before is not None and growing:
        best = max(growing, key=lambda group: _compute_change(group, before))
        if _compute_change(best, before) > 0:
            return best
    return growing[0] if growing else None


def _compute_change(group: Group, before: Report) -> int:
    return group.customers - before.of(group.kind).customers


def describe_insights(report: Report, insights: Insights, currency: str) -> tuple[str, ...]:
    """What stands out, a sentence each; `currency` is what stands behind amounts."""
    if not report.customers:
        return ("No customer bought in this window, so there is nothing to compare.",)
    return tuple(_write_sentences(report, insights, currency))


def _write_sentences(report: Report, insights: Insights, currency: str) -> Iterator[str]:
    # Of the three dimensions of behaviour only one is spoken of, and a group of another may be larger.
    by = f" by {report.main[0].kind.dimension}" if report.method is Method.BEHAVIOR else ""
    known: Mapping[str | None, Group] = {group.kind.name: group for group in report.main}
    other = Group(UNCLASSIFIED, 0, 0, 0, 0) if report.other is None else report.other

    def money(group: Group) -> str:
        return f"{format_amount(to_decimal(group.revenue, report.decimals))} {currency}"

    if (group := known.get(insights.highest_revenue)) is not None:
        among = " of the named groups" if other.revenue > group.revenue else by
        share = f"{format_share(report.compute_revenue_share(group))} of the total"
        name = isolate_name(group.kind.name)
        yield f"Most revenue{among}: {name}, {money(group)}, {share}, from {format_customers(group.customers)}."
    if (group := known.get(insights.largest)) is not None:
        title = "Largest of the named groups" if other.customers > group.customers else f"Largest group{by}"
        share = f"{format_share(report.compute_customer_share(group))} of all"
        yield f"{title}: {isolate_name(group.kind.name)}, {format_customers(group.customers)}, {share}."
    if (group := known.get(insights.fastest_growing)) is not None:
        change = insights.fastest_growing_change
        title = "Most potential" if change is None or change <= 0 else "Fastest growing"
        compared = "" if change is None else f", {_compare(change)} in the window before"
        yield f"{title}: {isolate_name(group.kind.name)}, {format_customers(group.customers)}{compared}."
    if (group := known.get(insights.needs_attention)) is not None:
        spent = f"{format_customers(group.customers)} who spent {money(group)}"
        yield f"Needs attention: {isolate_name(group.kind.name)}, {spent}. First step: {group.kind.actions[0]}."
    if other.customers:
        whoever = f"{format_customers(other.customers)}, {money(other)} of revenue, in none of the named groups"
        yield f"Unclassified: {whoever}; the eleven-segment scheme places them all."


def _compare(change: int) -> str:
    return f"{change:,} more than" if change > 0 else f"{-change:,} fewer than" if change < 0 else "as many as"
