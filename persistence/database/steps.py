"""At which step of the migrations a store is, and which is the newest that this program knows: every start asks that,
and every write again."""

from functools import cache
from pathlib import Path

from sqlalchemy import Connection, inspect, text

MIGRATIONS = Path(__file__).parents[1] / "migrations"


def list_steps() -> list[str]:
    """Every step that this program knows, oldest first: files are named after them."""
    return sorted(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


@cache
def find_head() -> str:
    """The newest step that this program knows, as it was begun: another version may be installed meanwhile."""
    return list_steps()[-1]


def find_current(connection: Connection) -> str | None:
    """The step that the store is at; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    at: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return at
