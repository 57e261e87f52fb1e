"""A shop made up from a seed: three years of purchases ending today, with seasons, festive peaks and customers of every
kind. The same seed and day always give the same shop; nothing in it is anybody's."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random

from domain.calendar import zone
from domain.model import NewCustomer, NewPurchase, PurchaseLine, PurchaseStatus

KEY = "demo"
NAME = "Ceylon Threads"
CURRENCY = "LKR"
TIME_ZONE = "Asia/Colombo"
STOREFRONTS = ("colombo", "kandy", "online")
CHANNELS = ("store", "web", "app", "phone")
CATEGORIES = ("Womens", "Mens", "Kids", "Home", "Beauty", "Accessories")
LEVELS = ("BRONZE", "SILVER", "GOLD", "PLATINUM")
FIRST_NAMES = (
    "Nimali",
    "Kasun",
    "Dilani",
    "Ruwan",
    "Tharushi",
    "Chamara",
    "Sanduni",
    "Lahiru",
    "Ishara",
    "Priyantha",
    "Amaya",
    "Dinesh",
    "Hasini",
    "Nuwan",
    "Malsha",
    "Sunil",
    "Fathima",
    "Rizwan",
    "Meena",
    "Arjun",
    "Kavitha",
    "Suresh",
    "Zainab",
    "Imran",
    "Olivia",
    "Jonas",
    "Chloé",
    "Mateo",
    "Anaïs",
    "Søren",
    "Γιώργος",
    "Ольга",
    "美咲",
    "伟",
    "नीलम",
    "فاطمة",
    "דוד",
    "කුමාරි",
    "தமிழ்",
)
LAST_NAMES = (
    "Perera",
    "Fernando",
    "Silva",
    "Bandara",
    "Jayasinghe",
    "Wickramasinghe",
    "Gunawardena",
    "Rajapaksa",
    "Dissanayake",
    "Herath",
    "Nadarajah",
    "Sivakumar",
    "Mohamed",
    "Cader",
    "de-Mel",
    "Müller",
    "Rossi",
    "Nowak",
    "Παπαδόπουλος",
    "Иванова",
    "佐藤",
    "王",
    "शर्मा",
    "علي",
    "כהן",
)
DAYS = 3 * 365


@dataclass(frozen=True, slots=True)
class Archetype:
    """How a kind of customer buys: how many of 1,000 customers, how often, when, and for how much (in rupees)."""

    share: int
    orders: tuple[int, int]
    ages: tuple[int, int]
    last: tuple[int, int]
    amount: tuple[int, int]
    festive: bool = False


ARCHETYPES = (
    Archetype(80, (14, 30), (0, 300), (0, 12), (4_000, 24_000)),
    Archetype(80, (8, 14), (0, 300), (3, 45), (2_500, 14_000)),
    Archetype(90, (6, 12), (0, 160), (20, 60), (3_000, 12_000)),
    Archetype(120, (3, 5), (0, 84), (0, 20), (1_500, 7_000)),
    Archetype(140, (2, 2), (53, 88), (37, 52), (1_500, 3_500)),
    Archetype(40, (2, 2), (20, 60), (0, 30), (2_000, 6_000)),
    Archetype(80, (7, 14), (80, 400), (56, 78), (5_000, 20_000)),
    Archetype(50, (5, 7), (86, 89), (56, 70), (500, 1_000)),
    Archetype(170, (1, 1), (0, 30), (0, 30), (1_200, 9_000)),
    Archetype(70, (1, 2), (60, 700), (60, 300), (800, 4_000)),
    Archetype(60, (4, 8), (0, DAYS - 1), (0, 400), (2_000, 9_000), festive=True),
    Archetype(60, (10, 25), (95, DAYS - 1), (95, 500), (3_000, 30_000)),
    Archetype(20, (0, 0), (0, 0), (0, 0), (0, 0)),
)


@dataclass(frozen=True, slots=True)
class DemoShop:
    """The customers and the purchases, in minor units."""

    customers: list[NewCustomer]
    purchases: list[NewPurchase]


def demo_shop(today: date, seed: int = 20, size: int = 2_100) -> DemoShop:
    """The shop as of a day."""
    random = Random(seed)
    customers: list[NewCustomer] = []
    purchases: list[NewPurchase] = []
    number = 0
    for archetype in ARCHETYPES:
        for _ in range(archetype.share * size // 1000):
            number += 1
            external_id = f"C{number:05d}"
            days = sorted(_days(random, archetype, today))
            first = days[0] if days else today - timedelta(days=random.randrange(5, 300))
            customers.append(_customer(random, external_id, first))
            purchases.extend(_purchases(random, archetype, external_id, days))
    return DemoShop(customers, purchases)


def _customer(random: Random, external_id: str, first: date) -> NewCustomer:
    name = f"{random.choice(FIRST_NAMES)} {random.choice(LAST_NAMES)}"
    registered = _instant(random, first) - timedelta(days=random.randrange(0, 20))
    level = random.choices((None, *LEVELS), (40, 25, 18, 12, 5))[0]
    email = f"{external_id.lower()}@example.com" if random.random() < 0.9 else None
    return NewCustomer(external_id, name if random.random() < 0.97 else None, email, level, registered)


def _days(random: Random, archetype: Archetype, today: date) -> Iterator[date]:
    count = random.randint(*archetype.orders)
    if not count:
        return
    # One anchors the recency; the others lie before it, more of them in season.
    last = random.randint(*archetype.last)
    oldest = max(archetype.ages[1], last)
    if archetype.festive:
        festive = [age for age in range(last, oldest + 1) if _is_festive(today - timedelta(days=age))]
        yield from (today - timedelta(days=random.choice(festive or [last])) for _ in range(count))
        return
    yield today - timedelta(days=last)
    for _ in range(count - 1):
        ages = [random.randint(last, oldest) for _ in range(2)]
        weights = [3 if _is_festive(today - timedelta(days=age)) else 1 for age in ages]
        yield today - timedelta(days=random.choices(ages, weights)[0])


def _is_festive(day: date) -> bool:
    return day.month == 12 or (day.month == 4 and day.day <= 20)


def _instant(random: Random, day: date) -> datetime:
    # In the night before the shop opens, so that nothing of today lies in the future.
    return datetime.combine(day, time(0, 0, random.randrange(60)), zone(TIME_ZONE)).astimezone(UTC)


def _purchases(random: Random, archetype: Archetype, customer: str, days: list[date]) -> Iterator[NewPurchase]:
    taste = random.random()
    favourite, second = random.sample(CATEGORIES, 2)
    pick: Callable[[], str | None]
    if taste < 0.5:
        pick = lambda: favourite if random.random() < 0.9 else random.choice(CATEGORIES)  # noqa: E731
    elif taste < 0.7:
        pick = lambda: favourite if random.random() < 0.5 else second  # noqa: E731
    else:
        pick = lambda: random.choice(CATEGORIES) if random.random() < 0.97 else None  # noqa: E731
    home = random.choice(STOREFRONTS)
    channel = random.choice(CHANNELS)
    for place, day in enumerate(days):
        lines = [
            PurchaseLine(pick(), 5_000 * random.randint(1, 20), PurchaseStatus.COMPLETED)
            for _ in range(random.randint(1, 4))
        ]
        total = sum(line.amount for line in lines)
        amount = random.randint(*archetype.amount) * 100
        scaled = [PurchaseLine(line.category, line.amount * amount // total, line.status) for line in lines]
        last = scaled[-1]
        rest = amount - sum(line.amount for line in scaled)
        scaled[-1] = PurchaseLine(last.category, last.amount + rest, last.status)
        # The first and the last always count, so that what kind of customer this is stays true.
        status = (
            PurchaseStatus.COMPLETED
            if place in (0, len(days) - 1)
            else random.choices(tuple(PurchaseStatus), (90, 3, 2, 2, 3))[0]
        )
        yield NewPurchase(
            customer,
            f"{customer}-{place + 1:03d}",
            _instant(random, day),
            amount,
            status,
            home if random.random() < 0.8 else random.choice(STOREFRONTS),
            channel if random.random() < 0.7 else random.choice(CHANNELS),
            tuple(PurchaseLine(line.category, line.amount, status) for line in scaled),
        )
