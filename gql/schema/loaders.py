"""What one operation reads of many objects at once: a loader a question, and each answers a batch of keys in one read
unit, so that a page costs the same for 1 and for 250. Batches run as tasks of their own; they end with the operation
that asked."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

from domain.classification.rfm import Score
from domain.customers.metrics import ScoreThreshold
from domain.model import Business, CustomerTotals
from domain.pages import Page, PageRequest
from domain.rules.listing import RuleValue
from domain.segments.model import ChangeKey, ChangeList, MembershipChange, Snapshot
from domain.store import (
    Comparison,
    ComparisonKey,
    CustomerRecord,
    IdsKey,
    Member,
    MemberKey,
    MemberList,
    SnapshotKey,
    Unit,
)
from gql.composition import Services
from gql.schema.limits import build_limit_error
from gql.schema.pacing import Pace

K = TypeVar("K")
V = TypeVar("V")
Answers = Mapping[K, V] | Sequence[V]
"""By key, or in the order of the keys."""
RuleValues = Sequence[RuleValue]
Owner = tuple[int, CustomerTotals]
"""A customer's id with the kept totals that came with it."""
PageKey = tuple[K, PageRequest]
NEWEST_SNAPSHOTS = 10
MAXIMUM_GROUPED = 20_000
"""Customers that the pages of all groups of a report may hold together."""


DELIVERED = 50
"""So many answers of a batch are given out in one piece: each wakes whoever waits for it."""


class BatchLoader(Generic[K, V]):
    """Answers one by one what is asked one by one, and asks it together: each key once, all that the operation asks for
    before it has settled in one batch."""

    def __init__(self, answer: Callable[[list[K]], Awaitable[Sequence[V]]], pace: Pace) -> None:
        self._answer = answer
        self._pace = pace
        self._futures: dict[K, asyncio.Future[V]] = {}
        self._batch: dict[K, asyncio.Future[V]] = {}
        self._running: set[asyncio.Task[None]] = set()

    def load(self, key: K) -> Awaitable[V]:
        """The answer to the key, once the batch that it is in has been answered."""
        future = self._futures.get(key)
        if future is None or future.cancelled():
            future = self._futures[key] = asyncio.get_running_loop().create_future()
            if not self._batch:
                task = asyncio.create_task(self._run())
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            self._batch[key] = future
        return future

    async def _run(self) -> None:
        await self._pace.settle()
        batch, self._batch = self._batch, {}
        try:
            answers = await self._answer(list(batch))
        except Exception as error:
            for future in batch.values():
                if not future.done():
                    future.set_exception(error)
            return
        for place, (future, value) in enumerate(zip(batch.values(), answers, strict=True), 1):
            if not future.done():
                future.set_result(value)
            if place % DELIVERED == 0:
                await self._pace.next()


Loader = cached_property[BatchLoader[K, V]]


class PageSource(Protocol):
    """What has groups of customers."""

    async def load_pages(self, keys: Sequence[Any], request: PageRequest) -> Mapping[Any, Page[CustomerRecord]]:
        """A page of each of the groups."""
        ...


GroupPage = tuple[PageSource, Hashable, PageRequest]
"""Which group of what, and which of its pages."""


def _make_service_loader(question: Callable[[Services, Business, list[K]], Awaitable[Answers[K, V]]]) -> Loader[K, V]:
    """One call of a service a batch, which says something of every key."""

    def make(loaders: "Loaders") -> BatchLoader[K, V]:
        async def load(keys: list[K]) -> list[V]:
            answers = await question(loaders.services, await loaders.load_business(), keys)
            return [answers[key] for key in keys] if isinstance(answers, Mapping) else list(answers)

        return loaders.make_loader(load)

    return cached_property(make)


def _make_owner_loader(
    question: Callable[[Services, Business, Mapping[int, CustomerTotals]], Awaitable[Mapping[int, V]]],
) -> Loader[Owner, V]:
    """One call of a service for customers whose totals are known."""

    async def ask(services: Services, business: Business, owners: list[Owner]) -> list[V]:
        answers = await question(services, business, dict(owners))
        return [answers[customer] for customer, _ in owners]

    return _make_service_loader(ask)


