"""A source whose format says more than where its columns are, as one of plain columns of fields: several columns of a
field become one, what stands on an order's first row or in merged cells is repeated, refunds find their order. Every
row keeps the text that stands in the source."""

from collections.abc import Generator, Iterator, Mapping, Sequence

from domain.identifiers import PLACEHOLDERS
from domain.imports.columns import PROFILE_FIELDS, Columns, describe_wrong_width
from domain.imports.formats import ANY_TEXT, EACH, SourceFormat, clean_word
from domain.imports.header import CARRIED, SUMMED, Layout
from domain.imports.reader import OVERRIDE
from domain.imports.rows import Batch, PurchaseSource

COUNTED = {"amount", "refunded", "refunded_order_id", "discount", "tax", "shipping", "tip", "fee"}
NOT_FILLED = CARRIED | COUNTED | set(PROFILE_FIELDS)
"""What merged cells do not repeat: money would count twice, and the customer above may have what this one has not."""
JOINED = ("purchase_time", "refunded_order_id")
PAIRED = ("amount", "currency", "refunded")
"""Of which a source may have one each for several currencies."""
MIDNIGHT = "T00:00:00"
IDS = ("customer_id", "order_id", "refunded_order_id")


class ArrangedSource:
    """Implements PurchaseSource over another source, in the columns of its layout."""

    def __init__(self, source: PurchaseSource, layout: Layout, form: SourceFormat, currency: str) -> None:
        self.source = source
        self.layout = layout
        self.form = form
        self.name = source.name
        self.typed = source.typed
        self.fields = _split_sums(layout.fields)
        self.currency = currency
        count = len(self.fields.get("currency", ()))
        paired = count > 1 and len(self.fields.get("amount", ())) == count
        self.paired = [of for of in PAIRED if paired and len(self.fields.get(of, ())) == count]
        self.header = [of for of in self.fields if of not in JOINED]
        if layout.status_columns and "status" not in self.header:
            self.header.append("status")
        self.nothing = {of: {"", *form.nothing.get(of.partition("#")[0], ())} for of in self.fields}
        self.not_filled = {of for of in self.fields if of.partition("#")[0] in NOT_FILLED}
        self.order: dict[str, str] | None = None
        self.above: dict[str, str] = {}

    @property
    def columns(self) -> Columns:
        """Where each field stands in what is read here."""
        places = {of: place for place, of in enumerate(self.header)}
        return Columns(places, self.layout.ignored, len(self.header))

    def read_batches(self) -> Generator[Batch, None, None]:
        """The rows in our columns."""
        self.order, self.above = None, {}
        for batch in self.source.read_batches():
            rows: list[list[str]] = []
            faults = dict(batch.faults)
            for line, cells in zip(batch.lines, batch.rows, strict=True):
                if not cells:
                    rows.append([])
                elif len(cells) != self.layout.width:
                    faults.setdefault(line, describe_wrong_width(len(cells), self.layout.width))
                    order = self._find_order(cells)
                    rows.append([order if of == "order_id" else "" for of in self.header])
                else:
                    row = self._arrange_row(cells)
                    rows.append([row[of] for of in self.header])
            yield Batch(batch.lines, rows, batch.clean, batch.raw or batch.rows, faults)

    def read_rows(self) -> Iterator[tuple[int, list[str]]]:
        """The rows as they stand in the source."""
        return self.source.read_rows()

    def read_filled_rows(self) -> Iterator[tuple[int, list[str]]]:
        """The same, with what merged cells say of each row, as some of the rows need it to be read alone."""
        filled = {place for of, places in self.fields.items() if of not in NOT_FILLED for place in places}
        above: dict[int, str] = {}
        for line, cells in self.source.read_rows():
            row = [
                above.get(place, "") if place in filled and not cell.strip() else cell
                for place, cell in enumerate(cells)
            ]
            above = dict(enumerate(row))
            yield line, row

    def _find_order(self, cells: Sequence[str]) -> str:
        """The order of a row of another width, as far as it is there."""
        padded = [*cells, *[""] * self.layout.width][: self.layout.width]
        texts = {of: self._find_text(of, padded, self.fields[of]) for of in IDS[1:] if of in self.fields}
        return texts.get("refunded_order_id") or texts.get("order_id", "")

    def _arrange_row(self, cells: Sequence[str]) -> dict[str, str]:
        fields = self._choose_pair(cells) if self.paired else self.fields
        row = {of: self._find_text(of, cells, places) for of, places in fields.items()}
        if self.form.fill_down:
            row = {of: text or ("" if of in self.not_filled else self.above.get(of, "")) for of, text in row.items()}
            self.above = row
        self._override_status(row, cells)
        order = row.get("order_id", "")
        if self.form.of_orders and order:
            if self.order is not None and order == self.order["order_id"]:
                first = self.order
                row = {of: text if text or of in CARRIED else first.get(of, "") for of, text in row.items()}
            else:
                self.order = dict(row)
        if row.get("purchase_time"):
            # A cell of a workbook that is a date has a time, too.
            day = row["purchase_date"].removesuffix(MIDNIGHT) if self.typed else row["purchase_date"]
            row["purchase_date"] = f"{day} {row['purchase_time']}".strip()
        if row.get("refunded_order_id"):
            row["order_id"] = row["refunded_order_id"]
            row["amount"] = _negate(row.get("amount", ""))
        if self.form.guests == EACH and not row["customer_id"] and row.get("order_id"):
            row["customer_id"] = f"guest:{row['order_id']}"
        return row

    def _choose_pair(self, cells: Sequence[str]) -> Mapping[str, tuple[int, ...]]:
        """The fields where amounts stand in several currencies: those of the first that is the business's."""
        currencies = [cells[place].strip().upper() for place in self.fields["currency"]]
        place = currencies.index(self.currency) if self.currency in currencies else 0
        return {**self.fields, **{of: (self.fields[of][place],) for of in self.paired}}

    def _find_text(self, of: str, cells: Sequence[str], places: Sequence[int]) -> str:
        nothing = self.nothing[of]
        texts = (text for place in places if (text := cells[place].strip()) not in nothing)
        if of in IDS:
            texts = (text for text in texts if text.casefold() not in PLACEHOLDERS)
        return next(texts, "")

    def _override_status(self, row: dict[str, str], cells: Sequence[str]) -> None:
        row.setdefault("status", "")
        for place, words in self.layout.status_columns:
            status = _find_status(cells[place], words)
            if status is not None:
                row["status"] = f"{OVERRIDE}{status.lower()}"
                return


def _split_sums(fields: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """The fields, where several columns of one add up as fields of their own."""
    split: dict[str, tuple[int, ...]] = {}
    for of, places in fields.items():
        if of not in SUMMED or len(places) == 1:
            split[of] = places
            continue
        for number, place in enumerate(places, 1):
            split[of if number == 1 else f"{of}#{number}"] = (place,)
    return split


def _find_status(cell: str, words: Mapping[str, str]) -> str | None:
    word = clean_word(cell)
    if not word:
        return words.get("")
    return words.get(word, words.get(ANY_TEXT))


def _negate(amount: str) -> str:
    """The amount below zero, as refunds that are written above it are meant."""
    return amount if not amount or amount[0] in "-(\u2212" or amount[-1] == "-" else f"-{amount}"
