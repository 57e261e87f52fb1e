"""Whatever happens to a store, and wherever the writing of a copy ends: the answer through the copy is that of the
store."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from domain.calendar import Span
from domain.classification.groups import Method
from domain.classification.labels import ClassificationSettings, ClassificationSpan
from domain.classification.rfm import RfmScheme, Score
from domain.errors import InvalidInput
from domain.model import Actor, Business, NewCustomer, NewPurchase, PurchaseStatus
from domain.pages import PageRequest
from domain.reports.report import list_table_groups
from domain.rules.parser import parse_rule
from domain.segments.customer_facts import build_rule_context
from domain.store import CustomerFilter, CustomerSort, Grouping, Labelled, Moved, Reported, Scored, Transition, Unit
from gql.composition import Services
from persistence.database.engines import Database, open_database
from persistence.imports.undo import ImportUndo
from persistence.labels.labels import LabelStore
from persistence.lake.engines import DuckDbEngine
from persistence.lake.places import read_address
from persistence.lake.reading import ANSWERED, Lake
from persistence.lake.renewal import Renewal
from persistence.lake.writing import LEASE_SECONDS, CopyWriter, LeaseLost
from persistence.soundness.backup import back_up, restore
from persistence.soundness.checks import find_faults
from tests.conftest import SetClock, sqlite_alone
from tests.shops.factories import import_file, line, purchase

pytestmark = pytest.mark.anyio
TESTER = Actor("tester")
ZONES = ("UTC", "Europe/Berlin", "Asia/Colombo", "America/New_York")
FESTIVE = ((date(2024, 1, 1).toordinal(), date(2024, 1, 20).toordinal()),)

SETTINGS = ClassificationSettings(Decimal(5), Decimal(500), Decimal(20))


class Killed(Exception):
    """The writing ends here."""


async def load_reported(unit: Unit, *chosen: Reported) -> list[Any]:
    """A page of the customers whom reports count so, and how many there are."""
    where = CustomerFilter(reported=chosen)
    page = await unit.customers.load_page(PageRequest(5), where, CustomerSort.TOTAL_REVENUE, True)
    return [list(page.items), list(page.positions), page.has_next, await unit.customers.count(where)]


async def load_scored(unit: Unit, span: Span) -> list[Any]:
    """The same of scores by the cut values that are kept."""
    quintiles = await unit.reports.compute_quintiles(span)
    return await load_reported(unit, Scored(span, quintiles, (Score(5, 5, 5), Score(1, 1, 1), Score(3, 3, 3))))


RULES = (
    {"some": [{"var": "purchases"}, {"and": [{">": [{"var": "amount"}, 5]}, {"<": [{"var": "days_ago"}, 200]}]}]},
    {"<": [{"var": "order_count"}, 2]},
    {"!=": [{"var": "rfm_segment_name"}, "Hibernating"]},
)


async def count_matching(unit: Unit) -> list[Any]:
    """How many customers each of the rules holds for."""
    trees = [parse_rule(rule) for rule in RULES]
    context = await build_rule_context(unit, unit.instant, trees)
    return [await unit.rules.compute_sizes(context, tree, None) for tree in trees]


def ask_all(last: int) -> list[Callable[[Unit], Awaitable[Any]]]:
    """The questions that a copy may answer."""
    spans = [Span(last - days + 1, last, storefront) for days in (90, 730) for storefront in (None, 1)]
    grouping = Grouping(Method.RFM, RfmScheme.ELEVEN_SEGMENT, FESTIVE)
    behavior = Grouping(Method.BEHAVIOR, RfmScheme.ELEVEN_SEGMENT, FESTIVE)
    questions: list[Callable[[Unit], Awaitable[Any]]] = []
    for span in spans:
        questions.append(lambda unit, span=span: unit.reports.load_cells(span))  # type: ignore[misc]
    short, long = spans[0], spans[2]
    groups = [(kind.dimension, kind.code) for kind in list_table_groups(Method.RFM, RfmScheme.ELEVEN_SEGMENT)]
    scores = [Score(r, f, m) for r in (1, 3, 5) for f in (1, 5) for m in (1, 3, 5)]
    moves = [Transition(dimension, None, code) for dimension, code in groups]
    earlier = Span(short.first_day - 30, short.last_day - 30)
    return [
        *questions,
        lambda unit: unit.reports.load_label_sums(short, FESTIVE),
        lambda unit: unit.reports.compute_quintiles(long),
        lambda unit: unit.groups.sum_transitions(earlier, short, grouping),
        lambda unit: unit.groups.sum_transitions(earlier, short, behavior),
        lambda unit: unit.groups.sum_trend([earlier, short], grouping),
        lambda unit: unit.groups.sum_trend([earlier, short], behavior),
        lambda unit: unit.groups.load_group_pages(long, grouping, groups, PageRequest(3)),
        lambda unit: unit.groups.load_score_pages(long, scores, PageRequest(2)),
        lambda unit: unit.groups.load_transition_pages(earlier, short, grouping, moves, PageRequest(2)),
        lambda unit: unit.groups.count_labels(ClassificationSpan(last - 90, last, FESTIVE), SETTINGS, 2),
        lambda unit: load_scored(unit, long),
        count_matching,
        lambda unit: load_reported(unit, Labelled(long, behavior, "channel", "Unknown")),
        lambda unit: load_reported(
            unit, Labelled(long, grouping, *groups[0]), Moved(earlier, short, grouping, moves[0])
        ),
    ]


def as_texts(answer: Any) -> list[str]:
    """Rows in no order, and pages item by item."""
    if isinstance(answer, Mapping):
        pages = [(key, list(page.items), list(page.positions), page.has_next) for key, page in answer.items()]
        return [repr(page) for page in pages]
    return sorted(map(repr, answer if isinstance(answer, list) else [answer]))


@dataclass
class History:
    """A store of several businesses whose copies are asked beside it."""

    database: Database
    clock: SetClock
    folder: Path
    dice: random.Random
    keys: list[str] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    number: int = 0
    imports: list[tuple[str, int]] = field(default_factory=list)
    step: int = -1
    """The step of the writing that it ends after; none where negative."""
    backup: Path | None = None

    def __post_init__(self) -> None:
        address = read_address(str(self.folder / "lake"), self.folder / "held")
        self.lake = Lake(address, DuckDbEngine("256MB"), 1, self.outcomes.append)
        self.connect()

    def connect(self) -> None:
        self.plain = Services(self.database, self.clock)
        self.copied = Services(self.database, self.clock, lake=self.lake)
        self.renewal = Renewal(self.database, self.lake, self.clock, step=self.take_step)

    def take_step(self, what: str) -> None:
        self.step -= 1
        if self.step == 0:
            raise Killed(what)

    async def begin(self, businesses: int, customers: int) -> None:
        """Businesses with so many customers each, and some who never bought, were merged or erased."""
        for place in range(businesses):
            key = f"shop-{place}"
            await self.plain.businesses.create(key, None, ZONES[place], "EUR")
            self.keys.append(key)
            for part in range(0, customers, 50):
                every = range(part, min(part + 50, customers))
                await self.record(key, [self.make(f"c{number}") for number in every])
            business = await self.plain.businesses.open(key)
            for happen in (self.register, self.merge, self.erase):
                await happen(business)

    def make(self, customer: str, order: str | None = None) -> NewPurchase:
        """A purchase of somebody, some of them yet to come, or taken back."""
        self.number += 1
        at = self.clock.now - timedelta(minutes=self.dice.randint(-600, 1_100_000))
        categories = self.dice.choices(("tea", "jam", None), k=self.dice.randint(0, 2))
        return purchase(
            customer,
            order or f"o{self.number}",
            at.isoformat(),
            amount := self.dice.choice((0, 500, 500, 1250, 99999)) * max(1, len(categories)),
            storefront_key=self.dice.choice((None, "web", "mall")),
            channel=self.dice.choice((None, "web", "shop")),
            status=self.dice.choice((PurchaseStatus.COMPLETED, PurchaseStatus.COMPLETED, PurchaseStatus.REFUNDED)),
            lines=tuple(line(each, amount // len(categories)) for each in categories),
        )

    async def record(self, key: str, items: list[NewPurchase]) -> None:
        business = await self.plain.businesses.open(key)
        await self.plain.purchases.record(business, items, TESTER)

    async def happen(self) -> str:
        """Something happens to one of the businesses; what."""
        self.clock.now += timedelta(seconds=self.dice.randint(0, 90))
        business = await self.plain.businesses.open(self.dice.choice(self.keys))
        names = list(EVENTS)
        name = self.dice.choices(names, [EVENTS[each][0] for each in names])[0]
        await EVENTS[name][1](self, business)
        return f"{name} in {business.key}"

    async def buy(self, business: Business) -> None:
        items = [self.make(f"c{self.dice.randint(0, 80)}") for _ in range(self.dice.randint(1, 3))]
        try:
            await self.record(business.key, items)
        except InvalidInput as error:
            # Nobody buys again under the id of one who was erased.
            assert error.message == "this customer was erased"

    async def register(self, business: Business) -> None:
        """Somebody who may never buy."""
        self.number += 1
        items = [NewCustomer(f"n{self.number}")]
        await self.plain.customers.upsert(business, items, TESTER)

    async def change(self, business: Business) -> None:
        """Orders are said anew: other amounts, other days, taken back; of the same customers."""
        rows = await self.look_up(
            business,
            "SELECT p.external_id, c.external_id FROM purchase p JOIN customer c ON "
            "c.business_id = p.business_id AND c.id = p.customer_id WHERE NOT c.erased AND c.merged_into IS NULL "
            "AND p.business_id = :business ORDER BY p.id",
        )
        if rows:
            order, customer = self.dice.choice(rows)
            await self.record(business.key, [self.make(customer, order)])

    async def look_up(self, business: Business, statement: str) -> list[Any]:
        async with self.database.reader.connect() as connection:
            return list((await connection.execute(text(statement), {"business": business.id})).all())

    async def delete(self, business: Business) -> None:
        rows = await self.look_up(
            business, "SELECT external_id FROM purchase WHERE business_id = :business ORDER BY id"
        )
        if rows:
            await self.plain.purchases.delete(business, [self.dice.choice(rows)[0]], TESTER)

    async def merge(self, business: Business) -> None:
        rows = await self.look_up(
            business,
            "SELECT id FROM customer WHERE business_id = :business AND NOT erased AND merged_into IS NULL ORDER BY id",
        )
        source, target = self.dice.sample([row[0] for row in rows], 2)
        await self.plain.merging.merge(business, source, target, TESTER)

    async def erase(self, business: Business) -> None:
        rows = await self.look_up(
            business,
            "SELECT id FROM customer WHERE business_id = :business AND NOT erased AND merged_into IS NULL ORDER BY id",
        )
        await self.plain.erasure.erase(business, self.dice.choice(rows)[0], TESTER)

    async def import_orders(self, business: Business) -> None:
        self.number += 1
        days = [self.clock.now.date() - timedelta(days=self.dice.randint(0, 700)) for _ in range(4)]
        lines = ["customer_id,order_id,date,amount"]
        lines += [f"i{self.number}-{place % 3},i{self.number}-{place},{day},5" for place, day in enumerate(days)]
        file = self.folder / f"orders-{self.number}.csv"
        file.write_text("\n".join((*lines, "")))
        self.clock.now += timedelta(seconds=1)
        import_file(self.database, business, self.clock, file)
        newest = await self.look_up(business, "SELECT max(id) FROM purchase_import WHERE business_id = :business")
        self.imports.append((business.key, newest[0][0]))

    async def undo(self, business: Business) -> None:
        """The customers of the import go, too."""
        if self.imports:
            key, number = self.imports.pop()
            ImportUndo(self.database, await self.plain.businesses.open(key), self.clock, number).run(TESTER)

    async def move(self, business: Business) -> None:
        changes = self.plain.business_changes
        await changes.change(business.key, TESTER, name=None, time_zone=self.dice.choice(ZONES), currency=None)

    async def wait(self, business: Business) -> None:
        """Purchases ripen, and copies become old."""
        self.clock.now += timedelta(hours=self.dice.choice((1, 9)))
        for key in self.keys:
            await self.plain.businesses.open(key)

    async def renew(self, business: Business) -> None:
        await self.renewal.run_once()

    async def renew_wholly(self, business: Business) -> None:
        await self.renewal.renew_now(business.id, whole=True)

    async def die(self, business: Business) -> None:
        """A worker is killed while it writes: nothing is given back."""
        self.step = self.dice.randint(1, 12)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(CopyWriter, "_release", lambda writer: None)
            try:
                await self.renewal.renew_now(business.id, whole=self.dice.random() < 0.5)
            except Killed:
                with pytest.raises(LeaseLost):
                    await self.renewal.renew(self.find_store(), business.id, whole=True)
                self.clock.now += timedelta(seconds=LEASE_SECONDS + 1)
        self.step = -1

    def find_store(self) -> str:
        with self.database.bulk.connect() as connection:
            return str(connection.execute(text("SELECT id FROM store_identity")).scalar_one())

    async def copy_store(self, business: Business) -> None:
        if self.database.dialect == "sqlite":
            self.backup = self.folder / "backup.sqlite"
            back_up(self.database, self.backup, lambda *told: None, force=True)

    async def restore_store(self, business: Business) -> None:
        if self.backup is not None:
            await self.database.close()
            address = f"sqlite:///{self.folder / 'store.sqlite'}"
            restore(address, self.backup, lambda *told: None, keep=False)
            self.database, self.imports, self.backup = open_database(address), [], None
            self.connect()

    async def compare(self, happened: object, share: float = 1.0) -> None:
        """Every answer through a copy, or some of them, is that of the store."""
        for key in self.keys:
            business = await self.plain.businesses.open(key)
            for place, question in enumerate(ask_all(self.clock.now.date().toordinal())):
                if self.dice.random() >= share:
                    continue
                stored = await self.plain.read(business, question)
                found = await self.copied.read(business, question)
                assert as_texts(found) == as_texts(stored), f"question {place} of {key} after {happened}"
            if self.dice.random() < share:
                assert await self.classify(business, self.lake) == await self.classify(business)

    async def classify(self, business: Business, lake: Lake | None = None) -> list[Any]:
        """The labels of all customers."""

        def decide() -> list[Any]:
            with LabelStore(self.database, business.id, self.clock, lake=lake).decide_labels() as decided:
                return list(map(tuple, decided.load_rows()))

        return await asyncio.to_thread(decide)


EVENTS: Mapping[str, tuple[int, Callable[[History, Business], Awaitable[None]]]] = {
    "buy": (6, History.buy),
    "register": (3, History.register),
    "change": (4, History.change),
    "delete": (4, History.delete),
    "merge": (2, History.merge),
    "erase": (2, History.erase),
    "import": (3, History.import_orders),
    "undo": (3, History.undo),
    "move": (1, History.move),
    "wait": (3, History.wait),
    "renew": (5, History.renew),
    "renew wholly": (1, History.renew_wholly),
    "die": (4, History.die),
    "back up": (1, History.copy_store),
    "restore": (1, History.restore_store),
}


async def live(history: History, businesses: int, customers: int, events: int, share: float) -> None:
    """So many events happen, and after each a share of the answers is compared."""
    try:
        await history.begin(businesses, customers)
        await history.renewal.run_once()
        await history.compare("the beginning")
        happened = []
        for _ in range(events):
            happened.append(await history.happen())
            await history.compare(happened, share)
        await history.compare(happened, min(1.0, 4 * share))
        assert find_faults(history.database, lambda *told: None).faults == ()
        assert history.outcomes.count(ANSWERED) > events
    finally:
        await history.lake.engine.close()
        # It is another one where the store was restored.
        await history.database.close()


@sqlite_alone
async def test_the_answer_through_a_copy_is_that_of_the_store_whatever_happens(
    database: Database, clock: SetClock, tmp_path: Path
) -> None:
    await live(History(database, clock, tmp_path, random.Random(17)), 2, 60, 8, 0.1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
async def test_the_same_of_long_histories(database: Database, clock: SetClock, tmp_path: Path, seed: int) -> None:
    await live(History(database, clock, tmp_path, random.Random(seed)), 3, 100, 60, 0.25)
