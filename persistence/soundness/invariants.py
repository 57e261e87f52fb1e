"""What holds in every store after every write, as data: of each table a rule in words, and the statement that finds the
rows which break it. A statement reads whole tables as sets, of all businesses at once, so that a row of a business that
does not exist is found like any other; it is read alike by both databases. Its columns are the business, what names the
row, and, where there is something to compare, `found` and `expected`. What the databases cannot compute, days of a time
zone and folded texts, is in checks.py."""

from collections.abc import Iterable
from dataclasses import dataclass

from domain.jobs.model import JobKind, JobReason, JobStatus
from domain.model import LAST_QUALIFYING, STATUS_ORDER
from domain.segments.model import SOURCE_ORDER, SegmentKind
from persistence.erasure import FORGOTTEN, PREFIX
from persistence.jobs import ACTIVE
from persistence.tables.columns import FAR_FUTURE
from persistence.tables.metadata import metadata


@dataclass(frozen=True, slots=True)
class Invariant:
    """The rule that rows of the table keep, as the end of a sentence about one, and the statement of those that do
    not."""

    table: str
    rule: str
    wrong: str


@dataclass(frozen=True, slots=True)
class Reference:
    """Columns of a table that name a row of another; where the first of them is null, they name none."""

    table: str
    columns: tuple[str, ...]
    other: str
    others: tuple[str, ...] = ("id",)
    where: str = "true"
    other_where: str = "true"

    def build(self) -> Invariant:
        """The invariant that the row is there, in the same business."""
        pairs = " AND ".join(f"o.{there} = t.{here}" for here, there in zip(self.columns, self.others, strict=True))
        keys = ", ".join(f"t.{name}" for name in dict.fromkeys((*find_key(self.table), *self.columns)))
        wrong = f"""SELECT {keys} FROM {self.table} t WHERE t.{self.columns[0]} IS NOT NULL AND {self.where}
            AND NOT EXISTS (SELECT 1 FROM {self.other} o
            WHERE o.business_id = t.business_id AND {pairs} AND {self.other_where})"""
        named = " and ".join(self.columns)
        return Invariant(self.table, f"its {named} names a row of {self.other} of the same business", wrong)


def find_key(table: str) -> tuple[str, ...]:
    """The columns that name a row, the business first."""
    return tuple(column.name for column in metadata.tables[table].primary_key)


def list_words(words: Iterable[str]) -> str:
    """The words as a list of SQL."""
    return ", ".join(f"'{word}'" for word in words)


REFERENCES = (
    Reference("customer", ("merged_into",), "customer"),
    Reference("customer", ("id",), "customer_metrics", ("customer_id",)),
    Reference("customer_attribute", ("customer_id",), "customer"),
    Reference("customer_term", ("customer_id",), "customer"),
    Reference("customer_metrics", ("customer_id",), "customer"),
    Reference("customer_label", ("customer_id",), "customer"),
    Reference("purchase", ("customer_id",), "customer"),
    Reference("purchase", ("storefront_id",), "storefront"),
    Reference("purchase_line", ("customer_id", "purchase_id"), "purchase", ("customer_id", "id")),
    Reference("membership", ("segment_id",), "segment"),
    Reference("membership", ("customer_id",), "customer"),
    Reference("membership_change", ("segment_id",), "segment"),
    Reference("snapshot", ("segment_id",), "segment"),
    Reference("job", ("segment_id",), "segment"),
    Reference("job", ("kind", "parent_id"), "job", ("kind", "id"), where="t.parent_id IS NOT NULL"),
    Reference("job", ("id",), "purchase_import", where="t.kind = 'IMPORT'"),
    Reference("purchase_import", ("id",), "job", other_where="o.kind = 'IMPORT'"),
    Reference("import_reject", ("import_id",), "purchase_import"),
    Reference("import_range", ("import_id",), "purchase_import"),
    Reference("purchase_before", ("import_id",), "purchase_import"),
    Reference(
        "purchase_line_before",
        ("import_id", "customer_id", "purchase_id"),
        "purchase_before",
        ("import_id", "customer_id", "purchase_id"),
    ),
)

