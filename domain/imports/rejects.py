"""Rejected rows: of what kind a reason is and what would mend it, and the file that holds whole orders with the cells
of their source and three columns more. Mended, it is read again as the source was: whatever protects its cells from a
spreadsheet is taken off as exactly as it was put on."""

import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace

from domain.errors import Sentence
from domain.formulas import protect_text, unprotect_text
from domain.imports.columns import REJECT_COLUMNS, REJECT_LINE, REJECT_ORDER
from domain.imports.model import ANOTHER_ROW
from domain.imports.rows import Batch, PurchaseSource, RejectedRow

QUOTED = re.compile(r"(?<!\w)(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")(?!\w)")
VARYING = re.compile(
    r"\d{1,2} [A-Z][a-z]+ \d{4}|(?<!such as )(?<!than )(?<!ISO )(?<![\w.,:%/…-])\d[\d.,:]*(?<![.,:])(?![\w%/])"
)
"""Days and numbers that are those of a row, and neither a bound, an example nor a standard."""
LONGEST_KIND = 200
PARTS = ("unit price", "refunded amount", "discount", "tax", "shipping", "tip", "fee")
SIGNS = Sentence("Write it as 12.50, or say its signs by {decimal} and {thousands}.")
REMEDIES = (
    ("no customer", "Give the row its customer."),
    ("no order id", "Give the row the id of its order."),
    ("the date is absent", "Give the row its date."),
    ("the date", Sentence("Write the date as 2024-03-01, or give its form by {date_format}.")),
    ("the time zone", "Write the zone as Asia/Colombo, or say in a format under zones what it is."),
    ("the amount is absent", "Give the row its amount."),
    ("the amount is too large", "Check the amount: it is larger than any that can be kept."),
    (
        "the amount",
        Sentence("Write the amount as 12.50, or say its signs by {decimal}, {thousands} and {currency_sign}."),
    ),
    ("the quantity is absent", "Give the row its quantity, or its amount."),
    ("the quantity", Sentence("Write the quantity as 2 or 0.5, or say its signs by {decimal} and {thousands}.")),
    ("the unit price is absent", "Give the row its unit price, or its amount."),
    *(
        (f"the {part}", SIGNS)
        for part in ("unit price", "refunded amount", "discount", "tax", "shipping", "tip", "fee")
    ),
    ("unknown status", Sentence("Say by {status} what the word means, such as WORD=COMPLETED.")),
    ("a negative amount without", "Give the refund the id of the order that it is of."),
    (ANOTHER_ROW, "Mend the other row; this one needs nothing."),
    ("the order id belongs to another", "Mend the order id or the customer of the row."),
    ("the row has merged cells", Sentence("Unmerge the cells, or give {fill_down}.")),
    ("the row has", "Quote cells that hold the delimiter, and give every row as many cells as the header has."),
    ("the row is not UTF-8", "Save the file as UTF-8."),
    ("the row holds a NUL", "Take the NUL characters out of the file."),
    ("the currency is", "Import rows of one currency into a business that has it."),
    ("the attribute", "Write the attribute as it was first written, or give it another name."),
    ("registered_at", Sentence("Write the date as 2024-03-01, or give its form by {date_format}.")),
)
"""How reasons begin, and what mends such rows."""
IN_DOCUMENTS = (
    "true or false",
    "not a finite number",
    "a list",
    "an object",
    "binary data",
    "of the type",
    "no object",
)
OF_ANY_TEXT = (
    ("is in scientific notation", "Export the column as text, so that no digit is lost."),
    ("is longer than", "Shorten the text."),
    ("control character or a mark of direction", "Take out the characters that cannot be seen."),
    *((f"is {what}", "Store a text, a number or a date there in the document.") for what in IN_DOCUMENTS),
)
"""What reasons hold that may be said of several columns, and what mends such rows."""


