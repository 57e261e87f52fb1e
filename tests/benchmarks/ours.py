"""The uncached report and the page of customers of this project, timed in one process that is warm:
`python -m tests.benchmarks.ours report DATA DAYS RUNS [--previous]` and `page DATA FIRST RUNS`."""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from pathlib import Path
from typing import TypeVar

from domain.model import Permission, Viewer
from domain.store import CachedValue
from gql.composition import make_services
from gql.schema.context import Context
from gql.schema.schema import make_schema
from gql.settings import Settings
from gql.signed_links import ExportLinks
from persistence.database.engines import open_database
from tests.benchmarks.data import AS_OF

Answer = TypeVar("Answer")


class NothingCached:
    """Every report is computed."""

    async def get_or_make(self, key: str, make: Callable[[], Awaitable[Answer]]) -> CachedValue[Answer]:
        return CachedValue(await make(), False, 0.0)


@dataclass(frozen=True, slots=True)
class Reporting:
    """An open store of one business, as the benchmark asks it.

    `report(days, as_of, previous)` computes the RFM report in the eight-segment scheme, never from a cache, with the
    previous window where asked; it answers {name of the group: (customers, revenue in minor units)} with Unclassified.
    `page(first)` reads the customers of the first page by revenue with metrics and RFM, and answers how many came.
    """

    report: Callable[[int, date, bool], Awaitable[dict[str, tuple[int, int]]]]
    page: Callable[[int], Awaitable[int]]
    close: Callable[[], Awaitable[None]]


PAGE = """query Page($first: Int!) { customers(first: $first, sort: TOTAL_REVENUE, reverse: true) { nodes {
    externalId
    metrics { orderCount totalRevenue averageOrderValue firstPurchaseAt lastPurchaseAt daysSinceLastPurchase }
    rfm { recency frequency monetary segmentName }
} } }"""


async def open_reporting(url: str) -> Reporting:
    """Open the store at the address, with its only business, as if it were the last day of its purchases."""
    database = open_database(url)
    services = make_services(
        database, lambda: datetime.combine(AS_OF, time_of_day(23), UTC), report_cache=NothingCached()
    )
    (only,) = await services.businesses.load_all()
    business = await services.businesses.open(only.key)
    schema = make_schema(Settings())
    links = ExportLinks(Settings(), lambda: datetime.now(UTC))
    viewer = Viewer("bench", business.key, frozenset({Permission.VIEW}), datetime.max.replace(tzinfo=UTC))

    async def report(days: int, as_of: date, previous: bool) -> dict[str, tuple[int, int]]:
        made = await services.reporting.make_report(business, days=days, as_of=as_of)
        if previous:
            await services.reporting.count_previous(business, made)
        return {group.kind.name: (group.customers, group.revenue) for group in made.everyone}

    async def page(first: int) -> int:
        context = Context(viewer, services, "bench", links)
        try:
            answer = await schema.execute(PAGE, {"first": first}, context_value=context)
        finally:
            context.close()
        if answer.errors or answer.data is None:
            raise RuntimeError(str(answer.errors))
        return len(answer.data["customers"]["nodes"])

    return Reporting(report, page, database.close)


async def timed(runs: int, ask: Callable[[], Awaitable[Answer]]) -> tuple[list[float], Answer]:
    """Seconds of each run, after one that is not counted, and the last answer."""
    answer = await ask()
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        answer = await ask()
        seconds.append(time.perf_counter() - start)
    return seconds, answer


def address(data_dir: Path) -> str:
    """The embedded store in a data folder."""
    return f"sqlite:///{data_dir / 'segments.sqlite'}"


async def measure_report(data_dir: Path, days: int, runs: int = 5, previous: bool = False) -> dict[str, object]:
    """Seconds of each uncached report, and the groups that have members."""
    reporting = await open_reporting(address(data_dir))
    try:
        seconds, groups = await timed(runs, lambda: reporting.report(days, AS_OF, previous))
    finally:
        await reporting.close()
    return {"seconds": seconds, "groups": {name: list(pair) for name, pair in groups.items() if pair[0]}}


async def measure_page(data_dir: Path, first: int, runs: int = 20) -> dict[str, object]:
    """Seconds of each page of customers with metrics and RFM, and how many customers it held."""
    reporting = await open_reporting(address(data_dir))
    try:
        seconds, count = await timed(runs, lambda: reporting.page(first))
    finally:
        await reporting.close()
    return {"seconds": seconds, "customers": count}


def main(arguments: list[str]) -> None:
    """Measure one of the two and print it as JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.ours", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    report = commands.add_parser("report")
    page = commands.add_parser("page")
    for command, number in ((report, "days"), (page, "first")):
        command.add_argument("data", type=Path)
        command.add_argument(number, type=int)
        command.add_argument("runs", type=int)
    report.add_argument("--previous", action="store_true")
    chosen = parser.parse_args(arguments)
    if chosen.command == "report":
        measured = asyncio.run(measure_report(chosen.data, chosen.days, chosen.runs, chosen.previous))
    else:
        measured = asyncio.run(measure_page(chosen.data, chosen.first, chosen.runs))
    print(json.dumps(measured))


if __name__ == "__main__":
    main(sys.argv[1:])
