"""Tables of customers: who they are, what a search finds them by, and the totals that are kept of each."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Double,
    UniqueConstraint,
    and_,
    false,
)

from persistence.tables.columns import (
    CodePointText,
    Row,
    index,
    not_null,
    nullable,
    of_business,
    primary_key,
)


class CustomerRow(Row, table=True):
    """A buyer. `name_sort` is the casefolded name, or the highest code point where there is none. One who was merged
    stays for the history, and its external id as another name of `merged_into`, who was not merged itself."""

    __tablename__ = "customer"
    __table_args__ = of_business(
        primary_key("id"),
        UniqueConstraint("business_id", "external_id", name="uq_customer_external"),
        index("ix_customer_name", "name_sort", "id"),
        index("ix_customer_merged", "merged_into", where="merged_into IS NOT NULL"),
    )
    business_id: int = not_null(BigInteger)
    id: int = not_null(BigInteger)
    external_id: str = not_null(CodePointText)
    name: str | None = nullable(CodePointText)
    email: str | None = nullable(CodePointText)
    loyalty_level: str | None = nullable(CodePointText)
    registered_at: int | None = nullable(BigInteger)
    registered_day: int | None = nullable(BigInteger)
    erased: bool = not_null(Boolean, False)
    name_sort: str = not_null(CodePointText)
    phone: str | None = nullable(CodePointText)
    country: str | None = nullable(CodePointText)
    city: str | None = nullable(CodePointText)
    merged_into: int | None = nullable(BigInteger)


class CustomerAttributeRow(Row, table=True):
    """What the business itself names of a customer. Its kind says where a value stands; a number as it was written in
    `text` and as rules compare it in `number`."""

    __tablename__ = "customer_attribute"
    __table_args__ = of_business(primary_key("customer_id", "name"))
    business_id: int = not_null(BigInteger)
    customer_id: int = not_null(BigInteger)
    name: str = not_null(CodePointText)
    text: str | None = nullable(CodePointText)
    number: float | None = nullable(Double)
    flag: bool | None = nullable(Boolean)
    instant: int | None = nullable(BigInteger)


class CustomerTermRow(Row, table=True):
    """What a search may begin with: casefolded external ids, name, email and the name's later words."""

    __tablename__ = "customer_term"
    __table_args__ = of_business(primary_key("term", "customer_id"))
    business_id: int = not_null(BigInteger)
    term: str = not_null(CodePointText)
    customer_id: int = not_null(BigInteger)


def collect_terms(external_id: str, name: str | None, email: str | None) -> set[str]:
    """What a customer is found by: the beginning of any of these."""
    terms = {external_id.casefold()}
    if name:
        folded = name.casefold()
        terms.update((folded, *folded.split()))
    if email:
        terms.add(email.casefold())
    return terms


class CustomerMetricsRow(Row, table=True):
    """Kept totals of a customer's counted purchases; one row a customer, zeros without purchases. `changed_at` is the
    instant of the last write that touched what rules read of the customer."""

    __tablename__ = "customer_metrics"
    __table_args__ = of_business(
        primary_key("customer_id"),
        index("ix_metrics_revenue", "revenue", "customer_id"),
        index("ix_metrics_orders", "order_count", "customer_id"),
        index("ix_metrics_last", "last_sort", "customer_id"),
        index("ix_metrics_changed", "changed_at", "customer_id"),
    )
    business_id: int = not_null(BigInteger)
    customer_id: int = not_null(BigInteger)
    order_count: int = not_null(BigInteger)
    revenue: int = not_null(BigInteger)
    first_at: int | None = nullable(BigInteger)
    last_at: int | None = nullable(BigInteger)
    first_day: int | None = nullable(BigInteger)
    last_day: int | None = nullable(BigInteger)
    last_sort: int = not_null(BigInteger)
    changed_at: int = not_null(BigInteger, 0)


customer = Row.metadata.tables["customer"]
customer_attribute = Row.metadata.tables["customer_attribute"]
customer_term = Row.metadata.tables["customer_term"]
customer_metrics = Row.metadata.tables["customer_metrics"]

PRESENT = and_(customer.c.erased == false(), customer.c.merged_into.is_(None))
"""Who was erased or merged into another is in no current list or count; history and reports show who is behind what
stays."""
