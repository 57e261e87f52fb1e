"""What the services need from the store, as Protocols that persistence implements, and the values that cross them. Each
has one implementation: they are Protocols because the domain imports no persistence, and tests use real stores. A
unit is one service call's transaction on one business: a read unit sees one state, a write unit is the only one that
writes. The nouns of a business come first, each with its repository: customers, purchases, reports, segments,
memberships, snapshots, jobs, rules, imports, formats, the audit log, groups, requests, revoked tokens; then Unit,
Evaluation and Store, which hold them, and last what keeps reports. A label is the code of a group; for BEHAVIOR, whose
groups come from the data, its name. The file is long because all that the domain asks of the store is to be seen in one
place."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from domain.errors import FieldProblem, Sentence
from domain.jobs.model import NO_REPORTS, JobKind
from domain.model import AuditOutcome
from domain.model import CustomerSort as CustomerSort
from domain.model import SegmentSort as SegmentSort
from domain.pages import Page, PageRequest

# The types that are only named below: whoever asks for businesses alone need not load rules and reports.
if TYPE_CHECKING:
    from domain.calendar import DayRanges, Span
    from domain.classification.groups import Cell, LabelSums, Method
    from domain.classification.labels import ClassificationFacts, ClassificationSettings, ClassificationSpan
    from domain.classification.rfm import Quintiles, RfmScheme, Score
    from domain.classifiers import ClassifiedBatch, Classifiers
    from domain.imports.model import (
        NewImport,
        PurchaseImport,
        Reject,
        RejectKey,
        RejectReason,
        SavedFormat,
        UndoConflict,
    )
    from domain.jobs.model import Difference, Job, Lease, NewJob, Outcome, ReportPlan
    from domain.model import (
        Actor,
        AttributeValue,
        AuditRecord,
        AuditTarget,
        Business,
        Customer,
        CustomerTotals,
        NewCustomer,
        NewPurchase,
        Purchase,
        PurchaseLine,
        Revocation,
        SegmentKind,
        Storefront,
        WriteCounts,
    )
    from domain.rules.context import RuleContext
    from domain.rules.listing import RuleValue
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
        Snapshot,
    )

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CachedValue(Generic[T]):
    """A value, whether it was there already, and how old it is in seconds."""

    value: T
    hit: bool
    age: float


class Cache(Protocol):
    """Keeps what is dear to compute. Keys hold the business and its data version, so nothing outlives a write."""

    async def get_or_make(
        self, key: str, make: Callable[[], Awaitable[T]], fits: Callable[[T], bool] = lambda _: True
    ) -> CachedValue[T]:
        """The value that is there, or a new one; of all that share the cache and miss one key at once one computes.
        Where workers share it, values are what JSON can hold, and one that does not fit is none."""
        ...


@dataclass(frozen=True, slots=True)
class CustomerFilter:
    """Which customers; every given part must hold. `search` is a prefix, casefolded here; the customer is a member of
    every one of `segment_ids`; `quintiles` are the kept ones, for a rule that ranks; all of `reported` must hold."""

    search: str | None = None
    loyalty_levels: tuple[str, ...] | None = None
    segment_ids: tuple[int, ...] = ()
    rule: Condition | None = None
    quintiles: Quintiles | None = None
    reported: tuple[Reported, ...] = ()


@dataclass(frozen=True, slots=True)
class CustomerRecord:
    """A customer with the kept totals."""

    customer: Customer
    totals: CustomerTotals


@dataclass(frozen=True, slots=True)
class WindowTotals:
    """One customer in one window: orders, spend in minor units, day number of the last purchase."""

    orders: int
    spend: int
    last_day: int


@dataclass(frozen=True, slots=True)
class PurchaseRecord:
    """A purchase with its storefront."""

    purchase: Purchase
    storefront: Storefront | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one item of a bulk write cannot be: its index and a code of the rejection."""

    index: int
    code: str


