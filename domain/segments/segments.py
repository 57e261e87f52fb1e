"""Segments: created, changed and deleted, checked before anything is written. A change is one write unit: the
definition, its run and its audit event, which holds old and new value of each field under the names of the API, are
committed together, or nothing is. The named groups of an RFM scheme become one AUTOMATIC segment each, known by its
key."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from domain.audit import compute_digests
from domain.calendar import Clock, find_next_run
from domain.classification.rfm import ELEVEN_BY_RECENCY, RfmClass, RfmScheme, list_scheme_groups
from domain.errors import FieldProblem, InvalidInput, Sentence, build_unknown_id, fold_text
from domain.jobs.model import Job, JobStatus, Outcome
from domain.jobs.queue import requeue
from domain.model import Actor, Business
from domain.rules.sentence import write_sentence
from domain.segments.dependencies import find_dependents, find_reference_problems
from domain.segments.history import check_reachable
from domain.segments.model import Definition, MembershipSource, NewSegment, Segment, SegmentKind
from domain.segments.validation import Draft, ValidDraft, find_free_key, make_slug, validate_draft
from domain.store import Store, Unit

PREFIXES = {RfmScheme.EIGHT_SEGMENT: "rfm", RfmScheme.ELEVEN_SEGMENT: "rfm-eleven"}
SUFFIXES = {RfmScheme.EIGHT_SEGMENT: "RFM", RfmScheme.ELEVEN_SEGMENT: "RFM of eleven"}
SUM = {"+": [{"var": "frequency_score"}, {"var": "monetary_score"}]}
BANDS: tuple[object, ...] = ({">=": [SUM, 8]}, {"<=": [5, SUM, 7]}, {"<": [SUM, 5]})
"""High, mid and low: the mean of frequency and monetary, doubled to stay whole."""


def list_standard_drafts(scheme: RfmScheme) -> list[Draft]:
    """One segment for each named group of the scheme, in its order, with the group's name."""
    return [_make_draft(scheme, group) for group in list_scheme_groups(scheme)]


def list_other_names(draft: Draft, scheme: RfmScheme) -> tuple[str, ...]:
    """Names to fall back on where somebody else's segment has the group's name."""
    return f"{draft.name} ({SUFFIXES[scheme]})", f"{draft.name} ({draft.key})"


def _make_draft(scheme: RfmScheme, group: RfmClass) -> Draft:
    if scheme is RfmScheme.EIGHT_SEGMENT:
        rules: object = {"==": [{"var": "rfm_segment_name"}, group.name]}
    else:
        rules = _build_cells_rule(group.name)
    return Draft(
        name=group.name,
        kind=SegmentKind.AUTOMATIC,
        key=f"{PREFIXES[scheme]}-{make_slug(group.name)}",
        description=group.description,
        definition=Definition(rules),
    )


def _build_cells_rule(name: str) -> object:
    """The scores of a group of eleven: a range of recency in one band."""
    places = [(recency, names.index(name)) for recency, names in ELEVEN_BY_RECENCY.items() if name in names]
    low, high = min(places)[0], max(places)[0]
    return {"and": [{"<=": [low, {"var": "recency_score"}, high]}, BANDS[places[0][1]]]}


FIELDS = ("key", "name", "description", "kind", "is_dynamic", "is_rfm", "schedule")


def list_changes(old: Segment, new: Segment) -> dict[str, dict[str, object]]:
    """Each field whose value is another one now."""
    before, after = _list_values(old), _list_values(new)
    same = new.definition.is_same(old.definition)
    differing = [name for name in after if before[name] != after[name]]
    if not same and not to_definition_json(new.definition).keys() & set(differing):
        # Only the writing of the rules differs, such as 1 and 1.0.
        differing.append("rules")
    return {name: {"old": before[name], "new": after[name]} for name in differing}


def list_fields(segment: Segment, *, gone: bool = False) -> dict[str, dict[str, object]]:
    """Every field that has a value, as it came or, where the segment is gone, as it went."""
    held = {name: value for name, value in _list_values(segment).items() if value is not None}
    if gone:
        return {name: {"old": value, "new": None} for name, value in held.items()}
    return {name: {"old": None, "new": value} for name, value in held.items()}


