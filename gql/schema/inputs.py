"""What defines a segment and which customers a list holds, as a client writes it and as the domain reads it. Labels
are compiled as rules are, so that they mean the same everywhere."""

from collections.abc import Iterator
from dataclasses import fields
from datetime import date

import strawberry

from domain.classification.labels import FREQUENCIES, SPENDINGS
from domain.errors import InvalidInput
from domain.model import Business
from domain.rules.criteria import RfmConfig, SegmentCriteria, build_customer_rule
from domain.segments.model import Definition
from domain.segments.validation import Draft
from domain.store import CustomerFilter as CustomerFilterEntity
from domain.store import Reported
from domain.texts import compose_optional, compose_text
from gql.schema.context import Context
from gql.schema.types.business import find_storefront
from gql.schema.types.enums import Method, RfmScheme, SegmentKind
from gql.schema.types.ids import match
from gql.schema.types.scalars import JSON
from gql.schema.types.segment import MetricBounds, ScoreBox

MAXIMUM_TEXT = 1000
CLEARABLE = ("name", "description", "is_dynamic", "rules", "criteria", "rfm_config", "schedule")
"""Fields of an update that may be absent, which keeps, or null, which clears."""


@strawberry.input(description="A box of RFM scores, digit by digit: 344 to 555 is R 3 to 5, F 4 to 5, M 4 to 5.")
class RfmConfigInput(ScoreBox):
    def to_entity(self) -> RfmConfig:
        return RfmConfig(self.min_score, self.max_score)


@strawberry.input(description="Bounds on a customer's metrics, all inclusive; all that are given must hold.")
class SegmentCriteriaInput(MetricBounds):
    def to_entity(self) -> SegmentCriteria:
        bounds = {bound.name: getattr(self, bound.name) for bound in fields(SegmentCriteria)}
        levels = bounds.pop("loyalty_levels")
        return SegmentCriteria(**bounds, loyalty_levels=None if levels is None else tuple(levels))


@strawberry.input(description="At least one of the three; where several are given, all must hold.")
class SegmentDefinitionInput:
    rules: JSON | None = strawberry.field(
        default=None, description="One JSONLogic object, or a list of them that must all hold."
    )
    criteria: SegmentCriteriaInput | None = strawberry.field(default=None, description="Bounds on metrics.")
    rfm_config: RfmConfigInput | None = strawberry.field(default=None, description="A box of RFM scores.")

    def to_entity(self) -> Definition:
        return to_definition(self.rules, self.criteria, self.rfm_config)


@strawberry.input(description="A new segment. An AUTOMATIC one needs a condition, a MANUAL one must have none.")
class CreateSegmentInput:
    name: str = strawberry.field(description="Name of the segment, unique in the business, letter case ignored.")
    key: str | None = strawberry.field(
        default=None,
        description="Lower-case letters, digits and hyphens, unique in the business; made from the name where absent.",
    )
    description: str | None = strawberry.field(default=None, description="What the segment is for.")
    kind: SegmentKind = strawberry.field(
        default=SegmentKind.AUTOMATIC, description="How the segment gets its members; never changes."
    )
    is_dynamic: bool | None = strawberry.field(
        default=None, description="Whether the membership follows by itself; true where absent, false for MANUAL."
    )
    is_rfm: bool | None = strawberry.field(
        default=None, description="Whether the definition uses RFM scores; found out where absent."
    )
    rules: JSON | None = strawberry.field(
        default=None, description="One JSONLogic object, or a list of them that must all hold."
    )
    criteria: SegmentCriteriaInput | None = strawberry.field(default=None, description="Bounds on metrics.")
    rfm_config: RfmConfigInput | None = strawberry.field(default=None, description="A box of RFM scores.")
    schedule: str | None = strawberry.field(
        default=None,
        description="When to recalculate: five cron fields in the business's time zone; nightly where absent.",
    )

    def to_draft(self) -> Draft:
        return Draft(
            name=self.name,
            kind=self.kind,
            key=self.key,
            description=self.description,
            is_dynamic=self.is_dynamic,
            is_rfm=self.is_rfm,
            definition=to_definition(self.rules, self.criteria, self.rfm_config),
            schedule=self.schedule,
        )


