"""Questions about as many objects as a document may ask for: no statement meets a bound of the databases, of which
SQLite's 32,766 parameters is the nearest."""

from collections.abc import Awaitable, Callable, Sequence

import pytest

from domain.calendar import Span
from domain.model import Business
from domain.pages import PageRequest
from domain.store import Unit
from gql.schema.limits import MAXIMUM_COST
from persistence.database.engines import Database
from persistence.store import SqlStore
from tests.conftest import SetClock

pytestmark = [pytest.mark.anyio, pytest.mark.shared_store]
Ask = Callable[[Unit, Sequence[int]], Awaitable[object]]
QUESTIONS: dict[str, Ask] = {
    "customers": lambda unit, ids: unit.customers.find_by_ids(ids),
    "attributes": lambda unit, ids: unit.customers.load_attributes(ids),
    "pages of purchases": lambda unit, ids: unit.purchases.load_pages(ids, PageRequest(1)),
    "counts of purchases": lambda unit, ids: unit.purchases.count_by_customer(ids),
    "totals of a window": lambda unit, ids: unit.reports.load_window_totals(ids, Span(1, 2)),
    "memberships": lambda unit, ids: unit.memberships.find_open_memberships(ids),
}


@pytest.mark.parametrize("what", QUESTIONS)
async def test_a_document_of_the_greatest_cost_meets_no_bound_of_the_database(
    database: Database, clock: SetClock, shop: Business, what: str
) -> None:
    async with SqlStore(database, clock).read(shop) as unit:
        await QUESTIONS[what](unit, range(1, MAXIMUM_COST + 1))
