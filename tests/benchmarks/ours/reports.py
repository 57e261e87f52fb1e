"""The uncached report of this project in a process that is warm: a worker, `python -m tests.benchmarks.ours.reports
DATA [copy]`, whose questions name the days and whether the previous window is asked for, too. With the second argument
a columnar copy answers, which is written first."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from datetime import time as time_of_day
from pathlib import Path
from typing import TypeVar

from domain.store import CachedValue
from gql.composition import Services, make_lake, make_renewal
from gql.settings import Settings
from persistence.database.engines import open_database
from persistence.lake.reading import ANSWERED
from tests.benchmarks.comparison import Failed
from tests.benchmarks.data import AS_OF
from tests.benchmarks.processes import answer_questions

Answer = TypeVar("Answer")
NOW = datetime.combine(AS_OF, time_of_day(23), UTC)


class NothingCached:
    """Every report is computed."""

    async def get_or_make(
        self, key: str, make: Callable[[], Awaitable[Answer]], fits: Callable[[Answer], bool] = lambda _: True
    ) -> CachedValue[Answer]:
        """What is made anew."""
        return CachedValue(await make(), False, 0.0)


async def report(services: Services, days: int, previous: bool) -> dict[str, tuple[int, int]]:
    """Customers and revenue in minor units of each group that has members."""
    (business,) = await services.businesses.load_all()
    made = await services.reporting.make_report(business, days=days, as_of=AS_OF)
    if previous:
        await services.reporting.measure_previous(business, made)
    return {group.kind.name: (group.customers, group.revenue) for group in made.everyone if group.customers}


def require_answered(outcome: str) -> None:
    """Or the store would be measured once more."""
    if outcome != ANSWERED:
        raise Failed(f"the copy did not answer: {outcome}")


def main(data: Path, *copied: str) -> None:
    """Answer until the input ends."""
    lake_folder = str(data / "lake") if copied else ""
    settings = replace(Settings.from_environment(), data=data, lake=lake_folder, lake_minimum_purchases=1)
    database = open_database(settings.url)
    lake = make_lake(settings, require_answered)
    services = Services(database, lambda: NOW, report_cache=NothingCached(), lake=lake)
    with asyncio.Runner() as runner:
        if lake is not None:
            runner.run(make_renewal(database, lake, lambda: NOW).run_once())
        answer_questions(lambda days, previous=False: runner.run(report(services, days, previous)))
        runner.run(database.close())


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
