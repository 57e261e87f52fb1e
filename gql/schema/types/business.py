"""Who asks, and the business they ask about.

The storefront that a report may be limited to.

The audit log as clients see it: who wrote what, newest first.
"""

from datetime import datetime
from typing import Annotated

import strawberry

from domain.businesses.settings import effective
from domain.errors import InvalidInput
from domain.model import AuditRecord, AuditTarget
from domain.model import Business as BusinessEntity
from domain.model import Storefront as StorefrontEntity
from gql.schema.context import CanEdit, Context, Info
from gql.schema.types.ids import Node, decode, encode, numbers_of
from gql.schema.types.pagination import After, Connection, First, connection, requested
from gql.schema.types.scalars import JSON


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


StorefrontId = Annotated[
    strawberry.ID | None, strawberry.argument(description="Only purchases of this storefront; all where absent.")
]


async def find_storefront(
    context: Context, business: BusinessEntity, value: str | None
) -> tuple[int, Storefront] | None:
    """The storefront of an optional id; InvalidInput where there is none."""
    if value is None:
        return None
    numbers = numbers_of(value, "Storefront", business.id, 1)
    entity = None if numbers is None else await context.loaders.storefronts.load(numbers[0])
    if numbers is None or entity is None:
        raise InvalidInput("storefrontId must be the id of a storefront of this business", ("storefrontId",))
    return numbers[0], Storefront.of(business.id, entity)


AUDIT_ORDER = "audit"
NOTHING: AuditTarget = ("", 0)
"""What no write is about."""


@strawberry.type(description="One write: who did what, and how it ended.")
class AuditEvent(Node):
    """One write."""

    at: datetime = strawberry.field(description="Timestamp of the write.")
    actor: str = strawberry.field(description="Who wrote: the subject of the token, or the program's own part.")
    action: str = strawberry.field(description="What was done, by the name of the mutation.")
    outcome: str = strawberry.field(description="How it ended.")
    request_id: str | None = strawberry.field(description="Id of the request, which also stands in the log.")
    subject_id: strawberry.ID | None = strawberry.field(description="Global id of what was changed, where it is one.")
    detail: JSON | None = strawberry.field(description="Counts, and old and new value of each changed field.")

    @classmethod
    def of(cls, business: BusinessEntity, entity: AuditRecord) -> "AuditEvent":
        """The event."""
        subject = entity.subject
        return cls(
            id=encode("AuditEvent", business.id, entity.id),
            at=entity.at,
            actor=entity.actor,
            action=entity.action,
            outcome=entity.outcome,
            request_id=entity.request_id,
            subject_id=None if subject is None else encode(subject[0], business.id, subject[1]),
            detail=None if entity.detail is None else JSON(dict(entity.detail)),
        )


@strawberry.type(description="Questions about the audit log.")
class AuditQueries:
    """Questions about the audit log."""

    @strawberry.field(permission_classes=[CanEdit], description="Writes, newest first.")
    async def audit_events(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        subject_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Only writes that changed this object.")
        ] = None,
    ) -> Connection[AuditEvent]:
        """A page."""
        request = requested(AUDIT_ORDER, int, first, after)
        business, service = await info.context.business(), info.context.services.auditing
        subject = None if subject_id is None else _subject(business, subject_id)
        page = await service.page(business, request, subject)
        return connection(
            page,
            AUDIT_ORDER,
            lambda event: AuditEvent.of(business, event),
            lambda: service.count(business, subject),
        )


def _subject(business: BusinessEntity, value: str) -> AuditTarget:
    found = decode(value)
    if found is None or len(found[1]) != 2 or found[1][0] != business.id:
        # Told as of an id of ours that nothing has; what was deleted still has its writes.
        return NOTHING
    return found[0], found[1][1]
