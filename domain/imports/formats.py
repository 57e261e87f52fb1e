"""How a source of purchases is to be read: what a caller says, where it says nothing what the business has settled
under `import`, and how the order exports of shop platforms are written. Nothing is guessed and nothing computed here:
what is said nowhere has the plain meaning, and whatever stands in a cell is read by the one reader of its field."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from domain.errors import InvalidInput, Sentence
from domain.imports.columns import (
    ALIASES,
    REQUIRED,
    describe_columns,
    describe_wrong_width,
    find_mapped,
    format_row,
    normalise_header,
    rate_header,
)
from domain.imports.rows import Batch, PurchaseSource
from domain.imports.sources import FileForm
from domain.imports.values import AmountForm, DateForm
from domain.model import BusinessSettings

FIELDS = tuple(ALIASES)


@dataclass(frozen=True, slots=True)
class Preset:
    """One platform. `columns` are those that may hold a field, by their normalised names, the first that says
    something wins; `nothing` is what says nothing in the customer's."""

    title: str
    columns: Mapping[str, tuple[str, ...]]
    statuses: Mapping[str, str]
    cancelled: tuple[str, ...] = ()
    nothing: frozenset[str] = frozenset({""})


PRESETS: Mapping[str, Preset] = {
    "shopify": Preset(
        "Shopify's order export",
        {
            "customer_id": ("email", "phone"),
            "order_id": ("name",),
            "purchase_date": ("createdat",),
            "amount": ("total",),
            "refunded": ("refundedamount",),
            "currency": ("currency",),
            "status": ("financialstatus",),
            "channel": ("source",),
            "storefront": ("location",),
        },
        {
            "paid": "completed",
            "partially_paid": "partial",
            "partially_refunded": "completed",
            "authorized": "pending",
            "pending": "pending",
            "unpaid": "pending",
            "refunded": "refunded",
            "voided": "cancelled",
            "expired": "cancelled",
        },
        ("cancelledat",),
    ),
    "woocommerce": Preset(
        "WooCommerce's order exports",
        {
            "customer_id": ("billingemail", "customeremail", "email(billing)", "customerid", "customeruser"),
            "order_id": ("ordernumber", "orderid", "order#"),
            "purchase_date": ("orderdate", "date", "datecreated"),
            "amount": ("ordertotal", "ordertotalamount", "total", "n.revenue"),
            "refunded": ("refundedtotal", "orderrefundamount", "orderrefundedamount"),
            "currency": ("ordercurrency", "currency"),
            "status": ("status", "orderstatus"),
            "category": ("itemcategory", "productcategory", "category"),
            "channel": ("createdvia", "attribution", "origin"),
        },
        {
            "completed": "completed",
            "processing": "completed",
            "on_hold": "pending",
            "pending": "pending",
            "pending_payment": "pending",
            "checkout_draft": "pending",
            "draft": "pending",
            "cancelled": "cancelled",
            "failed": "cancelled",
            "trash": "cancelled",
            "refunded": "refunded",
        },
        nothing=frozenset({"", "0"}),
    ),
}


class PresetSource:
    """A platform's export as a source of our own columns; every row keeps the text that stands in the file."""

    def __init__(self, source: PurchaseSource, preset: Preset, mapping: Mapping[str, str]) -> None:
        self.source = source
        self.preset = preset
        self.name = source.name
        self.typed = source.typed
        names = [normalise_header(name) for name in source.header]
        wanted = {**preset.columns, **_map_columns(mapping, names)}
        self.places = {of: tuple(names.index(name) for name in some if name in names) for of, some in wanted.items()}
        self.header = [of for of in FIELDS if self.places.get(of)]
        self.cancelled = [names.index(name) for name in preset.cancelled if name in names]
        missing = [of for of in REQUIRED if of not in self.header]
        if missing:
            wants = ", ".join(f"{of} ({' or '.join(wanted[of])})" for of in missing)
            template = "{} is not {}: it lacks {}. Columns seen: {}. Use {map} COLUMN={}."
            seen = describe_columns(source.header)
            raise InvalidInput(Sentence(template, source.name, preset.title, wants, seen, missing[0]))
        used = {place for some in self.places.values() for place in some} | {*self.cancelled}
        self.ignored = tuple(
            format_row([name.strip()]) for place, name in enumerate(source.header) if place not in used
        )

    def read_batches(self) -> Generator[Batch, None, None]:
        """The rows in our columns."""
        width = len(self.source.header)
        order: list[str] | None = None
        for batch in self.source.read_batches():
            rows: list[list[str]] = []
            faults = dict(batch.faults)
            for line, cells in zip(batch.lines, batch.rows, strict=True):
                if not cells:
                    rows.append([])
                    continue
                if len(cells) != width:
                    faults[line] = describe_wrong_width(len(cells), width)
                    rows.append([""] * len(self.header))
                    continue
                row = self._translate_row(cells)
                key = row[self.header.index("order_id")]
                if order is not None and key and key == order[self.header.index("order_id")]:
                    row = [
                        own if own or name == "category" else first
                        for name, own, first in zip(self.header, row, order, strict=True)
                    ]
                else:
                    order = row
                rows.append(row)
            yield Batch(batch.lines, rows, batch.clean, batch.raw or batch.rows, faults)

    def read_rows(self) -> Iterator[tuple[int, list[str]]]:
        """The rows as they stand in the file."""
        return self.source.read_rows()

    def _translate_row(self, cells: Sequence[str]) -> list[str]:
        row = {of: self._find_text(cells, self.places[of], of == "customer_id") for of in self.header}
        word = row.get("status", "").lower().replace(" ", "_").replace("-", "_").removeprefix("wc_")
        if "status" in row:
            row["status"] = self.preset.statuses.get(word, row["status"])
        if any(cells[place].strip() for place in self.cancelled):
            row["status"] = "cancelled"
        return [row[of] for of in self.header]

    def _find_text(self, cells: Sequence[str], places: Sequence[int], customer: bool) -> str:
        nothing = self.preset.nothing if customer else {""}
        return next((text for place in places if (text := cells[place].strip()) not in nothing), "")


