"""A file or a MongoDB collection of purchases opened for a business: the one way in for the command line,
classification and uploads. The header is understood, and dates that would be guessed are refused, before anything is
written; how far a collection was read is kept with the business, and how its MongoDB is reached in a file of the data
folder that only its owner may read."""

import asyncio
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import astuple, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from domain.businesses.mongodb import NAMES, MongoSettings, make_settings
from domain.calendar import Clock, format_day, to_micros
from domain.customers.customers import Customers
from domain.errors import InvalidInput, Names, Sentence
from domain.imports.columns import Columns, format_row, normalise_header, rate_header, resolve_columns
from domain.imports.formats import PRESETS, ImportOptions, PresetSource, carry_down_amounts
from domain.imports.orders import RepeatedAmounts, place_order_amounts
from domain.imports.rows import PurchaseSource, RejectedRow, RowReader, SourceFile, StagedColumns, read_rows
from domain.imports.sources import PLAIN, Collection, FileForm, Place
from domain.imports.values import DateFault, DateReader, find_readings
from domain.model import Business, NewCustomer
from domain.money import find_exponent
from persistence.database.engines import Database
from persistence.imports.customers_file import CustomerBatch
from persistence.sources.appended import forget_state, read_data_version, read_state, write_state
from persistence.sources.calamine import open_workbook
from persistence.sources.csv import CsvSource
from persistence.sources.documents import DocumentSource, is_json
from persistence.sources.packing import ZIP_MAGIC, is_package
from persistence.sources.spill import OrderAmounts
from persistence.sources.workbook_parts import OLD_MAGIC
from persistence.tables import purchase_import

if TYPE_CHECKING:
    from persistence.sources.mongodb import MongoSource


def read_mongodb_settings(data: Path, uri: str, business_key: str) -> MongoSettings | None:
    """How the business's MongoDB is reached; None where nobody has said it."""
    return make_settings(read_section(data, business_key), uri)


def build_section_path(data: Path, business_key: str) -> Path:
    """Where the section of a business is kept."""
    return data / f"mongodb-{business_key}.json"


def read_section(data: Path, business_key: str) -> dict[str, str]:
    """The section as it is kept, empty where there is none; InvalidInput where the file is not ours."""
    path = build_section_path(data, business_key)
    try:
        section = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise InvalidInput(_describe_unreadable(path)) from error
    if not isinstance(section, dict) or not all(
        name in NAMES and isinstance(value, str) for name, value in section.items()
    ):
        raise InvalidInput(_describe_unreadable(path))
    return section


def write_section(data: Path, business_key: str, section: Mapping[str, str]) -> None:
    """Replace the section; an empty one removes the file."""
    path = build_section_path(data, business_key)
    if not section:
        path.unlink(missing_ok=True)
        return
    data.mkdir(parents=True, exist_ok=True)
    own = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(dict(section), file, ensure_ascii=False, indent=2)
            file.flush()
            os.fsync(file.fileno())
        own.replace(path)
    finally:
        own.unlink(missing_ok=True)


def _describe_unreadable(path: Path) -> str:
    return f"{path} cannot be read as the MongoDB settings. Remove it and run: segments settings apply FILE"


def open_file(
    path: Path, form: FileForm = PLAIN, rate_header: Callable[[Sequence[str]], int] = rate_header
) -> SourceFile:
    """The file, with its header found and read; InvalidInput says why it cannot be."""
    magic = b""
    if path.is_file():
        try:
            with path.open("rb") as file:
                magic = file.read(4)
        except OSError as error:
            raise InvalidInput(f"No data found in {path.name}.") from error
    if magic == OLD_MAGIC or (magic == ZIP_MAGIC and is_package(path)):
        return open_workbook(path, form, rate_header)
    if form.sheet is not None:
        raise InvalidInput(Sentence("{sheet} is for workbooks, and {} is none", path.name), ("sheet",))
    if is_json(path):
        return DocumentSource(path, form)
    return CsvSource(path, form, rate_header)


def always() -> bool:
    """Files are known to be unchanged in other ways."""
    return True


async def finish_nothing(customers: Customers, business: Business) -> None:
    """What files ask for after their import."""


