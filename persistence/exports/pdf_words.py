"""The words of a PDF report: dates, amounts, counts and insights as people read them. A number is never rounded more
than it says: amounts and counts are whole, shares have one decimal, averages of days one and of orders two."""

from datetime import date, datetime
from decimal import Decimal

from domain.calendar import zone
from domain.classification.rfm import RfmScheme
from domain.reports.document import DocumentGroup, ReportDocument
from domain.reports.reporting import Method

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
METHODS = {Method.VALUE: "by value", Method.BEHAVIOR: "by behaviour"}
SCHEMES = {RfmScheme.EIGHT_SEGMENT: "RFM, eight segments", RfmScheme.ELEVEN_SEGMENT: "RFM, eleven segments"}
LEADING = {Method.RFM: "rfm", Method.VALUE: "value", Method.BEHAVIOR: "category"}
"""The dimension whose groups the insights name."""
NONE = "–"
MARK = "\u200e"
"""Ends a name inside a sentence, so that what follows it is not drawn into its direction."""


def day(value: date) -> str:
    """Such as 1 July 2026."""
    return f"{value.day} {MONTHS[value.month - 1]} {value.year}"


def instant(value: datetime, time_zone: str) -> str:
    """The second it was, in the business's zone."""
    local = value.astimezone(zone(time_zone))
    return f"{day(local.date())}, {local:%H:%M:%S} ({time_zone})"


def method_words(document: ReportDocument) -> str:
    """How the customers are grouped."""
    return SCHEMES[document.scheme] if document.method is Method.RFM else METHODS[document.method]


def window_words(document: ReportDocument) -> str:
    """The window of the report."""
    days = "1 day" if document.days == 1 else f"{document.days:,} days"
    return f"{day(document.first)} to {day(document.last)} ({days})"


def previous_words(document: ReportDocument) -> str:
    """The window before, as far as there is one."""
    if document.previous_last is None:
        return "There is no window before it."
    first = document.previous_first
    span = f"up to {day(document.previous_last)}" if first is None else f"{day(first)} to {day(document.previous_last)}"
    suffix = "; it holds no purchases" if document.previous_customers is None else ""
    return f"Compared with the window before: {span}{suffix}"


def count(value: int | None) -> str:
    """With commas between thousands."""
    return NONE if value is None else f"{value:,}"


def amount(value: Decimal | None) -> str:
    """Every decimal of the currency, commas between thousands."""
    return NONE if value is None else f"{value:,f}"


def money(value: Decimal | None, currency: str) -> str:
    """An amount with its currency."""
    return NONE if value is None else f"{amount(value)} {currency}"


def share(value: float) -> str:
    """Per cent."""
    return f"{100 * value:.1f} %"


def average(value: float | None, decimals: int) -> str:
    """A mean."""
    return NONE if value is None else f"{value:,.{decimals}f}"


def change(now: int, before: int | None) -> str:
    """By how many customers a group grew."""
    if before is None:
        return NONE
    return "0" if now == before else f"+{now - before:,}" if now > before else f"−{before - now:,}"


def customers(value: int) -> str:
    """A number of customers."""
    return "1 customer" if value == 1 else f"{value:,} customers"


def insight_words(document: ReportDocument) -> list[str]:
    """What stands out, a sentence each."""
    leading = LEADING[document.method]
    groups = (*document.groups, *([document.unclassified] if document.unclassified else []))
    known = {group.name: group for group in groups if group.dimension == leading}
    found = document.insights
    sentences = []
    if found.highest_revenue is not None:
        sentences.append(_highest(document, found.highest_revenue, known.get(found.highest_revenue)))
    if found.largest is not None:
        group = known.get(found.largest)
        more = "" if group is None else f", {customers(group.customers)}, {share(group.customer_share)} of all"
        sentences.append(f"Largest group: {named(found.largest)}{more}.")
    if found.fastest_growing is not None:
        sentences.append(_growing(found.fastest_growing, known.get(found.fastest_growing)))
    if found.needs_attention is not None:
        sentences.append(_attention(document, found.needs_attention, known.get(found.needs_attention)))
    if sentences:
        return sentences
    if document.customers == 0:
        return ["No customer bought in this window, so there is nothing to compare."]
    return ["No named group stands out in this window."]


def named(name: str) -> str:
    """A name inside a sentence."""
    return f"{MARK}{name}{MARK}"


def _highest(document: ReportDocument, name: str, group: DocumentGroup | None) -> str:
    if group is None:
        return f"Most revenue: {named(name)}."
    amounts = f"{money(group.revenue, document.currency)}, {share(group.revenue_share)} of the total"
    return f"Most revenue: {named(name)}, {amounts}, from {customers(group.customers)}."


def _growing(name: str, group: DocumentGroup | None) -> str:
    if group is None:
        return f"Growth: {named(name)}."
    before = group.previous_customers
    if before is not None and group.customers > before:
        gained = group.customers - before
        more = f"{customers(group.customers)}, {gained:,} more than in the window before"
        return f"Fastest growing: {named(name)}, {more}."
    compared = ", no more than in the window before" if before is not None else ""
    return f"To be grown: {named(name)}, {customers(group.customers)}{compared}."


def _attention(document: ReportDocument, name: str, group: DocumentGroup | None) -> str:
    if group is None:
        return f"Needs attention: {named(name)}."
    spent = f"{customers(group.customers)} who spent {money(group.revenue, document.currency)}"
    step = f" First step: {group.actions[0]}." if group.actions else ""
    return f"Needs attention: {named(name)}, {spent}.{step}"
