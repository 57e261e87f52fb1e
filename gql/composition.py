"""Where the layers meet outside the server: the services over a store, and the store as a command or `run_segmentation`
has it. Whoever asks is given values of the domain or an `OpenStore`, never a row; what takes long to load is loaded by
the function that needs it, and what only the server needs stands in app.py."""

import errno
import os
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

from domain.calendar import Clock
from domain.errors import InvalidInput, Names
from domain.jobs.progress import ProgressFeed
from domain.model import Actor, Business
from domain.store import Cache, MemberPage, Store, Unit
from gql.logs import log_statement
from gql.settings import LONGEST_LIFETIME_HOURS, Settings
from persistence.database.condition import can_write, translate_condition
from persistence.database.engines import Database, open_database
from persistence.database.kept_businesses import KeptBusinesses
from persistence.migrations.migrate import require_newest, upgrade
from persistence.store import SqlStore

if TYPE_CHECKING:
    from domain.audit import Refusals
    from domain.businesses.businesses import Businesses
    from domain.businesses.changes import BusinessChanges
    from domain.businesses.revocations import Revocations
    from domain.classifiers import Classifiers
    from domain.customers.customers import Customers, Erasure
    from domain.customers.merging import Merging
    from domain.customers.purchases import Purchases
    from domain.imports.formats import SourceFormat
    from domain.imports.imports import PurchaseImports
    from domain.imports.inspection.inspection import Inspection
    from domain.imports.inspection.sample import Sample
    from domain.imports.model import ImportSummary, Progress, UndoSummary
    from domain.imports.rows import PurchaseSource, RejectedRow
    from domain.imports.saved_formats import SourceFormats
    from domain.imports.sources import Place
    from domain.jobs.worker import Handler, Worker
    from domain.reports.document import ReportDocument, ReportFiles
    from domain.reports.reported import ReportedCustomers
    from domain.reports.reporting import Reporting
    from domain.reports.transitions import Transitions
    from domain.segments.analysis import Analysis
    from domain.segments.handler import RecalculationHandler
    from domain.segments.history import Snapshots
    from domain.segments.member_export import MemberExport, MemberFiles, MemberWriter
    from domain.segments.member_lists import MemberLists
    from domain.segments.memberships import Memberships
    from domain.segments.recalculation import Recalculations
    from domain.segments.segments import Segments
    from persistence.imports.customers_file import CustomersFile
    from persistence.lake.reading import Lake
    from persistence.lake.renewal import Renewal
    from persistence.soundness.checks import Findings, Report
    from persistence.sources.opening import OpenedPurchases, SourceOpener

T = TypeVar("T")


