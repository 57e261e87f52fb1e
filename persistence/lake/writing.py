"""Writing a copy: a base of all customers, or a delta of those who were touched since, from one state of the store, by
the one worker who holds the lease. The files come first, then the manifest, then, in one short transaction, the store's
word that this generation is in force: whoever is killed in between leaves files that the next one takes away. The
generation before stays for whoever reads it."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, or_, select, update
from sqlalchemy.exc import DBAPIError

from domain.calendar import Clock, to_micros
from persistence.database.dialects import make_insert
from persistence.database.engines import Database
from persistence.database.transactions import choose_reading, choose_writing, require_step, translate_errors
from persistence.lake.manifest import CUSTOMER, LINE, METRICS, PURCHASE, REPLACED, Manifest, NoCopy, Part, name_manifest
from persistence.lake.places import TOUCHED, Place
from persistence.lake.rows import (
    OWNERS,
    SOURCES,
    Standing,
    build_table,
    gather_rows,
    load_manifest,
    read_standing,
    select_standing,
    select_touched,
)
from persistence.tables.copies import ColumnarCopyRow, columnar_copy, removed_customer, store_identity
from persistence.tables.customers import customer_metrics

if TYPE_CHECKING:
    import pyarrow as pa

LEASE_SECONDS, HEARTBEAT_SECONDS, TOUCHED_SECONDS = 60, 10, 3600
DELTA_EVERY = timedelta(hours=1)
"""How old a copy may be before a delta is written, if anybody was touched."""
DELTA_SHARE, BASE_SHARE = 0.05, 0.2
"""Of the customers: touched since the copy, from which on a delta is written at once; touched since the base, from
which on a new base is, and beyond which a copy does not answer."""
FILE_ROWS, GROUP_ROWS, READ_ROWS = 1 << 20, 1 << 17, 1 << 17
"""Of a file, of a group of rows in it, and about so many are read from the store at a time."""
FIRST_SPAN, LONGEST_SPAN = 1 << 10, 1 << 24
"""Ids of customers that are read at a time."""
log = logging.getLogger("segments")
ORDER = {PURCHASE: "local_day", METRICS: "last_day", LINE: "purchase_id", REPLACED: "customer_id", CUSTOMER: "id"}


class LeaseLost(Exception):
    """Another worker writes the copy."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be written in one state of the store: a delta to the base, or a base where that is None; `before` is
    what is in force, where that can be read."""

    standing: Standing
    before: Manifest | None
    base: Part | None
    due: bool


@dataclass
class CopyWriter:
    """Writes the copy of one business. Blocks: not for the event loop. `step` is told what has just been done, and may
    raise what ends the writing."""

    database: Database
    business_id: int
    place: Place
    clock: Clock
    step: Callable[[str], None] = lambda what: None
    owner: str = field(default_factory=lambda: uuid4().hex)

    def renew(self, *, whole: bool = False, broken: str = "") -> Manifest | None:
        """Write what is due: a base where there is no copy, it is of another history, or too much has changed; else a
        delta where it is old or much has; None where nothing is. `whole` asks for a base, and so does `broken`, where
        that generation is in force, whose files cannot be read. LeaseLost where another worker writes, NoCopy where the
        business is gone, OSError where the place is full, gone or may only be read."""
        with translate_errors():
            with self._read() as connection:
                if not self._plan(connection, whole, broken).due:
                    return None
            self._take_lease()
            try:
                return self._renew(whole, broken)
            finally:
                # Where the store cannot be told, the lease ends by itself.
                with suppress(DBAPIError):
                    self._release()

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        """One state of the store."""
        with self.database.bulk.connect() as connection:
            connection.execution_options(**choose_reading(self.database.dialect))
            yield connection
            connection.rollback()

    def _plan(self, connection: Connection, whole: bool, broken: str) -> Plan:
        standing = read_standing(connection.execute(select_standing(self.business_id)).one_or_none())
        try:
            before = load_manifest(self.place, self.business_id, standing)
            if before.files <= set(self.place.list_names()):
                anew = whole or before.generation == broken
                base = None if anew else self._find_base(connection, before)
                return Plan(standing, before, base, base is None or self._is_due(connection, before))
        except NoCopy:
            pass
        return Plan(standing, None, None, True)

    def _renew(self, whole: bool, broken: str) -> Manifest | None:
        self.step("leased")
        with self._read() as connection:
            # Another worker may have been first.
            plan = self._plan(connection, whole, broken)
            if not plan.due:
                return None
            standing, before, base = plan.standing, plan.before, plan.base
            generation = uuid4().hex
            files = self._write_files(connection, standing, generation, base)
        own = (standing.store, standing.epoch, self.business_id, generation)
        manifest = Manifest(*own, files) if base is None else Manifest(*own, base, files)
        self.place.put(name_manifest(generation), lambda path: _write_bytes(path, manifest.write()))
        self.step("manifest written")
        self._put_in_force(manifest, standing.generation)
        self.step("in force")
        self._remove_others(manifest, *([] if before is None else [before]))
        return manifest

    def _find_base(self, connection: Connection, before: Manifest) -> Part | None:
        """The base that a delta can be written to; None where a new one is due."""
        touched = self.count_touched(connection, before.base)
        return before.base if touched <= BASE_SHARE * before.base.customers else None

    def _is_due(self, connection: Connection, before: Manifest) -> bool:
        touched = self.count_touched(connection, before.newest)
        old = self.clock() - before.newest.written_at >= DELTA_EVERY
        return touched > (0 if old else DELTA_SHARE * before.base.customers)

    def count_touched(self, connection: Connection, since: Part) -> int:
        """How many customers changed since, or were removed."""
        touched = select_touched(self.business_id, since.instant).subquery("touched")
        return int(connection.execute(select(func.count()).select_from(touched)).scalar_one())

    def _write_files(self, connection: Connection, standing: Standing, generation: str, base: Part | None) -> Part:
        """The files of all customers, or of those who were touched since the base."""
        files: dict[str, tuple[str, ...]] = {}
        counts: dict[str, int] = {}
        if base is not None:
            touched = connection.execute(select_touched(self.business_id, base.instant)).scalars()
            files[REPLACED], _ = self._write_table(REPLACED, generation, [_build_ids(touched)])
        for name in SOURCES:
            more = [] if base is None else [_was_changed(name, self.business_id, base.instant)]
            tables = self._read_table(connection, name, standing.customers, more)
            files[name], counts[name] = self._write_table(name, generation, tables)
        return Part(standing.change_number, standing.instant, counts[METRICS], counts[PURCHASE], files)

    def _read_table(
        self, connection: Connection, name: str, highest: int, more: Iterable[ColumnElement[bool]]
    ) -> "Iterator[pa.Table]":
        """What there is of the table, by customers, in spans of about as many rows each."""
        owner = OWNERS[name]
        low, span = 1, FIRST_SPAN
        alive_until = time.monotonic() + HEARTBEAT_SECONDS
        while low <= highest:
            some = owner.between(low, low + span - 1)
            table = build_table(name, connection.execute(gather_rows(self.business_id, name, some, *more)).one())
            yield table
            self.step(f"{name} read")
            low += span
            span = min(LONGEST_SPAN, max(1, min(4 * span, span * READ_ROWS // max(1, table.num_rows))))
            if time.monotonic() >= alive_until:
                alive_until = time.monotonic() + HEARTBEAT_SECONDS
                self._keep_lease()

    def _write_table(self, name: str, generation: str, tables: "Iterable[pa.Table]") -> tuple[tuple[str, ...], int]:
        """The names of its files, and how many rows they hold."""
        names: list[str] = []
        waiting: list[pa.Table] = []
        rows = waits = 0

        def write() -> None:
            file = f"{generation}.{name}.{len(names)}.parquet"
            self.place.put(file, lambda path: _write_parquet(path, waiting, ORDER[name]))
            self.step(f"{name} written")
            names.append(file)
            waiting.clear()

        for table in tables:
            if table.num_rows:
                waiting.append(table)
                waits += table.num_rows
                rows += table.num_rows
            if waits >= FILE_ROWS:
                write()
                waits = 0
        if waiting:
            write()
        return tuple(names), rows

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        """A short transaction that changes no data of the business."""
        with self.database.bulk.connect() as connection:
            connection.execution_options(**choose_writing(self.database.dialect))
            with connection.begin():
                require_step(connection)
                yield connection

    def _take_lease(self) -> None:
        """Hold the lease, which nobody does; LeaseLost where another does."""
        now, own = to_micros(self.clock()), columnar_copy.c
        with self._write() as connection:
            mine = make_insert(self.database.dialect, ColumnarCopyRow).values(business_id=self.business_id)
            connection.execute(mine.on_conflict_do_nothing())
            # Nobody leases for so long, whose clock differs by less than a lease: the clock went back since.
            beyond = own.leased_until > now + 2 * LEASE_SECONDS * 1_000_000
            self._hold_lease(connection, now, or_(own.owner.is_(None), own.leased_until < now, beyond))

    def _keep_lease(self) -> None:
        """Hold it for longer. LeaseLost also where nobody holds it: another did since, and wrote what is newer."""
        with self._write() as connection:
            self._hold_lease(connection, to_micros(self.clock()), columnar_copy.c.owner == self.owner)

    def _hold_lease(self, connection: Connection, now: int, where: ColumnElement[bool]) -> None:
        own, until = columnar_copy.c, now + LEASE_SECONDS * 1_000_000
        held = update(columnar_copy).where(own.business_id == self.business_id, where)
        if connection.execute(held.values(owner=self.owner, leased_until=until)).rowcount != 1:
            raise LeaseLost

    def _release(self) -> None:
        own = columnar_copy.c
        with self._write() as connection:
            mine = and_(own.business_id == self.business_id, own.owner == self.owner)
            connection.execute(update(columnar_copy).where(mine).values(owner=None))

    def _put_in_force(self, manifest: Manifest, before: str) -> None:
        """Let the store say that this is its copy, in place of the one that was in force when it was planned; LeaseLost
        where another writes or wrote since, or another store was restored."""
        own, gone, newest = columnar_copy.c, removed_customer.c, manifest.newest
        same = exists().where(store_identity.c.id == manifest.store, store_identity.c.epoch == manifest.epoch)
        mine = (own.business_id == self.business_id, own.owner == self.owner, own.generation == before, same)
        values = {"generation": manifest.generation, "change_number": newest.change_number, "instant": newest.instant}
        with self._write() as connection:
            if connection.execute(update(columnar_copy).where(*mine).values(**values)).rowcount != 1:
                raise LeaseLost
            past = (gone.business_id == self.business_id, gone.removed_at <= manifest.base.instant)
            connection.execute(delete(removed_customer).where(*past))

    def _remove_others(self, *kept: Manifest) -> None:
        """Take away what none of these generations needs; what cannot be is told, and left to the next writer."""
        needed = {name for one in kept for name in (name_manifest(one.generation), *one.files)}
        trouble: OSError | None = None
        try:
            for name in self.place.list_names():
                if name not in needed and not self._is_read(name):
                    try:
                        self.place.remove([name])
                    except OSError as error:
                        trouble = error
            self.place.remove_unfinished()
        except OSError as error:
            trouble = error
        if trouble is not None:
            log.warning("files that the copy of business %s left cannot be removed: %s", self.business_id, trouble)

    def _is_read(self, name: str) -> bool:
        """Whether the file may be what a statement of other machines reads besides the copy."""
        kind, second, *_ = name.split(".")
        return kind == TOUCHED and self.clock().timestamp() < int(second) + TOUCHED_SECONDS


def _was_changed(name: str, business_id: int, since: int) -> ColumnElement[bool]:
    """Whether the row's customer was touched after the instant; whoever was removed has no rows."""
    metrics = customer_metrics.c
    if name == METRICS:
        return metrics.changed_at > since
    changed = select(metrics.customer_id).where(metrics.business_id == business_id, metrics.changed_at > since)
    return OWNERS[name].in_(changed)


def _build_ids(ids: Iterable[int]) -> "pa.Table":
    import pyarrow as pa

    return pa.table({"customer_id": pa.array(ids, pa.int64())})


def _write_parquet(path: Path, tables: "list[pa.Table]", order: str) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    together = pa.concat_tables(tables).sort_by(order)
    parquet.write_table(together, path, compression="zstd", row_group_size=GROUP_ROWS)


def _write_bytes(path: Path, content: bytes) -> None:
    path.write_bytes(content)