@dataclass(frozen=True, slots=True)
class OpenedPurchases:
    """A source whose header fits the business. `read_rows` and `read_texts` are what the importer asks for; `warnings`
    fills while rows are read. `may_be_empty` where only what is new is read, `has_new` whether there is any;
    `finish` is awaited after the import; reasons of refusals have the `names` of a face."""

    source: PurchaseSource
    columns: Columns
    options: ImportOptions
    business: Business
    path: Path | None = None
    warnings: list[str] = field(default_factory=list)
    may_be_empty: bool = False
    has_new: Callable[[], bool] = always
    finish: Callable[[Customers, Business], Coroutine[Any, Any, None]] = finish_nothing
    names: Names = str

    @property
    def name(self) -> str:
        """What the source is called in messages."""
        return self.source.name

    @property
    def of_orders(self) -> bool:
        """Whether rows carry the amount of their order."""
        return self.options.of_orders

    def read_rows(self, reject: Callable[[RejectedRow], None]) -> Iterator[StagedColumns]:
        """The accepted rows; the others go to `reject`."""
        options, business = self.options, self.business
        reader = RowReader(
            self.columns,
            business.currency,
            business.time_zone,
            options.date_format,
            typed=self.source.typed,
            form=options.amount_form,
            names=self.names,
        )
        if options.of_orders:
            places = self.columns.places
            batches = carry_down_amounts(
                self.source.read_batches(), places["order_id"], places["amount"], self.columns.width
            )
            with closing(OrderAmounts()) as stated:
                yield from place_order_amounts(
                    read_rows(batches, reader, reject), stated, find_exponent(business.currency)
                )
            return
        portions = read_rows(self.source.read_batches(), reader, reject)
        if options.amount is None:
            portions = RepeatedAmounts().watch(portions, self.warnings.append)
        yield from portions

    def read_texts(self, lines: Iterable[int]) -> Iterator[tuple[int, str]]:
        """The text of rows, by their line numbers in rising order."""
        wanted = iter(lines)
        line = next(wanted, None)
        if line is None:
            return
        for begins, cells in self.source.read_rows():
            if begins == line:
                yield begins, format_row(cells)
                line = next(wanted, None)
                if line is None:
                    return


def open_purchases(
    source: Path | PurchaseSource, business: Business, options: ImportOptions, names: Names = str
) -> OpenedPurchases:
    """Look at the source before anything is written; what the options leave open is as the business has settled it.
    InvalidInput says what is wrong with the header, the options or the dates."""
    options = options.complete_from(business.settings).validate()
    path = source if isinstance(source, Path) else None
    opened = open_file(source, options.file_form, options.rate_header) if isinstance(source, Path) else source
    mapping = options.build_mapping(
        {name: None for column in opened.header for name in (column, normalise_header(column))}
    )
    if options.preset is not None:
        preset = PresetSource(opened, PRESETS[options.preset], mapping)
        columns = resolve_columns(preset.header, {name: name for name in preset.header}, business.currency)
        columns = Columns(columns.places, preset.ignored, columns.width)
        opened = preset
    else:
        columns = resolve_columns(opened.header, mapping, business.currency)
    if options.date_format is None:
        refuse_guesses(opened, columns, business)
    return OpenedPurchases(opened, columns, options, business, path, names=names)


def refuse_guesses(source: PurchaseSource, columns: Columns, business: Business) -> None:
    """InvalidInput where none of the first dates is ISO 8601 and their form has to be told, or nobody knows it."""
    place, width = columns.places["purchase_date"], columns.width
    dates: list[str] = []
    with suppress(StopIteration), closing(source.read_batches()) as batches:
        dates = [cells[place].strip() for cells in next(batches).rows if len(cells) == width]
    reader = DateReader(business.time_zone, None)
    forms: set[str] | None = None
    ambiguous = unread = ""
    for text in dict.fromkeys(filter(None, dates)):
        try:
            reader(text)
        except DateFault:
            readings = find_readings(text)
            unread = unread or text
            if readings:
                ambiguous = ambiguous or text
                forms = set(readings) if forms is None else forms & set(readings)
        else:
            return
    if not ambiguous:
        if not unread:
            return
        template = (
            "The dates of {}, such as {!r}, cannot be read. Write them as 2024-03-01, or give {date_format}, "
            "such as %d/%m/%Y."
        )
        raise InvalidInput(Sentence(template, source.name, unread[:40]))
    readings = find_readings(ambiguous)
    fitting = [form for form in readings if form in (forms or ())] or list(readings)
    give = " or ".join(["{date_format} {!r}"] * len(fitting))
    if len(fitting) > 1 and len(set(readings.values())) > 1:
        may = " or ".join(format_day(readings[form]) for form in fitting)
        template = f"The dates of {{}} can be read in more than one way: {{!r}} may be {{}}. Give {give}."
        raise InvalidInput(Sentence(template, source.name, ambiguous, may, *fitting))
    template = f"The dates of {{}}, such as {{!r}}, are not ISO 8601. Give {give}."
    raise InvalidInput(Sentence(template, source.name, ambiguous, *fitting))


