"""Customers whom a list names, in temporary tables of the connection: rows come in portions, and one statement for each
way of naming looks all of them up, so that only the database holds a list of a million. Who was erased is nobody; who
was merged into another is that one, where the shop's id says who is meant."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    SmallInteger,
    Text,
    and_,
    column,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    text,
)
from sqlalchemy import table as sqlalchemy_table
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.store import NamedCustomer, Naming
from persistence.customers import join_named
from persistence.customers import named as known_as
from persistence.database.dialects import IsAscii, Negation, Selective, analyze, create, empty
from persistence.database.lists import MembersOf, select_part
from persistence.tables.customers import PRESENT, customer, customer_term

TABLES = {
    "listed": "line BIGINT PRIMARY KEY, naming SMALLINT NOT NULL, name {text} NOT NULL, term {text}, number BIGINT",
    "meant": "line BIGINT NOT NULL, customer_id BIGINT NOT NULL, PRIMARY KEY (line, customer_id)",
    "wanted": "customer_id BIGINT PRIMARY KEY",
}
COLUMNS = {"line": BigInteger, "naming": SmallInteger, "name": Text, "term": Text, "number": BigInteger}
listed = sqlalchemy_table("listed", *(column(name, kind) for name, kind in COLUMNS.items()))
meant = sqlalchemy_table("meant", column("line", BigInteger), column("customer_id", BigInteger))
WANT = "INSERT INTO wanted (customer_id) SELECT DISTINCT customer_id FROM meant"
PLACES = {naming: place for place, naming in enumerate(Naming, 1)}
"""How a way of naming is kept; 0 where a row names nobody."""
MANY = 5_000
"""Rows from which on PostgreSQL is told what is in the tables."""


@dataclass(slots=True)
class NamedCustomerStore:
    """On one connection, of one business. `prepare` forgets the list before."""

    connection: AsyncConnection
    business_id: int

    async def prepare(self) -> None:
        """Make the tables, empty."""
        for name, columns in TABLES.items():
            await self.connection.run_sync(create, name, columns)

    async def add(self, rows: Sequence[NamedCustomer]) -> None:
        """Keep a portion of the list; each line comes once."""
        values = [
            (
                row.line,
                0 if row.naming is None else PLACES[row.naming],
                row.name,
                row.name.casefold() if row.naming is Naming.EMAIL else None,
                row.number,
            )
            for row in rows
        ]
        items = MembersOf(literal(json.dumps(values), Text)).table_valued("value")
        kinds = (str if kind is Text else int for kind in COLUMNS.values())
        parts = [select_part(items.c.value, place, kind) for place, kind in enumerate(kinds)]
        await self.connection.execute(insert(listed).from_select(list(COLUMNS), select(*parts)))

    async def resolve(self) -> None:
        """Look up whom each row means, in the state that the transaction sees."""
        await self.connection.run_sync(empty, "meant", "wanted")
        sizes = select(listed.c.naming, func.count()).group_by(listed.c.naming)
        counts = {row[0]: row[1] for row in await self.connection.execute(sizes)}
        many = sum(counts.values()) >= MANY
        if many:
            await self.connection.run_sync(analyze, "listed")
        for naming in Naming:
            if PLACES[naming] in counts:
                statement = insert(meant).from_select(["line", "customer_id"], self._select_meant(naming))
                await self.connection.execute(statement)
        await self.connection.execute(text(WANT))
        if many:
            await self.connection.run_sync(analyze, "meant", "wanted")

    def _select_meant(self, naming: Naming) -> Select[Any]:
        mine = customer.c.business_id == self.business_id
        source: FromClause
        conditions: list[ColumnElement[bool]] = [listed.c.naming == PLACES[naming]]
        match naming:
            case Naming.ID:
                source = listed.join(customer, and_(mine, customer.c.id == listed.c.number))
                conditions.append(PRESENT)
            case Naming.EXTERNAL_ID:
                source = join_named(customer).join(listed, known_as.c.external_id == listed.c.name)
                conditions += [mine, known_as.c.business_id == self.business_id, customer.c.erased == false()]
            case Naming.EMAIL:
                terms = customer_term.c
                of_row = Selective(terms.term == listed.c.term)
                found = listed.join(customer_term, and_(terms.business_id == self.business_id, of_row))
                source = found.join(customer, and_(mine, customer.c.id == terms.customer_id))
                # What finds a customer may be a name or an id, too. Both databases fold the letters of ASCII alike; two
                # e-mails with others are the same where the term is.
                beyond_ascii = and_(Negation(IsAscii(customer.c.email)), Negation(IsAscii(listed.c.name)))
                same = or_(func.lower(customer.c.email) == listed.c.name, beyond_ascii)
                conditions += [PRESENT, customer.c.email.is_not(None), same]
        return select(listed.c.line, customer.c.id).select_from(source).where(*conditions)

    async def load_unknown(self, size: int) -> tuple[int, list[tuple[int, str]]]:
        """How many rows mean nobody, and the first of them with their lines."""
        of_row = select(meant.c.line).where(meant.c.line == listed.c.line)
        nobody = (
            select(listed.c.line, listed.c.name, func.count().over().label("size"))
            .where(~of_row.exists())
            .order_by(listed.c.line)
            .limit(size)
        )
        rows = (await self.connection.execute(nobody)).all()
        return (int(rows[0].size) if rows else 0), [(row.line, row.name) for row in rows]
