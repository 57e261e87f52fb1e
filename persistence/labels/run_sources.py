"""What a run of the classification brings into the store: a file, a MongoDB collection, or nothing where the store
itself is the source. How far each was read, and what the run was asked, is kept between runs; only what is beyond doubt
is left out the next time, else all of it is read again."""

import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from domain.calendar import Clock
from domain.classification.pipeline import ImportedRows
from domain.classifiers import Classifiers
from domain.customers.customers import Customers
from domain.errors import InvalidInput, Names, Sentence
from domain.imports.formats import SourceFormat
from domain.imports.model import ImportSummary, RejectReason, add_reasons
from domain.imports.presets import PURCHASES
from domain.imports.rows import PurchaseSource, RejectedRow, StagedColumns
from domain.imports.sources import Collection
from domain.model import Business
from persistence.database.engines import Database, run_alone
from persistence.database.transactions import choose_writing
from persistence.imports.importer import PurchaseImporter, pause_collector
from persistence.imports.plain import PlainRows
from persistence.sources.appended import (
    LARGEST_TAIL,
    AppendedCsv,
    FileMark,
    SourceState,
    WatchedCsv,
    forget_state,
    has_no_other_writes,
    load_staged_rows,
    read_data_version,
    read_state,
    write_state,
)
from persistence.sources.csv import CsvSource
from persistence.sources.opening import (
    OpenedPurchases,
    SourceOpener,
    make_header_rater,
    open_encoded,
    open_purchases,
    settle_format,
)
from persistence.store import SqlStore
from persistence.tables.businesses import business as business_table
from persistence.tables.imports import purchase_import

READING = 2
"""Raised when the same file would be read otherwise, so that nothing is left out of it."""
MOST_IMPORTS = 100
MOST_ORDERS = 1_000
"""Orders with rejected rows that are kept in mind: more rows of them are read with all the others."""
ACTOR = "classification"
log = logging.getLogger("segments.imports")


@dataclass(slots=True)
class RunSource(ABC):
    """A source of one business: how far it was read and what runs were asked, kept in the store between runs under the
    name `key`."""

    database: Database
    business: Business
    clock: Clock
    classifiers: Classifiers

    @property
    @abstractmethod
    def key(self) -> str:
        """The name of its state."""

    def read_kept(self) -> tuple[SourceState | None, int, int]:
        """What is kept of the source; the business's data version and change number."""
        with self.database.bulk.begin() as connection:
            state = read_state(connection, self.business.id, self.key)
            number = select(business_table.c.change_number).where(business_table.c.id == self.business.id)
            change = int(connection.execute(number).scalar_one())
            return state, read_data_version(connection, self.business.id), change

    def build_request(self, as_of: date | None, output: str) -> dict[str, object]:
        """What a run is asked, under which settings and classifiers, as it is kept."""
        day = None if as_of is None else as_of.isoformat()
        under = {"settings": self.business.settings_version, "classifiers": self.classifiers.mark}
        return {"as_of": day, "output": output, **under}

    def build_question(self, as_of: date | None, output: str) -> str:
        """What the output of such a run answers."""
        return json.dumps([self.business.key, self.key, self.build_request(as_of, output)], ensure_ascii=False)

    def record_success(self, as_of: date | None, output: str) -> None:
        """This version of the store, with all that was read, is classified."""
        _, version, _ = self.read_kept()
        self.write_kept(self.build_request(as_of, output), version)

    def has_undone(self, imports: Sequence[object]) -> bool:
        """Whether one of these imports was taken back, or is being."""
        table = purchase_import.c
        gone = select(table.id).where(
            table.business_id == self.business.id, table.id.in_(imports), table.undo_begun_at.is_not(None)
        )
        with self.database.bulk.begin() as connection:
            return connection.execute(gone.limit(1)).first() is not None

    def load_reasons(self, imports: Sequence[int]) -> Sequence[Mapping[str, object]]:
        """Why these imports rejected rows."""

        async def load() -> Mapping[int, list[RejectReason]]:
            async with SqlStore(self.database, self.clock).read(self.business) as unit:
                return await unit.imports.load_reject_reasons(imports)

        found = run_alone(self.database, load())
        return list(map(asdict, add_reasons(chain.from_iterable(found.values()))))

    def write_kept(self, state: Mapping[str, Any], version: int) -> None:
        with begin_write(self.database) as connection:
            write_state(connection, self.business.id, self.key, state, version, self.clock())

    def forget_kept(self) -> None:
        """Keep nothing, so that the source counts as changed."""
        with begin_write(self.database) as connection:
            forget_state(connection, self.business.id, self.key)


