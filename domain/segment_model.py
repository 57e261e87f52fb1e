"""The nouns of segments as frozen values: definitions, memberships as intervals, changes, snapshots and runs.

Instants are aware UTC datetimes. Instants of writes are unique within a business, so they also order the writes.
"""

import json
from dataclasses import astuple, dataclass, field
from datetime import date, datetime
from enum import StrEnum
from operator import add

from domain.rules.criteria import RfmConfig, SegmentCriteria


class SegmentKind(StrEnum):
    """How a segment gets its members: from its definition, or by hand."""

    AUTOMATIC = "AUTOMATIC"
    MANUAL = "MANUAL"


class MembershipSource(StrEnum):
    """What put a customer into a segment."""

    RULE = "RULE"
    MANUAL = "MANUAL"
    IMPORT = "IMPORT"


class ChangeKind(StrEnum):
    """What a membership change is: the beginning or the end of a membership."""

    ENTERED = "ENTERED"
    LEFT = "LEFT"


class JobStatus(StrEnum):
    """How far a run got. The last three are final."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def final(self) -> bool:
        """Whether nothing follows."""
        return self not in (JobStatus.QUEUED, JobStatus.RUNNING)


class JobKind(StrEnum):
    """What a run does."""

    RECALCULATION = "RECALCULATION"


class JobReason(StrEnum):
    """Why a run was queued."""

    REQUEST = "REQUEST"
    DEFINITION = "DEFINITION"
    SCHEDULE = "SCHEDULE"
    FOLLOW = "FOLLOW"
    PART = "PART"


SOURCE_ORDER = tuple(MembershipSource)


@dataclass(frozen=True, slots=True)
class Definition:
    """What members an AUTOMATIC segment has, as it was given; whatever is given must hold together."""

    rules: object | None = None
    criteria: SegmentCriteria | None = None
    rfm_config: RfmConfig | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing is given."""
        return self.rules is None and self.criteria is None and self.rfm_config is None

    def same(self, other: "Definition") -> bool:
        """Whether the other one asks for the same; rules compare as they are written, so that 1 is not true."""
        rules = json.dumps(self.rules) == json.dumps(other.rules)
        return rules and self.criteria == other.criteria and self.rfm_config == other.rfm_config


@dataclass(frozen=True, slots=True)
class Segment:
    """A named group of customers. `version` grows with every change of the definition; `defined_at` is its instant.
    `seen_at` is the instant of the write that answered with it, which its member count is of."""

    id: int
    key: str
    name: str
    description: str | None
    kind: SegmentKind
    is_dynamic: bool
    is_rfm: bool
    definition: Definition
    schedule: str | None
    version: int
    created_at: datetime
    updated_at: datetime
    defined_at: datetime
    created_by: str | None
    deleted_at: datetime | None
    next_run_at: datetime | None
    last_calculated: datetime | None
    member_count: int
    seen_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class NewSegment:
    """A segment as the service has checked it."""

    key: str
    name: str
    description: str | None
    kind: SegmentKind
    is_dynamic: bool
    is_rfm: bool
    definition: Definition
    schedule: str | None
    created_by: str | None
    next_run_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Membership:
    """A customer in a segment from `entered_at` until `left_at`, None while it lasts."""

    segment_id: int
    customer_id: int
    entered_at: datetime
    left_at: datetime | None
    source: MembershipSource
    entered_by: str | None
    left_by: str | None


@dataclass(frozen=True, slots=True)
class ArchivedMembership:
    """A membership as the archive keeps it."""

    membership: Membership
    segment_key: str
    customer_external_id: str


@dataclass(frozen=True, slots=True)
class MembershipChange:
    """One beginning or end of a membership; `by` is who or what did it."""

    segment_id: int
    customer_id: int
    kind: ChangeKind
    at: datetime
    source: MembershipSource
    by: str | None


@dataclass(frozen=True, slots=True)
class Difference:
    """What a change of members came to: how many entered and left, and how many there are now."""

    entered: int
    left: int
    member_count: int


@dataclass(frozen=True, slots=True)
class MemberTotals:
    """What the members of a segment amount to; revenue in minor units, `ages` the days since the last purchase of the
    `buyers`, who have one."""

    members: int = 0
    inactive: int = 0
    revenue: int = 0
    orders: int = 0
    ages: int = 0
    buyers: int = 0

    def __add__(self, other: "MemberTotals") -> "MemberTotals":
        """Of two groups together."""
        return MemberTotals(*map(add, astuple(self), astuple(other)))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An instant of a segment with its member count; `job_id` is the run that made it, None where a person did."""

    segment_id: int
    at: datetime
    member_count: int
    job_id: int | None
    created_by: str | None


@dataclass(frozen=True, slots=True)
class SizePoint:
    """A segment at the end of an interval that begins on `date`: members then, entries and exits in it."""

    date: date
    member_count: int
    entered: int
    left: int


def fraction_done(status: JobStatus, done: int, total: int | None) -> float:
    """How much of some work is done, 0 to 1."""
    if status is JobStatus.SUCCEEDED:
        return 1.0
    return min(done / total, 1.0) if total else 0.0


@dataclass(frozen=True, slots=True)
class Job:
    """A run. `done` of `total` customers are evaluated, `total` being None until it is known; a run of many segments
    has no segment of its own, and parts."""

    id: int
    kind: JobKind
    reason: JobReason
    parent_id: int | None
    segment_id: int | None
    status: JobStatus
    phase: str
    done: int
    total: int | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    requested_by: str | None
    cancel_requested: bool
    attempts: int
    error_code: str | None = None
    error_message: str | None = None
    evaluated: int = 0
    entered: int = 0
    left: int = 0
    snapshot_at: datetime | None = None

    @property
    def fraction(self) -> float:
        """How much is done, 0 to 1."""
        return fraction_done(self.status, self.done, self.total)


@dataclass(frozen=True, slots=True)
class NewJob:
    """A run to be queued."""

    kind: JobKind
    reason: JobReason
    segment_id: int | None = None
    parent_id: int | None = None
    requested_by: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    status: JobStatus
    error_code: str | None = None
    error_message: str | None = None
    evaluated: int = 0
    difference: Difference = field(default_factory=lambda: Difference(0, 0, 0))
    snapshot_at: datetime | None = None
