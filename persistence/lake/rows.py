"""What a copy holds, as the store says it: each table as a few long texts, a JSON list a column, which the database
makes and the driver hands over far faster than rows. The same statements fill the files of a copy and read what has
changed since."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import ColumnElement, CompoundSelect, CursorResult, Executable, Select, func, select, true, union

from persistence.database.lists import GatheredColumn
from persistence.lake.manifest import (
    COLUMNS,
    CUSTOMER,
    GONE,
    LINE,
    METRICS,
    OWNER,
    PURCHASE,
    TEXTS,
    Manifest,
    NoCopy,
    name_manifest,
)
from persistence.lake.places import Place
from persistence.tables.businesses import business
from persistence.tables.copies import columnar_copy, removed_customer, store_identity
from persistence.tables.customers import PRESENT, customer, customer_metrics
from persistence.tables.purchases import is_bought, purchase, purchase_line

if TYPE_CHECKING:
    import pyarrow as pa

SOURCES = {PURCHASE: purchase, LINE: purchase_line, METRICS: customer_metrics, CUSTOMER: customer}
"""The tables of the store that a copy has."""
OWNERS = {name: table.c[OWNER.get(name, "customer_id")] for name, table in SOURCES.items()}
"""Which customer a row of each is of."""


class Asked(Protocol):
    """A connection whose statements are awaited: one of the event loop, or one of a thread that has none."""

    async def execute(self, statement: Executable, /) -> CursorResult[Any]:
        """The result."""
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """What the store says of itself, of the business and of its copy in one state: `generation` is the copy in force,
    empty where none is."""

    store: str
    epoch: str
    change_number: int
    instant: int
    purchases: int
    """No fewer than there are."""
    customers: int
    """The same."""
    generation: str


def select_standing(business_id: int) -> Select[Any]:
    """The columns of a Standing."""
    own, copy = business.c, columnar_copy.c
    return (
        select(
            store_identity.c.id,
            store_identity.c.epoch,
            own.change_number,
            own.last_instant,
            own.next_purchase - 1,
            own.next_customer - 1,
            func.coalesce(copy.generation, ""),
        )
        .select_from(business.outerjoin(columnar_copy, copy.business_id == own.id))
        .join(store_identity, store_identity.c.id.is_not(None))
        .where(own.id == business_id)
    )


def read_standing(row: Sequence[Any] | None) -> Standing:
    """Of its row; NoCopy where the business is gone."""
    if row is None:
        raise NoCopy("absent")
    return Standing(*row)


def load_manifest(place: Place, business_id: int, standing: Standing) -> Manifest:
    """The manifest of the generation in force. NoCopy where there is none, where it cannot be read, or tells of another
    history than the store's: a copy of the store that was restored, or a state of the store before the copy. OSError
    where its place cannot be asked."""
    if not standing.generation:
        raise NoCopy("absent")
    try:
        manifest = Manifest.read(place.fetch(name_manifest(standing.generation)).read_bytes())
    except FileNotFoundError as error:
        raise NoCopy(GONE) from error
    if (manifest.store, manifest.epoch, manifest.business) != (standing.store, standing.epoch, business_id):
        raise NoCopy("of another store")
    if manifest.newest.change_number > standing.change_number:
        raise NoCopy("newer than what is read")
    return manifest


def select_touched(business_id: int, since: int) -> CompoundSelect[int]:
    """The customers who changed after the instant, and those who were removed."""
    metrics, gone = customer_metrics.c, removed_customer.c
    return union(
        select(metrics.customer_id).where(metrics.business_id == business_id, metrics.changed_at > since),
        select(gone.customer_id).where(gone.business_id == business_id, gone.removed_at > since),
    )


def gather_ids(which: CompoundSelect[int], most: int) -> Select[str]:
    """The customers that are selected, at most so many, as a text."""
    some = select(which.subquery("which").c.customer_id).limit(most).subquery("some")
    return select(GatheredColumn(some.c.customer_id))


def gather_rows(business_id: int, name: str, *more: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """What a copy holds of a table, a text a column. Lines of purchases that do not count are never looked at."""
    table = SOURCES[name]
    own = {PURCHASE: purchase.c.counted == 1, LINE: is_bought(), METRICS: true(), CUSTOMER: PRESENT}
    columns: list[ColumnElement[Any]] = [GatheredColumn(table.c[column]) for column in COLUMNS[name]]
    return select(*columns).where(table.c.business_id == business_id, own[name], *more)


def build_table(name: str, texts: Sequence[str | None]) -> "pa.Table":
    """Of such texts."""
    import pyarrow as pa

    kinds = {column: pa.string() if column in TEXTS else pa.int64() for column in COLUMNS[name]}
    arrays = [pa.array(json.loads(text or "[]"), kind) for text, kind in zip(texts, kinds.values(), strict=True)]
    return pa.Table.from_arrays(arrays, list(kinds))