def carry_down_amounts(batches: Iterator[Batch], order: int, amount: int, width: int) -> Iterator[Batch]:
    """Rows where an absent amount is that of the row before, if both are of one order."""
    last, amount_text = "", ""
    for batch in batches:
        rows = []
        for cells in batch.rows:
            row = cells
            if len(cells) == width:
                key = cells[order].strip()
                if key and key == last and not cells[amount].strip():
                    row = list(cells)
                    row[amount] = amount_text
                elif key != last or cells[amount].strip():
                    last, amount_text = key, cells[amount]
            rows.append(row)
        yield Batch(batch.lines, rows, batch.clean, batch.raw or batch.rows, batch.faults)


def _map_columns(mapping: Mapping[str, str], header: Sequence[str]) -> dict[str, tuple[str, ...]]:
    return {find_mapped(column, of, header): (normalise_header(column),) for column, of in mapping.items()}


LINE, ORDER = "line", "order"
"""Whose amount stands in a row: its own, or that of its whole order."""
AMOUNTS = (LINE, ORDER)
SECTION = "import"


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What is known of a source beforehand. `mapping` is column to field, `kept_mapping` that of the settings, which
    holds where the source has such columns."""

    mapping: Mapping[str, str] = field(default_factory=dict)
    date_format: str | None = None
    preset: str | None = None
    amount: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    currency_sign: str | None = None
    sheet: str | None = None
    kept_mapping: Mapping[str, str] = field(default_factory=dict)

    def complete_from(self, settings: BusinessSettings) -> "ImportOptions":
        """These options, and what they leave open as the business has settled it."""
        section = settings.stored.get(SECTION)
        if not isinstance(section, Mapping):
            return self
        texts = {one.name for one in fields(self)} - {"mapping", "kept_mapping"}
        open_: dict[str, Any] = {
            name: value
            for name, value in section.items()
            if name in texts and isinstance(value, str) and getattr(self, name) is None
        }
        columns = section.get("columns")
        stored = {str(column): str(of) for column, of in columns.items()} if isinstance(columns, Mapping) else {}
        return replace(self, kept_mapping=stored, **open_)

    def validate(self) -> "ImportOptions":
        """The same; InvalidInput names what cannot be."""
        check_date_format(self.date_format)
        if self.preset is not None and self.preset not in PRESETS:
            message = Sentence("{preset} must be one of: {}, not {}", ", ".join(PRESETS), self.preset[:40])
            raise InvalidInput(message, ("preset",))
        if self.amount is not None and self.amount not in AMOUNTS:
            message = Sentence("{amount} must be one of: {}, not {}", ", ".join(AMOUNTS), self.amount[:40])
            raise InvalidInput(message, ("amount",))
        if self.preset is not None and self.amount == LINE:
            template = "{amount} line does not go with {preset} {}, whose amounts are of orders"
            raise InvalidInput(Sentence(template, self.preset))
        _ = self.amount_form
        return self

    @property
    def amount_form(self) -> AmountForm:
        """How amounts are written; InvalidInput where its signs cannot be told apart."""
        return AmountForm.of(self.decimal, self.thousands, self.currency_sign)

    @property
    def file_form(self) -> FileForm:
        """How a file is written."""
        return FileForm(sheet=self.sheet, decimal=self.amount_form.decimal)

    def rate_header(self, cells: Sequence[str]) -> int:
        """How much a row looks like a header: its names may also be mapped, or those of the preset."""
        mapped = {normalise_header(column) for column in (*self.mapping, *self.kept_mapping)}
        preset = PRESETS[self.preset].columns.values() if self.preset is not None else ()
        return rate_header(cells, mapped.union(*preset))

    @property
    def of_orders(self) -> bool:
        """Whether rows carry the amount of their order."""
        return self.amount == ORDER or self.preset is not None

    def build_mapping(self, header: Mapping[str, object]) -> dict[str, str]:
        """The mapping for a source with these columns, as they are compared."""
        mapped = set(self.mapping.values())
        stored = {column: of for column, of in self.kept_mapping.items() if column in header and of not in mapped}
        return {**stored, **self.mapping}


def check_date_format(form: str | None) -> None:
    """InvalidInput where the form cannot tell one day from another."""
    try:
        if form is not None:
            DateForm(form)
    except ValueError as error:
        raise InvalidInput(Sentence("{date_format} {}, not {}", error, form), ("date_format",)) from error
