"""Rows of purchases, from whatever yields batches of cells under a header, as checked, typed columns. A batch of sound
rows is checked column by column; a batch with anything else in it is checked row by row, so that each row is either
staged or rejected with a reason."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import NamedTuple, Protocol

from domain.errors import Names, name_fields
from domain.imports.columns import (
    MAXIMUM_TEXT,
    Columns,
    RowFault,
    check_encoding,
    check_text,
    describe_wrong_width,
    format_row,
    unquote_text,
)
from domain.imports.values import AmountForm, DateFault, DateReader, make_amount_reader
from domain.model import LAST_QUALIFYING
from domain.money import find_exponent

STATUS_WORDS = {
    "": 0,
    "completed": 0,
    "paid": 0,
    "fulfilled": 0,
    "partial": 1,
    "partially_paid": 1,
    "pending": 2,
    "refunded": 3,
    "returned": 3,
    "cancelled": 4,
    "canceled": 4,
    "voided": 4,
}
REMEMBERED = 50_000
LONGEST_REMEMBERED = 100
"""Cells and their length: what is remembered does not fill memory, whatever a file holds."""
PLAIN = AmountForm()
TEXTS = {"category": "the category", "storefront": "the storefront", "channel": "the channel"}


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows as they were read: the line that each begins on, its cells, and whether all of them are clean UTF-8. Where
    cells were made from others, `raw` holds those that stand in the source; `faults` says by line what could not be
    made into a cell."""

    lines: Sequence[int]
    rows: list[list[str]]
    clean: bool
    raw: list[list[str]] | None = None
    faults: Mapping[int, str] = field(default_factory=dict)


class StagedRow(NamedTuple):
    """One accepted row: money in minor units, the instant in microseconds, the status by its rank."""

    line: int
    order_id: str
    customer: str
    at: int
    day: int
    status: int
    amount: int
    category: str | None
    storefront: str | None
    channel: str | None


class StagedColumns(NamedTuple):
    """Accepted rows, column by column, all of one length; the fields are those of StagedRow."""

    line: Sequence[int]
    order_id: Sequence[str]
    customer: Sequence[str]
    at: Sequence[int]
    day: Sequence[int]
    status: Sequence[int]
    amount: Sequence[int]
    category: Sequence[str | None]
    storefront: Sequence[str | None]
    channel: Sequence[str | None]


class RejectedRow(NamedTuple):
    """One refused row: where it stands, its text, and why."""

    line: int
    text: str
    reason: str


class _ReadCache(dict[str, int]):
    """What a reader makes of a cell; cells repeat."""

    def __init__(self, read: Callable[[str], int]) -> None:
        super().__init__()
        self.read = read

    def __missing__(self, cell: str) -> int:
        value = self.read(cell)
        if len(self) >= REMEMBERED:
            self.clear()
        if len(cell) <= LONGEST_REMEMBERED:
            self[cell] = value
        return value


