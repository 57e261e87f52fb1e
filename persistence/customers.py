"""Customers: pages by key in every order, lookups, and writing them in sets. A page reads one row a customer."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from types import SimpleNamespace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    and_,
    bindparam,
    delete,
    false,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from domain.calendar import from_micros, load_zone, to_local_day, to_micros
from domain.model import (
    ERASED_TEXT,
    PROFILE,
    PROFILE_TEXTS,
    AttributeValue,
    Customer,
    CustomerTotals,
    NewCustomer,
    WriteCounts,
)
from domain.pages import Page, PageRequest, Position, build_page
from domain.store import CustomerFilter, CustomerRecord, CustomerSort, Refusal
from persistence.database.dialects import Selective
from persistence.database.pages import apply_keyset, begins_with, bind_keyset, shape_keyset
from persistence.erasure import find_erased, is_of_customer
from persistence.tables.businesses import business
from persistence.tables.columns import FAR_FUTURE, MISSING_TEXT, is_storable, to_optional_instant, to_optional_micros
from persistence.tables.customers import (
    PRESENT,
    CustomerMetricsRow,
    CustomerRow,
    collect_terms,
    customer,
    customer_attribute,
    customer_metrics,
    customer_term,
)

SORT_COLUMNS: dict[CustomerSort, ColumnElement[Any]] = {
    CustomerSort.EXTERNAL_ID: customer.c.external_id,
    CustomerSort.NAME: customer.c.name_sort,
    CustomerSort.TOTAL_REVENUE: customer_metrics.c.revenue,
    CustomerSort.ORDER_COUNT: customer_metrics.c.order_count,
    CustomerSort.LAST_PURCHASE_AT: customer_metrics.c.last_sort,
}
BY_METRICS = frozenset({CustomerSort.TOTAL_REVENUE, CustomerSort.ORDER_COUNT, CustomerSort.LAST_PURCHASE_AT})
COLUMNS = (
    customer.c.id,
    customer.c.external_id,
    *(customer.c[name] for name in PROFILE),
    customer.c.registered_day,
    customer.c.erased,
    customer.c.merged_into,
    customer.c.name_sort,
    customer_metrics.c.order_count,
    customer_metrics.c.revenue,
    customer_metrics.c.first_at,
    customer_metrics.c.last_at,
    customer_metrics.c.first_day,
    customer_metrics.c.last_day,
    customer_metrics.c.last_sort,
)
JOINED = customer.join(
    customer_metrics,
    and_(customer_metrics.c.business_id == customer.c.business_id, customer_metrics.c.customer_id == customer.c.id),
)
named = customer.alias("named")
"""The row that has an external id: the customer's own, or that of one who was merged into it."""
Ruled = Callable[[CustomerFilter], Awaitable[ColumnElement[bool]]]
"""The condition of the segments and the rule of a filter."""


def to_record(row: Any) -> CustomerRecord:
    """The entity of a row that holds COLUMNS."""
    return build_record(row, row)


def build_record(row: CustomerRow, totals: CustomerMetricsRow) -> CustomerRecord:
    """The entity of a customer's two rows."""
    return CustomerRecord(
        Customer(
            row.id,
            ERASED_TEXT if row.erased else row.external_id,
            row.name,
            row.email,
            row.loyalty_level,
            to_optional_instant(row.registered_at),
            bool(row.erased),
            row.phone,
            row.country,
            row.city,
            row.merged_into,
        ),
        CustomerTotals(
            totals.order_count,
            totals.revenue,
            to_optional_instant(totals.first_at),
            to_optional_instant(totals.last_at),
            totals.first_day,
            totals.last_day,
            row.registered_day,
        ),
    )


def join_named(source: FromClause) -> FromClause:
    """The customers, each beside every row whose external id is a name of it."""
    meant = customer.c.id == func.coalesce(named.c.merged_into, named.c.id)
    return source.join(named, and_(named.c.business_id == customer.c.business_id, meant))


def write_attribute(value: AttributeValue) -> dict[str, object]:
    """The columns of a value. Rules compare numbers as doubles, which need not be what was written."""
    columns: dict[str, object] = {"text": None, "number": None, "flag": None, "instant": None}
    match value:
        case str():
            return columns | {"text": value}
        case Decimal():
            return columns | {"text": format(value, "f"), "number": float(value)}
        case bool():
            return columns | {"flag": value}
        case datetime():
            return columns | {"instant": to_micros(value)}