def count_rows(summary: ImportSummary, reasons: Sequence[RejectReason]) -> ImportedRows:
    """What became of the rows of an import."""
    return ImportedRows(
        summary.rows_read,
        summary.rejected,
        list(map(asdict, reasons)),
        summary.created,
        summary.updated,
        summary.unchanged,
    )


@contextmanager
def begin_write(database: Database) -> Iterator[Connection]:
    """A transaction that waits for the write lock first of all."""
    with database.bulk.connect() as connection:
        connection.execution_options(**choose_writing(database.dialect))
        with connection.begin():
            yield connection


@dataclass(slots=True)
class StoreSource(RunSource):
    """The store as it is."""

    name: str = "store"

    @property
    def key(self) -> str:
        return "store"

    def is_unchanged(self, as_of: date | None, output: str) -> bool:
        """Whether no purchases, customers or settings changed since."""
        state, version, _ = self.read_kept()
        return (
            state is not None
            and state.data_version == version
            and self.build_request(as_of, output).items() <= state.state.items()
        )

    def sync_store(self, force: bool) -> ImportedRows:
        """It is there already."""
        return ImportedRows()


@dataclass(slots=True)
class FileSource(RunSource):
    """A file of purchases."""

    customers: Customers
    path: Path
    options: SourceFormat
    names: Names = str
    name: str = "csv"
    pending: tuple[dict[str, Any], int] | None = None
    rejected: set[str] = field(default_factory=set)

    @property
    def key(self) -> str:
        """The name of its state."""
        return f"csv:{self.path.absolute()}"

    def is_unchanged(self, as_of: date | None, output: str) -> bool:
        """Whether size and content are those of the last run that succeeded, read the same way."""
        state, _, _ = self.read_kept()
        if (
            state is None
            or not self.build_request(as_of, output).items() <= state.state.items()
            or not self.path.is_file()
        ):
            return False
        if state.state.get("how") != self.describe_reading() or self.path.stat().st_size != state.state.get("size"):
            return False
        if self.has_undone(state.state.get("imports", ())):
            return False
        return FileMark.of(self.path).digest == state.state.get("sha256")

    def describe_reading(self) -> str:
        """What decides how the file's rows are understood, besides the file."""
        business = self.business
        form = settle_format(self.options, business, self.database, PURCHASES)
        return f"{READING}:{business.currency}:{business.time_zone}:{form!r}"

    def sync_store(self, force: bool) -> ImportedRows:
        """Import the file, or what was appended to it since, or nothing where nothing was."""
        before, version, change = self.read_kept()
        last = before.state if before is not None and before.data_version == version and not force else {}
        if last.get("how") != self.describe_reading() or not self.path.is_file():
            last = {}
        mark = FileMark.of(self.path, last.get("size")) if self.path.is_file() else None
        same = mark is not None and bool(last) and mark.head == last.get("sha256")
        if mark is None or not same:
            return self._import_whole(mark, change)
        if mark.size == last["size"]:
            self.pending = ({**last, "modified": mark.modified}, version)
            reasons = self.load_reasons(last["imports"]) if last["rejected"] else ()
            return ImportedRows(last["rows"], last["rejected"], reasons)
        return self._import_tail(mark, change, last) or self._import_whole(mark, change)

    def record_success(self, as_of: date | None, output: str) -> None:
        """The file was read as far as its mark says."""
        if self.pending is None:
            self.forget_kept()
        else:
            state, version = self.pending
            self.write_kept({**state, **self.build_request(as_of, output)}, version)

    def _import_whole(self, mark: FileMark | None, change: int) -> ImportedRows:
        source = self._open_source()
        opened = open_purchases(source, self.business, self.options, self.names, self.database)
        if opened.form.append_lines:
            # A file that goes on would be added with all that it held before.
            message = Sentence("{append_lines} is for imports: what is classified or watched states orders completely")
            raise InvalidInput(message, ("append_lines",))
        summary = self._run_import(opened, opened.read_portions, None if mark is None else mark.digest)
        if summary.rows_read == 0:
            raise InvalidInput(f"No data found in {opened.name}.")
        summary.check()
        writes = run_alone(self.database, opened.finish(self.customers, self.business))
        can_grow = (
            mark is not None and isinstance(source, WatchedCsv) and not opened.of_orders and source.can_grow(mark)
        )
        counts = {"rows": summary.rows_read, "rejected": summary.rejected, "can_grow": can_grow, "orders": []}
        imports = [] if summary.import_id is None else [summary.import_id]
        self._remember(mark, change, {**counts, "imports": imports}, writes)
        return count_rows(summary, summary.reasons)

    def _open_source(self) -> PurchaseSource:
        form = settle_format(self.options, self.business, self.database, PURCHASES)
        rate = make_header_rater(form)
        source, form = open_encoded(self.path, form, rate)
        return WatchedCsv(self.path, form.file_form, rate) if isinstance(source, CsvSource) else source

    def _import_tail(self, mark: FileMark, change: int, last: Mapping[str, Any]) -> ImportedRows | None:
        """Import what was appended; None where the file has to be read whole."""
        if not last["can_grow"] or not mark.plain or mark.size - last["size"] > LARGEST_TAIL:
            return None
        if len(last["imports"]) > MOST_IMPORTS:
            return None
        form = settle_format(self.options, self.business, self.database, PURCHASES)
        rate = make_header_rater(form)
        _, form = open_encoded(self.path, form, rate)
        source = AppendedCsv(self.path, last["size"], last["lines"], form.file_form, rate)
        if not source.sound:
            return None
        opened = open_purchases(source, self.business, self.options, self.names, self.database)
        rejected: list[RejectedRow] = []
        portions = list(opened.read_rows(rejected.append))
        flawed = {row.order_id for row in rejected if row.order_id is not None}
        orders = {order for portion in portions for order in portion.order_id} | flawed
        if not orders.isdisjoint(last["orders"]):
            return None
        with self.database.bulk.begin() as connection:
            began = load_staged_rows(connection, self.business.id, orders, last["imports"])
        # A row that is rejected takes those of its order with it that stand in the old part.
        if began is None or not flawed.isdisjoint(began.order_id):
            return None

        def rows(reject: Callable[[RejectedRow], None]) -> Iterator[StagedColumns | PlainRows]:
            for row in rejected:
                reject(row)
            return chain([began] if began.line else [], portions)

        summary = self._run_import(opened, rows, None)
        writes = run_alone(self.database, opened.finish(self.customers, self.business))
        read, known = summary.rows_read, len(began.line)
        counts = {"rows": last["rows"] + read - known, "rejected": last["rejected"] + summary.rejected}
        can_grow = source.can_grow(mark)
        imports = [*last["imports"], summary.import_id]
        kept = {"can_grow": can_grow, "imports": imports, "orders": last["orders"]}
        self._remember(mark, change, {**counts, **kept}, writes)
        reasons = self.load_reasons(imports) if counts["rejected"] else ()
        return replace(count_rows(summary, ()), rows=counts["rows"], rejected=counts["rejected"], reasons=reasons)

    def _run_import(
        self,
        opened: OpenedPurchases,
        rows: Callable[[Callable[[RejectedRow], None]], Iterator[StagedColumns | PlainRows]],
        digest: str | None,
    ) -> ImportSummary:
        self.rejected.clear()

        def note_reject(row: RejectedRow) -> None:
            if row.order_id is not None and len(self.rejected) <= MOST_ORDERS:
                self.rejected.add(row.order_id)

        importer = PurchaseImporter(self.database, self.business, self.clock)
        with pause_collector():
            summary = importer.run(
                opened.name,
                rows,
                opened.read_texts,
                actor=ACTOR,
                rejects=note_reject,
                of_orders=opened.of_orders,
                digest=digest,
                stated=opened.stated,
                attributes=opened.kinds,
            )
        for warning in opened.warnings:
            log.warning("%s", warning)
        # The next connections begin with empty caches, so that the import's are not held beside those of the labels.
        self.database.bulk.dispose()
        return summary

    def _remember(self, mark: FileMark | None, change: int, counts: dict[str, Any], writes: int) -> None:
        """What is to be kept when the run succeeds; nothing where the file or the store changed meanwhile, but by the
        import and so many writes after it."""
        if mark is None or not mark.is_unchanged(self.path):
            self.pending = None
            return
        with self.database.bulk.begin() as connection:
            version = read_data_version(connection, self.business.id)
            by_itself = has_no_other_writes(connection, self.business.id, change, writes)
        state = {"how": self.describe_reading(), "size": mark.size, "modified": mark.modified, "sha256": mark.digest}
        orders = sorted({*counts["orders"], *self.rejected})
        can_grow = counts["can_grow"] and by_itself and len(orders) <= MOST_ORDERS
        kept = {"can_grow": can_grow, "orders": orders[:MOST_ORDERS]}
        self.pending = ({**state, "lines": mark.lines, **counts, **kept}, version)


