"""Pages by key: a page begins after a position, never at an offset, so rows that are added do not shift it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from domain.errors import InvalidInput

MAXIMUM_FIRST = 250
DEFAULT_FIRST = 50
T = TypeVar("T")
U = TypeVar("U")
Position = tuple[int | str, int]
"""The sort value and the id of an item."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which items: `size` of them after or before positions, from the end where `backward`."""

    size: int = DEFAULT_FIRST
    backward: bool = False
    after: Position | None = None
    before: Position | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Items in their order, with the position of each and whether there are more on either side."""

    items: Sequence[T]
    positions: Sequence[Position]
    has_next: bool
    has_previous: bool

    def map(self, change: Callable[[T], U]) -> "Page[U]":
        """The same page of other items."""
        return Page([change(item) for item in self.items], self.positions, self.has_next, self.has_previous)


def build_page(rows: Sequence[T], request: PageRequest, position: Callable[[T], Position]) -> Page[T]:
    """The page from up to size + 1 rows, which stand in the order they were looked for."""
    more = len(rows) > request.size
    items = list(rows[: request.size])
    if request.backward:
        items.reverse()
        has_next, has_previous = request.before is not None, more
    else:
        has_next, has_previous = more, request.after is not None
    return Page(items, [position(item) for item in items], has_next, has_previous)


def check_page_request(
    first: int | None,
    last: int | None,
    after: Position | None,
    before: Position | None,
    maximum: int = MAXIMUM_FIRST,
) -> PageRequest:
    """Check the usual four arguments; InvalidInput names the one that is wrong."""
    for name, value in (("first", first), ("last", last)):
        if value is not None and not 1 <= value <= maximum:
            raise InvalidInput(f"{name} must be between 1 and {maximum}", (name,))
    if first is not None and last is not None:
        raise InvalidInput("last must be left out where first is given", ("last",))
    return PageRequest(first or last or DEFAULT_FIRST, last is not None, after, before)
