"""What a resolver works with: who asks, the services, and loaders that live as long as one operation.

What a token permits, field by field.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import strawberry
from strawberry.permission import BasePermission

from domain.errors import Forbidden
from domain.model import Business, Permission, Viewer
from domain.store import Actor, Unit
from gql.composition import Services
from gql.schema.loaders import Loaders
from gql.signed_links import ExportLinks

T = TypeVar("T")


@dataclass(slots=True)
class KeptNotes:
    """How many reports of an answer were kept, how many computed for it, and the age in seconds of the oldest."""

    hit: int = 0
    miss: int = 0
    age: float = 0.0

    def note(self, hit: bool, age: float) -> None:
        """One report."""
        self.hit += hit
        self.miss += not hit
        self.age = max(self.age, age)


@dataclass(slots=True)
class Context:
    """One operation's. The business is read once, by whoever needs it first, and held at that moment: whatever is then
    told of members is of the same ones."""

    viewer: Viewer
    services: Services
    request_id: str
    links: ExportLinks
    loaders: Loaders = field(init=False)
    kept: KeptNotes = field(init=False)
    _business: asyncio.Task[Business] | None = field(init=False, default=None)
    _moment: datetime | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Loaders ask for the business themselves."""
        self.loaders = Loaders(self.services, self.business)
        self.kept = KeptNotes()

    async def business(self) -> Business:
        """The viewer's business."""
        if self._business is None:
            self._business = asyncio.ensure_future(self._opened(self._moment))
        return await asyncio.shield(self._business)

    async def _opened(self, moment: datetime | None) -> Business:
        return (await self.services.businesses.open(self.viewer.business)).held(moment)

    async def read(self, question: Callable[[Unit], Awaitable[T]]) -> T:
        """The answer of one read unit of the viewer's business."""
        return await self.services.read(await self.business(), question)

    def renew(self, moment: datetime | None = None) -> None:
        """The next event of a subscription: what was read for the last one may have changed. Or something was written:
        what follows is of that moment."""
        self.close()
        self._business, self._moment = None, moment
        self.__post_init__()

    def close(self) -> None:
        """The operation is over: what still works for it stops."""
        self.loaders.close()
        if self._business is not None:
            self._business.cancel()

    @property
    def actor(self) -> Actor:
        """Who writes."""
        return Actor(self.viewer.subject, self.request_id)


Info = strawberry.Info[Context, None]


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
