"""What keeps copies fresh: beside the other work of a server a loop looks at every business that is large enough, and
lets the writer write what is due, in a thread. Whatever goes wrong there is told and tried again later; until then the
store answers, or the copy that there is."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event

from sqlalchemy import select

from domain.calendar import Clock
from domain.errors import Conflict, DomainError, InvalidInput, Unavailable
from persistence.database.engines import Database
from persistence.database.transactions import choose_reading, translate_errors
from persistence.lake.manifest import GONE, UNREADABLE, Manifest, NoCopy, Part
from persistence.lake.reading import Lake
from persistence.lake.rows import load_manifest, read_standing, select_standing
from persistence.lake.writing import CopyWriter, LeaseLost
from persistence.tables.businesses import business
from persistence.tables.copies import store_identity

LOOK_SECONDS, REST_SECONDS = 10.0, 300.0
"""Between two looks at every business, and at one whose copy could not be written."""
BASE, DELTA, FAILED = "base", "delta", "failed"
"""How the writing of a copy ended."""
BUSINESSES = select(store_identity.c.id, business.c.id, business.c.next_purchase - 1).join_from(
    business, store_identity, store_identity.c.id.is_not(None)
)
"""The store, and its businesses with no fewer purchases than there are."""
log = logging.getLogger("segments")


class Stopped(Exception):
    """Whoever waited for the copy waits no longer."""


@dataclass(frozen=True, slots=True)
class CopyState:
    """What there is of a copy: `touched` customers have changed since; `manifest` is None where there is none, and
    `trouble` says why."""

    purchases: int
    manifest: Manifest | None
    touched: int
    trouble: str

    @property
    def newest(self) -> Part | None:
        return None if self.manifest is None else self.manifest.newest


@dataclass(slots=True)
class Renewal:
    """Renews the copies of a store. `tell` is told how each writing ended; `step` what it has just done."""

    database: Database
    lake: Lake
    clock: Clock
    tell: Callable[[str], None] = lambda outcome: None
    step: Callable[[str], None] = lambda what: None
    _rests_until: dict[int, float] = field(default_factory=dict)
    _trouble: dict[int, str] = field(default_factory=dict)

    async def run_forever(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                await self.run_once()
            except Exception as error:
                log.warning("columnar copies cannot be looked at now: %s", type(error).__name__)
            await asyncio.sleep(LOOK_SECONDS)

    async def run_once(self) -> None:
        """Write what is due in every business."""
        for store, business_id in await self._load_large():
            if time.monotonic() < self._rests_until.get(business_id, 0.0):
                continue
            broken = self.lake.broken.pop(business_id, "")
            try:
                written = await self.renew(store, business_id, broken=broken)
                if broken and written is not None:
                    # Whatever broke the last one may break this one.
                    self._rests_until[business_id] = time.monotonic() + REST_SECONDS
            except LeaseLost:
                pass
            except (OSError, NoCopy, DomainError) as error:
                self._fail(business_id, str(error) or type(error).__name__)
            except Exception:
                self._fail(business_id, "the program failed")
                log.exception("the columnar copy of business %s", business_id)
            else:
                self._trouble.pop(business_id, None)

    def _fail(self, business_id: int, trouble: str) -> None:
        self.tell(FAILED)
        self._rests_until[business_id] = time.monotonic() + REST_SECONDS
        if self._trouble.get(business_id) != trouble:
            log.warning("the columnar copy of business %s cannot be written: %s", business_id, trouble)
            self._trouble[business_id] = trouble

    async def renew(self, store: str, business_id: int, *, whole: bool = False, broken: str = "") -> Manifest | None:
        """Write what is due of one, a base in any case where that is asked for, or where the generation in force is
        `broken`; None where nothing was due. What CopyWriter.renew raises."""
        stopped = Event()

        def note(what: str) -> None:
            if stopped.is_set():
                raise Stopped
            self.step(what)

        place = self.lake.open_place(store, business_id)
        writer = CopyWriter(self.database, business_id, place, self.clock, note)
        began = time.monotonic()
        work = asyncio.ensure_future(asyncio.to_thread(writer.renew, whole=whole, broken=broken))
        try:
            manifest = await asyncio.shield(work)
        except asyncio.CancelledError:
            stopped.set()
            await asyncio.wait({work})
            work.exception()
            raise
        if manifest is not None:
            kind = BASE if manifest.delta is None else DELTA
            self.tell(kind)
            newest, took = manifest.newest, time.monotonic() - began
            told = (kind, business_id, newest.customers, newest.purchases, took)
            log.info("columnar copy: %s of business %s written, %s customers, %s purchases, %.1f s", *told)
        return manifest

    async def _load_large(self) -> Sequence[tuple[str, int]]:
        large = BUSINESSES.where(business.c.next_purchase > self.lake.fewest).order_by(business.c.id)
        with translate_errors():
            async with self.database.reader.connect() as connection:
                return [(store, key) for store, key, _ in await connection.execute(large)]

    async def renew_now(self, business_id: int, *, whole: bool = False) -> Manifest | None:
        """The same for whoever asks for it: InvalidInput where the business is too small, Conflict where another
        worker writes, Unavailable where the place cannot be written to."""
        statement = BUSINESSES.where(business.c.id == business_id)
        with translate_errors():
            async with self.database.reader.connect() as connection:
                store, _, purchases = (await connection.execute(statement)).one()
        if purchases < self.lake.fewest:
            raise InvalidInput(
                f"The business has {purchases:,} purchases; copies are of {self.lake.fewest:,} and more, as "
                "SEGMENTS_LAKE_MINIMUM_PURCHASES says"
            )
        try:
            return await self.renew(store, business_id, whole=whole)
        except LeaseLost as error:
            raise Conflict("Another worker is writing this copy") from error
        except OSError as error:
            raise Unavailable(f"The copy cannot be written: {error}") from error

    def describe(self, business_id: int) -> CopyState:
        """What there is of its copy. Blocks."""
        with translate_errors(), self.database.bulk.connect() as connection:
            connection.execution_options(**choose_reading(self.database.dialect))
            standing = read_standing(connection.execute(select_standing(business_id)).one_or_none())
            place = self.lake.open_place(standing.store, business_id)
            try:
                manifest = load_manifest(place, business_id, standing)
                if not manifest.files <= set(place.list_names()):
                    raise NoCopy(GONE)
            except NoCopy as reason:
                return CopyState(standing.purchases, None, 0, str(reason))
            except OSError:
                return CopyState(standing.purchases, None, 0, UNREADABLE)
            writer = CopyWriter(self.database, business_id, place, self.clock)
            touched = writer.count_touched(connection, manifest.newest)
            connection.rollback()
        return CopyState(standing.purchases, manifest, touched, "")
