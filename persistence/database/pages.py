"""What pages of every noun are cut by: a keyset, whose order ends in the key, and the beginning of a text."""

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, tuple_

from domain.pages import PageRequest
from persistence.tables.columns import MISSING_TEXT


def apply_keyset(
    statement: Select[Any],
    value: ColumnElement[Any],
    key: ColumnElement[Any],
    request: PageRequest,
    reverse: bool,
) -> Select[Any]:
    """The statement cut to a page and one row more, in the order it is looked for."""
    pair = tuple_(value, key)
    for position, later in ((request.after, True), (request.before, False)):
        if position is not None:
            end = tuple_(bindparam(None, position[0], type_=value.type), bindparam(None, position[1], type_=key.type))
            statement = statement.where(pair > end if later != reverse else pair < end)
    down = reverse != request.backward
    order = (value.desc(), key.desc()) if down else (value.asc(), key.asc())
    return statement.order_by(*order).limit(request.size + 1)


def begins_with(column: ColumnElement[str], prefix: str) -> ColumnElement[bool]:
    """Whether the text begins with the prefix; the highest code point ends the range of everything that does."""
    return and_(column >= prefix, column < prefix + MISSING_TEXT)
