"""The nouns of segments as frozen values: definitions, memberships as intervals, their changes, snapshots. Instants are
aware UTC datetimes; those of writes are unique within a business, so they also order the writes. A change stands among
all of a business by instant, then segment, customer and kind: this place is what a cursor holds, so any list of changes
can be taken up from any other's cursor."""

import json
import re
from dataclasses import astuple, dataclass, field
from datetime import date, datetime
from enum import StrEnum
from operator import add

from domain.calendar import from_micros, to_micros
from domain.errors import DomainError, InvalidInput
from domain.model import NO_ATTRIBUTES, AttributeKinds
from domain.model import SegmentKind as SegmentKind
from domain.pages import PageRequest, Position
from domain.rules.criteria import RfmConfig, SegmentCriteria, build_definition_tree
from domain.rules.tree import Condition


class MembershipSource(StrEnum):
    """What put a customer into a segment."""

    RULE = "RULE"
    MANUAL = "MANUAL"
    IMPORT = "IMPORT"


class ChangeKind(StrEnum):
    """What a membership change is: the beginning or the end of a membership."""

    ENTERED = "ENTERED"
    LEFT = "LEFT"


SOURCE_ORDER = tuple(MembershipSource)


@dataclass(frozen=True, slots=True)
class Definition:
    """What members an AUTOMATIC segment has, as it was given; whatever is given must hold together."""

    rules: object | None = None
    criteria: SegmentCriteria | None = None
    rfm_config: RfmConfig | None = None
    # What the business had named when the definition was read; no part of what it asks for.
    attributes: AttributeKinds = field(default=NO_ATTRIBUTES, compare=False)

    @property
    def empty(self) -> bool:
        return self.rules is None and self.criteria is None and self.rfm_config is None

    def parse(self) -> Condition | None:
        """The tree, None where there is no condition; InvalidInput or InvalidRule where it cannot be understood."""
        return build_definition_tree(self.rules, self.criteria, self.rfm_config, self.attributes)

    def build_tree(self) -> Condition | None:
        """The tree of a stored definition: None, too, where an older program accepted what is refused now."""
        try:
            return self.parse()
        except DomainError:
            return None

    def is_same(self, other: "Definition") -> bool:
        """Whether the other one asks for the same; rules compare as they are written, so that 1 is not true."""
        rules = json.dumps(self.rules) == json.dumps(other.rules)
        return rules and self.criteria == other.criteria and self.rfm_config == other.rfm_config


@dataclass(frozen=True, slots=True)
class Segment:
    """A named group of customers. `version` grows with every change that an editor makes, so that two who saw the same
    one never both win; `defined_at` is the instant of the present definition, and runs compare that. `seen_at` is the
    instant of the write that answered with it, which its member count is of."""

    id: int
    key: str
    name: str
    description: str | None
    kind: SegmentKind
    is_dynamic: bool
    is_rfm: bool
    definition: Definition
    schedule: str | None
    version: int
    created_at: datetime
    updated_at: datetime
    defined_at: datetime
    created_by: str | None
    deleted_at: datetime | None
    next_run_at: datetime | None
    last_calculated: datetime | None
    member_count: int
    seen_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class NewSegment:
    """A segment as the service has checked it."""

    key: str
    name: str
    description: str | None
    kind: SegmentKind
    is_dynamic: bool
    is_rfm: bool
    definition: Definition
    schedule: str | None
    created_by: str | None
    next_run_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Membership:
    """A customer in a segment from `entered_at` until `left_at`, None while it lasts."""

    segment_id: int
    customer_id: int
    entered_at: datetime
    left_at: datetime | None
    source: MembershipSource
    entered_by: str | None
    left_by: str | None


@dataclass(frozen=True, slots=True)
class ArchivedMembership:
    """A membership as the archive keeps it."""

    membership: Membership
    segment_key: str
    customer_external_id: str


@dataclass(frozen=True, slots=True)
class MembershipChange:
    """One beginning or end of a membership; `by` is who or what did it."""

    segment_id: int
    customer_id: int
    kind: ChangeKind
    at: datetime
    source: MembershipSource
    by: str | None


@dataclass(frozen=True, slots=True)
class MemberTotals:
    """What the members of a segment amount to; revenue in minor units, `ages` the days since the last purchase of the
    `buyers`, who have one."""

    members: int = 0
    inactive: int = 0
    revenue: int = 0
    orders: int = 0
    ages: int = 0
    buyers: int = 0

    def __add__(self, other: "MemberTotals") -> "MemberTotals":
        """Of two groups together."""
        return MemberTotals(*map(add, astuple(self), astuple(other)))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An instant of a segment with its member count; `job_id` is the run that made it, None where a person did."""

    segment_id: int
    at: datetime
    member_count: int
    job_id: int | None
    created_by: str | None


@dataclass(frozen=True, slots=True)
class SizePoint:
    """A segment at the end of an interval that begins on `date`: members then, entries and exits in it."""

    date: date
    member_count: int
    entered: int
    left: int


KINDS = (ChangeKind.LEFT, ChangeKind.ENTERED)
"""Whoever leaves and enters at one instant left first."""
TEXT = re.compile(r"(0|[1-9][0-9]{0,17})\.(0|[1-9][0-9]{0,17})")


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
    def read(cls, position: Position, name: str = "after") -> "Place":
        """The place of a position; InvalidInput names the argument where it is none."""
        text, number = position
        match = TEXT.fullmatch(str(text))
        if match is None or not 0 <= int(number) < 2**62:
            raise InvalidInput(f"{name} must be a cursor of this list in this order", (name,))
        return cls(int(match[1]), int(match[2]), number // 2, number % 2)

    @property
    def position(self) -> Position:
        """The place as a cursor holds it."""
        return f"{self.at}.{self.segment_id}", self.customer_id * 2 + self.kind

    @property
    def instant(self) -> datetime:
        return from_micros(self.at)


@dataclass(frozen=True, slots=True)
class ChangeList:
    """Which changes: of one segment or of one customer, from `since` on and before `until`."""

    segment_id: int | None = None
    customer_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None


ChangeKey = tuple[ChangeList, PageRequest]
