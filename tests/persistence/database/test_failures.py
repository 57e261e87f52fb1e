"""Failures of the store itself: what a second try may mend is told apart from what it cannot."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from domain.model import Actor, Business
from gql.composition import Services
from persistence.database.engines import Database
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("change", ["RENAME COLUMN external_id TO gone", "RENAME TO gone"])
async def test_a_statement_that_the_store_does_not_understand_is_no_reason_to_try_again(
    change: str, database: Database, services: Services, shop: Business
) -> None:
    with database.bulk.begin() as connection:
        connection.execute(text(f"ALTER TABLE purchase {change}"))

    with pytest.raises(DBAPIError):
        await services.purchases.record(shop, [purchase("C1", "O1", "2024-03-01", 100)], Actor("test"))
