"""The members of a segment as cells of a file: all members of one instant, page by page, so that a million take no more
memory than a thousand. A page is read as texts and numbers, column by column, and no entity is made of it. Whoever
reads slowly holds nothing in the store."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from domain.calendar import Clock, format_micros
from domain.customers.customers import Customers
from domain.errors import InvalidInput, Sentence, build_unknown_id
from domain.model import AttributeKind, Business
from domain.money import find_exponent, format_minor
from domain.rules.variables import ATTRIBUTE
from domain.segments.model import Segment
from domain.store import MemberCell, MemberPage, Store

MEMBER_COLUMNS = (
    "customer_id",
    "name",
    "email",
    "loyalty_level",
    "segment",
    "assigned_at",
    "source",
    "order_count",
    "total_revenue",
    "last_purchase_at",
    "rfm_segment",
)
"""What is written where nothing is chosen."""
FURTHER_COLUMNS = ("phone", "country", "city")
PAGE = 10_000


class CellKind(StrEnum):
    """What the cells of a column are: texts, whole numbers, minor units, microseconds since 1970, 0 and 1, or numbers
    as they were written."""

    TEXT = "TEXT"
    COUNT = "COUNT"
    AMOUNT = "AMOUNT"
    INSTANT = "INSTANT"
    FLAG = "FLAG"
    NUMBER = "NUMBER"


KINDS = {
    "order_count": CellKind.COUNT,
    "total_revenue": CellKind.AMOUNT,
    "assigned_at": CellKind.INSTANT,
    "last_purchase_at": CellKind.INSTANT,
}
"""Of the columns that are no texts."""
ATTRIBUTE_KINDS = {
    AttributeKind.TEXT: CellKind.TEXT,
    AttributeKind.NUMBER: CellKind.NUMBER,
    AttributeKind.BOOLEAN: CellKind.FLAG,
    AttributeKind.INSTANT: CellKind.INSTANT,
}


@dataclass(frozen=True, slots=True)
class MemberExport:
    """Which members: those of the segment at the instant, with the columns in the order they were asked for; `ascii`
    where all that they say is."""

    business: Business
    segment: Segment
    as_of: datetime
    columns: tuple[str, ...]
    ascii: bool = True

    @property
    def kinds(self) -> list[CellKind]:
        """What the cells of each column are."""
        attributes = {
            f"{ATTRIBUTE}{name}": ATTRIBUTE_KINDS[kind] for name, kind in self.business.attributes.customer.items()
        }
        return [KINDS.get(name) or attributes.get(name, CellKind.TEXT) for name in self.columns]

    @property
    def decimals(self) -> int:
        """Those of the amounts."""
        return find_exponent(self.business.currency)


class MemberWriter(Protocol):
    """Makes a file of pages of members, piece by piece."""

    def __call__(self, export: MemberExport, pages: AsyncIterator[MemberPage]) -> AsyncGenerator[bytes, None]: ...


@dataclass(frozen=True, slots=True)
class MemberFiles:
    """Reads the members of a business for files."""

    store: Store
    clock: Clock
    customers: Customers

    async def open(self, business: Business, segment_id: int | None, columns: Sequence[str] = ()) -> MemberExport:
        """The members as they are now; NotFound where there is no such segment. The instant is that of the segment's
        last change: whatever is written later has a later one, so every page sees the same members."""
        checked = choose_columns(columns, business)
        async with self.store.read(business) as unit:
            segment = None if segment_id is None else await unit.segments.get(segment_id)
            if segment is None:
                raise build_unknown_id("segment")
            changes = await unit.memberships.find_last_changes([segment.id])
            as_of = changes.get(segment.id, self.clock())
            ascii = await unit.memberships.are_ascii(segment.id, as_of, checked)
        return MemberExport(business, segment, as_of, checked, ascii and segment.name.isascii())

    async def load_pages(self, export: MemberExport) -> AsyncGenerator[MemberPage, None]:
        """Members by customer, each page one short unit of the store that is read while the page before is written;
        whoever was erased since is left out."""
        stored = [name for name in export.columns if name != "segment"] or ["customer_id"]
        scored = await self.customers.find_measure(export.business) if "rfm_segment" in stored else None

        async def load(after: int) -> tuple[int, MemberPage] | None:
            async with self.store.read(export.business) as unit:
                return await unit.member_rows.load(export.segment.id, export.as_of, stored, scored, after, PAGE)

        coming = asyncio.ensure_future(load(0))
        try:
            while (found := await coming) is not None:
                last, read = found
                made, there = dict(zip(stored, read, strict=True)), len(read[0])
                if there == PAGE:
                    coming = asyncio.ensure_future(load(last))
                yield [made.get(name) or [export.segment.name] * there for name in export.columns]
                if there < PAGE:
                    return
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)


Cell = TypeVar("Cell")
WriteAll = Callable[[Collection[Any]], list[Cell]]
"""Makes of cells what is written for each of them."""


def write_each(cells: Sequence[MemberCell], write: WriteAll[Cell], missing: Cell) -> list[Cell]:
    """What is written for each of the cells; for those that are alike once, where many are."""
    different = set(cells)
    if 2 * len(different) <= len(cells):
        different.discard(None)
        known = dict(zip(different, write(different), strict=True))
        return [known.get(cell, missing) for cell in cells]
    if None not in different:
        return write(cells)
    written = iter(write([cell for cell in cells if cell is not None]))
    return [missing if cell is None else next(written) for cell in cells]


def choose_text(kind: CellKind, decimals: int) -> WriteAll[str]:
    """How cells of the kind, which are there and no texts, are written in a file without types: amounts with their
    decimals, instants in UTC, numbers without an exponent, which not every program reads."""
    match kind:
        case CellKind.AMOUNT:
            return lambda amounts: format_minor(amounts, decimals)
        case CellKind.INSTANT:
            return format_micros
        case CellKind.FLAG:
            return lambda flags: ["true" if flag else "false" for flag in flags]
        case CellKind.NUMBER:
            return lambda texts: [format(Decimal(read_number(text)), "f") for text in texts]
        case _:
            return lambda cells: list(map(str, cells))


def read_number(text: str) -> int | Decimal:
    """A number as it was written; whole where it can be, as then every format shows it so."""
    value = Decimal(text)
    return int(value) if abs(value) < 2**53 and value == value.to_integral_value() else value


def check_columns(columns: Sequence[str]) -> tuple[str, ...]:
    """The columns asked for, each once; the usual ones where none is. InvalidInput lists those there are. Which
    attributes there are only the business knows."""
    known = (*MEMBER_COLUMNS, *FURTHER_COLUMNS)
    for name in columns:
        if name not in known and not name.startswith(ATTRIBUTE):
            message = Sentence("{columns} must be of: {}; not {!r}", ", ".join((*known, "attributes.NAME")), name[:40])
            raise InvalidInput(message, ("columns",))
    return tuple(dict.fromkeys(columns)) or MEMBER_COLUMNS


def choose_columns(columns: Sequence[str], business: Business) -> tuple[str, ...]:
    """The same where the business is known, and with it its attributes."""
    columns = check_columns(columns)
    known = [f"{ATTRIBUTE}{name}" for name in sorted(business.attributes.customer)]
    unknown = next((name for name in columns if name.startswith(ATTRIBUTE) and name not in known), None)
    if unknown is not None:
        named = ", ".join(known) or "none yet"
        message = Sentence("{columns} must name attributes that there are: {}; not {!r}", named, unknown[:70])
        raise InvalidInput(message, ("columns",))
    return columns
