"""Customers as rules see them, read through the store's ports. Only few are read at a time: to explain, to check one
customer, to test. What decides over all of them is the statement."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from domain.calendar import local_day, to_micros
from domain.classification.labels import Classification, classify
from domain.classification.rfm import Cuts, RfmScheme, Score, group_of, rank_score, recency
from domain.model import QUALIFYING, CustomerTotals, PurchaseLine
from domain.money import divide_half_even, exponent
from domain.pages import MAXIMUM_FIRST, PageRequest
from domain.rules.context import RuleContext, uses_rank, variable_names
from domain.rules.evaluator import CustomerFacts, Element, Scalar
from domain.rules.tree import Value
from domain.store import CustomerRecord, PurchaseRecord, Unit, WindowTotals

Bought = Sequence[tuple[PurchaseRecord, Sequence[PurchaseLine]]]


async def read_customer_facts(
    unit: Unit,
    context: RuleContext,
    customers: Sequence[int],
    segments: Mapping[int, frozenset[str]] | None = None,
) -> dict[int, CustomerFacts]:
    """Those of the customers that exist; `segments` are the keys of the segments that each is a member of."""
    records = await unit.customers.by_ids(customers)
    ids = list(records)
    window = await unit.reports.window_totals(ids, context.span)
    facts = await unit.reports.classification_facts(ids, context.labelled)
    today, decimals = context.now.astimezone(context.zone).date(), exponent(context.business.currency)
    labels = {key: classify(facts.get(key), context.classification, today, decimals) for key in ids}
    found = {}
    for key, record in records.items():
        bought = await _bought(unit, key)
        score = _score(record.totals, window.get(key), context)
        found[key] = customer_facts(context, record, score, labels[key], bought, (segments or {}).get(key, frozenset()))
    return found


async def _bought(unit: Unit, customer: int) -> list[tuple[PurchaseRecord, Sequence[PurchaseLine]]]:
    found: list[PurchaseRecord] = []
    request = PageRequest(MAXIMUM_FIRST)
    while True:
        page = (await unit.purchases.pages([customer], request))[customer]
        found += page.items
        if not page.has_next:
            break
        request = PageRequest(MAXIMUM_FIRST, after=page.positions[-1])
    lines: Mapping[tuple[int, int], Sequence[PurchaseLine]] = {}
    for start in range(0, len(found), MAXIMUM_FIRST):
        keys = [(customer, each.purchase.id) for each in found[start : start + MAXIMUM_FIRST]]
        lines = {**lines, **await unit.purchases.lines(keys)}
    return [(each, lines[(customer, each.purchase.id)]) for each in found]


def _score(totals: CustomerTotals, inside: WindowTotals | None, context: RuleContext) -> Score | None:
    span, cuts = context.span, context.cuts
    if inside is None or cuts is None:
        return Score(1, 1, 1) if totals.order_count else None
    return Score(
        recency(span.last_day - inside.last_day, span.days),
        rank_score(inside.orders, cuts.orders),
        rank_score(inside.spend, cuts.spend),
    )


def customer_facts(
    context: RuleContext,
    record: CustomerRecord,
    score: Score | None,
    labels: Classification,
    bought: Bought,
    segments: frozenset[str] = frozenset(),
) -> CustomerFacts:
    """One customer with everything that a rule can ask."""
    values = _own(context, record) | _derived(context, record.totals) | _ranked(score, labels)
    now = [(each, lines) for each, lines in bought if each.purchase.purchased_at <= context.now]
    counted = [(each, lines) for each, lines in now if each.purchase.status in QUALIFYING]
    lists = {
        "purchases": [_element(context, each) for each, _ in counted],
        "all_purchases": [_element(context, each) for each, _ in now],
        "purchases.lines": [_element(context, each, line) for each, lines in counted for line in lines if line.bought],
        "all_purchases.lines": [_element(context, each, line) for each, lines in now for line in lines],
    }
    return CustomerFacts(values, lists, context.zone, segments)


def _own(context: RuleContext, record: CustomerRecord) -> dict[str, Scalar]:
    entity, totals = record.customer, record.totals
    since = totals.first_day if totals.registered_day is None else totals.registered_day
    return {
        "external_id": entity.external_id,
        "name": entity.name,
        "email": entity.email,
        "loyalty_level": entity.loyalty_level,
        "registered_at": None if entity.registered_at is None else to_micros(entity.registered_at),
        "erased": entity.erased,
        "tenure_days": None if since is None else float(context.today - since),
    }


def _derived(context: RuleContext, totals: CustomerTotals) -> dict[str, Scalar]:
    days = 30 if totals.first_day is None else max(context.today - totals.first_day, 30)
    count = totals.order_count
    return {
        "order_count": float(count),
        "total_revenue": float(totals.revenue) / context.scale,
        "average_order_value": float(divide_half_even(totals.revenue, count)) / context.scale if count else None,
        "first_purchase_at": None if totals.first_at is None else to_micros(totals.first_at),
        "last_purchase_at": None if totals.last_at is None else to_micros(totals.last_at),
        "days_since_last_purchase": None if totals.last_day is None else float(context.today - totals.last_day),
        "purchase_frequency": float(count * 30) / float(days),
    }


def _ranked(score: Score | None, labels: Classification) -> dict[str, Scalar]:
    return {
        "rfm_segment": None if score is None else score.digits,
        "rfm_segment_name": None if score is None else group_of(score, RfmScheme.EIGHT_SEGMENT).name,
        "recency_score": None if score is None else float(score.recency),
        "frequency_score": None if score is None else float(score.frequency),
        "monetary_score": None if score is None else float(score.monetary),
        "purchase_frequency_label": labels.frequency,
        "spending_label": labels.spending,
        "category_label": labels.category,
    }


def _element(context: RuleContext, record: PurchaseRecord, line: PurchaseLine | None = None) -> Element:
    bought = record.purchase
    minor = bought.amount if line is None else line.amount
    age = context.today - local_day(bought.purchased_at, context.zone)
    values: dict[str, Scalar] = {
        "amount": float(minor) / context.scale,
        "days_ago": float(age),
        "purchased_at": to_micros(bought.purchased_at),
        "storefront": None if record.storefront is None else record.storefront.key,
        "channel": bought.channel,
        "status": (bought if line is None else line).status.value,
    }
    if line is not None:
        values["category"] = line.category
    return Element(values, {"amount": minor, "days_ago": age}, {"amount": context.scale}, bought.external_id)


async def rule_context(unit: Unit, now: datetime, trees: Iterable[Value], cuts: Cuts | None = None) -> RuleContext:
    """The context that the rules need, at most two statements; give `cuts` of the window where they are kept."""
    rules = list(trees)
    context = RuleContext(unit.business, now)
    if cuts is None and any(uses_rank(tree) for tree in rules):
        cuts = await unit.reports.cuts(context.span)
    first_day = None
    if any("purchase_frequency_label" in variable_names(tree) for tree in rules):
        bounds = await unit.reports.day_bounds()
        first_day = None if bounds is None else bounds[0]
    return RuleContext(unit.business, now, cuts, first_day)
