"""Whether a copy may answer, decided in one state of the store, and what it answers with: the copy for whoever has not
changed since, the store's own rows for everybody else. So a customer comes wholly from one side, and the answer is the
store's own at that instant; where anything is amiss the store answers alone."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import select

from domain.errors import Unavailable
from persistence.lake.engines import CopyTables, Engine, Rows, Statement, find_tables
from persistence.lake.manifest import GONE, REPLACED, SLOW, UNREADABLE, Manifest, NoCopy, name_manifest
from persistence.lake.places import Address, Place
from persistence.lake.rows import (
    OWNERS,
    Asked,
    Standing,
    build_table,
    gather_ids,
    gather_rows,
    load_manifest,
    read_standing,
    select_standing,
    select_touched,
)
from persistence.lake.writing import BASE_SHARE
from persistence.tables.customers import customer_metrics

if TYPE_CHECKING:
    import pyarrow as pa

ANSWERED, AWAY = "answered", "the cluster is away"
SMALL = "too few purchases"
BROKEN = frozenset({GONE, "cannot be read"})
TELLING = BROKEN | {UNREADABLE, SLOW, "damaged", "another version", "of another store", "too large for memory"}
"""Reasons that somebody should look at."""
log = logging.getLogger("segments")


@dataclass(slots=True)
class Held:
    """What is known of the copy of one business: its manifest, and the instant of a write with the rows of whoever was
    touched up to it, None where too many were. Threads read and replace the two beside each other, so they are one."""

    place: Place
    manifest: Manifest
    seen: "tuple[int, dict[str, pa.Table] | None]" = (-1, None)


@dataclass
class Lake:
    """The copies of a store. `tell` is told how each question ended: answered, or why not; `fewest` purchases are what
    a business has a copy for."""

    address: Address
    engine: Engine
    fewest: int = 100_000
    tell: Callable[[str], None] = lambda outcome: None
    broken: dict[int, str] = field(default_factory=dict)
    """Generations whose files could not be read, by business: they are to be written anew."""
    _held: dict[int, Held] = field(default_factory=dict)
    _said: dict[int, str] = field(default_factory=dict)

    def open_place(self, store: str, business_id: int) -> Place:
        """Where the files of a business are."""
        return self.address.open(store, str(business_id))

    def note(self, business_id: int, outcome: str) -> None:
        """Tell it, and say it once where somebody should know."""
        self.tell(outcome)
        before = self._said.get(business_id, ANSWERED)
        self._said[business_id] = outcome
        if outcome in TELLING and outcome != before:
            log.warning("the columnar copy of business %s does not answer: it is %s", business_id, outcome)
        elif outcome == ANSWERED and before in TELLING:
            log.warning("the columnar copy of business %s answers again", business_id)

    async def answer(self, connection: Asked, business_id: int, statement: Statement) -> Rows:
        """The rows, as the connection's transaction sees the store; NoCopy says why there are none. Unavailable where
        the engine is a cluster that is away."""
        tables = await self.open_tables(connection, business_id, find_tables(statement))
        try:
            rows = await self.engine.run(tables, statement)
        except NoCopy as reason:
            if str(reason) in BROKEN:
                self.broken[business_id] = tables.manifest.generation
            raise
        except Unavailable:
            self.note(business_id, AWAY)
            raise
        self.note(business_id, ANSWERED)
        return rows

    async def open_tables(self, connection: Asked, business_id: int, names: Collection[str]) -> CopyTables:
        """What a statement on these tables is to be run over, as the connection's transaction sees the store; NoCopy
        says why there is nothing."""
        row = (await connection.execute(select_standing(business_id))).one_or_none()
        standing = read_standing(row)
        if standing.purchases < self.fewest:
            raise NoCopy(SMALL)
        held = self._held.get(business_id)
        if held is None or held.manifest.generation != standing.generation or held.manifest.epoch != standing.epoch:
            before = held
            place = self.open_place(standing.store, business_id)
            try:
                held = Held(place, await asyncio.to_thread(load_manifest, place, business_id, standing))
            except OSError as error:
                raise NoCopy(UNREADABLE) from error
            self._held[business_id] = held
            # Who reads beside this one may still be at the generation before.
            known = [one.manifest for one in (before, held) if one is not None]
            files = {name for one in known for name in (name_manifest(one.generation), *one.files)}
            with suppress(OSError):
                await asyncio.to_thread(place.keep_fetched, files)
        touched = await self._load_touched(connection, standing, held, names)
        return CopyTables(held.manifest, held.place, touched)

    async def _load_touched(
        self, connection: Asked, standing: Standing, held: Held, names: Collection[str]
    ) -> "Mapping[str, pa.Table]":
        """The rows of whoever changed since the copy, none where nobody did. They are kept as long as nothing is
        written: an instant is that of one write alone."""
        manifest, business_id = held.manifest, held.manifest.business
        if manifest.newest.instant == standing.instant:
            return {}
        instant, known = held.seen
        if instant != standing.instant:
            most = int(BASE_SHARE * manifest.base.customers)
            which = select_touched(business_id, manifest.newest.instant)
            texts = (await connection.execute(gather_ids(which, most + 1))).one()
            replaced = await asyncio.to_thread(build_table, REPLACED, texts)
            known = {REPLACED: replaced} if replaced.num_rows <= most else None
            held.seen = (standing.instant, known)
        if known is None:
            raise NoCopy("too much has changed")
        if known[REPLACED].num_rows:
            changed = select(customer_metrics.c.customer_id).where(
                customer_metrics.c.business_id == business_id,
                customer_metrics.c.changed_at > manifest.newest.instant,
            )
            for name in names:
                if name not in known:
                    theirs = OWNERS[name].in_(changed)
                    texts = (await connection.execute(gather_rows(business_id, name, theirs))).one()
                    known[name] = await asyncio.to_thread(build_table, name, texts)
        # What is read beside this one may add to what is held.
        return dict(known) if known[REPLACED].num_rows else {}