INSTANTS = (
    ("business", "followed_at"),
    ("segment", "updated_at"),
    ("segment", "last_calculated"),
    ("membership", "entered_at"),
    ("membership", "left_at"),
    ("membership_change", "at"),
    ("snapshot", "at"),
    ("customer_metrics", "changed_at"),
    ("label_state", "seen_at"),
    ("columnar_copy", "instant"),
    ("removed_customer", "removed_at"),
)
"""Those that a write gives, which are never later than the business's newest."""
NUMBERS = (
    ("business", "data_version"),
    ("audit_event", "change_number"),
    ("purchase", "written_by"),
    ("purchase_import", "id"),
    ("source_state", "data_version"),
    ("columnar_copy", "change_number"),
)
"""Change numbers, which are never above the business's."""
WORDS = (
    ("segment", "kind", SegmentKind),
    ("job", "kind", JobKind),
    ("job", "reason", JobReason),
    ("job", "status", JobStatus),
)
RANKS = (
    ("purchase", "status", len(STATUS_ORDER)),
    ("purchase_line", "status", len(STATUS_ORDER)),
    ("purchase_before", "status", len(STATUS_ORDER)),
    ("purchase_line_before", "status", len(STATUS_ORDER)),
    ("membership", "source", len(SOURCE_ORDER)),
)
COUNTERS = (
    ("next_customer", "customer", "id"),
    ("next_purchase", "purchase", "id"),
    ("next_storefront", "storefront", "id"),
)


def build_bounds(columns: tuple[tuple[str, str], ...], bound: str, rule: str) -> list[Invariant]:
    """Of each column that it is never above a column of its business."""
    invariants = []
    for table, column in columns:
        own = "t.id" if table == "business" else "t.business_id"
        keys = ", ".join(f"t.{name}" for name in find_key(table))
        wrong = f"""SELECT {keys}, t.{column} AS found, b.{bound} AS expected FROM {table} t JOIN business b
            ON b.id = {own} WHERE t.{column} > b.{bound}"""
        invariants.append(Invariant(table, f"its {column} is {rule}", wrong))
    return invariants


def build_values(table: str, column: str, condition: str, rule: str) -> Invariant:
    """That the column holds nothing else than the condition says."""
    keys = ", ".join(find_key(table))
    wrong = f"SELECT {keys}, {column} AS found FROM {table} WHERE NOT ({condition})"
    return Invariant(table, f"its {column} is {rule}", wrong)


def build_counter(counter: str, table: str, column: str) -> Invariant:
    """That the next id is above every one that was given."""
    highest = f"(SELECT MAX(t.{column}) FROM {table} t WHERE t.business_id = b.id)"
    wrong = (
        f"SELECT b.id, b.{counter} AS found, {highest} + 1 AS expected FROM business b WHERE b.{counter} <= {highest}"
    )
    return Invariant("business", f"its {counter} is above every id of {table}", wrong)


