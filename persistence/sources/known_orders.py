"""Orders that a file began and goes on with further down: the rows that the store holds of them, as the file stated
them, so that the new rows and these make the whole order."""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, text

from domain.imports.rows import StagedColumns
from persistence.database.dialects import analyze, create, load

ROWS = """SELECT p.external_id, c.external_id, p.purchased_at, p.local_day, k.status, k.amount, k.category, s.key,
    p.channel, p.written_by
    FROM continued w JOIN purchase p ON p.business_id = :business AND p.external_id = w.order_id
    JOIN customer c ON c.business_id = :business AND c.id = p.customer_id
    LEFT JOIN storefront s ON s.business_id = :business AND s.id = p.storefront_id
    LEFT JOIN purchase_line k ON k.business_id = :business AND k.customer_id = p.customer_id AND k.purchase_id = p.id
    ORDER BY p.customer_id, p.id, k.position"""
OTHERS = """SELECT (SELECT COUNT(*) FROM audit_event WHERE business_id = :business AND id > :change),
    (SELECT COUNT(*) FROM purchase_import WHERE business_id = :business
    AND (id > :change OR status IN ('QUEUED', 'RUNNING')))"""


def rows_of(
    connection: Connection, business_id: int, orders: Collection[str], imports: Collection[int]
) -> StagedColumns | None:
    """The stored rows of those of the orders that the store holds, numbered from 2 on; None where one of them was not
    written by one of the imports, so that nobody can say what the file stated."""
    create(connection, "continued", "order_id {text} PRIMARY KEY")
    load(connection, "continued", ("order_id",), [(order,) for order in sorted(orders)])
    analyze(connection, "continued")
    found = connection.execute(text(ROWS), {"business": business_id}).all()
    if any(row[-1] not in imports or row[4] is None for row in found):
        return None
    order, customer, at, day, status, amount, category, storefront, channel = (
        zip(*(row[:-1] for row in found), strict=True) if found else ((),) * 9
    )
    lines: Sequence[int] = range(2, len(found) + 2)
    return StagedColumns(lines, order, customer, at, day, status, amount, category, storefront, channel)


def alone(connection: Connection, business_id: int, change: int, imports: int) -> bool:
    """Whether since the change number nobody wrote but so many imports, all of which have ended."""
    audits, found = connection.execute(text(OTHERS), {"business": business_id, "change": change}).one()
    return (audits, found) == (imports, imports)
