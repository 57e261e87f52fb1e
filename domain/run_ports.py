"""What runs need from the store, as Protocols: a connection to evaluate on, and signs of life beside it."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.model import Business
from domain.rules import Condition
from domain.segment_model import Job, Outcome, Segment
from domain.segment_ports import Jobs, SegmentReadUnit, SegmentStore, SegmentWriteUnit


class HeldJobs(Jobs, Protocol):
    """Runs as those see them who work on them."""

    async def take(self, owner: str, now: datetime, stale_before: datetime) -> Job | None: ...
    async def take_part(self, job_id: int, owner: str, now: datetime, stale_before: datetime) -> Job | None: ...
    async def beat(self, job_id: int, owner: str, now: datetime, phase: str, done: int, total: int | None) -> bool: ...
    async def finish(self, job_id: int, outcome: Outcome, at: datetime) -> None: ...


class Evaluation(Protocol):
    """Customers for whom a rule holds, kept aside while they are found: no lock is held for it."""

    @property
    def unit(self) -> SegmentReadUnit: ...
    async def understand(self, trees: Sequence[Condition]) -> None: ...
    async def population(self) -> tuple[int, int]: ...
    async def forget(self) -> None: ...
    async def keep(self, tree: Condition, references: Mapping[str, Segment], low: int, high: int) -> int: ...
    async def again(self, tree: Condition, references: Mapping[str, Segment]) -> None: ...
    async def of_customers(
        self, tree: Condition, references: Mapping[str, Segment], customers: Sequence[int]
    ) -> None: ...
    async def changed(self, size: int) -> list[list[int]]:
        """The customers who changed and whose memberships have not followed, in portions."""
        ...

    async def followed(self) -> None:
        """They have followed now; within the write unit."""
        ...

    def write(self) -> AbstractAsyncContextManager[SegmentWriteUnit]: ...


@dataclass(frozen=True, slots=True)
class Agenda:
    """Whether there are customers whose memberships must follow, and schedules that are due."""

    changed: bool
    due: bool


class WorkStore(SegmentStore, Protocol):
    """The store as runs see it."""

    def evaluate(self, business: Business) -> AbstractAsyncContextManager[Evaluation]: ...
    def note(self, business: Business) -> AbstractAsyncContextManager[HeldJobs]: ...
    async def businesses(self) -> list[Business]: ...
    async def agenda(self, business: Business, now: datetime) -> Agenda: ...
