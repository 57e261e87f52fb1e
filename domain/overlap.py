"""How segments share their members. Everything follows from one set of counts: how many customers are in exactly which
of the segments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from domain.segment_model import Segment

FEWEST, MOST = 2, 10


@dataclass(frozen=True, slots=True)
class PairOverlap:
    """Two segments: how many are in both, and in only one of them."""

    a: Segment
    b: Segment
    both: int
    only_a: int
    only_b: int

    @property
    def jaccard(self) -> float:
        """Share of those in both among those in either; 0 where there are none."""
        either = self.both + self.only_a + self.only_b
        return self.both / either if either else 0.0


@dataclass(frozen=True, slots=True)
class Overlap:
    """Segments with every pair of them, in the order asked for."""

    segments: tuple[Segment, ...]
    pairs: tuple[PairOverlap, ...]
    union: int
    intersection: int


def overlap(segments: Sequence[Segment], patterns: Mapping[int, int]) -> Overlap:
    """The overlap of the segments; bit n of a pattern stands for the nth."""

    def count(first: int, second: int, wanted: tuple[bool, bool]) -> int:
        return sum(
            customers
            for pattern, customers in patterns.items()
            if (bool(pattern >> first & 1), bool(pattern >> second & 1)) == wanted
        )

    pairs = tuple(
        PairOverlap(
            segments[first],
            segments[second],
            count(first, second, (True, True)),
            count(first, second, (True, False)),
            count(first, second, (False, True)),
        )
        for first, second in combinations(range(len(segments)), 2)
    )
    whole = (1 << len(segments)) - 1
    return Overlap(tuple(segments), pairs, sum(patterns.values()), patterns.get(whole, 0))
