"""Imports of purchases as clients see them: a run like any other, its counts, what is doubtful and what was refused."""

from datetime import datetime
from decimal import Decimal

import strawberry

from domain.imports.imports import PurchaseImport as ImportEntity
from domain.imports.imports import Reject as RejectEntity
from domain.model import Business as BusinessEntity
from domain.money import exponent, to_decimal
from gql.context import Context, Info
from gql.ids import encode, numbers_of
from gql.job import Job, JobError, JobProgress
from gql.node import Node
from gql.pagination import After, Connection, First, connection, requested, settled
from gql.permissions import CanView

IMPORT_ORDER = "imports"
REJECT_ORDER = "rejects"


@strawberry.type(description="A row that an import refused.")
class Reject:
    """A refused row."""

    line: int = strawberry.field(description="Line of the file that the row begins on, from 1.")
    text: str = strawberry.field(description="Text of the row.")
    reason: str = strawberry.field(description="Why it was refused.")

    @classmethod
    def of(cls, entity: RejectEntity) -> "Reject":
        """The row."""
        return cls(line=entity.line, text=entity.text, reason=entity.reason)


@strawberry.type(description="An order whose amount lies far beyond the rest. It was imported as it stands.")
class OutlierOrder:
    """An order that stands out."""

    order_id: str = strawberry.field(description="Order id of the shop.")
    amount: Decimal = strawberry.field(description="Amount of the order in the business's currency.")


@strawberry.type(description="What is doubtful about the rows of an import: counted and named, never changed.")
class ImportQuality:
    """Doubtful rows."""

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


@strawberry.type(description="One import of a file of purchases. The four counts of rows add up to `rowsRead`.")
class PurchaseImport(Node, Job):
    """An import."""

    source: str = strawberry.field(description="Name of what was imported.")
    rows_read: int = strawberry.field(description="Rows that were read.")
    created: int = strawberry.field(description="Rows of orders that are new.")
    updated: int = strawberry.field(description="Rows of orders that were known and differed.")
    unchanged: int = strawberry.field(description="Rows of orders that were known just so.")
    rejected: int = strawberry.field(description="Rows that were refused.")
    quality: ImportQuality | None = strawberry.field(
        description="What is doubtful about the rows; null until the import succeeded."
    )
    undone_at: datetime | None = strawberry.field(
        description="Timestamp at which the import was taken back; null where it was not."
    )
    entity: strawberry.Private[ImportEntity]
    business: strawberry.Private[BusinessEntity]

    @classmethod
    def of(cls, business: BusinessEntity, entity: ImportEntity) -> "PurchaseImport":
        """The import."""
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
            quality=quality_of(business, entity),
            undone_at=entity.undone_at,
            entity=entity,
            business=business,
        )

    @strawberry.field(description="The rows that were refused, in the order of the file; kept once it succeeded.")
    async def rejects(self, info: Info, first: First = None, after: After = None) -> Connection[Reject]:
        """A page by line."""
        request = requested(REJECT_ORDER, int, first, after)
        page = await info.context.loaders.rejects.load((self.entity.id, request))
        return connection(page, REJECT_ORDER, Reject.of, lambda: settled(self.entity.rejected))


def quality_of(business: BusinessEntity, entity: ImportEntity) -> ImportQuality | None:
    """What is doubtful, where it is known."""
    found = entity.quality
    if found is None:
        return None
    decimals = exponent(business.currency)
    largest = [OutlierOrder(order_id=one.order_id, amount=to_decimal(one.amount, decimals)) for one in found.named]
    return ImportQuality(**found.counts, largest_outliers=largest)


async def find_import(context: Context, business: BusinessEntity, value: str) -> ImportEntity | None:
    """The import of a global id; None where there is none, or it is another business's."""
    numbers = numbers_of(value, "PurchaseImport", business.id, 1)
    return None if numbers is None else await context.loaders.imports.load(numbers[0])


@strawberry.type(description="Questions about imports.")
class ImportQueries:
    """Questions about imports."""

    @strawberry.field(permission_classes=[CanView], description="Imports of purchases, newest first.")
    async def imports(self, info: Info, first: First = None, after: After = None) -> Connection[PurchaseImport]:
        """A page."""
        request = requested(IMPORT_ORDER, int, first, after)
        business, service = await info.context.business(), info.context.services.imports
        page = await service.page(business, request)
        return connection(
            page, IMPORT_ORDER, lambda one: PurchaseImport.of(business, one), lambda: service.count(business)
        )
