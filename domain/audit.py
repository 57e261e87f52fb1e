"""The audit log, read: who wrote what, newest first. It is written by the units that change something, in their own
transactions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.model import AuditRecord, AuditTarget, Business
from domain.pages import Page, PageRequest
from domain.store import Store


@dataclass(frozen=True, slots=True)
class Auditing:
    """The audit log of a business, as the services see it."""

    store: Store

    async def page(self, business: Business, request: PageRequest, subject: AuditTarget | None) -> Page[AuditRecord]:
        """Events, newest first; of one subject where it is given."""
        async with self.store.read(business) as unit:
            return await unit.audits.page(request, subject)

    async def count(self, business: Business, subject: AuditTarget | None) -> int:
        async with self.store.read(business) as unit:
            return await unit.audits.count(subject)

    async def by_ids(self, business: Business, ids: Sequence[int]) -> Mapping[int, AuditRecord]:
        """Those that exist."""
        async with self.store.read(business) as unit:
            return await unit.audits.by_ids(ids)
