"""The columns behind the variables of a rule. Each stands for exactly what the row evaluator is given: doubles in major
units, whole days from the business's local date, scores from cut values, labels from the thresholds of the business."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    false,
    func,
    literal,
    null,
    select,
)

from domain.classification.labels import (
    MEDIUM,
    MIXED,
    REGULAR,
    build_category_conditions,
    build_frequency_conditions,
    build_spending_conditions,
)
from domain.classification.rfm import (
    EIGHT,
    EIGHT_BOXES,
    UNCLASSIFIED,
    Quintiles,
    build_rank_conditions,
    build_recency_conditions,
)
from domain.customers.metrics import build_purchase_frequency
from domain.model import STATUS_ORDER
from domain.money import MILLIONTHS
from domain.rules.context import RuleContext
from domain.rules.evaluator import ORDERS
from domain.rules.tree import Op
from domain.rules.variables import ATTRIBUTE, LINES, Kind
from persistence.database.dialects import (
    Append,
    AtLeast,
    AtMost,
    Divide,
    Expression,
    Less,
    Minus,
    More,
    bind_double,
    divide_half_even,
    to_double,
)
from persistence.database.lists import is_among
from persistence.labels.sql import has_category_share
from persistence.reports.windows import build_score, build_window_conditions, score_recency
from persistence.tables.customers import customer, customer_attribute, customer_metrics
from persistence.tables.purchases import WITH_BOUGHT, purchase, purchase_line, storefront

metrics = customer_metrics.c
OWN: Mapping[str, ColumnElement[Any]] = {
    "external_id": customer.c.external_id,
    "name": customer.c.name,
    "email": customer.c.email,
    "phone": customer.c.phone,
    "country": customer.c.country,
    "city": customer.c.city,
    "loyalty_level": customer.c.loyalty_level,
    "registered_at": customer.c.registered_at,
    "erased": customer.c.erased,
    "first_purchase_at": metrics.first_at,
    "last_purchase_at": metrics.last_at,
}
VALUES: Mapping[Kind, ColumnElement[Any]] = {
    Kind.TEXT: customer_attribute.c.text,
    Kind.NUMBER: customer_attribute.c.number,
    Kind.BOOLEAN: customer_attribute.c.flag,
    Kind.INSTANT: customer_attribute.c.instant,
}
"""Where an attribute of each kind stands."""
COMPARE: Mapping[Op, Callable[..., Expression]] = {
    Op.LESS: Less,
    Op.AT_MOST: AtMost,
    Op.MORE: More,
    Op.AT_LEAST: AtLeast,
}
LOWEST, HIGHEST = -(2**62), 2**62


@dataclass(frozen=True, slots=True)
class Whole:
    """A variable that is a whole column over a scale, or, where it counts back, an origin less a whole column."""

    column: Expression
    scale: float = 1.0
    origin: int | None = None

    @property
    def expression(self) -> Expression:
        if self.origin is not None:
            return to_double(Minus(literal(self.origin), self.column))
        return to_double(self.column) if self.scale == 1.0 else Divide(to_double(self.column), bind_double(self.scale))

    def compare(self, op: Op, limit: float) -> Expression:
        """The comparison of the variable with a number, on the bare column, so that an index can answer it: the number
        becomes the whole threshold from which it holds, found by bisection over the same doubles."""
        rising, holds = op in (Op.MORE, Op.AT_LEAST), ORDERS[op]
        # The lowest value for which it holds (rising), or for which it no longer does.
        low, high = LOWEST, HIGHEST
        while low < high:
            middle = (low + high) // 2
            if holds(float(middle) / self.scale, limit) == rising:
                high = middle
            else:
                low = middle + 1
        if self.origin is None:
            order, bound = (Op.AT_LEAST if rising else Op.LESS), low
        else:
            order, bound = (Op.AT_MOST if rising else Op.MORE), self.origin - low
        return COMPARE[order](self.column, bindparam(None, bound, type_=BigInteger, unique=True))


class Variables:
    """Columns of one business at one instant."""

    def __init__(self, context: RuleContext) -> None:
        self.context = context
        self.business_id = context.business.id
        self.today = context.today

    def get_whole_column(self, name: str, collection: str | None) -> Whole | None:
        """The variable as a whole column, where it is one."""
        if collection is None:
            columns = {
                "order_count": Whole(metrics.order_count),
                "total_revenue": Whole(metrics.revenue, self.context.scale),
                "days_since_last_purchase": Whole(metrics.last_day, origin=self.today),
            }
        else:
            amount = purchase_line.c.amount if collection in LINES else purchase.c.amount
            columns = {
                "amount": Whole(amount, self.context.scale),
                "days_ago": Whole(purchase.c.local_day, origin=self.today),
                "quantity": Whole(purchase_line.c.quantity, float(10**MILLIONTHS)),
            }
        return columns.get(name)

    def express_element_variable(self, name: str, collection: str) -> Expression:
        whole = self.get_whole_column(name, collection)
        if whole is not None:
            return whole.expression
        if name == "storefront":
            return (
                select(storefront.c.key)
                .where(storefront.c.business_id == self.business_id, storefront.c.id == purchase.c.storefront_id)
                .correlate(purchase)
                .scalar_subquery()
            )
        status = purchase_line.c.status if collection in LINES else purchase.c.status
        columns = {
            "purchased_at": purchase.c.purchased_at,
            "channel": purchase.c.channel,
            "category": purchase_line.c.category,
            "product": purchase_line.c.product,
            "sku": purchase_line.c.sku,
            "status": case({index: each.value for index, each in enumerate(STATUS_ORDER)}, value=status),
        }
        return columns[name]

    def express_customer_variable(self, name: str, kind: Kind) -> Expression:
        if name.startswith(ATTRIBUTE):
            return self._select_attribute(name.removeprefix(ATTRIBUTE), kind)
        if name in OWN:
            return OWN[name]
        whole = self.get_whole_column(name, None)
        return whole.expression if whole is not None else DERIVED[name](self)

    def _select_attribute(self, name: str, kind: Kind) -> Expression:
        """The value of an attribute, looked up by its key."""
        column = customer_attribute.c
        statement = select(VALUES[kind]).where(
            column.business_id == self.business_id,
            column.customer_id == customer.c.id,
            column.name == bindparam(None, name, type_=column.name.type, unique=True),
        )
        return statement.correlate(customer, customer_metrics).scalar_subquery()

    def average_order_value(self) -> Expression:
        """Rounded half-even to the minor unit."""
        mean = divide_half_even(metrics.revenue, metrics.order_count)
        return case((metrics.order_count > 0, Divide(to_double(mean), bind_double(self.context.scale))), else_=null())

    def purchase_frequency(self) -> Expression:
        """Orders per 30 days, the fraction of `domain.customers.metrics` in doubles."""
        age = Minus(literal(self.today), metrics.first_day)
        orders, days = build_purchase_frequency(metrics.order_count, age, lambda a, b: case((a > b, a), else_=b))
        return Divide(to_double(orders), to_double(days))

    def tenure_days(self) -> Expression:
        """As `measure_customer` says; of two days the first that is known, COALESCE here, is a test for None there."""
        return to_double(Minus(literal(self.today), func.coalesce(customer.c.registered_day, metrics.first_day)))

    def _select_purchases(self, what: Expression, *where: ColumnElement[bool]) -> Select[Any]:
        mine = (purchase.c.business_id == self.business_id, purchase.c.customer_id == customer.c.id)
        statement = select(what).select_from(purchase).where(*mine, purchase.c.counted == 1, *where)
        return statement.correlate(customer, customer_metrics)

    def _select_in_window(self, what: Expression) -> Expression:
        if not self._get_quintiles().orders:
            # Nobody bought in the window, so there is nothing to count, and every buyer scores 1-1-1.
            return case((metrics.order_count > 0, what), else_=null())
        mine = (purchase.c.customer_id == customer.c.id, *build_window_conditions(self.business_id, self.context.span))
        inner = select(what).select_from(purchase).where(*mine).correlate(customer, customer_metrics)
        return case((metrics.order_count > 0, inner.scalar_subquery()), else_=null())

    def _get_quintiles(self) -> Quintiles:
        quintiles = self.context.quintiles
        if quintiles is None:
            raise ValueError("a rule that ranks needs the cut values of its window")
        return quintiles

    def _build_ranks(self) -> tuple[list[ColumnElement[bool]], list[ColumnElement[bool]], list[ColumnElement[bool]]]:
        quintiles, span = self._get_quintiles(), self.context.span
        recent = build_recency_conditions(metrics.last_day, span.last_day, span.days)
        none: list[ColumnElement[bool]] = [false()] * 4
        often = build_rank_conditions(func.count(), quintiles.orders) or none
        much = build_rank_conditions(func.coalesce(func.sum(purchase.c.amount), 0), quintiles.spend) or none
        return recent, often, much

    def recency_score(self) -> Expression:
        """From the kept last day: who bought before the window scores 1."""
        return case(
            (metrics.order_count > 0, to_double(score_recency(metrics.last_day, self.context.span))), else_=null()
        )

    def _build_score(self, which: int) -> Expression:
        return build_score(self._build_ranks()[which])

    def frequency_score(self) -> Expression:
        """One more than the cut values that the orders in the window exceed."""
        return self._select_in_window(to_double(self._build_score(1)))

    def monetary_score(self) -> Expression:
        """One more than the cut values that the spend in the window exceeds."""
        return self._select_in_window(to_double(self._build_score(2)))

    def rfm_segment(self) -> Expression:
        """The three digits."""
        return self._select_in_window(Append(*(cast(self._build_score(which), Text) for which in range(3))))

    def rfm_segment_name(self) -> Expression:
        """The first group whose box holds the scores. Compared with the cut values, not with the scores that follow
        from them, which would be added up again for each group."""
        # Of each dimension the nth condition holds where the score is more than n, counted from 1.
        ranks, named = self._build_ranks(), []
        for group, box in zip(EIGHT, EIGHT_BOXES, strict=True):
            fits: list[ColumnElement[bool]] = []
            for more, (low, high) in zip(ranks, box, strict=True):
                fits += [more[low - 2]] if low > 1 else []
                fits += [~more[high - 1]] if high < 5 else []
            named.append((and_(*fits), group.name))
        return self._select_in_window(case(*named, else_=UNCLASSIFIED.name))

    def purchase_frequency_label(self) -> Expression:
        """The first that holds in the order that the business gave."""
        how = self.context.labelling
        recent = self._select_purchases(
            func.count(), purchase.c.local_day.between(how.span.recent_from, how.span.today)
        )
        # Counted, not selected: SQLite would look every festive day up by the index, customer by customer.
        festive = self._select_purchases(func.count(case((is_among(purchase.c.local_day, how.span.festive), 1))))
        named = build_frequency_conditions(
            how.settings,
            how.span.today,
            orders=metrics.order_count,
            recent=recent.scalar_subquery(),
            festive=festive.scalar_subquery(),
            last_day=metrics.last_day,
        )
        return case((metrics.order_count == 0, null()), *named, else_=REGULAR)

    def spending_label(self) -> Expression:
        """From the kept totals."""
        how = self.context.labelling
        mean = Divide(metrics.revenue, func.nullif(metrics.order_count, 0))
        named = build_spending_conditions(how.settings, how.decimals, mean=mean, lifetime=metrics.revenue)
        return case((metrics.order_count == 0, null()), *named, else_=MEDIUM)

    def category_label(self) -> Expression:
        """From the lines of one customer, looked up; the statement of all customers groups the whole set instead."""
        settings, category = self.context.labelling.settings, purchase_line.c.category
        each = (
            self._select_purchases(category.label("category"))
            .add_columns(func.count().label("lines"), func.sum(func.count()).over().label("every"))
            .select_from(WITH_BOUGHT)
            .group_by(category)
            .subquery()
        )
        strong = func.sum(case((has_category_share(each, settings.family_percent), 1), else_=0)).over()
        named = build_category_conditions(
            dominant=has_category_share(each, settings.dominant_percent), largest=each.c.category, strong=strong
        )
        label = case(*named, else_=MIXED)
        first = (case((each.c.category.is_(None), 1), else_=0), each.c.lines.desc(), each.c.category)
        inner = select(label).select_from(each).order_by(*first).limit(1).correlate(customer, customer_metrics)
        return case((metrics.order_count == 0, null()), else_=inner.scalar_subquery())


DERIVED: Mapping[str, Callable[[Variables], Expression]] = {
    "average_order_value": Variables.average_order_value,
    "purchase_frequency": Variables.purchase_frequency,
    "tenure_days": Variables.tenure_days,
    "recency_score": Variables.recency_score,
    "frequency_score": Variables.frequency_score,
    "monetary_score": Variables.monetary_score,
    "rfm_segment": Variables.rfm_segment,
    "rfm_segment_name": Variables.rfm_segment_name,
    "purchase_frequency_label": Variables.purchase_frequency_label,
    "spending_label": Variables.spending_label,
    "category_label": Variables.category_label,
}
"""The variables that are calculated."""
