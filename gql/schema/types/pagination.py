"""Connections with opaque keyset cursors. A cursor holds the order it was made in and a position; one from another
order is refused. Totals are computed only when they are asked for."""

import base64
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

import strawberry

from domain.errors import InvalidInput
from domain.pages import Mapped, Page, PageRequest, Position, check_page_request

T = TypeVar("T")
U = TypeVar("U")
First = Annotated[
    int | None, strawberry.argument(description="How many items from the beginning, 1 to 250; 50 where absent.")
]
After = Annotated[str | None, strawberry.argument(description="Only items after this cursor.")]
Last = Annotated[int | None, strawberry.argument(description="How many items from the end, 1 to 250.")]
Before = Annotated[str | None, strawberry.argument(description="Only items before this cursor.")]
Count = int | Callable[[], Awaitable[int]]
"""How many items a list has, or what says so where it is asked for."""


@strawberry.type(description="Where a page lies in its list.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether there are items after this page.")
    has_previous_page: bool = strawberry.field(description="Whether there are items before this page.")
    page: strawberry.Private[Page[Any]]
    order: strawberry.Private[str]

    @strawberry.field(description="Cursor of the first item of the page.")
    def start_cursor(self) -> str | None:
        return self._encode_place(0)

    @strawberry.field(description="Cursor of the last item of the page.")
    def end_cursor(self) -> str | None:
        return self._encode_place(-1)

    def _encode_place(self, place: int) -> str | None:
        return encode_cursor(self.order, self.page.positions[place]) if self.page.positions else None


@strawberry.type(description="An item of a page with its cursor.")
class Edge(Generic[T]):
    cursor: str = strawberry.field(description="The item's place, for `after` and `before`.")
    node: T = strawberry.field(description="The item.")


@strawberry.type(description="A page of a list.")
class Connection(Generic[T]):
    edges: Sequence[Edge[T]] = strawberry.field(description="The items of the page with their cursors.")
    nodes: Sequence[T] = strawberry.field(description="The items of the page.")
    page_info: PageInfo = strawberry.field(description="Where the page lies in the list.")
    count: strawberry.Private[Count]

    @strawberry.field(description="How many items the whole list has.")
    async def total_count(self) -> int:
        return self.count if isinstance(self.count, int) else await self.count()


def encode_cursor(order: str, position: Position) -> str:
    text = json.dumps([order, *position], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(name: str, value: str | None, order: str, kind: type) -> Position | None:
    """The position; InvalidInput where the cursor was made elsewhere."""
    if value is None:
        return None
    try:
        made_in, sort, key = _open_cursor(value)
        position: Position = (sort, key)
        if made_in != order or type(sort) is not kind or type(key) is not int:
            raise ValueError
        if abs(key) >= 2**63 or (isinstance(sort, int) and abs(sort) >= 2**63):
            raise ValueError
        if isinstance(sort, str) and ("\0" in sort or (not sort.isprintable() and _has_surrogates(sort))):
            raise ValueError
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidInput(f"{name} must be a cursor of this list in this order", (name,)) from error
    return position


def read_order(value: str) -> str | None:
    """The order that the cursor was made in; None where it is no cursor."""
    try:
        order, _, _ = _open_cursor(value)
    except (ValueError, TypeError, RecursionError):
        return None
    return order if isinstance(order, str) else None


def _open_cursor(value: str) -> Any:
    if len(value) > 8000:
        raise ValueError
    return json.loads(base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True))


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def build_page_request(
    order: str,
    kind: type,
    first: int | None,
    after: str | None,
    last: int | None = None,
    before: str | None = None,
) -> PageRequest:
    """The page that the arguments ask for; `kind` is the type of the order's sort values."""
    return check_page_request(
        first, last, decode_cursor("after", after, order, kind), decode_cursor("before", before, order, kind)
    )


def build_connection(page: Page[T], order: str, of: Callable[[T], U], count: Count) -> Connection[U]:
    """The page as a connection of another type."""
    nodes = Mapped(page.items, of)

    def build_edge(place: int) -> Edge[U]:
        return Edge(cursor=encode_cursor(order, page.positions[place]), node=nodes[place])

    edges = Mapped(range(len(nodes)), build_edge)
    return Connection(edges=edges, nodes=nodes, page_info=build_page_info(page, order), count=count)


def build_page_info(page: Page[T], order: str) -> PageInfo:
    """Where the page lies; its cursors are made where they are asked for."""
    return PageInfo(has_next_page=page.has_next, has_previous_page=page.has_previous, page=page, order=order)
