"""The uncached report and the page of customers of this project, timed in one process that is warm:
`python -m tests.benchmarks.ours report DATA DAYS RUNS [--previous]` and `page DATA FIRST RUNS`."""

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from datetime import time as time_of_day
from functools import partial
from pathlib import Path

from domain.model import Business, Permission, Viewer
from domain.store import CachedValue
from gql.composition import Services
from gql.schema.context import Context
from gql.schema.schema import ApiSchema, make_schema
from gql.settings import Settings
from gql.signed_links import ExportLinks
from persistence.database.engines import open_database
from tests.benchmarks.data import AS_OF
from tests.benchmarks.processes import Answer, time_runs


class NothingCached:
    """Every report is computed."""

    async def get_or_make(
        self, key: str, make: Callable[[], Awaitable[Answer]], fits: Callable[[Answer], bool] = lambda _: True
    ) -> CachedValue[Answer]:
        """What is made anew."""
        return CachedValue(await make(), False, 0.0)


PAGE = """query Page($first: Int!) { customers(first: $first, sort: TOTAL_REVENUE, reverse: true) { nodes {
    externalId
    metrics { orderCount totalRevenue averageOrderValue firstPurchaseAt lastPurchaseAt daysSinceLastPurchase }
    rfm { recency frequency monetary segmentName }
} } }"""


async def report(services: Services, business: Business, days: int, previous: bool) -> dict[str, tuple[int, int]]:
    """The RFM report in the eight-segment scheme, never from a cache, with the previous window where asked: customers
    and revenue in minor units of each group that has members."""
    made = await services.reporting.make_report(business, days=days, as_of=AS_OF)
    if previous:
        await services.reporting.measure_previous(business, made)
    return {group.kind.name: (group.customers, group.revenue) for group in made.everyone if group.customers}


async def page(services: Services, business: Business, first: int, schema: ApiSchema) -> int:
    """The first page of customers by revenue with metrics and RFM: how many came."""
    now, end = datetime.now(UTC), datetime.max.replace(tzinfo=UTC)
    viewer = Viewer("bench", business.key, frozenset({Permission.VIEW}), now, end)
    context = Context(viewer, services, "bench", ExportLinks(Settings(), lambda: datetime.now(UTC)))
    try:
        answer = await schema.execute(PAGE, {"first": first}, context_value=context)
    finally:
        context.close()
    if answer.errors or answer.data is None:
        raise RuntimeError(str(answer.errors))
    return len(answer.data["customers"]["nodes"])


def address(data_dir: Path) -> str:
    """The embedded store in a data folder."""
    return f"sqlite:///{data_dir / 'segments.sqlite'}"


async def measure(
    data: Path, runs: int, ask: Callable[[Services, Business], Awaitable[Answer]]
) -> tuple[list[float], Answer]:
    """The same over the only business of a store, as if it were the last day of its purchases."""
    now = datetime.combine(AS_OF, time_of_day(23), UTC)
    database = open_database(address(data))
    services = Services(database, lambda: now, report_cache=NothingCached())
    try:
        (only,) = await services.businesses.load_all()
        business = await services.businesses.open(only.key)
        return await time_runs(runs, lambda: ask(services, business))
    finally:
        await database.close()


def main(arguments: list[str]) -> None:
    """Measure one of the two and print it as JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.ours", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, number in (("report", "days"), ("page", "first")):
        command = commands.add_parser(name)
        command.add_argument("data", type=Path)
        command.add_argument(number, type=int)
        command.add_argument("runs", type=int)
    commands.choices["report"].add_argument("--previous", action="store_true")
    chosen = parser.parse_args(arguments)
    if chosen.command == "report":
        found, ask = "groups", partial(report, days=chosen.days, previous=chosen.previous)
    else:
        found, ask = "customers", partial(page, first=chosen.first, schema=make_schema(Settings()))
    seconds, answer = asyncio.run(measure(chosen.data, chosen.runs, ask))
    print(json.dumps({"seconds": seconds, found: answer}))


if __name__ == "__main__":
    main(sys.argv[1:])
