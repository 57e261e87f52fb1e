"""What was bought: the lines of qualifying purchases whose own status qualifies and whose amount is not negative.
Shares by category count these alone, and a purchase of which nothing was bought as one line without a category."""

from sqlalchemy import ColumnElement, FromClause, and_

from domain.imports.rows import LAST_QUALIFYING
from persistence.tables import purchase, purchase_line

OF_PURCHASE = and_(
    purchase_line.c.business_id == purchase.c.business_id,
    purchase_line.c.customer_id == purchase.c.customer_id,
    purchase_line.c.purchase_id == purchase.c.id,
)


def bought(line: FromClause = purchase_line) -> ColumnElement[bool]:
    """Whether the line was bought, where its purchase qualifies."""
    return and_(line.c.status <= LAST_QUALIFYING, line.c.amount >= 0)


WITH_BOUGHT = purchase.outerjoin(purchase_line, and_(OF_PURCHASE, bought()))
"""A row a bought line, and one without a line for a purchase of which nothing was bought."""
