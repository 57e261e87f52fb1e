"""A server that is told to end in the middle of a recalculation: it ends in time, and the run waits as if it had not
been begun and goes on with the next start, however often that happens."""

import asyncio
import random
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from persistence.database.engines import Database
from tests.conftest import SetClock, sqlite_alone
from tests.drivers.server import run, running
from tests.drivers.working import Working

pytestmark = pytest.mark.anyio
LIMIT = 10
SEGMENTS = 8
QUEUED = ("QUEUED", None)
DRAW = random.Random(11)
BEGIN = "mutation { recalculateSegments { userErrors { code } } }"
RUNS = text(
    "SELECT status, error_code, entered FROM job WHERE kind = 'RECALCULATION' AND parent_id IS NULL ORDER BY id"
)
MEMBERS = text("SELECT COUNT(*) FROM membership WHERE left_at IS NULL GROUP BY segment_id")


def select_rows(database: Database, statement: Any) -> list[Any]:
    with database.bulk.connect() as connection:
        return [tuple(row) for row in connection.execute(statement)]


async def fill_shop(database: Database, folder: Path, customers: int) -> dict[str, str]:
    """A shop with segments that everybody belongs to and that have no members yet; the settings of its server."""
    settings = {"SEGMENTS_DATABASE_URL": database.bulk.url.render_as_string(hide_password=False)}
    rows = (f"C{number},O{number},2024-03-01,{number % 90 + 10}.50" for number in range(customers))
    file = folder / "orders.csv"
    file.write_text("\n".join(("customer_id,order_id,date,amount", *rows, "")))
    shop = ("--business", "shop", "--time-zone", "UTC", "--currency", "EUR")
    imported = run(folder, "import", str(file), *shop, **settings)
    assert imported.returncode == 0, imported.stderr
    clock = SetClock(datetime.now(UTC))
    (business,) = await Working.of(database, clock, None).store.load_businesses()  # type: ignore[arg-type]
    working = Working.of(database, clock, business)
    for number in range(SEGMENTS):
        # Purchase by purchase, so that a run takes its time.
        spent = {"some": [{"var": "purchases"}, {">": [{"var": "amount"}, number]}]}
        await working.segment(f"spent-{number}", spent, dynamic=False)
    return settings


@sqlite_alone
@pytest.mark.parametrize(
    ("customers", "signals", "longest"),
    [(20_000, 2, 0.3), pytest.param(200_000, 20, 3.0, marks=pytest.mark.slow)],
    ids=["few", "many"],
)
async def test_r11_a_signal_during_a_recalculation_ends_the_server_and_the_run_goes_on_with_the_next(
    database: Database, tmp_path: Path, customers: int, signals: int, longest: float
) -> None:
    settings = await fill_shop(database, tmp_path, customers)
    ends, left, slowest = [], [], 0.0

    for _ in range(signals):
        with running(tmp_path, **settings) as server:
            server.query(BEGIN)
            await asyncio.sleep(DRAW.uniform(0, longest))
            code, took = server.tell_to_end()
            ends.append((code, server.forced))
            slowest = max(slowest, took)
        left.append(select_rows(database, RUNS)[-1][:2])

    print(f"slowest end {slowest:.2f} s, {left.count(QUEUED)} of {signals} signals within a run")
    assert set(ends) <= {(0, False), (-signal.SIGTERM, False)}
    assert slowest < LIMIT
    assert QUEUED in left
    assert set(left) <= {QUEUED, ("SUCCEEDED", None)}
    with running(tmp_path, **settings) as server:
        server.query(BEGIN)
        until = time.monotonic() + 300
        while select_rows(database, RUNS)[-1][0] != "SUCCEEDED":
            assert time.monotonic() < until
            await asyncio.sleep(0.02)
    runs = select_rows(database, RUNS)
    assert {(status, error) for status, error, _ in runs} == {("SUCCEEDED", None)}
    assert sum(entered for _, _, entered in runs) == customers * SEGMENTS
    assert select_rows(database, MEMBERS) == [(customers,)] * SEGMENTS
