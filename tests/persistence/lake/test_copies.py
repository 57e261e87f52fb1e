"""Answers through a copy: those of the store, whatever has been written since."""

from pathlib import Path

import pytest
from sqlalchemy import select

from domain.calendar import Span
from domain.model import Actor, Business
from gql.composition import Services
from persistence.database.engines import Database
from persistence.lake.analysis import Analysis
from persistence.lake.engines import DuckDbEngine
from persistence.lake.places import read_address
from persistence.lake.reading import ANSWERED, Lake
from persistence.lake.writing import CopyWriter
from persistence.reports.windows import select_scores, select_window_totals
from persistence.tables.copies import store_identity
from tests.conftest import SetClock
from tests.shops.reported_shop import orders

pytestmark = pytest.mark.anyio


async def test_the_answer_through_a_copy_is_that_of_the_store(
    database: Database, services: Services, reported: Business, clock: SetClock, tmp_path: Path
) -> None:
    outcomes: list[str] = []
    lake = Lake(read_address(str(tmp_path / "lake"), tmp_path / "held"), DuckDbEngine(), 1, outcomes.append)
    scores = select_scores(reported.id, Span(0, 10**6, None))
    totals = select_window_totals(reported.id, Span(0, 10**6, None))

    async def compare() -> None:
        async with database.reader.connect() as connection:
            for statement in (totals, select(scores)):
                stored = {tuple(row) for row in await connection.execute(statement)}
                analysis = Analysis(connection, reported.id, lake)
                assert {tuple(row) for row in await analysis.run(statement)} == stored != set()

    await compare()
    with database.bulk.begin() as connection:
        store = connection.execute(select(store_identity.c.id)).scalar_one()
    place = lake.open_place(store, reported.id)
    writer = CopyWriter(database, reported.id, place, clock)
    assert writer.renew() is not None
    await compare()
    await services.purchases.delete(reported, [orders()[0].external_id], Actor("tester"))
    await compare()
    await lake.engine.close()

    assert outcomes[:2] == ["absent"] * 2
    assert outcomes[2:] == [ANSWERED] * 4
