"""Pages by key: a page begins after a position, never at an offset, so rows that are added do not shift it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, overload

from domain.errors import InvalidInput

MAXIMUM_FIRST = 250
DEFAULT_FIRST = 50
MAXIMUM_IDS = 10_000
DEFAULT_IDS = 1_000
"""Of lists of bare ids."""
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


class Mapped(Sequence[U], Generic[T, U]):
    """The items of a sequence, each changed when it is looked at and not before, so that thousands are not made in one
    go."""

    __slots__ = ("change", "items")

    def __init__(self, items: Sequence[T], change: Callable[[T], U]) -> None:
        self.items = items
        self.change = change

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[U]:
        return map(self.change, self.items)

    @overload
    def __getitem__(self, place: int) -> U: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[U]: ...

    def __getitem__(self, place: int | slice) -> U | Sequence[U]:
        if isinstance(place, slice):
            return Mapped(self.items[place], self.change)
        return self.change(self.items[place])


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Items in their order, with the position of each and whether there are more on either side."""

    items: Sequence[T]
    positions: Sequence[Position]
    has_next: bool
    has_previous: bool

    def map(self, change: Callable[[T], U]) -> "Page[U]":
        """The same page of other items."""
        return Page(Mapped(self.items, change), self.positions, self.has_next, self.has_previous)


def build_page(rows: Sequence[T], request: PageRequest, position: Callable[[T], Position]) -> Page[T]:
    """The page from up to size + 1 rows, which stand in the order they were looked for."""
    more = len(rows) > request.size
    items = list(rows[: request.size])
    if request.backward:
        items.reverse()
        has_next, has_previous = request.before is not None, more
    else:
        has_next, has_previous = more, request.after is not None
    return Page(items, Mapped(items, position), has_next, has_previous)


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
