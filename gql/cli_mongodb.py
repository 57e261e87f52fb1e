"""Purchases of a MongoDB collection opened for a business. How it is reached comes from the settings alone; how far it
was read is kept with the business, so that the next reading goes on from there."""

import asyncio
import hashlib
import json
from dataclasses import astuple, replace
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import select

from domain.businesses.mongodb import MongoSettings
from domain.calendar import Clock, to_micros
from domain.customers.customers import Customers
from domain.errors import InvalidInput
from domain.imports.formats import ImportOptions
from domain.model import Business, NewCustomer
from gql.cli_sources import Collection, OpenedPurchases, open_purchases
from persistence.database.engines import Database
from persistence.imports.customers_file import Intake

if TYPE_CHECKING:
    from persistence.sources.mongodb import MongoSource

from persistence.sources.states import forget_state, present_version, read_state, write_state
from persistence.tables import purchase_import


def open_collection(
    reached: MongoSettings | None,
    store: Database,
    clock: Clock,
    business: Business,
    wanted: Collection,
    options: ImportOptions,
) -> OpenedPurchases:
    """The collection with its fields understood, from where it was last read to; InvalidInput and Unavailable say what
    is wrong."""
    # The driver takes 150 ms to load, which files need not wait for.
    from persistence.sources.mongodb import MongoSource

    if reached is None:
        raise InvalidInput(
            "Where MongoDB is has not been said. Set SEGMENTS_MONGODB_URI, or the section mongodb of a settings file "
            "and run: segments settings apply FILE"
        )
    place = replace(reached, database=wanted.database or reached.database, collection=wanted.name or reached.collection)
    settled = options.over(business.settings).checked()
    if settled.preset is not None:
        raise InvalidInput(f"--preset {settled.preset} is for files, not for MongoDB")
    # Read whole where anything says so, or where it is read otherwise than the last time.
    reading = hashlib.sha256(json.dumps([str(one) for one in astuple(settled)]).encode()).hexdigest()
    kept = None if wanted.whole else kept_position(store, business, state_name(place), reading)
    mapping = {**settled.kept_mapping, **settled.mapping}
    source = MongoSource(place, mapping, now=clock(), decimal=settled.amount_form.decimal, after=kept)
    opened = open_purchases(source, business, replace(settled, mapping=source.mapping))
    opened.warnings.extend(f"{path} stands in none of the documents that were looked at." for path in source.unseen)
    source.only(opened.columns.places.values())
    ignored = tuple(one for one in opened.columns.ignored if one not in ("customer.name", *source.rare))
    return replace(
        opened,
        columns=replace(opened.columns, ignored=ignored),
        may_be_empty=kept is not None,
        anything_new=source.anything_new,
        finish=partial(finish, source, store, clock, state_name(place), reading),
    )


def state_name(place: MongoSettings) -> str:
    """What the collection is called among the business's sources."""
    return f"mongodb:{place.database}.{place.collection}"


def kept_position(store: Database, business: Business, name: str, reading: str) -> dict[str, object] | None:
    """How far the collection was read in the same way; None where it is read whole: the first time, after a change of
    the options, and after an import was undone, which may have been of this collection."""
    if not business.id:
        return None
    with store.bulk.connect() as connection:
        kept = read_state(connection, business.id, name)
        if kept is None or kept.state.get("reading") != reading:
            return None
        table = purchase_import.c
        undone = select(table.id).where(table.business_id == business.id, table.undo_begun_at >= to_micros(kept.at))
        return None if connection.execute(undone.limit(1)).first() is not None else dict(kept.state)


async def finish(
    source: "MongoSource",
    store: Database,
    clock: Clock,
    name: str,
    reading: str,
    customers: Customers,
    business: Business,
) -> None:
    """After the import: customers get the names that the documents give them, and the position is kept."""
    # A customer all of whose documents were rejected is none.
    intake = Intake(customers, business, lambda row: None, known_only=True)
    for line, (customer, given) in enumerate(source.names, 1):
        await intake.take(line, customer, NewCustomer(customer, name=given, given=frozenset({"name"})))
    await intake.flush()
    state = source.state()
    if state is not None:
        await asyncio.to_thread(keep_position, store, clock, business, name, {**state, "reading": reading})


def keep_position(store: Database, clock: Clock, business: Business, name: str, state: dict[str, object]) -> None:
    """Say how far the collection was read."""
    with store.bulk.begin() as connection:
        # First of all, so that the write lock is waited for and nothing was read before it is held.
        forget_state(connection, business.id, name)
        version = present_version(connection, business.id)
        write_state(connection, business.id, name, state, version, clock())
