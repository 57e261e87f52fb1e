"""Rows of a purchases file as checked, typed rows. Which column is what is decided once, from the header; after that
a row is either staged or rejected with a reason, and reading goes on."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from domain.calendar import read_instant, to_micros, to_utc, zone
from domain.errors import InvalidInput
from domain.money import exponent, is_currency, parse_minor

ALIASES: Mapping[str, tuple[str, ...]] = {
    "customer_id": ("customerid", "customer", "clientid"),
    "order_id": ("orderid", "purchaseid", "invoiceno"),
    "purchase_date": ("timestamp", "purchasedat", "purchasedate", "orderdate", "date"),
    "amount": ("amount", "totalamount"),
    "category": ("category", "productcategory"),
    "storefront": ("storefront",),
    "channel": ("channel",),
    "status": ("status",),
    "currency": ("currency",),
}
REQUIRED = ("customer_id", "order_id", "purchase_date", "amount")
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
MAXIMUM_TEXT = 1000
FORMULA_STARTS = "=+-@"
AMOUNT_IN = re.compile("totalamount[a-z]{3}")


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


class RejectedRow(NamedTuple):
    """One refused row: where it stands, its text, and why."""

    line: int
    text: str
    reason: str


class RowFault(ValueError):
    """Why a row is refused."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Where each field stands in a row; None where the file has no such column."""

    places: Mapping[str, int]
    ignored: tuple[str, ...]
    width: int


def normalised(header: str) -> str:
    """A header without letter case, spaces and underscores."""
    return header.strip().lower().replace(" ", "").replace("_", "")


def resolve_columns(header: Sequence[str], mapping: Mapping[str, str], currency: str) -> Columns:
    """Find every field's column; InvalidInput says what is missing, mapped twice or in another currency."""
    names = [normalised(name) for name in header]
    places: dict[str, int] = {}
    for column, field in mapping.items():
        target = next(
            (name for name, known in ALIASES.items() if normalised(field) in (normalised(name), *known)), None
        )
        if target is None:
            raise InvalidInput(f"--map {column}={field}: the fields are {', '.join(ALIASES)}", ("map",))
        if normalised(column) not in names:
            raise InvalidInput(f"--map {column}={field}: the file has no column {column}", ("map",))
        places[target] = names.index(normalised(column))
    mapped = set(places.values())
    free = [name if place not in mapped else "" for place, name in enumerate(names)]
    for field, known in ALIASES.items():
        if field not in places:
            place = next((free.index(alias) for alias in known if alias in free), None)
            if place is not None:
                places[field] = place
    if "amount" not in places:
        found = {name[-3:].upper(): place for place, name in enumerate(free) if AMOUNT_IN.fullmatch(name)}
        others = [code for code in found if is_currency(code)]
        if currency in found:
            places["amount"] = found[currency]
        elif others:
            column = header[found[others[0]]].strip()
            raise InvalidInput(f"The amounts are in {others[0]} ({column}), the business has {currency}.")
    missing = [field for field in REQUIRED if field not in places]
    if missing:
        seen = row_text([name.strip() for name in header], ", ")
        raise InvalidInput(
            f"Missing required columns: {', '.join(missing)}. Columns seen: {seen}. Use --map COLUMN={missing[0]}."
        )
    used = set(places.values())
    ignored = tuple(row_text([name.strip()]) for place, name in enumerate(header) if place not in used)
    return Columns(places, ignored, len(header))


def unquoted(text: str) -> str:
    """Text without the apostrophe that protects a spreadsheet from a formula."""
    return text[1:] if len(text) > 1 and text[0] == "'" and text[1] in FORMULA_STARTS else text


def checked_text(text: str, what: str) -> str:
    """A short text that both databases can keep; RowFault otherwise."""
    if len(text) > MAXIMUM_TEXT:
        raise RowFault(f"{what} is longer than {MAXIMUM_TEXT} characters")
    return text


def check_encoding(cells: Sequence[str]) -> None:
    """RowFault where the row was not UTF-8 or holds a NUL."""
    joined = "".join(cells)
    if not joined.isascii():
        try:
            joined.encode()
        except UnicodeEncodeError as error:
            raise RowFault("the row is not UTF-8 text") from error
    if "\0" in joined:
        raise RowFault("the row holds a NUL character")