class Customers(Protocol):
    """Customers of one business."""

    async def load_page(
        self, request: PageRequest, where: CustomerFilter, sort: CustomerSort, reverse: bool
    ) -> Page[CustomerRecord]: ...
    async def count(self, where: CustomerFilter) -> int: ...
    async def find_by_ids(self, ids: Sequence[int], *, merged: bool = False) -> Mapping[int, CustomerRecord]: ...
    async def find_by_external_id(self, external_id: str) -> CustomerRecord | None: ...
    async def find_known(self, external_ids: Sequence[str]) -> Mapping[str, tuple[int, bool]]: ...
    async def load_attributes(self, ids: Sequence[int]) -> Mapping[int, Mapping[str, AttributeValue]]: ...
    async def upsert(self, items: Sequence[NewCustomer], time_zone: str) -> tuple[WriteCounts, list[Refusal]]: ...
    async def merge(self, source: int, target: int) -> None:
        """Let every name of the first be another name of the second."""
        ...


class Purchases(Protocol):
    """Purchases of one business."""

    async def load_pages(
        self, customers: Sequence[int], request: PageRequest
    ) -> Mapping[int, Page[PurchaseRecord]]: ...
    async def count_by_customer(self, customers: Sequence[int]) -> Mapping[int, int]: ...
    async def find_by_keys(self, keys: Sequence[tuple[int, int]]) -> Mapping[tuple[int, int], PurchaseRecord]: ...
    async def load_lines(self, keys: Sequence[tuple[int, int]]) -> Mapping[tuple[int, int], list[PurchaseLine]]: ...
    async def load_storefronts(self) -> list[Storefront]: ...
    async def find_storefronts(self, ids: Sequence[int]) -> Mapping[int, Storefront]: ...
    async def find_storefront(self, key: str) -> Storefront | None: ...
    async def name_storefronts(self, names: Mapping[int, str]) -> None: ...
    async def record(
        self, items: Sequence[NewPurchase], time_zone: str, now: datetime
    ) -> tuple[WriteCounts, list[Refusal]]: ...
    async def has_any(self) -> bool: ...
    async def delete(self, external_ids: Sequence[str]) -> int: ...
    async def move(self, source: int, target: int) -> int:
        """Let the purchases of one customer be another's, their totals following; how many there were."""
        ...

    async def count_due(self, now: datetime) -> int: ...
    async def move_days(self, time_zone: str) -> None: ...


class Reports(Protocol):
    """Windows of purchases, aggregated in the store."""

    async def load_cells(self, span: Span) -> list[Cell]: ...
    async def load_label_sums(self, span: Span, festive: DayRanges) -> list[LabelSums]: ...
    async def compute_quintiles(self, span: Span) -> Quintiles: ...
    async def load_window_totals(self, customers: Sequence[int], span: Span) -> Mapping[int, WindowTotals]: ...
    async def load_customers(
        self, span: Span, quintiles: Quintiles, scores: Sequence[Score], request: PageRequest
    ) -> Page[CustomerRecord]: ...
    async def load_classification_facts(
        self, customers: Sequence[int] | None, span: ClassificationSpan
    ) -> Mapping[int, ClassificationFacts]: ...
    async def find_day_bounds(self) -> tuple[int, int] | None: ...


class ClassifiedCustomers(Protocol):
    """Customers of one business as classifiers of one's own see them."""

    def load_batches(
        self,
        span: ClassificationSpan,
        settings: ClassificationSettings,
        decimals: int,
        classifiers: Classifiers,
        customers: Sequence[int] | None = None,
    ) -> AsyncIterator[ClassifiedBatch]: ...
    async def count_labels(
        self, span: ClassificationSpan, settings: ClassificationSettings, decimals: int, classifiers: Classifiers
    ) -> list[tuple[str, str, int]]: ...


SENTENCES = {
    "FOREIGN": ("INVALID", Sentence("{external_id} belongs to another customer's purchase")),
    "ERASED": ("ERASED", "this customer was erased"),
}


def to_field_problem(field: str, refusal: Refusal) -> FieldProblem:
    """The user error of one refused item."""
    code, sentence = SENTENCES[refusal.code]
    return FieldProblem(("input", str(refusal.index), field), sentence, code)


@dataclass(frozen=True, slots=True)
class SegmentFilter:
    """Which segments; every given part must hold. `search` is a prefix of the name, of a word of it, or of the key."""

    search: str | None = None
    kind: SegmentKind | None = None
    is_rfm: bool | None = None
    is_dynamic: bool | None = None


