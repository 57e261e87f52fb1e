"""Decided labels kept for the next run, in short transactions. They count only when all of them are there: until then,
and where somebody else began to keep others meanwhile, nothing is true of them and all are decided anew."""

from typing import Any
from uuid import uuid4

from sqlalchemy import BigInteger, ColumnElement, Connection, delete, insert, literal, select, text, update

from persistence.labels import COLUMNS, Decided, labelled
from persistence.tables import customer_label, label_state

RANGE = 50_000
"""Labels kept in one transaction."""


def keep(decided: Decided) -> None:
    """End the reading and keep what was decided. Labels of another day than today are not kept."""
    connection = decided.connection
    if not decided.present or (decided.some and not decided.fresh):
        return
    connection.commit()
    if connection.dialect.name == "postgresql":
        connection.execution_options(isolation_level="READ COMMITTED")
    else:
        connection.execution_options(begin="BEGIN IMMEDIATE")
    mine = uuid4().hex
    before = "" if decided.kept is None else decided.kept.owner
    size = decided.highest + 1 if decided.some and decided.fresh <= RANGE else RANGE
    for low in range(0, decided.highest + 1, size):
        with connection.begin():
            if not _still(connection, decided.business_id, before if low == 0 else mine):
                return
            last = low + size > decided.highest
            _replace(decided, low, decided.highest if last else low + size - 1)
            basis = decided.how.basis if last else None
            statement = update(label_state).where(label_state.c.business_id == decided.business_id)
            connection.execute(statement.values(basis=basis, seen_at=decided.seen_at, owner=mine))


def _still(connection: Connection, business_id: int, owner: str) -> bool:
    """Whether what is kept is still that of `owner`; nobody else can change it until this transaction ends."""
    first = "INSERT INTO label_state (business_id, owner) VALUES (:business, '') ON CONFLICT DO NOTHING"
    connection.execute(text(first), {"business": business_id})
    statement = select(label_state.c.owner).where(label_state.c.business_id == business_id).with_for_update()
    return bool(connection.execute(statement).scalar_one() == owner)


def _replace(decided: Decided, low: int, high: int) -> None:
    new = select(*(labelled.c[name] for name in COLUMNS)).where(labelled.c.customer_id.between(low, high))
    own: list[ColumnElement[bool]] = [
        customer_label.c.business_id == decided.business_id,
        customer_label.c.customer_id.between(low, high),
    ]
    if decided.some:
        own.append(customer_label.c.customer_id.in_(new.with_only_columns(labelled.c.customer_id)))
    decided.connection.execute(delete(customer_label).where(*own))
    rows: Any = new.with_only_columns(
        literal(decided.business_id, BigInteger), *(labelled.c[name] for name in COLUMNS)
    ).where(labelled.c.frequency.is_not(None))
    decided.connection.execute(insert(customer_label).from_select(["business_id", *COLUMNS], rows))
