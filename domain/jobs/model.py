"""Background work: what is queued, how far it got, and who holds it. Whoever works on something holds a lease of it,
which lasts as long as its heartbeats: one that gives none for LEASE_SECONDS is gone, and another may take its place."""

import errno
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from domain.errors import Unavailable

LEASE_SECONDS = 30
"""How long a holder that gives no heartbeat still holds its work."""
ATTEMPTS = 3
"""How often work is begun whose process dies every time."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
PATIENCE_SECONDS = 3600.0
"""How long work waits for a store that is full, locked or out of reach before it fails for that."""
GAVE_UP = "GAVE_UP"
"""The code of work whose process ended every time."""


def plan_pauses() -> Iterator[float]:
    """The seconds to wait before each further attempt at what the store could not do: twice as long each time up to a
    bound, PATIENCE_SECONDS in all."""
    waited, pause = 0.0, FIRST_PAUSE
    while waited < PATIENCE_SECONDS:
        yield pause
        waited, pause = waited + pause, min(2 * pause, LONGEST_PAUSE)


def may_pass(error: BaseException) -> bool:
    """Whether the same may succeed later: the store cannot answer now, or a disk is full."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return isinstance(error, Unavailable) and error.passes


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
    """What the work is. Each kind has ids of its own."""

    RECALCULATION = "RECALCULATION"
    IMPORT = "IMPORT"
    CLASSIFICATION = "CLASSIFICATION"
    REPORT = "REPORT"


class JobReason(StrEnum):
    """Why a run was queued."""

    REQUEST = "REQUEST"
    DEFINITION = "DEFINITION"
    SCHEDULE = "SCHEDULE"
    FOLLOW = "FOLLOW"
    PART = "PART"


@dataclass(frozen=True, slots=True)
class Difference:
    """What a change of members came to: how many entered and left, and how many there are now."""

    entered: int
    left: int
    member_count: int


def compute_fraction_done(status: JobStatus, done: int, total: int | None) -> float:
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
        return compute_fraction_done(self.status, self.done, self.total)

    @property
    def seconds(self) -> float:
        """How long it took since it was begun first; 0 where it has not ended, or a clock was set back meanwhile."""
        if self.started_at is None or self.finished_at is None:
            return 0.0
        return max(0.0, (self.finished_at - self.started_at).total_seconds())


@dataclass(frozen=True, slots=True)
class Lease:
    """Work as its holder acquired it. Whoever acquires it after him has another attempt, so he cannot end it."""

    kind: JobKind
    job_id: int
    owner: str
    attempt: int

    @classmethod
    def of(cls, job: Job, owner: str) -> "Lease":
        """That of the owner who has just acquired the job."""
        return cls(job.kind, job.id, owner, job.attempts)


@dataclass(frozen=True, slots=True)
class ReportPlan:
    """What is planned of a business's scheduled reports, by their names: when each comes next, and which wait to be
    written."""

    due: Mapping[str, datetime] = field(default_factory=dict)
    waiting: frozenset[str] = frozenset()


NO_REPORTS = ReportPlan()


@dataclass(frozen=True, slots=True)
class WorkSummary:
    """What there is of work in a store, by kind: how much waits or is worked on, and for how many seconds the oldest
    has waited, 0 where none does; and rows of imports by what became of them."""

    queued: Mapping[JobKind, int]
    running: Mapping[JobKind, int]
    oldest_seconds: Mapping[JobKind, float]
    import_rows: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class NewJob:
    """Work to be queued."""

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