class Segments(Protocol):
    """Segments of one business; deleted ones only where they are asked for."""

    async def load_page(
        self, request: PageRequest, where: SegmentFilter, sort: SegmentSort, reverse: bool
    ) -> Page[Segment]: ...
    async def count(self, where: SegmentFilter) -> int: ...
    async def load_all(self, *, automatic: bool = False) -> list[Segment]: ...
    async def get(self, segment_id: int) -> Segment | None: ...
    async def find_by_ids(self, ids: Sequence[int], *, deleted: bool = False) -> Mapping[int, Segment]: ...
    async def find_by_keys(self, keys: Sequence[str]) -> Mapping[str, Segment]: ...
    async def add(self, new: NewSegment, at: datetime) -> Segment: ...
    async def change(self, segment: Segment) -> None: ...
    async def mark_calculated(self, ids: Sequence[int], at: datetime) -> None: ...


class MemberSort(StrEnum):
    """What a list of members is ordered by."""

    ASSIGNED_AT = "ASSIGNED_AT"
    EXTERNAL_ID = "EXTERNAL_ID"
    NAME = "NAME"
    TOTAL_REVENUE = "TOTAL_REVENUE"
    ORDER_COUNT = "ORDER_COUNT"
    LAST_PURCHASE_AT = "LAST_PURCHASE_AT"


@dataclass(frozen=True, slots=True)
class MemberList:
    """The members of a segment at an instant, None is now, by customer or as `sort` says; `search` is a prefix,
    casefolded by the store."""

    segment_id: int
    at: datetime | None = None
    sort: MemberSort | None = None
    reverse: bool = False
    search: str | None = None


Member: TypeAlias = "tuple[CustomerRecord, Membership]"
MemberCell: TypeAlias = "str | int | None"
"""A text or a number of a file: instants in microseconds since 1970, amounts in minor units."""
MemberPage: TypeAlias = "Sequence[Sequence[MemberCell]]"
"""The cells of each column, as many in each."""
MemberKey = tuple[MemberList, PageRequest]
"""Members, and which page of them."""
SnapshotKey = tuple[int, datetime]
"""A segment and an instant."""
IdsKey = tuple[int, datetime, int, int | None]
"""A segment, an instant, how many customers, and after which one."""


class Comparison(NamedTuple):
    """Who is a member of a segment at the second instant and was none at the first, which may be the later; with
    `stayed`, who is one at both."""

    segment_id: int
    first: datetime
    second: datetime
    stayed: bool = False


ComparisonKey = tuple[Comparison, PageRequest]


class Members(Protocol):
    """Who is and was in the segments of one business."""

    async def load_page(self, which: MemberList, request: PageRequest) -> Page[Member]: ...
    async def load_pages(self, keys: Sequence[MemberKey]) -> list[Page[Member]]: ...
    async def count(self, lists: Sequence[MemberList]) -> list[int]: ...


class MemberRows(Protocol):
    """Members of one business for files: no entities, but texts and whole numbers as they are kept."""

    async def load(
        self,
        segment_id: int,
        at: datetime,
        columns: Sequence[str],
        scored: tuple[Span, Quintiles] | None,
        after: int,
        size: int,
    ) -> tuple[int, MemberPage] | None:
        """The next members at the instant after that customer, by customer, but for those who were erased since: the
        number of the last one, and what the columns of exports say; None where there are no more. `scored` is what
        their own scores are measured by, where a column asks for these."""
        ...


class Naming(StrEnum):
    """What a customer is named by."""

    ID = "ID"
    EXTERNAL_ID = "EXTERNAL_ID"
    EMAIL = "EMAIL"


@dataclass(frozen=True, slots=True)
class NamedCustomer:
    """A row of a list of customers: its line, and the id or the normalised text that says who is meant. Where nobody
    can be, `naming` is None and `name` what is shown of the row."""

    line: int
    naming: Naming | None
    name: str
    number: int | None = None


class NamedCustomers(Protocol):
    """One list of customers of one business, kept beside the store for as long as the connection is held."""

    async def prepare(self) -> None:
        """Begin a list."""
        ...

    async def add(self, rows: Sequence[NamedCustomer]) -> None: ...
    async def resolve(self) -> None:
        """Look up whom the rows mean; an e-mail means everybody who has it."""
        ...

    async def load_unknown(self, size: int) -> tuple[int, list[tuple[int, str]]]:
        """How many rows mean nobody, and the first of them with their lines."""
        ...


