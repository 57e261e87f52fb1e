"""The schema, made once a process from the nouns. `sdl` is what schema.graphql holds."""

import strawberry
from strawberry.schema.config import StrawberryConfig

from gql.schema.errors import ApiSchema
from gql.schema.limits import extensions
from gql.schema.mutations import Mutation
from gql.schema.queries import Query
from gql.schema.subscriptions import Subscription
from gql.schema.types.job import PurchaseImport, Recalculation
from gql.schema.types.scalars import scalar_map
from gql.settings import Settings


def make_schema(settings: Settings) -> strawberry.Schema:
    """The schema with the limits that the settings ask for."""
    return ApiSchema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[Recalculation, PurchaseImport],
        extensions=extensions(settings),
        config=StrawberryConfig(scalar_map=scalar_map()),
    )


def sdl() -> str:
    """The schema in GraphQL's own language."""
    return make_schema(Settings()).as_str() + "\n"