class DateReader:
    """Reads instants of one file into (microseconds, local day); remembers what it read, as dates repeat."""

    def __init__(self, time_zone: str, date_format: str | None) -> None:
        self.tz = zone(time_zone)
        self.format = date_format
        self.known: dict[str, tuple[int, int]] = {}

    def __call__(self, text: str) -> tuple[int, int]:
        """RowFault where the text is no date."""
        found = self.known.get(text)
        if found is None:
            found = self._read(text)
            if len(self.known) >= 50_000:
                self.known.clear()
            self.known[text] = found
        return found

    def _read(self, text: str) -> tuple[int, int]:
        if not text:
            raise RowFault("the date is absent")
        try:
            if self.format is None:
                instant = read_instant(text, self.tz)
            else:
                instant = to_utc(datetime.strptime(text, self.format), self.tz)
        except ValueError as error:
            form = self.format or "ISO 8601 (or give --date-format)"
            raise RowFault(f"the date {text[:40]!r} is not {form}") from error
        return to_micros(instant), instant.astimezone(self.tz).toordinal()


def row_reader(
    columns: Columns, currency: str, time_zone: str, date_format: str | None
) -> Callable[[int, Sequence[str]], StagedRow]:
    """The function that checks one row; it raises RowFault with the reason of a refusal."""
    decimals = exponent(currency)
    dates = DateReader(time_zone, date_format)
    places = columns.places
    customer_at, order_at = places["customer_id"], places["order_id"]
    date_at, amount_at = places["purchase_date"], places["amount"]
    optional = [places.get(name) for name in ("category", "storefront", "channel", "status", "currency")]
    category_at, storefront_at, channel_at, status_at, currency_at = optional
    width = columns.width

    def optional_text(cells: Sequence[str], place: int | None, what: str) -> str | None:
        if place is None:
            return None
        text = cells[place].strip()
        return checked_text(unquoted(text), what) if text else None

    def read(line: int, cells: Sequence[str]) -> StagedRow:
        if len(cells) != width:
            raise RowFault(f"the row has {len(cells)} cells, the header has {width}")
        check_encoding(cells)
        customer = unquoted(cells[customer_at].strip())
        if not customer:
            raise RowFault("no customer")
        order = unquoted(cells[order_at].strip())
        if not order:
            raise RowFault("no order id")
        checked_text(customer, "the customer id")
        checked_text(order, "the order id")
        at, day = dates(cells[date_at].strip())
        text = cells[amount_at].strip()
        try:
            amount = parse_minor(text, decimals)
        except ValueError as error:
            raise RowFault(f"the amount {text[:40]!r} {error}" if text else "the amount is absent") from error
        status = 0
        if status_at is not None:
            word = cells[status_at].strip().lower().replace(" ", "_")
            known = STATUS_WORDS.get(word)
            if known is None:
                raise RowFault(f"unknown status {word[:40]!r}")
            status = known
        if currency_at is not None:
            other = cells[currency_at].strip().upper()
            if other and other != currency:
                raise RowFault(f"the currency is {other[:10]}, the business's is {currency}")
        return StagedRow(
            line,
            order,
            customer,
            at,
            day,
            status,
            amount,
            optional_text(cells, category_at, "the category"),
            optional_text(cells, storefront_at, "the storefront"),
            optional_text(cells, channel_at, "the channel"),
        )

    return read


def read_rows(
    rows: Iterator[tuple[int, Sequence[str]]],
    read: Callable[[int, Sequence[str]], StagedRow],
    reject: Callable[[RejectedRow], None],
) -> Iterator[StagedRow]:
    """The accepted rows; the others go to `reject`. Empty lines are no rows."""
    for line, cells in rows:
        try:
            yield read(line, cells)
        except RowFault as fault:
            reject(RejectedRow(line, row_text(cells), str(fault)))


def row_text(cells: Sequence[str], separator: str = ",") -> str:
    """The row for people to read, cut where it is long; what was not UTF-8 is shown as a replacement mark."""
    text = separator.join(cells)[:MAXIMUM_TEXT]
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
