"""Background work: recalculations, and imports of purchases with what is doubtful and what was refused. The stored row
is the truth: every answer is read from it. Nouns that speak of each other import modules, and name each other's types
lazily."""

from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Annotated

import strawberry

from domain.imports.model import PurchaseImport as ImportEntity
from domain.imports.model import Reject as RejectEntity
from domain.imports.model import RejectReason as RejectReasonEntity
from domain.imports.rejects import find_remedy
from domain.jobs.model import Job as JobEntity
from domain.model import Business as BusinessEntity
from domain.money import find_exponent, to_decimal
from gql.schema.context import Info
from gql.schema.types import membership as memberships
from gql.schema.types import segment as segments
from gql.schema.types.enums import JobStatus
from gql.schema.types.ids import Node, encode
from gql.schema.types.pagination import After, Connection, First, build_connection, build_page_request

if TYPE_CHECKING:
    from gql.schema.types.membership import Snapshot
    from gql.schema.types.segment import Segment

MEMBERSHIP, SEGMENT = strawberry.lazy("gql.schema.types.membership"), strawberry.lazy("gql.schema.types.segment")
RUN_ORDER = "recalculations"
PART_ORDER = "parts"


@strawberry.type(description="How far a run is.")
class JobProgress:
    done: int = strawberry.field(description="Items that are done: customers, or parts of a run of many segments.")
    total: int | None = strawberry.field(description="Items in all; null until it is known.")
    fraction: float = strawberry.field(description="Share that is done, 0 to 1.")
    phase: str = strawberry.field(description="What is being done, in a word.")

    @classmethod
    def of(cls, entity: JobEntity | ImportEntity) -> "JobProgress":
        return cls(done=entity.done, total=entity.total, fraction=entity.fraction, phase=entity.phase)


@strawberry.type(description="Why a run failed or was cancelled.")
class JobError:
    code: str = strawberry.field(description="Kind of the error; stable.")
    message: str = strawberry.field(description="Sentence that says what went wrong.")

    @classmethod
    def of(cls, entity: JobEntity | ImportEntity) -> "JobError | None":
        return None if entity.error_code is None else cls(code=entity.error_code, message=entity.error_message or "")


@strawberry.interface(
    description="A unit of background work. The stored row is the truth; a subscription only follows it."
)
class Job:
    id: strawberry.ID = strawberry.field(description="Global id of the run.")
    status: JobStatus = strawberry.field(description="How far the run got.")
    progress: JobProgress = strawberry.field(description="Progress of the run.")
    created_at: datetime = strawberry.field(description="Timestamp of the request.")
    started_at: datetime | None = strawberry.field(description="Timestamp at which work began; null while it waits.")
    finished_at: datetime | None = strawberry.field(description="Timestamp of the end; null until then.")
    error: JobError | None = strawberry.field(description="Why the run did not succeed; null where it did.")


@strawberry.type(description="One background run that makes memberships agree with definitions.")
class Recalculation(Node, Job):
    evaluated: int = strawberry.field(description="Customers that were evaluated.")
    entered: int = strawberry.field(description="Memberships that began.")
    left: int = strawberry.field(description="Memberships that ended.")
    entity: strawberry.Private[JobEntity]
    business: strawberry.Private[BusinessEntity]

    @classmethod
    def of(cls, business: BusinessEntity, entity: JobEntity) -> "Recalculation":
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
    async def segment(self, info: Info) -> Annotated["Segment", SEGMENT] | None:
        if self.entity.segment_id is None:
            return None
        entity = await info.context.loaders.segments.load(self.entity.segment_id)
        return None if entity is None else segments.Segment.of(self.business, entity)

    @strawberry.field(description="The snapshot that the run made; null until it succeeded, and for a run of many.")
    async def snapshot(self, info: Info) -> Annotated["Snapshot", MEMBERSHIP] | None:
        if self.entity.segment_id is None or self.entity.snapshot_at is None:
            return None
        key = (self.entity.segment_id, self.entity.snapshot_at)
        entity = await info.context.loaders.snapshots.load(key)
        return None if entity is None else memberships.Snapshot.of(self.business, entity)

    @strawberry.field(description="One run a segment where this one covers many, in the order of their work.")
    async def parts(self, info: Info, first: First = None, after: After = None) -> Connection["Recalculation"]:
        request = build_page_request(PART_ORDER, int, first, after)
        context, key = info.context, self.entity.id
        page = await context.read(lambda unit: unit.jobs.load_page(request, parent_id=key))
        return build_connection(
            page,
            PART_ORDER,
            partial(Recalculation.of, self.business),
            lambda: context.read(lambda unit: unit.jobs.count(parent_id=key)),
        )


