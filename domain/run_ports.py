"""What runs need from the store, as Protocols: a connection to evaluate on, and signs of life beside it."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.jobs.model import Job, Outcome
from domain.model import Business
from domain.rules.tree import Condition
from domain.segment_ports import Jobs, SegmentReadUnit, SegmentStore, SegmentWriteUnit
from domain.segments.model import Segment


@dataclass(frozen=True, slots=True)
class Hold:
    """A run as its holder took it. Whoever takes it up after him holds another attempt, so he cannot touch it again."""

    job_id: int
    owner: str
    attempt: int


class HeldJobs(Jobs, Protocol):
    """Runs as those see them who work on them."""

    async def take(self, owner: str, now: datetime, stale_before: datetime) -> Job | None: ...
    async def take_part(self, job_id: int, owner: str, now: datetime, stale_before: datetime) -> Job | None: ...
    async def beat(self, hold: Hold, now: datetime, phase: str, done: int, total: int | None) -> bool: ...
    async def end(self, hold: Hold, outcome: Outcome, at: datetime) -> bool:
        """End a run that is still held so; whether it was."""
        ...

    async def give_back(self, hold: Hold) -> None:
        """Let a run that is still held so wait for another worker, as if it had not been begun."""
        ...


class WorkUnit(SegmentWriteUnit, Protocol):
    """A write unit that ends the run whose work it writes."""

    @property
    def jobs(self) -> HeldJobs: ...


class Evaluation(Protocol):
    """Customers for whom a rule holds, kept aside while they are found: no lock is held for it."""

    @property
    def unit(self) -> SegmentReadUnit: ...
    async def understand(self, trees: Sequence[Condition]) -> None: ...
    async def population(self) -> tuple[int, int]: ...
    async def forget(self) -> None: ...
    async def keep(self, tree: Condition, references: Mapping[str, Segment], low: int, high: int) -> int: ...
    async def again(self, tree: Condition, references: Mapping[str, Segment]) -> None:
        """Evaluate those customers anew that changed since, or whose membership of a segment did that the rule uses."""
        ...

    async def of_customers(
        self, tree: Condition, references: Mapping[str, Segment], customers: Sequence[int]
    ) -> None: ...
    async def changed(self, size: int) -> list[list[int]]:
        """The customers who changed and whose memberships have not followed, in portions."""
        ...

    async def followed(self) -> None:
        """They have followed now; within the write unit."""
        ...

    def write(self) -> AbstractAsyncContextManager[WorkUnit]: ...


@dataclass(frozen=True, slots=True)
class Agenda:
    """Whether there are purchases whose instant has passed, customers whose memberships must follow, and schedules
    that are due."""

    matured: bool
    changed: bool
    due: bool


class WorkStore(SegmentStore, Protocol):
    """The store as runs see it."""

    def evaluate(self, business: Business) -> AbstractAsyncContextManager[Evaluation]: ...
    def note(self, business: Business) -> AbstractAsyncContextManager[HeldJobs]: ...
    async def businesses(self) -> list[Business]: ...
    async def agenda(self, business: Business, now: datetime) -> Agenda: ...
