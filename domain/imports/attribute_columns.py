"""Columns that are kept as attributes, under names of the business's own. Each has its kind before any row is read: the
one that was told, else the one that the business knows, else that of all values of the first rows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from zoneinfo import ZoneInfo

from domain.attributes import (
    NEEDED,
    describe_wrong_value,
    find_kind_of_cells,
    normalise_name,
    read_cell,
    read_number,
    write_attributes,
)
from domain.calendar import from_micros
from domain.errors import InvalidInput, Sentence
from domain.formulas import unprotect_text
from domain.imports.columns import ATTRIBUTE, RowFault, check_text
from domain.imports.dates import DateReader
from domain.model import AttributeKind, AttributeValue

NOTHING = frozenset({"", "NULL", "null", "NaN", "nan", "None", "\\N", "N/A", "n/a", "#N/A", "-"})
"""What programs write where there is nothing, as they write it: Nan is a name."""
REMEMBERED = 50_000


@dataclass(frozen=True, slots=True)
class AttributeColumn:
    """A column that is an attribute; `field` is what it was mapped to, `found` whether the kind was found from the
    values."""

    field: str
    name: str
    kind: AttributeKind
    found: bool


def clean_cell(cell: str) -> str:
    """The text of a cell, empty where it says nothing."""
    text = unprotect_text(cell.strip())
    return "" if text in NOTHING else text


@dataclass(frozen=True, slots=True)
class AttributeCells:
    """Reads cells as a file writes its values."""

    zone: ZoneInfo
    dates: DateReader
    numbers: Callable[[str], Decimal]

    def read(self, text: str, kind: AttributeKind) -> AttributeValue:
        """The value of a text; ValueError where it is of another kind."""
        if kind is AttributeKind.NUMBER:
            return read_number(self.numbers(text))
        return from_micros(self.dates(text)[0]) if kind is AttributeKind.INSTANT else read_cell(text, kind, self.zone)

    def read_cell(self, column: AttributeColumn, cell: str) -> AttributeValue | None:
        """The value of a cell of the column; RowFault where it is of another kind."""
        text = check_text(clean_cell(cell), column.name)
        if not text:
            return None
        try:
            return self.read(text, column.kind)
        except ValueError as error:
            raise RowFault(describe_wrong_value(column.name, column.kind, text)) from error

    def find_columns(
        self, fields: Iterable[str], rows: Sequence[Mapping[str, str]], known: Mapping[str, AttributeKind]
    ) -> list[AttributeColumn]:
        """The attributes among the fields, by the texts of the first rows; InvalidInput where two are of one name."""
        columns: list[AttributeColumn] = []
        for one in fields:
            if one.startswith(ATTRIBUTE):
                name, _, told = one.removeprefix(ATTRIBUTE).partition(":")
                name = normalise_name(name)
                if any(name == other.name for other in columns):
                    raise InvalidInput(Sentence("{map}: two columns are the attribute {}", name), ("map",))
                kind = AttributeKind(told) if told else known.get(name)
                cells = (clean_cell(row[one]) for row in rows)
                columns.append(AttributeColumn(one, name, kind or find_kind_of_cells(cells, self.read), kind is None))
        return columns


def describe_found(columns: Iterable[AttributeColumn]) -> list[str]:
    """What people should know of kinds that were found."""
    return [f"The attribute {one.name} is {NEEDED[one.kind]}, as its first values are." for one in columns if one.found]


@dataclass(slots=True)
class PurchaseAttributes:
    """Reads the attributes of purchases, row by row as the text that is kept."""

    cells: AttributeCells
    columns: Sequence[AttributeColumn]
    known: dict[tuple[str, ...], str | None] = field(default_factory=dict)

    def read(self, columns: Mapping[str, Sequence[str]], size: int) -> Sequence[str | None]:
        """Those of so many rows, whose cells are known by field; RowFault where a value is of another kind."""
        if not self.columns:
            return [None] * size
        return [self._read_row(row) for row in zip(*(columns[one.field] for one in self.columns), strict=True)]

    def _read_row(self, row: tuple[str, ...]) -> str | None:
        if row not in self.known:
            if len(self.known) >= REMEMBERED:
                self.known.clear()
            pairs = zip(self.columns, row, strict=True)
            self.known[row] = write_attributes({one.name: self.cells.read_cell(one, cell) for one, cell in pairs})
        return self.known[row]
