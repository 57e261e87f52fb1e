"""Definitions as clients state them: rules, criteria and a box of RFM scores."""

from dataclasses import fields
from decimal import Decimal

import strawberry

from domain.criteria import RfmConfig, SegmentCriteria
from domain.segment_model import Definition
from gql.scalars import JSON


@strawberry.input(description="A box of RFM scores, digit by digit: 344 to 555 is R 3 to 5, F 4 to 5, M 4 to 5.")
class RfmConfigInput:
    """A box of scores."""

    min_score: str = strawberry.field(description="Least recency, frequency and monetary score, three digits.")
    max_score: str = strawberry.field(description="Greatest recency, frequency and monetary score, three digits.")

    def entity(self) -> RfmConfig:
        """The box as the domain reads it."""
        return RfmConfig(self.min_score, self.max_score)


@strawberry.input(description="Bounds on a customer's metrics, all inclusive; what is absent asks for nothing.")
class SegmentCriteriaInput:
    """Bounds on metrics."""

    min_lifetime_value: Decimal | None = strawberry.field(
        default=None, description="Least revenue in the business's currency."
    )
    max_lifetime_value: Decimal | None = strawberry.field(
        default=None, description="Greatest revenue in the business's currency."
    )
    min_orders: int | None = strawberry.field(default=None, description="Least number of qualifying purchases.")
    max_orders: int | None = strawberry.field(default=None, description="Greatest number of qualifying purchases.")
    min_days_since_last_purchase: int | None = strawberry.field(
        default=None, description="Least days since the last purchase."
    )
    max_days_since_last_purchase: int | None = strawberry.field(
        default=None, description="Greatest days since the last purchase."
    )
    min_purchase_frequency: float | None = strawberry.field(default=None, description="Least purchases per 30 days.")
    max_purchase_frequency: float | None = strawberry.field(default=None, description="Greatest purchases per 30 days.")
    min_tenure_days: int | None = strawberry.field(default=None, description="Least days since the customer came.")
    max_tenure_days: int | None = strawberry.field(default=None, description="Greatest days since the customer came.")
    loyalty_levels: list[str] | None = strawberry.field(
        default=None, description="Any of these loyalty levels, exactly."
    )

    def entity(self) -> SegmentCriteria:
        """The bounds as the domain reads them."""
        given = {field.name: getattr(self, field.name) for field in fields(SegmentCriteria)}
        levels = given.pop("loyalty_levels")
        return SegmentCriteria(**given, loyalty_levels=None if levels is None else tuple(levels))


@strawberry.input(description="What members a segment has. At least one of the three; all that is given must hold.")
class SegmentDefinitionInput:
    """What members a segment has."""

    rules: JSON | None = strawberry.field(
        default=None, description="One JSONLogic object, or a list that must all hold; see ruleVariables."
    )
    criteria: SegmentCriteriaInput | None = strawberry.field(default=None, description="Bounds on metrics.")
    rfm_config: RfmConfigInput | None = strawberry.field(default=None, description="A box of RFM scores.")

    def entity(self) -> Definition:
        """The definition as the domain reads it."""
        return Definition(
            self.rules,
            None if self.criteria is None else self.criteria.entity(),
            None if self.rfm_config is None else self.rfm_config.entity(),
        )
