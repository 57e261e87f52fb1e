"""Tables of what was asked: the audit log, answers that are kept, what callers took, and tokens that are revoked."""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
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


class AuditSequenceRow(Row, table=True):
    """The last id that an audit event of the business was given; no row where there was none."""

    __tablename__ = "audit_sequence"
    __table_args__ = of_business(primary_key())
    business_id: int = not_null(BigInteger)
    last_id: int = not_null(BigInteger)


class AuditEventRow(Row, table=True):
    """Who did what, and how it ended: one row a write, with its change number, and one a file that was given out or an
    attempt that was refused, without."""

    __tablename__ = "audit_event"
    __table_args__ = of_business(
        primary_key("id"),
        index("ix_audit_subject", "subject_kind", "subject_id", "id"),
        index("ix_audit_change", "change_number", unique=True, where="change_number IS NOT NULL"),
    )
    business_id: int = not_null(BigInteger)
    id: int = not_null(BigInteger)
    change_number: int | None = nullable(BigInteger)
    at: int = not_null(BigInteger)
    actor: str = not_null(CodePointText)
    action: str = not_null(CodePointText)
    outcome: str = not_null(CodePointText)
    request_id: str | None = nullable(CodePointText)
    detail: dict[str, Any] | None = nullable(JSON)
    subject_kind: str | None = nullable(CodePointText)
    subject_id: int | None = nullable(BigInteger)


class CachedReportRow(Row, table=True):
    """A report that one worker computes, or has computed, for all: `value` is null until then, and whoever is `owner`
    has until `leased_until`. Times are in seconds since 1970."""

    __tablename__ = "kept_report"
    __table_args__ = of_business(primary_key("key"))
    business_id: int = not_null(BigInteger)
    key: str = not_null(CodePointText)
    owner: str = not_null(CodePointText)
    leased_until: int = not_null(BigInteger)
    made_at: int | None = nullable(BigInteger)
    value: str | None = nullable(CodePointText)


class CostBucketRow(Row, table=True):
    """What a caller may still ask for, as workers have settled it: the instant at which the bucket is full again, in
    microseconds since 1970."""

    __tablename__ = "cost_bucket"
    __table_args__ = of_business(primary_key("subject"))
    business_id: int = not_null(BigInteger)
    subject: str = not_null(CodePointText)
    full_at: int = not_null(BigInteger)


class IdempotentRequestRow(Row, table=True):
    """A request that came with an Idempotency-Key: `owner` is the id of the request that works on it until
    `leased_until`, `effect` what the mutation did, null until it was committed, `answer` the body that every later
    request with the key is answered, null until it was given."""

    __tablename__ = "idempotent_request"
    __table_args__ = of_business(primary_key("subject", "key"), index("ix_idempotent_request_age", "created_at"))
    business_id: int = not_null(BigInteger)
    subject: str = not_null(CodePointText)
    key: str = not_null(CodePointText)
    digest: str = not_null(CodePointText)
    owner: str = not_null(CodePointText)
    leased_until: int = not_null(BigInteger)
    created_at: int = not_null(BigInteger)
    effect: Any = nullable(NullableJson)
    answer: str | None = nullable(CodePointText)


class RevokedTokenRow(Row, table=True):
    """Tokens that are worth nothing any more: the one of that id, or those issued before the instant, of the subject
    where one is named. From `ends_at` on none of them could be valid by itself."""

    __tablename__ = "revoked_token"
    __table_args__ = of_business(primary_key("revoked_at"))
    business_id: int = not_null(BigInteger)
    revoked_at: int = not_null(BigInteger)
    token_id: str | None = nullable(CodePointText)
    subject: str | None = nullable(CodePointText)
    issued_before: int | None = nullable(BigInteger)
    ends_at: int = not_null(BigInteger)


audit_event = Row.metadata.tables["audit_event"]
kept_report = Row.metadata.tables["kept_report"]
cost_bucket = Row.metadata.tables["cost_bucket"]
idempotent_request = Row.metadata.tables["idempotent_request"]
revoked_token = Row.metadata.tables["revoked_token"]
