"""Runs of background work as clients see them. The stored row is the truth: every answer is read from it."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from domain.imports.imports import PurchaseImport as ImportEntity
from domain.jobs.model import Job as JobEntity
from domain.model import Business as BusinessEntity
from gql.context import Context, Info
from gql.enums import JobStatus
from gql.ids import encode, numbers_of
from gql.node import Node
from gql.nouns import noun
from gql.pagination import After, Connection, First, connection, requested
from gql.snapshot import Snapshot

if TYPE_CHECKING:
    from gql.segment import Segment

RUN_ORDER = "recalculations"
PART_ORDER = "parts"


@strawberry.type(description="How far a run is.")
class JobProgress:
    """How far a run is."""

    done: int = strawberry.field(description="Items that are done: customers, or parts of a run of many segments.")
    total: int | None = strawberry.field(description="Items in all; null until it is known.")
    fraction: float = strawberry.field(description="Share that is done, 0 to 1.")
    phase: str = strawberry.field(description="What is being done, in a word.")

    @classmethod
    def of(cls, entity: JobEntity | ImportEntity) -> "JobProgress":
        """That of a run or of an import."""
        return cls(done=entity.done, total=entity.total, fraction=entity.fraction, phase=entity.phase)


@strawberry.type(description="Why a run failed or was cancelled.")
class JobError:
    """Why a run did not succeed."""

    code: str = strawberry.field(description="Kind of the error; stable.")
    message: str = strawberry.field(description="Sentence that says what went wrong.")

    @classmethod
    def of(cls, entity: JobEntity | ImportEntity) -> "JobError | None":
        """That of a run or of an import; None where nothing went wrong."""
        return None if entity.error_code is None else cls(code=entity.error_code, message=entity.error_message or "")


@strawberry.interface(
    description="A unit of background work. The stored row is the truth; a subscription only follows it."
)
class Job:
    """A unit of background work."""

    id: strawberry.ID = strawberry.field(description="Global id of the run.")
    status: JobStatus = strawberry.field(description="How far the run got.")
    progress: JobProgress = strawberry.field(description="Progress of the run.")
    created_at: datetime = strawberry.field(description="Timestamp of the request.")
    started_at: datetime | None = strawberry.field(description="Timestamp at which work began; null while it waits.")
    finished_at: datetime | None = strawberry.field(description="Timestamp of the end; null until then.")
    error: JobError | None = strawberry.field(description="Why the run did not succeed; null where it did.")


@strawberry.type(description="One background run that makes memberships agree with definitions.")
class Recalculation(Node, Job):
    """A run."""

    evaluated: int = strawberry.field(description="Customers that were evaluated.")
    entered: int = strawberry.field(description="Memberships that began.")
    left: int = strawberry.field(description="Memberships that ended.")
    entity: strawberry.Private[JobEntity]
    business: strawberry.Private[BusinessEntity]

    @classmethod
    def of(cls, business: BusinessEntity, entity: JobEntity) -> "Recalculation":
        """The run."""
        return cls(
            id=encode("Recalculation", business.id, entity.id),
            status=entity.status,
            progress=JobProgress.of(entity),
            created_at=entity.created_at,
            started_at=entity.started_at,
            finished_at=entity.finished_at,
            error=JobError.of(entity),
            evaluated=entity.evaluated,
            entered=entity.entered,
            left=entity.left,
            entity=entity,
            business=business,
        )

    @strawberry.field(description="The segment that is recalculated; null for a run of many.")
    async def segment(self, info: Info) -> Annotated["Segment", strawberry.lazy("gql.segment")] | None:
        """Through the loader."""
        if self.entity.segment_id is None:
            return None
        found = await info.context.loaders.segments.load(self.entity.segment_id)
        made: Segment | None = None if found is None else noun(info, "Segment").of(self.business, found)
        return made

    @strawberry.field(description="The snapshot that the run made; null until it succeeded, and for a run of many.")
    async def snapshot(self, info: Info) -> Snapshot | None:
        """Through the loader."""
        if self.entity.segment_id is None or self.entity.snapshot_at is None:
            return None
        key = (self.entity.segment_id, self.entity.snapshot_at)
        found = await info.context.loaders.memberships.snapshots.load(key)
        return None if found is None else Snapshot.of(self.business, found)

    @strawberry.field(description="One run a segment where this one covers many, in the order of their work.")
    async def parts(self, info: Info, first: First = None, after: After = None) -> Connection["Recalculation"]:
        """The parts."""
        request = requested(PART_ORDER, int, first, after)
        service, business, key = info.context.services.recalculations, self.business, self.entity.id
        page = await service.page(business, request, parent_id=key)
        return connection(
            page,
            PART_ORDER,
            lambda job: Recalculation.of(business, job),
            lambda: service.count(business, parent_id=key),
        )


async def find_job(context: Context, business: BusinessEntity, value: str) -> JobEntity | None:
    """The run of a global id; None where there is none, or it is another business's."""
    numbers = numbers_of(value, "Recalculation", business.id, 1)
    return None if numbers is None else await context.loaders.jobs.load(numbers[0])
