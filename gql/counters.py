"""What a process counts for Prometheus: requests, statements, answers and reports that were kept, work, sockets,
refusals. Every label has few values, whatever callers name their operations. Of several workers each keeps its numbers
in a file in memory, so that whichever is asked can add them up, and none is lost with a worker that dies."""

import os
from collections import Counter as Tally
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import lru_cache
from tempfile import TemporaryDirectory

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from domain.jobs.model import JobKind, JobStatus
from gql.logs import activity

SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder of those files. The library reads it when it is loaded, so a worker must be born
with it."""
MEMORY = "/dev/shm"
"""Where that folder is, if there is such a place: writing to a mapped file on a full disk would end the process."""
MOST_NAMES, FREQUENT, MOST_CANDIDATES = 100, 5, 1_000
OTHER = "other"
KEPT = CollectorRegistry()
REQUESTS = Counter(
    "segments_requests",
    "Requests, and operations on sockets, by their HTTP status.",
    ["operation", "status"],
    registry=KEPT,
)
REQUEST_SECONDS = Histogram(
    "segments_request_seconds",
    "How long they took, a subscription from its beginning to its end.",
    ["operation"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
    registry=KEPT,
)
ERRORS = Counter("segments_errors", "Errors of requests and operations, by their code.", ["code"], registry=KEPT)
STATEMENTS = Counter("segments_statements", "Statements that the store was asked.", registry=KEPT)
STATEMENT_SECONDS = Counter("segments_statement_seconds", "How long the store took for them.", registry=KEPT)
REPORTS = Counter("segments_reports", "Reports, trends and transitions that were asked for.", ["cache"], registry=KEPT)
READINGS = Counter(
    "segments_replica_readings",
    "Readings that a replica may answer: by it, or by the store as it is behind or away.",
    ["by"],
    registry=KEPT,
)
ANSWERS = Counter("segments_answers", "Queries whose answers may be kept whole.", ["cache"], registry=KEPT)
ANALYSES = Counter(
    "segments_copy_analyses",
    "Statements over all purchases of a business, where columnar copies are set: answered by the copy, or why not.",
    ["outcome"],
    registry=KEPT,
)
COPIES = Counter(
    "segments_copies_written", "Columnar copies that were written: base, delta, failed.", ["kind"], registry=KEPT
)
WORK_SECONDS = Histogram(
    "segments_job_seconds",
    "How long work took that came to its end, from its first beginning.",
    ["kind", "status"],
    buckets=(0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600),
    registry=KEPT,
)
SOCKETS = Gauge("segments_sockets", "Sockets that are open.", multiprocess_mode="livesum", registry=KEPT)
THROTTLED = Counter(
    "segments_throttled", "Requests that have to wait, by what they have none left of.", ["of"], registry=KEPT
)


class OperationNames:
    """Which operations have numbers of their own: the first that come often. A caller can name an operation anything,
    so the names of all others are `other`, and those that are counted until then are bounded, too."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._seen: Tally[str] = Tally()

    def find_label(self, name: str) -> str:
        """The name, where it has numbers of its own."""
        if name in self._known:
            return name
        if len(self._known) >= MOST_NAMES:
            return OTHER
        self._seen[name] += 1
        if self._seen[name] < FREQUENT:
            if len(self._seen) > MOST_CANDIDATES:
                self._seen.clear()
            return OTHER
        del self._seen[name]
        self._known.add(name)
        return name


NAMES = OperationNames()


def count_request(operation: str, seconds: float, status: int | None, codes: Collection[str]) -> None:
    """A request, or an operation on a socket, which has no status, came to its end."""
    requests, lasting = _find_numbers(NAMES.find_label(operation), "socket" if status is None else str(status))
    requests.inc()
    lasting.observe(seconds)
    for code in codes:
        ERRORS.labels(code).inc()


@lru_cache(maxsize=1_000)
def _find_numbers(label: str, status: str) -> tuple[Counter, Histogram]:
    """What counts requests of the operation: the library would look for it each time."""
    return REQUESTS.labels(label, status), REQUEST_SECONDS.labels(label)


def count_statement(seconds: float) -> None:
    """The store was asked, and took so long; by the request that the task is part of, if it is."""
    STATEMENTS.inc()
    STATEMENT_SECONDS.inc(seconds)
    doing = activity.get()
    if doing is not None:
        doing.statements += 1
        doing.seconds += seconds


def count_work(kind: JobKind, status: JobStatus, seconds: float) -> None:
    """Work came to its end so."""
    WORK_SECONDS.labels(kind.value.lower(), status.value.lower()).observe(seconds)


def collect() -> CollectorRegistry:
    """The numbers of this process, or of all workers together."""
    if SHARED not in os.environ:
        return KEPT
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return together


@contextmanager
def share_counters() -> Iterator[None]:
    """Processes that are begun within the block add up what they count."""
    with TemporaryDirectory(prefix="segments-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as folder:
        os.environ[SHARED] = folder
        try:
            yield
        finally:
            del os.environ[SHARED]


def forget_sockets(pid: int | None) -> None:
    """The sockets of a worker that has died are open no more."""
    if SHARED in os.environ:
        mark_process_dead(pid)  # type: ignore[no-untyped-call]