ReasonArgument = Annotated[
    str | None, strawberry.argument(description="Reason of the rows, as `rejectReasons` or a row tells it.")
]
IMPORT_ORDER = "imports"
REJECT_ORDER = "rejects"


@strawberry.type(description="A row that an import refused.")
class Reject:
    line: int = strawberry.field(description="Line of the file that the row begins on, from 1.")
    text: str = strawberry.field(description="Text of the row.")
    reason: str = strawberry.field(description="Why it was refused.")

    @classmethod
    def of(cls, entity: RejectEntity) -> "Reject":
        return cls(line=entity.line, text=entity.text, reason=entity.reason)


@strawberry.type(description="Why rows were rejected, with the first line it happened on and what would mend it.")
class RejectReason:
    reason: str = strawberry.field(description="Why rows were refused, without the values of a single row.")
    count: int = strawberry.field(description="Rows that were refused so.")
    first_line: int | None = strawberry.field(description="Line of the file that the first of them begins on, from 1.")
    remedy: str | None = strawberry.field(description="What would mend the rows; null where nothing would.")

    @classmethod
    def of(cls, entity: RejectReasonEntity) -> "RejectReason":
        remedy = find_remedy(entity.reason)
        return cls(reason=entity.reason, count=entity.count, first_line=entity.first_line, remedy=remedy)


@strawberry.type(description="An order whose amount lies far beyond the rest. It was imported as it stands.")
class OutlierOrder:
    order_id: str = strawberry.field(description="Order id of the shop.")
    amount: Decimal = strawberry.field(description="Amount of the order in the business's currency.")


@strawberry.type(description="What is doubtful about the rows of an import: counted and named, never changed.")
class ImportQuality:
    missing_dates: int = strawberry.field(description="Rows without a date, which were refused.")
    future_dates: int = strawberry.field(description="Rows of orders that lay in the future.")
    doubtful_dates: int = strawberry.field(
        description="Rows of orders dated before 1970 or more than ten years ahead, which are likely mistyped."
    )
    duplicates: int = strawberry.field(description="Rows equal to another row of their order.")
    negative_amounts: int = strawberry.field(description="Rows with a negative amount.")
    zero_amounts: int = strawberry.field(description="Rows with an amount of zero.")
    unknown_categories: int = strawberry.field(description="Rows without a category.")
    outliers: int = strawberry.field(description="Orders with an amount far beyond the rest.")
    largest_outliers: list[OutlierOrder] = strawberry.field(
        description="The largest of the outliers, at most ten, largest first."
    )
    refunds_not_attributed: int = strawberry.field(
        description="Orders with negative amounts alone, which were refused: refunds of orders that they do not name."
    )
    refunded_amount: Decimal = strawberry.field(description="What these refunds come to in the business's currency.")
    replaced_orders: int = strawberry.field(
        description="Orders of which this file replaced lines that another import had written."
    )


