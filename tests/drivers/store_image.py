"""The whole of a business as plain values, known by the shop's own ids, so that two stores can be compared; and what
must hold in every store after every write."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, select

from domain.calendar import Clock, from_micros, load_zone, to_local_day
from domain.model import STATUS_ORDER, Business
from persistence.database.engines import Database
from persistence.store import SqlStore
from persistence.tables import (
    FAR_FUTURE,
    customer,
    customer_metrics,
    customer_term,
    purchase,
    purchase_line,
    storefront,
)
from persistence.tables import (
    business as business_table,
)

OTHER_KEYS = ("business_id", "customer_id", "changed_at")
"""Which customer it is, and when a write last touched it, is no part of what the totals say."""


@dataclass(frozen=True)
class StoreImage:
    """Rows by table, sorted; purchases by order id with their lines in order."""

    customers: list[tuple[Any, ...]]
    totals: dict[str, tuple[Any, ...]]
    terms: list[tuple[str, str]]
    storefronts: list[tuple[str, str]]
    purchases: dict[str, tuple[Any, ...]]
    lines: dict[str, list[tuple[Any, ...]]]


def image(database: Database, business: Business) -> StoreImage:
    """What the store holds of the business now."""
    own = customer.c.business_id == business.id
    named = and_(customer.c.business_id == purchase.c.business_id, customer.c.id == purchase.c.customer_id)
    with database.bulk.connect() as connection:

        def rows(statement: Select[Any]) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in connection.execute(statement)]

        columns = [column for column in customer.c if column.name not in ("business_id", "id")]
        metrics = [column for column in customer_metrics.c if column.name not in OTHER_KEYS]
        kept = customer.join(
            customer_metrics,
            and_(
                customer_metrics.c.business_id == customer.c.business_id,
                customer_metrics.c.customer_id == customer.c.id,
            ),
        )
        found = customer.join(
            customer_term,
            and_(customer_term.c.business_id == customer.c.business_id, customer_term.c.customer_id == customer.c.id),
        )
        orders = purchase.join(customer, named).outerjoin(
            storefront,
            and_(storefront.c.business_id == purchase.c.business_id, storefront.c.id == purchase.c.storefront_id),
        )
        each = (
            *(purchase.c.external_id, customer.c.external_id, purchase.c.purchased_at, purchase.c.local_day),
            *(purchase.c.status, purchase.c.counted, purchase.c.amount, storefront.c.key, purchase.c.channel),
        )
        lines: dict[str, list[tuple[Any, ...]]] = {}
        ordered = (
            select(
                purchase.c.external_id,
                *(purchase_line.c.position, purchase_line.c.category, purchase_line.c.amount, purchase_line.c.status),
            )
            .join_from(
                purchase_line,
                purchase,
                and_(
                    purchase.c.business_id == purchase_line.c.business_id,
                    purchase.c.customer_id == purchase_line.c.customer_id,
                    purchase.c.id == purchase_line.c.purchase_id,
                ),
            )
            .where(purchase_line.c.business_id == business.id)
            .order_by(purchase.c.external_id, purchase_line.c.position)
        )
        for order, place, category, amount, status in rows(ordered):
            lines.setdefault(order, []).append((place, category, amount, STATUS_ORDER[status].value))
        return StoreImage(
            sorted(rows(select(*columns).where(own))),
            {row[0]: row[1:] for row in rows(select(customer.c.external_id, *metrics).select_from(kept).where(own))},
            sorted(
                (row[0], row[1])
                for row in rows(select(customer_term.c.term, customer.c.external_id).select_from(found).where(own))
            ),
            sorted(
                (row[0], row[1])
                for row in rows(
                    select(storefront.c.key, storefront.c.name).where(storefront.c.business_id == business.id)
                )
            ),
            {
                row[0]: (*row[1:4], STATUS_ORDER[row[4]].value, *row[5:])
                for row in rows(select(*each).select_from(orders).where(own))
            },
            lines,
        )


async def assert_sound(database: Database, business: Business, clock: Clock) -> None:
    """Kept totals and sort values agree with the purchases, and every local day with the business's zone."""
    async with SqlStore(database, clock).read(business) as unit:
        assert await unit.reports.count_wrong_totals() == 0
    with database.bulk.connect() as connection:
        name = connection.execute(
            select(business_table.c.time_zone).where(business_table.c.id == business.id)
        ).scalar_one()
        tz = load_zone(name)
        for at, day in connection.execute(
            select(purchase.c.purchased_at, purchase.c.local_day).where(purchase.c.business_id == business.id)
        ):
            assert day == to_local_day(from_micros(at), tz)
        for at, day in connection.execute(
            select(customer.c.registered_at, customer.c.registered_day).where(customer.c.business_id == business.id)
        ):
            assert day == (None if at is None else to_local_day(from_micros(at), tz))
        for last, sort in connection.execute(
            select(customer_metrics.c.last_at, customer_metrics.c.last_sort).where(
                customer_metrics.c.business_id == business.id
            )
        ):
            assert sort == (FAR_FUTURE if last is None else last)
