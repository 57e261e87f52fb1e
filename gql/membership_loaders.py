"""The loaders of memberships, their history and snapshots: each answers many keys with one call of a service."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from strawberry.dataloader import DataLoader

from domain.model import Business
from domain.pages import Page, PageRequest
from domain.segments.memberships import SeriesKey
from domain.segments.model import ChangeKey, ChangeList, Membership, MembershipChange, MemberTotals, SizePoint, Snapshot
from domain.store import CustomerRecord, IdsKey, Member, MemberKey, MovedKey, Movement, SnapshotKey
from gql.services import Services

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
        self.moved_pages: DataLoader[MovedKey, Page[CustomerRecord]] = listed(snapshots.moved_pages)
        self.moved_counts: DataLoader[Movement, int] = listed(snapshots.moved_counts)
