"""What the rows of one order say of its amount. Where rows carry the amount of their whole order it counts once, and
every row stays a line with its category; where nobody has said that they do, it is noticed."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from domain.errors import InvalidInput, Sentence
from domain.imports.rows import StagedColumns
from domain.model import LAST_QUALIFYING
from domain.money import to_decimal

Others = TypeVar("Others")
LOOKED_AT = 20_000
"""Rows that are looked at for a repeated amount."""
MANY = 2
"""Orders of several lines from which on their amounts mean something."""


@dataclass(frozen=True, slots=True)
class StatedAmount:
    """What the rows of an order have said so far: its amount in minor units, and the statuses, as ranks, whose first
    row carries it. All that qualify are one: they are summed."""

    amount: int = 0
    carried: frozenset[int] = frozenset()


class StatedAmounts(Protocol):
    """Remembers what was said of orders, however many there are."""

    def load_stated(self, orders: Sequence[str]) -> Mapping[str, StatedAmount]: ...
    def keep(self, stated: Mapping[str, StatedAmount]) -> None: ...


def place_order_amounts(
    portions: Iterable[StagedColumns], seen: StatedAmounts, decimals: int
) -> Iterator[StagedColumns]:
    """The rows with the order's amount on its first qualifying row and on the first of each other status, which may
    turn out to be the order's, and 0 on the rest; InvalidInput where an order has two amounts."""
    for portion in portions:
        known = dict(seen.load_stated(list(dict.fromkeys(portion.order_id))))
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
                template = (
                    "Line {}: order {} has the amount {}, and on a line before {}; "
                    "with {amount} order it has one. Without it lines carry their own amounts."
                )
                raise InvalidInput(Sentence(template, portion.line[place], order[:60], other, one))
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

    @property
    def is_over(self) -> bool:
        """Whether no more rows are looked at."""
        return self.rows >= LOOKED_AT

    def watch(
        self, portions: Iterable[StagedColumns | Others], warn: Callable[[str], None]
    ) -> Iterator[StagedColumns | Others]:
        """The rows as they are; `warn` is told at the end of those looked at where they look repeated. What comes
        after them may be in another form."""
        order, amounts, lines = "", set[int](), 0
        distinct: set[int] = set()
        warned = False
        for portion in portions:
            if not self.is_over and isinstance(portion, StagedColumns):
                self.rows += len(portion.line)
                for key, amount in zip(portion.order_id, portion.amount, strict=True):
                    if key != order:
                        self._count(amounts, lines, distinct)
                        order, amounts, lines = key, set(), 0
                    amounts.add(amount)
                    lines += 1
            elif not warned:
                warned = True
                self._warn_repeated(distinct, warn)
            yield portion
        if not warned:
            self._count(amounts, lines, distinct)
            self._warn_repeated(distinct, warn)

    def _count(self, amounts: set[int], lines: int, distinct: set[int]) -> None:
        if lines > 1:
            self.several += 1
            self.same += len(amounts) == 1
            if len(distinct) < MANY:
                distinct |= amounts

    def _warn_repeated(self, distinct: set[int], warn: Callable[[str], None]) -> None:
        # Prices that are all alike say nothing: every line then costs the same anyway.
        if self.several >= MANY and self.same * 20 >= self.several * 19 and len(distinct) > 1:
            template = (
                "In {:,} of {:,} orders with several lines every line carries the same amount. If it is the order's, "
                "import again with {amount} order; {amount} line says that it is the line's."
            )
            warn(Sentence(template, self.same, self.several))
