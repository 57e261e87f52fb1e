"""When the labels of a business are due by its schedule. Whoever moves the time on has taken it; the others come too
late. Runs outside the event loop."""

from datetime import datetime

from sqlalchemy import select, text, update

from domain.calendar import from_micros, to_micros
from persistence.database.engines import Database
from persistence.tables import label_state

FIRST = "INSERT INTO label_state (business_id, owner) VALUES (:business, '') ON CONFLICT DO NOTHING"


def due_time(database: Database, business_id: int) -> datetime | None:
    """The next time; None where none was set yet."""
    with database.bulk.connect() as connection:
        statement = select(label_state.c.due_at).where(label_state.c.business_id == business_id)
        found = connection.execute(statement).scalar_one_or_none()
    return None if found is None else from_micros(found)


def take(database: Database, business_id: int, due: datetime | None, then: datetime | None) -> bool:
    """Move the time on from `due` to `then`; False where somebody else has."""
    before, after = (None if at is None else to_micros(at) for at in (due, then))
    with database.bulk.connect() as connection:
        connection.execution_options(begin="BEGIN IMMEDIATE")
        with connection.begin():
            connection.execute(text(FIRST), {"business": business_id})
            mine = label_state.c.due_at.is_not_distinct_from(before)
            statement = update(label_state).where(label_state.c.business_id == business_id, mine)
            return connection.execute(statement.values(due_at=after)).rowcount == 1
