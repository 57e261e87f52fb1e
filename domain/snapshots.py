"""Snapshots: instants of segments that are kept by name. Their members, and who came and went between two of them,
follow from the memberships."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.calendar import Clock
from domain.errors import InvalidInput
from domain.model import Business
from domain.pages import Page, PageRequest
from domain.ports import Actor, AuditEvent, CustomerRecord
from domain.segment_model import Snapshot
from domain.segment_ports import IdsKey, MovedKey, Movement, SegmentStore, SnapshotKey

MAXIMUM_IDS = 10_000
NEWEST = 10


@dataclass(frozen=True, slots=True)
class Snapshots:
    """The snapshots of a business, as the services see them."""

    store: SegmentStore
    clock: Clock

    async def by_keys(self, business: Business, keys: Sequence[SnapshotKey]) -> Mapping[SnapshotKey, Snapshot]:
        """Those that exist, by segment and instant."""
        async with self.store.read(business) as unit:
            return await unit.snapshots.by_keys(keys)

    async def pages(self, business: Business, keys: Sequence[tuple[int, PageRequest]]) -> list[Page[Snapshot]]:
        """Those of segments, newest first, in the order of the keys."""
        async with self.store.read(business) as unit:
            return await unit.snapshots.pages(keys)

    async def counts(self, business: Business, segments: Sequence[int]) -> Mapping[int, int]:
        """How many each segment has."""
        async with self.store.read(business) as unit:
            return await unit.snapshots.counts(segments)

    async def newest(self, business: Business, segments: Sequence[int]) -> Mapping[int, list[Snapshot]]:
        """The ten newest of each segment, newest first."""
        async with self.store.read(business) as unit:
            return await unit.snapshots.newest(segments, NEWEST)

    async def id_lists(self, business: Business, keys: Sequence[IdsKey]) -> list[list[int]]:
        """Who was a member at instants, by id."""
        if not all(1 <= size <= MAXIMUM_IDS for _, _, size, _ in keys):
            raise InvalidInput(f"first must be between 1 and {MAXIMUM_IDS}", ("first",))
        async with self.store.read(business) as unit:
            return await unit.memberships.id_lists(keys)

    async def moved_pages(self, business: Business, keys: Sequence[MovedKey]) -> list[Page[CustomerRecord]]:
        """Who is a member at the second instant and was none at the first, by id."""
        async with self.store.read(business) as unit:
            return await unit.memberships.moved_pages(keys)

    async def moved_counts(self, business: Business, keys: Sequence[Movement]) -> list[int]:
        """How many are members at the second instant and were none at the first."""
        async with self.store.read(business) as unit:
            return await unit.memberships.moved_counts(keys)

    async def create(self, business: Business, segment_id: int | None, actor: Actor) -> Snapshot:
        """Keep this instant of a segment."""
        async with self.store.write(business) as unit:
            found = {} if segment_id is None else await unit.segments.by_ids([segment_id])
            segment = next(iter(found.values()), None)
            if segment is None:
                message = "segmentId must be the id of a segment of this business"
                raise InvalidInput(message, ("segmentId",), "NOT_FOUND")
            snapshot = Snapshot(segment.id, unit.instant, segment.member_count, None, actor.name)
            await unit.snapshots.add(snapshot)
            detail = {"segment": segment.key, "memberCount": segment.member_count}
            subject = ("Segment", segment.id)
            event = AuditEvent(
                actor.name, "createSnapshot", request_id=actor.request_id, detail=detail, subject=subject
            )
            await unit.audit(event)
        return snapshot
