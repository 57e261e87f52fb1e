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
from domain.model import Business
from domain.money import find_exponent, to_decimal
from domain.pages import PageRequest
from domain.segments.model import Membership, Segment
from domain.store import CustomerRecord, Member, Store

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
PAGE = 1_000
MemberCell = str | int | Decimal | datetime | None
MemberPage = Sequence[Sequence[MemberCell]]


@dataclass(frozen=True, slots=True)
class MemberExport:
    """Which members: those of the segment at the instant, with the columns in the order they were asked for."""

    business: Business
    segment: Segment
    as_of: datetime
    columns: tuple[str, ...]


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
        checked = check_columns(columns)
        async with self.store.read(business) as unit:
            segment = None if segment_id is None else await unit.segments.get(segment_id)
            if segment is None:
                raise build_unknown_id("segment")
            changes = await unit.memberships.find_last_changes([segment.id])
        return MemberExport(business, segment, changes.get(segment.id, self.clock()), checked)

    async def load_pages(self, export: MemberExport) -> AsyncGenerator[MemberPage, None]:
        """Rows by customer, each page one short unit of the store."""
        request = PageRequest(PAGE)
        while True:
            async with self.store.read(export.business) as unit:
                page = await unit.memberships.load_members(export.segment.id, request, export.as_of)
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
        decimals = find_exponent(export.business.currency)

        def digits(record: CustomerRecord) -> str | None:
            score = scores.get(record.customer.id)
            return None if score is None else score.digits

        makers: dict[str, Callable[[CustomerRecord, Membership], MemberCell]] = {
            "customer_id": lambda record, membership: record.customer.external_id,
            "name": lambda record, membership: record.customer.name,
            "email": lambda record, membership: record.customer.email,
            "loyalty_level": lambda record, membership: record.customer.loyalty_level,
            "segment": lambda record, membership: export.segment.name,
            "assigned_at": lambda record, membership: membership.entered_at,
            "source": lambda record, membership: membership.source.value,
            "order_count": lambda record, membership: record.totals.order_count,
            "total_revenue": lambda record, membership: to_decimal(record.totals.revenue, decimals),
            "last_purchase_at": lambda record, membership: record.totals.last_at,
            "rfm_segment": lambda record, membership: digits(record),
        }
        chosen = [makers[name] for name in export.columns]
        return [[make(record, membership) for make in chosen] for record, membership in members]


def check_columns(columns: Sequence[str]) -> tuple[str, ...]:
    """The columns asked for, each once; all where none is. InvalidInput lists those there are."""
    for name in columns:
        if name not in MEMBER_COLUMNS:
            message = Sentence("{columns} must be of: {}; not {!r}", ", ".join(MEMBER_COLUMNS), name[:40])
            raise InvalidInput(message, ("columns",))
    return tuple(dict.fromkeys(columns)) or MEMBER_COLUMNS
