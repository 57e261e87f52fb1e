"""What is kept of a file while it is looked through: its first rows, every so-many-th of the others, and counts.
Nothing grows with the file: rows, words and ids that are kept are bounded, and a bound that was reached is told."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import compress

from domain.errors import Names, name_fields
from domain.identifiers import PLACEHOLDERS
from domain.imports.inspection.likeness import is_likely_status, is_totals_row
from domain.imports.rejects import describe_kind
from domain.imports.rows import Batch, RejectedRow, StagedColumns
from domain.model import LAST_QUALIFYING, STATUS_ORDER
from domain.money import to_decimal

FIRST, MOST = 1000, 5000
"""Rows that are kept: so many from the beginning, and so many in all."""
MERGED = "merged cells"
"""In what is said of a row that has them."""
MOST_WORDS = 200
MOST_IDS = 1_000_000
MOST_REASONS = 50
SHOWN_VALUES, LONGEST_VALUE = 3, 40


@dataclass(frozen=True, slots=True)
class Sample:
    """What was kept of a file: rows with their lines, the first `first` of which stand together; `count` of its rows,
    `words` with their counts of columns whose names say a status, `totals` the lines of rows of totals, `merged` the
    number of rows with merged cells."""

    header: Sequence[str]
    lines: Sequence[int]
    rows: Sequence[Sequence[str]]
    first: int
    count: int
    words: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    totals: Sequence[int] = ()
    merged: int = 0

    def get_values(self, place: int) -> list[str]:
        """The values of a column."""
        return [cells[place].strip() for cells in self.rows]

    def show_values(self, place: int) -> tuple[str, ...]:
        """Some different ones, for people."""
        different = dict.fromkeys(filter(None, self.get_values(place)))
        return tuple(text[:LONGEST_VALUE] for text in list(different)[:SHOWN_VALUES])


def take_sample(header: Sequence[str], batches: Iterable[Batch]) -> Sample:
    """Look through all rows once. Those of another width than the header are counted, and not kept."""
    counted = {place: Counter[str]() for place, name in enumerate(header) if is_likely_status(name)}
    first: list[tuple[int, Sequence[str]]] = []
    others: list[tuple[int, Sequence[str]]] = []
    totals: list[int] = []
    width, count, step, merged = len(header), 0, 1, 0
    for batch in batches:
        merged += sum(1 for fault in batch.faults.values() if MERGED in fault)
        for line, cells in zip(batch.lines, batch.rows, strict=True):
            if not cells:
                continue
            count += 1
            if len(totals) < SHOWN_VALUES and is_totals_row(cells):
                totals.append(line)
            if len(cells) != width:
                continue
            for place, words in counted.items():
                word = cells[place].strip()
                if word in words or len(words) < MOST_WORDS:
                    words[word] += 1
            if len(first) < FIRST:
                first.append((line, cells))
            elif count % step == 0:
                others.append((line, cells))
                if len(others) > MOST - FIRST:
                    # Every second of them: each stands for twice as many rows then.
                    others, step = others[1::2], 2 * step
    kept = [*first, *others]
    lines, rows = [line for line, _ in kept], [cells for _, cells in kept]
    return Sample(tuple(header), lines, rows, len(first), count, counted, totals, merged)


@dataclass(slots=True)
class Kind:
    """Rows that are refused for one reason: how many, the line of the first and what is said of it."""

    count: int
    line: int
    reason: str


@dataclass(slots=True)
class Tally:
    """What an import would take, counted row by row: money in minor units of rows that qualify, ids up to MOST_IDS.
    `warnings` is what the import would say besides."""

    names: Names = str
    accepted: int = 0
    rejected: int = 0
    money: int = 0
    negative: int = 0
    future: int = 0
    days: tuple[int, int] | None = None
    kinds: dict[str, Kind] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    customers: set[int] = field(default_factory=set)
    orders: set[int] = field(default_factory=set)
    refunds: dict[int, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def add_rows(self, rows: StagedColumns, now: int) -> None:
        """Rows that are accepted; `now` in microseconds."""
        self.accepted += len(rows.line)
        self.statuses.update(rows.status)
        self.money += sum(
            amount for amount, status in zip(rows.amount, rows.status, strict=True) if status <= LAST_QUALIFYING
        )
        self.future += sum(1 for at in rows.at if at > now)
        first, last = self.days or (rows.day[0], rows.day[0])
        self.days = min(first, *rows.day), max(last, *rows.day)
        below = min(rows.amount) < 0
        for kept, ids in ((self.customers, rows.customer), (self.orders, rows.order_id)):
            if len(kept) < MOST_IDS:
                kept.update(map(hash, compress(ids, map((-1).__lt__, rows.amount)) if below else ids))
        if below:
            self._add_refunds(rows)

    def _add_refunds(self, rows: StagedColumns) -> None:
        for order, amount, status in zip(rows.order_id, rows.amount, rows.status, strict=True):
            if amount < 0:
                self.negative += 1
                # Whatever their status, they lower the amount of their order, if it has one.
                self.money -= amount if status <= LAST_QUALIFYING else 0
                if len(self.refunds) < MOST_IDS:
                    self.refunds[hash(order)] = self.refunds.get(hash(order), 0) + amount

    def finish(self) -> None:
        """When all rows were added: refunds are taken off the orders that they are of; those of none stay `refunds`."""
        for order in self.orders & self.refunds.keys():
            self.money += self.refunds.pop(order)

    def add_reject(self, row: RejectedRow) -> None:
        """A row that is refused."""
        self.rejected += 1
        reason = name_fields(row.reason, self.names)
        kind = describe_kind(reason)
        if kind in self.kinds:
            self.kinds[kind].count += 1
        elif len(self.kinds) < MOST_REASONS:
            self.kinds[kind] = Kind(1, row.line, reason)

    def to_document(self, decimals: int) -> dict[str, object]:
        """The same as plain values."""
        first, last = (date.fromordinal(day).isoformat() for day in self.days) if self.days else (None, None)
        return {
            "rows_accepted": self.accepted,
            "rows_rejected": self.rejected,
            "customers": len(self.customers),
            "orders": len(self.orders),
            "is_lower_bound": len(self.customers) >= MOST_IDS or len(self.orders) >= MOST_IDS,
            "amount": str(to_decimal(self.money, decimals)),
            "first_day": first,
            "last_day": last,
            "future_rows": self.future,
            "negative_rows": self.negative,
            "refunds_not_attributed": {
                "orders": len(self.refunds),
                "amount": str(to_decimal(sum(self.refunds.values()), decimals)),
            },
            "statuses": {STATUS_ORDER[rank].value: count for rank, count in sorted(self.statuses.items())},
            "rejects": [
                {"reason": kind, "rows": one.count, "first_line": one.line} for kind, one in self.kinds.items()
            ],
        }


def is_absent(text: str) -> bool:
    """Whether a cell says no id."""
    return not text.strip() or text.strip().casefold() in PLACEHOLDERS
