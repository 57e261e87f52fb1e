"""Whether a store is sound: the database's own check of its pages first, then the tables against those of the program,
then everything that holds after every write. All of it reads one state of the store, beside whoever writes; what is
found wrong is said in sentences that name tables, keys and numbers, and nothing of customers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass

from sqlalchemy import Connection, select, text
from sqlalchemy.exc import DBAPIError

from domain.calendar import load_zone
from domain.errors import InvalidInput
from domain.imports.columns import count_noun
from persistence.database.condition import is_damaged
from persistence.database.engines import Database
from persistence.database.transactions import choose_reading
from persistence.merge import fill_day_starts
from persistence.migrations.migrate import list_differences, require_newest
from persistence.soundness.invariants import INVARIANTS, Invariant
from persistence.tables.businesses import business as business_table
from persistence.tables.columns import MISSING_TEXT
from persistence.tables.customers import collect_terms, customer, customer_term

EXAMPLES = 3
FETCHED = 5_000
Report = Callable[[str, int, int], None]
"""Told what is looked at, how much is done, and of how much."""
WRONG = "SELECT w.*, COUNT(*) OVER () AS wrong_rows FROM ({wrong}) AS w ORDER BY 1, 2 LIMIT {examples}"
WRONG_DAYS = """SELECT * FROM (SELECT {keys}, {day} AS found, (SELECT s.day FROM day_start s WHERE s.at <= t.{instant}
    ORDER BY s.at DESC LIMIT 1) AS expected FROM {table} t WHERE business_id = {business} AND {day} IS NOT NULL) d
    WHERE found IS DISTINCT FROM expected"""
DAYS = (("purchase", "purchased_at", "local_day", "business_id, customer_id, id"),
        ("customer", "registered_at", "registered_day", "business_id, id"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong, a sentence each, and what could not be looked at."""

    faults: tuple[str, ...]
    notes: tuple[str, ...] = ()


def find_faults(database: Database, report: Report = lambda what, done, total: None) -> Findings:
    """Look at everything. A store whose pages are damaged, or whose tables are not ours, is not looked at further;
    InvalidInput where it lacks the newest."""
    faults, notes = check_pages(database, report)
    if not faults:
        require_newest(database.bulk)
        faults = list_differences(database.bulk)
    if not faults:
        faults = list(find_broken_rules(database, report))
    return Findings(tuple(faults), tuple(notes))


SHOWN = 10
INDEXES = """SELECT c.oid::regclass FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'btree' AND c.relnamespace = current_schema()::regnamespace"""
HAS_AMCHECK = "SELECT to_regprocedure('bt_index_check(regclass, boolean)')"
TABLES = """SELECT c.oid::regclass FROM pg_class c
    WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace"""


def check_pages(database: Database, report: Report) -> tuple[list[str], list[str]]:
    """What the database itself finds wrong with its pages and indexes, and what could not be looked at."""
    report("pages and indexes", 0, 1)
    try:
        with database.bulk.connect() as connection:
            if connection.dialect.name == "sqlite":
                return check_sqlite(connection), []
            return check_postgresql(connection)
    except DBAPIError as error:
        if is_damaged(error):
            return ["the database cannot read its own pages"], []
        raise


def check_sqlite(connection: Connection) -> list[str]:
    """SQLite compares every index with its table, and looks at each page, row and reference."""
    said = connection.exec_driver_sql(f"PRAGMA integrity_check({SHOWN})").scalars().all()
    faults = [] if said == ["ok"] else [" ".join(str(line).split()) for line in said]
    for table, _, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(SHOWN):
        faults.append(f"{table} holds a row that refers to nothing in {parent}")
    return faults


def check_postgresql(connection: Connection) -> tuple[list[str], list[str]]:
    """The extension amcheck does the same; where it is not there it is made for the while of the transaction."""
    faults: list[str] = []
    with connection.begin() as transaction:
        with suppress(DBAPIError), connection.begin_nested():
            connection.execute(text("CREATE EXTENSION IF NOT EXISTS amcheck"))
        if connection.execute(text(HAS_AMCHECK)).scalar_one() is None:
            transaction.rollback()
            return [], ["The pages and indexes of PostgreSQL were not looked at: its extension amcheck cannot be had."]
        for table in connection.execute(text(TABLES)).scalars().all():
            found = connection.execute(text(f"SELECT blkno, msg FROM verify_heapam('{table}') LIMIT {SHOWN}"))
            faults += [f"{table}, block {row.blkno}: {row.msg}" for row in found]
        for index in connection.execute(text(INDEXES)).scalars().all():
            try:
                with connection.begin_nested():
                    connection.execute(text(f"SELECT bt_index_check('{index}', true)"))
            except DBAPIError as error:
                faults.append(f"{index}: {str(error.orig).splitlines()[0]}")
        transaction.rollback()
    return faults, []


def find_broken_rules(database: Database, report: Report = lambda what, done, total: None) -> Iterator[str]:
    """Each rule that rows of the store break, with how many do and the first of them."""
    with database.bulk.connect() as connection:
        connection.execution_options(**choose_reading(database.dialect))
        yield from check_rules(connection, report)
        connection.rollback()


