"""Erasure of a customer on request: the person goes, the figures stay. Open memberships end with it, so that current
lists and counts leave the customer out together."""

from dataclasses import dataclass

from domain.errors import InvalidInput
from domain.model import Business
from domain.store import Actor, AuditEvent, SegmentStore


@dataclass(frozen=True, slots=True)
class Erasure:
    """Erasure in a business, as the face sees it."""

    store: SegmentStore

    async def erase(self, business: Business, customer_id: int | None, actor: Actor) -> int:
        """Erase a customer; again changes nothing. The id, which stays."""
        async with self.store.write(business) as unit:
            found = {} if customer_id is None else await unit.customers.by_ids([customer_id])
            record = next(iter(found.values()), None)
            if record is None:
                message = "customerId must be the id of a customer of this business"
                raise InvalidInput(message, ("customerId",), "NOT_FOUND")
            key = record.customer.id
            if not record.customer.erased:
                ended = await unit.memberships.end_of_customer(key, unit.instant, actor.name)
                await unit.erasure.erase(key, unit.instant)
                await unit.data_changed()
                detail = {"membershipsEnded": ended}
                subject = ("Customer", key)
                await unit.audit(AuditEvent(actor.name, "eraseCustomer", "DONE", actor.request_id, detail, subject))
        return key
