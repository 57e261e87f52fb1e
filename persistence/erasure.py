"""Erasure: what names a customer goes, what happened stays. In place of the external id stands its keyed hash, so that
the same customer is known, and refused, when it comes again; the key is made with the business's first erasure. Where
the names stand inside texts, rows that an import refused lose their whole text, the audit trail only the names. The
store finds what holds a name at all; what that means is decided here, because an id such as 1 is a part of many texts
that do not mean it."""

import hmac
import json
import re
import secrets
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
    text,
    true,
    tuple_,
    update,
)
from sqlalchemy import cast as as_type
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.types import Text

from domain.calendar import to_micros
from domain.imports.columns import split_row
from domain.jobs.model import JobKind
from domain.model import ERASED_TEXT
from domain.texts import compose_text
from persistence.database.dialects import ContainsText, Selective
from persistence.idempotency import IdempotentRequestStore
from persistence.tables.businesses import business
from persistence.tables.columns import MISSING_TEXT
from persistence.tables.customers import (
    CustomerRow,
    collect_terms,
    customer,
    customer_attribute,
    customer_metrics,
    customer_term,
)
from persistence.tables.imports import import_reject, purchase_before, purchase_import
from persistence.tables.jobs import job
from persistence.tables.purchases import purchase
from persistence.tables.requests import audit_event

PORTION = 2_000
"""Texts that are read, and new customers who are looked up, at a time."""
TELLING = 6
"""Digits of an id that tells of somebody within a longer text; 7 and 2024 are as likely days and years there."""
BEFORE, AFTER = r"(?<![\w@.+:/\-])", r"(?![\w@]|[.+:/\-]\w)"
"""Around a name that stands for itself: the 1 of 1.50, 2026-11-1 or zoe-1 does not."""


WORD = re.compile(r"[^\W_]+")
SOURCE, NAME = "source", "name"
"""Under which the name of a file stands in the details of an event, and in the options of an upload."""
OF_FILES = ("uploadPurchases", "importPurchases")
"""Actions whose events name a file."""


def is_telling(name: str) -> bool:
    """Whether the name means somebody within a longer text, too."""
    return len(name) > 1 and not (name.isdecimal() and len(name) < TELLING)


@dataclass(frozen=True)
class Names:
    """External id, name, e-mail and phone of one customer, as far as they are known. Country, city and attributes tell
    of many others, too: they go with the customer's own rows only."""

    held: frozenset[str]

    def match_column(self, column: ColumnElement[str], spelt: Sequence[str]) -> ColumnElement[bool]:
        """Whether the text holds one of them at all."""
        return or_(*(ContainsText(column, name) for name in spelt))

    def are_cells_of(self, text: str) -> bool:
        return not self.held.isdisjoint(split_row(text))

    def remove_from(self, value: Any) -> Any:
        """The JSON value without them."""
        if isinstance(value, dict):
            return {
                key: self.remove_from_source(part) if key == SOURCE else self.remove_from(part)
                for key, part in value.items()
            }
        if isinstance(value, list):
            return [self.remove_from(part) for part in value]
        if not isinstance(value, str):
            return value
        if value in self.held:
            return ERASED_TEXT
        # The longest first: a name may hold the id. The module remembers what it has compiled.
        telling = sorted(filter(is_telling, self.held), key=len, reverse=True)
        if not telling:
            return value
        return re.sub(f"{BEFORE}(?:{'|'.join(map(re.escape, telling))}){AFTER}", ERASED_TEXT, value)

    def remove_from_source(self, source: Any) -> Any:
        """The name of a file, or a sentence about one, without them: there words are parted by anything but letters
        and digits, and letter case says nothing."""
        if not isinstance(source, str):
            return self.remove_from(source)
        spelt = {r"[\W_]*".join(map(re.escape, WORD.findall(name))) for name in self.held if is_telling(name)} - {""}
        if not spelt:
            return source
        longest_first = "|".join(sorted(spelt, key=len, reverse=True))
        found = re.compile(rf"(?<![^\W_])(?:{longest_first})(?![^\W_])", re.IGNORECASE)
        composed = compose_text(source)
        return found.sub(ERASED_TEXT, composed) if found.search(composed) else source


