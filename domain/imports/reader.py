"""Rows of purchases, from whatever yields batches of cells under a header, as checked, typed columns. A batch of sound
rows is checked column by column; a batch with anything else in it is checked row by row, so that each row is either
staged or rejected with a reason."""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Protocol

from domain.errors import Names, name_fields
from domain.identifiers import PLACEHOLDERS, IdFault, are_plain_ids, normalise_id
from domain.imports.amounts import make_amount_reader, make_number_reader, round_minor
from domain.imports.attribute_columns import AttributeCells, AttributeColumn, PurchaseAttributes, clean_cell
from domain.imports.columns import (
    REJECT_LINE,
    REJECT_ORDER,
    Columns,
    RowFault,
    check_encoding,
    check_text,
    count_noun,
    describe_cleaned,
    describe_wrong_width,
    format_row,
)
from domain.imports.dates import DateFault, DateReader, find_zone
from domain.imports.formats import CUSTOMER_DAY, ROW, SourceFormat, Term, clean_word
from domain.imports.rows import Batch, RejectedRow, StagedColumns, StagedRow
from domain.model import LAST_QUALIFYING, STATUS_ORDER, PurchaseStatus
from domain.money import find_exponent, to_decimal, to_millionths
from domain.texts import clean_text, find_unseen

STATUS_WORDS = {
    "": "COMPLETED",
    "completed": "COMPLETED",
    "paid": "COMPLETED",
    "fulfilled": "COMPLETED",
    "partial": "PARTIAL",
    "partially_paid": "PARTIAL",
    "pending": "PENDING",
    "on_hold": "PENDING",
    "authorized": "PENDING",
    "refunded": "REFUNDED",
    "returned": "REFUNDED",
    "chargeback": "REFUNDED",
    "cancelled": "CANCELLED",
    "canceled": "CANCELLED",
    "voided": "CANCELLED",
}
"""Words that mean the same in every shop, as words are compared."""
RANK = {status: rank for rank, status in enumerate(STATUS_ORDER)}
OVERRIDE = "\ue000"
"""Stands before a status that another column than that of the status decided."""
DIGEST_LENGTH = 32
MADE = "made:"
"""Begins the ids of orders that their source gave none."""
REMEMBERED = 50_000
LONGEST_REMEMBERED = 100
"""Cells and their length: what is remembered does not fill memory, whatever a file holds."""
AMOUNT_TERMS = (Term(("amount",), True),)
TEXTS = {
    "category": "the category",
    "storefront": "the storefront",
    "channel": "the channel",
    "product": "the product",
    "sku": "the sku",
}


class RowPlaces(Protocol):
    """Counts rows that are equal, however many there are."""

    def count(self, keys: Sequence[str]) -> list[int]:
        """For each key how many rows there were of it before, those of the same list included."""
        ...


class CountedPlaces:
    """RowPlaces in memory."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def count(self, keys: Sequence[str]) -> list[int]:
        before = []
        for key in keys:
            count = self.counts.get(key, 0)
            self.counts[key] = count + 1
            before.append(count)
        return before


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


class TextCache(dict[str, str | None]):
    """An optional text; as above. `cleaned`: whether one held what cannot be seen."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what
        self.cleaned = False

    def __missing__(self, cell: str) -> str | None:
        stated = clean_cell(cell)
        text = clean_text(stated)
        self.cleaned |= find_unseen(stated) is not None
        value = check_text(text, self.what) if text else None
        if len(self) >= REMEMBERED:
            self.clear()
        if len(cell) <= LONGEST_REMEMBERED:
            self[cell] = value
        return value


class _IdCache(dict[str, str]):
    """Ids as they are kept; RowFault where there is none or it is damaged."""

    def __init__(self, what: str, absent: str, order: bool) -> None:
        super().__init__()
        self.what = what
        self.absent = absent
        self.order = order

    def __missing__(self, cell: str) -> str:
        try:
            value = normalise_id(cell, self.what, order=self.order)
        except IdFault as fault:
            raise RowFault(str(fault)) from fault
        if not value:
            raise RowFault(self.absent)
        if len(self) >= REMEMBERED:
            self.clear()
        if len(cell) <= LONGEST_REMEMBERED:
            self[cell] = value
        return value


NO_QUANTITY = -(2**62)
"""Stands for an absent quantity among the remembered ones."""
MOST_CURRENCIES = 20


