"""What the server must hold in the end, told without it: every write that was acknowledged, and the numbers that follow
from them by plain arithmetic."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from random import Random

from domain.model import QUALIFYING

STATUSES = ("COMPLETED", "COMPLETED", "COMPLETED", "PARTIAL", "PENDING", "CANCELLED", "REFUNDED")
CUSTOMERS = 2_000
DYNAMIC_OVER = Decimal(900)
STATIC_FROM = 4


@dataclass(frozen=True, slots=True)
class Order:
    """An order as it was stated last."""

    external_id: str
    customer: str
    at: datetime
    amount: Decimal
    status: str

    @property
    def qualifies(self) -> bool:
        return self.status in QUALIFYING


def make_order(random: Random, external_id: str, at: datetime) -> Order:
    """An order of one of the customers, each of whom is as likely as any other."""
    amount = Decimal(random.randrange(100, 60_000)) / 100
    return Order(external_id, f"C{random.randrange(CUSTOMERS):04d}", at, amount, random.choice(STATUSES))


@dataclass(slots=True)
class Ledger:
    """Every order that the server said it has, and every member that it said was put in by hand."""

    orders: dict[str, Order] = field(default_factory=dict)
    customers: set[str] = field(default_factory=set)
    by_hand: set[str] = field(default_factory=set)
    snapshots: list[str] = field(default_factory=list)
    written: int = 0

    def state(self, orders: list[Order]) -> None:
        """They were recorded or imported."""
        self.orders.update((order.external_id, order) for order in orders)
        # Whoever ordered once stays a customer when the order goes.
        self.customers.update(order.customer for order in orders)
        self.written += len(orders)

    def delete(self, external_ids: list[str]) -> None:
        for one in external_ids:
            self.orders.pop(one, None)

    def sum_up(self) -> dict[str, tuple[int, Decimal]]:
        """Qualifying orders and their sum by customer."""
        found: dict[str, tuple[int, Decimal]] = defaultdict(lambda: (0, Decimal(0)))
        for customer in self.customers:
            found[customer] = (0, Decimal(0))
        for order in self.orders.values():
            if order.qualifies:
                count, total = found[order.customer]
                found[order.customer] = (count + 1, total + order.amount)
        return dict(found)
