"""Who asks, the business they ask about, its storefronts, and its audit log: who did what."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import strawberry

from domain.businesses.settings import Setting, list_effective, read_effective
from domain.errors import InvalidInput, build_unknown_id
from domain.imports.model import SavedFormat
from domain.model import AuditRecord
from domain.model import Business as BusinessEntity
from domain.model import Storefront as StorefrontEntity
from domain.model import Viewer as ViewerEntity
from gql.schema.context import Context
from gql.schema.types.enums import ValueType
from gql.schema.types.ids import Node, encode, match
from gql.schema.types.scalars import JSON


@strawberry.type(description="A setting of the business: what it is, what it may be, and what it is now.")
class BusinessSetting:
    name: str = strawberry.field(
        description="Name of the setting; a dot stands for a section, as in `import.preset`. "
        "`updateBusinessSettings` takes it so."
    )
    description: str = strawberry.field(description="What the setting is; names of others stand in backquotes.")
    type: ValueType = strawberry.field(description="What kind of value it has.")
    accepts: str = strawberry.field(description="What it may be, in words.")
    unit: str | None = strawberry.field(
        description="What a whole number counts: days, months, orders or percent; null for other types."
    )
    minimum: int | None = strawberry.field(description="Lowest value of a whole number; null for other types.")
    maximum: int | None = strawberry.field(description="Highest value of a whole number; null for other types.")
    choices: list[str] = strawberry.field(description="All that it may be, where they can be listed; else none.")
    value: JSON | None = strawberry.field(description="The value in effect; null where it has none.")
    default: JSON | None = strawberry.field(description="The value that it has where nobody has set it.")
    server_only: bool = strawberry.field(
        description="Whether it is a place on the server, and only set there, by `segments settings apply`."
    )

    @classmethod
    def of(cls, entity: Setting, value: object) -> "BusinessSetting":
        kind = entity.kind
        low, high = kind.bounds or (None, None)
        return cls(
            name=entity.name,
            description=entity.description,
            type=kind.type,
            accepts=kind.words,
            unit=entity.unit,
            minimum=low,
            maximum=high,
            choices=list(kind.choices),
            value=None if value is None else JSON(value),
            default=None if entity.default is None else JSON(entity.default),
            server_only=entity.here,
        )


@strawberry.type(description="The tenant: a shop, or a group of storefronts under one account.")
class Business(Node):
    key: str = strawberry.field(description="Short name of the business, as tokens and the command line use it.")
    name: str = strawberry.field(description="Name of the business for people.")
    currency: str = strawberry.field(description="ISO 4217 code of the currency of every amount.")
    time_zone: str = strawberry.field(description="IANA time zone that decides every calendar day.")
    settings: JSON = strawberry.field(
        description="Every setting of the business by its name, with the value in effect."
    )
    settings_version: int = strawberry.field(description="Grows by one with every change of the settings.")

    stored: strawberry.Private[Mapping[str, object]]

    @strawberry.field(description="The same settings one by one, each with what it is, what it may be and its default.")
    def setting_details(self) -> list[BusinessSetting]:
        return [BusinessSetting.of(setting, value) for setting, value in list_effective(self.stored)]

    @classmethod
    def of(cls, entity: BusinessEntity) -> "Business":
        return cls(
            id=encode("Business", entity.id),
            key=entity.key,
            name=entity.name,
            currency=entity.currency,
            time_zone=entity.time_zone,
            settings=JSON(read_effective(entity.settings.stored)),
            settings_version=entity.settings_version,
            stored=entity.settings.stored,
        )


@strawberry.type(description="How a source of purchases or customers is written, under a name that it can be read by.")
class SourceFormat:
    name: str = strawberry.field(description="Name of the format, as imports name it.")
    settings: JSON = strawberry.field(
        description="What the format says: an object whose keys, such as `date_format`, are those of files of formats; "
        "docs/sources.md has them."
    )
    preset: bool = strawberry.field(
        description="Whether it comes with the program, as the preset of that name, and cannot be changed."
    )
    updated_at: datetime | None = strawberry.field(description="Timestamp of the last saving; null for a preset.")

    @classmethod
    def of(cls, entity: SavedFormat) -> "SourceFormat":
        return cls(
            name=entity.name,
            settings=JSON(dict(entity.document)),
            preset=entity.is_preset,
            updated_at=entity.updated_at,
        )


@strawberry.type(description="A place where the business sells.")
class Storefront(Node):
    key: str = strawberry.field(description="Short name of the storefront, unique in the business.")
    name: str = strawberry.field(description="Name of the storefront for people.")

    @classmethod
    def of(cls, business: BusinessEntity, entity: StorefrontEntity) -> "Storefront":
        return cls(id=encode("Storefront", business.id, entity.id), key=entity.key, name=entity.name)


@strawberry.type(description="Who asks.")
class Viewer:
    subject: str = strawberry.field(description="Subject of the token: a person or a program.")
    business: Business = strawberry.field(description="Business that the token is for.")
    permissions: list[str] = strawberry.field(description="Permissions of the token.")
    token_id: str | None = strawberry.field(
        description="Id of the token, its claim jti, by which it can be revoked; null where it has none."
    )
    expires_at: datetime = strawberry.field(description="Timestamp from which the token is not taken any more.")

    @classmethod
    def of(cls, entity: ViewerEntity, business: BusinessEntity) -> "Viewer":
        return cls(
            subject=entity.subject,
            business=Business.of(business),
            permissions=sorted(entity.permissions),
            token_id=entity.token_id,
            expires_at=entity.expires_at,
        )


def read_settings(settings: object) -> Mapping[str, object]:
    """Settings as they are stated, by name; InvalidInput where they are no object."""
    if not isinstance(settings, Mapping):
        raise InvalidInput('settings must be an object such as {"lapsed_days": 120}', ("settings",))
    return settings


StorefrontId = Annotated[
    strawberry.ID | None, strawberry.argument(description="Only purchases of this storefront; all where absent.")
]


async def find_storefront(context: Context, business: BusinessEntity, value: str | None) -> StorefrontEntity | None:
    """The storefront that a report is limited to; None where it is not, InvalidInput where there is no such one."""
    if value is None:
        return None
    number = match(value, "Storefront", business)
    storefront = None if number is None else await context.loaders.storefronts.load(number)
    if storefront is None:
        raise build_unknown_id("storefront", "storefrontId")
    return storefront


@strawberry.type(
    description="A write, a file that was given out, or an attempt that was refused: who did what, and how it ended."
)
class AuditEvent(Node):
    at: datetime = strawberry.field(description="Timestamp of the write, the file or the attempt.")
    actor: str = strawberry.field(
        description="Who did it: the subject of the token, also of the one that a link was made with, or the program's "
        "own part."
    )
    action: str = strawberry.field(
        description="What was done, or attempted, by the name of the mutation or query; or by one of those that "
        "docs/operations.md lists, such as downloadMembers."
    )
    outcome: str = strawberry.field(
        description="How it ended: DONE; REFUSED for what the caller can mend, and DENIED for a permission that the "
        "token lacks, after both of which nothing has changed; FAILED or CANCELLED for an import."
    )
    request_id: str | None = strawberry.field(description="Id of the request, which also stands in the log.")
    subject_id: strawberry.ID | None = strawberry.field(
        description="Global id of what it was about, where that is one thing."
    )
    detail: JSON | None = strawberry.field(
        description="Counts, ids of what was touched, old and new value of each changed field, digests, or codes of a "
        "refusal; docs/operations.md says more."
    )

    @classmethod
    def of(cls, business: BusinessEntity, entity: AuditRecord) -> "AuditEvent":
        target = entity.subject
        return cls(
            id=encode("AuditEvent", business.id, entity.id),
            at=entity.at,
            actor=entity.actor,
            action=entity.action,
            outcome=entity.outcome,
            request_id=entity.request_id,
            subject_id=None if target is None else encode(target[0], business.id, target[1]),
            detail=None if entity.detail is None else JSON(dict(entity.detail)),
        )
