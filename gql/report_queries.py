"""Questions about groups over time."""

from datetime import date
from typing import Annotated

import strawberry

from domain.money import exponent
from gql.context import Info
from gql.enums import Method, RfmScheme, SeriesInterval
from gql.permissions import CanView
from gql.report_moves import LabelCount, MovesSource, SegmentTransitions, TrendPoint
from gql.storefront_argument import StorefrontId, find_storefront

MethodArgument = Annotated[Method, strawberry.argument(description="How to group customers.")]
Days = Annotated[int, strawberry.argument(description="Length of each window in days, 1 to 9999.")]
Scheme = Annotated[RfmScheme, strawberry.argument(description="Which set of RFM groups.")]


@strawberry.type(description="Questions about groups over time.")
class ReportQueries:
    """Questions about groups over time."""

    @strawberry.field(
        permission_classes=[CanView],
        description="Who went from which group to which between two windows, each scored within itself.",
    )
    async def segment_transitions(
        self,
        info: Info,
        from_: Annotated[date, strawberry.argument(name="from", description="Last day of the first window.")],
        to: Annotated[date, strawberry.argument(description="Last day of the second window, not before `from`.")],
        method: MethodArgument = Method.RFM,
        days: Days = 90,
        storefront_id: StorefrontId = None,
        scheme: Scheme = RfmScheme.EIGHT_SEGMENT,
    ) -> SegmentTransitions | None:
        """All moves in one statement."""
        business, movements = await info.context.business(), info.context.services.movements
        place = await find_storefront(info.context, business, storefront_id)
        found = await movements.transitions(
            business, method, days, from_, to, None if place is None else place[0], scheme
        )
        return SegmentTransitions.of(MovesSource(business, found, movements))

    @strawberry.field(
        permission_classes=[CanView],
        description="Every group of the reports that end with a date, for at most 60 dates: `from`, and every interval"
        " later as far as `to`.",
    )
    async def segmentation_trend(
        self,
        info: Info,
        from_: Annotated[date, strawberry.argument(name="from", description="First date, the last day of its window.")],
        to: Annotated[date, strawberry.argument(description="Last date at most, not before `from`.")],
        method: MethodArgument = Method.RFM,
        days: Days = 90,
        interval: Annotated[
            SeriesInterval, strawberry.argument(description="How far the dates are apart.")
        ] = SeriesInterval.MONTH,
        storefront_id: StorefrontId = None,
        scheme: Scheme = RfmScheme.EIGHT_SEGMENT,
    ) -> list[TrendPoint] | None:
        """All windows in one statement."""
        business = await info.context.business()
        place = await find_storefront(info.context, business, storefront_id)
        found = await info.context.services.movements.trend(
            business, method, days, from_, to, interval, None if place is None else place[0], scheme
        )
        decimals = exponent(business.currency)
        return [TrendPoint.of(point, decimals) for point in found]

    @strawberry.field(
        permission_classes=[CanView],
        description="How many customers have each label of classification, over all qualifying purchases so far.",
    )
    async def classification_statistics(
        self,
        info: Info,
        as_of: Annotated[
            date | None, strawberry.argument(description="Last day that counts; today where absent.")
        ] = None,
    ) -> list[LabelCount] | None:
        """All labels in one statement."""
        found = await info.context.services.movements.statistics(await info.context.business(), as_of)
        return [LabelCount.of(entity) for entity in found]