class RowReader:
    """Checks the rows of one source; reasons of refusals have the names of a face. `secret` keys the digests that ids
    are made of where the source has none; `places` counts equal rows for them. `differing` counts rows whose amount
    differs from quantity times price, `foreign` those in other currencies, with their sums in minor units."""

    def __init__(
        self,
        columns: Columns,
        currency: str,
        time_zone: str,
        form: SourceFormat | None = None,
        *,
        terms: Sequence[Term] = AMOUNT_TERMS,
        typed: bool = False,
        mixed: bool = False,
        names: Names = str,
        secret: str = "",
        places: RowPlaces | None = None,
        attributes: Sequence[AttributeColumn] = (),
    ) -> None:
        self.columns = columns
        self.currency = currency
        self.time_zone = time_zone
        self.form = form or SourceFormat()
        self.terms = tuple(terms)
        self.typed = typed
        self.mixed = mixed
        self.names = names
        self.secret = secret.encode()
        self.places = places or CountedPlaces()
        self.decimals = find_exponent(currency)
        self.made: str | None = None
        self.differing = 0
        self.foreign: dict[str, list[int]] = {}
        amounts = self.form.amount_form.allow_own_signs(currency)
        self.read_amount = make_amount_reader(self.decimals, amounts, typed, names)
        self.read_number = make_number_reader(amounts, names)
        self.dates = self._make_dates(self.form.file_time_zone)
        self.zoned: dict[str, DateReader] = {}
        self.attributes = PurchaseAttributes(self.attribute_cells, attributes)
        self.amounts = _ReadCache(self._read_amount)
        self.refunds = _ReadCache(self._read_refund)
        self.parts = {of: _ReadCache(self._make_part(of)) for of in ("discount", "tax", "shipping", "tip", "fee")}
        self.products: dict[tuple[str, str], int] = {}
        self.words = {**STATUS_WORDS, **{clean_word(word): status for word, status in self.form.statuses.items()}}
        self.statuses = _ReadCache(self._read_status)
        self.currencies = _ReadCache(self._check_currency)
        self.quantities = _ReadCache(self._read_quantity)
        self.texts = {field: TextCache(what) for field, what in TEXTS.items()}
        self.customers = _IdCache("the customer id", "no customer", False)
        self.orders = _IdCache("the order id", "no order id", True)

    @property
    def attribute_cells(self) -> AttributeCells:
        """How cells of attributes are read."""
        return AttributeCells(self.dates.tz, self.dates, self.read_number)

    def read_row(self, line: int, cells: Sequence[str]) -> StagedRow:
        """One row; RowFault says why it is refused."""
        places = self.columns.places
        if len(cells) != self.columns.width:
            raise RowFault(describe_wrong_width(len(cells), self.columns.width))
        self.made = None
        check_encoding(cells)
        columns = {of: (cells[place],) for of, place in places.items()}
        customers = self.read_customers(columns)
        order = self.orders[columns["order_id"][0]] if "order_id" in columns else None
        try:
            at, day = self._read_dates(columns)[0]
        except DateFault as fault:
            raise RowFault(str(fault)) from fault
        texts = self._read_texts(columns, 1)
        orders = [order] if order is not None else None
        (stored,) = self._build_order_ids(columns, orders, customers, [at], [day], texts["storefront"])
        self.made = stored if self.form.orders == ROW else None
        statuses = [self.statuses[columns["status"][0]]] if "status" in columns else [0]
        (amount,) = self._read_amounts(columns, statuses)
        self._check_currency_of(columns, amount)
        quantity = self.quantities[columns["quantity"][0]] if "quantity" in columns else NO_QUANTITY
        return StagedRow(
            line,
            stored,
            customers[0],
            at,
            day,
            statuses[0],
            amount,
            texts["category"][0],
            texts["storefront"][0],
            texts["channel"][0],
            texts["product"][0],
            texts["sku"][0],
            None if quantity == NO_QUANTITY else quantity,
            self.attributes.read(columns, 1)[0],
        )

    def read_order(self, cells: Sequence[str]) -> str | None:
        """The order of a row that is refused, whose other rows are refused with it; None where nobody can tell."""
        columns = {of: (cells[place],) for of, place in self.columns.places.items() if place < len(cells)}
        if self.form.orders == ROW:
            # It was given when the row was read, if customer and date could be.
            return self.made
        try:
            check_encoding([cell for (cell,) in columns.values()])
            orders = [self.orders[columns["order_id"][0]]] if "order_id" in columns else None
            if orders is not None and self.form.order_id_scope is None:
                return f"{self.form.order_id_prefix or ''}{orders[0]}"
            at, day = self._read_dates(columns)[0]
            customers, texts = self.read_customers(columns), self._read_texts(columns, 1)
            return self._build_order_ids(columns, orders, customers, [at], [day], texts["storefront"])[0]
        except (KeyError, ValueError):
            return None

    def read_batch(self, batch: Batch) -> StagedColumns | None:
        """All the rows at once; None where one of them may have to be refused."""
        differing = self.differing
        try:
            cells = list(zip(*batch.rows, strict=True))
            if len(cells) != self.columns.width:
                return None
            columns = {of: cells[place] for of, place in self.columns.places.items()}
            size = len(batch.rows)
            customers = self.read_customers(columns)
            orders = None
            if "order_id" in columns:
                orders = list(map(str.strip, columns["order_id"]))
                if not are_plain_ids(orders):
                    orders = list(map(self.orders.__getitem__, orders))
            at, day = zip(*self._read_dates(columns), strict=True)
            statuses = list(map(self.statuses.__getitem__, columns["status"])) if "status" in columns else [0] * size
            amounts = self._read_amounts(columns, statuses)
            for cell in set(columns.get("currency", ())):
                self.currencies[cell]
            texts = self._read_texts(columns, size)
            quantities: Sequence[int | None] = [None] * size
            if "quantity" in columns:
                read = map(self.quantities.__getitem__, columns["quantity"])
                quantities = [None if one == NO_QUANTITY else one for one in read]
            attributes = self.attributes.read(columns, size)
            # Last of all: what is counted for them is counted once, and then for rows that are accepted.
            ids = self._build_order_ids(columns, orders, customers, at, day, texts["storefront"])
            return StagedColumns(
                batch.lines,
                ids,
                customers,
                at,
                day,
                statuses,
                amounts,
                texts["category"],
                texts["storefront"],
                texts["channel"],
                texts["product"],
                texts["sku"],
                quantities,
                attributes,
            )
        except ValueError:
            # The rows are read again one by one.
            self.differing = differing
            return None

    def describe_doubts(self) -> list[str]:
        """What people should know of the rows that were read."""
        doubts: list[str] = []
        if self.differing:
            rows = count_noun(self.differing, "row")
            doubts.append(f"In {rows} the amount differs from quantity × unit_price; the amount counts.")
        if cleaned := [field for field, known in self.texts.items() if known.cleaned]:
            doubts.append(describe_cleaned(cleaned))
        for code, (count, total) in sorted(self.foreign.items()):
            amount = to_decimal(total, self.decimals)
            doubts.append(f"{count_noun(count, 'row')} in {code}, {amount} in all, cannot be read in {self.currency}.")
        return doubts

    def _make_dates(self, zone: str | None) -> DateReader:
        return DateReader(
            self.time_zone,
            self.form.date_format,
            typed=self.typed,
            mixed=self.mixed,
            names=self.names,
            file_zone=zone,
            zones=self.form.zones,
        )

    def read_customers(self, columns: Mapping[str, Sequence[str]]) -> list[str]:
        """The ids of the rows' customers as they are kept; RowFault where one of them is none."""
        ids = list(map(str.strip, columns["customer_id"]))
        if not are_plain_ids(ids):
            ids = list(map(self.customers.__getitem__, ids))
        prefix = self.form.customer_id_prefix
        return [f"{prefix}{one}" for one in ids] if prefix else ids

    def _read_dates(self, columns: Mapping[str, Sequence[str]]) -> list[tuple[int, int]]:
        if "time_zone" not in columns:
            return list(map(self.dates, columns["purchase_date"]))
        return [
            self._find_dates(zone.strip())(text)
            for text, zone in zip(columns["purchase_date"], columns["time_zone"], strict=True)
        ]

    def _find_dates(self, zone: str) -> DateReader:
        """The reader of dates in the zone that a cell names."""
        if not zone:
            return self.dates
        reader = self.zoned.get(zone)
        if reader is None:
            name = self.form.zones.get(zone, zone)
            if name == zone and find_zone(zone) is None:
                raise RowFault(
                    f"the time zone {zone[:40]!r} is none that is known: a format says under zones what it is"
                )
            reader = self._make_dates("UTC" if "/" not in name else name)
            if len(self.zoned) >= LONGEST_REMEMBERED:
                self.zoned.clear()
            self.zoned[zone] = reader
        return reader

    def _read_texts(self, columns: Mapping[str, Sequence[str]], size: int) -> dict[str, Sequence[str | None]]:
        nothing = [None] * size
        return {
            of: list(map(known.__getitem__, columns[of])) if of in columns else nothing
            for of, known in self.texts.items()
        }

    def _read_amounts(self, columns: Mapping[str, Sequence[str]], statuses: Sequence[int]) -> list[int]:
        if self.terms == AMOUNT_TERMS:
            amounts = list(map(self.amounts.__getitem__, columns["amount"]))
            if "unit_price" in columns and "quantity" in columns and not self.form.of_orders:
                products = self._multiply(columns, absent_allowed=True)
                self.differing += sum(map(int.__ne__, amounts, products))
        else:
            totals = [self._read_term(term, columns) for term in self.terms]
            amounts = [sum(parts) for parts in zip(*totals, strict=True)]
        if "refunded" in columns and not any("refunded" in term.fields for term in self.terms):
            refunds = map(self.refunds.__getitem__, columns["refunded"])
            amounts = list(map(subtract_refund, amounts, refunds, statuses))
        return amounts

    def _read_term(self, term: Term, columns: Mapping[str, Sequence[str]]) -> list[int]:
        if len(term.fields) == 2:
            values = self._multiply(columns)
        else:
            (of,) = term.fields
            if of == "unit_price":
                values = [self._round(self._read_exactly(cell, "the unit price")) for cell in columns[of]]
            elif of == "amount":
                values = list(map(self.amounts.__getitem__, columns[of]))
            elif of == "refunded":
                cells = columns.get(of, ("",) * len(columns["customer_id"]))
                values = list(map(self.refunds.__getitem__, cells))
            else:
                # Several columns of such a part add up; one that the source does not have is nothing.
                own = [cells for name, cells in columns.items() if name.partition("#")[0] == of]
                read = [map(self.parts[of].__getitem__, cells) for cells in own]
                values = [sum(each) for each in zip(*read, strict=True)] or [0] * len(columns["customer_id"])
        return values if term.added else [-value for value in values]

    def _multiply(self, columns: Mapping[str, Sequence[str]], absent_allowed: bool = False) -> list[int]:
        """Quantity times price of each row in minor units."""
        products = []
        for place, pair in enumerate(zip(columns["quantity"], columns["unit_price"], strict=True)):
            if absent_allowed and not (pair[0].strip() and pair[1].strip()):
                products.append(self.amounts[columns["amount"][place]])
                continue
            value = self.products.get(pair)
            if value is None:
                quantity = self._read_exactly(pair[0], "the quantity")
                value = self._round(quantity * self._read_exactly(pair[1], "the unit price"))
                if len(self.products) >= REMEMBERED:
                    self.products.clear()
                if len(pair[0]) + len(pair[1]) <= LONGEST_REMEMBERED:
                    self.products[pair] = value
            products.append(value)
        return products

    def _round(self, number: Decimal) -> int:
        try:
            return round_minor(number, self.decimals)
        except (ValueError, ArithmeticError) as error:
            raise RowFault("the amount is too large") from error

    def _read_exactly(self, cell: str, what: str) -> Decimal:
        text = clean_number(cell)
        try:
            return self.read_number(text)
        except ValueError as error:
            raise RowFault(f"{what} {text[:40]!r} {error}" if text else f"{what} is absent") from error

    def _read_quantity(self, cell: str) -> int:
        if not clean_number(cell):
            return NO_QUANTITY
        number = self._read_exactly(cell, "the quantity")
        try:
            return to_millionths(number)
        except ValueError as error:
            raise RowFault(f"the quantity {cell.strip()[:40]!r} {error}") from error

    def _read_amount(self, cell: str) -> int:
        text = cell.strip()
        try:
            return self.read_amount(text)
        except ValueError as error:
            text = clean_number(cell)
            if not text and self.form.absent_amount == "zero":
                return 0
            raise RowFault(f"the amount {text[:40]!r} {error}" if text else "the amount is absent") from error

    def _read_refund(self, cell: str) -> int:
        text = clean_number(cell)
        try:
            # Some write what was paid back as an amount below zero.
            return abs(self.read_amount(text)) if text else 0
        except ValueError as error:
            raise RowFault(f"the refunded amount {text[:40]!r} {error}") from error

    def _make_part(self, of: str) -> Callable[[str], int]:
        """A reader of a part of the amount: what is absent is 0, and a discount that is written below zero is what is
        taken off all the same."""

        def read(cell: str) -> int:
            text = clean_number(cell)
            try:
                value = self.read_amount(text) if text else 0
            except ValueError as error:
                raise RowFault(f"the {of} {text[:40]!r} {error}") from error
            return abs(value) if of in ("discount", "fee") else value

        return read

    def _read_status(self, cell: str) -> int:
        word = clean_word(cell)
        if word.startswith(OVERRIDE):
            return RANK[PurchaseStatus[word.removeprefix(OVERRIDE).upper()]]
        known = self.words.get(word)
        if known is None:
            setting = f"{self.names('status')} {word[:40]}=COMPLETED"
            raise RowFault(f"unknown status {cell.strip()[:40]!r} (say what it means, such as {setting})")
        return RANK[PurchaseStatus[known]]

    def _check_currency_of(self, columns: Mapping[str, Sequence[str]], amount: int) -> None:
        """Of one row; what is refused is counted."""
        (cell,) = columns.get("currency", ("",))
        try:
            self.currencies[cell]
        except RowFault:
            code = cell.strip().upper()[:10]
            if code in self.foreign or len(self.foreign) < MOST_CURRENCIES:
                counted = self.foreign.setdefault(code, [0, 0])
                counted[0] += 1
                counted[1] += amount
            raise

    def _check_currency(self, cell: str) -> int:
        other = cell.strip().upper()
        if other and other != self.currency:
            raise RowFault(f"the currency is {other[:10]}, the business's is {self.currency}")
        return 0

    def _build_order_ids(
        self,
        columns: Mapping[str, Sequence[str]],
        orders: Sequence[str] | None,
        customers: Sequence[str],
        at: Sequence[int],
        day: Sequence[int],
        storefronts: Sequence[str | None],
    ) -> Sequence[str]:
        """The ids as they are stored: those of the source, within what they are unique, or made ones."""
        if orders is None:
            return self._make_order_ids(columns, customers, at, day)
        scope, prefix = self.form.order_id_scope, self.form.order_id_prefix or ""
        if scope is None:
            return [f"{prefix}{order}" for order in orders] if prefix else orders
        if scope == "customer":
            within: Iterable[object] = map(self._digest, customers)
        elif scope == "storefront":
            within = (storefront or "" for storefront in storefronts)
        else:
            within = (date.fromordinal(number).year for number in day)
        return [f"{prefix}{one}/{order}" for one, order in zip(within, orders, strict=True)]

    def _make_order_ids(
        self, columns: Mapping[str, Sequence[str]], customers: Sequence[str], at: Sequence[int], day: Sequence[int]
    ) -> list[str]:
        if self.form.orders == CUSTOMER_DAY:
            keys = [f"{customer}\x1f{number}" for customer, number in zip(customers, day, strict=True)]
        else:
            keys = [f"{customer}\x1f{micros}" for customer, micros in zip(customers, at, strict=True)]
        if REJECT_ORDER in columns:
            # Mended rows keep the ids that they had; one that had none must not take that of an accepted row.
            keys = [f"{key}\x1fline {line}" for key, line in zip(keys, columns[REJECT_LINE], strict=True)]
            made = zip(keys, columns[REJECT_ORDER], strict=True)
            return [order or f"{MADE}{self._digest(key)}" for key, order in made]
        if self.form.orders == ROW:
            keys = [f"{key}\x1f{place}" for key, place in zip(keys, self.places.count(keys), strict=True)]
        return [f"{MADE}{self._digest(key)}" for key in keys]

    def _digest(self, text: str) -> str:
        return hmac.new(self.secret, text.encode(), hashlib.sha256).hexdigest()[:DIGEST_LENGTH]


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
                    reason = name_fields(fault.args[0], reader.names)
                    reject(RejectedRow(line, format_row(raw), reason, reader.read_order(cells)))
            if not accepted:
                continue
            staged = StagedColumns(*zip(*accepted, strict=True))
        yield staged


def clean_number(cell: str) -> str:
    """The text of a number, empty where a word or a dash stands for none."""
    text = cell.strip()
    return "" if text.casefold() in PLACEHOLDERS else text


def subtract_refund(amount: int, refunded: int, status: int) -> int:
    """What was paid for an order that qualifies, less what was paid back, never below 0. Another order shows its whole
    amount, and a row below zero is itself what was paid back."""
    return max(amount - refunded, 0) if status <= LAST_QUALIFYING and amount > 0 else amount
