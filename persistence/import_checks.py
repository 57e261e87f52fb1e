"""What is doubtful about the rows of an import, counted over its temporary tables before they are merged: a look at
each, and the quartiles of at most so many amounts."""

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, text

from domain.calendar import local_date, to_micros
from domain.imports.quality import NAMED, Outlier, Quality, outlier_fence, usual_days

SAMPLE = 50_000
"""Orders whose amounts decide what is usual: every so many-th in the order of customers."""
NO_DATE = "the date is absent"
ORDERS = """SELECT COALESCE(SUM(CASE WHEN at > :now THEN row_count ELSE 0 END), 0),
    COALESCE(SUM(CASE WHEN day BETWEEN :first AND :last THEN 0 ELSE row_count END), 0),
    COALESCE(SUM(CASE WHEN last IS NULL AND amount = 0 THEN 1 ELSE 0 END), 0),
    COALESCE(SUM(CASE WHEN last IS NULL AND category IS NULL THEN 1 ELSE 0 END), 0) FROM incoming"""
LINES = """SELECT COALESCE(SUM(CASE WHEN amount < 0 THEN 1 ELSE 0 END), 0),
    COALESCE(SUM(CASE WHEN amount = 0 THEN 1 ELSE 0 END), 0),
    COALESCE(SUM(CASE WHEN category IS NULL THEN 1 ELSE 0 END), 0) FROM incoming_line"""
FREE_ORDERS = """SELECT COUNT(*) FROM incoming i WHERE i.last IS NOT NULL AND NOT EXISTS
    (SELECT 1 FROM incoming_line l WHERE l.line BETWEEN i.line AND i.last AND l.amount <> 0)"""
REJECTED = "SELECT COUNT(*) FROM rejected WHERE reason = :reason"
AMOUNTS = "SELECT amount FROM incoming WHERE seq % :step = 0 AND status <= 1 AND amount > 0"
BEYOND = "SELECT COUNT(*) FROM incoming WHERE status <= 1 AND amount > :fence"
NAMES = """SELECT external_id, amount FROM incoming WHERE status <= 1 AND amount > :fence
    ORDER BY amount DESC, external_id LIMIT :named"""


def look(
    connection: Connection, orders: int, repeated: int, condemned: str, now: datetime, tz: ZoneInfo, of_orders: bool
) -> Quality:
    """What `incoming` and `rejected` hold; `condemned` is the reason of rows that are refused for being negative. Where
    rows carry amounts of orders, an amount of zero is an order's."""
    first, last = usual_days(local_date(now, tz))
    times = {"now": to_micros(now), "first": first, "last": last}
    future, doubtful, zero, nameless = connection.execute(text(ORDERS), times).one()
    negative, zero_lines, nameless_lines = connection.execute(text(LINES)).one()
    if of_orders:
        zero_lines = connection.execute(text(FREE_ORDERS)).scalar_one()
    dateless, refused = (
        connection.execute(text(REJECTED), {"reason": reason}).scalar_one() for reason in (NO_DATE, condemned)
    )
    step = max(1, -(-orders // SAMPLE))
    fence = outlier_fence(list(connection.execute(text(AMOUNTS), {"step": step}).scalars()))
    outliers, named = 0, list[Outlier]()
    if fence is not None:
        outliers = connection.execute(text(BEYOND), {"fence": fence}).scalar_one()
    if outliers:
        found = connection.execute(text(NAMES), {"fence": fence, "named": NAMED})
        named = [Outlier(*row) for row in found]
    return Quality(
        dateless,
        int(future),
        int(doubtful),
        repeated,
        negative + refused,
        zero + zero_lines,
        nameless + nameless_lines,
        outliers,
        fence,
        tuple(named),
    )
