"""Rows that are added to orders which the store holds. What an order of `incoming` lacks to state it completely is put
before its own rows, lines of the store with their amounts and statuses, and from then on it is merged as any other. An
order that an import of the same content has written already, alone or with more, is stated as it stands: nothing is
added twice, however often a file is sent and wherever an import was killed."""

from collections.abc import Iterable, Mapping
from itertools import islice

from sqlalchemy import Connection, text

from persistence.database.dialects import analyze, create, empty, load

PORTION = 10_000
TABLES = {
    # `known`: what is to be added is there.
    "added": """seq BIGINT PRIMARY KEY, customer_id BIGINT NOT NULL, purchase_id BIGINT NOT NULL,
        known SMALLINT NOT NULL""",
    # Lines of the store have the place 0, those that are added 1.
    "joined": """seq BIGINT NOT NULL, place SMALLINT NOT NULL, position BIGINT NOT NULL, category {text},
        product {text}, sku {text}, quantity BIGINT, amount BIGINT NOT NULL, status SMALLINT NOT NULL""",
    "extended": """seq BIGINT PRIMARY KEY, line BIGINT NOT NULL, last BIGINT NOT NULL, status SMALLINT,
        before BIGINT NOT NULL, after BIGINT NOT NULL""",
}
FIND = """INSERT INTO added (seq, customer_id, purchase_id, known) SELECT i.seq, p.customer_id, p.id, 0
    FROM incoming i JOIN buyer b ON b.number = i.buyer
    JOIN purchase p ON p.business_id = :business AND p.external_id = i.external_id AND p.customer_id = b.id
    WHERE NOT b.erased
    AND NOT EXISTS (SELECT 1 FROM stated s WHERE s.order_id = i.external_id)"""
# From the import that wrote the order last to those that wrote it before, as long as each only added to it.
MARK_KNOWN = """UPDATE added SET known = 1 WHERE seq IN (
    WITH RECURSIVE past (seq, customer_id, purchase_id, writer) AS (
    SELECT a.seq, a.customer_id, a.purchase_id, p.written_by FROM added a JOIN purchase p
    ON p.business_id = :business AND p.customer_id = a.customer_id AND p.id = a.purchase_id
    UNION SELECT w.seq, w.customer_id, w.purchase_id, b.written_by FROM past w
    JOIN purchase_import m ON m.business_id = :business AND m.id = w.writer AND m.adds
    JOIN purchase_before b ON b.business_id = :business AND b.import_id = w.writer
    AND b.customer_id = w.customer_id AND b.purchase_id = w.purchase_id)
    SELECT w.seq FROM past w JOIN purchase_import m ON m.business_id = :business AND m.id = w.writer
    WHERE m.content = :digest)"""
