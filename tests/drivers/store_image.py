"""The whole of a business as plain values, known by the shop's own ids, so that two stores can be compared; and what
must hold in every store after every write."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, select

from domain.calendar import Clock
from domain.model import STATUS_ORDER, Business
from persistence.database.engines import Database
from persistence.soundness.checks import find_broken_rules
from persistence.tables.customers import customer, customer_metrics, customer_term
from persistence.tables.purchases import purchase, purchase_line, storefront

OTHER_KEYS = ("business_id", "customer_id", "changed_at")
"""Which customer it is, and when a write last touched it, is no part of what the totals say."""


@dataclass(frozen=True)
class StoreImage:
    """Rows by table, sorted; purchases by order id with their lines in order. `goods` is what those of the lines that
    say any have for product, sku and quantity, by order id and place; `attributes` those of orders that have any."""

    customers: list[tuple[Any, ...]]
    totals: dict[str, tuple[Any, ...]]
    terms: list[tuple[Any, ...]]
    storefronts: list[tuple[Any, ...]]
    purchases: dict[str, tuple[Any, ...]]
    lines: dict[str, list[tuple[Any, ...]]]
    goods: dict[tuple[str, int], tuple[Any, ...]]
    attributes: dict[str, str]


def image(database: Database, business: Business) -> StoreImage:
    """What the store holds of the business now."""
    own = customer.c.business_id == business.id
    with database.bulk.connect() as connection:

        def rows(statement: Select[Any]) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in connection.execute(statement)]

        columns = [column for column in customer.c if column.name not in ("business_id", "id")]
        metrics = [column for column in customer_metrics.c if column.name not in OTHER_KEYS]
        kept = customer.join(customer_metrics, same(customer_metrics, customer, customer_id="id"))
        found = customer.join(customer_term, same(customer_term, customer, customer_id="id"))
        orders = purchase.join(customer, same(purchase, customer, customer_id="id")).outerjoin(
            storefront, same(purchase, storefront, storefront_id="id")
        )
        each = (
            *(purchase.c.external_id, customer.c.external_id, purchase.c.purchased_at, purchase.c.local_day),
            *(purchase.c.status, purchase.c.counted, purchase.c.amount, storefront.c.key, purchase.c.channel),
        )
        line = purchase_line.c
        goods = (line.product, line.sku, line.quantity)
        ordered = (
            select(purchase.c.external_id, line.position, line.category, line.amount, line.status, *goods)
            .join_from(
                purchase_line, purchase, same(purchase_line, purchase, purchase_id="id", customer_id="customer_id")
            )
            .where(line.business_id == business.id)
            .order_by(purchase.c.external_id, line.position)
        )
        lines: dict[str, list[tuple[Any, ...]]] = {}
        said: dict[tuple[str, int], tuple[Any, ...]] = {}
        for order, place, category, amount, status, *rest in rows(ordered):
            lines.setdefault(order, []).append((place, category, amount, STATUS_ORDER[status].value))
            if rest != [None, None, None]:
                said[order, place] = tuple(rest)
        stated = select(purchase.c.external_id, purchase.c.attributes).where(
            purchase.c.business_id == business.id, purchase.c.attributes.is_not(None)
        )
        places = select(storefront.c.key, storefront.c.name).where(storefront.c.business_id == business.id)
        return StoreImage(
            sorted(rows(select(*columns).where(own))),
            {row[0]: row[1:] for row in rows(select(customer.c.external_id, *metrics).select_from(kept).where(own))},
            sorted(rows(select(customer_term.c.term, customer.c.external_id).select_from(found).where(own))),
            sorted(rows(places)),
            {
                row[0]: (*row[1:4], STATUS_ORDER[row[4]].value, *row[5:])
                for row in rows(select(*each).select_from(orders).where(own))
            },
            lines,
            said,
            dict(map(tuple, rows(stated))),
        )


def same(table: Table, other: Table, **columns: str) -> ColumnElement[bool]:
    """Of the same business, and these columns of the one are those of the other."""
    pairs = {"business_id": "business_id", **columns}
    return and_(*(table.c[name] == other.c[there] for name, there in pairs.items()))


async def assert_sound(database: Database, business: Business, clock: Clock) -> None:
    """Everything that holds after every write holds, in every business of the store."""
    assert list(find_broken_rules(database)) == []