OF_BUSINESS = [
    Invariant(
        name,
        "its business is there",
        f"SELECT {', '.join(find_key(name))} FROM {name} WHERE business_id NOT IN (SELECT id FROM business)",
    )
    for name, table in metadata.tables.items()
    if "business_id" in table.c
]
PURCHASES = [
    Invariant(
        "purchase",
        "it is counted only where its status qualifies and its instant has passed",
        f"""SELECT p.business_id, p.customer_id, p.id, p.counted AS found FROM purchase p JOIN business b
            ON b.id = p.business_id WHERE p.counted NOT IN (0, 1)
            OR (p.counted = 1 AND (p.status > {LAST_QUALIFYING} OR p.purchased_at > b.last_instant))""",
    ),
    Invariant(
        "business",
        "its matures_at is the first instant of those purchases that wait to be counted",
        f"""SELECT b.id, b.matures_at AS found, w.at AS expected FROM business b LEFT JOIN
            (SELECT business_id, MIN(purchased_at) AS at FROM purchase
            WHERE counted = 0 AND status <= {LAST_QUALIFYING} GROUP BY business_id) w ON w.business_id = b.id
            WHERE b.matures_at IS DISTINCT FROM w.at""",
    ),
    Invariant(
        "purchase",
        "it belongs to nobody who was merged into another customer",
        """SELECT p.business_id, p.customer_id, p.id FROM customer c JOIN purchase p
            ON p.business_id = c.business_id AND p.customer_id = c.id WHERE c.merged_into IS NOT NULL""",
    ),
    Invariant(
        "purchase_line",
        "the lines of a purchase are numbered from 1",
        """SELECT business_id, customer_id, purchase_id, MAX(position) AS found, COUNT(*) AS expected
            FROM purchase_line GROUP BY business_id, customer_id, purchase_id
            HAVING MIN(position) <> 1 OR MAX(position) <> COUNT(*)""",
    ),
    Invariant(
        "customer_metrics",
        "its totals are those of the counted purchases",
        f"""SELECT m.business_id, m.customer_id, m.order_count || ' orders of ' || m.revenue AS found,
            COALESCE(p.orders, 0) || ' orders of ' || COALESCE(p.revenue, 0) AS expected
            FROM customer_metrics m LEFT JOIN (SELECT business_id, customer_id, COUNT(*) AS orders,
            SUM(amount) AS revenue, MIN(purchased_at) AS first_at, MAX(purchased_at) AS last_at,
            MIN(local_day) AS first_day, MAX(local_day) AS last_day FROM purchase WHERE counted = 1
            GROUP BY business_id, customer_id) p ON p.business_id = m.business_id AND p.customer_id = m.customer_id
            WHERE m.order_count <> COALESCE(p.orders, 0) OR m.revenue <> COALESCE(p.revenue, 0)
            OR m.first_at IS DISTINCT FROM p.first_at OR m.last_at IS DISTINCT FROM p.last_at
            OR m.first_day IS DISTINCT FROM p.first_day OR m.last_day IS DISTINCT FROM p.last_day
            OR m.last_sort <> COALESCE(p.last_at, {FAR_FUTURE})""",
    ),
]
CUSTOMERS = [
    Invariant(
        "customer",
        "whoever it was merged into was not merged itself",
        """SELECT c.business_id, c.id, c.merged_into AS found FROM customer c JOIN customer o
            ON o.business_id = c.business_id AND o.id = c.merged_into WHERE o.merged_into IS NOT NULL""",
    ),
    Invariant(
        "customer",
        "one who was erased has nothing that names anybody",
        f"""SELECT c.business_id, c.id FROM customer c WHERE c.erased
            AND ({" OR ".join(f"c.{name} IS NOT NULL" for name in FORGOTTEN)} OR c.external_id < '{PREFIX}'
            OR c.external_id >= '{PREFIX[:-1]};' OR EXISTS (SELECT 1 FROM customer_attribute a
            WHERE a.business_id = c.business_id AND a.customer_id = c.id))""",
    ),
    Invariant(
        "customer_attribute",
        "it has one value, as its kind wants it",
        """SELECT business_id, customer_id, name FROM customer_attribute WHERE 1 <>
            CASE WHEN text IS NULL THEN 0 ELSE 1 END + CASE WHEN flag IS NULL THEN 0 ELSE 1 END
            + CASE WHEN instant IS NULL THEN 0 ELSE 1 END OR (number IS NOT NULL AND text IS NULL)""",
    ),
    Invariant(
        "customer_label",
        "it is there for those who have counted purchases and nobody else",
        """SELECT m.business_id, m.customer_id, CASE WHEN k.customer_id IS NULL THEN 0 ELSE 1 END AS found,
            CASE WHEN m.order_count > 0 THEN 1 ELSE 0 END AS expected FROM label_state s JOIN customer_metrics m
            ON m.business_id = s.business_id AND m.changed_at <= s.seen_at LEFT JOIN customer_label k
            ON k.business_id = m.business_id AND k.customer_id = m.customer_id
            WHERE s.basis IS NOT NULL AND (k.customer_id IS NULL) = (m.order_count > 0)""",
    ),
]
PRESENT_MEMBER = """SELECT m.business_id, m.segment_id, m.customer_id, m.entered_at FROM membership m JOIN {other}
    WHERE m.left_at IS NULL AND ({gone})"""
