"""What one operation reads of many objects at once: a loader a question, and each answers a batch of keys in one read
unit, so that a page costs the same for 1 and for 250. Batches run as tasks of their own; they end with the operation
that asked."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from strawberry.dataloader import DataLoader

from domain.model import Business, CustomerTotals
from domain.pages import Page, PageRequest
from domain.segments.model import (
    Snapshot,
)
from domain.store import (
    Comparison,
    ComparisonKey,
    CustomerRecord,
    IdsKey,
    Member,
    MemberKey,
    SnapshotKey,
    Unit,
)
from gql.composition import Services
from gql.schema.limits import make_limit_error

K = TypeVar("K")
V = TypeVar("V")
Answers = Mapping[K, V] | Sequence[V]
"""By key, or in the order of the keys."""
Owner = tuple[int, CustomerTotals]
"""A customer's id with the kept totals that came with it."""
PageKey = tuple[int, PageRequest]
NEWEST_SNAPSHOTS = 10
MAXIMUM_GROUPED = 20_000
"""Customers that the pages of all groups of a report may hold together."""


class PageSource(Protocol):
    """What has groups of customers."""

    async def load_pages(self, keys: Sequence[Any], request: PageRequest) -> Mapping[Any, Page[CustomerRecord]]:
        """A page of each of the groups."""
        ...


GroupPage = tuple[PageSource, Hashable, PageRequest]
"""Which group of what, and which of its pages."""