@strawberry.input(description="What to change of a segment. Absent fields keep what is stored, null clears.")
class UpdateSegmentInput:
    id: strawberry.ID = strawberry.field(description="Global id of the segment.")
    expected_version: int | None = strawberry.field(
        default=None, description="Version that the segment must have; CONFLICT where it has another one."
    )
    name: str | None = strawberry.field(default=strawberry.UNSET, description="Name; cannot be cleared.")
    description: str | None = strawberry.field(default=strawberry.UNSET, description="What the segment is for.")
    is_dynamic: bool | None = strawberry.field(
        default=strawberry.UNSET, description="Whether the membership follows by itself; null is the default again."
    )
    rules: JSON | None = strawberry.field(
        default=strawberry.UNSET, description="One JSONLogic object, or a list of them that must all hold."
    )
    criteria: SegmentCriteriaInput | None = strawberry.field(
        default=strawberry.UNSET, description="Bounds on metrics; they replace those stored as a whole."
    )
    rfm_config: RfmConfigInput | None = strawberry.field(default=strawberry.UNSET, description="A box of RFM scores.")
    schedule: str | None = strawberry.field(
        default=strawberry.UNSET, description="When to recalculate: five cron fields; null is nightly again."
    )

    def to_changes(self) -> dict[str, object]:
        """The fields that are there, as the domain reads them."""
        values = {name: getattr(self, name) for name in CLEARABLE}
        return {
            name: value.to_entity() if isinstance(value, SegmentCriteriaInput | RfmConfigInput) else value
            for name, value in values.items()
            if value is not strawberry.UNSET
        }


def to_definition(
    rules: JSON | None, criteria: SegmentCriteriaInput | None, rfm_config: RfmConfigInput | None
) -> Definition:
    """The three ways to say who belongs, as the domain reads them."""
    return Definition(
        rules,
        None if criteria is None else criteria.to_entity(),
        None if rfm_config is None else rfm_config.to_entity(),
    )


@strawberry.input(
    description="The customers of a segmentation report: all of its window, those of one group, or those of scores. "
    "What is absent is as in `segmentationReport`."
)
class ReportFilter:
    method: Method = strawberry.field(default=Method.RFM, description="How the report groups customers.")
    days: int = strawberry.field(default=90, description="Length of the window in days, 1 to 9999.")
    as_of: date | None = strawberry.field(
        default=None, description="Last day of the window, included; today where absent."
    )
    storefront_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only purchases of this storefront; all where absent."
    )
    scheme: RfmScheme = strawberry.field(default=RfmScheme.EIGHT_SEGMENT, description="Which set of RFM groups.")
    segment_code: str | None = strawberry.field(
        default=None, description="Only customers of the group of this code, the unclassified by theirs."
    )
    recency: int | None = strawberry.field(default=None, description="Only this recency score, 1 to 5.")
    frequency: int | None = strawberry.field(default=None, description="Only this frequency score, 1 to 5.")
    monetary: int | None = strawberry.field(default=None, description="Only this monetary score, 1 to 5.")

    async def to_entity(self, context: Context, business: Business) -> Reported:
        storefront = await find_storefront(context, business, self.storefront_id)
        return await context.services.reported_customers.choose(
            business,
            self.method,
            self.days,
            self.as_of,
            None if storefront is None else storefront.id,
            self.scheme,
            self.segment_code,
            (self.recency, self.frequency, self.monetary),
        )


