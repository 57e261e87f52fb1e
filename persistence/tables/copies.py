"""Tables of the columnar copy: which store this is, which generation of a business's copy is in force, and who has been
removed since it was written."""

from sqlalchemy import BigInteger
from sqlmodel import Field

from persistence.tables.columns import (
    CodePointText,
    Row,
    index,
    not_null,
    nullable,
    of_business,
    primary_key,
)


class StoreIdentityRow(Row, table=True):
    """One row: the random id of the store, and the epoch of what it holds, which is another one after a copy was
    restored, and after every step of the migrations, as it may rewrite purchases."""

    __tablename__ = "store_identity"
    id: str = Field(sa_type=CodePointText, primary_key=True)
    epoch: str = not_null(CodePointText)


class ColumnarCopyRow(Row, table=True):
    """The columnar copy of a business: the generation that is in force, empty where none is; it was begun after the
    change of that number, at that instant. `owner` writes the next one until `leased_until`."""

    __tablename__ = "columnar_copy"
    __table_args__ = of_business(primary_key())
    business_id: int = not_null(BigInteger)
    generation: str = not_null(CodePointText, "")
    change_number: int = not_null(BigInteger, 0)
    instant: int = not_null(BigInteger, 0)
    owner: str | None = nullable(CodePointText)
    leased_until: int = not_null(BigInteger, 0)


class RemovedCustomerRow(Row, table=True):
    """A customer who was removed from the store at the instant, and may stand in a copy that is older."""

    __tablename__ = "removed_customer"
    __table_args__ = of_business(primary_key("customer_id"), index("ix_removed_customer_at", "removed_at"))
    business_id: int = not_null(BigInteger)
    customer_id: int = not_null(BigInteger)
    removed_at: int = not_null(BigInteger)


store_identity = Row.metadata.tables["store_identity"]
columnar_copy = Row.metadata.tables["columnar_copy"]
removed_customer = Row.metadata.tables["removed_customer"]