class Services:
    """The services of the domain over one store, each loaded and made when it is first asked for, and the store itself
    for questions that no service has a rule for."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        feed: ProgressFeed | None = None,
        report_cache: Cache | None = None,
        classifiers: "Classifiers | None" = None,
        token_lifetime: timedelta = timedelta(hours=LONGEST_LIFETIME_HOURS),
        kept: KeptBusinesses | None = None,
        lake: "Lake | None" = None,
    ) -> None:
        """The feed is told what there is to work on. Revoked tokens are remembered for the lifetime; a command, which
        may have other settings than the server, remembers them for the longest there is."""
        self.store: Store = SqlStore(database, clock, kept, lake)
        self.clock = clock
        self._feed = feed or ProgressFeed()
        self._report_cache = report_cache
        self._classifiers = classifiers
        self._lifetime = token_lifetime

    async def read(self, business: Business, question: Callable[[Unit], Awaitable[T]]) -> T:
        """The answer of one read unit; while it is open nothing but the unit is awaited."""
        async with self.store.read(business) as unit:
            return await question(unit)

    @cached_property
    def businesses(self) -> "Businesses":
        from domain.businesses.businesses import Businesses

        return Businesses(self.store, self.clock)

    @cached_property
    def business_changes(self) -> "BusinessChanges":
        from domain.businesses.changes import BusinessChanges

        return BusinessChanges(self.store, self.businesses)

    @cached_property
    def customers(self) -> "Customers":
        from domain.classifiers import Classifiers
        from domain.customers.customers import Customers
        from persistence.reports.cache import MemoryCache

        return Customers(self.store, self.clock, MemoryCache(), self._classifiers or Classifiers())

    @cached_property
    def purchases(self) -> "Purchases":
        from domain.customers.purchases import Purchases

        return Purchases(self.store, self.clock)

    @cached_property
    def _reports(self) -> Cache:
        from persistence.reports.cache import MemoryCache

        return self._report_cache or MemoryCache()

    @cached_property
    def reporting(self) -> "Reporting":
        from domain.reports.reporting import Reporting

        return Reporting(self.store, self.clock, self._reports)

    @cached_property
    def segments(self) -> "Segments":
        from domain.segments.segments import Segments

        return Segments(self.store, self.clock, self._feed.notify_work)

    @cached_property
    def memberships(self) -> "Memberships":
        from domain.segments.memberships import Memberships

        return Memberships(self.store, self.clock, self._feed.notify_members_changed)

    @cached_property
    def member_lists(self) -> "MemberLists":
        from domain.segments.member_lists import MemberLists

        return MemberLists(self.store, self._feed.notify_members_changed)

    @cached_property
    def recalculations(self) -> "Recalculations":
        from domain.segments.recalculation import Recalculations

        return Recalculations(self.store, self.clock, self._feed)

    @cached_property
    def analysis(self) -> "Analysis":
        from domain.segments.analysis import Analysis

        return Analysis(self.store, self.clock, self.customers)

    @cached_property
    def snapshots(self) -> "Snapshots":
        from domain.segments.history import Snapshots

        return Snapshots(self.store, self.clock)

    @cached_property
    def erasure(self) -> "Erasure":
        from domain.customers.customers import Erasure

        return Erasure(self.store)

    @cached_property
    def merging(self) -> "Merging":
        from domain.customers.merging import Merging

        return Merging(self.store)

    @cached_property
    def report_files(self) -> "ReportFiles":
        from domain.reports.document import ReportFiles

        return ReportFiles(self.reporting, self.transitions)

    @cached_property
    def member_files(self) -> "MemberFiles":
        from domain.segments.member_export import MemberFiles

        return MemberFiles(self.store, self.clock, self.customers)

    @cached_property
    def transitions(self) -> "Transitions":
        from domain.reports.transitions import Transitions

        return Transitions(self.store, self.clock, self.customers, self._reports)

    @cached_property
    def reported_customers(self) -> "ReportedCustomers":
        from domain.reports.reported import ReportedCustomers

        return ReportedCustomers(self.clock, self.customers)

    @cached_property
    def imports(self) -> "PurchaseImports":
        from domain.imports.imports import PurchaseImports

        return PurchaseImports(self.store, self.clock, self._feed)

    @cached_property
    def formats(self) -> "SourceFormats":
        from domain.imports.saved_formats import SourceFormats

        return SourceFormats(self.store)

    @cached_property
    def revocations(self) -> "Revocations":
        from domain.businesses.revocations import Revocations

        return Revocations(self.store, self.clock, self._lifetime)

    @cached_property
    def refusals(self) -> "Refusals":
        from domain.audit import Refusals

        return Refusals(self.store)


def make_owner() -> str:
    """A name for a holder of work that no other has."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"


def make_recalculation(
    database: Database, clock: Clock, feed: ProgressFeed, alert_url: str = ""
) -> "RecalculationHandler":
    """What is done of segments; failures of scheduled runs are posted to the address."""
    from domain.segments.handler import RecalculationHandler
    from domain.segments.runner import Runner
    from persistence.alerts import Alerts

    store = SqlStore(database, clock)
    return RecalculationHandler(store, clock, feed, Runner(store, clock, feed, make_owner(), Alerts(alert_url)))


def make_worker(
    database: Database, clock: Clock, feed: ProgressFeed, alert_url: str = "", others: "Sequence[Handler]" = ()
) -> "Worker":
    """A worker on recalculations, and on what the other handlers do."""
    from domain.jobs.worker import Worker

    handlers = (make_recalculation(database, clock, feed, alert_url), *others)
    return Worker(SqlStore(database, clock), clock, feed, handlers)


@dataclass(frozen=True, slots=True)
class Writers:
    """What makes files, by their endings."""

    reports: "Mapping[str, Callable[[ReportDocument], bytes]]"
    members: "Mapping[str, MemberWriter]"


def make_writers(settings: Settings) -> Writers:
    from persistence.exports.csv import render_report_csv, write_members_csv
    from persistence.exports.json import render_report_json, write_members_json
    from persistence.exports.pdf import render_report_pdf

    return Writers(
        {
            "csv": render_report_csv,
            "xlsx": render_workbook,
            "pdf": partial(render_report_pdf, fonts=settings.fonts),
            "json": render_report_json,
        },
        {"csv": write_members_csv, "xlsx": write_workbook, "json": write_members_json},
    )


def render_workbook(document: "ReportDocument") -> bytes:
    """A report as a workbook. What writes it is loaded with the first one: a fifth of a second, in which a server that
    starts answers already."""
    from persistence.exports.xlsx import render_report_xlsx

    return render_report_xlsx(document)


