"""Tables of purchases, their lines, and where they were made."""

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    SmallInteger,
    UniqueConstraint,
    and_,
)

from domain.model import LAST_QUALIFYING
from persistence.tables.columns import (
    WITHOUT_ROWID,
    CodePointText,
    Row,
    index,
    not_null,
    nullable,
    of_business,
    primary_key,
)

WAITING = "counted = 0 AND status <= 1"


class StorefrontRow(Row, table=True):
    """A place where the business sells."""

    __tablename__ = "storefront"
    __table_args__ = of_business(primary_key("id"), UniqueConstraint("business_id", "key", name="uq_storefront_key"))
    business_id: int = not_null(BigInteger)
    id: int = not_null(BigInteger)
    key: str = not_null(CodePointText)
    name: str = not_null(CodePointText)


class PurchaseRow(Row, table=True):
    """An order. `status` is its place in STATUS_ORDER; `counted` is 1 where it qualifies and its instant has passed.
    `written_by` is the import, or else the change number, that stated it last; 0 where that was not kept yet.
    `attributes` is JSON text, the same for the same values, so that it compares as text on both databases."""

    __tablename__ = "purchase"
    __table_args__ = of_business(
        primary_key("customer_id", "id"),
        UniqueConstraint("business_id", "external_id", name="uq_purchase_external"),
        index("ix_purchase_window", "customer_id", "local_day", "counted", "amount", "storefront_id"),
        index("ix_purchase_waiting", "purchased_at", where=WAITING),
    )
    business_id: int = not_null(BigInteger)
    customer_id: int = not_null(BigInteger)
    id: int = not_null(BigInteger)
    external_id: str = not_null(CodePointText)
    purchased_at: int = not_null(BigInteger)
    local_day: int = not_null(BigInteger)
    status: int = not_null(SmallInteger)
    counted: int = not_null(SmallInteger)
    amount: int = not_null(BigInteger)
    storefront_id: int | None = nullable(BigInteger)
    channel: str | None = nullable(CodePointText)
    written_by: int = not_null(BigInteger, 0)
    attributes: str | None = nullable(CodePointText)


class PurchaseLineRow(Row, table=True):
    """A line of an order, numbered from 1 in the order it was stated. Its business is that of its purchase: a reference
    of its own would be checked for each line, which is most of what writing one costs PostgreSQL. `quantity` is in
    millionths."""

    __tablename__ = "purchase_line"
    __table_args__ = (primary_key("customer_id", "purchase_id", "position"), WITHOUT_ROWID)
    business_id: int = not_null(BigInteger)
    customer_id: int = not_null(BigInteger)
    purchase_id: int = not_null(BigInteger)
    position: int = not_null(BigInteger)
    category: str | None = nullable(CodePointText)
    amount: int = not_null(BigInteger)
    status: int = not_null(SmallInteger)
    product: str | None = nullable(CodePointText)
    sku: str | None = nullable(CodePointText)
    quantity: int | None = nullable(BigInteger)


storefront = Row.metadata.tables["storefront"]
purchase = Row.metadata.tables["purchase"]
purchase_line = Row.metadata.tables["purchase_line"]

OF_PURCHASE = and_(
    purchase_line.c.business_id == purchase.c.business_id,
    purchase_line.c.customer_id == purchase.c.customer_id,
    purchase_line.c.purchase_id == purchase.c.id,
)


def is_bought(line: FromClause = purchase_line) -> ColumnElement[bool]:
    """Whether the line was bought, where its purchase qualifies."""
    return and_(line.c.status <= LAST_QUALIFYING, line.c.amount >= 0)


WITH_BOUGHT = purchase.outerjoin(purchase_line, and_(OF_PURCHASE, is_bought()))
"""A row a bought line, and one without a line for a purchase of which nothing was bought."""
