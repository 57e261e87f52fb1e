"""What others have written since an import, for which it cannot be taken back; and the ids that it gave, by which
that is found."""

from sqlalchemy import Connection, select, text

from domain.imports.model import CHANGED, DELETED, EXAMPLES, MOVED, UndoConflict
from persistence.database.dialects import create, fill
from persistence.tables.imports import import_range

Spans = list[tuple[int, int]]

CREATED_SINCE = """FROM purchase p JOIN given g ON p.id BETWEEN g.first AND g.last
    WHERE p.business_id = :business AND p.written_by > :import"""
UPDATED_SINCE = """FROM purchase_before b JOIN purchase p
    ON p.business_id = b.business_id AND p.customer_id = b.customer_id AND p.id = b.purchase_id
    WHERE b.business_id = :business AND b.import_id = :import AND p.written_by <> :import"""
DELETED_SINCE = """SELECT COUNT(*) FROM purchase_before b WHERE b.business_id = :business AND b.import_id = :import
    AND NOT EXISTS (SELECT 1 FROM purchase p WHERE p.business_id = b.business_id AND p.customer_id = b.customer_id
    AND p.id = b.purchase_id)"""


def load_spans(connection: Connection, business: int, import_id: int, kind: str) -> Spans:
    """The ids of purchases, customers or storefronts that the import gave, as few spans as there are."""
    first, last = import_range.c[f"first_{kind}"], import_range.c[f"last_{kind}"]
    mine = (import_range.c.business_id == business, import_range.c.import_id == import_id)
    spans: Spans = []
    for low, high in connection.execute(select(first, last).where(*mine, first <= last).order_by(first)):
        if spans and spans[-1][1] + 1 == low:
            spans[-1] = (spans[-1][0], high)
        else:
            spans.append((low, high))
    return spans


def find_undo_conflicts(
    connection: Connection, business: int, import_id: int, time_zone: str | None
) -> list[UndoConflict]:
    """Orders that were changed or deleted since, and whether the business has another time zone now."""
    own = {"business": business, "import": import_id}
    create(connection, "given", "first BIGINT PRIMARY KEY, last BIGINT NOT NULL")
    fill(connection, "given", ("first", "last"), load_spans(connection, business, import_id, "purchase"))
    reasons = []
    changed, examples = 0, list[str]()
    for where in (CREATED_SINCE, UPDATED_SINCE):
        changed += connection.execute(text(f"SELECT COUNT(*) {where}"), own).scalar_one()
        named = text(f"SELECT p.external_id {where} ORDER BY p.id LIMIT {EXAMPLES}")
        examples += connection.execute(named, own).scalars()
    if changed:
        reasons.append(UndoConflict(CHANGED, changed, tuple(examples[:EXAMPLES])))
    deleted = connection.execute(text(DELETED_SINCE), own).scalar_one()
    if deleted:
        reasons.append(UndoConflict(DELETED, deleted))
    zone = connection.execute(text("SELECT time_zone FROM business WHERE id = :business"), own).scalar_one()
    if time_zone is not None and time_zone != zone:
        reasons.append(UndoConflict(MOVED, 0))
    return reasons
