"""Cut values, from which scores follow, within the statements of reports."""

import re

import pytest

from domain.calendar import Span
from gql.composition import Services
from persistence.database.engines import Database
from persistence.reports.windows import select_score_counts, select_scores
from tests.conftest import NOW, SetClock
from tests.persistence.conftest import new_shop
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio


async def test_cut_values_are_computed_once_however_few_customers_are_expected(
    fresh_postgresql: Database, clock: SetClock
) -> None:
    """Of tables that it has not looked at yet PostgreSQL expects one row where there are many."""
    bought = [purchase(f"C{n}", f"O{n}", "2024-01-01T12:00:00+00:00", n, storefront_key="one") for n in range(200)]
    business = await new_shop(Services(fresh_postgresql, clock), bought)
    span = Span(1, NOW.toordinal(), 1)

    for statement in (select_score_counts(business.id, span), select_scores(business.id, span).select()):
        text = str(statement.compile(dialect=fresh_postgresql.bulk.dialect, compile_kwargs={"literal_binds": True}))
        with fresh_postgresql.bulk.connect() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN ANALYZE {text}").scalars().all()

        steps = [line for line in plan if re.search(r"Aggregate +\(", line)]
        assert len(steps) > 5
        assert [step for step in steps if "loops=1)" not in step] == []
