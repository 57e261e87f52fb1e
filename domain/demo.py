"""A shop made up from a seed: three years of purchases ending today, with seasons, festive peaks and customers of every
kind. The same seed and day always give the same shop; nothing in it is anybody's.

The segments of the demo shop: one of every kind of definition, and one by hand.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random

from domain.calendar import load_zone
from domain.model import NewCustomer, NewPurchase, PurchaseLine, PurchaseStatus
from domain.money import MILLIONTHS
from domain.rules.criteria import RfmConfig, SegmentCriteria
from domain.segments.model import Definition, SegmentKind
from domain.segments.validation import Draft

KEY = "demo"
NAME = "Ceylon Threads"
CURRENCY = "LKR"
TIME_ZONE = "Asia/Colombo"
STOREFRONTS = ("colombo", "kandy", "online")
CHANNELS = ("store", "web", "app", "phone")
ARTICLES = {
    "Womens": (("W-SAREE", "Cotton saree"), ("W-DRESS", "Linen dress"), ("W-BLOUSE", "Batik blouse")),
    "Mens": (("M-SARONG", "Striped sarong"), ("M-SHIRT", "Linen shirt"), ("M-POLO", "Polo shirt")),
    "Kids": (("K-FROCK", "Frock"), ("K-SHORTS", "Shorts"), ("K-PYJAMA", "Pyjamas")),
    "Home": (("H-BED", "Bed linen"), ("H-TABLE", "Tablecloth"), ("H-CURTAIN", "Curtain")),
    "Beauty": (("B-SOAP", "Sandalwood soap"), ("B-OIL", "Coconut oil"), ("B-BALM", "Cinnamon balm")),
    "Accessories": (("A-BAG", "Palm-leaf bag"), ("A-SCARF", "Silk scarf"), ("A-BELT", "Leather belt")),
}
CATEGORIES = tuple(ARTICLES)
LEVELS = ("BRONZE", "SILVER", "GOLD", "PLATINUM")
FIRST_NAMES = (
    "Nimali Kasun Dilani Ruwan Tharushi Chamara Sanduni Lahiru Ishara Priyantha Amaya Dinesh Hasini Nuwan "
    "Malsha Sunil Fathima Rizwan Meena Arjun Kavitha Suresh Zainab Imran Olivia Jonas Chloé Mateo Anaïs "
    "Søren Γιώργος Ольга 美咲 伟 नीलम فاطمة דוד කුමාරි தமிழ்"
)
LAST_NAMES = (
    "Perera Fernando Silva Bandara Jayasinghe Wickramasinghe Gunawardena Rajapaksa Dissanayake Herath "
    "Nadarajah Sivakumar Mohamed Cader de-Mel Müller Rossi Nowak Παπαδόπουλος Иванова 佐藤 王 शर्मा علي כהן"
)
DAYS = 3 * 365


@dataclass(frozen=True, slots=True)
class Archetype:
    """How a kind of customer buys: how many there are at a scale of 1,000, how often, how many days ago first and
    last, and for how much an order (in rupees). A festive one buys once of late, else at the feasts of years past."""

    share: int
    orders: tuple[int, int]
    oldest: int
    last: tuple[int, int]
    amount: tuple[int, int]
    festive: bool = False


ARCHETYPES = (
    # The heart of the shop: champions, the loyal, those who may become so.
    Archetype(80, (14, 30), 300, (0, 12), (4_000, 24_000)),
    Archetype(80, (8, 14), 300, (3, 45), (2_500, 14_000)),
    Archetype(90, (6, 12), 160, (20, 60), (3_000, 12_000)),
    Archetype(120, (3, 5), 84, (0, 20), (1_500, 7_000)),
    # Promising, in a window of a quarter and in one of a year.
    Archetype(140, (2, 2), 88, (37, 52), (1_500, 3_500)),
    Archetype(40, (2, 3), 300, (150, 215), (2_500, 6_000)),
    Archetype(40, (2, 2), 60, (0, 30), (2_000, 6_000)),
    # At risk; and many small orders that have stopped, of late and for most of a year.
    Archetype(80, (7, 14), 400, (56, 78), (5_000, 20_000)),
    Archetype(50, (5, 7), 89, (56, 70), (500, 1_000)),
    Archetype(40, (7, 10), 350, (225, 300), (500, 700)),
    # Newcomers, sleepers, those who come for the feasts, those who left years ago, those who never bought.
    Archetype(170, (1, 1), 30, (0, 30), (1_200, 9_000)),
    Archetype(70, (1, 2), 700, (60, 300), (800, 4_000)),
    Archetype(60, (6, 9), DAYS - 1, (0, 80), (2_000, 9_000), festive=True),
    Archetype(60, (10, 25), DAYS - 1, (95, 500), (3_000, 30_000)),
    Archetype(20, (0, 0), 0, (0, 0), (0, 0)),
)
LAST_FEAST = 190
"""Days since which a festive customer bought only once: more than the six months of the label Loyal."""


@dataclass(frozen=True, slots=True)
class DemoShop:
    """The customers and the purchases, in minor units."""

    customers: list[NewCustomer]
    purchases: list[NewPurchase]


def make_demo_shop(today: date, seed: int = 20, scale: int = 2_100) -> DemoShop:
    """The shop as of a day."""
    random = Random(seed)
    customers: list[NewCustomer] = []
    purchases: list[NewPurchase] = []
    number = 0
    for archetype in ARCHETYPES:
        for _ in range(archetype.share * scale // 1000):
            number += 1
            external_id = f"C{number:05d}"
            days = sorted(_draw_days(random, archetype, today))
            first = days[0] if days else today - timedelta(days=random.randrange(5, 300))
            customers.append(_make_customer(random, external_id, first, today))
            purchases.extend(_draw_purchases(random, archetype, external_id, days, today))
    return DemoShop(customers, purchases)


def _make_customer(random: Random, external_id: str, first: date, today: date) -> NewCustomer:
    name = f"{random.choice(FIRST_NAMES.split())} {random.choice(LAST_NAMES.split())}"
    registered = _draw_instant(random, first, today) - timedelta(days=random.randrange(0, 20))
    level = random.choices((None, *LEVELS), (40, 25, 18, 12, 5))[0]
    email = f"{external_id.lower()}@example.com" if random.random() < 0.9 else None
    return NewCustomer(external_id, name if random.random() < 0.97 else None, email, level, registered)


def _draw_days(random: Random, archetype: Archetype, today: date) -> Iterator[date]:
    count = random.randint(*archetype.orders)
    if not count:
        return
    # One anchors the recency; the others lie before it, more of them in season.
    last = random.randint(*archetype.last)
    yield today - timedelta(days=last)
    if archetype.festive:
        ages = range(LAST_FEAST, archetype.oldest + 1)
        festive = [day for day in (today - timedelta(days=age) for age in ages) if _is_festive(day)]
        yield from random.choices(festive, k=count - 1)
        return
    for _ in range(count - 1):
        pair = [today - timedelta(days=random.randint(last, max(archetype.oldest, last))) for _ in range(2)]
        yield random.choices(pair, [3 if _is_festive(day) else 1 for day in pair])[0]


def _is_festive(day: date) -> bool:
    return day.month == 12 or (day.month == 4 and day.day <= 20)


def _draw_instant(random: Random, day: date, today: date) -> datetime:
    # In opening hours; today's in the first minute of the day, so that none lies in the future.
    second = random.randrange(9 * 3600, 20 * 3600) if day < today else random.randrange(60)
    return (datetime.combine(day, time(0), load_zone(TIME_ZONE)) + timedelta(seconds=second)).astimezone(UTC)


def _draw_purchases(
    random: Random, archetype: Archetype, customer: str, days: list[date], today: date
) -> Iterator[NewPurchase]:
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
        # Category and weight of each line.
        drawn = [(pick(), random.randint(1, 20)) for _ in range(random.randint(1, 4))]
        total = sum(weight for _, weight in drawn)
        amount = random.randint(*archetype.amount) * 100
        parts = [weight * amount // total for _, weight in drawn]
        parts[-1] += amount - sum(parts)
        # The first and the last always count, so that what kind of customer this is stays true.
        status = (
            PurchaseStatus.COMPLETED
            if place in (0, len(days) - 1)
            else random.choices(tuple(PurchaseStatus), (90, 3, 2, 2, 3))[0]
        )
        yield NewPurchase(
            customer,
            f"{customer}-{place + 1:03d}",
            _draw_instant(random, day, today),
            amount,
            status,
            home if random.random() < 0.8 else random.choice(STOREFRONTS),
            channel if random.random() < 0.7 else random.choice(CHANNELS),
            tuple(
                _make_line(category, weight, part, status)
                for (category, weight), part in zip(drawn, parts, strict=True)
            ),
            {"gift": True} if _is_festive(day) and len(drawn) > 2 else {},
        )


def _make_line(category: str | None, weight: int, amount: int, status: PurchaseStatus) -> PurchaseLine:
    if category is None:
        return PurchaseLine(None, amount, status)
    articles = ARTICLES[category]
    sku, product = articles[weight % len(articles)]
    return PurchaseLine(category, amount, status, product, sku, (1 + weight // 8) * 10**MILLIONTHS)


VIP = "vip"
VIP_CHANGES = ((0, "put in", range(1, 13)), (21, "put in", range(40, 44)), (42, "take out", range(3, 6)))
"""Days since the history began, what was done then, and to which customers by their numbers."""

DRAFTS = (
    Draft(
        "Big spenders",
        description="More than LKR 150,000 in all.",
        definition=Definition(rules={">": [{"var": "total_revenue"}, 150_000]}),
    ),
    Draft(
        "High value",
        description="A good name with the shop, and worth it.",
        definition=Definition(
            criteria=SegmentCriteria(
                min_lifetime_value=Decimal(100_000), min_orders=5, loyalty_levels=("GOLD", "PLATINUM")
            )
        ),
    ),
    Draft(
        "At risk",
        description="Came now and then, and has not come for a quarter.",
        definition=Definition(criteria=SegmentCriteria(min_days_since_last_purchase=90, max_purchase_frequency=0.5)),
    ),
    Draft(
        "New",
        description="Here for a month at most.",
        definition=Definition(criteria=SegmentCriteria(max_tenure_days=30, min_orders=1)),
    ),
    Draft(
        "Best customers",
        description="Recent, frequent and valuable, by their scores.",
        definition=Definition(rfm_config=RfmConfig("444", "555")),
    ),
    Draft(
        "Kids of late",
        description="Bought for children in the last half year.",
        definition=Definition(
            rules={
                "some": [
                    {"var": "purchases.lines"},
                    {"and": [{"==": [{"var": "category"}, "Kids"]}, {"<": [{"var": "days_ago"}, 180]}]},
                ]
            }
        ),
    ),
    Draft(
        "Big spenders who stay away",
        description="A segment of another one; calculated when it is asked for.",
        is_dynamic=False,
        definition=Definition(
            rules=[
                {"in": ["big-spenders", {"var": "segments"}]},
                {">=": [{"var": "days_since_last_purchase"}, 60]},
            ]
        ),
    ),
    Draft("VIP", kind=SegmentKind.MANUAL, key=VIP, description="Chosen by the manager."),
)
