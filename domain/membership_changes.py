"""Where a change of members stands among all of a business: by instant, which is the order of commits, then segment,
customer and kind. The place is what a cursor holds, so any list of changes can be taken up from any other's cursor."""

import re
from dataclasses import dataclass
from datetime import datetime

from domain.calendar import from_micros, to_micros
from domain.errors import InvalidInput
from domain.pages import PageRequest, Position
from domain.segment_model import ChangeKind, MembershipChange

KINDS = (ChangeKind.LEFT, ChangeKind.ENTERED)
"""Whoever leaves and enters at one instant left first."""
TEXT = re.compile(r"(0|[1-9]\d{0,17})\.(0|[1-9]\d{0,17})")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Instant in microseconds, segment, customer and kind, the latter by its place in KINDS."""

    at: int
    segment_id: int = 0
    customer_id: int = 0
    kind: int = 0

    @classmethod
    def of(cls, change: MembershipChange) -> "Place":
        """Where the change stands."""
        return cls(to_micros(change.at), change.segment_id, change.customer_id, KINDS.index(change.kind))

    @classmethod
    def before(cls, instant: datetime) -> "Place":
        """Just before everything that happens at the instant."""
        return cls(to_micros(instant))

    @classmethod
    def read(cls, position: Position) -> "Place":
        """The place of a position; InvalidInput where it is none."""
        text, number = position
        match = TEXT.fullmatch(str(text))
        if match is None or not 0 <= int(number) < 2**62:
            raise InvalidInput("after must be a cursor of this list in this order", ("after",))
        return cls(int(match[1]), int(match[2]), number // 2, number % 2)

    @property
    def position(self) -> Position:
        """The place as a cursor holds it."""
        return f"{self.at}.{self.segment_id}", self.customer_id * 2 + self.kind

    @property
    def instant(self) -> datetime:
        """When it happened."""
        return from_micros(self.at)


@dataclass(frozen=True, slots=True)
class ChangeList:
    """Which changes: of one segment or of one customer, from `since` on and before `until`."""

    segment_id: int | None = None
    customer_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None


ChangeKey = tuple[ChangeList, PageRequest]
