"""Consecutive rows of one order put together. Most orders of a file stand in one piece; those that do not are several
fragments, which the store joins, and lines are kept apart only where a fragment has more than one row. Where rows
carry the amount of their whole order it counts once, and every row stays a line with its category."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress, repeat
from operator import ne
from typing import NamedTuple, Protocol

from domain.errors import InvalidInput, Sentence
from domain.imports.rows import StagedColumns
from domain.model import LAST_QUALIFYING
from domain.money import LARGEST, to_decimal

HELD_BACK = 10_000
"""Rows of one order that wait for its next ones; a longer order is several fragments."""
POSITIVE, ZERO, NEGATIVE = 1, 0, -1


class Fragment(NamedTuple):
    """Rows of one order and one customer that stand together. `last` is the line of its last row where it has lines
    of its own, None where its only row is its line; `amount` is the sum of the qualifying rows and of those below zero,
    which are refunds whatever their status, or where none qualifies of those of its own status; `sign` is POSITIVE
    where a row is, NEGATIVE for a single row below zero. What only lines say is there where its only row is its line;
    `attributes` are those of its first row that states any."""

    line: int
    last: int | None
    order_id: str
    customer: str
    at: int
    day: int
    status: int
    amount: int
    row_count: int
    sign: int
    category: str | None
    storefront: str | None
    channel: str | None
    product: str | None
    sku: str | None
    quantity: int | None
    attributes: str | None


class FragmentLine(NamedTuple):
    """A row of a fragment: its line number, its place among the fragment's rows from 1."""

    line: int
    position: int
    category: str | None
    amount: int
    status: int
    product: str | None
    sku: str | None
    quantity: int | None


class Fragments(NamedTuple):
    """A portion of a file: fragments and the lines of those that have several; `repeated` of its rows are equal in
    everything that a line says to an earlier one of their fragment. Only a `rich` one has the fields of goods and
    attributes, with which fragments and lines end: most files say nothing of them."""

    orders: list[tuple[object, ...]]
    lines: list[tuple[object, ...]]
    rows: int
    repeated: int
    rich: bool


def put_together(portions: Iterable[StagedColumns]) -> Iterator[Fragments]:
    """Fragments (as Fragment) and lines (as FragmentLine) of the rows, in their order."""
    held: StagedColumns | None = None
    for portion in portions:
        joined = portion if held is None else _join_columns(held, portion)
        held = None
        starts = _find_starts(joined)
        size = len(joined.line)
        if size - starts[-1] <= HELD_BACK:
            # The last order may go on in the next portion.
            held = StagedColumns._make(column[starts[-1] :] for column in joined)
            joined = StagedColumns._make(column[: starts[-1]] for column in joined)
            ends = starts[1:]
            starts.pop()
        else:
            ends = [*starts[1:], size]
        if starts:
            yield _build_fragments(joined, starts, ends)
    if held is not None:
        yield _build_fragments(held, [0], [len(held.line)])


def _join_columns(first: StagedColumns, second: StagedColumns) -> StagedColumns:
    return StagedColumns._make([*one, *other] for one, other in zip(first, second, strict=True))


def _find_starts(rows: StagedColumns) -> list[int]:
    """Where an order or its customer begins to differ from the row before."""
    changes = map(ne, rows.order_id[1:], rows.order_id)
    places = list(compress(range(1, len(rows.line)), changes))
    if len(places) + 1 < len(rows.line):
        others = compress(range(1, len(rows.line)), map(ne, rows.customer[1:], rows.customer))
        places = sorted({*places, *others})
    return [0, *places]


def _build_fragments(rows: StagedColumns, starts: Sequence[int], ends: Sequence[int]) -> Fragments:
    line, order_id, customer, at, day, status, amount, category, storefront, channel, *more = rows
    product, sku, quantity, attributes = more
    size = len(line)
    rich = any(column.count(None) < size for column in more)
    if len(starts) == size and min(amount) > 0:
        none, one = repeat(None), repeat(1)
        plain = (line, none, order_id, customer, at, day, status, amount, one, one, category, storefront, channel)
        columns: tuple[Iterable[object], ...] = (*plain, *more) if rich else plain
        return Fragments(list(zip(*columns)), [], size, 0, rich)  # noqa: B905 (the repeats have no end)
    orders: list[tuple[object, ...]] = []
    lines: list[tuple[object, ...]] = []
    rest: list[tuple[object, ...]] = []
    goods = (product, sku, quantity) if rich else ()
    repeated = 0

    def single(place: int) -> None:
        money = amount[place]
        orders.append(
            (
                line[place],
                None,
                order_id[place],
                customer[place],
                at[place],
                day[place],
                status[place],
                money,
                1,
                (money > 0) - (money < 0),
                category[place],
                storefront[place],
                channel[place],
            )
        )
        if rich:
            rest.append((product[place], sku[place], quantity[place], attributes[place]))

    for start, end in zip(starts, ends, strict=True):
        count = end - start
        if count == 1:
            single(start)
            continue
        amounts, statuses = amount[start:end], status[start:end]
        most, least, best = max(amounts), min(amounts), min(statuses)
        if least < 0 and (most <= 0 or best > LAST_QUALIFYING):
            # Whether these rows may stay, or are refunds, depends on the order's others: each is looked at by itself.
            for place in range(start, end):
                single(place)
            continue
        if len(set(amounts)) < count:
            kinds = (column[start:end] for column in (category, amount, status, *goods))
            repeated += count - len(set(zip(*kinds, strict=True)))
        if max(statuses) > max(best, LAST_QUALIFYING):
            own = max(best, LAST_QUALIFYING)
            # Rows below zero are here only beside one that qualifies.
            total = sum(money for money, rank in zip(amounts, statuses, strict=True) if rank <= own or money < 0)
        else:
            total = sum(amounts)
        if abs(total) > LARGEST:
            raise InvalidInput(f"The amounts add up to more than {LARGEST} minor units, which is the most.")
        orders.append(
            (
                line[start],
                line[end - 1],
                order_id[start],
                customer[start],
                min(at[start:end]),
                min(day[start:end]),
                best,
                total,
                count,
                POSITIVE if most > 0 else ZERO,
                None,
                storefront[start],
                channel[start],
            )
        )
        if rich:
            rest.append((None, None, None, next(filter(None, attributes[start:end]), None)))
        said = tuple(column[start:end] for column in goods)
        places = range(1, count + 1)
        lines.extend(zip(line[start:end], places, category[start:end], amounts, statuses, *said, strict=True))
    if rich:
        orders = [(*order, *more_of_it) for order, more_of_it in zip(orders, rest, strict=True)]
    return Fragments(orders, lines, size, repeated, rich)


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

    def watch(self, portions: Iterable[StagedColumns], warn: Callable[[str], None]) -> Iterator[StagedColumns]:
        """The rows as they are; `warn` is told at the end of those looked at where they look repeated."""
        order, amounts, lines = "", set[int](), 0
        distinct: set[int] = set()
        warned = False
        for portion in portions:
            if self.rows < LOOKED_AT:
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