def write_workbook(export: "MemberExport", pages: AsyncIterator[MemberPage]) -> AsyncGenerator[bytes, None]:
    """Members as a workbook, likewise."""
    from persistence.exports.xlsx_members import write_members_xlsx

    return write_members_xlsx(export, pages)


LAKE = "lake"
"""The folder below the data folder for what was fetched from a bucket."""


def make_lake(settings: Settings, tell: Callable[[str], None] = lambda outcome: None) -> "Lake | None":
    """Where the columnar copies are, and what runs statements over them; None where there are none. InvalidInput says
    what of it is not installed. `tell` is told how each question ended."""
    if not settings.lake:
        return None
    local = not settings.engine or settings.engine_fallback
    _require_extra("SEGMENTS_LAKE", "lake", "pyarrow", *(["duckdb"] if local else []))
    if settings.engine:
        _require_extra("SEGMENTS_ENGINE", "cluster", "pyspark")
    from persistence.lake.engines import DuckDbEngine
    from persistence.lake.places import read_address
    from persistence.lake.reading import Lake
    from persistence.lake.spark import SparkEngine

    address = read_address(settings.lake, settings.data / LAKE)
    engine = DuckDbEngine() if local else None
    used = SparkEngine(settings.engine, engine) if settings.engine else engine
    assert used is not None
    return Lake(address, used, settings.lake_minimum_purchases, tell)


def _require_extra(variable: str, extra: str, *packages: str) -> None:
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise InvalidInput(
            f"{variable} needs {' and '.join(missing)}, not installed here. Run: pip install 'segments-server[{extra}]'"
        )


def make_renewal(
    database: Database, lake: "Lake", clock: Clock, tell: Callable[[str], None] = lambda kind: None
) -> "Renewal":
    """What keeps the copies fresh; `tell` is told how each writing ended."""
    from persistence.lake.renewal import Renewal

    return Renewal(database, lake, clock, tell)


def make_opener(settings: Settings, database: Database, clock: Clock) -> "SourceOpener":
    """What opens sources of purchases."""
    from persistence.sources.opening import SourceOpener

    return SourceOpener(database, clock, settings.data, settings.mongodb_uri)


def format_report(document: "ReportDocument") -> str:
    """The report's JSON, indented for people."""
    from persistence.exports.json import build_report_data, encode_value

    return encode_value(build_report_data(document), indent=2)


def read_system_clock() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class OpenStore:
    """The store as a command has it until it ends. What reads or writes whole files runs outside the event loop, so
    that an interruption ends it at once."""

    settings: Settings
    database: Database

    @property
    def units(self) -> Store:
        """Where services take their units of work from."""
        return SqlStore(self.database, read_system_clock)

    def make_services(self, feed: ProgressFeed, clock: Clock = read_system_clock) -> Services:
        return Services(self.database, clock, feed, lake=make_lake(self.settings))

    def make_renewal(self) -> "Renewal":
        """What writes columnar copies; InvalidInput where there are none."""
        lake = make_lake(self.settings)
        if lake is None:
            raise InvalidInput("There are no columnar copies: let SEGMENTS_LAKE say where they are to be")
        return make_renewal(self.database, lake, read_system_clock)

    def make_recalculation(self, feed: ProgressFeed) -> "RecalculationHandler":
        """What recalculates segments of this store."""
        return make_recalculation(self.database, read_system_clock, feed)

    def make_worker(self, feed: ProgressFeed, clock: Clock) -> "Worker":
        return make_worker(self.database, clock, feed)

    def open_customers(self, path: Path, business: Business, form: "SourceFormat", names: Names) -> "CustomersFile":
        """A file of customers with its header understood; InvalidInput says what is wrong with it."""
        from persistence.sources.opening import open_customers

        return open_customers(path, business, form, names, self.database)

    def open_purchases(
        self, place: "Place", business: Business, options: "SourceFormat", names: Names
    ) -> "OpenedPurchases":
        """A file or a collection with its columns understood; InvalidInput says what is wrong with it. Reasons of
        rejected rows are in the words of the face."""
        return make_opener(self.settings, self.database, read_system_clock).open(place, business, options, names)

    def inspect_purchases(
        self,
        path: Path,
        business: Business,
        options: "SourceFormat",
        names: Names,
        *,
        assumed: tuple[str, ...] = (),
        progress: "Callable[[Progress], None]",
        known: "Sample | None" = None,
        declined: Collection[str] = (),
        count: bool = True,
    ) -> "Inspection":
        """What a file looks like and what is proposed for it; InvalidInput where it cannot be read at all."""
        from persistence.sources.inspecting import inspect_purchases

        return inspect_purchases(
            path,
            business,
            options,
            read_system_clock,
            names,
            self.database,
            assumed=assumed,
            progress=progress,
            known=known,
            declined=declined,
            count=count,
        )

    def import_purchases(
        self,
        source: "OpenedPurchases",
        actor: Actor,
        *,
        dry_run: bool,
        progress: "Callable[[Progress], None]",
        reject: "Callable[[RejectedRow], None]",
        beside: "Callable[[RejectedRow], None] | None" = None,
    ) -> "ImportSummary":
        """Import the rows of the source into its business; `reject` is told of each that is refused, `beside` of the
        others of an order that stands although one of its rows was."""
        from persistence.imports.importer import PurchaseImporter, pause_collector

        with pause_collector():
            return PurchaseImporter(self.database, source.business, read_system_clock).run(
                source.name,
                source.read_portions,
                source.read_texts,
                actor=actor.name,
                dry_run=dry_run,
                progress=progress,
                rejects=reject,
                beside=beside,
                of_orders=source.of_orders,
                digest=source.compute_digest(),
                stated=source.stated,
                attributes=source.kinds,
            )

    def undo_import(
        self, business: Business, number: int, actor: Actor, progress: Callable[[int, int], None]
    ) -> "UndoSummary":
        """Take an import back; `progress` is told customers done, of how many."""
        from persistence.imports.undo import ImportUndo

        return ImportUndo(self.database, business, read_system_clock, number).run(actor, progress)

    async def disconnect(self) -> None:
        """Give back every connection, those of the event loop that ends; the store stays usable."""
        await self.database.close()

    def close(self) -> None:
        """Give back the connections that are bound to no event loop."""
        self.database.bulk.dispose()


