"""One loader a question: each answers many keys with one call of a service, so a page costs the same for 1 and 250.
Batches run as tasks of their own; they end with the operation that asked.

The loaders of memberships, their history and snapshots: each answers many keys with one call of a service.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from strawberry.dataloader import DataLoader

from domain.classification.labels import Classification
from domain.classification.rfm import Score
from domain.imports.model import PurchaseImport, Reject
from domain.jobs.model import Job
from domain.model import AuditRecord, Business, CustomerTotals, PurchaseLine, Storefront
from domain.pages import Page, PageRequest
from domain.segments.memberships import SeriesKey
from domain.segments.model import (
    ChangeKey,
    ChangeList,
    Membership,
    MembershipChange,
    MemberTotals,
    Segment,
    SizePoint,
    Snapshot,
)
from domain.store import (
    Comparison,
    ComparisonKey,
    CustomerRecord,
    IdsKey,
    Member,
    MemberKey,
    PurchaseRecord,
    SnapshotKey,
)
from gql.composition import Services
from gql.schema.limits import too_much

K = TypeVar("K")
V = TypeVar("V")


class MakeLoader(Protocol):
    """Makes a loader that ends with the operation."""

    def __call__(self, load: Callable[[list[K]], Awaitable[list[V]]]) -> DataLoader[K, V]: ...


class MembershipLoaders:
    """The loaders of one operation."""

    def __init__(self, services: Services, business: Callable[[], Awaitable[Business]], make: MakeLoader) -> None:
        self._business = business
        memberships, snapshots = services.memberships, services.snapshots

        def listed(answer: Callable[[Business, Sequence[K]], Awaitable[list[V]]]) -> DataLoader[K, V]:
            async def load(keys: list[K]) -> list[V]:
                return await answer(await business(), keys)

            return make(load)

        def mapped(answer: Callable[[Business, Sequence[K]], Awaitable[Mapping[K, V]]]) -> DataLoader[K, V]:
            async def load(keys: list[K]) -> list[V]:
                found = await answer(await business(), keys)
                return [found[key] for key in keys]

            return make(load)

        async def are_members(keys: list[tuple[int, int]]) -> list[bool]:
            found = await memberships.are_members(await business(), keys)
            return [key in found for key in keys]

        async def by_keys(keys: list[SnapshotKey]) -> list[Snapshot | None]:
            found = await snapshots.by_keys(await business(), keys)
            return [found.get(key) for key in keys]

        self.open: DataLoader[int, list[Membership]] = mapped(memberships.open_of)
        self.are_members: DataLoader[tuple[int, int], bool] = make(are_members)
        self.pages: DataLoader[MemberKey, Page[Member]] = listed(memberships.member_pages)
        self.past_counts: DataLoader[SnapshotKey, int] = listed(memberships.past_counts)
        self.change_pages: DataLoader[ChangeKey, Page[MembershipChange]] = listed(memberships.change_pages)
        self.change_counts: DataLoader[ChangeList, int] = listed(memberships.change_counts)
        self.sizes: DataLoader[SeriesKey, list[SizePoint]] = mapped(memberships.sizes)
        self.totals: DataLoader[int, MemberTotals] = mapped(memberships.totals)
        self.snapshots: DataLoader[SnapshotKey, Snapshot | None] = make(by_keys)
        self.newest_snapshots: DataLoader[int, list[Snapshot]] = mapped(snapshots.newest)
        self.snapshot_pages: DataLoader[tuple[int, PageRequest], Page[Snapshot]] = listed(snapshots.pages)
        self.snapshot_counts: DataLoader[int, int] = mapped(snapshots.counts)
        self.id_lists: DataLoader[IdsKey, list[int]] = listed(snapshots.id_lists)
        self.moved_pages: DataLoader[ComparisonKey, Page[CustomerRecord]] = listed(snapshots.entered_pages)
        self.moved_counts: DataLoader[Comparison, int] = listed(snapshots.entered_counts)


Owner = tuple[int, CustomerTotals]
"""A customer's id with the kept totals that came with it."""
PurchaseKey = tuple[int, int]
MAXIMUM_GROUPED = 20_000
"""Customers that the pages of all groups of a report may hold together."""


class Paged(Protocol):
    """What has groups of customers."""

    async def pages(self, keys: Sequence[Any], request: PageRequest) -> Mapping[Any, Page[CustomerRecord]]:
        """A page of each of the groups."""
        ...


GroupPage = tuple[Paged, Hashable, PageRequest]
"""Which group of what, and which of its pages."""