def _make_unit_loader(question: Callable[[Unit, list[K]], Awaitable[Answers[K, V]]]) -> Loader[K, V]:
    """One read unit a batch, which says something of every key."""
    return _make_service_loader(
        lambda services, business, keys: services.read(business, lambda unit: question(unit, keys))
    )


def _make_optional_loader(question: Callable[[Unit, list[K]], Awaitable[Mapping[K, V]]]) -> Loader[K, V | None]:
    """One read unit a batch; None for a key that nothing has."""

    async def find(unit: Unit, keys: list[K]) -> list[V | None]:
        answers = await question(unit, keys)
        return [answers.get(key) for key in keys]

    return _make_unit_loader(find)


def _make_page_loader(
    question: Callable[[Unit, list[K], PageRequest], Awaitable[Mapping[K, Page[V]]]],
) -> Loader[PageKey[K], Page[V]]:
    """Pages of the lists of many owners; those that begin alike share a statement, in practice all."""

    async def read(unit: Unit, keys: list[PageKey[K]]) -> Mapping[PageKey[K], Page[V]]:
        pages: dict[PageKey[K], Page[V]] = {}
        for request in {request for _, request in keys}:
            owners = list(dict.fromkeys(owner for owner, other in keys if other == request))
            answers = await question(unit, owners, request)
            pages |= {(owner, request): page for owner, page in answers.items()}
        return pages

    return _make_unit_loader(read)


async def _are_members(unit: Unit, pairs: list[tuple[int, int]]) -> Mapping[tuple[int, int], bool]:
    return dict.fromkeys(await unit.memberships.are_members(pairs), True)


async def _load_groups(keys: list[GroupPage]) -> list[Page[CustomerRecord]]:
    groups: dict[tuple[PageSource, PageRequest], list[Hashable]] = {}
    for source, group, request in keys:
        groups.setdefault((source, request), []).append(group)
    if sum(len(some) * request.size for (_, request), some in groups.items()) > MAXIMUM_GROUPED:
        raise build_limit_error(
            f"The pages of all groups together may hold {MAXIMUM_GROUPED} customers: ask for fewer."
        )
    pages = {(source, request): await source.load_pages(some, request) for (source, request), some in groups.items()}
    return [pages[source, request][group] for source, group, request in keys]


async def _load_variable_values(services: Services, business: Business, names: list[str]) -> list[RuleValues]:
    values = await services.analysis.load_variable_values(business)
    return [values.get(name, ()) for name in names]


