"""One run of the classification: what changed at the source goes into the store, the labels of all customers go into a
file, and what happened is said in a status and a log. The file is replaced last and whole; a run that fails leaves the
old one, and the source is only taken as read when everything is done."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from operator import itemgetter
from typing import Protocol, TypedDict

from domain.calendar import Clock, format_instant
from domain.classification.labels import Distribution
from domain.errors import DomainError
from domain.model import BusinessSettings

OUTPUT_FILENAME = BusinessSettings().output_filename
LOG_FILENAME = "segmentation_runs.log"
STATUS_FILENAME = "automation_status.json"
LOCK_FILENAME, QUESTION_FILENAME = ".segmentation.lock", ".segmentation.question"
RESERVED = frozenset({LOG_FILENAME, STATUS_FILENAME, LOCK_FILENAME, QUESTION_FILENAME})
"""Names in the folder that the output cannot have."""
Labels = Sequence[str | None]
"""External id, frequency, spending, category, and labels of further dimensions."""
Part = Sequence[Labels]


class RunState(StrEnum):
    """What the automation does."""

    IDLE = "idle"
    RUNNING = "running"
    FAILED = "failed"


class Metadata(TypedDict):
    """What a run says of itself: instants are ISO 8601 in UTC; `rejected` counts rows of the source, and
    `reject_reasons` say why they were; `created`, `updated` and `unchanged` count those that were read now. `labels`
    are those that another number of customers has than after the run before, by dimension, each with the difference;
    `segments` are those that customers entered or left since the run began, by key, each with how many."""

    total_customers: int
    started_at: str
    finished_at: str
    skipped: bool
    rejected: int
    reject_reasons: list[Mapping[str, object]]
    created: int
    updated: int
    unchanged: int
    labels: Mapping[str, Mapping[str, int]]
    segments: Mapping[str, tuple[int, int]]


class Segmentation(TypedDict):
    """What a run returns; the output file is there even where the run was skipped, from the run before."""

    metadata: Metadata
    output_file: str


@dataclass(frozen=True, slots=True)
class ImportedRows:
    """Rows of a source by what became of them: how many there were, and how many were rejected, with reason, count and
    first line for each kind of reason. The other three count those that were read now."""

    rows: int = 0
    rejected: int = 0
    reasons: Sequence[Mapping[str, object]] = ()
    created: int = 0
    updated: int = 0
    unchanged: int = 0


class Source(Protocol):
    """Where purchases come from. `name` is its kind, or store."""

    @property
    def name(self) -> str: ...
    def build_question(self, as_of: date | None, output: str) -> str:
        """What the output of a run answers: of which source, as of when, under which settings."""
        ...

    def is_unchanged(self, as_of: date | None, output: str) -> bool:
        """Whether nothing changed since the last run that succeeded with the same question."""
        ...

    def sync_store(self, force: bool) -> ImportedRows:
        """Let the store agree with the source; with `force` all of it is read again."""
        ...

    def record_success(self, as_of: date | None, output: str) -> None:
        """Everything succeeded: this is what the next run compares with."""
        ...


class DecidedLabels(Protocol):
    """Labels in one state of the store; `dimensions` says of what they are, the three built-in ones first."""

    @property
    def dimensions(self) -> tuple[str, ...]: ...
    def load_parts(self) -> Generator[Part, None, None]: ...


class LabelSource(Protocol):
    def decide_labels(self, as_of: date | None) -> AbstractContextManager[DecidedLabels]:
        """Those of all customers as of a day; kept when the block is left in order."""
        ...


class Folder(Protocol):
    """Where files go. One run at a time has it."""

    @property
    def output(self) -> str: ...
    def has_answer(self, question: str) -> bool:
        """Whether the output is there and is of the run that was asked this."""
        ...

    def read_status(self) -> Mapping[str, object]: ...
    def read_distribution(self) -> Mapping[str, Mapping[str, int]]:
        """Dimension, label, number of customers as the last run that wrote the output counted them."""
        ...

    def write_status(self, status: Mapping[str, object]) -> None: ...
    def append_log(self, entry: Mapping[str, object]) -> None: ...
    def write_output(self, parts: Iterator[Part], further: Sequence[str], question: str) -> None: ...


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What is asked of a run. `next_run` is when the schedule comes next, where there is one."""

    as_of: date | None = None
    check_freshness: bool = False
    force: bool = False
    next_run: datetime | None = None


