"""Purchases: pages of many customers at once, lines, storefronts; writing them goes through `persistence.merge`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Integer, Select, and_, bindparam, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from domain.attributes import read_attributes
from domain.calendar import from_micros, to_micros
from domain.model import (
    STATUS_ORDER,
    NewPurchase,
    Purchase,
    PurchaseLine,
    Storefront,
    WriteCounts,
)
from domain.pages import Page, PageRequest, build_page
from domain.store import PurchaseRecord, Refusal
from persistence.database.pages import apply_keyset, bind_keyset, shape_keyset
from persistence.merge import count_due, move_days, move_purchases, record, refresh_customers
from persistence.tables.columns import is_storable
from persistence.tables.purchases import StorefrontRow, purchase, purchase_line, storefront

COLUMNS = (
    purchase.c.customer_id,
    purchase.c.id,
    purchase.c.external_id,
    purchase.c.purchased_at,
    purchase.c.status,
    purchase.c.amount,
    purchase.c.storefront_id,
    purchase.c.channel,
    purchase.c.attributes,
    storefront.c.key.label("storefront_key"),
    storefront.c.name.label("storefront_name"),
)
LINE_COLUMNS = ("category", "amount", "status", "product", "sku", "quantity")
JOINED = purchase.outerjoin(
    storefront,
    and_(storefront.c.business_id == purchase.c.business_id, storefront.c.id == purchase.c.storefront_id),
)
Key = tuple[int, int]


def to_record(row: Any) -> PurchaseRecord:
    """The entity of a row that holds COLUMNS."""
    return PurchaseRecord(
        Purchase(
            row.id,
            row.customer_id,
            row.external_id,
            from_micros(row.purchased_at),
            STATUS_ORDER[row.status],
            row.amount,
            row.storefront_id,
            row.channel,
            read_attributes(row.attributes),
        ),
        None if row.storefront_id is None else Storefront(row.storefront_id, row.storefront_key, row.storefront_name),
    )


@cache
def _select_pages(shape: PageRequest) -> Select[Any]:
    """The newest purchases of each of the customers."""
    place = (
        func.row_number()
        .over(partition_by=purchase.c.customer_id, order_by=(purchase.c.purchased_at.desc(), purchase.c.id.desc()))
        .label("place")
    )
    whose = purchase.c.customer_id.in_(bindparam("customers", expanding=True))
    ranked = apply_keyset(
        select(*COLUMNS, place).select_from(JOINED).where(purchase.c.business_id == bindparam("business"), whose),
        purchase.c.purchased_at,
        purchase.c.id,
        shape,
        reverse=True,
    )
    inner = ranked.order_by(None).limit(None).subquery()
    few = inner.c.place <= bindparam("most_rows", type_=Integer)
    return select(inner).where(few).order_by(inner.c.customer_id, inner.c.place)


class PurchaseStore:
    """Purchases of one business on one connection."""

    def __init__(self, connection: AsyncConnection, session: AsyncSession, business_id: int) -> None:
        self.connection = connection
        self.session = session
        self.business_id = business_id

    async def load_pages(self, customers: Sequence[int], request: PageRequest) -> Mapping[int, Page[PurchaseRecord]]:
        """The newest purchases of each customer, of every status, in one statement."""
        asked = {"business": self.business_id, "customers": list(customers), **bind_keyset(request)}
        by_customer: dict[int, list[Any]] = {key: [] for key in customers}
        for row in await self.connection.execute(_select_pages(shape_keyset(request)), asked):
            by_customer[row.customer_id].append(row)
        return {
            key: build_page(rows, request, lambda row: (row.purchased_at, row.id)).map(to_record)
            for key, rows in by_customer.items()
        }

    async def count_by_customer(self, customers: Sequence[int]) -> Mapping[int, int]:
        statement = (
            select(purchase.c.customer_id, func.count())
            .where(purchase.c.business_id == self.business_id, purchase.c.customer_id.in_(customers))
            .group_by(purchase.c.customer_id)
        )
        counts = {row[0]: row[1] for row in await self.connection.execute(statement)}
        return {key: counts.get(key, 0) for key in customers}

    async def find_by_keys(self, keys: Sequence[Key]) -> Mapping[Key, PurchaseRecord]:
        """Those that exist, by customer and purchase id."""
        statement = (
            select(*COLUMNS)
            .select_from(JOINED)
            .where(
                purchase.c.business_id == self.business_id,
                purchase.c.customer_id.in_({key[0] for key in keys}),
                tuple_(purchase.c.customer_id, purchase.c.id).in_(keys),
            )
        )
        return {(row.customer_id, row.id): to_record(row) for row in await self.connection.execute(statement)}

    async def load_lines(self, keys: Sequence[Key]) -> Mapping[Key, list[PurchaseLine]]:
        """The lines of each purchase, in their order."""
        line = purchase_line.c
        statement = (
            select(line.customer_id, line.purchase_id, *(line[name] for name in LINE_COLUMNS))
            .where(
                line.business_id == self.business_id,
                line.customer_id.in_({key[0] for key in keys}),
                line.purchase_id.in_({key[1] for key in keys}),
            )
            .order_by(line.customer_id, line.purchase_id, line.position)
        )
        by_purchase: dict[Key, list[PurchaseLine]] = {key: [] for key in keys}
        for row in await self.connection.execute(statement):
            lines = by_purchase.get((row.customer_id, row.purchase_id))
            if lines is not None:
                status = STATUS_ORDER[row.status]
                lines.append(PurchaseLine(row.category, row.amount, status, row.product, row.sku, row.quantity))
        return by_purchase

    async def load_storefronts(self) -> list[Storefront]:
        """All, by key."""
        return await self._load_storefronts()

    async def find_storefronts(self, ids: Sequence[int]) -> Mapping[int, Storefront]:
        """Those that exist."""
        return {item.id: item for item in await self._load_storefronts(storefront.c.id.in_(ids))}

    async def find_storefront(self, key: str) -> Storefront | None:
        """The one of that key."""
        if not is_storable(key):
            return None
        return next(iter(await self._load_storefronts(storefront.c.key == key)), None)

    async def name_storefronts(self, names: Mapping[int, str]) -> None:
        """Let them be called so, by their ids."""
        if not names:
            return
        own = storefront.c.business_id == self.business_id
        each = update(storefront).where(own, storefront.c.id == bindparam("which")).values(name=bindparam("called"))
        await self.connection.execute(each, [{"which": key, "called": name} for key, name in names.items()])

    async def _load_storefronts(self, *conditions: Any) -> list[Storefront]:
        statement = (
            select(StorefrontRow)
            .where(storefront.c.business_id == self.business_id, *conditions)
            .order_by(storefront.c.key, storefront.c.id)
        )
        return [Storefront(row.id, row.key, row.name) for row in await self.session.scalars(statement)]

    async def record(
        self, items: Sequence[NewPurchase], time_zone: str, now: datetime
    ) -> tuple[WriteCounts, list[Refusal]]:
        """Write them all, unless one is refused (codes FOREIGN, ERASED): then nothing."""
        return await self.connection.run_sync(record, self.business_id, items, time_zone, now)

    async def has_any(self) -> bool:
        """Whether there is a purchase at all."""
        statement = select(purchase.c.id).where(purchase.c.business_id == self.business_id).limit(1)
        return (await self.connection.execute(statement)).first() is not None

    async def delete(self, external_ids: Sequence[str]) -> int:
        """Take the purchases away with their lines; how many there were."""
        known = [text for text in external_ids if is_storable(text)]
        keys = [
            (row[0], row[1])
            for row in await self.connection.execute(
                select(purchase.c.customer_id, purchase.c.id).where(
                    purchase.c.business_id == self.business_id, purchase.c.external_id.in_(known)
                )
            )
        ]
        if not keys:
            return 0
        for table, column in ((purchase_line, purchase_line.c.purchase_id), (purchase, purchase.c.id)):
            await self.connection.execute(
                table.delete().where(
                    table.c.business_id == self.business_id, tuple_(table.c.customer_id, column).in_(keys)
                )
            )
        await self.connection.run_sync(refresh_customers, self.business_id, sorted({key[0] for key in keys}))
        return len(keys)

    async def move(self, source: int, target: int) -> int:
        """Let the purchases of one customer be another's; how many there were."""
        return await self.connection.run_sync(move_purchases, self.business_id, source, target)

    async def count_due(self, now: datetime) -> int:
        """Count the qualifying purchases whose instant has passed; how many there were."""
        return await self.connection.run_sync(count_due, self.business_id, to_micros(now))

    async def move_days(self, time_zone: str) -> None:
        """Rewrite every local day for another zone, by ranges of instants, in one transaction."""
        await self.connection.run_sync(move_days, self.business_id, time_zone)
