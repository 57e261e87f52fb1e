"""A shop made up from a seed: three years of purchases that end now. Its trade is steady: as many customers come as
leave, and only the festive periods stand out. Two stories happened in it of late: regulars fell silent, and half of
them came back when they were written to; customers ordered by telephone until they had the app. Whatever is drawn of a
customer is drawn from the customer's number, so that C00001 is the same person on every day.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from random import Random

from domain.calendar import load_zone, to_local_date
from domain.demo.people import HOME, make_person
from domain.model import QUALIFYING, NewCustomer, NewPurchase, PurchaseLine, PurchaseStatus
from domain.money import MILLIONTHS

KEY = "demo"
NAME = "Ceylon Threads"
CURRENCY = "LKR"
TIME_ZONE = "Asia/Colombo"
SEED = 20
DAYS = 3 * 365

ONLINE = "online"
STOREFRONTS = {
    "colombo": "Colombo, Galle Road",
    "kandy": "Kandy, Temple Street",
    "galle": "Galle Fort",
    ONLINE: "Online shop",
}
"""The names of the storefronts by their keys."""
SHOPS = tuple(key for key in STOREFRONTS if key != ONLINE)
UNRECORDED = "galle"
"""The shop whose till does not say by what channel it sold."""
CHANNELS = ("store", "web", "app", "phone")
ARTICLES = {
    "Womens": (("Cotton camisole", 1_350), ("Batik blouse", 4_200), ("Linen dress", 8_900), ("Handloom saree", 16_500)),
    "Mens": (("Cotton socks", 650), ("Striped sarong", 2_900), ("Linen shirt", 5_800), ("Nehru jacket", 12_500)),
    "Kids": (("Baby bib", 450), ("School shorts", 1_450), ("Pyjamas", 1_950), ("Party frock", 4_800)),
    "Home": (("Tea towel", 550), ("Cushion cover", 1_450), ("Tablecloth", 4_600), ("Bed linen set", 12_800)),
    "Beauty": (("Sandalwood soap", 390), ("Cinnamon balm", 620), ("Coconut hair oil", 1_150), ("Spa gift box", 6_900)),
    "Accessories": (("Handkerchief", 350), ("Palm-leaf bag", 2_200), ("Leather belt", 3_400), ("Silk scarf", 5_900)),
}
"""Of each category what is sold in it, from the cheapest to the dearest, with its price in rupees."""
CATEGORIES = tuple(ARTICLES)
GIFT_CARD = ("Gift card", 2_500)
"""Sold everywhere, and of no category."""
LEVELS = (("PLATINUM", 500_000), ("GOLD", 250_000), ("SILVER", 100_000), ("BRONZE", 20_000))
"""The loyalty levels, each with the rupees that are to be spent for it."""
ENDINGS = {
    PurchaseStatus.COMPLETED: 91,
    PurchaseStatus.PARTIAL: 3,
    PurchaseStatus.REFUNDED: 3,
    PurchaseStatus.CANCELLED: 3,
}
OPEN_DAYS = 10
"""For so many days an order may be pending."""
RUSH = 1.8
"""How many times as much is bought on a festive day as on another."""

CAMPAIGN = 28
"""How many days ago those who had fallen silent were written to."""
SILENT = (90, 108)
"""How many days ago they had bought last."""
VOUCHER = "WELCOME-BACK"


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind of customer buys: how many of them there were, after how many days each buys again, for how many days
    each stays (None: since before the three years, and still), and what: the weights of the four articles of a
    category, how many of each at most, and how many lines an order has at most."""

    number: int
    every: float = 0
    stays: float | None = 0
    taste: tuple[int, int, int, int] = (3, 4, 4, 1)
    quantity: int = 1
    lines: int = 4


THRIFTY, AMPLE = (8, 3, 0, 0), (0, 2, 4, 3)
DEVOTED, SILENT_REGULARS, CALLERS, FESTIVE, ABSENT = "devoted", "silent regulars", "callers", "festive", "absent"
KINDS = {
    DEVOTED: Kind(25, 12, None, AMPLE, quantity=2),
    SILENT_REGULARS: Kind(50, 34, None, AMPLE),
    CALLERS: Kind(60, 25, None),
    "trade": Kind(280, 6, 56, AMPLE, quantity=2),
    "regular": Kind(200, 20, 130),
    "occasional": Kind(290, 50, 300),
    "thrifty": Kind(640, 6, 32, THRIFTY, lines=2),
    "twice": Kind(600, 14, 20, lines=2),
    "once": Kind(310, lines=3),
    FESTIVE: Kind(90, 25, None),
    ABSENT: Kind(40),
}


