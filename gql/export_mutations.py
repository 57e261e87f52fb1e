"""Links to files. What is asked for is checked when the link is made, so that whoever opens it gets a file."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

import strawberry

from domain.errors import InvalidInput
from domain.reports.document import ReportAsked
from gql.context import Info
from gql.enums import Method, RfmScheme, described
from gql.export_parameters import ReportParameters
from gql.ids import encode, numbers_of
from gql.payloads import AsUserErrors, UserError
from gql.permissions import CanView


class ExportFormat(StrEnum):
    """What kind of file a report is."""

    CSV = "CSV"
    XLSX = "XLSX"
    PDF = "PDF"
    JSON = "JSON"


class MembersFormat(StrEnum):
    """What kind of file a list of members is."""

    CSV = "CSV"
    XLSX = "XLSX"
    JSON = "JSON"


ENUMS = (
    described(
        ExportFormat,
        "ExportFormat",
        "What kind of file a report is.",
        CSV="Comma-separated values.",
        XLSX="A workbook with charts.",
        PDF="A document to print.",
        JSON="The documented response.",
    ),
    described(
        MembersFormat,
        "MembersFormat",
        "What kind of file a list of members is.",
        CSV="Comma-separated values.",
        XLSX="A workbook.",
        JSON="An object with a list of members.",
    ),
)


@strawberry.type(description="A link to a file, which whoever has it may open until it expires.")
class ExportPayload:
    """A link."""

    url: str | None = strawberry.field(
        default=None, description="Address of the file on this server, from the root on, with its signature."
    )
    expires_at: datetime | None = strawberry.field(
        default=None, description="Timestamp after which the link opens nothing: 15 minutes, or when the token expires."
    )
    user_errors: list[UserError] = strawberry.field(default_factory=list, description="What the caller can mend.")


@strawberry.type(description="Links to files. They change nothing.")
class ExportMutations:
    """Links to files."""

    @strawberry.mutation(
        permission_classes=[CanView],
        extensions=[AsUserErrors()],
        description="A signed, expiring link to the segmentation report as a file.",
    )
    async def export_segmentation_report(
        self,
        info: Info,
        format: Annotated[ExportFormat, strawberry.argument(description="What kind of file.")],
        method: Annotated[Method, strawberry.argument(description="How to group customers.")] = Method.RFM,
        days: Annotated[int, strawberry.argument(description="Length of the window in days, 1 to 9999.")] = 90,
        as_of: Annotated[
            date | None, strawberry.argument(description="Last day of the window, included; today where absent.")
        ] = None,
        storefront_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Only purchases of this storefront.")
        ] = None,
        segment_name: Annotated[
            str | None, strawberry.argument(description="Only this group; letter case ignored.")
        ] = None,
        segment_code: Annotated[str | None, strawberry.argument(description="Only this group, by its code.")] = None,
        scheme: Annotated[
            RfmScheme, strawberry.argument(description="Which set of RFM groups.")
        ] = RfmScheme.EIGHT_SEGMENT,
    ) -> ExportPayload:
        """Checked, then signed."""
        context, business = info.context, await info.context.business()
        numbers = None if storefront_id is None else numbers_of(storefront_id, "Storefront", business.id, 1)
        place = None if numbers is None else await context.loaders.storefronts.load(numbers[0])
        if storefront_id is not None and place is None:
            message = "storefrontId must be the id of a storefront of this business"
            raise InvalidInput(message, ("storefrontId",), "NOT_FOUND")
        asked = ReportAsked(method, days, as_of, place, scheme, segment_name, segment_code)
        report = await context.services.report_files.report(business, asked)
        # The day is said, so that the link shows tomorrow what it shows today.
        last, storefront = report.window.as_of, None if place is None else place.key
        query = ReportParameters(method, days, last, storefront, segment_name, segment_code, scheme).query
        url, expires = context.links.sign(f"/exports/segmentation.{format.value.lower()}", query, context.viewer)
        return ExportPayload(url=url, expires_at=expires)

    @strawberry.mutation(
        permission_classes=[CanView],
        extensions=[AsUserErrors()],
        description="A signed, expiring link to the members of a segment as a file.",
    )
    async def export_segment_members(
        self,
        info: Info,
        segment_id: Annotated[strawberry.ID, strawberry.argument(description="Global id of the segment.")],
        format: Annotated[MembersFormat, strawberry.argument(description="What kind of file.")],
    ) -> ExportPayload:
        """Looked up, then signed."""
        context, business = info.context, await info.context.business()
        numbers = numbers_of(segment_id, "Segment", business.id, 1)
        found = await context.services.segments.by_ids(business, numbers or ())
        segment = next(iter(found.values()), None)
        if segment is None or segment.deleted_at is not None:
            raise InvalidInput("segmentId must be the id of a segment of this business", ("segmentId",), "NOT_FOUND")
        path = f"/exports/segments/{encode('Segment', business.id, segment.id)}/members.{format.value.lower()}"
        url, expires = context.links.sign(path, [], context.viewer)
        return ExportPayload(url=url, expires_at=expires)
