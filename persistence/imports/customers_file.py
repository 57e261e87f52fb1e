"""A file of customers into the store, in batches that each commit whole. A row that is refused is named with its line
and reason, and reading goes on. Columns that are attributes get their kind before any row is read: the one that was
told, else the one that the business knows, else that of all values of the first rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from zoneinfo import ZoneInfo

from domain.attributes import NEEDED, describe_wrong_value, find_kind_of_cells, normalise_name, read_cell
from domain.calendar import load_zone, read_instant
from domain.customers.customers import Customers
from domain.errors import InvalidInput, Sentence
from domain.identifiers import ROUNDED, IdFault, find_id, normalise_id
from domain.imports.columns import (
    RowFault,
    check_encoding,
    check_text,
    describe_columns,
    describe_wrong_width,
    format_row,
    normalise_header,
    unquote_text,
)
from domain.imports.model import ImportSummary
from domain.imports.rows import PurchaseSource, RejectedRow
from domain.model import (
    PROFILE,
    PROFILE_TEXTS,
    Actor,
    AttributeKind,
    AttributeKinds,
    AttributeValue,
    Business,
    NewCustomer,
    WriteCounts,
)

BATCH = 5_000
SAMPLE = 500
"""Rows by which the kind of an attribute is found."""
ATTRIBUTE = "attribute:"
NOTHING = frozenset({"", "NULL", "null", "NaN", "nan", "None", "\\N", "N/A", "n/a", "#N/A", "-"})
"""What programs write where there is nothing, as they write it: Nan is a name."""
NAME_PARTS = ("first_name", "last_name")
ACTOR = Actor("command line")


@dataclass(frozen=True, slots=True)
class AttributeColumn:
    """A column that is kept under a name of the business's own; `field` is what it was mapped to."""

    field: str
    name: str
    kind: AttributeKind
    found: bool
    """Whether the kind was found from the values."""


def read_attribute_columns(
    fields: Sequence[str], rows: Sequence[Mapping[str, str]], known: AttributeKinds
) -> list[AttributeColumn]:
    """The attributes among the fields, `attribute:NAME` or `attribute:NAME:KIND`, with the kind that is told, known
    or else found from the rows."""
    columns: list[AttributeColumn] = []
    for one in fields:
        if one.startswith(ATTRIBUTE):
            name, _, told = one.removeprefix(ATTRIBUTE).partition(":")
            name = normalise_name(name)
            kind = AttributeKind(told) if told else known.customer.get(name)
            cells = (clean_cell(row[one]) for row in rows)
            columns.append(AttributeColumn(one, name, kind or find_kind_of_cells(cells), kind is None))
    return columns


def clean_cell(cell: str) -> str:
    """The text of a cell, empty where it says nothing."""
    text = unquote_text(cell.strip())
    return "" if text in NOTHING else text


@dataclass(frozen=True, slots=True)
class CustomerReader:
    """Makes customers of rows, whose texts are known by field."""

    fields: Sequence[str]
    attributes: Sequence[AttributeColumn]
    zone: ZoneInfo

    def read(self, row: Mapping[str, str]) -> NewCustomer:
        """The row's customer; RowFault with the reason of a refusal."""
        try:
            external_id = normalise_id(row["customer_id"], "the customer id")
        except IdFault as fault:
            raise RowFault(str(fault)) from fault
        if not external_id:
            raise RowFault("no customer")
        values = {name: check_text(clean_cell(row[name]), name) or None for name in PROFILE_TEXTS if name in row}
        parts = [part for name in NAME_PARTS if (part := clean_cell(row.get(name, "")))]
        given = {*values, *({"registered_at"} & row.keys()), *({"name"} if {*NAME_PARTS} & row.keys() else ())}
        if values.get("name") is None:
            values["name"] = check_text(" ".join(parts), "name") or None
        phone = values.get("phone")
        if phone is not None and ROUNDED.fullmatch(phone):
            raise RowFault(f"phone {phone[:40]!r} is in scientific notation: digits are lost. Export it as text")
        registered = clean_cell(row.get("registered_at", ""))
        try:
            at = read_instant(registered, self.zone) if registered else None
        except ValueError as error:
            raise RowFault(f"registered_at {error}") from error
        attributes = {column.name: self._read_attribute(column, row[column.field]) for column in self.attributes}
        return NewCustomer(external_id, registered_at=at, given=frozenset(given), attributes=attributes, **values)

    def _read_attribute(self, column: AttributeColumn, cell: str) -> AttributeValue | None:
        text = check_text(clean_cell(cell), column.name)
        if not text:
            return None
        try:
            return read_cell(text, column.kind, self.zone)
        except ValueError as error:
            raise RowFault(describe_wrong_value(column.name, column.kind, text)) from error