@strawberry.type(description="What taking an import back has done by now.")
class ImportUndo:
    begun_at: datetime = strawberry.field(description="Timestamp at which it was asked for.")
    orders_removed: int = strawberry.field(description="Orders that the import had made, and that are gone.")
    orders_restored: int = strawberry.field(description="Orders that are again what they were before the import.")
    orders_left: int = strawberry.field(description="Orders that others wrote while the import was taken back.")
    customers_removed: int = strawberry.field(description="Customers that the import had made, and that are gone.")
    customers_kept: int = strawberry.field(
        description="Customers without purchases who stay, as something else is known of them; 0 until the end."
    )
    storefronts_removed: int = strawberry.field(description="Storefronts that the import had made, and that are gone.")

    @classmethod
    def of(cls, entity: ImportEntity) -> "ImportUndo | None":
        done = entity.undo
        if entity.undo_begun_at is None:
            return None
        return cls(
            begun_at=entity.undo_begun_at,
            orders_removed=done.removed,
            orders_restored=done.restored,
            orders_left=done.left,
            customers_removed=done.customers_removed,
            customers_kept=done.customers_kept,
            storefronts_removed=done.storefronts_removed,
        )


@strawberry.type(description="One import of a file of purchases. The four counts of rows add up to `rowsRead`.")
class PurchaseImport(Node, Job):
    source: str = strawberry.field(description="Name of what was imported.")
    rows_read: int = strawberry.field(description="Rows that were read.")
    created: int = strawberry.field(description="Rows of orders that are new.")
    updated: int = strawberry.field(description="Rows of orders that were known and differed.")
    unchanged: int = strawberry.field(description="Rows of orders that were known just so.")
    rejected: int = strawberry.field(description="Rows that were refused.")
    quality: ImportQuality | None = strawberry.field(
        description="What is doubtful about the rows; null until all of them were read."
    )
    undone_at: datetime | None = strawberry.field(
        description="Timestamp at which the import was taken back; null where it was not."
    )
    undo: ImportUndo | None = strawberry.field(
        description="What taking the import back has done by now; null where nobody asked for that."
    )
    entity: strawberry.Private[ImportEntity]
    business: strawberry.Private[BusinessEntity]

    @classmethod
    def of(cls, business: BusinessEntity, entity: ImportEntity) -> "PurchaseImport":
        return cls(
            id=encode("PurchaseImport", business.id, entity.id),
            status=entity.status,
            progress=JobProgress.of(entity),
            created_at=entity.created_at,
            started_at=entity.started_at,
            finished_at=entity.finished_at,
            error=JobError.of(entity),
            source=entity.source,
            rows_read=entity.rows_read,
            created=entity.created,
            updated=entity.updated,
            unchanged=entity.unchanged,
            rejected=entity.rejected,
            quality=to_quality(business, entity),
            undone_at=entity.undone_at,
            undo=ImportUndo.of(entity),
            entity=entity,
            business=business,
        )

    @strawberry.field(description="Rejected rows by reason, most first.")
    async def reject_reasons(self, info: Info) -> list[RejectReason]:
        return [RejectReason.of(one) for one in await info.context.loaders.reject_reasons.load(self.entity.id)]

    @strawberry.field(
        description="The rows that were refused, in the order of the file, once all were read; `reason` chooses those "
        "of one of the `rejectReasons`."
    )
    async def rejects(
        self, info: Info, first: First = None, after: After = None, reason: ReasonArgument = None
    ) -> Connection[Reject]:
        loaders, key = info.context.loaders, (self.entity.id, reason)
        page = await loaders.rejects.load((key, build_page_request(REJECT_ORDER, int, first, after)))
        count = self.entity.rejected if reason is None else partial(loaders.reject_counts.load, key)
        return build_connection(page, REJECT_ORDER, Reject.of, count)


def to_quality(business: BusinessEntity, entity: ImportEntity) -> ImportQuality | None:
    """What is doubtful, where it is known."""
    quality = entity.quality
    if quality is None:
        return None
    decimals = find_exponent(business.currency)
    largest = [OutlierOrder(order_id=one.order_id, amount=to_decimal(one.amount, decimals)) for one in quality.named]
    refunded = to_decimal(quality.refunded, decimals)
    return ImportQuality(**quality.counts, largest_outliers=largest, refunded_amount=refunded)
