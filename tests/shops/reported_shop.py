"""Ten customers whose groups can be told by hand, by every method: age of the last purchase on 20 April 2024, orders,
spend in cents, channels, categories and storefront."""

from datetime import date, timedelta

from domain.model import NewPurchase
from tests.shops.factories import line, purchase

AS_OF = date(2024, 4, 20)
WEB, APP = ("web",), ("app",)
# Name: age, orders, spend, channels in turn, categories in turn, storefront.
CUSTOMERS: dict[str, tuple[int, int, int, tuple[str | None, ...], tuple[str | None, ...], str]] = {
    "Ada": (2, 9, 90_000, WEB, ("Womens",), "Colombo"),
    "Ben": (20, 7, 40_000, ("app", *WEB * 6), (*("Womens",) * 5, "Kids", "Kids"), "Kandy"),
    "Cy": (40, 5, 30_000, (None,), (*("Womens",) * 3, "Mens", "Mens"), "Kandy"),
    "Dee": (5, 3, 15_000, APP, ("Kids",), "Kandy"),
    "Eli": (60, 3, 15_000, ("app", "app", None), (), "Kandy"),
    "Fay": (10, 2, 8_000, WEB, ("Kids", None), "Kandy"),
    "Gus": (85, 2, 50_000, WEB, ("Mens",), "Colombo"),
    "Hal": (1, 1, 5_000, APP, ("Kids",), "Kandy"),
    "Ida": (50, 1, 5_000, (None,), (None,), "Kandy"),
    "Jo": (80, 1, 2_000, WEB, (), "Colombo"),
}


def orders() -> list[NewPurchase]:
    """Every purchase; those of one customer are of one day, and the first has what does not divide."""
    made = []
    for name, (age, count, spend, channels, categories, storefront) in CUSTOMERS.items():
        day = (AS_OF - timedelta(days=age)).isoformat()
        for number in range(count):
            amount = spend // count + (spend % count if number == 0 else 0)
            lines = (line(categories[number % len(categories)], amount),) if categories else ()
            channel = channels[number % len(channels)]
            made.append(
                purchase(name, f"{name}-{number}", day, amount, storefront_key=storefront, channel=channel, lines=lines)
            )
    return made


def over_purchases(seen: list[str]) -> int:
    """How many of the statements read purchases; the others find the business and keep the report."""
    return sum("FROM purchase" in statement or "JOIN purchase ON" in statement for statement in seen)