def describe_kind(reason: str) -> str:
    """The reason without the values of one row, so that those of many rows are one kind; a kind is its own."""
    values = {match[0][1:-1] for match in QUOTED.finditer(reason)}
    kind = VARYING.sub("…", QUOTED.sub("'…'", reason))
    # A value that is to be given in a setting stands there once more.
    for value in values:
        kind = kind.replace(f" {value}=", " …=")
    return kind.replace("… cell,", "… cells,")[:LONGEST_KIND]


def find_remedy(kind: str) -> str | None:
    """What would mend rows that were rejected so, in plain names of fields; None where nothing would."""
    of_texts = (remedy for part, remedy in OF_ANY_TEXT if part in kind)
    return next(of_texts, None) or next((remedy for begins, remedy in REMEDIES if kind.startswith(begins)), None)


SIGNED_NUMBER = re.compile(r"'*[+-][0-9.,' ]*[0-9]")


def protect_cell(cell: str) -> str:
    """The cell with an apostrophe before what a spreadsheet would take for a formula, and before apostrophes that stand
    there already; a number stays as it is."""
    return cell if SIGNED_NUMBER.fullmatch(cell) else protect_text(cell)


def unprotect_cell(cell: str) -> str:
    """What `protect_cell` was given."""
    return cell if SIGNED_NUMBER.fullmatch(cell) else unprotect_text(cell)


def build_reject_cells(row: RejectedRow, cells: Sequence[str], width: int) -> list[str]:
    """The row of the file: as many cells of the source as its header has, the three, and what the row has beyond."""
    own = [protect_cell(cell) for cell in cells]
    padded = own[:width] + [""] * (width - len(own))
    texts = [*padded, str(row.line), *map(protect_cell, (row.reason, row.order_id or "")), *own[width:]]
    return [
        text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\0", "\ufffd") for text in texts
    ]


def is_rejects_header(header: Sequence[str]) -> bool:
    """Whether the columns are those of a file of rejects."""
    return tuple(header[-len(REJECT_COLUMNS) :]) == REJECT_COLUMNS


class RejectsSource:
    """A file of rejects as its source was. `read_orders` tells of which orders it holds every row; rows that were
    accepted are left out where those are not to be stated again. `of_rows`: every row is an order, whose id its line
    and the id that it had make."""

    def __init__(self, source: PurchaseSource, *, rejected_only: bool = False, of_rows: bool = False) -> None:
        self.source = source
        self.name = source.name
        self.typed = source.typed
        self.rejected_only = rejected_only
        self.header = list(map(unprotect_cell, source.header[: -len(REJECT_COLUMNS)]))
        self.width = len(self.header)
        self.of_rows = of_rows
        if of_rows:
            self.header += [REJECT_LINE, REJECT_ORDER]

    def read_batches(self) -> Generator[Batch, None, None]:
        """The rows with the cells of their source."""
        for batch in self.source.read_batches():
            yield replace(batch, rows=[self._cut(cells) for cells in batch.rows], raw=None)

    def read_rows(self) -> Iterator[tuple[int, list[str]]]:
        """The rows as they stood in their source, with their lines in this file."""
        for line, cells in self.source.read_rows():
            if row := self._cut(cells):
                yield line, row

    def read_orders(self) -> Iterator[str]:
        """The ids of the orders whose rows are all here, unless one was given another id since."""
        place = self.width + len(REJECT_COLUMNS) - 1
        for _, cells in self.source.read_rows():
            if len(cells) > place and cells[place]:
                yield unprotect_cell(cells[place])

    def _cut(self, cells: list[str]) -> list[str]:
        own = [*cells[: self.width], *cells[self.width + len(REJECT_COLUMNS) :]]
        if self.of_rows and len(cells) == self.width + len(REJECT_COLUMNS):
            own += [cells[self.width], cells[-1]]
        if self.rejected_only and len(cells) > self.width + 1 and not cells[self.width + 1]:
            return []
        return list(map(unprotect_cell, own))
