"""The storefront that a report may be limited to."""

from typing import Annotated

import strawberry

from domain.errors import InvalidInput
from domain.model import Business
from gql.context import Context
from gql.ids import numbers_of
from gql.viewer import Storefront

StorefrontId = Annotated[
    strawberry.ID | None, strawberry.argument(description="Only purchases of this storefront; all where absent.")
]


async def find_storefront(context: Context, business: Business, value: str | None) -> tuple[int, Storefront] | None:
    """The storefront of an optional id; InvalidInput where there is none."""
    if value is None:
        return None
    numbers = numbers_of(value, "Storefront", business.id, 1)
    entity = None if numbers is None else await context.loaders.storefronts.load(numbers[0])
    if numbers is None or entity is None:
        raise InvalidInput("storefrontId must be the id of a storefront of this business", ("storefrontId",))
    return numbers[0], Storefront.of(business.id, entity)
