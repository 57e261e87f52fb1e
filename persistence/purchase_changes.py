"""Changes of purchases, set by set: orders merged, days moved to another zone, waiting orders counted. Each runs inside
its caller's write transaction and leaves the totals of the customers it touched right."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, text

from domain.calendar import day_boundaries, local_day, to_micros, zone
from domain.model import STATUS_ORDER, NewPurchase, WriteCounts
from domain.store import Refusal
from persistence import merge
from persistence.database.dialects import create, fill

RANK = {status: rank for rank, status in enumerate(STATUS_ORDER)}
ORDER_COLUMNS = (
    "seq",
    "line",
    "last",
    "external_id",
    "customer",
    "at",
    "day",
    "status",
    "amount",
    "row_count",
    "storefront",
    "channel",
)
LINE_COLUMNS = ("line", "position", "category", "amount", "status")


def record(
    connection: Connection, business: int, items: Sequence[NewPurchase], time_zone: str, now: datetime
) -> tuple[WriteCounts, list[Refusal]]:
    """Write them all, unless one is refused (codes FOREIGN, ERASED): then nothing."""
    tz = zone(time_zone)
    orders: list[tuple[object, ...]] = []
    lines: list[tuple[object, ...]] = []
    for seq, item in enumerate(items):
        first = len(lines)
        for position, line in enumerate(item.lines, 1):
            lines.append((len(lines), position, line.category, line.amount, RANK[line.status]))
        orders.append(
            (
                seq,
                first,
                len(lines) - 1,
                item.external_id,
                item.customer_external_id,
                to_micros(item.purchased_at),
                local_day(item.purchased_at, tz),
                RANK[item.status],
                item.amount,
                1,
                item.storefront_key,
                item.channel,
            )
        )
    merge.prepare(connection, "incoming", "incoming_line")
    fill(connection, "incoming", ORDER_COLUMNS, orders)
    fill(connection, "incoming_line", LINE_COLUMNS, lines)
    tally = merge.resolve(connection, merge.Range(business, 0, len(orders) - 1, to_micros(now)))
    if not tally.all_known:
        rows = connection.execute(text("SELECT seq, effect FROM resolved WHERE effect >= 3 ORDER BY seq"))
        codes = {merge.FOREIGN: "FOREIGN", merge.ERASED: "ERASED"}
        return WriteCounts(), [Refusal(row[0], codes[row[1]]) for row in rows]
    if tally.changes:
        merge.apply(connection, tally)
    return tally.counts, []


def refresh(connection: Connection, business: int, customers: Sequence[int]) -> None:
    """Make the totals of these customers agree with their purchases."""
    merge.prepare(connection, "touched")
    fill(connection, "touched", ("customer_id",), [(key,) for key in customers])
    merge.refresh(connection, business)


def settle(connection: Connection, business: int, micros: int) -> int:
    """Count the qualifying purchases whose instant has passed; how many there were."""
    merge.prepare(connection, "touched")
    due = "business_id = :business AND counted = 0 AND status <= 1 AND purchased_at <= :now"
    values = {"business": business, "now": micros}
    connection.execute(text(f"INSERT INTO touched SELECT DISTINCT customer_id FROM purchase WHERE {due}"), values)
    count = connection.execute(text(f"UPDATE purchase SET counted = 1 WHERE {due}"), values).rowcount
    merge.refresh(connection, business)
    return count


def move_days(connection: Connection, business: int, time_zone: str) -> None:
    """Rewrite every local day for another zone, by ranges of instants."""
    tz = zone(time_zone)
    own = {"business": business}
    merge.prepare(connection, "touched")
    for table, instant, day in (
        ("purchase", "purchased_at", "local_day"),
        ("customer", "registered_at", "registered_day"),
    ):
        used = connection.execute(
            text(f"SELECT DISTINCT {day} FROM {table} WHERE business_id = :business AND {day} IS NOT NULL"), own
        ).scalars()
        # A local day of any zone lies within the UTC days around it.
        near = {utc_day for known in used for utc_day in (known - 1, known, known + 1)}
        boundaries = [boundary for utc_day in sorted(near) for boundary in day_boundaries(utc_day, tz)]
        if not boundaries:
            continue
        create(connection, "day_start", "at BIGINT PRIMARY KEY, day BIGINT NOT NULL")
        fill(connection, "day_start", ("at", "day"), boundaries)
        connection.execute(
            text(
                f"UPDATE {table} SET {day} = (SELECT day FROM day_start WHERE at <= {table}.{instant} "
                f"ORDER BY at DESC LIMIT 1) WHERE business_id = :business AND {instant} IS NOT NULL"
            ),
            own,
        )
    connection.execute(
        text("INSERT INTO touched SELECT customer_id FROM customer_metrics WHERE business_id = :business"), own
    )
    merge.refresh(connection, business)
