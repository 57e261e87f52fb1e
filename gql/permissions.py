"""What a token permits, field by field."""

from typing import Any

from strawberry.permission import BasePermission

from domain.errors import Forbidden
from domain.model import Permission
from gql.context import Info


class _Needs(BasePermission):
    """Fails with FORBIDDEN where the token lacks the permission."""

    permission: Permission

    def has_permission(self, source: Any, info: Info, **kwargs: Any) -> bool:
        """Whether the token holds it."""
        return self.permission.value in info.context.viewer.permissions

    def on_unauthorized(self) -> None:
        """One sentence that names the permission."""
        raise Forbidden(f"This needs the permission {self.permission.value}.")


class CanView(_Needs):
    """Every read."""

    permission = Permission.VIEW


class CanEdit(_Needs):
    """Every write."""

    permission = Permission.EDIT
