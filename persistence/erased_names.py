"""Where the names of somebody who is erased stand inside texts: rows that an import refused lose their whole text, the
audit trail only the names. The store finds what holds a name at all; what that means is decided here, because an id
such as 1 is a part of many texts that do not mean it."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, bindparam, or_, select, tuple_, update
from sqlalchemy import cast as as_type
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Text

from domain.imports.columns import cells_of
from domain.model import ERASED_TEXT
from persistence.database.dialects import Holds
from persistence.tables import audit_event, import_reject

PORTION = 2_000
"""Texts that are read at a time."""
TELLING = 6
"""Digits of an id that tells of somebody within a longer text; 7 and 2024 are as likely days and years there."""
BEFORE, AFTER = r"(?<![\w@.+:/\-])", r"(?![\w@]|[.+:/\-]\w)"
"""Around a name that stands for itself: the 1 of 1.50, 2026-11-1 or zoe-1 does not."""


def tells(name: str) -> bool:
    """Whether the name means somebody within a longer text, too."""
    return len(name) > 1 and not (name.isdecimal() and len(name) < TELLING)


@dataclass(frozen=True)
class Names:
    """External id, name and e-mail of one customer, as far as they are known."""

    held: frozenset[str]

    def within(self, column: ColumnElement[str], spelt: Sequence[str]) -> ColumnElement[bool]:
        """Whether the text holds one of them at all."""
        return or_(*(Holds(column, name) for name in spelt))

    def are_cells_of(self, text: str) -> bool:
        """Whether one of them is a cell of the row."""
        return not self.held.isdisjoint(cells_of(text))

    def taken_from(self, value: Any) -> Any:
        """The JSON value without them."""
        if isinstance(value, dict):
            return {key: self.taken_from(part) for key, part in value.items()}
        if isinstance(value, list):
            return [self.taken_from(part) for part in value]
        if not isinstance(value, str):
            return value
        if value in self.held:
            return ERASED_TEXT
        # The longest first: a name may hold the id. The module remembers what it has compiled.
        telling = sorted(filter(tells, self.held), key=len, reverse=True)
        if not telling:
            return value
        return re.sub(f"{BEFORE}(?:{'|'.join(map(re.escape, telling))}){AFTER}", ERASED_TEXT, value)


async def forget_in_rejects(connection: AsyncConnection, business_id: int, names: Names) -> None:
    """Blank the refused rows of which a cell is one of the names."""
    column = import_reject.c
    mine = (column.business_id == business_id, names.within(column.text, sorted(names.held)))
    order = (column.import_id, column.line)
    statement = select(*order, column.text).where(*mine).order_by(*order).limit(PORTION)
    blank = (
        update(import_reject)
        .where(column.business_id == business_id, column.import_id == bindparam("i"), column.line == bindparam("l"))
        .values(text=ERASED_TEXT)
    )
    rows = (await connection.execute(statement)).all()
    while rows:
        told = [{"i": row.import_id, "l": row.line} for row in rows if names.are_cells_of(row.text)]
        if told:
            await connection.execute(blank, told)
        after = tuple_(*order) > tuple_(rows[-1].import_id, rows[-1].line)
        rows = (await connection.execute(statement.where(after))).all()


async def forget_in_events(connection: AsyncConnection, business_id: int, names: Names) -> None:
    """Replace the names in the details of the audit trail."""
    column = audit_event.c
    # Letters outside ASCII stand as escapes in the stored JSON.
    spelt = sorted(json.dumps(name)[1:-1] for name in names.held)
    mine = (column.business_id == business_id, names.within(as_type(column.detail, Text), spelt))
    statement = select(column.id, column.detail).where(*mine).order_by(column.id).limit(PORTION)
    replace = (
        update(audit_event)
        .where(column.business_id == business_id, column.id == bindparam("i"))
        .values(detail=bindparam("d", type_=column.detail.type))
    )
    rows = (await connection.execute(statement)).all()
    while rows:
        read = [(row.id, row.detail, names.taken_from(row.detail)) for row in rows]
        told = [{"i": key, "d": after} for key, before, after in read if after != before]
        if told:
            await connection.execute(replace, told)
        rows = (await connection.execute(statement.where(column.id > rows[-1].id))).all()
