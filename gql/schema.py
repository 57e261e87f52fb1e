"""The schema, made once a process from the nouns. `sdl` is what schema.graphql holds."""

import strawberry
from strawberry.schema.config import StrawberryConfig

from gql.errors import ApiSchema
from gql.imports import PurchaseImport
from gql.job import Recalculation
from gql.limits import extensions
from gql.mutation import Mutation
from gql.query import Query
from gql.scalars import scalar_map
from gql.settings import Settings
from gql.subscription import Subscription


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
