"""Customers into the store, in batches that each commit whole: those of a file of customers, where a row that is
refused is named with its line and reason, and what rows of purchases say of theirs."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from operator import itemgetter

from domain.calendar import from_micros, load_zone
from domain.customers.customers import Customers
from domain.errors import InvalidInput, Names
from domain.identifiers import ROUNDED, IdFault, find_id, normalise_id
from domain.imports.amounts import make_number_reader
from domain.imports.attribute_columns import AttributeCells, AttributeColumn, clean_cell, describe_found
from domain.imports.columns import (
    ATTRIBUTE,
    PROFILE_FIELDS,
    Columns,
    RowFault,
    check_encoding,
    check_text,
    describe_cleaned,
    format_row,
)
from domain.imports.dates import DateFault, DateReader
from domain.imports.formats import SourceFormat
from domain.imports.model import ImportSummary, RejectReason, add_reasons, describe_failure
from domain.imports.reader import RowReader
from domain.imports.rejects import describe_kind
from domain.imports.rows import Batch, PurchaseSource, RejectedRow
from domain.model import (
    PROFILE,
    PROFILE_TEXTS,
    Actor,
    Business,
    NewCustomer,
    WriteCounts,
)
from domain.texts import clean_text, find_unseen
from persistence.sources.spill import CustomerProfiles

BATCH = 5_000
SAMPLE = 500
"""Rows by which the kind of an attribute is found."""
NAME_PARTS = frozenset({"first_name", "last_name"})
NAMES = NAME_PARTS | {"name"}
ACTOR = Actor("command line")
REMEMBERED = 50_000
"""Customers of whom it is remembered what was said of them last."""


def read_profile(row: Mapping[str, str]) -> dict[str, str | None]:
    """What a row's texts, by field, say of its customer; None where they say nothing. RowFault where one cannot be
    kept."""
    values = {name: check_text(_clean(row[name]), name) or None for name in PROFILE_TEXTS if name in row}
    if not NAME_PARTS.isdisjoint(row):
        parts = (_clean(row.get(name, "")) for name in ("first_name", "last_name"))
        values["name"] = values.get("name") or check_text(" ".join(filter(None, parts)), "name") or None
    phone = values.get("phone")
    if phone is not None and ROUNDED.fullmatch(phone):
        raise RowFault(f"phone {phone[:40]!r} is in scientific notation: digits are lost. Export it as text")
    return values


def find_cleaned(row: Mapping[str, str]) -> dict[str, None]:
    """The fields of the row whose texts are kept without what cannot be seen in them."""
    return {name: None for name in PROFILE_FIELDS if name in row and find_unseen(row[name].strip()) is not None}


def _clean(cell: str) -> str:
    return clean_text(clean_cell(cell))


@dataclass(frozen=True, slots=True)
class CustomerReader:
    """Makes customers of rows, whose texts are known by field, as the format says they are written."""

    cells: AttributeCells
    prefix: str
    attributes: Sequence[AttributeColumn] = ()

    @classmethod
    def of(cls, file: "CustomersFile", time_zone: str) -> "CustomerReader":
        """A reader of the file's rows for a business in that zone."""
        form = file.form
        dates = DateReader(
            time_zone,
            form.date_format,
            typed=file.source.typed,
            mixed=file.mixed_dates,
            names=file.names,
            file_zone=form.file_time_zone,
            zones=form.zones,
        )
        cells = AttributeCells(load_zone(time_zone), dates, make_number_reader(form.amount_form, file.names))
        return cls(cells, form.customer_id_prefix or "")

    def read(self, row: Mapping[str, str]) -> NewCustomer:
        """The row's customer; RowFault with the reason of a refusal."""
        try:
            external_id = normalise_id(row["customer_id"], "the customer id")
        except IdFault as fault:
            raise RowFault(str(fault)) from fault
        if not external_id:
            raise RowFault("no customer")
        values = read_profile(row)
        return NewCustomer(
            f"{self.prefix}{external_id}",
            registered_at=self._read_instant("registered_at", clean_cell(row.get("registered_at", ""))),
            given=frozenset({*values, *row} & {*PROFILE}),
            attributes={one.name: self.cells.read_cell(one, row[one.field]) for one in self.attributes},
            **values,
        )

    def _read_instant(self, field: str, text: str) -> datetime | None:
        try:
            return from_micros(self.cells.dates(text)[0]) if text else None
        except DateFault as fault:
            raise RowFault(f"{field}: {fault}") from fault