class Loaders:
    """The loaders of one operation."""

    def __init__(self, services: Services, business: Callable[[], Awaitable[Business]]) -> None:
        self._services = services
        self._business = business
        self._running: set[asyncio.Task[Any]] = set()
        self._closed = False
        finds, reads, asks, pages = (
            self._make_lookup_loader,
            self._make_unit_loader,
            self._make_service_loader,
            self._make_page_loader,
        )
        customers, memberships = services.customers, services.memberships

        self.customers = finds(lambda unit, keys: unit.customers.find_by_ids(keys))
        self.scores = self._make_owner_loader(customers.compute_scores)
        self.classifications = self._make_owner_loader(customers.load_classifications)
        self.matching_segments = asks(services.analysis.find_matching)
        self.purchases = finds(lambda unit, keys: unit.purchases.find_by_keys(keys))
        self.purchase_pages = pages(lambda unit, keys, request: unit.purchases.load_pages(keys, request))
        self.purchase_counts = reads(lambda unit, keys: unit.purchases.count_by_customer(keys))
        self.lines = reads(lambda unit, keys: unit.purchases.load_lines(keys))
        self.storefronts = finds(lambda unit, keys: unit.purchases.find_storefronts(keys))
        self.audit_events = finds(lambda unit, keys: unit.audits.find_by_ids(keys))
        self.jobs = finds(lambda unit, keys: unit.jobs.find_by_ids(keys))
        self.newest_jobs = finds(lambda unit, keys: unit.jobs.find_newest(keys))
        self.imports = finds(lambda unit, keys: unit.imports.find_by_ids(keys))
        self.rejects = pages(lambda unit, keys, request: unit.imports.load_rejects(keys, request))
        # Deleted ones too, because history names them.
        self.segments = finds(lambda unit, keys: unit.segments.find_by_ids(keys, deleted=True))
        self.memberships = reads(lambda unit, keys: unit.memberships.find_open_memberships(keys))
        self.members: DataLoader[MemberKey, Page[Member]] = reads(
            lambda unit, keys: unit.memberships.load_member_pages(keys)
        )
        self.are_members = finds(_are_members)
        self.past_counts: DataLoader[SnapshotKey, int] = reads(lambda unit, keys: unit.history.count_past_members(keys))
        self.past_ids: DataLoader[IdsKey, list[int]] = reads(lambda unit, keys: unit.history.load_id_lists(keys))
        self.totals = asks(memberships.load_totals)
        self.sizes = asks(memberships.load_sizes)
        self.change_pages = asks(memberships.load_change_pages)
        self.change_counts = asks(memberships.count_changes)
        self.snapshots = finds(lambda unit, keys: unit.snapshots.find_by_keys(keys))
        self.newest_snapshots = reads(lambda unit, keys: unit.snapshots.load_newest(keys, NEWEST_SNAPSHOTS))
        self.snapshot_pages: DataLoader[PageKey, Page[Snapshot]] = reads(
            lambda unit, keys: unit.snapshots.load_pages(keys)
        )
        self.snapshot_counts = reads(lambda unit, keys: unit.snapshots.count_by_segment(keys))
        self.entrant_pages: DataLoader[ComparisonKey, Page[CustomerRecord]] = reads(
            lambda unit, keys: unit.history.load_entrant_pages(keys)
        )
        self.entrant_counts: DataLoader[Comparison, int] = reads(lambda unit, keys: unit.history.count_entrants(keys))
        self.group_pages: DataLoader[GroupPage, Page[CustomerRecord]] = self._make_loader(_group_pages)

    def close(self) -> None:
        """Stop the batches that run, and those that are about to."""
        self._closed = True
        for task in self._running:
            task.cancel()

    def _make_loader(self, load: Callable[[list[K]], Awaitable[list[V]]]) -> DataLoader[K, V]:
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

    def _make_service_loader(
        self, question: Callable[[Business, list[K]], Awaitable[Answers[K, V]]]
    ) -> DataLoader[K, V]:
        """One call of a service a batch, which says something of every key."""

        async def load(keys: list[K]) -> list[V]:
            answers = await question(await self._business(), keys)
            return [answers[key] for key in keys] if isinstance(answers, Mapping) else list(answers)

        return self._make_loader(load)

    def _make_unit_loader(self, question: Callable[[Unit, list[K]], Awaitable[Answers[K, V]]]) -> DataLoader[K, V]:
        """One read unit a batch, which says something of every key."""
        return self._make_service_loader(
            lambda business, keys: self._services.read(business, lambda unit: question(unit, keys))
        )

    def _make_lookup_loader(
        self, question: Callable[[Unit, list[K]], Awaitable[Mapping[K, V]]]
    ) -> DataLoader[K, V | None]:
        """One read unit a batch; None for a key that nothing has."""

        async def find_all(unit: Unit, keys: list[K]) -> list[V | None]:
            answers = await question(unit, keys)
            return [answers.get(key) for key in keys]

        return self._make_unit_loader(find_all)

    def _make_page_loader(
        self, question: Callable[[Unit, list[int], PageRequest], Awaitable[Mapping[int, Page[V]]]]
    ) -> DataLoader[PageKey, Page[V]]:
        """Pages of the lists of many owners; those that begin alike share a statement, in practice all."""

        async def alike(unit: Unit, keys: list[PageKey]) -> Mapping[PageKey, Page[V]]:
            pages: dict[PageKey, Page[V]] = {}
            for request in {request for _, request in keys}:
                owners = sorted({owner for owner, other in keys if other == request})
                answers = await question(unit, owners, request)
                pages |= {(owner, request): page for owner, page in answers.items()}
            return pages

        return self._make_unit_loader(alike)

    def _make_owner_loader(
        self, question: Callable[[Business, Mapping[int, CustomerTotals]], Awaitable[Mapping[int, V]]]
    ) -> DataLoader[Owner, V]:
        """One call of a service for customers whose totals are known."""

        async def by_owner(business: Business, owners: list[Owner]) -> list[V]:
            answers = await question(business, dict(owners))
            return [answers[customer] for customer, _ in owners]

        return self._make_service_loader(by_owner)


async def _are_members(unit: Unit, pairs: list[tuple[int, int]]) -> Mapping[tuple[int, int], bool]:
    return dict.fromkeys(await unit.memberships.are_members(pairs), True)


async def _group_pages(keys: list[GroupPage]) -> list[Page[CustomerRecord]]:
    groups: dict[tuple[PageSource, PageRequest], list[Hashable]] = {}
    for source, group, request in keys:
        groups.setdefault((source, request), []).append(group)
    if sum(len(some) * request.size for (_, request), some in groups.items()) > MAXIMUM_GROUPED:
        raise make_limit_error(f"The pages of all groups together may hold {MAXIMUM_GROUPED} customers: ask for fewer.")
    pages = {(source, request): await source.load_pages(some, request) for (source, request), some in groups.items()}
    return [pages[source, request][group] for source, group, request in keys]
