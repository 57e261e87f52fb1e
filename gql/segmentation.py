"""`run_segmentation`: purchases in from a source, the labels of every customer out into a file, as one call. With the
server and the command line the third place that puts services and store together; `segments classify` and the
server's schedule call it."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Literal
from uuid import uuid4

from domain.businesses.businesses import Businesses, business_for_import, made
from domain.businesses.mongodb import MongoSettings
from domain.calendar import Clock
from domain.classification.pipeline import Pipeline, Segmentation, Source, Wanted, idle, stamp
from domain.customers.customers import Customers
from domain.errors import InvalidInput
from domain.imports.formats import ImportOptions
from domain.jobs.progress import RunBoard
from domain.model import Business
from domain.segments.runner import Runner
from domain.segments.worker import Upkeep
from gql.cli_segmentation_store import KeptLabels, filename_of, folder_of
from gql.clock import system_clock
from gql.composition import opened
from gql.settings import Settings
from persistence.database.engines import Database, run_alone
from persistence.evaluation import WorkingStore
from persistence.labels.classifiers import installed
from persistence.labels.labels import LabelStore
from persistence.labels.run_folder import RunFolder
from persistence.labels.run_sources import CollectionSource, FileSource, Kept, StoreSource
from persistence.reports.cache import MemoryCache
from persistence.sources.opening import Collection, mongodb_settings, open_collection, open_purchases
from persistence.store import SqlStore

SourceName = Literal["csv", "mongodb"]


@dataclass(slots=True)
class Segmenter:
    """Runs of one source of one business into one folder; `next_run` is when its schedule comes next, `begun` says that
    what was asked could be meant. What the fields mean is said at `run_segmentation`."""

    settings: Settings
    source: str | None = None
    csv_path: str | Path | None = None
    database: str | None = None
    collection: str | None = None
    business: str | None = None
    output: str | Path | None = None
    options: ImportOptions = field(default_factory=ImportOptions)
    time_zone: str | None = None
    currency: str | None = None
    next_run: datetime | None = None
    clock: Clock = system_clock
    begun: bool = False

    def run(self, *, as_of: date | None = None, check_freshness: bool = False, force: bool = False) -> Segmentation:
        """One run."""
        self.begun = False
        path = checked_path(self.source, self.csv_path)
        self.options.checked()
        with self._store() as store:
            meant = self._business(store, path)
            with RunFolder.held(folder_of(self.settings, meant, self.output), filename_of(meant)) as folder:
                classifiers = installed(store.bulk)
                labels = KeptLabels(LabelStore(store, meant.id, self.clock, classifiers))
                kept = Kept(store, meant, self.clock, classifiers)
                pipeline = Pipeline(self._origin(kept, path), labels, folder, self.clock)
                found = pipeline.run(Wanted(as_of, check_freshness, force, self.next_run))
                if self.source is not None and not found["metadata"]["skipped"]:
                    run_alone(store, self._follow(store, meant))
                return found

    def zone(self) -> str:
        """The time zone of the business that is meant."""
        with self._store() as store:
            return run_alone(store, self._chosen(store)).time_zone

    def announce(self) -> None:
        """Say in the status file when the next run is."""
        with self._store() as store:
            meant = run_alone(store, self._chosen(store))
        with RunFolder.held(folder_of(self.settings, meant, self.output), filename_of(meant)) as folder:
            announced = None if self.next_run is None else stamp(self.next_run)
            folder.write_status({**idle(self.source), **folder.status(), "next_run": announced})

    @contextmanager
    def _store(self) -> Iterator[Database]:
        store = opened(self.settings)
        try:
            yield store
        finally:
            store.bulk.dispose()

    def _business(self, store: Database, path: Path | None) -> Business:
        """The one that is meant; a new one is made when its source is known to be readable."""
        meant = run_alone(store, self._chosen(store))
        self.begun = True
        if meant.id:
            return meant
        if self.source is None:
            raise InvalidInput(f"There is no business with the key {meant.key} to classify.", ("business",))
        if path is None:
            open_collection(self._reached(meant), store, self.clock, meant, self._collection, self.options)
        else:
            open_purchases(path, meant, self.options)
        return run_alone(store, made(Businesses(SqlStore(store, self.clock), self.clock), meant))

    async def _chosen(self, store: Database) -> Business:
        businesses = Businesses(SqlStore(store, self.clock), self.clock)
        if self.time_zone is None and self.currency is None:
            return await businesses.choose(self.business, self.settings.business)
        return await business_for_import(
            businesses, self.settings.business, self.business, self.time_zone, self.currency
        )

    @property
    def _collection(self) -> Collection:
        return Collection(self.database, self.collection)

    def _origin(self, kept: Kept, path: Path | None) -> Source:
        if path is not None:
            return FileSource(kept, path, self.options)
        if self.source is not None:
            work = WorkingStore(kept.database, self.clock)
            customers = Customers(work, self.clock, MemoryCache(), kept.classifiers)
            reached = self._reached(kept.business)
            return CollectionSource(kept, customers, reached, self._collection, self.options)
        return StoreSource(kept)

    def _reached(self, business: Business) -> MongoSettings | None:
        return mongodb_settings(self.settings.data, self.settings.mongodb_uri, business.key)

    async def _follow(self, store: Database, business: Business) -> None:
        """Memberships follow the purchases that were imported."""
        board, work = RunBoard(), WorkingStore(store, self.clock)
        owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        await Upkeep(work, self.clock, board, Runner(work, self.clock, board, owner)).follow(business)


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
    options: ImportOptions | None = None,
    time_zone: str | None = None,
    currency: str | None = None,
    settings: Settings | None = None,
    clock: Clock = system_clock,
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
        source=source,
        csv_path=csv_path,
        database=database,
        collection=collection,
        business=business,
        output=output,
        options=options or ImportOptions(),
        time_zone=time_zone,
        currency=currency,
        clock=clock,
    )
    return segmenter.run(as_of=as_of, check_freshness=check_freshness, force=force)


def checked_path(source: str | None, csv_path: str | Path | None) -> Path | None:
    """The file that is the source; InvalidInput where it is not said which."""
    if source not in (None, "csv", "mongodb"):
        raise InvalidInput(f"source must be csv or mongodb, not {source[:40]}", ("source",))
    if source == "csv" and csv_path is None:
        raise InvalidInput("csv_path must name the file of the source csv", ("csv_path",))
    if source != "csv" and csv_path is not None:
        raise InvalidInput("csv_path goes with the source csv", ("csv_path",))
    return None if csv_path is None else Path(csv_path)
