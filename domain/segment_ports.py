"""What the services of segments need from the store, as Protocols; each speaks of one business within one unit."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from domain.jobs.model import Difference, Job, NewJob, Outcome
from domain.model import Business, KeptEvent
from domain.pages import Page, PageRequest
from domain.ports import CustomerRecord, ReadUnit, Store, WriteUnit
from domain.rules.context import RuleContext
from domain.rules.tree import Condition
from domain.segments.model import (
    ArchivedMembership,
    ChangeKey,
    ChangeList,
    Membership,
    MembershipChange,
    MembershipSource,
    MemberTotals,
    NewSegment,
    Place,
    Segment,
    SegmentKind,
    Snapshot,
)


class SegmentSort(StrEnum):
    """What a list of segments is ordered by."""

    NAME = "NAME"
    CREATED_AT = "CREATED_AT"
    LAST_CALCULATED = "LAST_CALCULATED"
    MEMBER_COUNT = "MEMBER_COUNT"


@dataclass(frozen=True, slots=True)
class SegmentFilter:
    """Which segments; every given part must hold. `search` is a prefix of the name, of a word of it, or of the key."""

    search: str | None = None
    kind: SegmentKind | None = None
    is_rfm: bool | None = None
    is_dynamic: bool | None = None


class Segments(Protocol):
    """Segments of one business; deleted ones only where they are asked for."""

    async def page(
        self, request: PageRequest, where: SegmentFilter, sort: SegmentSort, reverse: bool
    ) -> Page[Segment]: ...
    async def count(self, where: SegmentFilter) -> int: ...
    async def all(self, *, automatic: bool = False) -> list[Segment]: ...
    async def by_ids(self, ids: Sequence[int], *, deleted: bool = False) -> Mapping[int, Segment]: ...
    async def by_keys(self, keys: Sequence[str]) -> Mapping[str, Segment]: ...
    async def by_name(self, name: str) -> Segment | None: ...
    async def add(self, new: NewSegment, at: datetime) -> Segment: ...
    async def change(self, segment: Segment) -> None: ...


Member = tuple[CustomerRecord, Membership]
MemberKey = tuple[int, PageRequest, datetime | None]
"""A segment, which page of its members, and when; None is now."""
SnapshotKey = tuple[int, datetime]
"""A segment and an instant."""
IdsKey = tuple[int, datetime, int, int | None]
"""A segment, an instant, how many customers, and after which one."""
Movement = tuple[int, datetime, datetime]
"""A segment and two instants: who is a member at the second and was none at the first, which may be the later."""
MovedKey = tuple[Movement, PageRequest]


class Memberships(Protocol):
    """Memberships of one business. What changes them keeps the segment's member count and the log of changes."""

    async def open_of(self, customers: Sequence[int]) -> Mapping[int, list[Membership]]: ...
    async def are_members(self, pairs: Sequence[tuple[int, int]]) -> set[tuple[int, int]]: ...
    async def members(self, segment_id: int, request: PageRequest, as_of: datetime | None = None) -> Page[Member]: ...
    async def member_pages(self, keys: Sequence[MemberKey]) -> list[Page[Member]]: ...
    async def member_count(self, segment_id: int, as_of: datetime) -> int: ...
    async def last_changes(self, segments: Sequence[int]) -> Mapping[int, datetime]: ...
    async def past_counts(self, keys: Sequence[SnapshotKey]) -> list[int]: ...
    async def id_lists(self, keys: Sequence[IdsKey]) -> list[list[int]]: ...
    async def moved_pages(self, keys: Sequence[MovedKey]) -> list[Page[CustomerRecord]]: ...
    async def moved_counts(self, keys: Sequence[Movement]) -> list[int]: ...
    async def changes(
        self,
        request: PageRequest,
        *,
        segment_id: int | None = None,
        customer_id: int | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Page[MembershipChange]: ...
    async def change_pages(self, keys: Sequence[ChangeKey]) -> list[Page[MembershipChange]]: ...
    async def change_counts(self, lists: Sequence[ChangeList]) -> list[int]: ...
    async def ended_before(
        self, horizon: datetime, after: tuple[int, int, datetime] | None, size: int
    ) -> list[ArchivedMembership]: ...
    async def ended_segments(self, horizon: datetime) -> list[int]: ...
    async def forget(self, segment_id: int, horizon: datetime) -> int: ...
    async def newest_place(self) -> Place: ...
    async def changes_after(self, place: Place, segment_id: int | None, size: int) -> list[MembershipChange]: ...
    async def sizes(
        self, segments: Sequence[int], bounds: Sequence[datetime]
    ) -> Mapping[int, list[tuple[int, int, int]]]: ...
    async def totals(self, segments: Sequence[int], today: int, inactive_days: int) -> Mapping[int, MemberTotals]: ...
    async def known(self, external_ids: Sequence[str]) -> Mapping[str, tuple[int, bool]]: ...
    async def put_in(
        self, segment_id: int, customers: Sequence[int], at: datetime, source: MembershipSource, by: str | None
    ) -> Difference: ...
    async def take_out(self, segment_id: int, customers: Sequence[int], at: datetime, by: str | None) -> Difference: ...
    async def end_all(self, segment_id: int, at: datetime, by: str | None) -> Difference: ...
    async def end_of_customer(self, customer_id: int, at: datetime, by: str | None) -> int: ...
    async def agree(self, segment_id: int, at: datetime, by: str | None, *, only: bool = False) -> Difference: ...


class Snapshots(Protocol):
    """Snapshots of one business."""

    async def add(self, snapshot: Snapshot) -> None: ...
    async def page(self, segment_id: int, request: PageRequest) -> Page[Snapshot]: ...
    async def pages(self, keys: Sequence[tuple[int, PageRequest]]) -> list[Page[Snapshot]]: ...
    async def count(self, segment_id: int) -> int: ...
    async def counts(self, segments: Sequence[int]) -> Mapping[int, int]: ...
    async def newest(self, segments: Sequence[int], size: int) -> Mapping[int, list[Snapshot]]: ...
    async def by_keys(self, keys: Sequence[SnapshotKey]) -> Mapping[SnapshotKey, Snapshot]: ...


class Jobs(Protocol):
    """Runs of one business."""

    async def add(self, new: NewJob, at: datetime) -> Job: ...
    async def by_ids(self, ids: Sequence[int]) -> Mapping[int, Job]: ...
    async def active_of(self, segments: Sequence[int]) -> Mapping[int, Job]: ...
    async def newest_of(self, segments: Sequence[int]) -> Mapping[int, Job]: ...
    async def page(
        self, request: PageRequest, *, segment_id: int | None = None, parent_id: int | None = None
    ) -> Page[Job]: ...
    async def count(self, *, segment_id: int | None = None, parent_id: int | None = None) -> int: ...
    async def active_parent(self) -> Job | None: ...
    async def parts_of(self, parent_id: int) -> list[Job]: ...
    async def adopt(self, job_id: int, parent_id: int) -> None: ...
    async def finish(self, job_id: int, outcome: Outcome, at: datetime) -> None: ...
    async def ask_to_cancel(self, job_id: int) -> None: ...


class Side(StrEnum):
    """Which customers of a rule are looked at: those for whom it holds, or who would enter or leave a segment."""

    MATCHING = "MATCHING"
    ENTERING = "ENTERING"
    LEAVING = "LEAVING"


@dataclass(frozen=True, slots=True)
class RuleSizes:
    """How many customers there are, and for how many a rule holds; `members` are those of another segment, `staying`
    those of them for whom it holds."""

    population: int
    matching: int
    members: int | None = None
    staying: int | None = None


class RuleQuestions(Protocol):
    """Questions about rules over the customers of one business."""

    async def sizes(self, context: RuleContext, tree: Condition, against: int | None) -> RuleSizes: ...
    async def population(self) -> int: ...
    async def sample(
        self, context: RuleContext, tree: Condition, side: Side, against: int | None, size: int
    ) -> list[CustomerRecord]: ...
    async def matching(
        self, context: RuleContext, trees: Mapping[int, Condition], customers: Sequence[int]
    ) -> Mapping[int, set[int]]: ...
    async def overlap(self, segments: Sequence[int]) -> Mapping[int, int]:
        """How many customers are in exactly which of the segments; bit n of the key stands for the nth."""
        ...


class Audits(Protocol):
    """The audit log of one business."""

    async def page(self, request: PageRequest, subject: tuple[str, int] | None) -> Page[KeptEvent]: ...
    async def count(self, subject: tuple[str, int] | None) -> int: ...
    async def by_ids(self, ids: Sequence[int]) -> Mapping[int, KeptEvent]: ...


class Erasures(Protocol):
    """What names customers of one business, to be taken away."""

    async def erase(self, customer_id: int, at: datetime) -> None: ...


class SegmentReadUnit(ReadUnit, Protocol):
    """A read unit that also sees segments."""

    @property
    def segments(self) -> Segments: ...
    @property
    def memberships(self) -> Memberships: ...
    @property
    def snapshots(self) -> Snapshots: ...
    @property
    def jobs(self) -> Jobs: ...
    @property
    def audits(self) -> Audits: ...
    @property
    def rules(self) -> RuleQuestions: ...


class SegmentWriteUnit(SegmentReadUnit, WriteUnit, Protocol):
    """A write unit that also changes segments."""

    @property
    def erasure(self) -> Erasures: ...


class SegmentStore(Protocol):
    """The store as the services of segments see it."""

    def read(self, business: Business) -> AbstractAsyncContextManager[SegmentReadUnit]: ...
    def write(self, business: Business) -> AbstractAsyncContextManager[SegmentWriteUnit]: ...


class TenantStore(SegmentStore, Store, Protocol):
    """The store as the service of tenants sees it, whose settings concern segments too."""