def to_definition_json(definition: Definition) -> dict[str, object]:
    """The three parts of a definition as JSON, under the names of the API."""
    box, criteria = definition.rfm_config, definition.criteria
    return _name_as_api(
        {
            "rules": definition.rules,
            "criteria": None if criteria is None else _name_as_api(criteria.as_json()),
            "rfm_config": None if box is None else _name_as_api(asdict(box)),
        }
    )


def _list_values(segment: Segment) -> dict[str, object]:
    own = {name: getattr(segment, name) for name in FIELDS}
    return {**_name_as_api(own), **to_definition_json(segment.definition)}


def _compute_digests(old: Segment | None, new: Segment | None) -> dict[str, str | None]:
    return compute_digests(*(None if one is None else to_definition_json(one.definition) for one in (old, new)))


def _name_as_api(values: Mapping[str, object]) -> dict[str, object]:
    return {re.sub("_([a-z])", lambda match: match[1].upper(), name): value for name, value in values.items()}


Written = tuple[Segment, Job | None]
"""A segment, and the run that its definition queued."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is to change of a segment: `given` holds the fields of Draft that were stated, None where they are cleared,
    those of the definition by their own names."""

    segment_id: int
    given: Mapping[str, Any]
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class Segments:
    """The segments of a business, as the services see them; `wake` says that there is a run to work on."""

    store: Store
    clock: Clock
    wake: Callable[[], None]

    async def find_by_key(self, business: Business, key: str) -> Segment | None:
        """The one of that key that is not deleted."""
        async with self.store.read(business) as unit:
            return (await unit.segments.find_by_keys([key])).get(key)

    async def create(self, business: Business, draft: Draft, actor: Actor) -> Written:
        """Keep a new segment; an AUTOMATIC one is calculated at once. InvalidInput carries every problem."""
        async with self.store.write(business) as unit:
            ready = validate_draft(draft, unit.business.currency, unit.business.attributes)
            segment, job = await self._add(unit, ready, await unit.segments.load_all(), actor)
            detail = {"segment": segment.key, "changes": list_fields(segment), **_compute_digests(None, segment)}
            await unit.audit(actor, "createSegment", ("Segment", segment.id), detail)
            await _mark_done(unit, actor, segment, job)
        self.wake()
        return segment, job

    async def create_standard(self, business: Business, scheme: RfmScheme, actor: Actor) -> list[Segment]:
        """The segments of the scheme's named groups, in its order; those that are there already are left alone."""
        segments: list[Segment] = []
        created: list[str] = []
        async with self.store.write(business) as unit:
            stored = await unit.segments.load_all()
            for draft in list_standard_drafts(scheme):
                known = next((each for each in stored if each.key == draft.key), None)
                if known is None:
                    taken = {fold_text(each.name) for each in stored}
                    names = (draft.name, *list_other_names(draft, scheme))
                    name = next((each for each in names if fold_text(each) not in taken), draft.name)
                    ready = validate_draft(replace(draft, name=name), unit.business.currency, unit.business.attributes)
                    known, _ = await self._add(unit, ready, stored, actor)
                    stored.append(known)
                    created.append(known.key)
                segments.append(replace(known, seen_at=unit.instant))
            detail = {"scheme": scheme.value, "segments": created}
            await unit.audit(actor, "createStandardSegments", None, detail)
            await unit.mark_done(actor, segments=[("Segment", segment.id) for segment in segments])
        self.wake()
        return segments

    async def update(self, business: Business, change: Change, actor: Actor) -> Written:
        """Change what is given. Any change is another version; another definition is calculated at once."""
        async with self.store.write(business) as unit:
            old = await _get(unit, change.segment_id, ("input", "id"))
            if change.expected_version not in (None, old.version):
                template = "{expected_version} is {}, but the segment has version {} now"
                message = Sentence(template, change.expected_version, old.version)
                raise InvalidInput(message, ("input", "expected_version"), "CONFLICT")
            new = await _apply(unit, old, change.given)
            difference = list_changes(old, new)
            detail = {"segment": old.key, "changes": difference, **_compute_digests(old, new)}
            await unit.audit(actor, "updateSegment", ("Segment", old.id), detail)
            if not difference:
                await _mark_done(unit, actor, old, None)
                return replace(old, seen_at=unit.instant), None
            await unit.segments.change(new)
            redefined = new.defined_at != old.defined_at
            job = await requeue(unit, new.id, actor.name) if redefined else None
            await _mark_done(unit, actor, new, job)
        self.wake()
        return replace(new, seen_at=unit.instant), job

    async def delete(self, business: Business, segment_id: int, actor: Actor) -> None:
        """End every membership and take the segment out of sight; what was stays. IN_USE where another one needs it."""
        async with self.store.write(business) as unit:
            old = await _get(unit, segment_id, ("id",))
            users = find_dependents(old.key, await unit.segments.load_all())
            if users:
                named = ", ".join(f"{each.name} ({each.key})" for each in users)
                raise InvalidInput(f"{old.key} is used by the rules of: {named}", ("id",), "IN_USE")
            active = (await unit.jobs.find_active([old.id])).get(old.id)
            if active is not None:
                outcome = Outcome(JobStatus.CANCELLED, "DELETED", "The segment was deleted.")
                await unit.jobs.terminate(active.kind, active.id, outcome, unit.instant)
            ended = await unit.memberships.close_segment(old.id, unit.instant, actor.name)
            await unit.segments.change(replace(old, deleted_at=unit.instant, updated_at=unit.instant, next_run_at=None))
            detail = {"segment": old.key, "members": ended.left, "changes": list_fields(old, gone=True)}
            await unit.audit(actor, "deleteSegment", ("Segment", old.id), {**detail, **_compute_digests(old, None)})
            await unit.mark_done(actor, deleted_segment_id=("Segment", old.id))

    async def duplicate(self, business: Business, segment_id: int, name: str, actor: Actor) -> Written:
        """Keep another segment like this one, whose members are copied where it is MANUAL, and else found at once."""
        async with self.store.write(business) as unit:
            old = await _get(unit, segment_id, ("id",))
            draft = Draft(
                name,
                old.kind,
                description=old.description,
                is_dynamic=old.is_dynamic,
                definition=old.definition,
                schedule=old.schedule,
            )
            segment, job = await self._add_like(unit, draft, actor)
            if old.kind is SegmentKind.MANUAL:
                segment = await _copy_members(unit, old, segment, None, actor)
            detail = {**_describe_copy(old, segment), **_compute_digests(None, segment)}
            await unit.audit(actor, "duplicateSegment", ("Segment", segment.id), detail)
            await _mark_done(unit, actor, segment, job)
        self.wake()
        return segment, job

    async def freeze(
        self, business: Business, segment_id: int, name: str, then: datetime | None, actor: Actor
    ) -> Segment:
        """Keep the members of now, or of an instant, as a MANUAL segment."""
        async with self.store.write(business) as unit:
            old = await _get(unit, segment_id, ("id",))
            if then is not None and then > unit.instant:
                raise InvalidInput(Sentence("{as_of} must not lie in the future"), ("as_of",))
            check_reachable(unit.business, then)
            draft = Draft(name, SegmentKind.MANUAL, description=old.description)
            segment, _ = await self._add_like(unit, draft, actor)
            segment = await _copy_members(unit, old, segment, then, actor)
            detail, at = _describe_copy(old, segment), (then or unit.instant).isoformat()
            await unit.audit(actor, "freezeSegment", ("Segment", segment.id), {**detail, "asOf": at})
            await _mark_done(unit, actor, segment, None)
        return segment

    async def _add_like(self, unit: Unit, draft: Draft, actor: Actor) -> Written:
        """Add a segment of which only the name is an input; InvalidInput says so."""
        try:
            ready = validate_draft(draft, unit.business.currency, unit.business.attributes)
            return await self._add(unit, ready, await unit.segments.load_all(), actor)
        except InvalidInput as error:
            fields: dict[tuple[str, ...], tuple[str, ...]] = {("input", "name"): ("name",)}
            raise InvalidInput.of(
                [replace(one, field=fields.get(one.field, ("id",)), path=None) for one in error.problems]
            ) from error

    async def _add(self, unit: Unit, ready: ValidDraft, stored: Sequence[Segment], actor: Actor) -> Written:
        draft, keys = ready.draft, {each.key for each in stored}
        key = draft.key or find_free_key(make_slug(draft.name), keys)
        problems = _find_name_problems(draft.name, stored)
        if key in keys:
            problems.append(FieldProblem(("input", "key"), f"key {key} is in use by another segment", "TAKEN"))
        problems += find_reference_problems(key, ready.tree, stored)
        if problems:
            raise InvalidInput.of(problems)
        new = NewSegment(
            key=key,
            name=draft.name,
            description=draft.description,
            kind=draft.kind,
            is_dynamic=ready.dynamic,
            is_rfm=ready.rfm,
            definition=draft.definition,
            schedule=draft.schedule,
            created_by=actor.name,
            next_run_at=_find_due(ready.dynamic, draft.kind, draft.schedule, unit),
        )
        segment = await unit.segments.add(new, unit.instant)
        automatic = segment.kind is SegmentKind.AUTOMATIC
        return segment, await requeue(unit, segment.id, actor.name) if automatic else None


