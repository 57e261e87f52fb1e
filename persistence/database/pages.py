"""What pages of every noun are cut by: a keyset, whose order ends in the key, and the beginning of a text."""

from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, and_, bindparam, tuple_

from domain.pages import PageRequest
from persistence.tables.columns import MISSING_TEXT


def apply_keyset(
    statement: Select[Any],
    value: ColumnElement[Any],
    key: ColumnElement[Any],
    request: PageRequest,
    reverse: bool,
) -> Select[Any]:
    """The statement cut to a page and one row more, in the order it is looked for. It is the same for every request of
    that shape, whose `bind_keyset` it is executed with."""
    for name, position, later in (("after", request.after, True), ("before", request.before, False)):
        if position is not None:
            end = tuple_(*(bindparam(f"{name}_{part}", type_=at.type) for part, at in (("value", value), ("key", key))))
            pair = tuple_(value, key)
            statement = statement.where(pair > end if later != reverse else pair < end)
    down = reverse != request.backward
    order = (value.desc(), key.desc()) if down else (value.asc(), key.asc())
    return statement.order_by(*order).limit(bindparam("most_rows", type_=Integer))


def shape_keyset(request: PageRequest) -> PageRequest:
    """What all requests have in common that are cut alike; where a statement is kept, by this."""
    return PageRequest(0, request.backward, request.after and (0, 0), request.before and (0, 0))


def bind_keyset(request: PageRequest) -> dict[str, object]:
    """The parameters of the statement."""
    bound: dict[str, object] = {"most_rows": request.size + 1}
    for name, position in (("after", request.after), ("before", request.before)):
        if position is not None:
            bound[f"{name}_value"], bound[f"{name}_key"] = position
    return bound


def begins_with(column: ColumnElement[str], prefix: str) -> ColumnElement[bool]:
    """Whether the text begins with the prefix; the highest code point ends the range of everything that does."""
    return and_(column >= prefix, column < prefix + MISSING_TEXT)