def check_rules(connection: Connection, report: Report) -> Iterator[str]:
    """The same in the transaction of a connection."""
    total = len(INVARIANTS) + len(DAYS) + 1
    rows = connection.execute(select(business_table.c.id, business_table.c.key, business_table.c.time_zone)).all()
    keys = {row.id: row.key for row in rows}
    for number, invariant in enumerate(INVARIANTS):
        report(invariant.table, number, total)
        yield from find_wrong(connection, invariant, keys)
    for number, (table, instant, day, columns) in enumerate(DAYS, len(INVARIANTS)):
        report(table, number, total)
        for row in rows:
            yield from find_wrong_days(connection, (row.id, row.time_zone), table, instant, day, columns, keys)
    report("customer_term", total - 1, total)
    for row in rows:
        yield from find_wrong_terms(connection, row.id, row.key)
    report("", total, total)


def find_wrong(connection: Connection, invariant: Invariant, keys: Mapping[int, str]) -> Iterator[str]:
    """The sentence about the rows that break the rule, where there are any."""
    found = connection.execute(text(WRONG.format(wrong=invariant.wrong, examples=EXAMPLES))).mappings().all()
    if found:
        first_column = next(iter(found[0]))
        examples = []
        for row in found:
            own = keys.get(row[first_column], f"number {row[first_column]}, which is not there")
            named = [f"{name} {value}" for name, value in row.items()
                     if name not in (first_column, "found", "expected", "wrong_rows")]  # fmt: skip
            seen = [f"{name} {row[name]}" for name in ("found", "expected") if name in row]
            examples.append(", ".join((f"business {own}", *named, *seen)))
        yield describe(invariant.table, invariant.rule, int(found[0]["wrong_rows"]), examples)


def describe(table: str, rule: str, count: int, examples: Sequence[str]) -> str:
    """The sentence about so many rows that break a rule."""
    broken = f"{count_noun(count, 'row')} break{'s' if count == 1 else ''}"
    return f"{table}: {broken} the rule that {rule}: {'; '.join(examples)}"


def find_wrong_days(
    connection: Connection,
    business: tuple[int, str],
    table: str,
    instant: str,
    day: str,
    columns: str,
    keys: Mapping[int, str],
) -> Iterator[str]:
    """Local days that are not those of their instants in the business's time zone."""
    rule = f"its {day} is that of its {instant} in the time zone of its business"
    lacking = f"""SELECT {columns}, {day} AS found FROM {table} WHERE business_id = {business[0]}
        AND ({day} IS NULL) <> ({instant} IS NULL)"""
    yield from find_wrong(connection, Invariant(table, rule, lacking), keys)
    try:
        zone = load_zone(business[1])
    except InvalidInput:
        yield describe("business", "its time zone is known", 1, [f"business {keys[business[0]]}"])
        return
    if fill_day_starts(connection, business[0], table, day, zone):
        wrong = WRONG_DAYS.format(keys=columns, day=day, instant=instant, table=table, business=business[0])
        yield from find_wrong(connection, Invariant(table, rule, wrong), keys)


def find_wrong_terms(connection: Connection, business_id: int, key: str) -> Iterator[str]:
    """Customers who are not found by exactly what they should be, or not sorted by their name. Only Python folds text
    as it is kept, so both sides are read along the customers, which holds nothing but one of them."""
    own = customer.c.business_id == business_id
    others: dict[int, set[str]] = {}
    merged = select(customer.c.merged_into, customer.c.external_id).where(own, customer.c.merged_into.is_not(None))
    for into, name in connection.execute(merged):
        others.setdefault(into, set()).add(name.casefold())
    whose = customer_term.c.customer_id
    terms = select(whose, customer_term.c.term).where(customer_term.c.business_id == business_id).order_by(whose)
    columns = [
        customer.c[name] for name in ("id", "external_id", "name", "email", "name_sort", "erased", "merged_into")
    ]
    customers = select(*columns).where(own).order_by(customer.c.id)
    wrong: dict[str, list[int]] = {"terms": [], "name_sort": []}
    with (
        closing(connection.execute(customers.execution_options(yield_per=FETCHED))) as each,
        closing(connection.execute(terms.execution_options(yield_per=FETCHED))) as kept,
    ):
        following = next(kept, None)
        for row in each:
            held = set()
            while following is not None and following[0] <= row.id:
                if following[0] == row.id:
                    held.add(following[1])
                following = next(kept, None)
            there = not row.erased and row.merged_into is None
            due = collect_terms(row.external_id, row.name, row.email) | others.get(row.id, set()) if there else set()
            if held != due:
                wrong["terms"].append(row.id)
            if row.name_sort != (MISSING_TEXT if row.name is None else row.name.casefold()):
                wrong["name_sort"].append(row.id)
    for what, table, rule in (
        ("terms", "customer_term", "a customer is found by its ids, its name and its e-mail, and by nothing else"),
        ("name_sort", "customer", "its name_sort is its folded name"),
    ):
        if wrong[what]:
            examples = [f"business {key}, customer {number}" for number in wrong[what][:EXAMPLES]]
            yield describe(table, rule, len(wrong[what]), examples)
