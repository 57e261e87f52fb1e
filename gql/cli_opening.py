"""The store opened and the business found, for whatever puts services and store together without the server: commands
and the call `run_segmentation`. The embedded store follows the program by itself; another one is upgraded by its
operator."""

import errno
import os
from pathlib import Path

from domain.businesses.businesses import Businesses, checked_key
from domain.calendar import zone
from domain.errors import InvalidInput
from domain.model import Business
from domain.money import exponent
from gql.logs import log_statement
from gql.settings import Settings
from persistence.database.engines import Database, open_database
from persistence.migrations.migrate import stage, upgrade


def no_folder(error: OSError) -> InvalidInput:
    """What is said where the data folder cannot be had."""
    return InvalidInput(f"The folder of the store cannot be used: {error.filename}: {error.strerror}.")


def check_folder(path: Path) -> None:
    """The data folder, made; OSError where nothing can be written there."""
    path.mkdir(parents=True, exist_ok=True)
    if not os.access(path, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def connected(settings: Settings) -> Database:
    """The store as it is; its statements are logged where the level asks for it."""
    try:
        if not settings.database_url:
            check_folder(settings.data)
        return open_database(settings.url, log_statement if settings.log_level == "DEBUG" else None)
    except OSError as error:
        raise no_folder(error) from error


def opened(settings: Settings) -> Database:
    """The store with the newest tables: the embedded one is brought there, another one must be there."""
    database = connected(settings)
    try:
        if database.dialect == "sqlite":
            upgrade(database.bulk)
        else:
            require_stage(database)
    except BaseException:
        database.bulk.dispose()
        raise
    return database


def require_stage(database: Database) -> None:
    """InvalidInput where the store lacks tables of this program."""
    found = stage(database.bulk)
    if found is not None:
        raise InvalidInput(f"{found}. Run: segments db upgrade")


async def business_for_import(
    businesses: Businesses, settings: Settings, key: str | None, time_zone: str | None, currency: str | None
) -> Business:
    """The business that is meant. One that is named, new, and given both its zone and its currency has the id 0: it is
    made when the file is known to be readable."""
    known = {one.key for one in await businesses.all()}
    if key is not None and key not in known:
        if time_zone is None or currency is None:
            there = ", ".join(sorted(known)) or "none yet"
            raise InvalidInput(
                f"There is no business with the key {key}. There are: {there}. "
                "Give --time-zone and --currency to make it with the import.",
                ("business",),
            )
        zone(time_zone)
        exponent(currency)
        try:
            checked_key(key)
        except InvalidInput as error:
            raise InvalidInput(f"--business: the {error.message}", ("business",)) from error
        return Business(0, key, key, currency, time_zone, {}, 1, 0, 0)
    if not known:
        raise InvalidInput(
            "There is no business yet. Give --business KEY, --time-zone and --currency to make one.", ("business",)
        )
    business = await businesses.choose(key, settings.business)
    for name, given, stored in (
        ("--time-zone", time_zone, business.time_zone),
        ("--currency", currency, business.currency),
    ):
        if given is not None and given != stored:
            raise InvalidInput(f"{name} is {given}, but the business {business.key} has {stored}.")
    return business


async def made(businesses: Businesses, planned: Business) -> Business:
    """The business that an import makes."""
    return await businesses.create(planned.key, planned.name, planned.time_zone, planned.currency)