@dataclass(frozen=True, slots=True)
class CustomersFile:
    """A file of customers whose header is understood: `source` has the columns of fields, `notes` are what people
    should know of it. Some of its dates are ISO 8601 beside the form that is told where they are `mixed_dates`."""

    file: PurchaseSource
    source: PurchaseSource
    form: SourceFormat
    ignored: Sequence[str]
    notes: list[str] = field(default_factory=list)
    mixed_dates: bool = False
    names: Names = str

    def _read_rows(self) -> Iterator[tuple[int, list[str], Mapping[str, str] | RowFault]]:
        """Line, cells and texts by field of each row, or what is wrong with it."""
        fields = self.source.header
        for batch in self.source.read_batches():
            for line, row, cells in zip(batch.lines, batch.rows, batch.raw or batch.rows, strict=True):
                if not row:
                    continue
                try:
                    if (fault := batch.faults.get(line)) is not None:
                        raise RowFault(fault)
                    check_encoding(cells)
                except RowFault as fault:
                    yield line, cells, fault
                    continue
                yield line, cells, dict(zip(fields, row, strict=True))

    async def import_into(
        self,
        customers: Customers,
        business: Business,
        reject: Callable[[RejectedRow], None],
        progress: Callable[[int], None],
    ) -> ImportSummary:
        """Import the rows; `reject` is told of each that is refused, `progress` how many were read."""
        reader = CustomerReader.of(self, business.time_zone)
        if any(one.startswith(ATTRIBUTE) for one in self.source.header):
            first = islice((row for _, _, row in self._read_rows() if not isinstance(row, RowFault)), SAMPLE)
            found = reader.cells.find_columns(self.source.header, list(first), business.attributes.customer)
            reader = replace(reader, attributes=found)
            business = await customers.declare_attributes(business, {one.name: one.kind for one in found}, ACTOR)
            self.notes.extend(describe_found(found))
        rows = Counter[str]()
        lines: dict[str, int] = {}

        def count(row: RejectedRow) -> None:
            kind = describe_kind(row.reason)
            rows[kind] += 1
            lines[kind] = min(row.line, lines.get(kind, row.line))
            reject(row)

        batch = CustomerBatch(customers, business, count)
        cleaned: dict[str, None] = {}
        for line, cells, row in self._read_rows():
            batch.read += 1
            try:
                if isinstance(row, RowFault):
                    raise row
                item = reader.read(row)
                cleaned |= find_cleaned(row)
            except RowFault as fault:
                batch.refuse(line, format_row(cells), str(fault))
                continue
            await batch.take(line, format_row(cells), item)
            progress(batch.read)
        await batch.flush()
        if cleaned:
            self.notes.append(describe_cleaned(cleaned))
        if batch.read == 0:
            raise InvalidInput(f"No data found in {self.file.name}.")
        done = batch.counts
        reasons = add_reasons(RejectReason(kind, size, lines[kind]) for kind, size in rows.items())
        return ImportSummary(
            batch.read,
            done.created,
            done.updated,
            done.unchanged,
            batch.rejected,
            failure=describe_failure(batch.read, reasons),
            reasons=reasons,
        )


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
    writes: int = 0
    counts: WriteCounts = field(default_factory=WriteCounts)
    batch: dict[str, tuple[int, str, NewCustomer]] = field(default_factory=dict)

    def refuse(self, line: int, text: str, reason: str) -> None:
        """Count and list a row."""
        self.rejected += 1
        self.keep(RejectedRow(line, text, reason))

    async def take(self, line: int, text: str, item: NewCustomer) -> None:
        """Keep the row until its batch is full."""
        key = find_id(item.external_id)
        if key in self.batch:
            self.counts = replace(self.counts, unchanged=self.counts.unchanged + 1)
        self.batch[key] = (line, text, item)
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
        if not rows:
            return WriteCounts()
        items = [item for _, _, item in rows]
        done = await self.customers.upsert(self.business, items, ACTOR, limit=BATCH, known_only=self.known_only)
        self.writes += 1
        return done


