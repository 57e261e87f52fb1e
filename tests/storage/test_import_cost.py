"""What an import costs SQLite, counted in steps of its machine: twice as many rows are about twice as many steps,
whatever becomes of them. Nothing here depends on the clock."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from domain.model import Business
from gql.services import Services
from persistence.database import Database
from persistence.import_undo import ImportUndo
from tests.conftest import NOW
from tests.storage.files import HEADER, Importer
from tests.storage.test_import_undo import ACTOR, newest

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite"], indirect=True)]
EVERY = 100
LINES = 3


@contextmanager
def steps_of(database: Database) -> Iterator[list[int]]:
    """How many steps the statements of the block take, in hundreds, as the one number of the list."""
    counted = [0]

    def count() -> int:
        counted[0] += 1
        return 0

    def watch(connection: Any, record: object) -> None:
        connection.set_progress_handler(count, EVERY)

    database.bulk.dispose()
    event.listen(database.bulk, "connect", watch)
    try:
        yield counted
    finally:
        event.remove(database.bulk, "connect", watch)
        database.bulk.dispose()


def orders(count: int, category: str) -> list[str]:
    return [
        f"C{number % (count // 4)},O{number},2024-03-01,{line + 1}.00,{category}"
        for number in range(count)
        for line in range(LINES)
    ]


def cost(importer: Importer, count: int) -> dict[str, int]:
    header = f"{HEADER},category"
    found = {}
    with steps_of(importer.database) as counted:
        made = importer.lines(*orders(count, "Tea"), header=header)
        found["created"], counted[0] = counted[0], 0
        changed = importer.lines(*orders(count, "Cups"), header=header)
        found["changed"], counted[0] = counted[0], 0
        ImportUndo(importer.database, importer.business, lambda: importer.now, newest(importer.database)).run(ACTOR)
        found["undone"] = counted[0]
    assert (made.created, changed.updated) == (count * LINES, count * LINES)
    return found


async def test_an_import_and_its_undo_cost_as_much_a_row_however_many_rows_there_are(
    services: Services, shop: Business, database: Database, tmp_path: Path
) -> None:
    other = await services.businesses.create("other", "Other", "UTC", "EUR")

    few = cost(Importer(database, shop, tmp_path, NOW), 600)
    many = cost(Importer(database, other, tmp_path, NOW), 2_400)

    print(few, many)
    assert {name: many[name] / few[name] < 6 for name in few} == dict.fromkeys(few, True), (few, many)
