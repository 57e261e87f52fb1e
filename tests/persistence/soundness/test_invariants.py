"""Whether a store is sound: a store in which everything has happened is, and each thing that may be wrong with it is
found, when exactly that is broken, and named."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, text

from domain.model import Business
from persistence.database.engines import Database
from persistence.soundness.checks import check_rules, find_faults, find_wrong
from persistence.soundness.invariants import (
    COUNTERS,
    INSTANTS,
    INVARIANTS,
    NUMBERS,
    OF_BUSINESS,
    RANKS,
    REFERENCES,
    WORDS,
    Invariant,
    find_key,
)
from persistence.tables.columns import FAR_FUTURE

pytestmark = [pytest.mark.anyio, pytest.mark.shared_store]
BREAKS = {
    "its change number is that of no": "UPDATE audit_event SET change_number = 1 WHERE change_number IS NOT NULL",
    "it is counted only where": "UPDATE purchase SET counted = 1 WHERE external_id = 'to come'",
    "its matures_at is": "UPDATE business SET matures_at = matures_at + 1 WHERE id = 1",
    "it belongs to nobody who was merged": "UPDATE purchase SET customer_id = 3 WHERE external_id = 'Cy-1'",
    "the lines of a purchase are numbered": "UPDATE purchase_line SET position = position + 1",
    "its totals are": "UPDATE customer_metrics SET revenue = revenue + 1 WHERE business_id = 1 AND customer_id = 1",
    "whoever it was merged into": "UPDATE customer SET merged_into = 5 WHERE business_id = 1 AND id = 2",
    "one who was erased has nothing": "UPDATE customer SET phone = '1' WHERE erased",
    "it has one value": "UPDATE customer_attribute SET flag = NULL WHERE name = 'seats'",
    "it is there for those who have counted": "DELETE FROM customer_label WHERE customer_id = 1",
    "it does not end before": "UPDATE membership SET left_at = entered_at - 1 WHERE left_at IS NOT NULL",
    "it begins when the one before": """INSERT INTO membership (business_id, segment_id, customer_id, entered_at,
        left_at, source) SELECT business_id, segment_id, customer_id, entered_at - 1, entered_at + 1, source
        FROM membership WHERE segment_id = 2 AND customer_id = 1""",
    "it lasts only where its customer": """UPDATE membership SET left_at = NULL WHERE segment_id = 2
        AND customer_id = 4 AND left_at = (SELECT MAX(left_at) FROM membership WHERE customer_id = 4)""",
    "it lasts only where its segment": "UPDATE membership SET left_at = NULL WHERE segment_id = 3",
    "its member_count is the number of its": "UPDATE segment SET member_count = member_count + 1 WHERE id = 2",
    "its member_count is what its last": "UPDATE segment SET member_count = member_count + 1 WHERE id = 2",
    "its member_count is that of the line before": """UPDATE membership_change SET left_count = left_count + 1
        WHERE segment_id = 2 AND at = (SELECT MAX(at) FROM membership_change WHERE segment_id = 2)""",
    "its entered is": """UPDATE membership_change SET entered = entered + 1, member_count = member_count + 1
        WHERE segment_id = 2 AND at = (SELECT MAX(at) FROM membership_change WHERE segment_id = 2)""",
    "its left_count is": "DELETE FROM membership WHERE segment_id = 3",
    "its member_count is the number of members": "UPDATE snapshot SET member_count = member_count + 1 WHERE at = "
    "(SELECT MAX(at) FROM snapshot WHERE segment_id = 2)",
    "its last_id is": "UPDATE audit_sequence SET last_id = last_id - 1",
    "a segment has at most one": "UPDATE job SET status = 'QUEUED', segment_id = 1",
    "it has ended where": "UPDATE job SET finished_at = NULL WHERE kind = 'IMPORT' AND id = (SELECT MAX(id) FROM job)",
    "what it created, updated": "UPDATE purchase_import SET rows_read = rows_read + 1 WHERE rejected > 0",
}
"""What breaks a rule, by how the rule begins."""


def list_cases() -> Iterator[tuple[Invariant, str]]:
    """Every rule with what breaks it."""
    made = iter(INVARIANTS)

    def one(table: str, change: str) -> tuple[Invariant, str]:
        key = ", ".join(find_key(table))
        return next(made), f"UPDATE {table} SET {change} WHERE ({key}) IN (SELECT {key} FROM {table} LIMIT 1)"

    for invariant in OF_BUSINESS:
        yield one(invariant.table, "business_id = 99")
    for reference in REFERENCES:
        if reference.columns == ("id",):
            yield next(made), f"DELETE FROM {reference.other} WHERE business_id = 1"
        else:
            yield one(reference.table, f"{reference.columns[-1]} = 98765")
    for counter, _, _ in COUNTERS:
        yield next(made), f"UPDATE business SET {counter} = 1 WHERE id = 1"
    for table, column in INSTANTS:
        yield one(table, f"{column} = {FAR_FUTURE - 1}")
    for table, column in NUMBERS:
        yield one(table, f"{column} = 98765")
    for table, column, _ in WORDS:
        yield one(table, f"{column} = 'UNHEARD OF'")
    for table, column, _ in RANKS:
        yield one(table, f"{column} = 9")
    for invariant in made:
        beginning = [begins for begins in BREAKS if invariant.rule.startswith(begins)]
        yield invariant, BREAKS[max(beginning, key=len)]


@contextmanager
def broken(database: Database, *statements: str) -> Iterator[Connection]:
    """A transaction in which what the database itself would refuse was done; it is taken back."""
    sqlite = database.dialect == "sqlite"
    with database.bulk.connect() as connection:
        if sqlite:
            connection.connection.dbapi_connection.execute("PRAGMA foreign_keys = OFF")  # type: ignore[union-attr]
        else:
            connection.execute(text("SET session_replication_role = replica"))
        for index in ("uq_job_active", "ix_audit_change"):
            connection.execute(text(f"DROP INDEX {index}"))
        for statement in statements:
            assert connection.execute(text(statement)).rowcount > 0, statement
        try:
            yield connection
        finally:
            connection.rollback()
            connection.invalidate()


async def test_a_store_in_which_everything_has_happened_is_sound(database: Database, lived_in: Business) -> None:
    steps: list[tuple[str, int, int]] = []

    findings = find_faults(database, lambda *step: steps.append(step))

    assert findings.faults == ()
    assert [done for _, done, _ in steps[1:]] == list(range(len(steps) - 1))
    assert steps[-1][1] == steps[-1][2]


async def test_everything_that_is_broken_is_found_by_its_rule_and_named(database: Database, lived_in: Business) -> None:
    unseen = []

    for invariant, statement in list_cases():
        with broken(database, statement) as connection:
            found = list(find_wrong(connection, invariant, {1: "shop", 2: "other"}))
        if not (found and found[0].startswith(f"{invariant.table}: ") and invariant.rule in found[0]):
            unseen.append((invariant.table, invariant.rule, found))

    assert unseen == []


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        (
            "UPDATE purchase SET local_day = local_day + 1 WHERE external_id = 'lines'",
            "purchase: 1 row breaks the rule that its local_day is that of its purchased_at in the time zone of its "
            "business: business shop, customer_id 1, id 13, found 738983, expected 738982",
        ),
        (
            "UPDATE customer SET registered_day = NULL WHERE business_id = 1 AND id = 1",
            "customer: 1 row breaks the rule that its registered_day is that of its registered_at in the time zone of "
            "its business: business shop, id 1, found None",
        ),
        (
            "DELETE FROM customer_term WHERE term = 'strasse' AND customer_id IN (2, 5)",
            "customer_term: 2 rows break the rule that a customer is found by its ids, its name and its e-mail, and by "
            "nothing else: business shop, customer 2; business shop, customer 5",
        ),
        (
            "INSERT INTO customer_term (business_id, customer_id, term) VALUES (1, 4, 'dee')",
            "customer_term: 1 row breaks the rule that a customer is found by its ids, its name and its e-mail, and by "
            "nothing else: business shop, customer 4",
        ),
        (
            "UPDATE customer SET name_sort = 'z' WHERE business_id = 1 AND id = 1",
            "customer: 1 row breaks the rule that its name_sort is its folded name: business shop, customer 1",
        ),
        (
            "UPDATE business SET time_zone = 'Nowhere' WHERE id = 2",
            "business: 1 row breaks the rule that its time zone is known: business other",
        ),
    ],
)
async def test_what_only_python_can_compute_is_found_and_named(
    database: Database, lived_in: Business, statement: str, sentence: str
) -> None:
    with broken(database, statement) as connection:
        found = list(check_rules(connection, lambda *step: None))

    assert sentence in found


async def test_a_row_of_another_business_is_none_of_this_one(database: Database, lived_in: Business) -> None:
    with broken(database, "UPDATE purchase SET storefront_id = 1 WHERE business_id = 2") as connection:
        found = list(check_rules(connection, lambda *step: None))

    assert found == [
        "purchase: 1 row breaks the rule that its storefront_id names a row of storefront of the same business: "
        "business other, customer_id 1, id 1, storefront_id 1"
    ]
