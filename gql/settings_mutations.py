"""The change of a business's settings: absent keeps, null goes back to the default, all faults at once."""

from collections.abc import Mapping
from typing import Annotated

import strawberry

from domain.errors import InvalidInput
from gql.context import Info
from gql.payloads import AsUserErrors, UserError
from gql.permissions import CanEdit
from gql.scalars import JSON
from gql.viewer import Business


@strawberry.type(description="The business with its settings as they are now.")
class UpdateBusinessSettingsPayload:
    """The business."""

    business: Business | None = strawberry.field(default=None, description="The business.")
    user_errors: list[UserError] = strawberry.field(default_factory=list, description="What the caller can mend.")


@strawberry.type(description="Changes of settings.")
class SettingsMutations:
    """Settings."""

    @strawberry.mutation(
        permission_classes=[CanEdit],
        extensions=[AsUserErrors()],
        description="Change settings of the business, all that are given or none. What is absent keeps its value.",
    )
    async def update_business_settings(
        self,
        info: Info,
        settings: Annotated[
            JSON,
            strawberry.argument(
                description="Object of names and values; null goes back to the default. docs/settings.md has the names."
            ),
        ],
        expected_version: Annotated[
            int | None,
            strawberry.argument(description="`settingsVersion` that the change is meant for; CONFLICT where it grew."),
        ] = None,
    ) -> UpdateBusinessSettingsPayload:
        """One unit."""
        if not isinstance(settings, Mapping):
            raise InvalidInput('settings must be an object such as {"lapsed_days": 120}', ("settings",))
        key, businesses = info.context.viewer.business, info.context.services.businesses
        changed, _ = await businesses.set_settings(key, settings, info.context.actor, expected_version=expected_version)
        return UpdateBusinessSettingsPayload(business=Business.of(changed))