ALIASES: Mapping[str, tuple[str, ...]] = {
    "customer_id": ("customerid", "customer", "clientid"),
    **{name: (normalise_header(name),) for name in (*PROFILE, *NAME_PARTS)},
}


def find_field(name: str) -> str | None:
    """The field of that name or header."""
    return next((of for of, known in ALIASES.items() if normalise_header(name) in known), None)


@dataclass(frozen=True, slots=True)
class CustomersFile:
    """A file whose header names customers: the place of each field, and the columns that are left out."""

    source: PurchaseSource
    places: Mapping[str, int]

    @classmethod
    def of(cls, source: PurchaseSource, mapping: Mapping[str, str]) -> "CustomersFile":
        """Understand the header before anything is written; InvalidInput says what is missing or cannot be."""
        names = [normalise_header(name) for name in source.header]
        places: dict[str, int] = {}
        for column, told in mapping.items():
            of = told if told.startswith(ATTRIBUTE) else find_field(told)
            if of is None or normalise_header(column) not in names:
                why = (
                    f"there is no column {column}" if of else f"the fields are {', '.join(ALIASES)} and attribute:NAME"
                )
                raise InvalidInput(Sentence("{map} {}={}: {}", column, told, why), ("map",))
            places[of] = names.index(normalise_header(column))
        for place, name in enumerate(names):
            known = find_field(name)
            if known is not None and place not in places.values():
                places.setdefault(known, place)
        if "customer_id" not in places:
            template = "Missing required columns: customer_id. Columns seen: {}. Use {map} COLUMN=customer_id."
            raise InvalidInput(Sentence(template, describe_columns(source.header)))
        return cls(source, places)

    @property
    def ignored(self) -> list[str]:
        """The columns that are left out."""
        used = self.places.values()
        return [name.strip() for place, name in enumerate(self.source.header) if place not in used]

    def _read_rows(self) -> Iterator[tuple[int, list[str], Mapping[str, str] | RowFault]]:
        """Line, cells and texts by field of each row, or what is wrong with it."""
        width = len(self.source.header)
        for batch in self.source.read_batches():
            for line, cells in zip(batch.lines, batch.rows, strict=True):
                if not cells:
                    continue
                try:
                    if (fault := batch.faults.get(line)) is not None:
                        raise RowFault(fault)
                    if len(cells) != width:
                        raise RowFault(describe_wrong_width(len(cells), width))
                    check_encoding(cells)
                except RowFault as fault:
                    yield line, cells, fault
                    continue
                yield line, cells, {name: cells[place] for name, place in self.places.items()}

    async def import_into(
        self,
        customers: Customers,
        business: Business,
        reject: Callable[[RejectedRow], None],
        progress: Callable[[int], None],
        notes: list[str],
    ) -> ImportSummary:
        """Import the rows; `reject` is told of each that is refused, `progress` how many were read, `notes` what was
        found out."""
        fields = list(self.places)
        first = (row for _, _, row in self._read_rows() if not isinstance(row, RowFault))
        told = any(one.startswith(ATTRIBUTE) for one in fields)
        attributes = read_attribute_columns(fields, list(islice(first, SAMPLE)) if told else [], business.attributes)
        if attributes:
            kinds = {column.name: column.kind for column in attributes}
            business = await customers.declare_attributes(business, kinds, ACTOR)
        notes += [
            f"The attribute {column.name} is {NEEDED[column.kind]}, as its first values are."
            for column in attributes
            if column.found
        ]
        reader = CustomerReader(fields, attributes, load_zone(business.time_zone))
        batch = CustomerBatch(customers, business, reject)
        for line, cells, row in self._read_rows():
            batch.read += 1
            try:
                if isinstance(row, RowFault):
                    raise row
                item = reader.read(row)
            except RowFault as fault:
                batch.refuse(line, format_row(cells), str(fault))
                continue
            await batch.take(line, format_row(cells), item)
            progress(batch.read)
        await batch.flush()
        if batch.read == 0:
            raise InvalidInput(f"No data found in {self.source.name}.")
        done = batch.counts
        return ImportSummary(batch.read, done.created, done.updated, done.unchanged, batch.rejected)


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
        items = [item for _, _, item in rows]
        return await self.customers.upsert(self.business, items, ACTOR, limit=BATCH, known_only=self.known_only)
