"""Reports as a client asks for them, over the application's own routes: `python -m tests.benchmarks.reports DATA RUNS`
prints the seconds of the smallest request, of the report kept and computed, and of its files, as JSON."""

import asyncio
import json
import sqlite3
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from functools import partial
from pathlib import Path

import httpx

from gql.app import create_app
from gql.auth import issue_token
from gql.settings import Settings
from tests.benchmarks.data import AS_OF
from tests.benchmarks.ours import address
from tests.benchmarks.processes import time_runs

SECRET = "k8Zr2-p0Qm5xWv9Yt3Ls7Nd1Bf6Hg4Jc"
NOW = datetime.combine(AS_OF, time_of_day(23), UTC)
REPORT = """query Report($days: Int!) { segmentationReport(days: $days) {
    customerCount totalRevenue segments { segmentName customerCount totalRevenue averageOrderValue }
} }"""
FIRST_DAYS = 90
"""Each uncached request asks for another length of the window, from here on."""


async def measure(data: Path, runs: int) -> dict[str, list[float]]:
    """Seconds of each run; the first of each kind is not counted."""
    with closing(sqlite3.connect(data / "segments.sqlite")) as store, store:
        # What an earlier run kept would answer at once: the clock here stands still.
        store.execute("DELETE FROM kept_report")
    with tempfile.TemporaryDirectory(prefix="segments-bench-") as folder:
        app = create_app(Settings(database_url=address(data), data=Path(folder), jwt_secret=SECRET), clock=lambda: NOW)
        transport = httpx.ASGITransport(app)
        who = {"subject": "bench", "business": "bench", "permissions": ["customers:view"]}
        token = issue_token(SECRET, **who, lifetime=timedelta(hours=1), now=NOW)  # type: ignore[arg-type]
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers, timeout=60) as client,
        ):

            async def ask(query: str, days: int | None = None) -> None:
                variables = None if days is None else {"days": days}
                answer = await client.post("/graphql", json={"query": query, "variables": variables})
                if "errors" in answer.json():
                    raise RuntimeError(answer.text[:200])

            async def file(kind: str) -> None:
                answer = await client.get(f"/exports/segmentation.{kind}", params={"days": FIRST_DAYS})
                if answer.status_code != 200:
                    raise RuntimeError(answer.text[:200])

            days = iter(range(FIRST_DAYS, 9999))
            asked: dict[str, tuple[int, Callable[[], Awaitable[None]]]] = {
                "uncached": (runs, lambda: ask(REPORT, next(days))),
                "cached": (runs * 20, lambda: ask(REPORT, FIRST_DAYS)),
                "typename": (runs * 20, lambda: ask("{ __typename }")),
                **{kind: (runs, partial(file, kind)) for kind in ("json", "csv", "xlsx", "pdf")},
            }
            return {name: (await time_runs(*each))[0] for name, each in asked.items()}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(Path(sys.argv[1]), int(sys.argv[2])))))