class Loaders:
    """The loaders of one operation."""

    def __init__(self, services: Services, business: Callable[[], Awaitable[Business]]) -> None:
        self._services = services
        self._customers = services.customers
        self._purchases = services.purchases
        self._segments = services.segments
        self._business = business
        self._running: set[asyncio.Task[Any]] = set()
        self._closed = False
        self.customers: DataLoader[int, CustomerRecord | None] = self._loader(self._load_customers)
        self.scores: DataLoader[Owner, Score | None] = self._loader(self._load_scores)
        self.classifications: DataLoader[Owner, Classification] = self._loader(self._load_classifications)
        self.purchase_pages: DataLoader[tuple[int, PageRequest], Page[PurchaseRecord]] = self._loader(self._load_pages)
        self.purchase_counts: DataLoader[int, int] = self._loader(self._load_counts)
        self.purchases: DataLoader[PurchaseKey, PurchaseRecord | None] = self._loader(self._load_purchases)
        self.lines: DataLoader[PurchaseKey, list[PurchaseLine]] = self._loader(self._load_lines)
        self.storefronts: DataLoader[int, Storefront | None] = self._loader(self._load_storefronts)
        self.audit_events: DataLoader[int, AuditRecord | None] = self._loader(self._load_audit_events)
        self.jobs: DataLoader[int, Job | None] = self._loader(self._load_jobs)
        self.imports: DataLoader[int, PurchaseImport | None] = self._loader(self._load_imports)
        self.rejects: DataLoader[tuple[int, PageRequest], Page[Reject]] = self._loader(self._load_rejects)
        self.newest_jobs: DataLoader[int, Job | None] = self._loader(self._load_newest_jobs)
        self.memberships = MembershipLoaders(services, business, self._loader)
        self.segments: DataLoader[int, Segment | None] = self._loader(self._load_segments)
        self.group_pages: DataLoader[GroupPage, Page[CustomerRecord]] = self._loader(self._load_group_pages)
        self.matching_segments: DataLoader[int, list[Segment]] = self._loader(self._load_matching)

    def close(self) -> None:
        """Stop the batches that run, and those that are about to."""
        self._closed = True
        for task in self._running:
            task.cancel()

    def _loader(self, load: Callable[[list[K]], Awaitable[list[V]]]) -> DataLoader[K, V]:
        async def batch(keys: list[K]) -> list[V]:
            task = asyncio.current_task()
            if self._closed or task is None:
                raise asyncio.CancelledError
            self._running.add(task)
            try:
                return await load(keys)
            finally:
                self._running.discard(task)

        return DataLoader(batch)

    async def _load_customers(self, keys: list[int]) -> list[CustomerRecord | None]:
        found = await self._customers.by_ids(await self._business(), keys)
        return [found.get(key) for key in keys]

    async def _load_scores(self, keys: list[Owner]) -> list[Score | None]:
        found = await self._customers.scores(await self._business(), dict(keys))
        return [found[key] for key, _ in keys]

    async def _load_classifications(self, keys: list[Owner]) -> list[Classification]:
        found = await self._customers.classifications(await self._business(), dict(keys))
        return [found[key] for key, _ in keys]

    async def _load_pages(self, keys: list[tuple[int, PageRequest]]) -> list[Page[PurchaseRecord]]:
        business = await self._business()
        pages: dict[tuple[int, PageRequest], Page[PurchaseRecord]] = {}
        # Pages that begin alike share a statement; in practice that is one.
        for request in {request for _, request in keys}:
            found = await self._purchases.pages(business, [key for key, other in keys if other == request], request)
            pages.update({(key, request): page for key, page in found.items()})
        return [pages[key] for key in keys]

    async def _load_counts(self, keys: list[int]) -> list[int]:
        found = await self._purchases.counts(await self._business(), keys)
        return [found[key] for key in keys]

    async def _load_purchases(self, keys: list[PurchaseKey]) -> list[PurchaseRecord | None]:
        found = await self._purchases.by_keys(await self._business(), keys)
        return [found.get(key) for key in keys]

    async def _load_lines(self, keys: list[PurchaseKey]) -> list[list[PurchaseLine]]:
        found = await self._purchases.lines(await self._business(), keys)
        return [found[key] for key in keys]

    async def _load_storefronts(self, keys: list[int]) -> list[Storefront | None]:
        found = await self._purchases.storefronts_by_ids(await self._business(), keys)
        return [found.get(key) for key in keys]

    async def _load_matching(self, keys: list[int]) -> list[list[Segment]]:
        found = await self._services.analysis.matching(await self._business(), keys)
        return [found[key] for key in keys]

    async def _load_audit_events(self, keys: list[int]) -> list[AuditRecord | None]:
        found = await self._services.auditing.by_ids(await self._business(), keys)
        return [found.get(key) for key in keys]

    async def _load_jobs(self, keys: list[int]) -> list[Job | None]:
        found = await self._services.recalculations.by_ids(await self._business(), keys)
        return [found.get(key) for key in keys]

    async def _load_imports(self, keys: list[int]) -> list[PurchaseImport | None]:
        found = await self._services.imports.by_ids(await self._business(), keys)
        return [found.get(key) for key in keys]

    async def _load_rejects(self, keys: list[tuple[int, PageRequest]]) -> list[Page[Reject]]:
        business = await self._business()
        pages: dict[tuple[int, PageRequest], Page[Reject]] = {}
        for request in {request for _, request in keys}:
            ids = sorted({key for key, other in keys if other == request})
            found = await self._services.imports.rejects(business, ids, request)
            pages.update({(key, request): page for key, page in found.items()})
        return [pages[key] for key in keys]

    async def _load_newest_jobs(self, keys: list[int]) -> list[Job | None]:
        found = await self._services.recalculations.newest_of(await self._business(), keys)
        return [found.get(key) for key in keys]

    async def _load_segments(self, keys: list[int]) -> list[Segment | None]:
        found = await self._segments.by_ids(await self._business(), keys)
        return [found.get(key) for key in keys]

    async def _load_group_pages(self, keys: list[GroupPage]) -> list[Page[CustomerRecord]]:
        wanted: dict[tuple[Paged, PageRequest], list[Hashable]] = {}
        for source, group, request in keys:
            wanted.setdefault((source, request), []).append(group)
        if sum(len(groups) * request.size for (_, request), groups in wanted.items()) > MAXIMUM_GROUPED:
            raise too_much(f"The pages of all groups together may hold {MAXIMUM_GROUPED} customers: ask for fewer.")
        found = {(source, request): await source.pages(groups, request) for (source, request), groups in wanted.items()}
        return [found[source, request][group] for source, group, request in keys]
