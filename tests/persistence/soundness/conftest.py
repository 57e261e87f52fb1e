"""A store in which everything has happened that a store can hold, made once a module and database."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select, text

from domain.model import Actor, Business, NewCustomer, PurchaseStatus
from domain.segments.history import Compaction
from domain.segments.model import MembershipSource
from gql.composition import Services
from persistence.database.engines import Database
from persistence.imports.undo import ImportUndo
from persistence.labels.labels import LabelStore, keep
from persistence.tables.metadata import metadata
from tests.conftest import SetClock, once_a_store
from tests.drivers.files import Importer
from tests.drivers.working import Working
from tests.persistence.conftest import merge
from tests.shops.factories import line, purchase

ACTOR = Actor("tester")
SAMPLES: dict[type, object] = {int: 1, str: "made", bool: False}


@pytest.fixture
@once_a_store
async def lived_in(database: Database, services: Services, shop: Business, clock: SetClock, tmp_path: Path) -> Business:
    """The shop, beside another one: purchases of every status and one that is to come, lines, storefronts, attributes;
    imports that changed, refused and were taken back; segments of both kinds, whose members came and went, with
    snapshots and a history that was compacted; customers who were merged and erased; labels that were kept."""
    clock.now -= timedelta(days=30)
    other = await services.businesses.create("other", None, "Asia/Colombo", "LKR")
    await services.purchases.record(other, [purchase("Zoe", "Z1", "2024-05-01", 700)], ACTOR)
    people = [
        NewCustomer(
            "Ada", "Ada Łovelace", "ada@example.com", "GOLD", clock.now, attributes={"club": "tea", "seats": True}
        ),
        *(NewCustomer(name, f"{name} Straße") for name in ("Ben", "Cy", "Dee", "Eli")),
    ]
    await services.customers.upsert(shop, people, ACTOR)
    bought = [
        purchase(name, f"{name}-{number}", f"2024-0{number}-03", 1000 * number, storefront_key="main")
        for name in ("Ada", "Ben", "Cy", "Dee")
        for number in (1, 2, 3)
    ]
    bought += [
        purchase("Ada", "lines", "2024-04-05", 900, lines=(line("Tea", 400), line(None, 500))),
        purchase("Ben", "cancelled", "2024-04-05", 900, status=PurchaseStatus.CANCELLED),
        purchase("Ben", "to come", "2024-12-24", 900),
    ]
    await services.purchases.record(shop, bought, ACTOR)
    working = Working.of(database, clock, shop)
    often = await working.segment("often", {">=": [{"var": "order_count"}, 3]})
    vip, gone = await working.by_hand("vip"), await working.by_hand("gone")
    await services.recalculations.start(shop, often.id, ACTOR)
    await working.worker.run_once(shop)
    await change(working, vip.id, [1, 2, 3, 4], [4])
    await change(working, gone.id, [1], [])
    clock.now += timedelta(days=10)
    await change(working, vip.id, [4], [2])
    await services.snapshots.create(shop, vip.id, ACTOR)
    await services.segments.delete(shop, gone.id, ACTOR)
    import_all(Importer(database, shop, tmp_path, clock.now))
    compaction = Compaction(services.segments.store, clock)
    await compaction.remove(shop, clock.now - timedelta(days=5), ACTOR)
    await merge(services, shop, "Cy", "Ben")
    await services.erasure.erase(shop, 4, ACTOR)
    clock.now += timedelta(days=20)
    await working.worker.run_once(shop)
    with LabelStore(database, shop.id, clock).decide_labels() as labels:
        keep(labels)
    with database.bulk.begin() as connection:
        fill_empty_tables(connection)
    return await services.businesses.open("shop")


def fill_empty_tables(connection: Connection) -> None:
    """A row in each table of businesses that nothing above needs."""
    for table in metadata.sorted_tables:
        if "business_id" in table.c and connection.execute(select(table)).first() is None:
            stated = [column for column in table.c if not column.nullable]
            connection.execute(
                insert(table).values({column: SAMPLES.get(column.type.python_type, {}) for column in stated})
            )


async def change(working: Working, segment: int, put_in: Sequence[int], taken_out: Sequence[int]) -> None:
    """Put customers into a segment, and a day later take some out."""
    async with working.store.write(working.business) as unit:
        await unit.memberships.add(segment, put_in, unit.instant, MembershipSource.MANUAL, "tester")
    working.clock.now += timedelta(days=1)
    if taken_out:
        async with working.store.write(working.business) as unit:
            await unit.memberships.remove(segment, taken_out, unit.instant, "tester")


def import_all(importer: Importer) -> None:
    """One that changes an order and refuses a row, and one that is taken back."""
    importer.lines("Ada,lines,2024-04-06,8", "Eli,Eli-1,2024-04-07,12", "Eli,Eli-2,never,12")
    importer.lines("Fay,Fay-1,2024-04-07,12", "Ada,Ada-1,2024-01-03,99")
    with importer.database.bulk.connect() as connection:
        newest = connection.execute(text("SELECT MAX(id) FROM purchase_import WHERE business_id = 1")).scalar_one()
    ImportUndo(importer.database, importer.business, lambda: importer.now, newest).run(ACTOR)
