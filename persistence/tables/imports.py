"""Tables of imports, of what takes one back, and of what is known of sources."""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    SmallInteger,
    and_,
)

from persistence.tables.columns import (
    CodePointText,
    NullableJson,
    Row,
    index,
    not_null,
    nullable,
    of_business,
    primary_key,
)


class PurchaseImportRow(Row, table=True):
    """What an import says beside its job: its counts, and how it is taken back; `id` is the change number that it began
    with. `options` say how an uploaded file is to be read; `content` is the hash of the file, and `adds` says that it
    added rows to the lines of orders that were there; `undo_begun_at` stands from when it is to be taken back,
    `undone_at` from the last range; `undo` says what was done by now."""

    __tablename__ = "purchase_import"
    __table_args__ = of_business(
        primary_key("id"),
        index("uq_import_request", "request_key", unique=True),
    )
    business_id: int = not_null(BigInteger)
    id: int = not_null(BigInteger)
    source: str = not_null(CodePointText)
    rows_read: int = not_null(BigInteger, 0)
    created: int = not_null(BigInteger, 0)
    updated: int = not_null(BigInteger, 0)
    unchanged: int = not_null(BigInteger, 0)
    rejected: int = not_null(BigInteger, 0)
    future: int = not_null(BigInteger, 0)
    quality: Any = nullable(NullableJson)
    options: Any = nullable(NullableJson)
    time_zone: str | None = nullable(CodePointText)
    undo_begun_at: int | None = nullable(BigInteger)
    undone_at: int | None = nullable(BigInteger)
    undo: Any = nullable(NullableJson)
    request_key: str | None = nullable(CodePointText)
    request_digest: str | None = nullable(CodePointText)
    content: str | None = nullable(CodePointText)
    adds: bool = not_null(Boolean, False)


class ImportRejectRow(Row, table=True):
    """A row that an import refused: its line number, its text and why; `kind` is the reason without the values of the
    row."""

    __tablename__ = "import_reject"
    __table_args__ = of_business(primary_key("import_id", "line"), index("ix_reject_kind", "import_id", "kind", "line"))
    business_id: int = not_null(BigInteger)
    import_id: int = not_null(BigInteger)
    line: int = not_null(BigInteger)
    text: str = not_null(CodePointText)
    reason: str = not_null(CodePointText)
    kind: str = not_null(CodePointText, "")


class ImportRangeRow(Row, table=True):
    """The ids that one write transaction of an import gave to what it created; a span whose last is before its first
    is empty."""

    __tablename__ = "import_range"
    __table_args__ = of_business(primary_key("import_id", "first_purchase"))
    business_id: int = not_null(BigInteger)
    import_id: int = not_null(BigInteger)
    first_purchase: int = not_null(BigInteger)
    last_purchase: int = not_null(BigInteger)
    first_customer: int = not_null(BigInteger)
    last_customer: int = not_null(BigInteger)
    first_storefront: int = not_null(BigInteger)
    last_storefront: int = not_null(BigInteger)


class PurchaseBeforeRow(Row, table=True):
    """A purchase as it stood before an import changed it."""

    __tablename__ = "purchase_before"
    __table_args__ = of_business(primary_key("import_id", "customer_id", "purchase_id"))
    business_id: int = not_null(BigInteger)
    import_id: int = not_null(BigInteger)
    customer_id: int = not_null(BigInteger)
    purchase_id: int = not_null(BigInteger)
    purchased_at: int = not_null(BigInteger)
    local_day: int = not_null(BigInteger)
    status: int = not_null(SmallInteger)
    amount: int = not_null(BigInteger)
    storefront_id: int | None = nullable(BigInteger)
    channel: str | None = nullable(CodePointText)
    written_by: int = not_null(BigInteger)
    attributes: str | None = nullable(CodePointText)


class PurchaseLineBeforeRow(Row, table=True):
    """A line of such a purchase as it stood before."""

    __tablename__ = "purchase_line_before"
    __table_args__ = of_business(primary_key("import_id", "customer_id", "purchase_id", "position"))
    business_id: int = not_null(BigInteger)
    import_id: int = not_null(BigInteger)
    customer_id: int = not_null(BigInteger)
    purchase_id: int = not_null(BigInteger)
    position: int = not_null(BigInteger)
    category: str | None = nullable(CodePointText)
    amount: int = not_null(BigInteger)
    status: int = not_null(SmallInteger)
    product: str | None = nullable(CodePointText)
    sku: str | None = nullable(CodePointText)
    quantity: int | None = nullable(BigInteger)


class SourceStateRow(Row, table=True):
    """How far a source was read: `state` is the source's own, `data_version` that of the business right after."""

    __tablename__ = "source_state"
    __table_args__ = of_business(primary_key("source"))
    business_id: int = not_null(BigInteger)
    source: str = not_null(CodePointText)
    state: dict[str, Any] = not_null(JSON)
    data_version: int = not_null(BigInteger)
    at: int = not_null(BigInteger)


class SourceFormatRow(Row, table=True):
    """How a source is written, kept by name: `settings` is what was stated, by the keys of formats."""

    __tablename__ = "source_format"
    __table_args__ = of_business(primary_key("name"))
    business_id: int = not_null(BigInteger)
    name: str = not_null(CodePointText)
    settings: dict[str, Any] = not_null(JSON)
    updated_at: int = not_null(BigInteger)


purchase_import = Row.metadata.tables["purchase_import"]
IS_HALF_UNDONE = and_(purchase_import.c.undo_begun_at.is_not(None), purchase_import.c.undone_at.is_(None))
"""Of an import that is being taken back, or whose undo died."""
import_reject = Row.metadata.tables["import_reject"]
import_range = Row.metadata.tables["import_range"]
purchase_before = Row.metadata.tables["purchase_before"]
purchase_line_before = Row.metadata.tables["purchase_line_before"]
source_state = Row.metadata.tables["source_state"]
source_format = Row.metadata.tables["source_format"]
