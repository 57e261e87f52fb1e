"""Who asks, and the business they ask about."""

import strawberry

from domain.businesses.settings import effective
from domain.model import Business as BusinessEntity
from domain.model import Storefront as StorefrontEntity
from gql.ids import encode
from gql.node import Node
from gql.scalars import JSON


@strawberry.type(description="The tenant: a shop, or a group of storefronts under one account.")
class Business(Node):
    """The tenant."""

    key: str = strawberry.field(description="Short name of the business, as tokens and the command line use it.")
    name: str = strawberry.field(description="Name of the business for people.")
    currency: str = strawberry.field(description="ISO 4217 code of the currency of every amount.")
    time_zone: str = strawberry.field(description="IANA time zone that decides every calendar day.")
    settings: JSON = strawberry.field(
        description="Every setting of the business by its name, with the value in effect."
    )
    settings_version: int = strawberry.field(description="Grows by one with every change of the settings.")

    @classmethod
    def of(cls, entity: BusinessEntity) -> "Business":
        """The business of the entity."""
        return cls(
            id=encode("Business", entity.id),
            key=entity.key,
            name=entity.name,
            currency=entity.currency,
            time_zone=entity.time_zone,
            settings=JSON(effective(entity.settings)),
            settings_version=entity.settings_version,
        )


@strawberry.type(description="A place where the business sells.")
class Storefront(Node):
    """A place of sale."""

    key: str = strawberry.field(description="Short name of the storefront, unique in the business.")
    name: str = strawberry.field(description="Name of the storefront for people.")

    @classmethod
    def of(cls, business: int, entity: StorefrontEntity) -> "Storefront":
        """The storefront of the entity."""
        return cls(id=encode("Storefront", business, entity.id), key=entity.key, name=entity.name)


@strawberry.type(description="Who asks.")
class Viewer:
    """Who asks."""

    subject: str = strawberry.field(description="Subject of the token: a person or a program.")
    business: Business = strawberry.field(description="Business that the token is for.")
    permissions: list[str] = strawberry.field(description="Permissions of the token.")
