"""The services put together over one store: for the server, for commands, and for whoever calls `run_segmentation`.
What only the server needs stands in app.py, so that a command does not load it.

The services of the domain, as the face is given them.

Where time comes from, outside tests.
"""

import errno
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from domain.audit import Auditing
from domain.businesses.businesses import Businesses
from domain.calendar import Clock
from domain.classifiers import Classifiers
from domain.customers.customers import Customers, Erasure
from domain.customers.purchases import Purchases
from domain.errors import InvalidInput
from domain.imports.imports import PurchaseImports
from domain.jobs.progress import ProgressFeed
from domain.jobs.worker import Handler, Worker
from domain.reports.document import ReportFiles
from domain.reports.reporting import Reporting
from domain.reports.transitions import Movements
from domain.segments.analysis import Analysis
from domain.segments.handler import RecalculationHandler
from domain.segments.history import Snapshots
from domain.segments.member_export import MemberFiles
from domain.segments.memberships import Memberships
from domain.segments.recalculation import Recalculations
from domain.segments.runner import Runner
from domain.segments.segments import Segments
from domain.store import KeptReports
from gql.logs import log_statement
from gql.settings import Settings
from persistence.alerts import Alerts
from persistence.database.engines import Database, open_database
from persistence.migrations.migrate import stage, upgrade
from persistence.reports.cache import MemoryCache, ReportCache
from persistence.store import SqlStore


@dataclass(frozen=True, slots=True)
class Services:
    """The services of the domain, made once a process."""

    businesses: Businesses
    customers: Customers
    purchases: Purchases
    reporting: Reporting
    segments: Segments
    memberships: Memberships
    recalculations: Recalculations
    analysis: Analysis
    auditing: Auditing
    snapshots: Snapshots
    erasure: Erasure
    report_files: ReportFiles
    member_files: MemberFiles
    movements: Movements
    imports: PurchaseImports


def make_services(
    database: Database,
    clock: Clock,
    feed: ProgressFeed | None = None,
    kept: KeptReports | None = None,
    classifiers: Classifiers | None = None,
) -> Services:
    """The services over one store; the feed is told what there is to work on."""
    feed = feed or ProgressFeed()
    store, cache = SqlStore(database, clock), MemoryCache()
    customers = Customers(store, clock, cache, classifiers or Classifiers())
    reporting = Reporting(store, clock, kept or ReportCache())
    return Services(
        Businesses(store, clock),
        customers,
        Purchases(store, clock),
        reporting,
        Segments(store, clock, feed.notify_work),
        Memberships(store, clock),
        Recalculations(store, clock, feed),
        Analysis(store, clock, customers),
        Auditing(store),
        Snapshots(store, clock),
        Erasure(store),
        ReportFiles(reporting),
        MemberFiles(store, clock, customers),
        Movements(store, clock, customers),
        PurchaseImports(store, clock, feed),
    )


def make_owner() -> str:
    """A name for a holder of work that no other has."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"


def make_recalculation(
    database: Database, clock: Clock, feed: ProgressFeed, alert_url: str = ""
) -> RecalculationHandler:
    """What is done of segments; failures of scheduled runs are posted to the address."""
    store = SqlStore(database, clock)
    return RecalculationHandler(store, clock, feed, Runner(store, clock, feed, make_owner(), Alerts(alert_url)))


def make_worker(
    database: Database, clock: Clock, feed: ProgressFeed, alert_url: str = "", others: Sequence[Handler] = ()
) -> Worker:
    """A worker on recalculations, and on what the other handlers do."""
    handlers = (make_recalculation(database, clock, feed, alert_url), *others)
    return Worker(SqlStore(database, clock), clock, feed, handlers)


def no_folder(error: OSError) -> InvalidInput:
    """What is said where the data folder cannot be had."""
    return InvalidInput(f"The folder of the store cannot be used: {error.filename}: {error.strerror}.")


def check_folder(path: Path) -> None:
    """The data folder, made; OSError where nothing can be written there."""
    path.mkdir(parents=True, exist_ok=True)
    if not os.access(path, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def connected(settings: Settings) -> Database:
    """The store as it is; its statements are logged where the level asks for it."""
    try:
        if not settings.database_url:
            check_folder(settings.data)
        return open_database(settings.url, log_statement if settings.log_level == "DEBUG" else None)
    except OSError as error:
        raise no_folder(error) from error


def opened(settings: Settings) -> Database:
    """The store with the newest tables: the embedded one is brought there, another one must be there."""
    database = connected(settings)
    try:
        if database.dialect == "sqlite":
            upgrade(database.bulk)
        else:
            require_stage(database)
    except BaseException:
        database.bulk.dispose()
        raise
    return database


def require_stage(database: Database) -> None:
    """InvalidInput where the store lacks tables of this program."""
    found = stage(database.bulk)
    if found is not None:
        raise InvalidInput(f"{found}. Run: segments db upgrade")


def system_clock() -> datetime:
    """The present instant."""
    return datetime.now(UTC)
