"""What every command needs: the store opened and closed, the business that is meant, the demo shop."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar

import typer

from domain.demo import CURRENCY, KEY, NAME, TIME_ZONE, demo_shop
from domain.errors import InvalidInput
from domain.model import Business
from domain.ports import Actor
from gql.app import make_services, system_clock
from gql.context import Services
from gql.logs import log_statement
from gql.settings import Settings
from persistence.database import Database, open_database
from persistence.schema import upgrade

T = TypeVar("T")
BusinessOption = Annotated[
    str | None,
    typer.Option("--business", help="Key of the business; the only one there is where absent, else SEGMENTS_BUSINESS."),
]


def opened(settings: Settings) -> Database:
    """The store, brought to the newest tables where it is the embedded one."""
    database = open_database(settings.url, log_statement if settings.log_level == "DEBUG" else None)
    if database.dialect == "sqlite":
        upgrade(database.bulk)
    return database


def run(settings: Settings, work: Callable[[Services, Database], Coroutine[Any, Any, T]]) -> T:
    """Do the work with the services and close the store."""

    async def all_of_it() -> T:
        database = opened(settings)
        try:
            return await work(make_services(database, system_clock), database)
        finally:
            await database.close()

    return asyncio.run(all_of_it())


async def fill_demo(services: Services, report: Callable[[str], None] | None) -> Business:
    """The demo business, made and filled where the store has none at all."""
    every = await services.businesses.all()
    if any(business.key == KEY for business in every):
        return await services.businesses.open(KEY)
    business = await services.businesses.create(KEY, NAME, TIME_ZONE, CURRENCY)
    shop = demo_shop(services.customers.today(business))
    actor = Actor("demo")
    for start in range(0, len(shop.customers), 5_000):
        batch = shop.customers[start : start + 5_000]
        await services.customers.upsert(business, batch, actor, limit=len(batch))
    await services.purchases.record(business, shop.purchases, actor, limit=len(shop.purchases))
    if report is not None:
        report(f"{len(shop.customers)} customers and {len(shop.purchases)} purchases in business {KEY}")
    return await services.businesses.open(KEY)


async def business_for_import(
    services: Services, settings: Settings, key: str | None, time_zone: str | None, currency: str | None
) -> Business:
    """The business, made where it is named, new, and both its zone and currency are given."""
    known = {one.key for one in await services.businesses.all()}
    if key is not None and key not in known and time_zone is not None and currency is not None:
        return await services.businesses.create(key, None, time_zone, currency)
    business = await services.businesses.choose(key, settings.business)
    for name, given, stored in (
        ("--time-zone", time_zone, business.time_zone),
        ("--currency", currency, business.currency),
    ):
        if given is not None and given != stored:
            raise InvalidInput(f"{name} is {given}, but the business {business.key} has {stored}.")
    return business