@strawberry.input(
    description="The customers of a cell of `segmentTransitions`: those who went from one group to another between two "
    "windows, each scored within itself."
)
class TransitionFilter:
    from_: date = strawberry.field(name="from", description="Last day of the first window.")
    to: date = strawberry.field(description="Last day of the second window, not before `from`.")
    method: Method = strawberry.field(default=Method.RFM, description="How customers are grouped.")
    days: int = strawberry.field(default=90, description="Length of each window in days, 1 to 9999.")
    storefront_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only purchases of this storefront; all where absent."
    )
    scheme: RfmScheme = strawberry.field(default=RfmScheme.EIGHT_SEGMENT, description="Which set of RFM groups.")
    from_code: str | None = strawberry.field(
        default=None, description="Code of the group in the first window; null for customers without a purchase in it."
    )
    to_code: str | None = strawberry.field(
        default=None, description="Code of the group in the second window; null for customers without a purchase in it."
    )

    async def to_entity(self, context: Context, business: Business) -> Reported:
        storefront = await find_storefront(context, business, self.storefront_id)
        return context.services.reported_customers.choose_moved(
            business,
            self.method,
            self.days,
            self.from_,
            self.to,
            None if storefront is None else storefront.id,
            self.scheme,
            self.from_code,
            self.to_code,
        )


@strawberry.input(description="Which customers; every given part must hold.")
class CustomerFilter:
    search: str | None = strawberry.field(
        default=None, description="Beginning of the external id, name, email or a word of the name; case ignored."
    )
    segment_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description="Members of every one of these segments now; at most 20."
    )
    loyalty_levels: list[str] | None = strawberry.field(default=None, description="Any of these loyalty levels.")
    frequency: list[str] | None = strawberry.field(
        default=None, description=f"Any of these labels: {', '.join(FREQUENCIES)}."
    )
    spending: list[str] | None = strawberry.field(
        default=None, description=f"Any of these labels: {', '.join(SPENDINGS)}."
    )
    category: list[str] | None = strawberry.field(
        default=None, description="Any of these labels: the category that dominates, Family or Mixed."
    )
    rules: JSON | None = strawberry.field(
        default=None, description="One JSONLogic object, or a list that must all hold; see ruleVariables."
    )

    report: ReportFilter | None = strawberry.field(
        default=None, description="Those whom a segmentation report counts so."
    )
    transition: TransitionFilter | None = strawberry.field(
        default=None, description="Those who went from one group to another."
    )

    async def to_entity(self, context: Context, business: Business) -> CustomerFilterEntity:
        if any(len(text) > MAXIMUM_TEXT or "\0" in text for text in self._list_texts()):
            raise InvalidInput("filter must hold texts of at most 1000 characters, without NUL", ("filter",))
        levels = None if self.loyalty_levels is None else tuple(map(compose_text, self.loyalty_levels))
        reported = await self._choose_reported(context, business)
        plain = CustomerFilterEntity(compose_optional(self.search), levels, reported=reported)
        rule = build_customer_rule(self.rules, self.frequency, self.spending, self.category, business.attributes)
        if rule is None and self.segment_ids is None:
            return plain
        ids = [match(value, "Segment", business) for value in self.segment_ids or ()]
        return await context.services.analysis.narrow(business, plain, ids, rule)

    async def _choose_reported(self, context: Context, business: Business) -> tuple[Reported, ...]:
        """What reports say of the customers; InvalidInput says where in the filter it is wrong."""
        chosen = []
        for name, part in (("report", self.report), ("transition", self.transition)):
            if part is not None:
                try:
                    chosen.append(await part.to_entity(context, business))
                except InvalidInput as error:
                    raise InvalidInput(error.message, ("filter", name, *error.problems[0].field)) from error
        return tuple(chosen)

    def _list_texts(self) -> Iterator[str]:
        yield from filter(None, (self.search, self.report and self.report.segment_code))
        if self.transition is not None:
            yield from filter(None, (self.transition.from_code, self.transition.to_code))
        for texts in (self.loyalty_levels, self.frequency, self.spending, self.category):
            yield from texts or ()
