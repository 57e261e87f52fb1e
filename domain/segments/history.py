"""Snapshots, which are instants of segments, and compaction of history. Who was in a snapshot, and who came and went
between two, follows from the memberships. Compaction writes memberships that ended before a horizon to an archive and
then removes them; sizes, snapshots and whatever still lasts are kept, and what needs the part that is gone says so with
the horizon."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from domain.calendar import Clock, find_start_of_day, load_zone, to_micros
from domain.errors import HistoryCompacted, InvalidInput, Sentence, build_unknown_id
from domain.model import Actor, Business
from domain.segments.model import ArchivedMembership, Snapshot
from domain.store import Store


@dataclass(frozen=True, slots=True)
class Snapshots:
    """The snapshots of a business, as the services see them."""

    store: Store
    clock: Clock

    async def create(self, business: Business, segment_id: int, actor: Actor) -> Snapshot:
        """Keep this instant of a segment."""
        async with self.store.write(business) as unit:
            segment = None if segment_id is None else await unit.segments.get(segment_id)
            if segment is None:
                raise build_unknown_id("segment", "segment_id")
            snapshot = Snapshot(segment.id, unit.instant, segment.member_count, None, actor.name)
            await unit.snapshots.add(snapshot)
            detail = {"segment": segment.key, "memberCount": segment.member_count}
            await unit.audit(actor, "createSnapshot", ("Segment", segment.id), detail)
            await unit.mark_done(actor, snapshot=("Snapshot", segment.id, to_micros(snapshot.at)))
        return snapshot


PORTION = 5_000
Place = tuple[int, int, datetime]
"""Segment, customer and beginning of a membership: its key."""


def check_reachable(business: Business, *instants: datetime | None) -> None:
    """HistoryCompacted where one of the instants lies before the horizon."""
    horizon = business.history_from
    if horizon is not None and any(instant is not None and instant < horizon for instant in instants):
        raise HistoryCompacted(horizon)


@dataclass(frozen=True, slots=True)
class Compaction:
    store: Store
    clock: Clock

    def read_horizon(self, business: Business, before: date) -> datetime:
        """The beginning of the date; InvalidInput where it lies in the future or before an earlier horizon."""
        tz, reached = load_zone(business.time_zone), business.history_from
        horizon = find_start_of_day(before, tz)
        if horizon > self.clock():
            raise InvalidInput(Sentence("{before} must not lie in the future"), ("before",))
        if reached is not None and horizon <= reached:
            day = reached.astimezone(tz)
            # The day's name where it begins there, which it does not where the business's zone has changed since.
            reached_text = (
                f"{day:%Y-%m-%d}" if find_start_of_day(day.date(), tz) == reached else f"{day:%Y-%m-%d %H:%M}"
            )
            message = Sentence("{before} must lie after {}: history is compacted up to there already", reached_text)
            raise InvalidInput(message, ("before",))
        return horizon

    async def archive(
        self, business: Business, horizon: datetime, keep: Callable[[Sequence[ArchivedMembership]], None]
    ) -> int:
        """Hand over what will be removed, in one state of the store; how many memberships that is."""
        count, after = 0, None
        async with self.store.read(business) as unit:
            while memberships := await unit.history.load_ended(horizon, after, PORTION):
                keep(memberships)
                count += len(memberships)
                last = memberships[-1].membership
                after = (last.segment_id, last.customer_id, last.entered_at)
        return count

    async def remove(self, business: Business, horizon: datetime, actor: Actor) -> int:
        """Remove what ended before the horizon, segment by segment; from the first on, readers are told."""
        removed = 0
        async with self.store.write(business) as unit:
            await unit.save_settings({"history_from": to_micros(horizon)})
            segments = await unit.history.find_segments_with_ended(horizon)
            detail = {"before": horizon.isoformat()}
            await unit.audit(actor, "compactHistory", None, detail)
        for segment_id in segments:
            async with self.store.write(business) as unit:
                removed += await unit.history.forget(segment_id, horizon)
        return removed
