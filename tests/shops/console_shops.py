"""Shops that a console must be able to show: one of a hundred thousand customers, one with three hundred categories,
one with names of every script. Each function fills a business that is there already, as of the clock it is given."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path

from domain.calendar import Clock
from domain.classification.rfm import RfmScheme
from domain.jobs.progress import ProgressFeed
from domain.model import Actor, Business, NewCustomer
from domain.segments.model import Definition, SegmentKind
from domain.segments.validation import Draft
from gql.composition import OpenStore
from tests.shops.factories import import_file, line, purchase

ACTOR = Actor("test")
MANY_CUSTOMERS = 100_000
CATEGORIES = 300
LONG = "Wolfeschlegelsteinhausenbergerdorff" * 6
NAMES = (
    "فاطمة الزهراء محمد",
    "יעל כהן-לוי",
    "สมชาย ใจดีวัฒนะ",
    "अनुष्का शर्मा",
    "山田 太郎",
    "김민준",
    "Нина Ковалёва",
    "Ελένη Παπαδοπούλου",
    "අනුෂ්කා පෙරේරා",
    "👩‍👩‍👧‍👦 The Family 🏳️‍🌈",
    "Z̷a̶l̴g̵o̸ N\u0303a\u0308me\u0301",
    LONG[:200],
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "Mixed שלום and English 123",
    "O'Brien & Sons, Ltd.",
    "__proto__",
    "null",
)
"""Scripts from the right and without spaces, marks that pile up, no space to wrap at, and markup."""


@dataclass(frozen=True, slots=True)
class Filling:
    """Where a shop is filled, and as of when."""

    store: OpenStore
    business: Business
    clock: Clock
    folder: Path


async def work(filling: Filling) -> None:
    """Whatever is queued, to its end."""
    worker = filling.store.make_worker(ProgressFeed(), filling.clock)
    while await worker.run_once(filling.business):
        pass


async def fill_nothing(filling: Filling) -> None:
    """Nobody bought anything, and nobody made a segment."""


def import_orders(filling: Filling) -> None:
    """A file of five rows, two of which are refused."""
    file = filling.folder / "november.csv"
    file.write_text(
        "customer_id,order_id,timestamp,amount,category,status\n"
        "C0001,N1,2026-11-19T10:00:00Z,4200.00,Womens,completed\n"
        "C0002,N2,2026-11-19T11:00:00Z,1800.00,Kids,completed\n"
        "C0002,N3,2026-11-20T09:00:00Z,-1.00,Kids,completed\n"
        "C0003,N4,someday,2500.00,Mens,completed\n"
        "C0003,N5,2026-11-20T12:30:00Z,2500.00,Mens,completed\n"
    )
    import_file(filling.store.database, filling.business, filling.clock, file)


async def fill_many(filling: Filling) -> None:
    """Three orders of each customer over two years, and the segments of the named groups of RFM."""
    file = filling.folder / "orders.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        out.write("customer_id,order_id,timestamp,amount,category,storefront,channel,status\n")
        out.writelines(_list_orders(filling.clock()))
    import_file(filling.store.database, filling.business, filling.clock, file)
    services = filling.store.make_services(ProgressFeed(), filling.clock)
    people = [
        NewCustomer(f"C{number:06}", f"Customer {number}", f"customer{number}@shop.example")
        for number in range(0, MANY_CUSTOMERS, 20)
    ]
    await services.customers.upsert(filling.business, people, ACTOR, limit=len(people))
    await services.segments.create_standard(filling.business, RfmScheme.EIGHT_SEGMENT, ACTOR)
    await work(filling)


def _list_orders(now: datetime) -> Iterator[str]:
    """The same for the same day, spread by multiplication with primes, so that nothing is drawn."""
    first = datetime(now.year, now.month, now.day, tzinfo=now.tzinfo) - timedelta(days=729)
    days = [(first + timedelta(days=day)).date().isoformat() for day in range(729)]
    for order in range(3 * MANY_CUSTOMERS):
        customer = order % MANY_CUSTOMERS if order < MANY_CUSTOMERS else (order * order * 31) % (MANY_CUSTOMERS // 3)
        cents = 199 + (order * 7919) % 30_000
        category = ("Womens", "Mens", "Kids", "Shoes", "Home", "Bags")[order * 13 % 6]
        at, amount = f"{days[order * 7907 % 729]}T{order % 24:02}:00:00Z", f"{cents // 100}.{cents % 100:02}"
        place = f"Store {order % 7},{('web', 'app', 'store')[order % 3]}"
        yield f"C{customer:06},O{order:07},{at},{amount},{category},{place},completed\n"


async def fill_categories(filling: Filling) -> None:
    """Four hundred customers who bought in three hundred categories, some of them of a long name: a hundred in several,
    the others each in one."""
    names = [f"Category {number:03}{' with a name that goes on' * (number % 5)}" for number in range(CATEGORIES)]
    now, services = filling.clock(), filling.store.make_services(ProgressFeed(), filling.clock)
    bought = [
        purchase(
            f"C{customer:03}",
            f"O{customer}-{number}",
            (now - timedelta(days=1 + (customer * 7 + number * 29) % 180)).isoformat(),
            3_000 + 100 * customer,
            lines=tuple(
                line(
                    names[(customer * 9 + number * 4 + each) % CATEGORIES if customer < 100 else customer % CATEGORIES],
                    1_000,
                )
                for each in range(3)
            ),
        )
        for customer, number in product(range(400), range(3))
    ]
    await services.purchases.record(filling.business, bought, ACTOR, limit=len(bought))
    draft = Draft("Big spenders", definition=Definition({">": [{"var": "total_revenue"}, 500]}))
    await services.segments.create(filling.business, draft, ACTOR)
    await work(filling)


async def fill_scripts(filling: Filling) -> None:
    """A customer, a category, a storefront and a segment of each name."""
    now, services = filling.clock(), filling.store.make_services(ProgressFeed(), filling.clock)
    people = [NewCustomer(f"C{number:02}", name, city=name) for number, name in enumerate(NAMES)]
    await services.customers.upsert(filling.business, people, ACTOR)
    bought = [
        purchase(
            f"C{number:02}",
            f"O{number}-{again}",
            (now - timedelta(days=5 + 3 * number + 31 * again)).isoformat(),
            2_500 * (1 + number),
            storefront_key=f"store-{number % 4}",
            channel="web",
            lines=(line(name, 2_500),),
        )
        for number, name in enumerate(NAMES)
        for again in range(1 + number % 3)
    ]
    await services.purchases.record(filling.business, bought, ACTOR)
    for number, name in enumerate(NAMES):
        definition = Definition({">=": [{"var": "order_count"}, 1 + number % 3]}) if number % 2 else Definition()
        kind = SegmentKind.AUTOMATIC if number % 2 else SegmentKind.MANUAL
        draft = Draft(name[:100], kind, f"segment-{number}", description=name, definition=definition)
        made, _ = await services.segments.create(filling.business, draft, ACTOR)
        if kind is SegmentKind.MANUAL:
            await services.memberships.assign_named(filling.business, made.key, [f"C{number:02}"], ACTOR, entering=True)
    await work(filling)
