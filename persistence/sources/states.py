"""How far each source of a business was read, as the source itself says it: size and hash of a file, the last key of a
collection. A state that is lost costs a whole reading, never a row."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from domain.calendar import from_micros, to_micros
from persistence.tables import business as business_table
from persistence.tables import source_state


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source's state, the data version that the business had right after it was read, and when that was."""

    state: Mapping[str, Any]
    data_version: int
    at: datetime


def read_state(connection: Connection, business_id: int, source: str) -> SourceState | None:
    """What was kept of the source; None where nothing was."""
    kept = source_state.c
    statement = select(kept.state, kept.data_version, kept.at).where(
        kept.business_id == business_id, kept.source == source
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else SourceState(dict(row.state), row.data_version, from_micros(row.at))


def write_state(
    connection: Connection, business_id: int, source: str, state: Mapping[str, Any], data_version: int, now: datetime
) -> None:
    """Keep the state; in the caller's transaction. `source` names it among the business's, such as `csv:/shop.csv`."""
    forget_state(connection, business_id, source)
    values = {"state": dict(state), "data_version": data_version, "at": to_micros(now)}
    connection.execute(insert(source_state).values(business_id=business_id, source=source, **values))


def forget_state(connection: Connection, business_id: int, source: str) -> None:
    """Keep nothing of the source, so that it is read whole."""
    kept = source_state.c
    connection.execute(delete(source_state).where(kept.business_id == business_id, kept.source == source))


def present_version(connection: Connection, business_id: int) -> int:
    """The business's data version in this transaction."""
    statement = select(business_table.c.data_version).where(business_table.c.id == business_id)
    return int(connection.execute(statement).scalar_one())