LINE = "category, product, sku, quantity, amount, status"
JOIN = (
    f"""INSERT INTO joined (seq, place, position, {LINE})
    SELECT a.seq, 0, k.position, k.category, k.product, k.sku, k.quantity, k.amount, k.status
    FROM added a JOIN purchase_line k ON k.business_id = :business AND k.customer_id = a.customer_id
    AND k.purchase_id = a.purchase_id""",
    f"""INSERT INTO joined (seq, place, position, {LINE})
    SELECT a.seq, 1, l.line, l.category, l.product, l.sku, l.quantity, l.amount, l.status FROM added a
    JOIN incoming i ON i.seq = a.seq JOIN incoming_line l ON l.line BETWEEN i.line AND i.last
    WHERE a.known = 0 AND i.last IS NOT NULL""",
    f"""INSERT INTO joined (seq, place, position, {LINE})
    SELECT a.seq, 1, 1, i.category, i.product, i.sku, i.quantity, i.amount, i.status FROM added a
    JOIN incoming i ON i.seq = a.seq WHERE a.known = 0 AND i.last IS NULL""",
    f"""INSERT INTO incoming_line (line, {LINE})
    SELECT :after + ROW_NUMBER() OVER (ORDER BY seq, place, position), {LINE} FROM joined""",
    # The amounts that lines alone would give the order, before and after.
    """INSERT INTO extended (seq, line, last, status, before, after)
    SELECT seq, CAST(:after + SUM(COUNT(*)) OVER (ORDER BY seq) - COUNT(*) + 1 AS BIGINT),
    CAST(:after + SUM(COUNT(*)) OVER (ORDER BY seq) AS BIGINT), MIN(added),
    CAST(SUM(CASE WHEN place = 0 AND (status <= 1 OR status = stored OR (stored <= 1 AND amount < 0)) THEN amount
    ELSE 0 END) AS BIGINT),
    CAST(SUM(CASE WHEN status <= 1 OR status = best OR (best <= 1 AND amount < 0) THEN amount ELSE 0 END) AS BIGINT)
    FROM (SELECT seq, place, amount, status, MIN(status) OVER (PARTITION BY seq) AS best,
    MIN(CASE WHEN place = 0 THEN status END) OVER (PARTITION BY seq) AS stored,
    MIN(CASE WHEN place = 1 THEN status END) OVER (PARTITION BY seq) AS added FROM joined) AS every GROUP BY seq""",
    "UPDATE extended SET before = 0 WHERE before < 0",
    "UPDATE extended SET after = 0 WHERE after < 0",
    # What the order's amount is more or less than its lines, as one that was recorded may be, it stays.
    """UPDATE incoming SET line = e.line, last = e.last, category = NULL, product = NULL, sku = NULL, quantity = NULL,
    attributes = CASE WHEN a.known = 1 OR p.attributes IS NOT NULL THEN p.attributes ELSE incoming.attributes END,
    at = CASE WHEN a.known = 1 OR p.purchased_at < incoming.at THEN p.purchased_at ELSE incoming.at END,
    day = CASE WHEN a.known = 1 OR p.local_day < incoming.day THEN p.local_day ELSE incoming.day END,
    status = CASE WHEN e.status < p.status THEN e.status ELSE p.status END,
    amount = p.amount + e.after - e.before,
    storefront = CASE WHEN a.known = 1 OR s.key IS NOT NULL THEN s.key ELSE incoming.storefront END,
    channel = CASE WHEN a.known = 1 OR p.channel IS NOT NULL THEN p.channel ELSE incoming.channel END
    FROM extended e JOIN added a ON a.seq = e.seq JOIN purchase p
    ON p.business_id = :business AND p.customer_id = a.customer_id AND p.id = a.purchase_id
    LEFT JOIN storefront s ON s.business_id = :business AND s.id = p.storefront_id WHERE incoming.seq = e.seq""",
)
AFTER = "SELECT COALESCE(MAX(line), 0) FROM incoming_line"
CLAMP = "UPDATE incoming SET amount = 0 WHERE amount < 0"


class Additions:
    """The rows of one import that are added: those of every order but the `stated` ones. `digest` is the hash of what
    is imported, None where nobody can know it again."""

    def __init__(self, connection: Connection, stated: Iterable[str], digest: str | None) -> None:
        self.digest = digest
        create(connection, "stated", "order_id {text} NOT NULL")
        orders = iter(stated)
        while portion := [(order,) for order in islice(orders, PORTION)]:
            load(connection, "stated", ("order_id",), portion)
        connection.execute(text("CREATE INDEX IF NOT EXISTS stated_order ON stated (order_id)"))
        analyze(connection, "stated")
        for name, columns in TABLES.items():
            create(connection, name, columns)

    def extend(self, connection: Connection, span: Mapping[str, int]) -> None:
        """Complete the orders of a range whose buyers are known."""
        empty(connection, *TABLES)
        if connection.execute(text(FIND), span).rowcount:
            if self.digest is not None:
                connection.execute(text(MARK_KNOWN), {**span, "digest": self.digest})
            after = connection.execute(text(AFTER)).scalar_one()
            for statement in JOIN:
                connection.execute(text(statement), {**span, "after": after})
        connection.execute(text(CLAMP), span)