@dataclass(frozen=True, slots=True)
class SourceOpener:
    """Opens every kind of source for an import or a run. How far a collection was read stands in the store, how its
    database is reached in the data folder, where no `mongodb_uri` says it."""

    database: Database
    clock: Clock
    data: Path
    mongodb_uri: str

    def open(self, place: Place, business: Business, options: ImportOptions, names: Names = str) -> OpenedPurchases:
        """The source with its columns understood, a collection from where it was last read to; InvalidInput and
        Unavailable say what is wrong."""
        if isinstance(place, Path):
            return open_purchases(place, business, options, names)
        return {"mongodb": self._open_mongodb}[place.source](place, business, options, names)

    def _open_mongodb(
        self, wanted: Collection, business: Business, options: ImportOptions, names: Names
    ) -> OpenedPurchases:
        # The driver takes 150 ms to load, which files need not wait for.
        from persistence.sources.mongodb import MongoSource

        reached = read_mongodb_settings(self.data, self.mongodb_uri, business.key)
        if reached is None:
            raise InvalidInput(
                "Where MongoDB is has not been said. Set SEGMENTS_MONGODB_URI, or the section mongodb of a settings "
                "file and run: segments settings apply FILE"
            )
        place = replace(
            reached, database=wanted.database or reached.database, collection=wanted.name or reached.collection
        )
        settled = options.complete_from(business.settings).validate()
        if settled.preset is not None:
            raise InvalidInput(Sentence("{preset} {} is for files, not for MongoDB", settled.preset))
        # Read whole where anything says so, or where it is read otherwise than the last time.
        reading = hashlib.sha256(json.dumps([str(one) for one in astuple(settled)]).encode()).hexdigest()
        position = None if wanted.whole else load_position(self.database, business, build_state_name(place), reading)
        mapping = {**settled.kept_mapping, **settled.mapping}
        source = MongoSource(place, mapping, now=self.clock(), decimal=settled.amount_form.decimal, after=position)
        opened = open_purchases(source, business, replace(settled, mapping=source.mapping), names)
        opened.warnings.extend(f"{path} stands in none of the documents that were looked at." for path in source.unseen)
        source.keep_columns(opened.columns.places.values())
        ignored = tuple(one for one in opened.columns.ignored if one not in ("customer.name", *source.rare))
        return replace(
            opened,
            columns=replace(opened.columns, ignored=ignored),
            may_be_empty=position is not None,
            has_new=source.has_new_documents,
            finish=partial(finish, source, self.database, self.clock, build_state_name(place), reading),
        )


def build_state_name(place: MongoSettings) -> str:
    """What the collection is called among the business's sources."""
    return f"mongodb:{place.database}.{place.collection}"


def load_position(store: Database, business: Business, name: str, reading: str) -> dict[str, object] | None:
    """How far the collection was read in the same way; None where it is read whole: the first time, after a change of
    the options, and after an import was undone, which may have been of this collection."""
    if not business.id:
        return None
    with store.bulk.connect() as connection:
        stored = read_state(connection, business.id, name)
        if stored is None or stored.state.get("reading") != reading:
            return None
        table = purchase_import.c
        undone = select(table.id).where(table.business_id == business.id, table.undo_begun_at >= to_micros(stored.at))
        return None if connection.execute(undone.limit(1)).first() is not None else dict(stored.state)


async def finish(
    source: "MongoSource",
    store: Database,
    clock: Clock,
    name: str,
    reading: str,
    customers: Customers,
    business: Business,
) -> None:
    """After the import: customers get the names that the documents give them, and the position is kept."""
    # A customer all of whose documents were rejected is none.
    batch = CustomerBatch(customers, business, lambda row: None, known_only=True)
    for line, (customer, customer_name) in enumerate(source.names, 1):
        await batch.take(line, customer, NewCustomer(customer, name=customer_name, given=frozenset({"name"})))
    await batch.flush()
    state = source.get_state()
    if state is not None:
        await asyncio.to_thread(keep_position, store, clock, business, name, {**state, "reading": reading})


def keep_position(store: Database, clock: Clock, business: Business, name: str, state: dict[str, object]) -> None:
    """Say how far the collection was read."""
    with store.bulk.begin() as connection:
        # First of all, so that the write lock is waited for and nothing was read before it is held.
        forget_state(connection, business.id, name)
        version = read_data_version(connection, business.id)
        write_state(connection, business.id, name, state, version, clock())
