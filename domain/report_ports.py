"""What the store says of reports beyond one window's sums: moves between two windows, several windows at once, and who
is in a group. A label is the code of a group; for BEHAVIOR, whose groups come from the data, its name."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from domain.calendar import DayRanges, Span
from domain.classification.groups import Method
from domain.classification.labels import ClassificationSettings, ClassificationSpan
from domain.classification.rfm import RfmScheme
from domain.model import Business
from domain.pages import Page, PageRequest
from domain.ports import CustomerRecord, ReadUnit


@dataclass(frozen=True, slots=True)
class Grouping:
    """How customers are grouped; `festive` are the festive days of the windows that are looked at."""

    method: Method
    scheme: RfmScheme
    festive: DayRanges


@dataclass(frozen=True, slots=True)
class Move:
    """From which label to which, in a dimension; None before for newcomers, None after for leavers."""

    dimension: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class MoveSums:
    """The customers of a move, and what they spent in each of the windows, in minor units."""

    move: Move
    customers: int
    spend_before: int
    spend_after: int


@dataclass(frozen=True, slots=True)
class TrendSums:
    """One label in one of several windows, which are counted from 0."""

    window: int
    dimension: str
    label: str
    customers: int
    spend: int


class GroupReports(Protocol):
    """Groups of customers, in the store."""

    async def moves(self, before: Span, after: Span, grouping: Grouping) -> list[MoveSums]: ...
    async def trend(self, spans: Sequence[Span], grouping: Grouping) -> list[TrendSums]: ...
    async def group_pages(
        self, span: Span, grouping: Grouping, groups: Sequence[tuple[str, str]], request: PageRequest
    ) -> Mapping[tuple[str, str], Page[CustomerRecord]]:
        """A page of each of the groups, which are dimension and label."""
        ...

    async def move_pages(
        self, before: Span, after: Span, grouping: Grouping, moves: Sequence[Move], request: PageRequest
    ) -> Mapping[Move, Page[CustomerRecord]]:
        """A page of each of the moves."""
        ...

    async def label_counts(
        self, span: ClassificationSpan, settings: ClassificationSettings, decimals: int
    ) -> list[tuple[str, str, int]]:
        """Customers by dimension and label of their classification."""
        ...


class GroupReadUnit(ReadUnit, Protocol):
    """One state of one business, with its groups."""

    @property
    def groups(self) -> GroupReports: ...


class GroupReportStore(Protocol):
    """Every business's data."""

    def read(self, business: Business) -> AbstractAsyncContextManager[GroupReadUnit]: ...
