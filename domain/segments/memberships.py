"""Memberships: who is in which segment, since when and by whom; putting in and taking out by hand. A bulk write changes
everything or nothing, and doing it twice changes nothing more."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from domain.audit import name_touched
from domain.calendar import Clock, SeriesInterval, build_series, load_zone, to_local_date, to_utc
from domain.errors import FieldProblem, InvalidInput, NotFound, Sentence, build_unknown_id
from domain.identifiers import find_id
from domain.jobs.queue import queue_following
from domain.model import Actor, Business
from domain.pages import Page
from domain.segments.dependencies import find_dependents
from domain.segments.model import (
    ChangeKey,
    ChangeList,
    MembershipChange,
    MembershipSource,
    MemberTotals,
    Segment,
    SegmentKind,
    SizePoint,
)
from domain.store import Store, Unit

MAXIMUM_ITEMS = 1000
SeriesKey = tuple[int, date, date, SeriesInterval]
"""A segment, first and last date, and how long each interval is."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a list of external ids came to: how many changed, how many were so already, and which nobody knows."""

    changed: int
    already: int
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Memberships:
    """The memberships of a business, as the services see them: now, or at the business's moment where it has one."""

    store: Store
    clock: Clock
    notify_members_changed: Callable[[int], None]

    def read_instant_argument(self, business: Business, instant: datetime | None, field: str) -> datetime | None:
        """The instant that an argument means; InvalidInput where no calendar holds it."""
        try:
            return None if instant is None else to_utc(instant, load_zone(business.time_zone))
        except ValueError as error:
            raise InvalidInput(Sentence(f"{{{field}}} {{}}", error), (field,)) from error

    async def load_change_pages(self, business: Business, keys: Sequence[ChangeKey]) -> list[Page[MembershipChange]]:
        """Pages of changes in commit order, in the order of the keys."""
        async with self.store.read(business) as unit:
            return await unit.history.load_change_pages(
                [(_bound_changes(business, which), page) for which, page in keys]
            )

    async def count_changes(self, business: Business, lists: Sequence[ChangeList]) -> list[int]:
        """How many changes each list has."""
        async with self.store.read(business) as unit:
            return await unit.history.count_changes([_bound_changes(business, which) for which in lists])

    async def load_sizes(self, business: Business, keys: Sequence[SeriesKey]) -> Mapping[SeriesKey, list[SizePoint]]:
        """Sizes of segments at the ends of intervals; of those that have begun, as nobody knows the others."""
        today = to_local_date(self.clock(), load_zone(business.time_zone))
        by_key: dict[SeriesKey, list[SizePoint]] = {}
        async with self.store.read(business) as unit:
            for first, last, interval in {key[1:] for key in keys}:
                whole = build_series(first, last, interval, business.time_zone)
                asked = {key for key in keys if key[1:] == (first, last, interval)}
                bounds = [_bound_end(business, bound) or bound for bound in whole.bounds]
                sizes = await unit.history.compute_sizes([key[0] for key in asked], bounds)
                for key in asked:
                    points = zip(whole.dates, sizes[key[0]], strict=True)
                    by_key[key] = [SizePoint(day, *size) for day, size in points if day <= today]
        return by_key

    async def load_totals(self, business: Business, segments: Sequence[int]) -> Mapping[int, MemberTotals]:
        """What the members of each segment amount to as of today."""
        today = to_local_date(self.clock(), load_zone(business.time_zone)).toordinal()
        async with self.store.read(business) as unit:
            return await unit.memberships.compute_totals(segments, today, business.settings.inactive_days)

    async def assign(
        self, business: Business, segment_id: int, customers: Sequence[int | None], actor: Actor
    ) -> tuple[Segment, int]:
        """Put customers into a MANUAL segment; None stands for an id that cannot be one. How many entered."""
        return await self._move(business, segment_id, customers, actor, True)

    async def remove(
        self, business: Business, segment_id: int, customers: Sequence[int | None], actor: Actor
    ) -> tuple[Segment, int]:
        """Take customers out of a MANUAL segment; None stands for an id that cannot be one. How many left."""
        return await self._move(business, segment_id, customers, actor, False)

    async def _move(
        self, business: Business, segment_id: int, customers: Sequence[int | None], actor: Actor, entering: bool
    ) -> tuple[Segment, int]:
        if len(customers) > MAXIMUM_ITEMS:
            message = Sentence("{customer_ids} must hold at most {} items", MAXIMUM_ITEMS)
            raise InvalidInput(message, ("customer_ids",), "LIMIT_REACHED")
        async with self.store.write(business) as unit:
            segment = await get_manual_segment(unit, segment_id, "{segment_id}")
            known = await unit.customers.find_by_ids([key for key in customers if key is not None])
            problems = []
            for index, key in enumerate(customers):
                field = ("customer_ids", str(index))
                record = None if key is None else known.get(key)
                if record is None:
                    message = Sentence("{customer_ids} must be ids of customers of this business")
                    problems.append(FieldProblem(field, message, "NOT_FOUND"))
                elif entering and record.customer.erased:
                    message = Sentence("{customer_ids} must not name a customer who was erased")
                    problems.append(FieldProblem(field, message, "ERASED"))
            if problems:
                raise InvalidInput.of(problems)
            names = {key: record.customer.external_id for key, record in known.items()}
            changed = await _change(unit, segment, names, actor, MembershipSource.MANUAL, entering)
            count = {"assigned_count" if entering else "removed_count": changed}
            await unit.mark_done(actor, segment=("Segment", segment_id), **count)
            written = (await unit.segments.find_by_ids([segment_id]))[segment_id]
            written = replace(written, seen_at=unit.instant)
        self.notify_members_changed(business.id)
        return written, changed

    async def assign_named(
        self, business: Business, key: str, external_ids: Sequence[str], actor: Actor, *, entering: bool = True
    ) -> Assignment:
        """Put the customers of these external ids into a MANUAL segment, or take them out of it; ids that nobody has,
        and those of the erased, are passed over and named."""
        async with self.store.write(business) as unit:
            stored = (await unit.segments.find_by_keys([key])).get(key)
            if stored is None:
                raise NotFound(f"There is no segment with the key {key}.")
            segment = await get_manual_segment(unit, stored.id, "The key")
            names = {text: find_id(text) for text in external_ids}
            known = await unit.customers.find_known(list(names.values()))
            live = {name: number for name, (number, erased) in known.items() if not erased}
            by_id = {number: name for name, number in live.items()}
            changed = await _change(unit, segment, by_id, actor, MembershipSource.IMPORT, entering)
            unknown = tuple(text for text, name in names.items() if name not in live)
            return Assignment(changed, len(live) - changed, unknown)