@dataclass(slots=True)
class ProfileNotes:
    """What rows of purchases say of their customers, kept aside until these are in the store. An empty cell says
    nothing; of what is said of a field of a customer the last counts. What cannot be kept is left out: no purchase is
    refused for it, and `warn` is told of the first."""

    columns: Columns
    warn: Callable[[str], None]
    profiles: CustomerProfiles = field(default_factory=CustomerProfiles)
    fault: str | None = None
    cleaned: dict[str, None] = field(default_factory=dict)
    known: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def watch(self, batches: Iterable[Batch], reader: RowReader) -> Iterator[Batch]:
        """The batches, whose rows are noted; each reading begins anew."""
        self.profiles.clear()
        self.fault = None
        self.cleaned.clear()
        self.known.clear()
        for batch in batches:
            self.profiles.keep(self._read_batch(batch, reader))
            yield batch
        if self.fault is not None:
            self.warn(f"Not all that is said of customers can be kept: {self.fault}")
        if self.cleaned:
            self.warn(describe_cleaned(self.cleaned))

    def _read_batch(self, batch: Batch, reader: RowReader) -> dict[str, dict[str, str]]:
        places, width = self.columns.places, self.columns.width
        wanted = [of for of in PROFILE_FIELDS if of in places]
        find_cells = itemgetter(places["customer_id"], *(places[of] for of in wanted))
        rows = [
            find_cells(cells)
            for line, cells in zip(batch.lines, batch.rows, strict=True)
            if len(cells) == width and line not in batch.faults
        ]
        # Lines of an order, and orders of a customer, repeat what they say: the last of equal rows counts.
        last = list(dict.fromkeys(reversed(rows)))[::-1]
        of_customers: dict[str, list[tuple[str, ...]]] = {}
        for customer, cells in self._find_customers(last, reader):
            of_customers.setdefault(customer, []).append(cells)
        said: dict[str, dict[str, str]] = {}
        for customer, each in of_customers.items():
            if each == [self.known.get(customer)]:
                continue
            if len(self.known) >= REMEMBERED:
                self.known.clear()
            self.known[customer] = each[-1]
            profile: dict[str, str] = {}
            for cells in each:
                profile |= self._read_profile(dict(zip(wanted, cells[1:], strict=True)))
            if profile:
                said[customer] = profile
        return said

    def _find_customers(
        self, rows: Sequence[tuple[str, ...]], reader: RowReader
    ) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The rows with the ids of their customers, but for those that are refused."""
        try:
            for cells in rows:
                check_encoding(cells)
            yield from zip(reader.read_customers({"customer_id": [cells[0] for cells in rows]}), rows, strict=True)
        except RowFault:
            if len(rows) > 1:
                for cells in rows:
                    yield from self._find_customers([cells], reader)

    def _read_profile(self, row: Mapping[str, str]) -> dict[str, str]:
        self.cleaned |= find_cleaned(row)
        try:
            values = read_profile(row)
        except RowFault as fault:
            self.fault = self.fault or str(fault)
            values = {}
            for together in (NAMES, *({one} for one in row.keys() - NAMES)):
                with suppress(RowFault):
                    values |= read_profile({of: row[of] for of in together & row.keys()})
        return {of: value for of, value in values.items() if value is not None}

    async def write(self, customers: Customers, business: Business) -> int:
        """Write it for those customers who are in the store by now; in how many transactions."""
        batch = CustomerBatch(customers, business, lambda row: None, known_only=True)
        for line, (customer, fields) in enumerate(self.profiles, 1):
            await batch.take(line, customer, NewCustomer(customer, given=frozenset(fields), **fields))
        await batch.flush()
        return batch.writes