@dataclass(frozen=True, slots=True)
class DemoShop:
    """The customers in the order in which they came, and the purchases by their instants, in minor units."""

    customers: list[NewCustomer]
    purchases: list[NewPurchase]


def make_demo_shop(now: datetime) -> DemoShop:
    """The shop as of an instant."""
    customers: list[NewCustomer] = []
    purchases: list[NewPurchase] = []
    number = 0
    for name, kind in KINDS.items():
        slots = _list_slots(to_local_date(now, load_zone(TIME_ZONE)), DAYS + round((kind.stays or 0) * 1.5))
        for place in range(kind.number):
            number += 1
            buyer = _Buyer(name, number, slots, now)
            ages = list(buyer.draw_ages((place + buyer.random.random()) / kind.number))
            bought = [one for one in buyer.draw_purchases(ages) if one.purchased_at <= now]
            if bought or name == ABSENT:
                customers.append(buyer.describe(bought))
                purchases += bought
    customers.sort(key=lambda one: (one.registered_at or now, one.external_id))
    return DemoShop(customers, sorted(purchases, key=lambda one: (one.purchased_at, one.external_id)))


def list_customers(kind: str) -> list[str]:
    """The ids of all customers of the kind."""
    first = 1 + sum(KINDS[name].number for name in list(KINDS)[: list(KINDS).index(kind)])
    return [_name_customer(number) for number in range(first, first + KINDS[kind].number)]


def _name_customer(number: int) -> str:
    return f"C{number:05d}"


def _list_slots(today: date, oldest: int) -> list[int]:
    """Days ago, the oldest first, each as often as there is trade on it, so that whoever goes from slot to slot in even
    steps buys more on festive days."""
    return [
        age
        for age in range(oldest, -1, -1)
        for _ in range(round(SLOTS * (RUSH if is_festive(today - timedelta(days=age)) else 1)))
    ]


SLOTS = 4
"""Of an ordinary day."""


def is_festive(day: date) -> bool:
    """Whether the day lies in December or in the first twenty days of April."""
    return day.month == 12 or (day.month == 4 and day.day <= 20)