class Memberships(Protocol):
    """Memberships of one business. What changes them keeps the segment's member count and the log of changes."""

    async def find_open_memberships(self, customers: Sequence[int]) -> Mapping[int, list[Membership]]: ...
    async def are_members(self, pairs: Sequence[tuple[int, int]]) -> set[tuple[int, int]]: ...
    async def are_ascii(self, segment_id: int, as_of: datetime, columns: Sequence[str]) -> bool: ...
    async def find_last_changes(self, segments: Sequence[int]) -> Mapping[int, datetime]: ...
    async def compute_totals(
        self, segments: Sequence[int], today: int, inactive_days: int
    ) -> Mapping[int, MemberTotals]: ...
    async def add(
        self, segment_id: int, customers: Sequence[int], at: datetime, source: MembershipSource, by: str | None
    ) -> Difference: ...
    async def remove(self, segment_id: int, customers: Sequence[int], at: datetime, by: str | None) -> Difference: ...
    async def set_named(self, segment_id: int, at: datetime, source: MembershipSource, by: str | None) -> Difference:
        """Let exactly those be members whom the unit's list of customers means."""
        ...

    async def copy(
        self, segment_id: int, into: int, then: datetime | None, at: datetime, source: MembershipSource, by: str | None
    ) -> Difference:
        """Let the members of a segment at an instant, None is now, begin memberships of another one, as whoever they
        were merged into; who was erased does not."""
        ...

    async def close_segment(self, segment_id: int, at: datetime, by: str | None) -> Difference: ...
    async def close_customer(self, customer_id: int, at: datetime, by: str | None) -> int: ...
    async def sync_evaluated(
        self, flags: Mapping[int, int], at: datetime, by: Mapping[int, str | None], *, of_all: bool = False
    ) -> Mapping[int, Difference]:
        """Make RULE memberships of these segments agree with what is evaluated of some customers, or of all; `by` is
        who does it, of each segment."""
        ...


class MembershipHistory(Protocol):
    """What happened to memberships of one business."""

    async def count_past_members(self, keys: Sequence[SnapshotKey]) -> list[int]: ...
    async def load_id_lists(self, keys: Sequence[IdsKey]) -> list[list[int]]: ...
    async def load_compared_pages(self, keys: Sequence[ComparisonKey]) -> list[Page[CustomerRecord]]: ...
    async def count_compared(self, keys: Sequence[Comparison]) -> list[int]: ...
    async def load_change_pages(self, keys: Sequence[ChangeKey]) -> list[Page[MembershipChange]]: ...
    async def count_changes(self, lists: Sequence[ChangeList]) -> list[int]: ...
    async def load_ended(
        self, horizon: datetime, after: tuple[int, int, datetime] | None, size: int
    ) -> list[ArchivedMembership]: ...
    async def find_segments_with_ended(self, horizon: datetime) -> list[int]: ...
    async def forget(self, segment_id: int, horizon: datetime) -> int: ...
    async def find_newest_place(self) -> Place: ...
    async def load_changes_after(self, place: Place, segment_id: int | None, size: int) -> list[MembershipChange]: ...
    async def compute_sizes(
        self, segments: Sequence[int], bounds: Sequence[datetime]
    ) -> Mapping[int, list[tuple[int, int, int]]]: ...


class Snapshots(Protocol):
    """Snapshots of one business."""

    async def add(self, *snapshots: Snapshot) -> None: ...
    async def load_pages(self, keys: Sequence[tuple[int, PageRequest]]) -> list[Page[Snapshot]]: ...
    async def count_by_segment(self, segments: Sequence[int]) -> Mapping[int, int]: ...
    async def load_newest(self, segments: Sequence[int], size: int) -> Mapping[int, list[Snapshot]]: ...
    async def find_by_keys(self, keys: Sequence[SnapshotKey]) -> Mapping[SnapshotKey, Snapshot]: ...


