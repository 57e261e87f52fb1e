"""Merging customers: one person whom the shop knows by two ids becomes one customer. Purchases and what is missing of
the profile go to the one who stays, and the other id means that one from then on. History is not rewritten: memberships
that have ended stay with the one who goes and are shown in the history of the one who stays."""

from dataclasses import dataclass
from typing import Any

from domain.errors import Conflict, FieldProblem, InvalidInput, NotFound, Sentence
from domain.identifiers import IdFault, normalise_id
from domain.model import PROFILE, Actor, Business, NewCustomer
from domain.segments.model import SegmentKind
from domain.store import CustomerRecord, Store, Unit


@dataclass(frozen=True, slots=True)
class CustomerMerge:
    """What merging did: the customer who stays, the fields of the profile that it got, how many purchases moved, and
    how many memberships ended and began."""

    customer: CustomerRecord
    fields: tuple[str, ...]
    purchases: int
    ended: int
    begun: int


@dataclass(frozen=True, slots=True)
class Merging:
    """Merges customers of a business, two at a time."""

    store: Store

    async def merge(self, business: Business, from_id: int, into_id: int, actor: Actor) -> CustomerMerge:
        """What the first has goes to the second; InvalidInput says of each id why it cannot be."""
        async with self.store.write(business) as unit:
            known = await unit.customers.find_by_ids([from_id, into_id], merged=True)
            problems = [
                problem
                for field, key in (("from_id", from_id), ("into_id", into_id))
                if (problem := _find_problem(field, known.get(key))) is not None
            ]
            if not problems and from_id == into_id:
                message = Sentence("{into_id} must be another customer than {from_id}")
                problems.append(FieldProblem(("into_id",), message))
            if problems:
                raise InvalidInput.of(problems)
            merged = await _merge(unit, known[from_id], known[into_id], actor)
            await unit.mark_done(actor, customer=("Customer", into_id))
            return merged

    async def merge_named(self, business: Business, source: str, target: str, actor: Actor) -> CustomerMerge:
        """The same of customers who are named by their external ids."""
        source, target = _read_name(source), _read_name(target)
        async with self.store.write(business) as unit:
            known = await unit.customers.find_known([source, target])
            for name in (source, target):
                if name not in known:
                    raise NotFound(f"There is no customer with the id {name} in the business {business.key}.")
            (from_id, _), (into_id, _) = known[source], known[target]
            if from_id == into_id:
                again = "are the same customer already" if source != target else "must be two customers"
                raise InvalidInput(f"{source} and {target} {again}")
            records = await unit.customers.find_by_ids([from_id, into_id])
            return await _merge(unit, records[from_id], records[into_id], actor)


def _read_name(name: str) -> str:
    """The external id as it is kept; as it was given where nobody could have it."""
    try:
        return normalise_id(name, "the customer id") or name
    except IdFault as error:
        raise InvalidInput(str(error)) from error


def _find_problem(field: str, record: CustomerRecord | None) -> FieldProblem | None:
    """Why a customer can neither be merged nor be merged into."""
    if record is None:
        return FieldProblem((field,), "There is no customer with this id.", "NOT_FOUND")
    if record.customer.erased:
        return FieldProblem((field,), Sentence(f"{{{field}}} must not name a customer who was erased"), "ERASED")
    if record.customer.merged_into is not None:
        message = Sentence(f"{{{field}}} must not name a customer who was merged into another one already")
        return FieldProblem((field,), message, "CONFLICT")
    return None


async def _merge(unit: Unit, source: CustomerRecord, target: CustomerRecord, actor: Actor) -> CustomerMerge:
    half_undone = await unit.imports.load_half_undone()
    if half_undone:
        # It takes back the purchases of those who had them when it began.
        raise Conflict(
            f"Import {half_undone[0].id} is being taken back. Merge when that has ended; "
            f"segments imports undo {half_undone[0].id} finishes it."
        )
    from_id, into_id = source.customer.id, target.customer.id
    missing = _find_missing(source, target)
    attributes = await unit.customers.load_attributes([from_id, into_id])
    own = attributes.get(into_id, {})
    more = {name: value for name, value in attributes.get(from_id, {}).items() if name not in own}
    ended, begun = await _move_memberships(unit, from_id, into_id, actor)
    purchases = await unit.purchases.move(from_id, into_id)
    await unit.customers.merge(from_id, into_id)
    if missing or more:
        given = NewCustomer(target.customer.external_id, given=frozenset(missing), attributes=more, **missing)
        await unit.customers.upsert([given], unit.business.time_zone)
    await unit.mark_data_changed()
    await unit.audit(
        actor,
        "mergeCustomers",
        ("Customer", into_id),
        {
            "from": from_id,
            "into": into_id,
            "purchases": purchases,
            "fields": [*missing, *(f"attributes.{name}" for name in more)],
            "membershipsEnded": ended,
            "membershipsBegun": begun,
        },
    )
    merged = (await unit.customers.find_by_ids([into_id]))[into_id]
    return CustomerMerge(merged, (*missing, *(f"attributes.{name}" for name in more)), purchases, ended, begun)


def _find_missing(source: CustomerRecord, target: CustomerRecord) -> dict[str, Any]:
    """What of the profile the first has and the second lacks."""
    return {
        name: value
        for name in PROFILE
        if getattr(target.customer, name) is None and (value := getattr(source.customer, name)) is not None
    }


async def _move_memberships(unit: Unit, from_id: int, into_id: int, actor: Actor) -> tuple[int, int]:
    """End those of the first, and begin those of MANUAL segments for the second, who may have them already. How many
    ended and began."""
    held = (await unit.memberships.find_open_memberships([from_id]))[from_id]
    segments = await unit.segments.find_by_ids([each.segment_id for each in held])
    ended = await unit.memberships.close_customer(from_id, unit.instant, actor.name)
    begun = 0
    for each in held:
        if segments[each.segment_id].kind is SegmentKind.MANUAL:
            added = await unit.memberships.add(each.segment_id, [into_id], unit.instant, each.source, actor.name)
            begun += added.entered
    return ended, begun
