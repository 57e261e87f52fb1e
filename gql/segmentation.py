"""`run_segmentation`: purchases in from a source, the labels of every customer out into a file, as one call; and the
store classified as it is at the times of a business's own, which is work of the server's worker. With the server and
the command line the third place that puts services and store together. One run at a time writes into a folder."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from domain.businesses.businesses import Businesses
from domain.calendar import Clock, find_next_run, format_instant, from_micros
from domain.classification.pipeline import (
    DecidedLabels,
    Pipeline,
    RunRequest,
    Segmentation,
    Source,
    build_idle_status,
    describe_error,
)
from domain.classifiers import Classifiers
from domain.customers.customers import Customers
from domain.errors import DomainError, InvalidInput, Names, StoreUpgraded, Unavailable
from domain.imports.formats import SourceFormat
from domain.imports.sources import Collection, Place, SourceName, choose_place, get_source
from domain.jobs.model import ATTEMPTS, GAVE_UP, JobKind, JobStatus, Lease, Outcome, may_pass, plan_pauses
from domain.jobs.progress import ProgressFeed
from domain.model import Business
from domain.store import Agenda
from gql.composition import make_lake, make_opener, make_owner, make_recalculation, open_store, read_system_clock
from gql.settings import Settings
from persistence.alerts import Alerts
from persistence.database.engines import Database, run_alone
from persistence.database.transactions import translate_errors
from persistence.labels.classifiers import load_installed
from persistence.labels.labels import LabelStore, keep
from persistence.labels.run_folder import RunFolder
from persistence.labels.run_sources import CollectionSource, FileSource, StoreSource
from persistence.reports.cache import MemoryCache
from persistence.store import SqlStore

if TYPE_CHECKING:
    from persistence.lake.reading import Lake

HEARTBEAT_SECONDS = 5.0
END_SECONDS = 4.0
"""How long a run that has begun may go on when the server ends."""
RELEASE_SECONDS = 1.0
"""How long it then tries to say how far it came."""
log = logging.getLogger("segments.runs")


@dataclass(frozen=True, slots=True)
class StoredLabels:
    """The labels of a business, kept for the next run when a run has written them."""

    store: LabelStore

    @contextmanager
    def decide_labels(self, as_of: date | None) -> Iterator[DecidedLabels]:
        with self.store.decide_labels(as_of) as labels:
            yield labels
            # Where the store is busy, the next run decides all anew.
            with suppress(Unavailable), translate_errors():
                keep(labels)


def choose_folder(settings: Settings, business: Business, path: str | Path | None = None) -> Path:
    """Where the files go: as given, else as the business has settled it, which is within the data folder where it does
    not begin with a slash, else a folder of the business there."""
    if path is not None:
        return Path(path)
    return settings.data / (business.settings.output_dir or Path("output") / business.key)


class _EndedInTime(asyncio.CancelledError):
    """The server ends, and what it waited for has just come to its end."""


@dataclass(frozen=True, slots=True)
class ScheduledSegmentation:
    """What the worker does at the times of the setting `classify_every`."""

    settings: Settings
    database: Database
    clock: Clock
    classifiers: Classifiers = field(default_factory=Classifiers)
    feed: ProgressFeed = field(default_factory=ProgressFeed)
    owner: str = field(default_factory=make_owner)
    lake: "Lake | None" = None
    kind: JobKind = JobKind.CLASSIFICATION
    at_once: int = 1

    @property
    def store(self) -> SqlStore:
        """Where the businesses are."""
        return SqlStore(self.database, self.clock)

    async def prepare(self, business: Business, agenda: Agenda) -> Agenda:
        """Queue a classification where its time has come; times that were missed come to one."""
        every, due = business.settings.classify_every, agenda.classify_at
        if every is None:
            return agenda
        now = self.clock()
        then = find_next_run(every, now, business.time_zone)
        # A schedule that is new, or comes sooner than the one before, moves the time, too.
        if due == then or (due is not None and then is not None and now < due < then):
            return agenda
        async with self.store.open_heartbeats(business) as jobs:
            queued = await jobs.plan_classification(due, then, now)
        return replace(agenda, waiting=agenda.waiting | {self.kind}) if queued else agenda

    async def work(self, business: Business, agenda: Agenda) -> bool:
        """Classify the business where that waits; whether it did."""
        async with self.store.open_heartbeats(business) as jobs:
            job = await jobs.acquire(self.kind, self.owner, self.clock())
        if job is None:
            return False
        outcome = Outcome(JobStatus.SUCCEEDED)
        try:
            if job.attempts > ATTEMPTS:
                raise DomainError(f"The classification was begun {ATTEMPTS} times and never came to an end.")
            await self._run(business, Lease.of(job, self.owner))
        except StoreUpgraded:
            # Whoever knows the new tables finds that the lease has expired.
            raise
        except (DomainError, OSError) as error:
            log.warning("classification of business %s failed: %s", business.id, describe_error(error))
            code = error.code if isinstance(error, DomainError) else Unavailable.code
            code = GAVE_UP if job.attempts > ATTEMPTS else code
            outcome = Outcome(JobStatus.FAILED, code, describe_error(error))
        except Exception:
            log.exception("classification of business %s failed", business.id)
            sentence = "The classification failed inside the server. Its log says more."
            outcome = Outcome(JobStatus.FAILED, "INTERNAL", sentence)
        async with self.store.open_heartbeats(business) as jobs:
            ended = await jobs.finish(Lease.of(job, self.owner), outcome, self.clock())
        if ended:
            seconds = (self.clock() - (job.started_at or self.clock())).total_seconds()
            self.feed.ended(business, self.kind, outcome.status, max(0.0, seconds))
        if outcome.error_code is not None and outcome.error_message is not None:
            alerts = Alerts(self.settings.alert_url)
            await alerts.report_failed_classification(business, outcome.error_code, outcome.error_message, self.clock())
        return True

    async def _run(self, business: Business, lease: Lease) -> None:
        """Classify, again and again as long as only the store, or a disk that is full, is what keeps it. Where the
        server ends before, the next one begins anew."""
        alive = asyncio.create_task(self._keep_alive(business, lease))
        try:
            for pause in (*plan_pauses(), None):
                try:
                    await self._run_once(business)
                    return
                except (Unavailable, OSError) as error:
                    if pause is None or not may_pass(error):
                        raise
                    log.warning("classification of business %s waits: %s", business.id, describe_error(error))
                    await asyncio.sleep(pause)
        except asyncio.CancelledError as error:
            # Where the store cannot be told in time, the next one finds that the lease has expired.
            with suppress(DomainError, TimeoutError):
                async with asyncio.timeout(RELEASE_SECONDS), self.store.open_heartbeats(business) as jobs:
                    if isinstance(error, _EndedInTime):
                        await jobs.finish(lease, Outcome(JobStatus.SUCCEEDED), self.clock())
                    else:
                        await jobs.release(lease)
            raise
        finally:
            alive.cancel()

    async def _run_once(self, business: Business) -> None:
        """In a thread, which cannot be stopped."""
        # So that purchases count whose instant has passed.
        present = await Businesses(self.store, self.clock).open(business.key)
        working = asyncio.ensure_future(asyncio.to_thread(self.classify, present))
        try:
            await asyncio.shield(working)
        except asyncio.CancelledError:
            await asyncio.wait({working}, timeout=END_SECONDS)
            if working.done() and working.exception() is None:
                raise _EndedInTime from None
            raise

    async def _keep_alive(self, business: Business, lease: Lease) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            # A store that is busy now hears of it with the next one.
            with suppress(DomainError):
                async with self.store.open_heartbeats(business) as jobs:
                    await jobs.heartbeat(lease, self.clock(), "classifying", 0, None)

    def classify(self, business: Business) -> None:
        """Keep the labels of today, and write them where the business has settled a folder."""
        labels = StoredLabels(LabelStore(self.database, business.id, self.clock, self.classifiers, self.lake))
        if business.settings.output_dir is None:
            # That they are kept is all that is wanted.
            with translate_errors(), labels.store.decide_labels(None) as decided:
                keep(decided)
            return
        every = business.settings.classify_every
        then = None if every is None else find_next_run(every, self.clock(), business.time_zone)
        with (
            translate_errors(),
            RunFolder.acquire(choose_folder(self.settings, business), business.settings.output_filename) as folder,
        ):
            source = StoreSource(self.database, business, self.clock, self.classifiers)
            Pipeline(source, labels, folder, self.clock).run(RunRequest(next_run=then))


@contextmanager
def _open_lake(settings: Settings) -> Iterator["Lake | None"]:
    """The columnar copies, where there are some."""
    lake = make_lake(settings)
    try:
        yield lake
    finally:
        if lake is not None:
            asyncio.run(lake.engine.close())


@dataclass(slots=True)
class Segmenter:
    """Runs of one source of one business into one folder; `next_run` is when its schedule comes next, `begun` says that
    what was asked could be meant, `names` how whoever asked calls options. What the fields mean is said at
    `run_segmentation`."""

    settings: Settings
    place: Place | None = None
    business: str | None = None
    output: str | Path | None = None
    options: SourceFormat = field(default_factory=SourceFormat)
    time_zone: str | None = None
    currency: str | None = None
    next_run: datetime | None = None
    clock: Clock = read_system_clock
    begun: bool = False
    names: Names = str

    def run(self, *, as_of: date | None = None, check_freshness: bool = False, force: bool = False) -> Segmentation:
        self.begun = False
        with self._open_store() as store, _open_lake(self.settings) as lake:
            meant = self._find_business(store)
            with RunFolder.acquire(
                choose_folder(self.settings, meant, self.output), meant.settings.output_filename
            ) as folder:
                classifiers = load_installed(store.bulk)
                labels = StoredLabels(LabelStore(store, meant.id, self.clock, classifiers, lake))
                source = self._make_source(store, meant, classifiers)
                pipeline = Pipeline(source, labels, folder, self.clock)
                since = run_alone(store, self._find_end(store, meant))
                segmentation = pipeline.run(RunRequest(as_of, check_freshness, force, self.next_run))
                if self.place is not None and not segmentation["metadata"]["skipped"]:
                    run_alone(store, self._follow(store, meant))
                    changed = run_alone(store, self._count_changes(store, meant, since))
                    segmentation["metadata"]["segments"] = changed
                return segmentation

    def find_zone(self) -> str:
        """The time zone of the business that is meant."""
        with self._open_store() as store:
            return run_alone(store, self._choose_business(store)).time_zone

    def announce(self) -> None:
        """Say in the status file when the next run is."""
        with self._open_store() as store:
            meant = run_alone(store, self._choose_business(store))
        with RunFolder.acquire(
            choose_folder(self.settings, meant, self.output), meant.settings.output_filename
        ) as folder:
            announced = None if self.next_run is None else format_instant(self.next_run)
            folder.write_status(
                {**build_idle_status(get_source(self.place)), **folder.read_status(), "next_run": announced}
            )

    @contextmanager
    def _open_store(self) -> Iterator[Database]:
        store = open_store(self.settings).database
        try:
            yield store
        finally:
            store.bulk.dispose()

    def _find_business(self, store: Database) -> Business:
        """The one that is meant; a new one is made when its source is known to be readable."""
        meant = run_alone(store, self._choose_business(store))
        self.begun = True
        if meant.id:
            return meant
        if self.place is None:
            raise InvalidInput(f"There is no business with the key {meant.key} to classify.", ("business",))
        make_opener(self.settings, store, self.clock).open(self.place, meant, self.options)
        return run_alone(store, Businesses(SqlStore(store, self.clock), self.clock).create_planned(meant))

    async def _choose_business(self, store: Database) -> Business:
        businesses = Businesses(SqlStore(store, self.clock), self.clock)
        if self.time_zone is None and self.currency is None:
            return await businesses.choose(self.business, self.settings.business)
        return await businesses.plan_for_import(self.settings.business, self.business, self.time_zone, self.currency)

    def _make_source(self, store: Database, business: Business, classifiers: Classifiers) -> Source:
        kept = (store, business, self.clock, classifiers)
        if self.place is None:
            return StoreSource(*kept)
        customers = Customers(SqlStore(store, self.clock), self.clock, MemoryCache(), classifiers)
        if isinstance(self.place, Path):
            return FileSource(*kept, customers, self.place, self.options, self.names)
        opener = make_opener(self.settings, store, self.clock)
        return CollectionSource(*kept, customers, opener, self.place, self.options, self.names)

    async def _follow(self, store: Database, business: Business) -> None:
        """Memberships follow the purchases that were imported."""
        await make_recalculation(store, self.clock, ProgressFeed()).follow(business)

    async def _find_end(self, store: Database, business: Business) -> datetime:
        """An instant after every change of memberships that there is."""
        async with SqlStore(store, self.clock).read(business) as unit:
            return from_micros((await unit.history.find_newest_place()).at)

    async def _count_changes(self, store: Database, business: Business, since: datetime) -> dict[str, tuple[int, int]]:
        """The segments that customers entered or left since, by key, with how many entered and how many left."""
        until = await self._find_end(store, business)
        async with SqlStore(store, self.clock).read(business) as unit:
            keys = {segment.id: segment.key for segment in await unit.segments.load_all()}
            sizes = await unit.history.compute_sizes(list(keys), [since, until]) if keys else {}
        changed = {keys[segment]: (entered, left) for segment, [(_, entered, left)] in sizes.items()}
        return {key: counts for key, counts in changed.items() if counts != (0, 0)}


def run_segmentation(
    source: SourceName | None = None,
    csv_path: str | Path | None = None,
    *,
    database: str | None = None,
    collection: str | None = None,
    business: str | None = None,
    as_of: date | None = None,
    output: str | Path | None = None,
    check_freshness: bool = False,
    force: bool = False,
    options: SourceFormat | None = None,
    time_zone: str | None = None,
    currency: str | None = None,
    settings: Settings | None = None,
    clock: Clock = read_system_clock,
) -> Segmentation:
    """Bring the source into the store and write the labels of every customer.

    `source` is "csv" with `csv_path`, or "mongodb" with `database` and `collection` where the settings do not say them;
    without one the store is classified as it is. `business` is a key, the only business there is where absent; a new
    one is made with `time_zone` and `currency`. `as_of` is the day that labels are decided for, today where absent.
    `output` is a folder; where absent the one of the business's settings, else one in the data folder. With
    `check_freshness` nothing is done where the source has not changed since the last run that succeeded, unless
    `force`, which also reads all of the source again. Not from within an event loop: use a thread there.

    Raises DomainError with a sentence where it cannot be done; the output of the run before is left as it was."""
    segmenter = Segmenter(
        settings or Settings.from_environment(),
        choose_place(source, csv_path, Collection(database, collection)),
        business=business,
        output=output,
        options=options or SourceFormat(),
        time_zone=time_zone,
        currency=currency,
        clock=clock,
    )
    return segmenter.run(as_of=as_of, check_freshness=check_freshness, force=force)
