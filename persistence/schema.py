"""Whether a store has the newest tables, which every start asks, and the way there. What changes tables is loaded only
where they are to be changed."""

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from domain.errors import InvalidInput
from domain.on_demand import loaded

MIGRATIONS = Path(__file__).parent / "migrations"


def steps() -> list[str]:
    """Every step that this program knows, oldest first: files are named after them."""
    return sorted(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def head() -> str:
    """The newest step that this program knows."""
    return steps()[-1]


def current(connection: Connection) -> str | None:
    """The step that the store is at; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    at: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return at


def stage(engine: Engine) -> str | None:
    """What the store lacks, in words; None where it is at the newest step. InvalidInput where it is ahead."""
    with engine.connect() as connection:
        at, needed = current(connection), head()
    if at == needed:
        return None
    if at is None:
        return f"The store has no tables yet, this program needs {needed}"
    if at not in steps():
        raise InvalidInput(f"The store is at {at}, made by a newer version of this program; this one knows {needed}.")
    return f"The store is at {at}, this program needs {needed}"


def upgrade(engine: Engine) -> None:
    """Apply the missing steps, all or none; a second process waits for the first. InvalidInput for a newer store."""
    if stage(engine) is not None:
        loaded("persistence.schema_changes:apply_steps")(engine)
