"""Imports of purchases as values: what was asked for, how far it came, and which rows it refused; and how sources are
written, kept by name."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from domain.errors import AllRejected
from domain.imports.quality import Quality
from domain.jobs.model import LEASE_SECONDS, JobKind, JobStatus, compute_fraction_done

EXAMPLES = 5
"""Orders that are named for each reason at most."""
CHANGED = "orders were changed since"
DELETED = "orders that it had changed were deleted since"
MOVED = "the time zone of the business was changed since"


@dataclass(frozen=True, slots=True)
class UndoConflict:
    """Why an import cannot be taken back: the reason, how many orders, and some of their ids."""

    reason: str
    count: int
    examples: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """Such as `3 orders were changed since: O1, O2, …`."""
        if not self.count:
            return self.reason
        named = ", ".join(self.examples)
        more = ", …" if len(self.examples) < self.count else ""
        return f"{self.count:,} {self.reason}{f': {named}{more}' if named else ''}"


@dataclass(frozen=True, slots=True)
class UndoSummary:
    """What taking an import back did, or has done by now. `customers_kept` it had made; they stay without purchases
    because they have a history of memberships or data of their own. `left` orders were written by others while it was
    taken back. `by` is who asked the server to do it; empty where a command does it itself."""

    removed: int = 0
    restored: int = 0
    customers_removed: int = 0
    customers_kept: int = 0
    storefronts_removed: int = 0
    left: int = 0
    by: str = ""


@dataclass(frozen=True, slots=True)
class PurchaseImport:
    """One import. `done` of `total` counts rows while it reads and orders while it merges; the four counts of rows add
    up to `rows_read`. `options` say how an uploaded file is read; `last_heartbeat` is that of whoever works
    on it, or has its file while it waits; `time_zone` is that of its days, None of imports that kept nothing to be
    taken back by."""

    id: int
    source: str
    status: JobStatus
    phase: str
    done: int
    total: int | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error_code: str | None
    error_message: str | None
    requested_by: str | None
    cancel_requested: bool
    rows_read: int
    created: int
    updated: int
    unchanged: int
    rejected: int
    future: int
    quality: Quality | None
    options: Mapping[str, object] | None
    last_heartbeat: datetime | None
    undo_begun_at: datetime | None
    undone_at: datetime | None
    time_zone: str | None
    undo: UndoSummary

    @property
    def kind(self) -> JobKind:
        """What an import is among all work."""
        return JobKind.IMPORT

    def is_expired(self, now: datetime) -> bool:
        """Whether, while it is active, nobody works on it and nobody has its file any more."""
        # A heartbeat that lies ahead is of before the clock was set back.
        return abs(now - (self.last_heartbeat or self.created_at)) > timedelta(seconds=LEASE_SECONDS)

    @property
    def fraction(self) -> float:
        """How much is done, 0 to 1."""
        return compute_fraction_done(self.status, self.done, self.total)


@dataclass(frozen=True, slots=True)
class SavedFormat:
    """How a source is written, under a name: `document` is what it states, by the keys of formats. A preset, which
    comes with the program, was written at no instant."""

    name: str
    document: Mapping[str, Any]
    updated_at: datetime | None = None

    @property
    def is_preset(self) -> bool:
        return self.updated_at is None


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that an import refused."""

    line: int
    text: str
    reason: str


RejectKey = tuple[int, str | None]
"""The rejects of an import, or those of them that have a reason or a kind of reason."""


@dataclass(frozen=True, slots=True)
class NewImport:
    """An uploaded file that is to be imported. `key` and `digest` tell a request that is sent again."""

    source: str
    options: Mapping[str, object]
    requested_by: str
    key: str | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class RejectReason:
    """A kind of reason of an import's rejects: how many rows there are of it, and the line of the first."""

    reason: str
    count: int
    first_line: int


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """Rows of the file by what became of them; the four add up to `rows_read`. `future` of them wait for their day;
    `quality` says what is doubtful, `import_id` is the record's, None for a dry run; `failure` is why nothing could be
    imported at all, where every row was rejected; `reasons` are those of the rejected rows, most first."""

    rows_read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    future: int = 0
    quality: Quality | None = None
    import_id: int | None = None
    failure: str | None = None
    reasons: tuple[RejectReason, ...] = ()

    def check(self) -> "ImportSummary":
        """The same; AllRejected where every row was."""
        if self.failure is not None:
            raise AllRejected(self.failure)
        return self


ANOTHER_ROW = "another row of this order is rejected"
"""The reason of rows that are right themselves."""


def describe_failure(rows_read: int, reasons: Sequence[RejectReason]) -> str | None:
    """Why an import failed whose every row was rejected: how often which kinds of reasons, the most frequent of which
    is named, but for that of rows that are right themselves; None for any other import."""
    rejected = sum(one.count for one in reasons)
    if rejected == 0 or rejected < rows_read:
        return None
    main = next(one for one in add_reasons(reasons) if one.reason != ANOTHER_ROW or len(reasons) == 1)
    if rejected == 1:
        return f"The only row was rejected: {main.reason}."
    every = "for one reason" if main.count == rejected else f"{main.count:,} of them for this reason"
    return f"All {rejected:,} rows were rejected, {every}: {main.reason}."


def add_reasons(reasons: Iterable[RejectReason]) -> tuple[RejectReason, ...]:
    """The reasons with their rows added up, most first, then by their text."""
    added: dict[str, RejectReason] = {}
    for one in reasons:
        known = added.get(one.reason, RejectReason(one.reason, 0, one.first_line))
        added[one.reason] = RejectReason(one.reason, known.count + one.count, min(known.first_line, one.first_line))
    return tuple(sorted(added.values(), key=lambda one: (-one.count, one.reason)))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is: "reading" counts rows, "merging" counts orders."""

    phase: str
    done: int
    total: int | None
