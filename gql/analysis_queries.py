"""Questions about rules: what a definition would come to, why a customer is a member, how segments overlap, and what
rules may use."""

from typing import Annotated

import strawberry

from domain.errors import InvalidInput
from domain.rules.variables import rule_variables
from gql.analysis import RuleVariable, SegmentExplanation, SegmentOverlap, SegmentPreview
from gql.context import Info
from gql.ids import numbers_of
from gql.permissions import CanView
from gql.segment_inputs import SegmentDefinitionInput


@strawberry.type(description="Questions about rules.")
class AnalysisQueries:
    """Questions about rules."""

    @strawberry.field(
        permission_classes=[CanView],
        description="What a definition that is not saved would come to, also against the members of a segment.",
    )
    async def segment_preview(
        self,
        info: Info,
        definition: Annotated[SegmentDefinitionInput, strawberry.argument(description="The definition.")],
        against_segment_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="Segment whose members are compared; none where absent."),
        ] = None,
    ) -> SegmentPreview | None:
        """Counts in one statement; samples in one each, where they are asked for."""
        business = await info.context.business()
        against = None
        if against_segment_id is not None:
            against = numbers_of(against_segment_id, "Segment", business.id, 1)
            if against is None:
                message = "againstSegmentId must be the id of a segment of this business"
                raise InvalidInput(message, ("againstSegmentId",))
        key = None if against is None else against[0]
        found = await info.context.services.analysis.preview(business, definition.entity(), key)
        return SegmentPreview.of(business, found)

    @strawberry.field(
        permission_classes=[CanView],
        description="Why a customer is a member of a segment or is none, clause by clause; null without either.",
    )
    async def segment_explain(
        self,
        info: Info,
        segment_id: Annotated[strawberry.ID, strawberry.argument(description="Global id of the segment.")],
        customer_id: Annotated[strawberry.ID, strawberry.argument(description="Global id of the customer.")],
    ) -> SegmentExplanation | None:
        """One customer against one definition."""
        business = await info.context.business()
        segment = numbers_of(segment_id, "Segment", business.id, 1)
        customer = numbers_of(customer_id, "Customer", business.id, 1)
        if segment is None or customer is None:
            return None
        found = await info.context.services.analysis.explain(business, segment[0], customer[0])
        return None if found is None else SegmentExplanation.of(found)

    @strawberry.field(permission_classes=[CanView], description="How the members of 2 to 10 segments coincide now.")
    async def segment_overlap(
        self,
        info: Info,
        segment_ids: Annotated[list[strawberry.ID], strawberry.argument(description="Global ids of the segments.")],
    ) -> SegmentOverlap | None:
        """All counts in one statement."""
        business = await info.context.business()
        numbers = [numbers_of(value, "Segment", business.id, 1) for value in segment_ids]
        ids = [None if found is None else found[0] for found in numbers]
        return SegmentOverlap.of(business, await info.context.services.analysis.overlap(business, ids))

    @strawberry.field(permission_classes=[CanView], description="Every variable that a rule may use.")
    async def rule_variables(self, info: Info) -> list[RuleVariable]:
        """Money in the business's currency."""
        business = await info.context.business()
        return [RuleVariable.of(entity) for entity in rule_variables(business.currency)]