@dataclass(slots=True)
class _Progress:
    """How far a run has come."""

    started: datetime
    brought: ImportedRows = field(default_factory=ImportedRows)
    counted: Distribution = field(default_factory=Distribution)
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Source, labels and folder put together; the folder is held by the caller."""

    source: Source
    labels: LabelSource
    folder: Folder
    clock: Clock

    def run(self, wanted: RunRequest) -> Segmentation:
        """One run. What goes wrong is in status and log, too."""
        progress = _Progress(self.clock())
        last, before = self.folder.read_status(), self.folder.read_distribution()
        self._write_status(RunState.RUNNING, progress, last, wanted)
        try:
            self._work(progress, wanted)
        except BaseException as error:
            self._fail(progress, last, wanted, describe_error(error))
            raise
        finished = self.clock()
        self.folder.append_log(self._build_log_entry(progress, finished, None))
        customers = self._count_customers(progress, last)
        self._write_status(RunState.IDLE, progress, last, wanted, finished, customers)
        brought = progress.brought
        labels = {} if progress.skipped else compute_changes(before, progress.counted.count_labels())
        return {
            "metadata": {
                "total_customers": customers,
                "started_at": format_instant(progress.started),
                "finished_at": format_instant(finished),
                "skipped": progress.skipped,
                "rejected": brought.rejected,
                "reject_reasons": list(brought.reasons),
                "created": brought.created,
                "updated": brought.updated,
                "unchanged": brought.unchanged,
                "labels": labels,
                "segments": {},
            },
            "output_file": self.folder.output,
        }

    def _work(self, progress: _Progress, wanted: RunRequest) -> None:
        output = self.folder.output
        question = self.source.build_question(wanted.as_of, output)
        if wanted.check_freshness and not wanted.force and self.folder.has_answer(question):
            progress.skipped = self.source.is_unchanged(wanted.as_of, output)
            if progress.skipped:
                return
        progress.brought = self.source.sync_store(wanted.force)
        with self.labels.decide_labels(wanted.as_of) as decided:
            progress.counted.dimensions = decided.dimensions
            # Closed here where writing fails: later the store would be.
            with closing(decided.load_parts()) as parts:
                self.folder.write_output(count_rows(parts, progress.counted), decided.dimensions[3:], question)
        self.source.record_success(wanted.as_of, output)

    def _fail(self, progress: _Progress, last: Mapping[str, object], wanted: RunRequest, error: str) -> None:
        finished = self.clock()
        try:
            self.folder.append_log(self._build_log_entry(progress, finished, error))
            self._write_status(RunState.FAILED, progress, last, wanted, finished, error=error)
        except OSError:
            # The disk that failed the run may fail its log, too; what the run failed of is what is said.
            return

    def _build_log_entry(self, progress: _Progress, finished: datetime, error: str | None) -> dict[str, object]:
        return {
            "started": format_instant(progress.started),
            "finished": format_instant(finished),
            "source": self.source.name,
            "rows": progress.brought.rows,
            "customers": progress.counted.customers,
            "distribution": progress.counted.count_labels(),
            "rejects": progress.brought.rejected,
            "skipped": progress.skipped,
            "error": error,
        }

    def _count_customers(self, progress: _Progress, last: Mapping[str, object]) -> int:
        before = last.get("customers")
        return progress.counted.customers if not progress.skipped else before if isinstance(before, int) else 0

    def _write_status(
        self,
        state: RunState,
        progress: _Progress,
        last: Mapping[str, object],
        wanted: RunRequest,
        finished: datetime | None = None,
        customers: int | None = None,
        error: str | None = None,
    ) -> None:
        done = state is RunState.IDLE and finished is not None and not progress.skipped
        then = read_next_run(last, progress.started) if wanted.next_run is None else format_instant(wanted.next_run)
        self.folder.write_status(
            {
                "state": state.value,
                "source": self.source.name,
                "last_run": format_instant(progress.started),
                "last_success": format_instant(finished) if done and finished else last.get("last_success"),
                "next_run": then,
                "customers": last.get("customers") if customers is None else customers,
                "error": error,
            }
        )


def compute_changes(
    before: Mapping[str, Mapping[str, int]], now: Mapping[str, Mapping[str, int]]
) -> Mapping[str, Mapping[str, int]]:
    """Dimension, label, by how many customers more, or fewer, have it; labels of as many are left out."""
    changes: dict[str, Mapping[str, int]] = {}
    for dimension, counts in now.items():
        earlier = before.get(dimension, {})
        differences = {label: counts.get(label, 0) - earlier.get(label, 0) for label in {**counts, **earlier}}
        if changed := {label: more for label, more in differences.items() if more}:
            changes[dimension] = changed
    return changes


def count_rows(parts: Iterator[Part], into: Distribution) -> Iterator[Part]:
    """The rows as they are, counted on their way."""
    labels = itemgetter(*range(1, len(into.dimensions) + 1))
    for part in parts:
        into.groups.update(map(labels, part))
        yield part


def describe_error(error: BaseException) -> str:
    """What went wrong, in a sentence without anything secret."""
    if isinstance(error, DomainError):
        return error.message
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'The output'}: {error.strerror}."
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return "The run was interrupted."
    return f"The run failed inside the program ({type(error).__name__})."


def read_next_run(last: Mapping[str, object], now: datetime) -> object:
    """The next run that a schedule announced, which a run by hand leaves as it is; None where that time is over."""
    announced = last.get("next_run")
    return announced if isinstance(announced, str) and announced > format_instant(now) else None


def build_idle_status(source: str | None) -> dict[str, object]:
    """The status before the first run."""
    absent = dict.fromkeys(("last_run", "last_success", "next_run", "customers", "error"))
    return {"state": RunState.IDLE.value, "source": source or "store", **absent}
