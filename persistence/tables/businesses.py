"""The table of tenants."""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Integer,
    UniqueConstraint,
)
from sqlmodel import Field

from persistence.tables.columns import (
    CodePointText,
    NullableJson,
    Row,
    not_null,
    nullable,
)


class BusinessRow(Row, table=True):
    """A tenant. `change_number` rises with every write; `data_version` is the last one that changed data. Dynamic
    memberships have followed what changed until `followed_at`. `digest_key` keys the digests that ids are made of,
    `attributes` holds the kind of each by owner and name."""

    __tablename__ = "business"
    __table_args__ = (UniqueConstraint("key", name="uq_business_key"),)
    # The database gives it.
    id: int = Field(default=None, sa_column=Column(Integer, primary_key=True))
    key: str = not_null(CodePointText)
    name: str = not_null(CodePointText)
    currency: str = not_null(CodePointText)
    time_zone: str = not_null(CodePointText)
    settings: dict[str, Any] = not_null(JSON)
    settings_version: int = not_null(BigInteger, 1)
    change_number: int = not_null(BigInteger, 0)
    data_version: int = not_null(BigInteger, 0)
    last_instant: int = not_null(BigInteger, 0)
    next_customer: int = not_null(BigInteger, 1)
    next_purchase: int = not_null(BigInteger, 1)
    next_storefront: int = not_null(BigInteger, 1)
    matures_at: int | None = nullable(BigInteger)
    erasure_key: str | None = nullable(CodePointText)
    followed_at: int = not_null(BigInteger, 0)
    history_from: int | None = nullable(BigInteger)
    created_at: int = not_null(BigInteger)
    digest_key: str = not_null(CodePointText, "")
    attributes: Any = nullable(NullableJson)


business = Row.metadata.tables["business"]