class Jobs(Protocol):
    """Recalculations of one business, and the leases of work of every kind."""

    async def add(self, new: NewJob, at: datetime) -> Job: ...
    async def add_all(self, new: Sequence[NewJob], at: datetime) -> list[Job]: ...
    async def find_by_ids(self, ids: Sequence[int]) -> Mapping[int, Job]: ...
    async def find_active(self, segments: Sequence[int]) -> Mapping[int, Job]: ...
    async def find_newest(self, segments: Sequence[int]) -> Mapping[int, Job]: ...
    async def load_page(
        self, request: PageRequest, *, segment_id: int | None = None, parent_id: int | None = None
    ) -> Page[Job]: ...
    async def count(self, *, segment_id: int | None = None, parent_id: int | None = None) -> int: ...
    async def find_active_parent(self) -> Job | None: ...
    async def load_parts(self, parent_id: int) -> list[Job]: ...
    async def adopt(self, ids: Sequence[int], parent_id: int) -> None: ...
    async def terminate(self, kind: JobKind, job_id: int, outcome: Outcome, at: datetime) -> None:
        """End work that is active, whoever holds it."""
        ...

    async def ask_to_cancel(self, kind: JobKind, job_id: int) -> None: ...
    async def acquire(self, kind: JobKind, owner: str, now: datetime) -> Job | None:
        """Hold the oldest work of the kind that waits or whose lease has expired; None where there is none."""
        ...

    async def acquire_parts(self, ids: Sequence[int], owner: str, now: datetime) -> list[Job]:
        """Hold those of these parts of a run that nobody else holds, in their order."""
        ...

    async def heartbeat_all(
        self, leases: Sequence[Lease], now: datetime, phase: str, done: int, total: int | None
    ) -> AbstractSet[int]:
        """The same as `heartbeat` of work of one kind and owner; the ids of what may go on."""
        ...

    async def heartbeat(self, lease: Lease, now: datetime, phase: str, done: int, total: int | None) -> bool:
        """Keep the lease and say how far the work is; False where its holder must stop."""
        ...

    async def finish(self, lease: Lease, outcome: Outcome, at: datetime) -> bool:
        """End work that is still held so; whether it was."""
        ...

    async def finish_all(self, ended: Sequence[tuple[Lease, Outcome]], at: datetime) -> bool:
        """The same of work of one kind and owner, of which only how many entered and left differs; whether it was all
        held so."""
        ...

    async def release(self, *leases: Lease) -> None:
        """Let work that is still held so wait for another worker, as if it had not been begun."""
        ...

    async def plan_reports(self, before: ReportPlan, after: ReportPlan, now: datetime) -> bool:
        """Replace what is planned of scheduled reports and queue their writing where any wait; False where somebody
        else has replaced it, or nothing was queued."""
        ...

    async def finish_reports(self, lease: Lease, outcome: Outcome, done: AbstractSet[str], at: datetime) -> bool:
        """The end of their writing by its holder, these being done with; False where he does not hold it any more."""
        ...

    async def plan_classification(self, due: datetime | None, then: datetime | None, now: datetime) -> bool:
        """Move on when the classification is due, and queue one where that has come; False where somebody else has
        moved it, or nothing was queued."""
        ...


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


class RuleAnalysis(Protocol):
    """Rules over all customers of one business: counts, samples, and who is in which segments."""

    async def compute_sizes(self, context: RuleContext, tree: Condition, against: int | None) -> RuleSizes: ...
    async def count_population(self) -> int: ...
    async def load_sample(
        self, context: RuleContext, tree: Condition, side: Side, against: int | None, size: int
    ) -> list[CustomerRecord]: ...
    async def find_matching(
        self, context: RuleContext, trees: Mapping[int, Condition], customers: Sequence[int]
    ) -> Mapping[int, set[int]]: ...
    async def load_values(self, context: RuleContext) -> Mapping[str, Sequence[RuleValue]]:
        """Of each variable of which there are values to choose from those that occur, by its name as it is listed; the
        most frequent first, equally frequent ones in their order."""
        ...

    async def count_overlap(self, segments: Sequence[int]) -> Mapping[int, int]:
        """How many customers are in exactly which of the segments; bit n of the key stands for the nth."""
        ...


class Imports(Protocol):
    """The imports of one business."""

    async def find_by_ids(self, ids: Sequence[int]) -> Mapping[int, PurchaseImport]: ...
    async def load_page(self, request: PageRequest) -> Page[PurchaseImport]: ...
    async def count(self) -> int: ...
    async def load_rejects(
        self, keys: Sequence[RejectKey], request: PageRequest
    ) -> Mapping[RejectKey, Page[Reject]]: ...
    async def count_rejects(self, keys: Sequence[RejectKey]) -> Mapping[RejectKey, int]: ...
    async def load_reject_reasons(self, ids: Sequence[int]) -> Mapping[int, list[RejectReason]]: ...
    async def find_by_key(self, key: str) -> tuple[PurchaseImport, str | None] | None:
        """The import of a request that carried the key, and the digest of that request."""
        ...

    async def load_active(self) -> list[PurchaseImport]: ...
    async def load_half_undone(self) -> list[PurchaseImport]:
        """Those that are being taken back, or whose undo died, oldest first."""
        ...

    async def find_undo_conflicts(self, one: PurchaseImport) -> list[UndoConflict]: ...
    async def begin_undo(self, import_id: int, by: str, at: datetime) -> None:
        """It is to be taken back by whoever works for the store; `by` has asked for that."""
        ...

    async def acquire(self, import_id: int, owner: str, now: datetime) -> Job | None:
        """Hold one that waits or whose lease has expired; None where it is not free."""
        ...

    async def add(self, import_id: int, new: NewImport, at: datetime) -> PurchaseImport: ...


