"""The store classified as it is: where the files of a business go, and what the server does by itself at the times of
the setting `classify_every`. Of several workers one does it; times that were missed come to one run."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from domain.businesses.businesses import Businesses
from domain.calendar import Clock, next_run
from domain.classification.pipeline import OUTPUT_FILENAME, Decided, Pipeline, Wanted, said
from domain.classifiers import Classifiers
from domain.errors import DomainError, Unavailable
from domain.model import Business
from gql.settings import Settings
from persistence.alerts import Alerts
from persistence.database.engines import Database
from persistence.database.transactions import translated
from persistence.labels.labels import LabelStore, due_time, keep, take
from persistence.labels.run_folder import RunFolder
from persistence.labels.run_sources import Kept, StoreSource
from persistence.store import SqlStore

IDLE_SECONDS = 1.0
END_SECONDS = 4.0
"""How long a run that has begun may go on when the server ends."""
log = logging.getLogger("segments.runs")


@dataclass(frozen=True, slots=True)
class KeptLabels:
    """The labels of a business, kept for the next run when a run has written them."""

    store: LabelStore

    @contextmanager
    def decided(self, as_of: date | None) -> Iterator[Decided]:
        """As of the day."""
        with self.store.decided(as_of) as found:
            yield found
            # Where the store is busy, the next run decides all anew.
            with suppress(Unavailable), translated():
                keep(found)


def folder_of(settings: Settings, business: Business, given: str | Path | None = None) -> Path:
    """Where the files go: as given, else as the business has settled it, which is within the data folder where it does
    not begin with a slash, else a folder of the business there."""
    if given is not None:
        return Path(given)
    kept = business.settings.get("output_dir")
    return settings.data / (kept if isinstance(kept, str) else Path("output") / business.key)


def filename_of(business: Business) -> str:
    """The name of the output file."""
    kept = business.settings.get("output_filename")
    return kept if isinstance(kept, str) else OUTPUT_FILENAME


@dataclass(frozen=True, slots=True)
class ScheduledSegmentation:
    """The server's own schedule."""

    settings: Settings
    database: Database
    clock: Clock
    classifiers: Classifiers = field(default_factory=Classifiers)

    async def forever(self) -> None:
        """Until it is cancelled; trouble with one business does not keep the others."""
        store = SqlStore(self.database, self.clock)
        while True:
            try:
                for business in await store.businesses():
                    if isinstance(business.settings.get("classify_every"), str):
                        await self.once(business)
            except Exception:
                log.exception("the store cannot be classified by schedule now")
            await asyncio.sleep(IDLE_SECONDS)

    async def once(self, business: Business) -> bool:
        """Classify the business where its time has come; whether it had."""
        then = next_run(str(business.settings["classify_every"]), self.clock(), business.time_zone)
        due = await asyncio.to_thread(self._taken, business.id, then)
        if due is None:
            return False
        try:
            # So that purchases count whose instant has passed.
            present = await Businesses(SqlStore(self.database, self.clock), self.clock).open(business.key)
            await self._to_its_end(present, due, then)
        except (DomainError, OSError) as error:
            log.warning("classification of business %s failed: %s", business.id, said(error))
            code = error.code if isinstance(error, DomainError) else Unavailable.code
            await self._alarm(business, code, said(error))
        except Exception:
            log.exception("classification of business %s failed", business.id)
            await self._alarm(business, "INTERNAL", "The classification failed inside the server. Its log says more.")
        return True

    async def _alarm(self, business: Business, code: str, message: str) -> None:
        await Alerts(self.settings.alert_url).classification(business, code, message, self.clock())

    async def _to_its_end(self, business: Business, due: datetime, then: datetime | None) -> None:
        """Classify in a thread, which cannot be stopped. Where the server ends before it has, the next one begins
        anew."""
        working = asyncio.ensure_future(asyncio.to_thread(self.classify, business, then))
        try:
            await asyncio.shield(working)
        except asyncio.CancelledError:
            await asyncio.wait({working}, timeout=END_SECONDS)
            if not working.done() or working.exception() is not None:
                await asyncio.to_thread(take, self.database, business.id, then, due)
            raise

    def _taken(self, business_id: int, then: datetime | None) -> datetime | None:
        """When it was due, where its time has come and nobody else has taken it."""
        due = due_time(self.database, business_id)
        if then is None or due is None or due > then:
            # A schedule that is new, or comes sooner than the one before.
            if due != then:
                take(self.database, business_id, due, then)
            return None
        return due if due <= self.clock() and take(self.database, business_id, due, then) else None

    def classify(self, business: Business, then: datetime | None) -> None:
        """Keep the labels of today, and write them where the business has settled a folder."""
        labels = KeptLabels(LabelStore(self.database, business.id, self.clock, self.classifiers))
        if business.settings.get("output_dir") is None:
            with labels.decided(None):
                return
        with RunFolder.held(folder_of(self.settings, business), filename_of(business)) as folder:
            source = StoreSource(Kept(self.database, business, self.clock, self.classifiers))
            Pipeline(source, labels, folder, self.clock).run(Wanted(next_run=then))
