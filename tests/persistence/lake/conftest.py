"""A business with a copy of its own, in a store of each kind."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from domain.calendar import Span
from domain.model import Actor, Business
from gql.composition import Services
from persistence.database.engines import Database
from persistence.lake.engines import DuckDbEngine
from persistence.lake.places import read_address
from persistence.lake.reading import ANSWERED, SMALL, Lake
from persistence.lake.renewal import BASE, Renewal
from tests.conftest import SetClock
from tests.shops.factories import purchase

TESTER = Actor("tester")
SHOPPERS = 30


@dataclass
class Copied:
    """A business with a copy."""

    database: Database
    clock: SetClock
    folder: Path
    business: Business
    outcomes: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        address = read_address(str(self.folder / "lake"), self.folder / "held")
        self.lake = Lake(address, DuckDbEngine("256MB"), SHOPPERS, self.outcomes.append)
        self.renewal = Renewal(self.database, self.lake, self.clock, self.written.append)
        self.plain = Services(self.database, self.clock)
        self.copied = Services(self.database, self.clock, lake=self.lake)

    async def ask(self) -> str:
        """How the question ended, whose answer is that of the store."""
        today = self.clock.now.date().toordinal()
        span = Span(today - 700, today)
        stored = await self.plain.read(self.business, lambda unit: unit.reports.load_cells(span))
        found = await self.copied.read(self.business, lambda unit: unit.reports.load_cells(span))
        assert sorted(found, key=repr) == sorted(stored, key=repr) != []
        return self.outcomes[-1]

    async def renew(self) -> list[str]:
        """What was written of what is due."""
        count = len(self.written)
        await self.renewal.run_once()
        return self.written[count:]

    async def buy(self, *shoppers: int) -> None:
        self.clock.now += timedelta(seconds=1)
        bought = [purchase(f"c{n}", f"o{n}-{self.clock.now}", "2024-02-01", 700) for n in shoppers]
        await self.plain.purchases.record(self.business, bought, TESTER)

    def files(self, ending: str = "") -> list[Path]:
        return sorted(path for path in (self.folder / "lake").rglob("*") if path.is_file() and ending in path.name)

    def rest(self) -> None:
        """The time passes that a copy which could not be written is left alone."""
        self.renewal._rests_until.clear()


@pytest.fixture
async def copied(database: Database, services: Services, clock: SetClock, tmp_path: Path) -> Copied:
    business = await services.businesses.create("copied", None, "UTC", "EUR")
    made = Copied(database, clock, tmp_path, business)
    await made.buy(*range(SHOPPERS - 1))
    assert (await made.renew(), await made.ask()) == ([], SMALL)
    await made.buy(SHOPPERS - 1)
    assert (await made.ask(), await made.renew(), await made.ask()) == ("absent", [BASE], ANSWERED)
    return made