def _bound_end(business: Business, end: datetime | None) -> datetime | None:
    """The end of a stretch of history, which leaves out what was written after the business's moment."""
    if business.as_of is None:
        return end
    moment = business.as_of + timedelta(microseconds=1)
    return moment if end is None else min(end, moment)


def _bound_changes(business: Business, which: ChangeList) -> ChangeList:
    return replace(which, until=_bound_end(business, which.until))


async def get_manual_segment(unit: Unit, segment_id: int, word: str) -> Segment:
    """The segment; InvalidInput where there is none or its members follow from its definition. `word` is what its id
    came as."""
    segment = await unit.segments.get(segment_id)
    if segment is None:
        raise build_unknown_id("segment", "segment_id")
    if segment.kind is not SegmentKind.MANUAL:
        template = f"{word} must be that of a MANUAL segment; the members of {{}} follow from its definition"
        raise InvalidInput(Sentence(template, segment.name), ("segment_id",), "SEGMENT_IS_AUTOMATIC")
    return segment


async def follow_members(unit: Unit, segment: Segment) -> None:
    """The members changed: what uses the segment follows."""
    users = find_dependents(segment.key, await unit.segments.load_all(automatic=True))
    await queue_following(unit, users, f"segment {segment.key}")


async def _change(
    unit: Unit,
    segment: Segment,
    names: Mapping[int, str],
    actor: Actor,
    source: MembershipSource,
    entering: bool,
) -> int:
    """Let the customers, whose external ids are given by their ids, enter or leave; how many did."""
    before, customers = segment.member_count, list(names)
    if entering:
        done = await unit.memberships.add(segment.id, customers, unit.instant, source, actor.name)
    else:
        done = await unit.memberships.remove(segment.id, customers, unit.instant, actor.name)
    detail = {
        "segment": segment.key,
        "source": source.value,
        "asked": len(customers),
        "customers": name_touched(names.values()),
        "entered": done.entered,
        "left": done.left,
        "memberCount": {"old": before, "new": done.member_count},
    }
    if done.entered or done.left:
        await follow_members(unit, segment)
    action = "assignSegment" if entering else "removeSegment"
    await unit.audit(actor, action, ("Segment", segment.id), detail)
    return done.entered + done.left
