"""Customers as rules see them, read through the store's ports. Only few are read at a time: to explain, to check one
customer, to test. What decides over all of them is the statement."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType

from domain.calendar import to_local_day, to_micros
from domain.classification.labels import Classification, classify
from domain.classification.rfm import Quintiles, RfmScheme, Score, find_group
from domain.customers.metrics import measure_customer, score_customer
from domain.model import QUALIFYING, AttributeValue, CustomerTotals, PurchaseLine
from domain.money import MILLIONTHS
from domain.pages import MAXIMUM_FIRST, PageRequest
from domain.rules.context import RuleContext, collect_variable_names
from domain.rules.evaluator import CustomerFacts, Element, Scalar
from domain.rules.tree import Value
from domain.rules.variables import ATTRIBUTE, RANKED
from domain.store import CustomerRecord, PurchaseRecord, Unit

Bought = Sequence[tuple[PurchaseRecord, Sequence[PurchaseLine]]]


async def read_customer_facts(
    unit: Unit,
    context: RuleContext,
    customers: Sequence[int],
    segments: Mapping[int, frozenset[str]] | None = None,
) -> dict[int, CustomerFacts]:
    """Those of the customers that exist; `segments` are the keys of the segments that each is a member of."""
    records = await unit.customers.find_by_ids(customers)
    ids, how = list(records), context.labelling
    window = await unit.reports.load_window_totals(ids, context.span)
    counted = await unit.reports.load_classification_facts(ids, how.span)
    attributes = await unit.customers.load_attributes(ids)
    facts = {}
    for key, record in records.items():
        facts[key] = build_customer_facts(
            context,
            record,
            score_customer(record.totals, window.get(key), context.span, context.quintiles),
            classify(counted.get(key), how.settings, date.fromordinal(context.today), how.decimals),
            await _read_purchases(unit, key),
            (segments or {}).get(key, frozenset()),
            attributes[key],
        )
    return facts


async def _read_purchases(unit: Unit, customer: int) -> list[tuple[PurchaseRecord, Sequence[PurchaseLine]]]:
    purchases: list[PurchaseRecord] = []
    request = PageRequest(MAXIMUM_FIRST)
    while True:
        page = (await unit.purchases.load_pages([customer], request))[customer]
        purchases += page.items
        if not page.has_next:
            break
        request = PageRequest(MAXIMUM_FIRST, after=page.positions[-1])
    lines: Mapping[tuple[int, int], Sequence[PurchaseLine]] = {}
    for start in range(0, len(purchases), MAXIMUM_FIRST):
        keys = [(customer, each.purchase.id) for each in purchases[start : start + MAXIMUM_FIRST]]
        lines = {**lines, **await unit.purchases.load_lines(keys)}
    return [(each, lines[(customer, each.purchase.id)]) for each in purchases]


def build_customer_facts(
    context: RuleContext,
    record: CustomerRecord,
    score: Score | None,
    labels: Classification,
    bought: Bought,
    segments: frozenset[str] = frozenset(),
    attributes: Mapping[str, AttributeValue] = MappingProxyType({}),
) -> CustomerFacts:
    """One customer with everything that a rule can ask."""
    values = {
        # Of those that the customer has none of it is missing.
        **{f"{ATTRIBUTE}{name}": None for name in context.business.attributes.customer},
        **{f"{ATTRIBUTE}{name}": _to_scalar(value) for name, value in attributes.items()},
        **_build_own_values(record),
        **_build_metric_values(context, record.totals),
        **_build_rank_values(score, labels),
    }
    now = [(each, lines) for each, lines in bought if each.purchase.purchased_at <= context.now]
    counted = [(each, lines) for each, lines in now if each.purchase.status in QUALIFYING]
    lists = {
        "purchases": [_build_element(context, each) for each, _ in counted],
        "all_purchases": [_build_element(context, each) for each, _ in now],
        "purchases.lines": [
            _build_element(context, each, line) for each, lines in counted for line in lines if line.bought
        ],
        "all_purchases.lines": [_build_element(context, each, line) for each, lines in now for line in lines],
    }
    return CustomerFacts(values, lists, context.zone, segments)


def _to_scalar(value: AttributeValue) -> Scalar:
    match value:
        case Decimal():
            return float(value)
        case datetime():
            return to_micros(value)
        case _:
            return value


def _build_own_values(record: CustomerRecord) -> dict[str, Scalar]:
    entity = record.customer
    return {
        "external_id": entity.external_id,
        "name": entity.name,
        "email": entity.email,
        "phone": entity.phone,
        "country": entity.country,
        "city": entity.city,
        "loyalty_level": entity.loyalty_level,
        "registered_at": None if entity.registered_at is None else to_micros(entity.registered_at),
        "erased": entity.erased,
    }


def _build_metric_values(context: RuleContext, totals: CustomerTotals) -> dict[str, Scalar]:
    metrics, scale = measure_customer(totals, context.today), context.scale
    average, age, tenure = metrics.average_order_value, metrics.days_since_last_purchase, metrics.tenure_days
    return {
        "order_count": float(totals.order_count),
        "total_revenue": float(totals.revenue) / scale,
        "average_order_value": None if average is None else float(average) / scale,
        "first_purchase_at": None if totals.first_at is None else to_micros(totals.first_at),
        "last_purchase_at": None if totals.last_at is None else to_micros(totals.last_at),
        "days_since_last_purchase": None if age is None else float(age),
        "tenure_days": None if tenure is None else float(tenure),
        "purchase_frequency": metrics.purchase_frequency,
    }


def _build_rank_values(score: Score | None, labels: Classification) -> dict[str, Scalar]:
    return {
        "rfm_segment": None if score is None else score.digits,
        "rfm_segment_name": None if score is None else find_group(score, RfmScheme.EIGHT_SEGMENT).name,
        "recency_score": None if score is None else float(score.recency),
        "frequency_score": None if score is None else float(score.frequency),
        "monetary_score": None if score is None else float(score.monetary),
        "purchase_frequency_label": labels.frequency,
        "spending_label": labels.spending,
        "category_label": labels.category,
    }


def _build_element(context: RuleContext, record: PurchaseRecord, line: PurchaseLine | None = None) -> Element:
    bought = record.purchase
    minor = bought.amount if line is None else line.amount
    age = context.today - to_local_day(bought.purchased_at, context.zone)
    values: dict[str, Scalar] = {
        "amount": float(minor) / context.scale,
        "days_ago": float(age),
        "purchased_at": to_micros(bought.purchased_at),
        "storefront": None if record.storefront is None else record.storefront.key,
        "channel": bought.channel,
        "status": (bought if line is None else line).status.value,
    }
    if line is not None:
        values |= {"category": line.category, "product": line.product, "sku": line.sku}
        values["quantity"] = None if line.quantity is None else float(line.quantity) / 10**MILLIONTHS
    whole = {"amount": minor, "days_ago": age, "quantity": None if line is None else line.quantity}
    return Element(values, whole, {"amount": context.scale, "quantity": 10**MILLIONTHS}, bought.external_id)


async def build_rule_context(
    unit: Unit, now: datetime, trees: Iterable[Value], quintiles: Quintiles | None = None
) -> RuleContext:
    """The context that the rules need, at most two statements; give `quintiles` of the window where they are kept."""
    names = frozenset[str]().union(*map(collect_variable_names, trees))
    context = RuleContext(unit.business, now)
    if quintiles is None and not RANKED.isdisjoint(names):
        quintiles = await unit.reports.compute_quintiles(context.span)
    first_day = None
    if "purchase_frequency_label" in names:
        bounds = await unit.reports.find_day_bounds()
        first_day = None if bounds is None else bounds[0]
    return RuleContext(unit.business, now, quintiles, first_day)