class _TextCache(dict[str, str | None]):
    """An optional text; as above."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what

    def __missing__(self, cell: str) -> str | None:
        text = cell.strip()
        value = check_text(unquote_text(text), self.what) if text else None
        if len(self) >= REMEMBERED:
            self.clear()
        if len(cell) <= LONGEST_REMEMBERED:
            self[cell] = value
        return value


class RowReader:
    """Checks the rows of one file; reasons of refusals have the names of a face."""

    def __init__(
        self,
        columns: Columns,
        currency: str,
        time_zone: str,
        date_format: str | None = None,
        *,
        typed: bool = False,
        form: AmountForm = PLAIN,
        names: Names = str,
    ) -> None:
        self.columns = columns
        self.names = names
        self.currency = currency
        self.read_amount = make_amount_reader(find_exponent(currency), form, typed, names)
        self.dates = DateReader(time_zone, date_format, typed=typed, names=names)
        self.amounts = _ReadCache(self._read_amount)
        self.refunds = _ReadCache(self._read_refund)
        self.statuses = _ReadCache(_read_status)
        self.currencies = _ReadCache(self._check_currency)
        self.texts = {field: _TextCache(what) for field, what in TEXTS.items()}

    def read_row(self, line: int, cells: Sequence[str]) -> StagedRow:
        """One row; RowFault says why it is refused."""
        places = self.columns.places
        if len(cells) != self.columns.width:
            raise RowFault(describe_wrong_width(len(cells), self.columns.width))
        check_encoding(cells)
        customer = unquote_text(cells[places["customer_id"]].strip())
        if not customer:
            raise RowFault("no customer")
        order = unquote_text(cells[places["order_id"]].strip())
        if not order:
            raise RowFault("no order id")
        check_text(customer, "the customer id")
        check_text(order, "the order id")
        try:
            at, day = self.dates(cells[places["purchase_date"]])
        except DateFault as fault:
            raise RowFault(str(fault)) from fault
        amount = self.amounts[cells[places["amount"]]]
        status = self.statuses[cells[places["status"]]] if "status" in places else 0
        if "refunded" in places:
            amount = subtract_refund(amount, self.refunds[cells[places["refunded"]]], status)
        if "currency" in places:
            self.currencies[cells[places["currency"]]]
        texts = (known[cells[places[field]]] if field in places else None for field, known in self.texts.items())
        return StagedRow(line, order, customer, at, day, status, amount, *texts)

    def read_batch(self, batch: Batch) -> StagedColumns | None:
        """All the rows at once; None where one of them may have to be refused."""
        places, width = self.columns.places, self.columns.width
        try:
            cells = list(zip(*batch.rows, strict=True))
            if len(cells) != width:
                return None
            customers = _read_ids(cells[places["customer_id"]])
            orders = _read_ids(cells[places["order_id"]])
            if customers is None or orders is None:
                return None
            at, day = zip(*map(self.dates, cells[places["purchase_date"]]), strict=True)
            amounts = list(map(self.amounts.__getitem__, cells[places["amount"]]))
            statuses: Sequence[int] = (0,) * len(orders)
            if "status" in places:
                statuses = list(map(self.statuses.__getitem__, cells[places["status"]]))
            if "refunded" in places:
                refunds = map(self.refunds.__getitem__, cells[places["refunded"]])
                amounts = list(map(subtract_refund, amounts, refunds, statuses))
            if "currency" in places:
                for cell in set(cells[places["currency"]]):
                    self.currencies[cell]
            texts: list[Sequence[str | None]] = [
                list(map(known.__getitem__, cells[places[field]])) if field in places else [None] * len(orders)
                for field, known in self.texts.items()
            ]
            return StagedColumns(batch.lines, orders, customers, at, day, statuses, amounts, *texts)
        except ValueError:
            return None

    def _read_amount(self, cell: str) -> int:
        text = cell.strip()
        try:
            return self.read_amount(text)
        except ValueError as error:
            raise RowFault(f"the amount {text[:40]!r} {error}" if text else "the amount is absent") from error

    def _read_refund(self, cell: str) -> int:
        text = cell.strip()
        try:
            # Some write what was paid back as an amount below zero.
            return abs(self.read_amount(text)) if text else 0
        except ValueError as error:
            raise RowFault(f"the refunded amount {text[:40]!r} {error}") from error

    def _check_currency(self, cell: str) -> int:
        other = cell.strip().upper()
        if other and other != self.currency:
            raise RowFault(f"the currency is {other[:10]}, the business's is {self.currency}")
        return 0


def read_rows(
    batches: Iterable[Batch], reader: RowReader, reject: Callable[[RejectedRow], None]
) -> Iterator[StagedColumns]:
    """The accepted rows; the others go to `reject`. Empty lines are no rows."""
    for batch in batches:
        staged = reader.read_batch(batch) if batch.clean and not batch.faults else None
        if staged is None:
            accepted = []
            for line, cells, raw in zip(batch.lines, batch.rows, batch.raw or batch.rows, strict=True):
                try:
                    if line in batch.faults:
                        raise RowFault(batch.faults[line])
                    if cells:
                        accepted.append(reader.read_row(line, cells))
                except RowFault as fault:
                    reject(RejectedRow(line, format_row(raw), name_fields(fault.args[0], reader.names)))
            if not accepted:
                continue
            staged = StagedColumns(*zip(*accepted, strict=True))
        yield staged


def subtract_refund(amount: int, refunded: int, status: int) -> int:
    """What was paid for an order that qualifies, less what was paid back, never below 0. Another order shows its whole
    amount, and a row below zero is itself what was paid back."""
    return max(amount - refunded, 0) if status <= LAST_QUALIFYING and amount > 0 else amount


def _read_status(cell: str) -> int:
    word = cell.strip().lower().replace(" ", "_")
    known = STATUS_WORDS.get(word)
    if known is None:
        raise RowFault(f"unknown status {word[:40]!r}")
    return known


def _read_ids(cells: Sequence[str]) -> list[str] | None:
    """The ids; None where one is absent or long or might be protected by an apostrophe."""
    ids = list(map(str.strip, cells))
    if not all(ids) or max(map(len, ids)) > MAXIMUM_TEXT or "'" in map(itemgetter(0), ids):
        return None
    return ids


class PurchaseSource(Protocol):
    """A source that may be read again from its beginning; `typed` where dates come as dates, not as text of some
    form."""

    @property
    def name(self) -> str:
        """What it is called in messages, without anything secret."""
        ...

    @property
    def header(self) -> Sequence[str]:
        """The names of its columns."""
        ...

    @property
    def typed(self) -> bool:
        """Whether its dates are ISO 8601 whatever form its texts have."""
        ...

    def read_batches(self) -> Generator[Batch, None, None]: ...

    def read_rows(self) -> Iterator[tuple[int, list[str]]]:
        """All its rows as they stand in it, with their line numbers; rows without cells are left out."""
        ...


class SourceFile(PurchaseSource, Protocol):
    """A file as a source. `header_line` is where its header stands, counted from 1; `notes` are sentences about what
    was found and done, which may grow while it is read."""

    header_line: int
    notes: list[str]

    @property
    def encoding(self) -> str:
        """What its text is written in."""
        ...

    @property
    def delimiter(self) -> str | None:
        """What stands between its cells, None where it is no text."""
        ...
