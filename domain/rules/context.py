"""What the answer of a rule depends on: the present (which business, which instant, what ranks and labels are measured
by), and by the rule itself the variables, ranks among customers and other stored segments, which must not form a
circle. The statement in the database and the row evaluator are given the same context, so they cannot disagree about
today."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

from domain.calendar import Span, load_zone, to_local_day
from domain.classification.labels import Labelling, build_labelling
from domain.classification.rfm import Quintiles, build_rfm_span
from domain.errors import InvalidRule, RuleProblem, RuleProblemCode
from domain.model import Business
from domain.money import find_exponent
from domain.rules.tree import Collection, Condition, InSegment, Value, Variable, walk
from domain.rules.variables import RANKED

MAXIMUM_STATEMENT_NODES = 1000
"""A thousand nodes, which one rule may have, hold the event loop some 20 ms while they are written as SQL."""
K = TypeVar("K")


def collect_variable_names(node: Value) -> frozenset[str]:
    """Variables of the customer and names of the lists that the rule reads; `segments` where it uses another one."""
    names: set[str] = set()
    for each in walk(node):
        match each:
            case Variable(element=False) | Collection():
                names.add(each.name)
            case InSegment():
                names.add("segments")
            case _:
                pass
    return frozenset(names)


def uses_rank(node: Value) -> bool:
    """Whether what one customer does can change whether the rule holds for another."""
    return not RANKED.isdisjoint(collect_variable_names(node))


def collect_references(node: Value) -> dict[str, str]:
    """Keys of the stored segments that the rule uses, each with the path where it stands first."""
    keys: dict[str, str] = {}
    for each in walk(node):
        if isinstance(each, InSegment):
            keys.setdefault(each.key, each.path)
    return keys


def split_statements(trees: Mapping[K, Condition], most: int) -> Iterator[dict[K, Condition]]:
    """The rules as they fit into statements, in order: at most so many each."""
    part: dict[K, Condition] = {}
    nodes = 0
    for key, tree in trees.items():
        size = sum(1 for _ in walk(tree))
        if part and (nodes + size > MAXIMUM_STATEMENT_NODES or len(part) == most):
            yield part
            part, nodes = {}, 0
        part[key] = tree
        nodes += size
    if part:
        yield part


def sort_by_dependency(trees: Mapping[str, Value]) -> tuple[str, ...]:
    """The keys, each once and after every key that its rule uses; keys without a tree are left out.

    InvalidRule with code CIRCULAR_REFERENCE names the way round where there is one.
    """
    order: dict[str, None] = {}
    for start in sorted(trees):
        waiting = [(start, iter(sorted(collect_references(trees[start]).items())))]
        while waiting:
            key, rest = waiting[-1]
            if key in order:
                waiting.pop()
                continue
            used, path = next(rest, (None, ""))
            if used is None:
                order[key] = None
                waiting.pop()
                continue
            above = [held for held, _ in waiting]
            if used in above:
                way = " uses ".join([*above[above.index(used) :], used])
                message = f"Segments must not use each other in a circle: {way}."
                raise InvalidRule([RuleProblem(path, message, None, RuleProblemCode.CIRCULAR_REFERENCE)])
            if used in trees and used not in order:
                waiting.append((used, iter(sorted(collect_references(trees[used]).items()))))
    return tuple(order)


@dataclass(frozen=True, slots=True)
class RuleContext:
    """`quintiles` are for rules that rank, `first_day` (of any purchase) for those that look at the buying pattern."""

    business: Business
    now: datetime
    quintiles: Quintiles | None = None
    first_day: int | None = None

    @property
    def zone(self) -> ZoneInfo:
        return load_zone(self.business.time_zone)

    @property
    def today(self) -> int:
        """Day number of the business's local date."""
        return to_local_day(self.now, self.zone)

    @property
    def scale(self) -> float:
        """Minor units in a major one."""
        return float(10 ** find_exponent(self.business.currency))

    @property
    def span(self) -> Span:
        """The window of a customer's own scores."""
        return build_rfm_span(self.business, self.today)

    @property
    def labelling(self) -> Labelling:
        """How labels are decided today."""
        return build_labelling(self.business, date.fromordinal(self.today), self.first_day)