def read_attribute(row: Any) -> AttributeValue:
    """The value of a row, as `write_attribute` wrote it."""
    if row.number is not None:
        return Decimal(row.text)
    if row.flag is not None:
        return bool(row.flag)
    return str(row.text) if row.instant is None else from_micros(row.instant)


@cache
def _select_page(sort: CustomerSort, reverse: bool, shape: PageRequest) -> Select[Any]:
    """A page of all present customers of a business."""
    own: ColumnElement[int] = bindparam("business")
    statement = select(*COLUMNS).select_from(JOINED).where(customer.c.business_id == own, PRESENT)
    key: ColumnElement[Any] = customer.c.id
    if sort in BY_METRICS:
        # Said of the metrics too, so that the page is read along their index.
        statement = statement.where(customer_metrics.c.business_id == own)
        key = customer_metrics.c.customer_id
    return apply_keyset(statement, SORT_COLUMNS[sort], key, shape, reverse)


@cache
def _select_by_ids(merged: bool) -> Select[Any]:
    """The customers of those ids."""
    which = (customer.c.business_id == bindparam("business"), customer.c.id.in_(bindparam("ids", expanding=True)))
    statement = select(*COLUMNS).select_from(JOINED).where(*which)
    return statement if merged else statement.where(customer.c.merged_into.is_(None))


