"""The values that variables of rules have now, the most frequent of each: a fixed number of statements over sets. Each
groups its table once by all that is asked for of it, and what is counted for a variable is counted of these groups. Of
whoever was erased nothing is shown."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    CompoundSelect,
    Select,
    case,
    func,
    literal_column,
    not_,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.calendar import to_micros
from domain.classification.rfm import find_eight_segment_group
from domain.model import STATUS_ORDER
from domain.rules.context import RuleContext
from domain.rules.listing import MAXIMUM_VALUES, RuleValue, name_element
from domain.rules.variables import ATTRIBUTE
from persistence.labels.sql import select_labels
from persistence.reports.windows import select_scores
from persistence.tables.customers import PRESENT, customer, customer_attribute, customer_metrics
from persistence.tables.purchases import OF_PURCHASE, is_bought, purchase, purchase_line, storefront

LABELS = {"frequency": "purchase_frequency_label", "spending": "spending_label", "category": "category_label"}
OF_CUSTOMERS = ("country", "city", "loyalty_level")
OF_PURCHASES, OF_LINES = ("storefront", "channel", "status"), ("category", "product", "sku", "status")
Counted = tuple[str, RuleValue, int]
"""Name of a variable, one of its values, and how often it occurs."""


class VariableValues:
    """Counts the values of one business at one instant."""

    def __init__(self, connection: AsyncConnection, context: RuleContext) -> None:
        self.connection = connection
        self.context = context
        self.business_id = context.business.id
        absent = select(customer.c.id).where(customer.c.business_id == self.business_id, not_(PRESENT))
        self.is_present: Callable[[ColumnElement[int]], ColumnElement[bool]] = lambda key: key.not_in(absent)

    async def load(self) -> dict[str, list[RuleValue]]:
        """The values of every variable that has any, by its name as it is listed."""
        counted: list[Counted] = []
        for statement in (
            self.select_of_customers(),
            self.select_of_purchases(),
            self.select_of_lines(),
            self.select_labels(),
        ):
            counted += [(name, value, int(times)) for name, value, times in await self.connection.execute(statement)]
        for row in await self.connection.execute(self.select_attributes()):
            value = next(each for each in (row.text, _shorten(row.number), row.flag) if each is not None)
            counted.append((f"{ATTRIBUTE}{row.name}", value, row.times))
        scores = [(int(digits), int(times)) for digits, times in await self.connection.execute(self.select_scores())]
        ranked = _rank_values([*counted, *_name_scores(scores)])
        # A line's are those of its purchase, so they are not counted again.
        for name in ("storefront", "channel"):
            for lines, purchases in (("purchases.lines", "purchases"), ("all_purchases.lines", "all_purchases")):
                ranked[name_element(lines, name)] = ranked.get(name_element(purchases, name), [])
        return ranked

    def select_of_customers(self) -> CompoundSelect[Any]:
        mine = (customer.c.business_id == self.business_id, PRESENT)
        each = _group([customer.c[name] for name in OF_CUSTOMERS], select().select_from(customer).where(*mine))
        return _select_most_frequent(each, {name: (each.c[name], each.c.times) for name in OF_CUSTOMERS})

    def select_attributes(self) -> Select[Any]:
        """Name, text, number, flag, how often; each attribute has one of the three, or an instant, which may be any."""
        own = customer_attribute.c
        text = case((own.number.is_(None), own.text)).label("text")
        columns = (own.name, text, own.number, own.flag)
        source = select().where(
            own.business_id == self.business_id, own.instant.is_(None), self.is_present(own.customer_id)
        )
        each = _group(columns, source)
        order = (each.c.times.desc(), each.c.text, each.c.number, each.c.flag)
        place = func.row_number().over(partition_by=each.c.name, order_by=order).label("place")
        ranked = select(each, place).subquery("ranked")
        return select(ranked).where(ranked.c.place <= MAXIMUM_VALUES)

    def _select_purchases(self) -> tuple[dict[str, ColumnElement[Any]], Select[Any]]:
        named: dict[str, ColumnElement[Any]] = {
            "storefront": storefront.c.key,
            "channel": purchase.c.channel,
            "status": _write_status(purchase.c.status),
            "counted": purchase.c.counted,
        }
        return named, select().where(
            purchase.c.business_id == self.business_id,
            purchase.c.purchased_at <= to_micros(self.context.now),
            self.is_present(purchase.c.customer_id),
        )

    def select_of_purchases(self) -> CompoundSelect[Any]:
        named, source = self._select_purchases()
        with_storefront = purchase.outerjoin(
            storefront,
            (storefront.c.business_id == purchase.c.business_id) & (storefront.c.id == purchase.c.storefront_id),
        )
        each = _group([value.label(name) for name, value in named.items()], source.select_from(with_storefront))
        return _select_most_frequent(each, dict(_name_both(each, "purchases", "all_purchases", OF_PURCHASES)))

    def select_of_lines(self) -> CompoundSelect[Any]:
        named, source = self._select_purchases()
        line = purchase_line.c
        columns = [line.category, line.product, line.sku, _write_status(line.status).label("status")]
        counted = case((is_bought(), named["counted"]), else_=0).label("counted")
        each = _group([*columns, counted], source.select_from(purchase.join(purchase_line, OF_PURCHASE)))
        return _select_most_frequent(each, dict(_name_both(each, "purchases.lines", "all_purchases.lines", OF_LINES)))

    def select_labels(self) -> CompoundSelect[Any]:
        how = self.context.labelling
        labelled = select_labels(self.business_id, how.span, how.settings, how.decimals).subquery("labelled")
        source = select().where(self.is_present(labelled.c.customer_id))
        each = _group([labelled.c[name] for name in LABELS], source)
        return _select_most_frequent(each, {shown: (each.c[name], each.c.times) for name, shown in LABELS.items()})

    def select_scores(self) -> Select[Any, int]:
        """The three digits as a number, and how many customers have them; who bought before the window has 111. One
        under the other and grouped, not joined: a database that guesses few rows would compare each with each."""
        span, metrics = self.context.span, customer_metrics.c
        scored = select_scores(self.business_id, span)
        inside: Select[Any] = select(scored.c.digits).where(self.is_present(scored.c.customer_id))
        before: Select[Any] = select(literal_column("111").label("digits")).where(
            metrics.business_id == self.business_id,
            metrics.last_day < span.first_day,
            self.is_present(metrics.customer_id),
        )
        each = union_all(inside, before).subquery("each")
        return select(each.c.digits, func.count()).group_by(each.c.digits)


def _write_status(status: ColumnElement[int]) -> ColumnElement[Any]:
    return case({index: each.value for index, each in enumerate(STATUS_ORDER)}, value=status)


def _group(columns: Iterable[ColumnElement[Any]], source: Select[Any]) -> CTE:
    """How often each combination occurs."""
    listed = list(columns)
    grouped = source.add_columns(*listed, func.count().label("times")).group_by(*listed)
    return grouped.cte("each_combination")


def _name_both(
    each: CTE, qualifying: str, every: str, names: Iterable[str]
) -> Iterator[tuple[str, tuple[ColumnElement[Any], ColumnElement[int]]]]:
    for name in names:
        yield name_element(qualifying, name), (each.c[name], each.c.times * each.c.counted)
        yield name_element(every, name), (each.c[name], each.c.times)


def _select_most_frequent(
    each: CTE, named: Mapping[str, tuple[ColumnElement[Any], ColumnElement[int]]]
) -> CompoundSelect[Any]:
    """Name, value, how often; of each variable the most frequent values."""
    parts = []
    for name, (value, times) in named.items():
        total = func.sum(times).label("times")
        best = (
            select(literal_column(f"'{name}'").label("name"), value.label("value"), total)
            .where(value.is_not(None), times > 0)
            .group_by(value)
            .order_by(total.desc(), value)
            .limit(MAXIMUM_VALUES)
        )
        parts.append(select(best.subquery()))
    return union_all(*parts)


def _shorten(number: float | None) -> float | None:
    return int(number) if number is not None and number.is_integer() else number


def _name_scores(scores: Iterable[tuple[int, int]]) -> Iterator[Counted]:
    """What the digits of a score are called by the variables that rank."""
    for digits, times in scores:
        r, f, m = digits // 100, digits // 10 % 10, digits % 10
        yield "rfm_segment", str(digits), times
        yield "rfm_segment_name", find_eight_segment_group(r, f, m).name, times
        for name, score in (("recency_score", r), ("frequency_score", f), ("monetary_score", m)):
            yield name, score, times


def _rank_values(counted: Iterable[Counted]) -> dict[str, list[RuleValue]]:
    """The values by variable, the most frequent first."""
    sums: defaultdict[str, Counter[RuleValue]] = defaultdict(Counter)
    for name, value, times in counted:
        sums[name][value] += times
    return {name: sorted(each, key=lambda value: (-each[value], value)) for name, each in sums.items()}
