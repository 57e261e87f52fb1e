"""The audit log as clients see it: who wrote what, newest first."""

from datetime import datetime
from typing import Annotated

import strawberry

from domain.model import Business as BusinessEntity
from domain.model import KeptEvent, Subject
from gql.context import Info
from gql.ids import decode, encode
from gql.node import Node
from gql.pagination import After, Connection, First, connection, requested
from gql.permissions import CanEdit
from gql.scalars import JSON

AUDIT_ORDER = "audit"
NOTHING: Subject = ("", 0)
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
    def of(cls, business: BusinessEntity, entity: KeptEvent) -> "AuditEvent":
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


def _subject(business: BusinessEntity, value: str) -> Subject:
    found = decode(value)
    if found is None or len(found[1]) != 2 or found[1][0] != business.id:
        # Told as of an id of ours that nothing has; what was deleted still has its writes.
        return NOTHING
    return found[0], found[1][1]