LAST_COUNT = """COALESCE((SELECT l.member_count FROM membership_change l WHERE l.business_id = t.business_id
    AND l.segment_id = t.{segment} AND l.at <= {at} ORDER BY l.at DESC LIMIT 1), 0)"""
COUNT_AT_SNAPSHOT, COUNT_NOW = (
    LAST_COUNT.format(segment="segment_id", at="t.at"),
    LAST_COUNT.format(segment="id", at=str(FAR_FUTURE)),
)


def compare_log(said: str, at: str, rule: str) -> Invariant:
    """That the log of changes says of each instant as many as there are memberships that begin, or end, then; those
    that compaction may have removed ended before the horizon."""
    wrong = f"""SELECT c.business_id, c.segment_id, c.at, c.found, c.expected FROM
        (SELECT business_id, segment_id, at, SUM(said) AS found, SUM(held) AS expected FROM
        (SELECT business_id, segment_id, at, {said} AS said, 0 AS held FROM membership_change UNION ALL
        SELECT business_id, segment_id, {at}, 0, COUNT(*) FROM membership WHERE {at} IS NOT NULL
        GROUP BY business_id, segment_id, {at}) e GROUP BY business_id, segment_id, at HAVING SUM(said) <> SUM(held)) c
        JOIN business b ON b.id = c.business_id WHERE c.at >= COALESCE(b.history_from, 0)"""
    return Invariant("membership_change", rule, wrong)