async def forget_in_imports(connection: AsyncConnection, business_id: int, names: Names) -> None:
    """Replace the names in the names of files, and in what was said of them. Imports are few, and how a name is spelt
    in one of them no search of the store finds."""
    column = purchase_import.c
    work = and_(job.c.business_id == business_id, job.c.kind == JobKind.IMPORT.value)
    statement = (
        select(column.id, column.source, column.options, job.c.error_message)
        .join_from(purchase_import, job, and_(work, job.c.id == column.id))
        .where(column.business_id == business_id)
        .order_by(column.id)
        .limit(PORTION)
    )
    rows = (await connection.execute(statement)).all()
    while rows:
        for row in rows:
            source, said = names.remove_from_source(row.source), names.remove_from_source(row.error_message)
            called = {NAME: names.remove_from_source(row.options[NAME])} if NAME in (row.options or {}) else {}
            if source != row.source or (called and called[NAME] != row.options[NAME]):
                options = None if row.options is None else {**row.options, **called}
                own = (column.business_id == business_id, column.id == row.id)
                await connection.execute(update(purchase_import).where(*own).values(source=source, options=options))
            if said != row.error_message:
                await connection.execute(update(job).where(work, job.c.id == row.id).values(error_message=said))
        rows = (await connection.execute(statement.where(column.id > rows[-1].id))).all()


async def forget_in_rejects(connection: AsyncConnection, business_id: int, names: Names) -> None:
    """Blank the refused rows of which a cell is one of the names."""
    column = import_reject.c
    mine = (column.business_id == business_id, names.match_column(column.text, sorted(names.held)))
    order = (column.import_id, column.line)
    statement = select(*order, column.text).where(*mine).order_by(*order).limit(PORTION)
    blank = (
        update(import_reject)
        .where(column.business_id == business_id, column.import_id == bindparam("i"), column.line == bindparam("l"))
        .values(text=ERASED_TEXT)
    )
    rows = (await connection.execute(statement)).all()
    while rows:
        blanked = [{"i": row.import_id, "l": row.line} for row in rows if names.are_cells_of(row.text)]
        if blanked:
            await connection.execute(blank, blanked)
        after = tuple_(*order) > tuple_(rows[-1].import_id, rows[-1].line)
        rows = (await connection.execute(statement.where(after))).all()


async def forget_in_events(connection: AsyncConnection, business_id: int, names: Names) -> None:
    """Replace the names in the details of the audit trail."""
    column = audit_event.c
    # Letters outside ASCII stand as escapes in the stored JSON.
    spelt = sorted(json.dumps(name)[1:-1] for name in names.held)
    held = or_(names.match_column(as_type(column.detail, Text), spelt), column.action.in_(OF_FILES))
    mine = (column.business_id == business_id, held)
    statement = select(column.id, column.detail).where(*mine).order_by(column.id).limit(PORTION)
    replace = (
        update(audit_event)
        .where(column.business_id == business_id, column.id == bindparam("i"))
        .values(detail=bindparam("d", type_=column.detail.type))
    )
    rows = (await connection.execute(statement)).all()
    while rows:
        read = [(row.id, row.detail, names.remove_from(row.detail)) for row in rows]
        blanked = [{"i": key, "d": after} for key, before, after in read if after != before]
        if blanked:
            await connection.execute(replace, blanked)
        rows = (await connection.execute(statement.where(column.id > rows[-1].id))).all()


FORGOTTEN = ("name", "email", "phone", "country", "city")
PREFIX, END = "erased:", "erased;"
"""What begins the hashes, and the first text after all of them."""
ERASED_REASON = "the customer was erased"
BLANK_REFUSED = "UPDATE rejected SET text = :text WHERE reason = :reason"
BLANK = "UPDATE rejected SET text = :text WHERE line = :line"
KNOWN_AGAIN = "UPDATE buyer SET id = :id, erased = true, fresh = false WHERE number = :number"


def compute_digest(key: str, external_id: str) -> str:
    """What stands in place of an external id."""
    return PREFIX + hmac.digest(key.encode(), external_id.encode(), "sha256").hex()


def mark_erased(connection: Connection, business_id: int, key: str | None) -> None:
    """Among the `buyer`s who seem new, know those who were erased. There is no key, and nothing is hashed, before the
    first erasure."""
    if key is None:
        return
    fresh = connection.execute(text("SELECT number, customer FROM buyer WHERE fresh")).all()
    if not fresh:
        return
    statement = _select_marks(business_id).add_columns(customer.c.id)
    if len(fresh) <= PORTION:
        # To look more of them up would take longer than to read all who were erased.
        statement = statement.where(customer.c.external_id.in_([compute_digest(key, name) for _, name in fresh]))
    gone = {row[0]: row[1] for row in connection.execute(statement)}
    known_again = [
        {"number": number, "id": gone[mark]} for number, name in fresh if (mark := compute_digest(key, name)) in gone
    ]
    if known_again:
        connection.execute(text(KNOWN_AGAIN), known_again)