class _Buyer:
    """One customer, while the shop is made."""

    def __init__(self, kind: str, number: int, slots: Sequence[int], now: datetime) -> None:
        self.random = random = Random(SEED * 1_000_003 + number)
        self.name, self.kind = kind, KINDS[kind]
        self.external_id = _name_customer(number)
        self.slots = slots
        self.now = now
        self.today = to_local_date(now, load_zone(TIME_ZONE))
        self.person = make_person(random, number)
        self.favourite, self.second = random.sample(CATEGORIES, 2)
        self.focus = random.random()
        self.home = random.choice(SHOPS) if self.person.country == HOME and random.random() < 0.65 else ONLINE
        self.channel = random.choice(("web", "app"))
        self.strays = random.random() < 0.35
        self.switched = random.randint(8, 110)

    def draw_ages(self, share: float) -> Iterator[int]:
        """How many days ago each purchase was, the oldest first. `share` is when of its kind this one came: 0 is the
        first, 1 the last."""
        random, kind, slots = self.random, self.kind, self.slots
        if self.name == ABSENT:
            return
        place = random.random() * kind.every * SLOTS if kind.stays is None else share * len(slots)
        end = len(slots) if kind.stays is None else place + kind.stays * random.uniform(0.5, 1.5) * SLOTS
        last, pause = (random.randint(*SILENT), 50) if self.name == SILENT_REGULARS else (0, 0)
        while place < len(slots) and (age := slots[int(place)]) >= last + pause:
            if age < DAYS and (self.name != FESTIVE or is_festive(self.today - timedelta(days=age))):
                yield age
            place += kind.every * random.uniform(0.4, 1.6) * SLOTS
            if place >= end:
                break
        if self.name == SILENT_REGULARS:
            yield last + random.randint(4, 16)
            yield last
            if random.random() < 0.6:
                # Most of those who come back do so in the first days.
                back = CAMPAIGN - 1 - int((CAMPAIGN - 4) * random.random() ** 2)
                yield from (back, *sorted((random.randint(0, back) for _ in range(random.randint(0, 2))), reverse=True))
        if self.name == FESTIVE and random.random() < 0.3:
            yield random.randint(3, 80)

    def draw_purchases(self, ages: Sequence[int]) -> Iterator[NewPurchase]:
        """The purchases of those days."""
        for place, age in enumerate(sorted(ages, reverse=True), 1):
            storefront, channel = self._draw_way(age)
            status = self._draw_status(age)
            lines = tuple(self._draw_line(status) for _ in range(self.random.randint(1, self.kind.lines)))
            if status is PurchaseStatus.PARTIAL:
                lines = _refund_one(lines)
            yield NewPurchase(
                self.external_id,
                f"{self.external_id}-{place:03d}",
                self._draw_instant(age),
                sum(line.amount for line in lines),
                status,
                storefront,
                channel,
                lines,
                self._describe_purchase(age, lines),
            )

    def _draw_way(self, age: int) -> tuple[str, str | None]:
        """Storefront and channel."""
        if self.name == CALLERS:
            return ("colombo", "phone") if age > self.switched else (ONLINE, "app")
        home, channel = self.home, self.channel
        if self.strays and self.random.random() < 0.4:
            home, channel = ONLINE, "app" if self.channel == "web" else "web"
        if home == ONLINE:
            return home, channel
        return home, None if home == UNRECORDED else "store"

    def _draw_status(self, age: int) -> PurchaseStatus:
        if age < OPEN_DAYS and self.random.random() < 0.1:
            return PurchaseStatus.PENDING
        return self.random.choices(list(ENDINGS), list(ENDINGS.values()))[0]

    def _draw_line(self, status: PurchaseStatus) -> PurchaseLine:
        random, kind = self.random, self.kind
        quantity = random.randint(1, kind.quantity)
        if self.focus < 0.5:
            category = self.favourite if random.random() < 0.9 else random.choice(CATEGORIES)
        elif self.focus < 0.7:
            category = random.choice((self.favourite, self.second))
        elif random.random() < 0.04:
            name, price = GIFT_CARD
            return PurchaseLine(None, quantity * price * 100, status, name, "GIFT", quantity * 10**MILLIONTHS)
        else:
            category = random.choice(CATEGORIES)
        place = random.choices(range(4), kind.taste)[0]
        name, price = ARTICLES[category][place]
        sku = f"{category[:3].upper()}-{place + 1}"
        return PurchaseLine(category, quantity * price * 100, status, name, sku, quantity * 10**MILLIONTHS)

    def _describe_purchase(self, age: int, lines: Sequence[PurchaseLine]) -> dict[str, object]:
        if self.name == SILENT_REGULARS and age < CAMPAIGN:
            return {"voucher": VOUCHER}
        return {"gift": True} if len(lines) > 2 and is_festive(self.today - timedelta(days=age)) else {}

    def _draw_instant(self, age: int) -> datetime:
        """Within opening hours of that day."""
        second = self.random.randrange(9 * 3600, 20 * 3600)
        day = datetime.combine(self.today - timedelta(days=age), time(0), load_zone(TIME_ZONE))
        return (day + timedelta(seconds=second)).astimezone(UTC)

    def describe(self, bought: Sequence[NewPurchase]) -> NewCustomer:
        """The customer as the shop knows it after these purchases."""
        random, person = self.random, self.person
        first = bought[0].purchased_at if bought else self.now - timedelta(days=random.randrange(5, DAYS))
        # Who was there from the beginning had registered before; of the others half do so when they buy.
        before = random.uniform(0, 700) if self.kind.stays is None and bought else random.choice((0, 0, 1, 5, 12))
        spent = sum(one.amount for one in bought if one.status in QUALIFYING) // 100
        level = next((name for name, least in LEVELS if spent >= least), None)
        return NewCustomer(
            self.external_id,
            person.name,
            person.email,
            level if random.random() < 0.7 else None,
            first - timedelta(days=before),
            phone=person.phone,
            country=person.country,
            city=person.city,
            attributes={"newsletter": random.random() < 0.6},
        )


def _refund_one(lines: tuple[PurchaseLine, ...]) -> tuple[PurchaseLine, ...]:
    """The lines, and that the last of several was given back."""
    if len(lines) == 1:
        return lines
    return (*lines, replace(lines[-1], amount=-lines[-1].amount, status=PurchaseStatus.REFUNDED))
