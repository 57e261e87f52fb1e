"""A source of purchases opened for a business: the one way in for the command line, the classification batch and
uploads. Its header is understood, and dates that would be guessed are refused, before anything is written."""

from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domain.customers.customers import Customers
from domain.errors import InvalidInput
from domain.imports.columns import Columns, normalised, resolve_columns, row_text
from domain.imports.formats import PRESETS, ImportOptions, PresetSource, carried_down
from domain.imports.orders import RepeatedAmounts, once_an_order
from domain.imports.rows import PurchaseSource, RejectedRow, RowReader, StagedColumns, read_rows
from domain.imports.values import DateFault, DateReader, in_words, readings
from domain.model import Business
from domain.money import exponent
from persistence.sources.files import open_file
from persistence.sources.stated_amounts import KeptAmounts


def always() -> bool:
    """Files are known to be unchanged in other ways."""
    return True


async def nothing_more(customers: Customers, business: Business) -> None:
    """What files ask for after their import."""


@dataclass(frozen=True, slots=True)
class Collection:
    """Which collection of MongoDB is meant, where the settings do not say it, and whether it is read whole."""

    database: str | None = None
    name: str | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class OpenedPurchases:
    """A source whose header fits the business. `rows` and `texts` are what the importer asks for; `warnings` fills
    while rows are read. `may_be_empty` where only what is new is read, `anything_new`
    whether there is any; `finish` is awaited after the import."""

    source: PurchaseSource
    columns: Columns
    options: ImportOptions
    business: Business
    path: Path | None = None
    warnings: list[str] = field(default_factory=list)
    may_be_empty: bool = False
    anything_new: Callable[[], bool] = always
    finish: Callable[[Customers, Business], Coroutine[Any, Any, None]] = nothing_more

    @property
    def name(self) -> str:
        """What the source is called in messages."""
        return self.source.name

    @property
    def of_orders(self) -> bool:
        """Whether rows carry the amount of their order."""
        return self.options.of_orders

    def rows(self, reject: Callable[[RejectedRow], None]) -> Iterator[StagedColumns]:
        """The accepted rows; the others go to `reject`."""
        options, business = self.options, self.business
        reader = RowReader(
            self.columns,
            business.currency,
            business.time_zone,
            options.date_format,
            typed=self.source.typed,
            form=options.amount_form,
        )
        if options.of_orders:
            places = self.columns.places
            batches = carried_down(self.source.batches(), places["order_id"], places["amount"], self.columns.width)
            with closing(KeptAmounts()) as stated:
                yield from once_an_order(read_rows(batches, reader, reject), stated, exponent(business.currency))
            return
        found = read_rows(self.source.batches(), reader, reject)
        if options.amount is None:
            found = RepeatedAmounts().watch(found, self.warnings.append)
        yield from found

    def texts(self, lines: Iterable[int]) -> Iterator[tuple[int, str]]:
        """The text of rows, by their line numbers in rising order."""
        wanted = iter(lines)
        line = next(wanted, None)
        if line is None:
            return
        for begins, cells in self.source.rows():
            if begins == line:
                yield begins, row_text(cells)
                line = next(wanted, None)
                if line is None:
                    return


def open_purchases(source: Path | PurchaseSource, business: Business, options: ImportOptions) -> OpenedPurchases:
    """Look at the source before anything is written; what the options leave open is as the business has settled it.
    InvalidInput says what is wrong with the header, the options or the dates."""
    options = options.over(business.settings).checked()
    path = source if isinstance(source, Path) else None
    found = open_file(source, options.sheet, options.amount_form.decimal) if isinstance(source, Path) else source
    mapping = options.columns_for({name: None for column in found.header for name in (column, normalised(column))})
    if options.preset is not None:
        preset = PresetSource(found, PRESETS[options.preset], mapping)
        columns = resolve_columns(preset.header, {name: name for name in preset.header}, business.currency)
        columns = Columns(columns.places, preset.ignored, columns.width)
        found = preset
    else:
        columns = resolve_columns(found.header, mapping, business.currency)
    if options.date_format is None:
        refuse_guesses(found, columns, business)
    return OpenedPurchases(found, columns, options, business, path)


def refuse_guesses(source: PurchaseSource, columns: Columns, business: Business) -> None:
    """InvalidInput where none of the first dates is ISO 8601 and their form has to be told, or nobody knows it."""
    place, width = columns.places["purchase_date"], columns.width
    dates: list[str] = []
    with suppress(StopIteration), closing(source.batches()) as batches:
        dates = [cells[place].strip() for cells in next(batches).rows if len(cells) == width]
    reader = DateReader(business.time_zone, None)
    forms: set[str] | None = None
    said = unread = ""
    for text in dict.fromkeys(filter(None, dates)):
        try:
            reader(text)
        except DateFault:
            found = readings(text)
            unread = unread or text
            if found:
                said = said or text
                forms = set(found) if forms is None else forms & set(found)
        else:
            return
    if not said:
        if not unread:
            return
        raise InvalidInput(
            f"The dates of {source.name}, such as {unread[:40]!r}, cannot be read. Write them as 2024-03-01, or give "
            "--date-format, such as %d/%m/%Y."
        )
    found = readings(said)
    fitting = [form for form in found if form in (forms or ())] or list(found)
    give = " or ".join(f"--date-format {form!r}" for form in fitting)
    if len(fitting) > 1 and len(set(found.values())) > 1:
        may = " or ".join(in_words(found[form]) for form in fitting)
        raise InvalidInput(
            f"The dates of {source.name} can be read in more than one way: {said!r} may be {may}. Give {give}."
        )
    raise InvalidInput(f"The dates of {source.name}, such as {said!r}, are not ISO 8601. Give {give}.")
