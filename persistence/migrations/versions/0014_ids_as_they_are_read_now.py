"""Ids that are kept become those that they are read as now: e-mails in lower case, numbers without `.0`, ids without what
protected them from a spreadsheet. One that another customer or order has already stays as it is; merging customers
mends such."""

from collections.abc import Iterable

import sqlalchemy as sa
from alembic import op

from domain.identifiers import IdFault, normalise_id

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

CHANGED = ('="%', "'%", "%.0", "%.00")
PORTION = 10_000


def upgrade() -> None:
    """Apply."""
    _rename("customer", (*CHANGED, "%@%"))
    _rename("purchase", CHANGED)


def downgrade() -> None:
    """What was written before is not known any more, and not needed."""


def _rename(table: str, patterns: Iterable[str]) -> None:
    connection = op.get_bind()
    rows = sa.table(table, *(sa.column(name) for name in ("business_id", "id", "external_id")))
    column = rows.c
    likely = sa.or_(*(column.external_id.like(pattern) for pattern in patterns))
    found = connection.execute(sa.select(column.business_id, column.id, column.external_id).where(likely)).all()
    for start in range(0, len(found), PORTION):
        wanted: dict[tuple[int, str], tuple[int, str]] = {}
        for business, key, held in found[start : start + PORTION]:
            try:
                read = normalise_id(held, order=table == "purchase")
            except IdFault:
                continue
            if read and read != held:
                wanted.setdefault((business, read), (key, held))
        _write(connection, rows, wanted)


def _write(connection: sa.Connection, rows: sa.TableClause, wanted: dict[tuple[int, str], tuple[int, str]]) -> None:
    column = rows.c
    for (business, read), (key, held) in wanted.items():
        of_business = column.business_id == business
        if connection.execute(sa.select(1).where(of_business, column.external_id == read)).first() is not None:
            continue
        mine = (of_business, column.external_id == held)
        connection.execute(sa.update(rows).where(*mine).values(external_id=read))
        if rows.name != "customer":
            continue
        term = sa.table("customer_term", *(sa.column(name) for name in ("business_id", "customer_id", "term")))
        own = (term.c.business_id == business, term.c.customer_id == key)
        before, after = held.casefold(), read.casefold()
        if before != after:
            connection.execute(sa.delete(term).where(*own, term.c.term.in_((before, after))))
            connection.execute(sa.insert(term).values(business_id=business, customer_id=key, term=after))
