"""What a resolver works with: who asks and what the token permits, the services, and loaders that live as long as one
operation."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import strawberry
from graphql import DocumentNode
from strawberry.permission import BasePermission

from domain.errors import Forbidden
from domain.jobs.progress import Audience
from domain.model import Actor, AuditOutcome, Business, Permission, Viewer
from domain.store import Claim, Unit
from gql.composition import Services
from gql.schema.loaders import Loaders
from gql.schema.pacing import Pace
from gql.schema.types.ids import find_target
from gql.signed_links import ExportLinks, Link, Query

T = TypeVar("T")


@dataclass(slots=True)
class CacheStats:
    """How many reports of an answer were cached, how many computed for it, and the age in seconds of the oldest."""

    hit: int = 0
    miss: int = 0
    age: float = 0.0

    def add(self, hit: bool, age: float) -> None:
        self.hit += hit
        self.miss += not hit
        self.age = max(self.age, age)


@dataclass(slots=True)
class Cost:
    """What the operation may come to, in objects, and whether it asks for what may take as long as a report; measured
    before any resolver runs."""

    requested: int = 0
    is_slow: bool = False
    document: DocumentNode | None = None

    def charge(self, requested: int, document: DocumentNode, operation_name: str | None) -> None:
        """The operation begins, unless the caller has not as much left."""
        self.requested, self.document = requested, document

    def repeat(self, requested: int, actual: int) -> Mapping[str, int] | None:
        """Charge and settle at once what was executed before and came to as much; what the answer says of it."""

    def settle(self, data: Mapping[str, Any] | None) -> Mapping[str, int] | None:
        """What an answer says of its cost, if anything."""

    def keep(self) -> Mapping[str, int] | None:
        """The same of an operation that was stopped, or goes on without its caller."""


@dataclass(slots=True)
class Context:
    """One operation's. The business is read once, by whoever needs it first, unless it was before and is `opened`, and
    held at that moment: whatever is then told of members is of the same ones. `claim` is that of a mutation with an
    Idempotency-Key, `origin` where the client has reached the server, `audience` of a subscription those who are told
    its messages, too; a replica may answer what `only_reads`."""

    viewer: Viewer
    services: Services
    request_id: str
    links: ExportLinks
    pace: Pace = field(default_factory=Pace)
    cost: Cost = field(default_factory=Cost)
    claim: Claim | None = None
    origin: str = ""
    audience: Audience | None = None
    only_reads: bool = False
    opened: Business | None = None
    loaders: Loaders = field(init=False)
    cache: CacheStats = field(init=False)
    _business: asyncio.Task[Business] | None = field(init=False, default=None)
    _moment: datetime | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.loaders = Loaders(self.services, self.load_business, self.pace)
        self.cache = CacheStats()

    async def load_business(self) -> Business:
        """The viewer's business."""
        if self._business is None:
            self._business = asyncio.ensure_future(self._open_business(self._moment))
        return await asyncio.shield(self._business)

    def get_business(self) -> Business | None:
        """The business as the operation has it; None where it did not need it."""
        return None if self._business is None else self._business.result()

    async def _open_business(self, moment: datetime | None) -> Business:
        business = self.opened or await self.services.businesses.open(self.viewer.business)
        return (business.allow_replica() if self.only_reads else business).freeze_at(moment)

    def sign_link(self, path: str, query: Query) -> Link:
        """The address of a file for the viewer."""
        address, expires = self.links.sign(path, query, self.viewer)
        return Link(self.origin + address, address.removeprefix("/"), expires)

    async def read(self, question: Callable[[Unit], Awaitable[T]]) -> T:
        """The answer of one read unit of the viewer's business."""
        return await self.services.read(await self.load_business(), question)

    def renew(self, moment: datetime | None = None) -> None:
        """The next event of a subscription: what was read for the last one may have changed. Or something was written:
        what follows is of that moment."""
        self.close()
        self._business, self._moment, self.opened = None, moment, None
        self.__post_init__()

    def close(self) -> None:
        """The operation is over: what still works for it stops."""
        self.loaders.close()
        if self._business is not None:
            self._business.cancel()

    async def add_refusal(
        self, action: str, arguments: Mapping[str, object], outcome: AuditOutcome, codes: Sequence[str]
    ) -> None:
        """Tell the audit log that the field was refused, and about which thing where the arguments name one."""
        stored = await self.services.store.find_business(self.viewer.business)
        if stored is not None:
            target = find_target(arguments, stored[0])
            await self.services.refusals.add(stored[0].id, self.actor, action, target, outcome, codes)

    @property
    def actor(self) -> Actor:
        """Who writes."""
        return Actor(self.viewer.subject, self.request_id, None if self.claim is None else self.claim.key)


Info = strawberry.Info[Context, None]


class _RequiredPermission(BasePermission):
    """Fails with FORBIDDEN where the token lacks the permission; the audit log has the attempt."""

    permission: Permission

    async def has_permission(self, source: Any, info: Info, **kwargs: Any) -> bool:
        permitted = self.permission.value in info.context.viewer.permissions
        if not permitted:
            await info.context.add_refusal(info.field_name, kwargs, AuditOutcome.DENIED, [Forbidden.code])
        return permitted

    def on_unauthorized(self) -> None:
        raise Forbidden(f"This needs the permission {self.permission.value}.")


class CanView(_RequiredPermission):
    """Every read."""

    permission = Permission.VIEW


class CanEdit(_RequiredPermission):
    """Every write."""

    permission = Permission.EDIT
