"""The services put together over one store: for the server, for commands, and for whoever calls `run_segmentation`.
What only the server needs stands in app.py, so that a command does not load it."""

import os
import socket
from uuid import uuid4

from domain.audit import Auditing
from domain.businesses.businesses import Businesses
from domain.calendar import Clock
from domain.classifiers import Classifiers
from domain.customers.customers import Customers, Erasure
from domain.customers.purchases import Purchases
from domain.imports.imports import ImportBoard, PurchaseImports
from domain.jobs.progress import RunBoard
from domain.reports.document import ReportFiles
from domain.reports.reporting import Reporting
from domain.reports.transitions import Movements
from domain.segments.analysis import Analysis
from domain.segments.history import Snapshots
from domain.segments.member_export import MemberFiles
from domain.segments.memberships import Memberships
from domain.segments.recalculation import Recalculations
from domain.segments.runner import Runner
from domain.segments.segments import Segments
from domain.segments.worker import Upkeep
from domain.store import KeptReports
from gql.services import Services
from persistence.alerts import Alerts
from persistence.database.engines import Database
from persistence.evaluation import WorkingStore
from persistence.reports.cache import MemoryCache, ReportCache


def make_services(
    database: Database,
    clock: Clock,
    board: RunBoard | None = None,
    kept: KeptReports | None = None,
    classifiers: Classifiers | None = None,
) -> Services:
    """The services over one store; the board is told what there is to work on."""
    board = board or RunBoard()
    store, cache = WorkingStore(database, clock), MemoryCache()
    customers = Customers(store, clock, cache, classifiers or Classifiers())
    reporting = Reporting(store, clock, kept or ReportCache())
    return Services(
        Businesses(store, clock),
        customers,
        Purchases(store, clock),
        reporting,
        Segments(store, clock, board.wake),
        Memberships(store, clock),
        Recalculations(store, clock, board),
        Analysis(store, clock, customers),
        Auditing(store),
        Snapshots(store, clock),
        Erasure(store),
        ReportFiles(reporting),
        MemberFiles(store, clock, customers),
        Movements(store, clock, customers),
        PurchaseImports(store, clock, ImportBoard()),
    )


def make_upkeep(database: Database, clock: Clock, board: RunBoard, alert_url: str = "") -> Upkeep:
    """A worker of this process, with a name that no other has; failures of scheduled runs are posted to the address."""
    store = WorkingStore(database, clock)
    owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
    return Upkeep(store, clock, board, Runner(store, clock, board, owner, Alerts(alert_url)))
