"""Rows that carry the amount of their whole order: it counts once, and every row stays a line with its category. And
the sign that a file is of this kind without anybody having said so."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.errors import InvalidInput
from domain.import_rows import LAST_QUALIFYING, StagedColumns
from domain.money import to_decimal

LOOKED_AT = 20_000
"""Rows that are looked at for a repeated amount."""
MANY = 10
"""Orders of several lines from which on their amounts mean something."""


@dataclass(frozen=True, slots=True)
class StatedAmount:
    """What the rows of an order have said so far: its amount in minor units, and the statuses, as ranks, whose first
    row carries it. All that qualify are one: they are summed."""

    amount: int = 0
    carried: frozenset[int] = frozenset()


class StatedAmounts(Protocol):
    """Remembers what was said of orders, however many there are."""

    def known(self, orders: Sequence[str]) -> Mapping[str, StatedAmount]: ...
    def keep(self, stated: Mapping[str, StatedAmount]) -> None: ...


def once_an_order(portions: Iterable[StagedColumns], seen: StatedAmounts, decimals: int) -> Iterator[StagedColumns]:
    """The rows with the order's amount on its first qualifying row and on the first of each other status, which may
    turn out to be the order's, and 0 on the rest; InvalidInput where an order has two amounts."""
    for portion in portions:
        known = dict(seen.known(list(dict.fromkeys(portion.order_id))))
        amounts = list(portion.amount)
        changed: dict[str, StatedAmount] = {}
        for place, (order, amount, status) in enumerate(
            zip(portion.order_id, portion.amount, portion.status, strict=True)
        ):
            # An absent amount was carried down, 0 says nothing, and money given back stands for itself.
            if amount <= 0:
                continue
            stated = known.get(order, StatedAmount())
            if stated.amount not in (0, amount):
                one, other = (to_decimal(minor, decimals) for minor in (stated.amount, amount))
                raise InvalidInput(
                    f"Line {portion.line[place]}: order {order[:60]} has the amount {other}, and on a line before "
                    f"{one}; with --amount order it has one. Without it lines carry their own amounts."
                )
            kind = max(status, LAST_QUALIFYING)
            if kind in stated.carried:
                amounts[place] = 0
            known[order] = changed[order] = StatedAmount(amount, stated.carried | {kind})
        seen.keep(changed)
        yield portion._replace(amount=amounts)


@dataclass(slots=True)
class RepeatedAmounts:
    """Counts, among the first rows, orders of several lines and those of them whose every line has one amount."""

    several: int = 0
    same: int = 0
    rows: int = 0

    def watch(self, portions: Iterable[StagedColumns], found: Callable[[str], None]) -> Iterator[StagedColumns]:
        """The rows as they are; `found` is told at the end of those looked at where they look repeated."""
        order, amounts, lines = "", set[int](), 0
        distinct: set[int] = set()
        told = False
        for portion in portions:
            if self.rows < LOOKED_AT:
                self.rows += len(portion.line)
                for key, amount in zip(portion.order_id, portion.amount, strict=True):
                    if key != order:
                        self._count(amounts, lines, distinct)
                        order, amounts, lines = key, set(), 0
                    amounts.add(amount)
                    lines += 1
            elif not told:
                told = True
                self._say(distinct, found)
            yield portion
        if not told:
            self._count(amounts, lines, distinct)
            self._say(distinct, found)

    def _count(self, amounts: set[int], lines: int, distinct: set[int]) -> None:
        if lines > 1:
            self.several += 1
            self.same += len(amounts) == 1
            if len(distinct) < MANY:
                distinct |= amounts

    def _say(self, distinct: set[int], found: Callable[[str], None]) -> None:
        # Prices that are all alike say nothing: every line then costs the same anyway.
        if self.several >= MANY and self.same * 20 >= self.several * 19 and len(distinct) > 1:
            found(
                f"In {self.same:,} of {self.several:,} orders with several lines every line carries the same amount. "
                "If it is the order's, import again with --amount order; --amount line says that it is the line's."
            )