async def _mark_done(unit: Unit, actor: Actor, segment: Segment, job: Job | None) -> None:
    run = None if job is None else ("Recalculation", job.id)
    await unit.mark_done(actor, segment=("Segment", segment.id), recalculation=run)


async def _copy_members(unit: Unit, old: Segment, new: Segment, then: datetime | None, actor: Actor) -> Segment:
    """The new segment with the members that the old one has, or had then."""
    source = MembershipSource.MANUAL
    done = await unit.memberships.copy(old.id, new.id, then, unit.instant, source, actor.name)
    return replace(new, member_count=done.member_count)


def _describe_copy(old: Segment, new: Segment) -> dict[str, object]:
    return {"segment": new.key, "from": old.key, "members": new.member_count, "changes": list_fields(new)}


async def _get(unit: Unit, segment_id: int, field: tuple[str, ...]) -> Segment:
    segment = await unit.segments.get(segment_id)
    if segment is None:
        raise build_unknown_id("segment", *field)
    return segment


async def _apply(unit: Unit, old: Segment, values: Mapping[str, Any]) -> Segment:
    """The segment as it will be; InvalidInput where it cannot be so."""
    old_definition = old.definition
    definition = Definition(
        values.get("rules", old_definition.rules),
        values.get("criteria", old_definition.criteria),
        values.get("rfm_config", old_definition.rfm_config),
    )
    draft = Draft(
        name=values.get("name", old.name) or "",
        kind=old.kind,
        description=values.get("description", old.description),
        is_dynamic=values.get("is_dynamic", old.is_dynamic),
        definition=definition,
        schedule=values.get("schedule", old.schedule),
    )
    ready = validate_draft(draft, unit.business.currency, unit.business.attributes)
    stored = [each for each in await unit.segments.load_all() if each.id != old.id]
    redefined = not ready.draft.definition.is_same(old_definition)
    problems = _find_name_problems(ready.draft.name, stored)
    problems += find_reference_problems(old.key, ready.tree, stored) if redefined else []
    if problems:
        raise InvalidInput.of(problems)
    new = replace(
        old,
        name=ready.draft.name,
        description=ready.draft.description,
        is_dynamic=ready.dynamic,
        schedule=ready.draft.schedule,
        version=old.version + 1,
        updated_at=unit.instant,
    )
    if (new.is_dynamic, new.schedule) != (old.is_dynamic, old.schedule):
        new = replace(new, next_run_at=_find_due(new.is_dynamic, new.kind, new.schedule, unit))
    if redefined:
        new = replace(new, definition=ready.draft.definition, is_rfm=ready.rfm, defined_at=unit.instant)
    return new


def _find_due(dynamic: bool, kind: SegmentKind, schedule: str | None, unit: Unit) -> datetime | None:
    """When there is something to do: a dynamic segment is calculated, a manual one that changed gets its snapshot."""
    if not dynamic and kind is SegmentKind.AUTOMATIC:
        return None
    return find_next_run(schedule, unit.instant, unit.business.time_zone)


def _find_name_problems(name: str, others: Sequence[Segment]) -> list[FieldProblem]:
    taken = next((each for each in others if fold_text(each.name) == fold_text(name)), None)
    if taken is None:
        return []
    return [FieldProblem(("input", "name"), f"name is in use by the segment {taken.key}", "TAKEN")]


def describe_definition(definition: Definition, currency: str) -> str | None:
    """The definition in words; None where it asks for nothing, or cannot be understood any more."""
    tree = definition.build_tree()
    return None if tree is None else write_sentence(tree, currency)