@dataclass(slots=True)
class CollectionSource(RunSource):
    """A collection of any kind of database."""

    customers: Customers
    opener: SourceOpener
    wanted: Collection
    options: SourceFormat
    names: Names = str

    @property
    def name(self) -> str:
        """The kind of the database."""
        return self.wanted.source

    @property
    def key(self) -> str:
        """The name of its state, which says that a run succeeded with what was read."""
        return f"run:{self.name}:{self.wanted.database or ''}.{self.wanted.name or ''}"

    def open(self, whole: bool = False) -> OpenedPurchases:
        """The collection, from where it was last read to."""
        wanted = replace(self.wanted, whole=whole or self.wanted.whole)
        return self.opener.open(wanted, self.business, self.options, self.names)

    def is_unchanged(self, as_of: date | None, output: str) -> bool:
        """Whether it holds no document beyond the last one that a run succeeded with."""
        state, _, _ = self.read_kept()
        if state is None or not self.build_request(as_of, output).items() <= state.state.items():
            return False
        opened = self.open()
        return opened.may_be_empty and not opened.has_new()

    def sync_store(self, force: bool) -> ImportedRows:
        """Import what is new."""
        # Until the run has succeeded, what was read counts as changed.
        self.forget_kept()
        opened = self.open(force)
        importer = PurchaseImporter(self.database, self.business, self.clock)
        with pause_collector():
            summary = importer.run(
                opened.name,
                opened.read_portions,
                opened.read_texts,
                actor=ACTOR,
                of_orders=opened.of_orders,
                attributes=opened.kinds,
            )
        if summary.rows_read == 0 and not opened.may_be_empty:
            raise InvalidInput(f"No data found in {opened.name}.")
        if not opened.may_be_empty:
            summary.check()
        run_alone(self.database, opened.finish(self.customers, self.business))
        return count_rows(summary, summary.reasons)