def hide_rejects(connection: Connection, business_id: int, known: int = 0) -> int:
    """Blank those of the `rejected` rows that tell of somebody who was erased; how many were erased so far. Where that
    is the number that is `known`, it is done already. It takes a second for 20,000 rows, so not under the lock."""
    key = connection.execute(select(business.c.erasure_key).where(business.c.id == business_id)).scalar_one_or_none()
    if key is None:
        return 0
    gone = set(connection.execute(_select_marks(business_id)).scalars())
    if len(gone) == known:
        return known
    connection.execute(text(BLANK_REFUSED), {"reason": ERASED_REASON, "text": ERASED_TEXT})
    statement = text("SELECT line, text FROM rejected WHERE reason <> :reason AND text <> ''")
    statement = statement.execution_options(yield_per=1000)
    with closing(connection.execute(statement, {"reason": ERASED_REASON})) as rows:
        blanked = [row.line for row in rows if any(compute_digest(key, cell) in gone for cell in split_row(row.text))]
    if blanked:
        connection.execute(text(BLANK), [{"line": line, "text": ERASED_TEXT} for line in blanked])
    return len(gone)


def _select_marks(business_id: int) -> Select[str]:
    return select(customer.c.external_id).where(
        customer.c.business_id == business_id, customer.c.external_id >= PREFIX, customer.c.external_id < END
    )


async def find_erased(connection: AsyncConnection, business_id: int, external_ids: Iterable[str]) -> set[str]:
    """Those of the external ids whose customer was erased."""
    statement = select(business.c.erasure_key).where(business.c.id == business_id)
    key = (await connection.execute(statement)).scalar_one_or_none()
    if key is None:
        return set()
    marks = {compute_digest(key, name): name for name in external_ids}
    erased = select(customer.c.external_id).where(
        customer.c.business_id == business_id, customer.c.external_id.in_(marks), customer.c.erased
    )
    return {marks[mark] for mark in (await connection.execute(erased)).scalars()}


def is_of_customer(business_id: int, customer_id: int) -> ColumnElement[bool]:
    """Whether the row of `customer` is the customer's own or of one who was merged into it."""
    mine = customer.c.business_id == business_id
    own, merged = customer.c.id == customer_id, customer.c.merged_into == customer_id
    # Of which business in both, or SQLite would read all customers for the second.
    return or_(and_(mine, Selective(own)), and_(mine, Selective(merged)))


class ErasureStore:
    """On one connection, of one business."""

    def __init__(self, connection: AsyncConnection, session: AsyncSession, business_id: int) -> None:
        self.connection = connection
        self.session = session
        self.business_id = business_id

    async def erase(self, customer_id: int, at: datetime) -> None:
        """Take every name of a customer who is there away, and of those who were merged into it."""
        rows = (
            await self.session.scalars(select(CustomerRow).where(is_of_customer(self.business_id, customer_id)))
        ).all()
        told = (name for row in rows for name in (row.external_id, row.name, row.email, row.phone))
        names = Names(frozenset(name for name in told if name))
        key = await self._load_key()
        ids = [row.id for row in rows]
        terms = set[str]().union(*(collect_terms(row.external_id, row.name, row.email) for row in rows))
        for row in rows:
            row.external_id = compute_digest(key, row.external_id)
            row.name_sort, row.erased = MISSING_TEXT, True
            for forgotten in FORGOTTEN:
                setattr(row, forgotten, None)
        await self.session.flush()
        # By the terms and the imports, in whose order the tables are, or everybody's would be gone through.
        for table, found_by in ((customer_term, customer_term.c.term.in_(terms)), (customer_attribute, true())):
            mine = (table.c.business_id == self.business_id, found_by, table.c.customer_id.in_(ids))
            await self.connection.execute(delete(table).where(*mine))
        # An import that is taken back must not bring them back.
        imports = select(purchase_import.c.id).where(purchase_import.c.business_id == self.business_id)
        for table, found_by in ((purchase, true()), (purchase_before, purchase_before.c.import_id.in_(imports))):
            of_customer = (table.c.business_id == self.business_id, found_by, table.c.customer_id == customer_id)
            await self.connection.execute(update(table).where(*of_customer).values(attributes=None))
        # A run that has evaluated the customer already must look again.
        await self.connection.execute(
            update(customer_metrics)
            .where(customer_metrics.c.business_id == self.business_id, customer_metrics.c.customer_id == customer_id)
            .values(changed_at=to_micros(at))
        )
        await forget_in_rejects(self.connection, self.business_id, names)
        await forget_in_events(self.connection, self.business_id, names)
        await forget_in_imports(self.connection, self.business_id, names)
        await IdempotentRequestStore(self.connection, self.business_id).forget_answers()

    async def _load_key(self) -> str:
        mine = business.c.id == self.business_id
        new_key = func.coalesce(business.c.erasure_key, secrets.token_hex(32))
        statement = update(business).where(mine).values(erasure_key=new_key).returning(business.c.erasure_key)
        return str((await self.connection.execute(statement)).scalar_one())