def open_store(settings: Settings) -> OpenStore:
    """The store with the newest tables: the embedded one is brought there, another one, and one that can only be read,
    must be there."""
    database = connect_store(settings)
    try:
        with translate_condition():
            if database.dialect == "sqlite" and not database.condition.read_only:
                upgrade(database.bulk)
            else:
                require_newest(database.bulk)
    except BaseException:
        database.bulk.dispose()
        raise
    return OpenStore(settings, database)


def connect_store(settings: Settings) -> Database:
    """The store as it is; its statements are logged where the level asks for it."""
    with translate_folder_errors():
        if not settings.database_url and not settings.store_file.exists():
            check_folder(settings.data)
        return open_database(settings.url, log_statement if settings.log_level == "DEBUG" else None)


def upgrade_store(settings: Settings) -> None:
    """Bring the store to the newest tables."""
    database = connect_store(settings)
    try:
        with translate_condition():
            upgrade(database.bulk)
    finally:
        database.bulk.dispose()


def check_store(settings: Settings, report: "Report") -> "Findings":
    """What is wrong with the store; `report` is told what is looked at, how much is done, and of how much."""
    from persistence.soundness.checks import find_faults

    database = connect_store(settings)
    try:
        return find_faults(database, report)
    finally:
        database.bulk.dispose()


def back_up_store(settings: Settings, target: Path, report: "Report", *, force: bool) -> None:
    """Copy the store to the file, while it is used; what is there already is only replaced by force."""
    from persistence.soundness.backup import back_up

    database = connect_store(settings)
    try:
        back_up(database, target, report, force=force)
    finally:
        database.bulk.dispose()


def restore_store(settings: Settings, source: Path, report: "Report", *, keep: bool) -> Path | None:
    """Let the copy be the store; the file that what was the store is kept in, if it is to be."""
    from persistence.soundness.backup import restore

    with translate_folder_errors():
        return restore(settings.url, source, report, keep=keep)


@contextmanager
def translate_folder_errors() -> Iterator[None]:
    """InvalidInput where the data folder cannot be had."""
    try:
        yield
    except OSError as error:
        message = f"The folder of the store cannot be used: {error.filename}: {error.strerror}."
        raise InvalidInput(message) from error


def check_folder(path: Path) -> None:
    """The data folder, made; OSError where nothing can be written there."""
    path.mkdir(parents=True, exist_ok=True)
    if not can_write(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def open_rows(path: Path) -> "PurchaseSource":
    """A file of rows under a header, whatever they are; InvalidInput where it cannot be read."""
    from persistence.sources.opening import open_file

    return open_file(path)


def read_mongodb_section(settings: Settings, business_key: str) -> dict[str, str]:
    """How the business's MongoDB is reached, as it is kept in the data folder; empty where nobody has said it."""
    from persistence.mongodb_section import read_section

    return read_section(settings.data, business_key)


def write_mongodb_section(settings: Settings, business_key: str, section: Mapping[str, str]) -> None:
    """Replace what is kept of it."""
    from persistence.mongodb_section import write_section

    write_section(settings.data, business_key, section)
