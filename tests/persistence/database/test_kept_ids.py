"""Ids that were kept before they were read as they are now."""

from pathlib import Path

from alembic import command
from sqlalchemy import text

from persistence.database.engines import Database
from persistence.migrations.migrate import build_configuration, upgrade
from tests.persistence.database.test_migrations import empty  # noqa: F401 (a store without any tables)

BUSINESS = """INSERT INTO business (id, key, name, currency, time_zone, settings, created_at, digest_key)
    VALUES (1, 'shop', 'Shop', 'EUR', 'UTC', '{}', 0, '')"""
CUSTOMER = """INSERT INTO customer (business_id, id, external_id, erased, name_sort)
    VALUES (1, :id, :external, false, 'x')"""
TERM = "INSERT INTO customer_term (business_id, term, customer_id) VALUES (1, :term, :id)"
PURCHASE = """INSERT INTO purchase (business_id, customer_id, id, external_id, purchased_at, local_day, status, counted,
    amount) VALUES (1, 1, :id, :external, 0, 1, 0, 1, 100)"""
CUSTOMERS = ["Ann@X.com", "Bob@X.com", "bob@x.com", '="0012"', "17850.0", "C-1"]
ORDERS = ["536365.0", "#1", "'77"]


def test_kept_ids_become_what_is_read_unless_another_has_that_already(empty: Database, tmp_path: Path) -> None:  # noqa: F811
    with empty.bulk.begin() as connection:
        command.upgrade(build_configuration(connection), "0013")
    with empty.bulk.begin() as connection:
        connection.execute(text(BUSINESS))
        for key, external in enumerate(CUSTOMERS, 1):
            connection.execute(text(CUSTOMER), {"id": key, "external": external})
            connection.execute(text(TERM), {"id": key, "term": external.casefold()})
        for key, external in enumerate(ORDERS, 1):
            connection.execute(text(PURCHASE), {"id": key, "external": external})

    upgrade(empty.bulk)

    with empty.bulk.connect() as connection:
        customers = list(connection.execute(text("SELECT external_id FROM customer ORDER BY id")).scalars())
        orders = list(connection.execute(text("SELECT external_id FROM purchase ORDER BY id")).scalars())
        terms = list(connection.execute(text("SELECT term FROM customer_term ORDER BY customer_id")).scalars())
    assert customers == ["ann@x.com", "Bob@X.com", "bob@x.com", "0012", "17850", "C-1"]
    assert orders == ["536365", "#1", "77"]
    assert terms == ["ann@x.com", "bob@x.com", "bob@x.com", "0012", "17850", "c-1"]