class CustomerStore:
    """Customers of one business on one connection."""

    def __init__(self, connection: AsyncConnection, session: AsyncSession, business_id: int, ruled: Ruled) -> None:
        self.connection = connection
        self.session = session
        self.business_id = business_id
        self.ruled = ruled

    async def _build_conditions(self, where: CustomerFilter) -> list[ColumnElement[bool]]:
        """What a filter says beside that the customers are the business's and present."""
        conditions: list[ColumnElement[bool]] = []
        if where.rule is not None or where.segment_ids or where.reported:
            conditions.append(await self.ruled(where))
        if where.search and not is_storable(where.search):
            conditions.append(false())
        elif where.search:
            prefix = where.search.casefold()
            matches = select(customer_term.c.customer_id).where(
                customer_term.c.business_id == self.business_id,
                begins_with(customer_term.c.term, prefix),
            )
            conditions.append(customer.c.id.in_(matches))
        if where.loyalty_levels is not None:
            levels = [level for level in where.loyalty_levels if is_storable(level)]
            conditions.append(customer.c.loyalty_level.in_(levels))
        return conditions

    async def load_page(
        self, request: PageRequest, where: CustomerFilter, sort: CustomerSort, reverse: bool
    ) -> Page[CustomerRecord]:
        """One page in the order asked for; ties stand by id."""
        statement = _select_page(sort, reverse, shape_keyset(request))
        if conditions := await self._build_conditions(where):
            statement = statement.where(*conditions)
        asked = {"business": self.business_id, **bind_keyset(request)}
        rows = (await self.connection.execute(statement, asked)).all()
        value = str(SORT_COLUMNS[sort].key)
        page = build_page(rows, request, lambda row: _read_position(row, value))
        return page.map(to_record)

    async def count(self, where: CustomerFilter) -> int:
        source = customer if where.rule is None else JOINED
        statement = select(func.count()).select_from(source).where(customer.c.business_id == self.business_id, PRESENT)
        statement = statement.where(*await self._build_conditions(where))
        return int((await self.connection.execute(statement)).scalar_one())

    async def find_by_ids(self, ids: Sequence[int], *, merged: bool = False) -> Mapping[int, CustomerRecord]:
        """Those that exist; only where they are asked for, those too who were merged into another."""
        asked = {"business": self.business_id, "ids": list(ids)}
        rows = await self.connection.execute(_select_by_ids(merged), asked)
        return {row.id: to_record(row) for row in rows}

    async def find_by_external_id(self, external_id: str) -> CustomerRecord | None:
        """The one of that external id, exactly, be it of its own or of one who was merged into it."""
        if not is_storable(external_id):
            return None
        statement = (
            select(CustomerRow, CustomerMetricsRow)
            .select_from(join_named(JOINED))
            .where(named.c.business_id == self.business_id, named.c.external_id == external_id)
        )
        rows = (await self.session.execute(statement)).one_or_none()
        return None if rows is None else build_record(*rows)

    async def find_known(self, external_ids: Sequence[str]) -> Mapping[str, tuple[int, bool]]:
        """Id of the customer that each name means, and whether it was erased."""
        statement = (
            select(named.c.external_id, customer.c.id, customer.c.erased)
            .select_from(join_named(customer))
            .where(
                named.c.business_id == self.business_id,
                named.c.external_id.in_([text for text in external_ids if is_storable(text)]),
            )
        )
        return {row[0]: (row[1], bool(row[2])) for row in await self.connection.execute(statement)}

    async def load_attributes(self, ids: Sequence[int]) -> Mapping[int, Mapping[str, AttributeValue]]:
        """What each of the customers has, by name in the order of names."""
        values: dict[int, dict[str, AttributeValue]] = {key: {} for key in ids}
        if values:
            column = customer_attribute.c
            statement = (
                select(customer_attribute)
                .where(column.business_id == self.business_id, column.customer_id.in_(values))
                .order_by(column.customer_id, column.name)
            )
            for row in await self.connection.execute(statement):
                values[row.customer_id][row.name] = read_attribute(row)
        return values

    async def upsert(self, items: Sequence[NewCustomer], time_zone: str) -> tuple[WriteCounts, list[Refusal]]:
        """Write them all, unless one is refused (code ERASED): then nothing. Absent fields keep what is stored."""
        tz = load_zone(time_zone)
        names = [item.external_id for item in items]
        stored = await self._load_stored(names)
        erased = {name for name, row in stored.items() if row.erased}
        erased |= await find_erased(self.connection, self.business_id, set(names) - stored.keys())
        refused = [Refusal(index, "ERASED") for index, item in enumerate(items) if item.external_id in erased]
        if refused:
            return WriteCounts(), refused
        fresh: list[dict[str, Any]] = []
        changed: list[dict[str, Any]] = []
        terms: dict[int, tuple[set[str], set[str]]] = {}
        attributes: list[tuple[int, str, AttributeValue | None]] = []
        asking = [row.id for item in items if item.attributes and (row := stored.get(item.external_id)) is not None]
        held = dict(await self.load_attributes(asking))
        next_id = await self._take_ids(sum(item.external_id not in stored for item in items))
        for item in items:
            row = stored.get(item.external_id)
            stated = {**{name: getattr(item, name) for name in PROFILE_TEXTS},
                      "registered_at": to_optional_micros(item.registered_at)}  # fmt: skip
            values = {
                name: value if name in item.given or row is None else getattr(row, name)
                for name, value in stated.items()
            }
            own = {} if row is None else held.get(row.id, {})
            differing = {name: value for name, value in item.attributes.items() if own.get(name) != value}
            if row is not None and not differing and all(getattr(row, name) == values[name] for name in PROFILE):
                continue
            registered = values["registered_at"]
            values["registered_day"] = None if registered is None else to_local_day(to_optional_instant(registered), tz)  # type: ignore[arg-type]
            values["name_sort"] = MISSING_TEXT if values["name"] is None else values["name"].casefold()
            key = row.id if row is not None else next_id
            own_id = item.external_id if row is None else row.external_id
            known = set[str]() if row is None else collect_terms(own_id, row.name, row.email)
            terms[key] = (terms.get(key, (known,))[0], collect_terms(own_id, values["name"], values["email"]))
            attributes += [(key, name, value) for name, value in differing.items()]
            if row is None:
                next_id += 1
                fresh.append({"business_id": self.business_id, "id": key, "external_id": item.external_id, **values})
            else:
                changed.append({"k": key, **values})
                # Another item may name the same customer by another name.
                vars(row).update(values)
                held[row.id] = {**own, **differing}
        others = await self._load_other_terms([row["k"] for row in changed])
        gone, added = list[dict[str, Any]](), list[dict[str, Any]]()
        for key, (before, after) in terms.items():
            kept = others.get(key, set())
            gone += [{"t": term, "c": key} for term in before - after - kept]
            added += [
                {"business_id": self.business_id, "term": term, "customer_id": key} for term in after - before - kept
            ]
        await self._write(fresh, changed, gone, added)
        await self._write_attributes(attributes)
        counts = WriteCounts(len(fresh), len(changed), len(items) - len(fresh) - len(changed))
        return counts, []

    async def merge(self, source: int, target: int) -> None:
        """Let every name of the first be another name of the second."""
        former = is_of_customer(self.business_id, source)
        columns = (customer.c.id, customer.c.external_id, customer.c.name, customer.c.email)
        rows = (await self.connection.execute(select(*columns).where(former))).all()
        names = {row.external_id.casefold() for row in rows}
        terms = names.union(*(collect_terms(*row[1:]) for row in rows if row.id == source))
        at, whose = customer_term.c.term, customer_term.c.customer_id
        held = (customer_term.c.business_id == self.business_id, at.in_(terms))
        await self.connection.execute(delete(customer_term).where(*held, whose == source))
        known = set((await self.connection.execute(select(at).where(*held, whose == target))).scalars())
        added = [
            {"business_id": self.business_id, "term": term, "customer_id": target} for term in sorted(names - known)
        ]
        if added:
            await self.connection.execute(insert(customer_term), added)
        await self.connection.execute(update(customer).where(former).values(merged_into=target))

    async def _load_other_terms(self, customers: Sequence[int]) -> dict[int, set[str]]:
        """What the customers are found by beside what their own rows say: the ids of those merged into them."""
        if not customers:
            return {}
        into = customer.c.merged_into
        statement = select(into, customer.c.external_id).where(
            customer.c.business_id == self.business_id, Selective(into.in_(customers)), into.is_not(None)
        )
        terms: dict[int, set[str]] = {}
        for row in await self.connection.execute(statement):
            terms.setdefault(row[0], set()).add(row[1].casefold())
        return terms

    async def _write_attributes(self, changes: Sequence[tuple[int, str, AttributeValue | None]]) -> None:
        """Replace each of these attributes of these customers; None takes one away."""
        if not changes:
            return
        column = customer_attribute.c
        statement = delete(customer_attribute).where(
            column.business_id == self.business_id, column.customer_id == bindparam("c"), column.name == bindparam("n")
        )
        await self.connection.execute(statement, [{"c": key, "n": name} for key, name, _ in changes])
        rows = [
            {"business_id": self.business_id, "customer_id": key, "name": name, **write_attribute(value)}
            for key, name, value in changes
            if value is not None
        ]
        if rows:
            await self.connection.execute(insert(customer_attribute), rows)

    async def _load_stored(self, external_ids: Sequence[str]) -> dict[str, SimpleNamespace]:
        """What is stored of the customer that each name means; the same of two names that mean the same one."""
        columns = (customer.c.id, customer.c.external_id, *(customer.c[name] for name in PROFILE), customer.c.erased)
        statement = (
            select(named.c.external_id.label("known_by"), *columns)
            .select_from(join_named(customer))
            .where(named.c.business_id == self.business_id, named.c.external_id.in_(external_ids))
        )
        rows: dict[int, SimpleNamespace] = {}
        return {
            row.known_by: rows.setdefault(row.id, SimpleNamespace(**row._mapping))
            for row in await self.connection.execute(statement)
        }

    async def _take_ids(self, count: int) -> int:
        statement = (
            update(business)
            .where(business.c.id == self.business_id)
            .values(next_customer=business.c.next_customer + count)
            .returning(business.c.next_customer)
        )
        return int((await self.connection.execute(statement)).scalar_one()) - count

    async def _write(
        self,
        fresh: list[dict[str, Any]],
        changed: list[dict[str, Any]],
        gone: list[dict[str, Any]],
        added: list[dict[str, Any]],
    ) -> None:
        execute = self.connection.execute
        if fresh:
            await execute(insert(customer), fresh)
            zeros = {"order_count": 0, "revenue": 0, "last_sort": FAR_FUTURE, "business_id": self.business_id}
            await execute(insert(customer_metrics), [{**zeros, "customer_id": row["id"]} for row in fresh])
        if changed:
            columns = [name for name in changed[0] if name != "k"]
            await execute(
                update(customer)
                .where(customer.c.business_id == self.business_id, customer.c.id == bindparam("k"))
                .values({name: bindparam(name) for name in columns}),
                changed,
            )
        if gone:
            await execute(
                delete(customer_term).where(
                    customer_term.c.business_id == self.business_id,
                    customer_term.c.term == bindparam("t"),
                    customer_term.c.customer_id == bindparam("c"),
                ),
                gone,
            )
        if added:
            await execute(insert(customer_term), added)
        touched = [*(row["id"] for row in fresh), *(row["k"] for row in changed)]
        if touched:
            instant = select(business.c.last_instant).where(business.c.id == self.business_id).scalar_subquery()
            await execute(
                update(customer_metrics)
                .where(customer_metrics.c.business_id == self.business_id, customer_metrics.c.customer_id.in_(touched))
                .values(changed_at=instant)
            )


def _read_position(row: Any, sort: str) -> Position:
    return row._mapping[sort], row.id
