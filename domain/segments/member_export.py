"""The members of a segment as rows of a file: all members of one instant, page by page, so that a million take no more
memory than a thousand. Whoever reads slowly holds nothing in the store."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from domain.calendar import Clock
from domain.classification.rfm import Score
from domain.customers.customers import Customers
from domain.errors import InvalidInput, Sentence, build_unknown_id
from domain.model import AttributeValue, Business
from domain.money import find_exponent, to_decimal
from domain.pages import PageRequest
from domain.rules.variables import ATTRIBUTE
from domain.segments.model import Membership, Segment
from domain.store import CustomerRecord, Member, MemberList, Store

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
PAGE = 1_000
MemberCell = str | bool | int | Decimal | datetime | None
MemberPage = Sequence[Sequence[MemberCell]]
MemberMaker = Callable[[CustomerRecord, Membership], MemberCell]


@dataclass(frozen=True, slots=True)
class MemberExport:
    """Which members: those of the segment at the instant, with the columns in the order they were asked for; `ascii`
    where all that they say is."""

    business: Business
    segment: Segment
    as_of: datetime
    columns: tuple[str, ...]
    ascii: bool = True


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
        """Rows by customer, each page one short unit of the store."""
        request = PageRequest(PAGE)
        while True:
            async with self.store.read(export.business) as unit:
                page = await unit.members.load_page(MemberList(export.segment.id, export.as_of), request)
            # Whoever was erased since is left out.
            yield await self._build_rows(export, [item for item in page.items if not item[0].customer.erased])
            if not page.has_next:
                return
            request = replace(request, after=page.positions[-1])

    async def _build_rows(self, export: MemberExport, members: Sequence[Member]) -> MemberPage:
        scores: Mapping[int, Score | None] = {}
        if "rfm_segment" in export.columns:
            totals = {record.customer.id: record.totals for record, _ in members}
            scores = await self.customers.compute_scores(export.business, totals)
        held: Mapping[int, Mapping[str, AttributeValue]] = {}
        if any(name.startswith(ATTRIBUTE) for name in export.columns):
            async with self.store.read(export.business) as unit:
                held = await unit.customers.load_attributes([record.customer.id for record, _ in members])
        decimals = find_exponent(export.business.currency)

        def digits(record: CustomerRecord) -> str | None:
            score = scores.get(record.customer.id)
            return None if score is None else score.digits

        def find_attribute(name: str) -> MemberMaker:
            return lambda record, membership: _make_cell(held[record.customer.id].get(name))

        makers: dict[str, MemberMaker] = {
            "customer_id": lambda record, membership: record.customer.external_id,
            "name": lambda record, membership: record.customer.name,
            "email": lambda record, membership: record.customer.email,
            "phone": lambda record, membership: record.customer.phone,
            "country": lambda record, membership: record.customer.country,
            "city": lambda record, membership: record.customer.city,
            "loyalty_level": lambda record, membership: record.customer.loyalty_level,
            "segment": lambda record, membership: export.segment.name,
            "assigned_at": lambda record, membership: membership.entered_at,
            "source": lambda record, membership: membership.source.value,
            "order_count": lambda record, membership: record.totals.order_count,
            "total_revenue": lambda record, membership: to_decimal(record.totals.revenue, decimals),
            "last_purchase_at": lambda record, membership: record.totals.last_at,
            "rfm_segment": lambda record, membership: digits(record),
        }
        chosen = [makers.get(name) or find_attribute(name.removeprefix(ATTRIBUTE)) for name in export.columns]
        return [[make(record, membership) for make in chosen] for record, membership in members]


def _make_cell(value: AttributeValue | None) -> MemberCell:
    # Whole where it can be: a decimal looks like money in a workbook.
    whole = isinstance(value, Decimal) and abs(value) < 2**53 and value == value.to_integral_value()
    return int(value) if isinstance(value, Decimal) and whole else value


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
