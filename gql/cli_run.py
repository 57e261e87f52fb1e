"""What every command needs: the store opened and closed, the business that is meant."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar

import typer

from gql.cli_opening import opened
from gql.clock import system_clock
from gql.composition import make_services
from gql.services import Services
from gql.settings import Settings
from persistence.database.engines import Database

T = TypeVar("T")
BusinessOption = Annotated[
    str | None,
    typer.Option("--business", help="Key of the business; the only one there is where absent, else SEGMENTS_BUSINESS."),
]


def run(settings: Settings, work: Callable[[Services, Database], Coroutine[Any, Any, T]]) -> T:
    """Do the work with the services and close the store."""

    async def all_of_it() -> T:
        database = opened(settings)
        try:
            return await work(make_services(database, system_clock), database)
        finally:
            await database.close()

    return asyncio.run(all_of_it())