MEMBERSHIPS = [
    Invariant(
        "membership",
        "it does not end before it begins",
        """SELECT business_id, segment_id, customer_id, entered_at, left_at AS found FROM membership
            WHERE left_at < entered_at""",
    ),
    Invariant(
        "membership",
        "it begins when the one before, of the same customer in the same segment, has ended",
        f"""SELECT business_id, segment_id, customer_id, entered_at, before AS found FROM (SELECT business_id,
            segment_id, customer_id, entered_at, LAG(COALESCE(left_at, {FAR_FUTURE})) OVER
            (PARTITION BY business_id, segment_id, customer_id ORDER BY entered_at) AS before FROM membership) w
            WHERE before > entered_at""",
    ),
    Invariant(
        "membership",
        "it lasts only where its customer was neither erased nor merged",
        PRESENT_MEMBER.format(
            other="customer c ON c.business_id = m.business_id AND c.id = m.customer_id",
            gone="c.erased OR c.merged_into IS NOT NULL",
        ),
    ),
    Invariant(
        "membership",
        "it lasts only where its segment was not deleted",
        PRESENT_MEMBER.format(
            other="segment s ON s.business_id = m.business_id AND s.id = m.segment_id", gone="s.deleted_at IS NOT NULL"
        ),
    ),
    Invariant(
        "segment",
        "its member_count is the number of its memberships that last",
        """SELECT s.business_id, s.id, s.member_count AS found, COALESCE(m.size, 0) AS expected FROM segment s
            LEFT JOIN (SELECT business_id, segment_id, COUNT(*) AS size FROM membership WHERE left_at IS NULL
            GROUP BY business_id, segment_id) m ON m.business_id = s.business_id AND m.segment_id = s.id
            WHERE s.member_count <> COALESCE(m.size, 0)""",
    ),
    Invariant(
        "segment",
        "its member_count is what its last line of membership_change says",
        f"""SELECT t.business_id, t.id, t.member_count AS found, {COUNT_NOW} AS expected FROM segment t
            WHERE t.member_count <> {COUNT_NOW}""",
    ),
    Invariant(
        "membership_change",
        "its member_count is that of the line before, with those who entered and without those who left",
        """SELECT business_id, segment_id, at, member_count AS found, before + entered - left_count AS expected FROM
            (SELECT business_id, segment_id, at, entered, left_count, member_count, LAG(member_count, 1, 0) OVER
            (PARTITION BY business_id, segment_id ORDER BY at) AS before FROM membership_change) w
            WHERE member_count <> before + entered - left_count""",
    ),
    compare_log("entered", "entered_at", "its entered is the number of memberships that begin then"),
    compare_log("left_count", "left_at", "its left_count is the number of memberships that end then"),
    Invariant(
        "snapshot",
        "its member_count is the number of members at its instant",
        f"""SELECT t.business_id, t.segment_id, t.at, t.member_count AS found, {COUNT_AT_SNAPSHOT} AS expected
            FROM snapshot t WHERE t.member_count <> {COUNT_AT_SNAPSHOT}""",
    ),
]
WORK = [
    Invariant(
        "audit_sequence",
        "its last_id is the greatest id of the audit events of its business",
        """SELECT e.business_id, s.last_id AS found, e.newest AS expected FROM
            (SELECT business_id, MAX(id) AS newest FROM audit_event GROUP BY business_id) e
            LEFT JOIN audit_sequence s ON s.business_id = e.business_id WHERE s.last_id IS DISTINCT FROM e.newest""",
    ),
    Invariant(
        "audit_event",
        "its change number is that of no other event",
        """SELECT business_id, change_number, COUNT(*) AS found, 1 AS expected FROM audit_event
            WHERE change_number IS NOT NULL GROUP BY business_id, change_number HAVING COUNT(*) > 1""",
    ),
    Invariant(
        "job",
        "a segment has at most one active run",
        f"""SELECT business_id, segment_id, COUNT(*) AS found, 1 AS expected FROM job
            WHERE status IN ({list_words(ACTIVE)}) AND segment_id IS NOT NULL
            GROUP BY business_id, segment_id HAVING COUNT(*) > 1""",
    ),
    Invariant(
        "job",
        "it has ended where its status is final, and only there",
        f"""SELECT business_id, kind, id, status AS found FROM job
            WHERE (finished_at IS NULL) <> (status IN ({list_words(ACTIVE)}))""",
    ),
    Invariant(
        "purchase_import",
        "what it created, updated, left unchanged and rejected adds up to the rows that it read",
        """SELECT i.business_id, i.id, i.created + i.updated + i.unchanged + i.rejected AS found,
            i.rows_read AS expected FROM purchase_import i JOIN job j ON j.business_id = i.business_id
            AND j.kind = 'IMPORT' AND j.id = i.id WHERE j.status = 'SUCCEEDED'
            AND i.created + i.updated + i.unchanged + i.rejected <> i.rows_read""",
    ),
]
INVARIANTS = (
    *OF_BUSINESS,
    *(reference.build() for reference in REFERENCES),
    *(build_counter(*counter) for counter in COUNTERS),
    *build_bounds(INSTANTS, "last_instant", "no later than the newest instant of its business"),
    *build_bounds(NUMBERS, "change_number", "at most the change number of its business"),
    *(
        build_values(table, column, f"{column} IN ({list_words(words)})", "one that is known")
        for table, column, words in WORDS
    ),
    *(
        build_values(table, column, f"{column} BETWEEN 0 AND {size - 1}", "one that is known")
        for table, column, size in RANKS
    ),
    *PURCHASES,
    *CUSTOMERS,
    *MEMBERSHIPS,
    *WORK,
)