class Formats(Protocol):
    """The formats of sources that one business keeps by name."""

    async def load_all(self) -> list[SavedFormat]: ...
    async def save(self, name: str, document: Mapping[str, object], at: datetime) -> None: ...
    async def delete(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which events; all that is given must be just so."""

    subject: AuditTarget | None = None
    actor: str | None = None
    action: str | None = None
    outcome: str | None = None


class Audits(Protocol):
    """The audit log of one business."""

    async def load_page(self, request: PageRequest, where: AuditFilter = ...) -> Page[AuditRecord]: ...
    async def count(self, where: AuditFilter = ...) -> int: ...
    async def find_by_ids(self, ids: Sequence[int]) -> Mapping[int, AuditRecord]: ...


class Revocations(Protocol):
    """The tokens of one business that are worth nothing any more."""

    async def add(self, revocation: Revocation, at: datetime, ends_at: datetime) -> None:
        """Keep it until it ends, when no token that it is about can be valid by itself; those that have ended go."""
        ...


class Erasures(Protocol):
    """What names customers of one business, to be taken away."""

    async def erase(self, customer_id: int, at: datetime) -> None: ...


@dataclass(frozen=True, slots=True)
class Grouping:
    """How customers are grouped; `festive` are the festive days of the windows that are looked at."""

    method: Method
    scheme: RfmScheme
    festive: DayRanges


@dataclass(frozen=True, slots=True)
class Transition:
    """From which label to which, in a dimension; None before for newcomers, None after for leavers."""

    dimension: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Scored:
    """The customers of a window who have one of the scores."""

    span: Span
    quintiles: Quintiles
    scores: tuple[Score, ...]


@dataclass(frozen=True, slots=True)
class Labelled:
    """The customers of a window who have the label in the dimension."""

    span: Span
    grouping: Grouping
    dimension: str
    label: str


@dataclass(frozen=True, slots=True)
class Moved:
    """The customers of a transition between two windows."""

    before: Span
    after: Span
    grouping: Grouping
    transition: Transition


Reported: TypeAlias = Scored | Labelled | Moved
"""Customers by what a report says of them."""


@dataclass(frozen=True, slots=True)
class TransitionSums:
    """The customers of a transition, and what they spent in each of the windows, in minor units."""

    transition: Transition
    customers: int
    spend_before: int
    spend_after: int


@dataclass(frozen=True, slots=True)
class TrendSums:
    """One label in one of several windows, which are counted from 0."""

    window: int
    dimension: str
    label: str
    customers: int
    spend: int


class GroupReports(Protocol):
    """Groups of customers, in the store."""

    async def sum_transitions(self, before: Span, after: Span, grouping: Grouping) -> list[TransitionSums]: ...
    async def sum_trend(self, spans: Sequence[Span], grouping: Grouping) -> list[TrendSums]: ...
    async def load_group_pages(
        self, span: Span, grouping: Grouping, groups: Sequence[tuple[str, str]], request: PageRequest
    ) -> Mapping[tuple[str, str], Page[CustomerRecord]]:
        """A page of each of the groups, which are dimension and label."""
        ...

    async def load_score_pages(
        self, span: Span, scores: Sequence[Score], request: PageRequest
    ) -> Mapping[Score, Page[CustomerRecord]]: ...

    async def load_transition_pages(
        self, before: Span, after: Span, grouping: Grouping, transitions: Sequence[Transition], request: PageRequest
    ) -> Mapping[Transition, Page[CustomerRecord]]: ...

    async def count_labels(
        self, span: ClassificationSpan, settings: ClassificationSettings, decimals: int
    ) -> list[tuple[str, str, int]]:
        """Customers by dimension and label of their classification."""
        ...


Effect = Mapping[str, object]
"""What a mutation did, by the fields of its answer: counts, texts, instants as ISO 8601, and references such as
("Segment", 3), single or in lists, but nothing that is personal. An answer that was lost is made of it anew."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What is known of a request when its Idempotency-Key is claimed: whether the claimant is to work on it, the digest
    of the request that came first with the key, what that did where it did anything, and its answer."""

    key: str
    ours: bool
    digest: str
    effect: Effect | None = None
    answer: str | None = None


class IdempotentRequests(Protocol):
    """The requests with an Idempotency-Key of one business, known by subject and key. Whoever claims one holds it until
    an instant; after that another request with the same key takes it over, unless it was answered."""

    async def claim(self, actor: Actor, digest: str, now: datetime, until: datetime) -> Claim:
        """Take the actor's request, and drop those that are older than a day."""
        ...

    async def keep_answer(self, actor: Actor, until: datetime, answer: str) -> None:
        """Keep what every later request with the key is answered; nothing where the claim is held so no more."""
        ...

    async def release(self, actor: Actor) -> None:
        """There is no answer to keep: forget a request that did nothing, let go of one that did."""
        ...


@dataclass(frozen=True, slots=True)
class Agenda:
    """What there is to do: whether there are purchases whose instant has passed, customers whose memberships must
    follow, and schedules of segments that are due; when the classification is due; the kinds of work that waits or
    whose holder is gone; what is planned of scheduled reports; and whether an import is being taken back."""

    purchases_due: bool
    changed: bool
    due: bool
    classify_at: datetime | None
    waiting: frozenset[JobKind]
    reports: ReportPlan = NO_REPORTS
    undoing: bool = False

    @property
    def kinds(self) -> frozenset[JobKind]:
        """The kinds of which there is anything to do."""
        more = {JobKind.RECALCULATION: self.changed or self.due, JobKind.IMPORT: self.undoing}
        return self.waiting | {kind for kind, is_there in more.items() if is_there}


class Unit(Protocol):
    """One transaction on one business: a state of it that is read, or the one write transaction that it has, whose
    change number is raised and whose instant never goes back. What changes something is for write units."""

    @property
    def business(self) -> Business: ...
    @property
    def customers(self) -> Customers: ...
    @property
    def purchases(self) -> Purchases: ...
    @property
    def reports(self) -> Reports: ...
    @property
    def groups(self) -> GroupReports: ...
    @property
    def classified(self) -> ClassifiedCustomers: ...
    @property
    def segments(self) -> Segments: ...
    @property
    def members(self) -> Members: ...
    @property
    def member_rows(self) -> MemberRows: ...
    @property
    def named(self) -> NamedCustomers: ...
    @property
    def memberships(self) -> Memberships: ...
    @property
    def history(self) -> MembershipHistory: ...
    @property
    def snapshots(self) -> Snapshots: ...
    @property
    def jobs(self) -> Jobs: ...
    @property
    def imports(self) -> Imports: ...
    @property
    def formats(self) -> Formats: ...
    @property
    def audits(self) -> Audits: ...
    @property
    def rules(self) -> RuleAnalysis: ...
    @property
    def erasure(self) -> Erasures: ...
    @property
    def revocations(self) -> Revocations: ...
    @property
    def instant(self) -> datetime:
        """When a write unit's changes are said to happen."""
        ...

    async def mark_data_changed(self) -> None:
        """Purchases, customers or settings changed: the change number becomes the data version."""
        ...

    async def audit(
        self,
        actor: Actor,
        action: str,
        subject: AuditTarget | None,
        detail: Mapping[str, object],
        *,
        outcome: AuditOutcome = AuditOutcome.DONE,
    ) -> None:
        """Keep who did what to whom and how it ended, in this transaction: once a write. `detail` holds counts and
        ids, never secrets; `subject` is what was changed, where that is one thing."""
        ...

    async def mark_done(self, actor: Actor, **effect: object) -> None:
        """Where the actor's request has an Idempotency-Key, keep in this transaction that it has had its Effect.
        KeyInUse where another request with the key has taken it over; then nothing must be changed."""
        ...

    async def save_settings(self, changes: Mapping[str, object]) -> None:
        """Change columns of the business itself."""
        ...


MOST_TOGETHER = 60
"""Rules that are evaluated together: each is one bit of a whole number that both databases hold."""


class Evaluation(Protocol):
    """For whom rules hold, kept aside while it is found: no lock is held for it."""

    @property
    def unit(self) -> Unit: ...
    @property
    def flags(self) -> Mapping[int, int]:
        """The bit of each segment in what is kept."""
        ...

    async def prepare(self, trees: Mapping[int, Condition], references: Mapping[str, Segment]) -> None:
        """Let these rules be evaluated, by the ids of their segments, of which none uses another: at most
        MOST_TOGETHER. `references` are the segments that they may use, by key."""
        ...

    def evaluate_everybody(self) -> AsyncIterator[tuple[int, int]]:
        """Evaluate all customers; how many are done of how many, from none of them on."""
        ...

    async def estimate_matches(self) -> Mapping[int, int]:
        """For how many of all customers each rule holds, about, by the ids of their segments."""
        ...

    async def reevaluate_changed(self, unit: Unit) -> None:
        """Evaluate those customers anew that changed since, or whose membership of a segment did that a rule uses;
        within the write unit."""
        ...

    async def evaluate_customers(self, customers: Sequence[int]) -> None:
        """Evaluate these customers only."""
        ...

    async def load_changed_customers(self, size: int) -> list[list[int]]:
        """The customers who changed and whose memberships have not followed, in portions."""
        ...

    async def mark_followed(self) -> None:
        """They have followed now; within the write unit."""
        ...

    def write(self) -> AbstractAsyncContextManager[Unit]:
        """The write unit, which keeps or forgets what is evaluated within it with the rest that it does."""
        ...


class MemberStaging(Protocol):
    """A list of customers that is kept aside while it is read: no lock is held for it."""

    @property
    def business(self) -> Business: ...
    @property
    def named(self) -> NamedCustomers: ...
    def write(self) -> AbstractAsyncContextManager[Unit]:
        """A write unit that has the list."""
        ...


class Store(Protocol):
    """Every business's data."""

    def read(self, business: Business) -> AbstractAsyncContextManager[Unit]:
        """One state of the business; nothing is written."""
        ...

    def write(self, business: Business) -> AbstractAsyncContextManager[Unit]:
        """All of it is committed, or nothing."""
        ...

    def evaluate(self, business: Business) -> AbstractAsyncContextManager[Evaluation]:
        """A run's connection; what it did not commit is gone with it."""
        ...

    def stage_members(self, business: Business) -> AbstractAsyncContextManager[MemberStaging]:
        """A connection that has an empty list; what it did not commit is gone with it."""
        ...

    def open_heartbeats(self, business: Business, seconds: float | None = None) -> AbstractAsyncContextManager[Jobs]:
        """Leases, in a short transaction that changes no data of the business; TimeoutError or Unavailable where that
        takes longer than so many seconds."""
        ...

    async def audit(
        self,
        business_id: int,
        actor: Actor,
        action: str,
        subject: AuditTarget | None,
        detail: Mapping[str, object],
        *,
        outcome: AuditOutcome = AuditOutcome.DONE,
    ) -> None:
        """Keep what changes no data, such as a file that is given out, in a short transaction of its own that waits
        for no write of the business."""
        ...

    def open_requests(self, business: Business) -> AbstractAsyncContextManager[IdempotentRequests]:
        """Requests with an Idempotency-Key, in a short transaction that changes no data of the business."""
        ...

    async def load_businesses(self) -> list[Business]: ...
    async def find_business(self, key: str) -> tuple[Business, bool] | None:
        """The business, and whether purchases of it wait to be counted because their instant has passed."""
        ...

    def find_held_business(self, key: str) -> tuple[Business, bool] | None:
        """The same where it is held and known to be as it was committed last; None where the store has to be asked."""
        ...

    async def create_business(self, business: Business, now: datetime) -> Business: ...
    async def load_agenda(self, business: Business, now: datetime) -> Agenda: ...
    async def find_newest_revocations(self) -> Mapping[str, datetime]:
        """When tokens were last revoked, by key of business; those of which none were are not in it."""
        ...

    async def load_revocations(self, keys: Sequence[str]) -> Mapping[str, list[Revocation]]:
        """What is revoked in the businesses of those keys."""
        ...

    async def is_ready(self) -> bool: ...
    async def watch_commits(self, tell: Callable[[], None]) -> None:
        """Call it after whatever is committed by this process or another one, until it is cancelled."""
        ...
