"""Ids that are kept become those that they are read as now: e-mails in lower case, numbers without `.0`, ids without what
protected them from a spreadsheet. One that another customer or order has already stays as it is; merging customers
mends such."""

from collections.abc import Iterable
from typing import Any

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
    """Rename those whose new id is free."""
    column = rows.c
    for business in {business for business, _ in wanted}:
        mine = {read: row for (of, read), row in wanted.items() if of == business}
        known = sa.select(column.external_id).where(column.business_id == business, column.external_id.in_(mine))
        for read in connection.execute(known).scalars().all():
            del mine[read]
        if not mine:
            continue
        changes = [{"b": business, "i": key, "h": held, "r": read} for read, (key, held) in mine.items()]
        statement = sa.update(rows).where(
            column.business_id == sa.bindparam("b"), column.external_id == sa.bindparam("h")
        )
        connection.execute(statement.values(external_id=sa.bindparam("r")), changes)
        if rows.name == "customer":
            _write_terms(connection, changes)


def _write_terms(connection: sa.Connection, changes: list[dict[str, Any]]) -> None:
    """Customers are found by their new ids and not by those that they had."""
    term = sa.table("customer_term", *(sa.column(name) for name in ("business_id", "customer_id", "term")))
    both = [{**one, "h": one["h"].casefold(), "r": one["r"].casefold()} for one in changes]
    renamed = [one for one in both if one["h"] != one["r"]]
    if not renamed:
        return
    own = (term.c.business_id == sa.bindparam("b"), term.c.customer_id == sa.bindparam("i"))
    of_both = term.c.term.in_((sa.bindparam("h"), sa.bindparam("r")))
    connection.execute(sa.delete(term).where(*own, of_both), renamed)
    added = [{"business_id": one["b"], "customer_id": one["i"], "term": one["r"]} for one in renamed]
    connection.execute(sa.insert(term), added)
