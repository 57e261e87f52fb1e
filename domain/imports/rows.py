"""What rows of purchases are on their way from a source into the store: batches of cells as they were read, accepted
rows as typed columns, and rejected ones with their reason."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


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


@dataclass(frozen=True, slots=True)
class PlainText:
    """Rows as they stand in a file, of which nobody could doubt what is a cell: each is one line of as many cells as
    the header, the first one stands on `line`, and cells between quotes hold neither lines nor, but doubled, quotes."""

    line: int
    rows: int
    text: str
    delimiter: str
    quote: str


class StagedRow(NamedTuple):
    """One accepted row: money in minor units, the instant in microseconds, the status by its rank, the quantity in
    millionths; attributes are those of the order, as `domain.attributes` writes them."""

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
    product: str | None = None
    sku: str | None = None
    quantity: int | None = None
    attributes: str | None = None


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
    product: Sequence[str | None]
    sku: Sequence[str | None]
    quantity: Sequence[int | None]
    attributes: Sequence[str | None]


class RejectedRow(NamedTuple):
    """One refused row: where it stands, its text, why, and the order that it is of, where that could be read."""

    line: int
    text: str
    reason: str
    order_id: str | None = None


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
