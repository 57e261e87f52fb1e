"""The files that are measured: purchases as a shop exports them, the same bytes on every machine.

Written once into a folder that is not committed. Every customer buys at least once, a tenth of them buy most, and the
rows come in the order of time over 730 days that end at a fixed date.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "bench-data"
AS_OF = date(2025, 12, 31)
DAYS = 730
ROWS = 1_000_000
ROWS_PER_CUSTOMER = 10
SEED = 20251231
HEADER = "customer_id,order_id,timestamp,amount,category,storefront,channel,status\n"
CATEGORIES = ("Womens", "Mens", "Kids", "Shoes", "Bags", "Home", "Beauty", "Sport", "Books", "Toys", "Garden", "Food")
STOREFRONTS = tuple(f"Store {number:02}" for number in range(1, 21))
CHANNELS = ("web", "app", "store", "phone")
STATUSES = ("completed",) * 93 + ("partial",) * 2 + ("pending",) + ("cancelled",) * 2 + ("refunded",) + ("",)


@dataclass(frozen=True, slots=True)
class PurchaseFile:
    """A purchases file by its rows and how many of them make one order."""

    name: str
    rows: int
    rows_per_order: int

    @property
    def orders(self) -> int:
        """How many orders the file holds."""
        return self.rows // self.rows_per_order

    @property
    def customers(self) -> int:
        """How many customers the file holds."""
        return max(1, self.rows // ROWS_PER_CUSTOMER)

    @property
    def form(self) -> str:
        """How the rows make orders, in words."""
        return "one row an order" if self.rows_per_order == 1 else f"{self.rows_per_order} rows an order"

    @property
    def path(self) -> Path:
        """Where the file lies once it is written."""
        return FOLDER / f"{self.name}-{self.rows}.csv"


def one_row_an_order(rows: int) -> PurchaseFile:
    """Each row is an order of its own."""
    return PurchaseFile("one", rows, 1)


def ten_rows_an_order(rows: int) -> PurchaseFile:
    """Ten rows, one under the other, are the lines of one order."""
    return PurchaseFile("ten", rows, 10)


def lines(file: PurchaseFile) -> Iterator[str]:
    """The rows of the file. Only `random()` is drawn: its sequence is the same in every Python."""
    draw = random.Random(SEED).random
    start = datetime.combine(AS_OF, datetime.min.time()) - timedelta(days=DAYS - 1)
    # A minute short of the whole stretch, so that the last order lies inside the last day.
    stretch = DAYS * 86_400 - 60
    every = max(1, file.orders // file.customers)
    for order in range(file.orders):
        turn, rest = divmod(order, every)
        customer = turn if rest == 0 and turn < file.customers else int(file.customers * draw() ** 3)
        at = (start + timedelta(seconds=stretch * order // file.orders)).isoformat()
        status = STATUSES[int(draw() * len(STATUSES))]
        storefront = STOREFRONTS[int(draw() ** 2 * len(STOREFRONTS))]
        channel = CHANNELS[int(draw() * len(CHANNELS))]
        for _ in range(file.rows_per_order):
            cents = 199 + int(40_000 * draw() ** 3)
            category = CATEGORIES[int(draw() ** 2 * len(CATEGORIES))]
            yield (
                f"C{customer:06},O{order:08},{at}Z,{cents // 100}.{cents % 100:02},"
                f"{category},{storefront},{channel},{status}\n"
            )


def write_file(file: PurchaseFile) -> Path:
    """The path of the file, which is written first where it is not there; a broken-off attempt leaves none."""
    if not file.path.exists():
        FOLDER.mkdir(exist_ok=True)
        unfinished = file.path.with_suffix(".unfinished")
        with unfinished.open("w", encoding="utf-8", newline="") as out:
            out.write(HEADER)
            out.writelines(lines(file))
        unfinished.replace(file.path)
    return file.path


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured: purchases of the stores of reports and of growth, rows of the files, customers of stores of
    segments, rounds that two sides take turns, seconds of a burst of requests, followers of one run."""

    purchases: tuple[int, ...]
    rows: int
    customers: int
    rounds: int
    burst: float
    followers: int


SIZES = {
    "tiny": Sizes((2_000,), 2_000, 2_000, 1, 0.2, 10),
    "small": Sizes((100_000,), 100_000, 10_000, 3, 0.5, 100),
    "medium": Sizes((100_000, 1_000_000), 1_000_000, 100_000, 5, 2.0, 900),
    "full": Sizes((100_000, 1_000_000, 10_000_000), 1_000_000, 1_000_000, 5, 3.0, 900),
}
