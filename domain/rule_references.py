"""What a rule depends on: variables, ranks among customers, and other stored segments, which must not form a circle."""

from collections.abc import Mapping

from domain.errors import InvalidRule, RuleProblem
from domain.rules import Collection, InSegment, Node, Variable, walk


def variable_names(node: Node) -> frozenset[str]:
    """Variables of the customer and names of the lists that the rule reads; `segments` where it uses another one."""
    found: set[str] = set()
    for each in walk(node):
        match each:
            case Variable(element=False) | Collection():
                found.add(each.name)
            case InSegment():
                found.add("segments")
            case _:
                pass
    return frozenset(found)


RANKED = frozenset(
    {"rfm_segment", "rfm_segment_name", "recency_score", "frequency_score", "monetary_score"},
)


def uses_rank(node: Node) -> bool:
    """Whether what one customer does can change whether the rule holds for another."""
    return not RANKED.isdisjoint(variable_names(node))


def references(node: Node) -> dict[str, str]:
    """Keys of the stored segments that the rule uses, each with the path where it stands first."""
    found: dict[str, str] = {}
    for each in walk(node):
        if isinstance(each, InSegment):
            found.setdefault(each.key, each.path)
    return found


def dependency_order(trees: Mapping[str, Node]) -> tuple[str, ...]:
    """The keys, each once and after every key that its rule uses; keys without a tree are left out.

    InvalidRule with code CIRCULAR_REFERENCE names the way round where there is one.
    """
    order: dict[str, None] = {}
    for start in sorted(trees):
        waiting = [(start, iter(sorted(references(trees[start]).items())))]
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
                raise InvalidRule([RuleProblem(path, message, None, "CIRCULAR_REFERENCE")])
            if used in trees and used not in order:
                waiting.append((used, iter(sorted(references(trees[used]).items()))))
    return tuple(order)
