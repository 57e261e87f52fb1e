"""Where purchases come from: whatever yields batches of cells under a header. Files, collections and the exports of
shop platforms look alike from here on."""

from collections.abc import Generator, Iterator, Sequence
from typing import Protocol

from domain.import_rows import Batch


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

    def batches(self) -> Generator[Batch, None, None]:
        """All its rows."""
        ...

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """All its rows as they stand in it, with their line numbers; rows without cells are left out."""
        ...
