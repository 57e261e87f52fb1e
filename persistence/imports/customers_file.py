"""A file of customers into the store, in batches that each commit whole. A row that is refused is named with its line
and reason, and reading goes on."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from domain.calendar import load_zone, read_instant
from domain.customers.customers import Customers
from domain.errors import InvalidInput
from domain.imports.columns import (
    RowFault,
    check_encoding,
    check_text,
    count_noun,
    describe_columns,
    format_row,
    normalise_header,
    unquote_text,
)
from domain.imports.model import ImportSummary, describe_failure
from domain.imports.rejects import RejectsSource, describe_kind, is_rejects_header
from domain.imports.rows import PurchaseSource, RejectedRow
from domain.model import Actor, Business, NewCustomer, WriteCounts
from persistence.sources.csv import CsvSource

FIELDS = {
    "customerid": "external_id",
    "customer": "external_id",
    "clientid": "external_id",
    "name": "name",
    "email": "email",
    "loyaltylevel": "loyalty_level",
    "registeredat": "registered_at",
}
BATCH = 5_000


@dataclass(frozen=True, slots=True)
class CustomersFile:
    """A file whose header names customers."""

    source: PurchaseSource
    places: dict[str, int]

    @classmethod
    def read(cls, file: Path) -> "CustomersFile":
        """Look at the header before anything is written."""
        source: PurchaseSource = CsvSource(file)
        if is_rejects_header(source.header):
            source = RejectsSource(source)
        places: dict[str, int] = {}
        for place, name in enumerate(source.header):
            known = FIELDS.get(normalise_header(name))
            if known is not None:
                places.setdefault(known, place)
        if "external_id" not in places:
            raise InvalidInput(
                f"Missing required columns: customer_id. Columns seen: {describe_columns(source.header)}."
            )
        return cls(source, places)

    @property
    def ignored(self) -> list[str]:
        """The columns that are left out."""
        return [name.strip() for place, name in enumerate(self.source.header) if place not in self.places.values()]

    def read_customer(self, cells: Sequence[str], business: Business) -> NewCustomer:
        """The row's customer; RowFault with the reason of a refusal."""
        if len(cells) != len(self.source.header):
            raise RowFault(f"the row has {count_noun(len(cells), 'cell')}, the header has {len(self.source.header)}")
        check_encoding(cells)
        values = {
            name: check_text(unquote_text(cells[place].strip()), name) or None for name, place in self.places.items()
        }
        external_id = values.pop("external_id")
        if external_id is None:
            raise RowFault("no customer")
        registered = values.pop("registered_at", None)
        try:
            at = None if registered is None else read_instant(registered, load_zone(business.time_zone))
        except ValueError as error:
            raise RowFault(f"registered_at {error}") from error
        columns = frozenset(name for name in self.places if name != "external_id")
        return NewCustomer(external_id, registered_at=at, given=columns, **values)

    async def import_into(
        self,
        customers: Customers,
        business: Business,
        reject: Callable[[RejectedRow], None],
        progress: Callable[[int], None],
    ) -> ImportSummary:
        """Import the rows; `reject` is told of each that is refused, `progress` how many were read."""
        kinds = Counter[str]()

        def count(row: RejectedRow) -> None:
            kinds[describe_kind(row.reason)] += 1
            reject(row)

        batch = CustomerBatch(customers, business, count)
        for line, cells in self.source.read_rows():
            batch.read += 1
            try:
                item = self.read_customer(cells, business)
            except RowFault as fault:
                batch.refuse(line, format_row(cells), str(fault))
                continue
            await batch.take(line, format_row(cells), item)
            progress(batch.read)
        await batch.flush()
        if batch.read == 0:
            raise InvalidInput(f"No data found in {self.source.name}.")
        done, failure = batch.counts, describe_failure(batch.read, kinds)
        return ImportSummary(batch.read, done.created, done.updated, done.unchanged, batch.rejected, failure=failure)


@dataclass(slots=True)
class CustomerBatch:
    """Rows on their way into the store, and what has become of them. Of two rows of one customer the later holds; the
    earlier changes nothing and is counted so. `known_only`: those of customers who are not there are left out."""

    customers: Customers
    business: Business
    keep: Callable[[RejectedRow], None]
    known_only: bool = False
    read: int = 0
    rejected: int = 0
    counts: WriteCounts = field(default_factory=WriteCounts)
    batch: dict[str, tuple[int, str, NewCustomer]] = field(default_factory=dict)

    def refuse(self, line: int, text: str, reason: str) -> None:
        """Count and list a row."""
        self.rejected += 1
        self.keep(RejectedRow(line, text, reason))

    async def take(self, line: int, text: str, item: NewCustomer) -> None:
        """Keep the row until its batch is full."""
        if item.external_id in self.batch:
            self.counts = replace(self.counts, unchanged=self.counts.unchanged + 1)
        self.batch[item.external_id] = (line, text, item)
        if len(self.batch) >= BATCH:
            await self.flush()

    async def flush(self) -> None:
        """Commit the batch; rows that the store refuses are left out of it."""
        rows, self.batch = list(self.batch.values()), {}
        try:
            done = await self._write(rows)
        except InvalidInput as error:
            refused = {int(problem.field[1]): problem.message for problem in error.problems}
            for place, reason in refused.items():
                self.refuse(rows[place][0], rows[place][1], reason)
            done = await self._write([row for place, row in enumerate(rows) if place not in refused])
        before = self.counts
        self.counts = WriteCounts(
            before.created + done.created, before.updated + done.updated, before.unchanged + done.unchanged
        )

    async def _write(self, rows: Sequence[tuple[int, str, NewCustomer]]) -> WriteCounts:
        items = [item for _, _, item in rows]
        return await self.customers.upsert(
            self.business, items, Actor("command line"), limit=BATCH, known_only=self.known_only
        )
