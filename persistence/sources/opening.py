"""A file or a MongoDB collection of purchases opened for a business: the one way in for the command line,
classification and uploads. The header is understood, and dates that would be guessed are refused, before anything is
written; how far a collection was read is kept with the business. The file is long because what is asked of a source
before its rows are read is one order of questions."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import astuple, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from domain.attributes import add_kinds
from domain.businesses.mongodb import MongoSettings
from domain.calendar import Clock, format_day, to_micros
from domain.customers.customers import Customers
from domain.errors import InvalidInput, Names, Sentence
from domain.imports.arranged import ArrangedSource
from domain.imports.attribute_columns import AttributeColumn, describe_found
from domain.imports.columns import ATTRIBUTE, PROFILE_FIELDS, REJECT_COLUMNS, Columns, format_row
from domain.imports.dates import NUMBERED, DateFault, DateReader, find_readings
from domain.imports.formats import ORDER, ROW, SourceFormat, Term
from domain.imports.header import make_rater, resolve_customers, resolve_purchases
from domain.imports.orders import RepeatedAmounts, place_order_amounts
from domain.imports.presets import CUSTOMERS, PURCHASES, add_preset, find_preset, load_presets, match_preset
from domain.imports.reader import AMOUNT_TERMS, RowPlaces, RowReader, read_rows
from domain.imports.rejects import RejectsSource, is_rejects_header
from domain.imports.rows import Batch, PurchaseSource, RejectedRow, StagedColumns
from domain.imports.saved_formats import read_saved
from domain.imports.sources import PLAIN, Collection, FileForm, Place
from domain.model import AttributeKind, Business
from domain.money import find_exponent
from persistence.database.engines import Database
from persistence.imports.customers_file import CustomersFile, ProfileNotes
from persistence.imports.formats import load_documents
from persistence.imports.plain import PlainReader, PlainRows, fits
from persistence.imports.storefront_names import FIELD as STOREFRONT_NAME
from persistence.imports.storefront_names import StorefrontNames
from persistence.mongodb_section import read_mongodb_settings
from persistence.sources.appended import forget_state, read_data_version, read_state, write_state
from persistence.sources.calamine import open_workbook
from persistence.sources.csv import CsvSource
from persistence.sources.documents import DocumentSource, is_json
from persistence.sources.headers import RateHeader, SourceFile, rate_plainly
from persistence.sources.packing import ZIP_MAGIC, check_reading, is_package
from persistence.sources.spill import CountedRows, OrderAmounts
from persistence.sources.xls import XlsSource
from persistence.tables.imports import purchase_import

if TYPE_CHECKING:
    from persistence.sources.mongodb import MongoSource


OLD_MAGIC = b"\xd0\xcf\x11\xe0"
"""Workbooks of Excel 97 to 2003, and all that are encrypted."""
DOCUMENT = ("document",)
"""The header of what has documents and no columns; such are mended where they are."""
REJECTS = FileForm(encoding="utf-8", skip_lines=0, delimiter=",", quote='"')
"""How files of rejects are written."""
LONGEST_HEADER = 1 << 16
PIECE = 1 << 20
LONGEST_SHOWN = 255
"""Characters of a name that is none."""


def open_file(path: Path, form: FileForm = PLAIN, rate_header: RateHeader = rate_plainly) -> SourceFile:
    """The file, with its header found and read; InvalidInput says why it cannot be."""
    magic = b""
    try:
        is_there = path.exists()
    except OSError:
        # No file system takes such a name.
        is_there = False
    if not is_there:
        raise InvalidInput(f"No such file: {path.name[:LONGEST_SHOWN]}.")
    if path.is_file():
        try:
            with path.open("rb") as file:
                magic = file.read(4)
        except OSError as error:
            raise InvalidInput(f"No data found in {path.name}.") from error
    if magic == OLD_MAGIC:
        return XlsSource(path, form, rate_header)
    if magic == ZIP_MAGIC and is_package(path):
        return open_workbook(path, form, rate_header)
    if form.sheet is not None:
        raise InvalidInput(Sentence("{sheet} is for workbooks, and {} is none", path.name), ("sheet",))
    if is_json(path):
        return DocumentSource(path, form)
    return CsvSource(path, form, rate_header)


WESTERN = "windows-1252"
"""Which reads whatever bytes there are."""


def open_encoded(path: Path, form: SourceFormat, rate_header: RateHeader) -> tuple[SourceFile, SourceFormat]:
    """The file and its format, which gets the encoding of its preset where the file is of none that is known by itself:
    exports of one shape are passed on in that of the platform and, saved again, in UTF-8."""
    try:
        return open_file(path, form.file_form, rate_header), form
    except InvalidInput as error:
        if form.encoding is not None or error.problems[0].field != ("encoding",):
            raise
        # The names of columns that tell a preset are ASCII.
        header = open_file(path, replace(form, encoding=WESTERN).file_form, rate_header).header
        preset = match_preset(header) if form.preset is None else find_preset(form.preset)
        if preset is None or preset.format.encoding is None:
            raise
        form = replace(form, encoding=preset.format.encoding)
        opened = open_file(path, form.file_form, rate_header)
        opened.notes.insert(0, f"Read as {form.encoding}, which is what such exports are written in.")
        return opened, form


def make_header_rater(form: SourceFormat) -> RateHeader:
    """How much a row looks like a header, by the names that the format knows and those of all presets."""
    return make_rater(form, [one.signature for one in load_presets().values()])


def always() -> bool:
    """Files are known to be unchanged in other ways."""
    return True


Finish = Callable[[Customers, Business], Coroutine[Any, Any, int]]
"""What is done when the orders of a source are in the store; the number of its transactions."""


async def finish_nothing(customers: Customers, business: Business) -> int:
    """What files ask for after their import that say nothing of customers."""
    return 0


async def finish_each(first: Finish, second: Finish, customers: Customers, business: Business) -> int:
    """Both, one after the other."""
    return await first(customers, business) + await second(customers, business)


@dataclass(frozen=True, slots=True)
class OpenedPurchases:
    """A source whose header fits the business. `read_rows` and `read_texts` are what the importer asks for; `warnings`
    fills while rows are read. `header` are its own columns, and some of its dates are ISO 8601 beside the form that is
    told where they are `mixed_dates`. `stated` are the orders that it states completely (None: all), while lines of the
    others are added to those that are there. `may_be_empty` where only what is new is read, `has_new` whether there is
    any. What rows say of their customers is noted in `profiles` as they are read, and what their storefronts are called
    in `storefronts`; `finish`, awaited after the import, writes it. Reasons of refusals have the `names` of a face.
    `notes` says what was decided before any row is read, `told` what the file itself says, more of which may come
    later."""

    source: PurchaseSource
    columns: Columns
    form: SourceFormat
    business: Business
    terms: tuple[Term, ...] = AMOUNT_TERMS
    path: Path | None = None
    notes: list[str] = field(default_factory=list)
    told: Sequence[str] = ()
    warnings: list[str] = field(default_factory=list)
    header: Sequence[str] = ()
    mixed_dates: bool = False
    attributes: Sequence[AttributeColumn] = ()
    stated: Callable[[], Iterable[str]] | None = None
    may_be_empty: bool = False
    has_new: Callable[[], bool] = always
    profiles: ProfileNotes | None = None
    storefronts: StorefrontNames | None = None
    finish: Finish = finish_nothing
    names: Names = str

    @property
    def name(self) -> str:
        """What the source is called in messages."""
        return self.source.name

    @property
    def of_orders(self) -> bool:
        """Whether rows carry the amount of their order."""
        return self.form.of_orders

    def compute_digest(self) -> str | None:
        """The hash of the file, by which it is known again; None of what is no file."""
        if self.path is None:
            return None
        digest = hashlib.sha256()
        with self.path.open("rb") as file:
            while piece := file.read(PIECE):
                check_reading()
                digest.update(piece)
        return digest.hexdigest()

    @property
    def kinds(self) -> Mapping[str, AttributeKind]:
        """The kinds of the attributes that purchases get."""
        return {one.name: one.kind for one in self.attributes}

    def make_reader(self, places: RowPlaces | None = None) -> RowReader:
        """What reads the rows."""
        return RowReader(
            self.columns,
            self.business.currency,
            self.business.time_zone,
            self.form,
            terms=self.terms,
            typed=self.source.typed,
            mixed=self.mixed_dates,
            names=self.names,
            secret=self.business.secret,
            places=places,
            attributes=self.attributes,
        )

    def read_rows(self, reject: Callable[[RejectedRow], None]) -> Iterator[StagedColumns]:
        """The accepted rows; the others go to `reject`."""
        for portion in self.read_portions(reject, False):
            assert isinstance(portion, StagedColumns)
            yield portion

    def read_portions(
        self, reject: Callable[[RejectedRow], None], takes_text: bool = True
    ) -> Iterator[StagedColumns | PlainRows]:
        """The same for an import, which takes the text of many rows at once where they are plain."""
        form, business = self.form, self.business
        with closing(CountedRows()) as counted:
            reader = self.make_reader(counted if form.orders == ROW else None)
            looked = RepeatedAmounts() if form.amount is None and form.orders is None else None
            portions: Iterator[StagedColumns | PlainRows] = self._read_batches(reader, reject)
            if takes_text and type(self.source) is CsvSource and fits(reader):
                portions = self._read_columns(self.source, reader, reject, looked)
            if form.of_orders:
                batches = self._read_batches(reader, reject)
                with closing(OrderAmounts()) as stated:
                    yield from place_order_amounts(batches, stated, find_exponent(business.currency))
            elif looked is not None:
                yield from looked.watch(portions, self.warnings.append)
            else:
                yield from portions
            self.warnings.extend(reader.describe_doubts())
            self.warnings.extend(one for one in self.told if one not in {*self.notes, *self.warnings})

    def _read_batches(self, reader: RowReader, reject: Callable[[RejectedRow], None]) -> Iterator[StagedColumns]:
        batches: Iterable[Batch] = self.source.read_batches()
        if self.profiles is not None:
            batches = self.profiles.watch(batches, reader)
        if self.storefronts is not None:
            batches = self.storefronts.watch(batches)
        return read_rows(batches, reader, reject)

    def _read_columns(
        self,
        source: CsvSource,
        reader: RowReader,
        reject: Callable[[RejectedRow], None],
        looked: RepeatedAmounts | None,
    ) -> Iterator[StagedColumns | PlainRows]:
        plain = PlainReader(reader, reject)
        for part in source.read_parts(lambda: plain.is_worth_it and (looked is None or looked.is_over)):
            if isinstance(part, Batch):
                yield from read_rows((part,), reader, reject)
            else:
                yield PlainRows(part, plain)

    def read_source_rows(self) -> Iterator[tuple[int, list[str]]]:
        """All rows with their line numbers and cells, so that some of them can be read alone."""
        if self.form.fill_down and isinstance(self.source, ArrangedSource):
            return self.source.read_filled_rows()
        if self.header == DOCUMENT:
            return ((line, [format_row(cells)]) for line, cells in self.source.read_rows())
        return self.source.read_rows()

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


def settle_format(form: SourceFormat, business: Business, database: Database | None, about: str) -> SourceFormat:
    """What is said of a source, and where nothing is, what a saved format, a preset and the business's settings say;
    InvalidInput where there is no such format or preset, or they contradict each other."""
    settings = SourceFormat().build_on_settings(business.settings)
    named = form if form.name is None else form.build_on(load_format(database, business, form.name))
    if named.name is not None or named.preset is not None:
        # What is named for this source comes before what the business has settled for all, and its sign for decimals
        # is not one between thousands that is settled.
        if named.preset is not None:
            named = add_preset(named, find_preset(named.preset, about))
        signs = (named.decimal, named.thousands)
        decimal = None if settings.decimal in signs else settings.decimal
        thousands = None if settings.thousands in signs else settings.thousands
        settled = named.build_on(replace(settings, name=None, preset=None, decimal=decimal, thousands=thousands))
    else:
        settled = form.build_on(settings)
        if settled.name is not None:
            saved = load_format(database, business, settled.name, "The setting import.format")
            settled = settled.build_on(saved)
        if settled.preset is not None:
            settled = add_preset(settled, find_preset(settled.preset, about))
    settled.check_agreement()
    return settled


def load_format(
    database: Database | None, business: Business, name: str, called: str = "{source_format}"
) -> SourceFormat:
    """The format that the business has saved under the name; InvalidInput lists those there are."""
    return read_saved({} if database is None else load_documents(database, business), name, called)


def open_rejects(path: Path) -> PurchaseSource | None:
    """The file of rejects that is there, whatever the options say of the source it comes from; None where it is
    another file."""
    try:
        with path.open("rb") as file:
            beginning = file.read(LONGEST_HEADER)
        return CsvSource(path, REJECTS) if ",".join(REJECT_COLUMNS).encode() in beginning else None
    except (OSError, InvalidInput):
        return None


def open_purchases(
    source: Path | PurchaseSource,
    business: Business,
    form: SourceFormat,
    names: Names = str,
    database: Database | None = None,
    of_file: bool = True,
) -> OpenedPurchases:
    """Look at the source before anything is written; what the format leaves open is as its preset, a saved format or
    the business has it. A header that holds all signature columns of exactly one preset is read by it where none was
    told. InvalidInput says what is wrong with the header, the format or the dates."""
    settled = settle_format(form, business, database, PURCHASES)
    path = source if isinstance(source, Path) else None
    rate = make_header_rater(settled)
    if not isinstance(source, Path):
        opened = source
    elif (rejects_file := open_rejects(source)) is not None:
        opened = rejects_file
    else:
        opened, settled = open_encoded(source, settled, rate)
    told: Sequence[str] = getattr(opened, "notes", ())
    notes = list(told)
    stated: Callable[[], Iterable[str]] | None = tuple if settled.append_lines else None
    mixed = is_rejects_header(opened.header)
    if mixed:
        opened = rejects = RejectsSource(
            opened, rejected_only=bool(settled.append_lines), of_rows=settled.orders == ROW
        )
        stated = stated or rejects.read_orders
    if settled.preset is None and settled.name is None and of_file:
        preset = match_preset(opened.header, told=settled.columns.values())
        if preset is not None:
            before, settled = settled.file_form, add_preset(settled, preset)
            if path is not None and not mixed and settled.file_form != before:
                again = open_file(path, settled.file_form, rate)
                opened, told, notes = again, again.notes, list(again.notes)
            notes.append(f"Read as {preset.title} (preset {preset.name}).")
    sample = read_sample(opened)
    try:
        layout = resolve_purchases(opened.header, settled, business.currency, sample, of_file=of_file)
    except InvalidInput as error:
        if settled.preset is None or not isinstance(error.message, Sentence):
            raise
        title = find_preset(settled.preset).title
        template, values = f"{{}} is not {{}}. {error.message.template}", error.message.values
        raise InvalidInput(Sentence(template, opened.name, title, *values), error.problems[0].field) from error
    notes.extend(layout.notes)
    header = opened.header
    amounts = [header[place] for place in layout.fields.get("amount", ())]
    lists = isinstance(opened, DocumentSource) and opened.lists_lines
    if settled.amount is None and lists and amounts and "." not in amounts[0]:
        settled = replace(settled, amount=ORDER)
        notes.append(f"{amounts[0]} is the amount of an order, whose lines stand in a list.")
    columns = layout.columns if layout.is_plain(settled) else None
    if columns is None:
        arranged = ArrangedSource(opened, layout, settled, business.currency)
        opened, columns = arranged, arranged.columns
        sample = read_sample(opened)
    if not settled.date_format:
        refuse_guesses(opened.name, columns, business, sample)
    terms = layout.terms or AMOUNT_TERMS
    purchases = OpenedPurchases(opened, columns, settled, business, terms, path, notes, told, names=names)
    purchases = replace(purchases, header=header, mixed_dates=mixed, stated=stated)
    if not columns.places.keys().isdisjoint(PROFILE_FIELDS):
        profiles = ProfileNotes(columns, purchases.warnings.append)
        purchases = replace(purchases, profiles=profiles, finish=profiles.write)
    if {"storefront", STOREFRONT_NAME} <= columns.places.keys():
        storefronts = StorefrontNames(columns, purchases.warnings.append)
        finish_both = partial(finish_each, purchases.finish, storefronts.write)
        purchases = replace(purchases, storefronts=storefronts, finish=finish_both)
    return find_attributes(purchases, sample)


def find_attributes(purchases: OpenedPurchases, sample: Sequence[Sequence[str]]) -> OpenedPurchases:
    """The source with the kinds of its attributes, by its first rows."""
    places = purchases.columns.places
    if not any(of.startswith(ATTRIBUTE) for of in places):
        return purchases
    rows = [
        {of: cells[place] for of, place in places.items()} for cells in sample if len(cells) == purchases.columns.width
    ]
    cells = purchases.make_reader().attribute_cells
    found = cells.find_columns(places, rows, purchases.business.attributes.purchase)
    # Refused before anything is written.
    add_kinds(purchases.business.attributes, "purchase", {one.name: one.kind for one in found})
    return replace(purchases, attributes=found, notes=[*purchases.notes, *describe_found(found)])


def open_customers(
    path: Path, business: Business, form: SourceFormat, names: Names = str, database: Database | None = None
) -> CustomersFile:
    """The same of a file of customers. What the business has settled under `import` is about its purchases and says
    nothing here."""
    if form.name is not None:
        form = form.build_on(load_format(database, business, form.name))
    if form.preset is not None:
        form = add_preset(form, find_preset(form.preset, CUSTOMERS))
    form.check_agreement()
    rate = make_header_rater(form)
    opened = open_rejects(path) or open_file(path, form.file_form, rate)
    notes = list(getattr(opened, "notes", ()))
    mixed = is_rejects_header(opened.header)
    if mixed:
        opened = RejectsSource(opened)
    if form.preset is None and form.name is None and (preset := match_preset(opened.header, CUSTOMERS)) is not None:
        before, form = form.file_form, add_preset(form, preset)
        if not mixed and form.file_form != before:
            again = open_file(path, form.file_form, rate)
            opened, notes = again, list(again.notes)
        notes.append(f"Read as {preset.title} (preset {preset.name}).")
    layout = resolve_customers(opened.header, form)
    arranged = ArrangedSource(opened, layout, form, business.currency)
    if "registered_at" in layout.fields and not form.date_format:
        place, sample = arranged.columns.places["registered_at"], read_sample(arranged)
        # A customer is one without it, too: what no form could read is left to its row.
        if any(find_readings(cells[place].strip()) for cells in sample if cells):
            refuse_guesses(opened.name, arranged.columns, business, sample, "registered_at")
    return CustomersFile(opened, arranged, form, layout.ignored, [*notes, *layout.notes], mixed, names)


def read_sample(source: PurchaseSource) -> list[list[str]]:
    """The first rows of a source."""
    with suppress(StopIteration), closing(source.read_batches()) as batches:
        return next(batches).rows
    return []


def refuse_guesses(
    name: str, columns: Columns, business: Business, sample: Sequence[Sequence[str]], of: str = "purchase_date"
) -> None:
    """InvalidInput where none of the first dates is ISO 8601 and their form has to be told, or nobody knows it."""
    place, width = columns.places[of], columns.width
    dates = [cells[place].strip() for cells in sample if len(cells) == width]
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
        raise InvalidInput(Sentence(template, name, unread[:40]))
    readings = find_readings(ambiguous)
    fitting = [form for form in readings if form in (forms or ())] or list(readings)
    give = " or ".join(["{date_format} {!r}"] * len(fitting))
    if len(fitting) > 1 and len(set(readings.values())) > 1:
        may = " or ".join(format_day(readings[form]) for form in fitting)
        template = f"The dates of {{}} can be read in more than one way: {{!r}} may be {{}}. Give {give}."
        raise InvalidInput(Sentence(template, name, ambiguous, may, *fitting))
    for numbered, what in NUMBERED.items():
        if numbered in fitting:
            template = "The dates of {}, such as {!r}, look like {}: {}. Give {date_format} {}."
            values = (name, ambiguous, what, format_day(readings[numbered]), numbered)
            raise InvalidInput(Sentence(template, *values))
    template = f"The dates of {{}}, such as {{!r}}, are not ISO 8601. Give {give}."
    raise InvalidInput(Sentence(template, name, ambiguous, *fitting))


@dataclass(frozen=True, slots=True)
class SourceOpener:
    """Opens every kind of source for an import or a run. How far a collection was read stands in the store, how its
    database is reached in the data folder, where no `mongodb_uri` says it."""

    database: Database
    clock: Clock
    data: Path
    mongodb_uri: str

    def open(self, place: Place, business: Business, form: SourceFormat, names: Names = str) -> OpenedPurchases:
        """The source with its columns understood, a collection from where it was last read to; InvalidInput and
        Unavailable say what is wrong."""
        if isinstance(place, Path):
            return open_purchases(place, business, form, names, self.database)
        return {"mongodb": self._open_mongodb}[place.source](place, business, form, names)

    def _open_mongodb(
        self, wanted: Collection, business: Business, form: SourceFormat, names: Names
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
        settled = settle_format(form, business, self.database, PURCHASES)
        if settled.preset is not None:
            raise InvalidInput(Sentence("{preset} is for files, not for MongoDB"), ("preset",))
        if settled.append_lines:
            raise InvalidInput(Sentence("{append_lines} is for files, not for MongoDB"), ("append_lines",))
        # Read whole where anything says so, or where it is read otherwise than the last time.
        reading = hashlib.sha256(json.dumps([str(one) for one in astuple(settled)]).encode()).hexdigest()
        position = None if wanted.whole else load_position(self.database, business, build_state_name(place), reading)
        mapping = {**settled.kept_columns, **settled.columns}
        source = MongoSource(place, mapping, now=self.clock(), decimal=settled.amount_form.decimal, after=position)
        told = replace(settled, columns=source.mapping)
        opened = open_purchases(source, business, told, names, self.database, False)
        opened.warnings.extend(f"{path} stands in none of the documents that were looked at." for path in source.unseen)
        arranged = opened.source
        source.keep_columns(
            arranged.layout.used if isinstance(arranged, ArrangedSource) else opened.columns.places.values()
        )
        ignored = tuple(one for one in opened.columns.ignored if one not in source.rare)
        return replace(
            opened,
            header=DOCUMENT,
            columns=replace(opened.columns, ignored=ignored),
            may_be_empty=position is not None,
            has_new=source.has_new_documents,
            finish=partial(finish, source, opened.finish, self.database, self.clock, build_state_name(place), reading),
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
    before: Finish,
    store: Database,
    clock: Clock,
    name: str,
    reading: str,
    customers: Customers,
    business: Business,
) -> int:
    """After the import: what comes `before`, and the position is kept."""
    writes = await before(customers, business)
    state = source.get_state()
    if state is not None:
        await asyncio.to_thread(keep_position, store, clock, business, name, {**state, "reading": reading})
    return writes


def keep_position(store: Database, clock: Clock, business: Business, name: str, state: dict[str, object]) -> None:
    """Say how far the collection was read."""
    with store.bulk.begin() as connection:
        # First of all, so that the write lock is waited for and nothing was read before it is held.
        forget_state(connection, business.id, name)
        version = read_data_version(connection, business.id)
        write_state(connection, business.id, name, state, version, clock())
