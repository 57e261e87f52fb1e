"""What the databases themselves find wrong with their pages. The PostgreSQL of the tests has no amcheck, so functions
of its names stand for it."""

from pathlib import Path

import pytest
from sqlalchemy import text

from domain.model import Business
from gql.composition import Services
from persistence.database.engines import Database, open_database
from persistence.soundness.checks import find_faults
from tests.drivers.damage import flip
from tests.persistence.soundness.conftest import ACTOR
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
NOT_LOOKED_AT = "The pages and indexes of PostgreSQL were not looked at: its extension amcheck cannot be had."
LACKS = 'heap tuple (0,1) from table "purchase" lacks matching index tuple'
AMCHECK = (
    f"""CREATE FUNCTION bt_index_check(looked_at regclass, with_heap boolean) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    IF looked_at = 'uq_purchase_external'::regclass AND with_heap THEN
    RAISE EXCEPTION '{LACKS}' USING ERRCODE = 'XX002'; END IF; END $$""",
    """CREATE FUNCTION verify_heapam(looked_at regclass) RETURNS TABLE (blkno bigint, msg text) LANGUAGE sql AS $$
    SELECT 7::bigint, 'tuple data are not right' WHERE looked_at = 'customer'::regclass $$""",
)


@pytest.fixture
async def store(database: Database, services: Services, shop: Business) -> Database:
    await services.purchases.record(shop, [purchase("Ada", "order-1", "2024-01-02", 5)], ACTOR)
    return database


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", [b"order-1", b"Ada"])
async def test_a_flipped_byte_of_an_id_is_found(store: Database, name: bytes) -> None:
    path = Path(str(store.bulk.url.database))
    await store.close()
    assert flip(path, name) > 0

    opened = open_database(f"sqlite:///{path}")
    faults = find_faults(opened).faults
    await opened.close()

    assert len(faults) > 0


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_where_postgresql_could_not_look_that_is_said(store: Database) -> None:
    findings = find_faults(store)

    assert (findings.faults, findings.notes) == ((), (NOT_LOOKED_AT,))


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_what_amcheck_finds_is_told_and_nothing_of_it_is_left(store: Database) -> None:
    with store.bulk.begin() as connection:
        for statement in AMCHECK:
            connection.execute(text(statement))
    try:
        findings = find_faults(store)
    finally:
        with store.bulk.begin() as connection:
            for name in ("bt_index_check", "verify_heapam"):
                connection.execute(text(f"DROP FUNCTION {name}"))

    assert findings.faults == (
        "customer, block 7: tuple data are not right",
        f"uq_purchase_external: {LACKS}",
    )
    assert findings.notes == ()