class Loaders:
    """The loaders of one operation, each made when it is first asked."""

    customers = _make_optional_loader(lambda unit, keys: unit.customers.find_by_ids(keys))
    # Those too who were merged into another, because history names them.
    past_customers = _make_optional_loader(lambda unit, keys: unit.customers.find_by_ids(keys, merged=True))
    attributes = _make_unit_loader(lambda unit, keys: unit.customers.load_attributes(keys))
    scores = _make_owner_loader(lambda services, business, totals: services.customers.compute_scores(business, totals))
    thresholds: Loader[Score, tuple[ScoreThreshold, ...]] = _make_service_loader(
        lambda services, business, keys: services.customers.load_thresholds(business, keys)
    )
    classifications = _make_owner_loader(
        lambda services, business, totals: services.customers.load_classifications(business, totals)
    )
    matching_segments = _make_service_loader(
        lambda services, business, keys: services.analysis.find_matching(business, keys)
    )
    variable_values = _make_service_loader(_load_variable_values)
    purchases = _make_optional_loader(lambda unit, keys: unit.purchases.find_by_keys(keys))
    purchase_pages = _make_page_loader(lambda unit, keys, request: unit.purchases.load_pages(keys, request))
    purchase_counts = _make_unit_loader(lambda unit, keys: unit.purchases.count_by_customer(keys))
    lines = _make_unit_loader(lambda unit, keys: unit.purchases.load_lines(keys))
    storefronts = _make_optional_loader(lambda unit, keys: unit.purchases.find_storefronts(keys))
    audit_events = _make_optional_loader(lambda unit, keys: unit.audits.find_by_ids(keys))
    jobs = _make_optional_loader(lambda unit, keys: unit.jobs.find_by_ids(keys))
    newest_jobs = _make_optional_loader(lambda unit, keys: unit.jobs.find_newest(keys))
    imports = _make_optional_loader(lambda unit, keys: unit.imports.find_by_ids(keys))
    rejects = _make_page_loader(lambda unit, keys, request: unit.imports.load_rejects(keys, request))
    reject_counts = _make_unit_loader(lambda unit, keys: unit.imports.count_rejects(keys))
    reject_reasons = _make_unit_loader(lambda unit, keys: unit.imports.load_reject_reasons(keys))
    # Deleted ones too, because history names them.
    segments = _make_optional_loader(lambda unit, keys: unit.segments.find_by_ids(keys, deleted=True))
    memberships = _make_unit_loader(lambda unit, keys: unit.memberships.find_open_memberships(keys))
    members: Loader[MemberKey, Page[Member]] = _make_unit_loader(lambda unit, keys: unit.members.load_pages(keys))
    member_counts: Loader[MemberList, int] = _make_unit_loader(lambda unit, keys: unit.members.count(keys))
    are_members = _make_optional_loader(_are_members)
    past_counts: Loader[SnapshotKey, int] = _make_unit_loader(lambda unit, keys: unit.history.count_past_members(keys))
    past_ids: Loader[IdsKey, list[int]] = _make_unit_loader(lambda unit, keys: unit.history.load_id_lists(keys))
    totals = _make_service_loader(lambda services, business, keys: services.memberships.load_totals(business, keys))
    sizes = _make_service_loader(lambda services, business, keys: services.memberships.load_sizes(business, keys))
    change_pages: Loader[ChangeKey, Page[MembershipChange]] = _make_service_loader(
        lambda services, business, keys: services.memberships.load_change_pages(business, keys)
    )
    change_counts: Loader[ChangeList, int] = _make_service_loader(
        lambda services, business, keys: services.memberships.count_changes(business, keys)
    )
    snapshots = _make_optional_loader(lambda unit, keys: unit.snapshots.find_by_keys(keys))
    newest_snapshots = _make_unit_loader(lambda unit, keys: unit.snapshots.load_newest(keys, NEWEST_SNAPSHOTS))
    snapshot_pages: Loader[PageKey[int], Page[Snapshot]] = _make_unit_loader(
        lambda unit, keys: unit.snapshots.load_pages(keys)
    )
    snapshot_counts = _make_unit_loader(lambda unit, keys: unit.snapshots.count_by_segment(keys))
    compared_pages: Loader[ComparisonKey, Page[CustomerRecord]] = _make_unit_loader(
        lambda unit, keys: unit.history.load_compared_pages(keys)
    )
    compared_counts: Loader[Comparison, int] = _make_unit_loader(lambda unit, keys: unit.history.count_compared(keys))
    group_pages: Loader[GroupPage, Page[CustomerRecord]] = cached_property(
        lambda loaders: loaders.make_loader(_load_groups)
    )

    def __init__(self, services: Services, load_business: Callable[[], Awaitable[Business]], pace: Pace) -> None:
        self.services = services
        self.load_business = load_business
        self._pace = pace
        self._running: set[asyncio.Task[Any]] = set()
        self._closed = False

    def make_loader(self, load: Callable[[list[K]], Awaitable[list[V]]]) -> BatchLoader[K, V]:
        """A loader whose batches end with the operation."""

        async def batch(keys: list[K]) -> list[V]:
            task = asyncio.current_task()
            if self._closed or task is None:
                raise asyncio.CancelledError
            self._running.add(task)
            try:
                return await load(keys)
            finally:
                self._running.discard(task)

        return BatchLoader(batch, self._pace)

    def close(self) -> None:
        """Stop the batches that run, and those that are about to."""
        self._closed = True
        for task in self._running:
            task.cancel()
