"""The segmentation report as a value: groups with exact sums, of any method. The groups of a dimension, with
Unclassified, always add up to the whole."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property

from domain.calendar import Span
from domain.classification.groups import (
    DIMENSIONS,
    FIXED,
    VALUES,
    Cell,
    GroupKind,
    LabelSums,
    Method,
    find_behavior_group,
    find_value_group,
)
from domain.classification.rfm import UNCLASSIFIED, RfmScheme, Score, find_group, list_scheme_groups
from domain.errors import InvalidInput, Sentence
from domain.model import Window
from domain.money import compute_mean, to_decimal

SCORES = tuple(Score(r, f, m) for r in range(1, 6) for f in range(1, 6) for m in range(1, 6))
LISTED = 100
"""Names that an error lists at most."""
METHOD_DIMENSIONS = {Method.RFM: ("rfm",), Method.VALUE: ("value",), Method.BEHAVIOR: DIMENSIONS}
"""What a report divides its customers by, each time all of them; the insights speak of the first."""


@dataclass(frozen=True, slots=True)
class Group:
    """One group of the report. Money in minor units; averages are asked for with the currency's exponent."""

    kind: GroupKind
    customers: int
    orders: int
    revenue: int
    ages: int

    def compute_average_order(self, decimals: int) -> Decimal | None:
        """Revenue by orders."""
        return compute_mean(self.revenue, self.orders, decimals)

    def compute_average_spend(self, decimals: int) -> Decimal | None:
        """Revenue by customers."""
        return compute_mean(self.revenue, self.customers, decimals)

    @property
    def average_age(self) -> float | None:
        """Mean days since the last purchase."""
        return self.ages / self.customers if self.customers else None

    @property
    def average_frequency(self) -> float | None:
        """Mean orders in the window."""
        return self.orders / self.customers if self.customers else None


@dataclass(frozen=True)
class Report:
    """One window's groups, by revenue descending, then table order; `other` holds whoever no group names. `codes` are
    those of the groups that were asked for; `cells` are the customers by RFM score, from 111 on, for RFM only. What
    follows from the groups is computed once, as a shop may have thousands of categories."""

    method: Method
    scheme: RfmScheme
    window: Window
    storefront_id: int | None
    decimals: int
    groups: tuple[Group, ...]
    other: Group | None
    generated_at: datetime
    codes: frozenset[str] | None = None
    cells: tuple[Cell, ...] = ()
    was_kept: bool = False
    age: float = 0.0

    @property
    def everyone(self) -> tuple[Group, ...]:
        """All groups and the unclassified."""
        return self.groups if self.other is None else (*self.groups, self.other)

    @cached_property
    def main(self) -> tuple[Group, ...]:
        """The groups of the dimension that stands for the whole, as every dimension holds each customer once."""
        return tuple(group for group in self.everyone if group.kind.dimension == METHOD_DIMENSIONS[self.method][0])

    @cached_property
    def customers(self) -> int:
        """Population of the window."""
        return sum(group.customers for group in self.main)

    @cached_property
    def orders(self) -> int:
        """Qualifying purchases of the window."""
        return sum(group.orders for group in self.main)

    @cached_property
    def revenue(self) -> int:
        """Revenue of the window in minor units."""
        return sum(group.revenue for group in self.main)

    @property
    def total_revenue(self) -> Decimal:
        """Revenue of the window in major units."""
        return to_decimal(self.revenue, self.decimals)

    @property
    def average_order(self) -> Decimal | None:
        """Revenue by orders in major units."""
        return compute_mean(self.revenue, self.orders, self.decimals)

    @property
    def average_spend(self) -> Decimal | None:
        """Revenue by customers in major units."""
        return compute_mean(self.revenue, self.customers, self.decimals)

    @property
    def filtered(self) -> bool:
        """Whether groups were asked for by name or code."""
        return self.codes is not None

    @property
    def shown(self) -> tuple[Group, ...]:
        """The groups that were asked for; every number beside them stays the whole report's."""
        if self.codes is None:
            return self.groups
        return tuple(group for group in self.everyone if group.kind.code in self.codes)

    def list_shown(self, dimension: str | None) -> tuple[Group, ...]:
        """Those of one dimension, letter case ignored, or all of them; InvalidInput lists the dimensions there are."""
        if dimension is None:
            return self.shown
        known = METHOD_DIMENSIONS[self.method]
        if dimension.casefold() not in known:
            raise InvalidInput(f"dimension must be one of: {', '.join(known)}", ("dimension",))
        return tuple(group for group in self.shown if group.kind.dimension == dimension.casefold())

    def of(self, kind: GroupKind) -> Group:
        """The group of that kind; an empty one where the data did not bring it."""
        return self._by_code.get(kind.code) or Group(kind, 0, 0, 0, 0)

    def find_kind(self, score: Score) -> GroupKind:
        """The group that the score is in, for RFM and VALUE."""
        return find_kind_of_score(self.method, self.scheme, score)

    @cached_property
    def _by_code(self) -> dict[str, Group]:
        return {group.kind.code: group for group in self.everyone}

    def compute_customer_share(self, group: Group) -> float:
        """The group's part of the customers, 0 to 1."""
        return group.customers / self.customers if self.customers else 0.0

    def compute_revenue_share(self, group: Group) -> float:
        """The group's part of the revenue, 0 to 1."""
        return group.revenue / self.revenue if self.revenue else 0.0

    @property
    def span(self) -> Span:
        """The window as the store reads it."""
        return Span(self.window.first_day, self.window.last_day, self.storefront_id)


