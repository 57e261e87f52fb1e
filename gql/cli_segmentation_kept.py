"""How far a business's sources were read, and what runs were asked, kept in the store between runs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import select

from domain.calendar import Clock
from domain.classifiers import Classifiers
from domain.model import Business
from persistence.database.engines import Database
from persistence.sources.states import SourceState, forget_state, present_version, read_state, write_state
from persistence.tables import business as business_table
from persistence.tables import purchase_import


@dataclass(slots=True)
class Kept:
    """The states of a business's sources."""

    database: Database
    business: Business
    clock: Clock
    classifiers: Classifiers = field(default_factory=Classifiers)

    def read(self, source: str) -> tuple[SourceState | None, int, int]:
        """What is kept of the source; the business's data version and change number."""
        with self.database.bulk.begin() as connection:
            state = read_state(connection, self.business.id, source)
            number = select(business_table.c.change_number).where(business_table.c.id == self.business.id)
            change = int(connection.execute(number).scalar_one())
            return state, present_version(connection, self.business.id), change

    def asked(self, as_of: date | None, output: str) -> dict[str, object]:
        """What a run was asked, under which settings and classifiers, as it is kept."""
        day = None if as_of is None else as_of.isoformat()
        under = {"settings": self.business.settings_version, "classifiers": self.classifiers.mark}
        return {"as_of": day, "output": output, **under}

    def question(self, source: str, as_of: date | None, output: str) -> str:
        """What the output of such a run answers."""
        return json.dumps([self.business.key, source, self.asked(as_of, output)], ensure_ascii=False)

    def undone(self, imports: Sequence[object]) -> bool:
        """Whether one of these imports was taken back, or is being."""
        table = purchase_import.c
        gone = select(table.id).where(
            table.business_id == self.business.id, table.id.in_(imports), table.undo_begun_at.is_not(None)
        )
        with self.database.bulk.begin() as connection:
            return connection.execute(gone.limit(1)).first() is not None

    def write(self, source: str, state: Mapping[str, Any], version: int) -> None:
        """Keep it."""
        with self.database.bulk.connect() as connection:
            connection.execution_options(begin="BEGIN IMMEDIATE")
            with connection.begin():
                write_state(connection, self.business.id, source, state, version, self.clock())

    def forget(self, source: str) -> None:
        """Keep nothing of it."""
        with self.database.bulk.connect() as connection:
            connection.execution_options(begin="BEGIN IMMEDIATE")
            with connection.begin():
                forget_state(connection, self.business.id, source)