def list_table_groups(method: Method, scheme: RfmScheme) -> tuple[GroupKind, ...]:
    """The groups that a report always lists, in table order, without Unclassified."""
    if method is Method.RFM:
        return list_scheme_groups(scheme)
    return VALUES if method is Method.VALUE else FIXED


def find_kind(method: Method, scheme: RfmScheme, dimension: str, label: str) -> GroupKind:
    """The group of a label as the store states it: the code, for BEHAVIOR the name."""
    if method is Method.BEHAVIOR:
        return find_behavior_group(dimension, label)
    return next(kind for kind in (*list_table_groups(method, scheme), UNCLASSIFIED) if kind.code == label)


def find_kind_of_score(method: Method, scheme: RfmScheme, score: Score) -> GroupKind:
    """The group of a score, for RFM and VALUE."""
    return find_value_group(score.monetary) if method is Method.VALUE else find_group(score, scheme)


def to_score(cell: Cell) -> Score:
    return Score(cell.recency, cell.frequency, cell.monetary)


def list_scores(recency: int | None, frequency: int | None, monetary: int | None) -> list[Score]:
    """The scores with these parts, any where None; InvalidInput names the part that is none."""
    parts = {"recency": recency, "frequency": frequency, "monetary": monetary}
    for name, part in parts.items():
        if part is not None and not 1 <= part <= 5:
            raise InvalidInput(f"{name} must be between 1 and 5", (name,))
    wanted = tuple(parts.values())
    return [
        score
        for score in SCORES
        if all(
            part in (None, has)
            for part, has in zip(wanted, (score.recency, score.frequency, score.monetary), strict=True)
        )
    ]


def group_cells(
    cells: Sequence[Cell], scheme: RfmScheme, method: Method = Method.RFM
) -> tuple[tuple[Group, ...], Group | None]:
    """Cells summed into groups, empty ones too; the second part is there for EIGHT_SEGMENT only."""
    sums: dict[str, list[int]] = {}
    for cell in cells:
        kind = find_kind_of_score(method, scheme, to_score(cell))
        row = sums.setdefault(kind.code, [0, 0, 0, 0])
        for place, value in enumerate((cell.customers, cell.orders, cell.spend, cell.ages)):
            row[place] += value
    groups = _sort_by_revenue(
        Group(kind, *sums.get(kind.code, (0, 0, 0, 0))) for kind in list_table_groups(method, scheme)
    )
    if method is not Method.RFM or scheme is RfmScheme.ELEVEN_SEGMENT:
        return groups, None
    return groups, Group(UNCLASSIFIED, *sums.get(UNCLASSIFIED.code, (0, 0, 0, 0)))


def group_labels(sums: Sequence[LabelSums]) -> tuple[Group, ...]:
    """The groups of BEHAVIOR: the labels that were found, and those that are always there."""
    by_kind = {find_behavior_group(each.dimension, each.label): each for each in sums}
    kinds = sort_by_table(Method.BEHAVIOR, RfmScheme.EIGHT_SEGMENT, {*by_kind, *FIXED})
    return _sort_by_revenue(
        Group(kind, each.customers, each.orders, each.spend, each.ages)
        if (each := by_kind.get(kind)) is not None
        else Group(kind, 0, 0, 0, 0)
        for kind in kinds
    )


def sort_by_table(method: Method, scheme: RfmScheme, kinds: Iterable[GroupKind]) -> list[GroupKind]:
    """The groups in table order, Unclassified last."""
    if method is Method.BEHAVIOR:
        return sorted(kinds, key=_rank_kind)
    order = (*list_table_groups(method, scheme), UNCLASSIFIED)
    return sorted(kinds, key=order.index)


def _rank_kind(kind: GroupKind) -> tuple[int, int, str]:
    # Table order of BEHAVIOR: dimension by dimension, labels of the data by code point, then those always there.
    return DIMENSIONS.index(kind.dimension), FIXED.index(kind) + 1 if kind in FIXED else 0, kind.name


def _sort_by_revenue(groups: Iterable[Group]) -> tuple[Group, ...]:
    return tuple(sorted(groups, key=lambda group: -group.revenue))


def choose_groups(kinds: Sequence[GroupKind], name: str | None, code: str | None) -> frozenset[str] | None:
    """The codes of the groups asked for, letter case ignored; None for all. InvalidInput lists what there is."""
    if name is None and code is None:
        return None
    left = list(kinds)
    if name is not None:
        left = match_groups(left, name, "segment_name", [kind.name for kind in kinds])
    if code is not None:
        by_code = match_groups(kinds, code, "segment_code", [kind.code for kind in kinds])
        left = [kind for kind in left if kind in by_code]
    return frozenset(kind.code for kind in left)


def match_groups(kinds: Sequence[GroupKind], wanted: str, field: str, known: Sequence[str]) -> list[GroupKind]:
    """The groups of that name or code, letter case ignored where none is exactly it; InvalidInput lists those known."""
    exact = [kind for kind, text in zip(kinds, known, strict=True) if text == wanted]
    matches = exact or [kind for kind, text in zip(kinds, known, strict=True) if text.casefold() == wanted.casefold()]
    if not matches:
        listed = list(dict.fromkeys(known))
        more = f" and {len(listed) - LISTED} more" if len(listed) > LISTED else ""
        message = Sentence(f"{{{field}}} must be one of: {{}}{{}}", ", ".join(listed[:LISTED]), more)
        raise InvalidInput(message, (field,))
    return matches
