"""Whole lists of members: a MANUAL segment has exactly the customers of a list afterwards, who are named by ids, by the
shop's ids or by e-mails, a few by a caller or a million by a file. A list that names somebody whom nobody knows changes
nothing, unless such names are to be left out; the same list again changes nothing more."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from domain.errors import FieldProblem, InvalidInput, NotFound, Sentence, build_unknown_id, find_text_problems
from domain.formulas import unprotect_text
from domain.identifiers import find_id, read_id
from domain.imports.columns import (
    ALIASES,
    RowFault,
    check_encoding,
    check_text,
    count_noun,
    describe_columns,
    format_row,
    normalise_header,
)
from domain.imports.rows import PurchaseSource
from domain.jobs.model import Difference
from domain.model import Actor, Business
from domain.segments.memberships import MAXIMUM_ITEMS, follow_members, get_manual_segment
from domain.segments.model import MembershipSource, Segment
from domain.segments.validation import MAXIMUM_KEY
from domain.store import NamedCustomer, Naming, Store, Unit

PORTION = 2_000
"""Rows of a file that are in memory at a time."""
MOST_SHOWN, LONGEST_SHOWN = 20, 80
"""Unknown customers who are listed, and characters of each."""
COLUMNS = {
    Naming.EXTERNAL_ID: (*ALIASES["customer_id"], "externalid"),
    Naming.EMAIL: ("email", "emailaddress"),
}
"""What the column is called that names the customers; where a file has both, the first says who they are."""


@dataclass(frozen=True, slots=True)
class MembersFile:
    """A file of which one column names customers."""

    source: PurchaseSource
    place: int
    naming: Naming

    @classmethod
    def of(cls, source: PurchaseSource, namings: Sequence[Naming] = tuple(COLUMNS)) -> "MembersFile":
        """Look at the header; InvalidInput where no column names customers."""
        for naming in namings:
            for place, name in enumerate(source.header):
                if normalise_header(name) in COLUMNS[naming]:
                    return cls(source, place, naming)
        wanted = " or email" if Naming.EMAIL in namings else ""
        seen = describe_columns(source.header)
        raise InvalidInput(f"Missing required columns: customer_id{wanted}. Columns seen: {seen}.")

    def read_names(self) -> Iterator[tuple[int, str, bool]]:
        """Of each row its line, what names the customer, and whether that can be read; else the row as it is shown."""
        for line, cells in self.source.read_rows():
            try:
                if len(cells) <= self.place:
                    raise RowFault("the row is too short")
                check_encoding(cells)
                name = check_text(unprotect_text(cells[self.place].strip()), "customer_id")
                if not name:
                    raise RowFault("no customer")
            except RowFault:
                yield line, format_row(cells), False
            else:
                yield line, name, True

    def read_portions(self) -> Iterator[list[NamedCustomer]]:
        """The customers whom the rows name."""
        rows = self.read_names()
        while portion := list(islice(rows, PORTION)):
            found = [find_id(name) if readable else "" for _, name, readable in portion]
            yield [
                NamedCustomer(line, self.naming if key else None, key or name)
                for key, (line, name, _) in zip(found, portion, strict=True)
            ]


@dataclass(frozen=True, slots=True)
class ListSummary:
    """What setting the members came to: rows of the list, customers who entered, left and stayed, and how many rows
    name nobody, the first of whom are listed with their lines."""

    segment: Segment
    read: int
    assigned: int
    removed: int
    unchanged: int
    unknown: int
    unknown_rows: Sequence[tuple[int, str]] = ()

    @classmethod
    def of(
        cls, segment: Segment, read: int, done: Difference, unknown: int, rows: Sequence[tuple[int, str]]
    ) -> "ListSummary":
        stayed = done.member_count - done.entered
        return cls(segment, read, done.entered, done.left, stayed, unknown, rows)


@dataclass(frozen=True, slots=True)
class MemberLists:
    """Sets the members of the segments of a business, and tells whoever follows changes that there are some."""

    store: Store
    notify_members_changed: Callable[[int], None]

    async def set_members(
        self,
        business: Business,
        segment_id: int,
        actor: Actor,
        *,
        ids: Sequence[int | None] | None = None,
        external_ids: Sequence[str] | None = None,
        emails: Sequence[str] | None = None,
    ) -> tuple[Segment, Difference]:
        """Exactly these customers; None among the ids stands for one that cannot be one. InvalidInput carries every
        name that nobody has, with its index."""
        async with self.store.write(business) as unit:
            segment = await get_manual_segment(unit, segment_id, "{segment_id}")
            named, places = _read_names({"customer_ids": ids, "external_ids": external_ids, "emails": emails})
            await unit.named.prepare()
            await unit.named.add(named)
            await unit.named.resolve()
            _, unknown = await unit.named.load_unknown(len(named))
            if unknown:
                known = await unit.customers.find_by_ids([one.number for one in named if one.number is not None])
                erased = {key for key, record in known.items() if record.customer.erased}
                numbers = {one.line: one.number for one in named}
                raise InvalidInput.of([_build_problem(places[line], numbers[line] in erased) for line, _ in unknown])
            done = await _set(unit, segment, actor, MembershipSource.MANUAL, len(named))
            counts = {"assigned_count": done.entered, "removed_count": done.left}
            await unit.mark_done(actor, segment=("Segment", segment_id), **counts)
            written = (await unit.segments.find_by_ids([segment_id]))[segment_id]
            segment = replace(written, seen_at=unit.instant)
        self.notify_members_changed(business.id)
        return segment, done

    async def check(self, business: Business, which: int | str) -> None:
        """NotFound where there is no segment of this id or key, InvalidInput where its members follow from its
        definition: for whoever is about to read a list."""
        async with self.store.read(business) as unit:
            await _find_segment(unit, which)

    async def set_from_file(
        self,
        business: Business,
        which: int | str,
        file: MembersFile,
        actor: Actor,
        *,
        skip_unknown: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> ListSummary:
        """Exactly the customers of the file are the members of the segment of this id or key. The rows are kept aside
        and looked up before anything is locked; `progress` is told how many there are so far."""
        await self.check(business, which)
        async with self.store.stage_members(business) as staging:
            portions, read = file.read_portions(), 0
            while portion := await asyncio.to_thread(next, portions, None):
                await staging.named.add(portion)
                read += len(portion)
                if progress is not None:
                    progress(read)
            if not read:
                raise InvalidInput(f"No data found in {file.source.name}.")
            await staging.named.resolve()
            async with staging.write() as unit:
                if unit.business.data_version != staging.business.data_version:
                    # Somebody may have been erased or merged meanwhile.
                    await unit.named.resolve()
                segment = await _find_segment(unit, which)
                count, rows = await unit.named.load_unknown(MOST_SHOWN)
                if count and not skip_unknown:
                    raise InvalidInput(_describe_unknown(count, rows), ("skip_unknown",), "NOT_FOUND")
                done = await _set(unit, segment, actor, MembershipSource.IMPORT, read)
                await unit.mark_done(actor, segment=("Segment", segment.id))
        self.notify_members_changed(business.id)
        return ListSummary.of(segment, read, done, count, rows)


def _read_names(
    given: Mapping[str, Sequence[int | None] | Sequence[str] | None],
) -> tuple[list[NamedCustomer], list[tuple[str, str]]]:
    """The customers, numbered from 0, and where each stands in the input; InvalidInput where a text can be none."""
    if all(names is None for names in given.values()):
        message = Sentence("{customer_ids}, {external_ids} or {emails} must be given; an empty list takes all out")
        raise InvalidInput(message, ("customer_ids",))
    if sum(len(names or ()) for names in given.values()) > MAXIMUM_ITEMS:
        template = "{customer_ids}, {external_ids} and {emails} must hold at most {} items together"
        raise InvalidInput(Sentence(template, MAXIMUM_ITEMS), ("customer_ids",), "LIMIT_REACHED")
    places = [(field, str(index)) for field, names in given.items() for index in range(len(names or ()))]
    named: list[NamedCustomer] = []
    problems: list[FieldProblem] = []
    for line, (field, index) in enumerate(places):
        item = (given[field] or ())[int(index)]
        if isinstance(item, str):
            name, wrong = read_id(item, (field,))
            problems += [replace(one, field=(field, index)) for one in find_text_problems((field,), item) or wrong]
            named.append(NamedCustomer(line, Naming.EMAIL if field == "emails" else Naming.EXTERNAL_ID, name))
        else:
            named.append(NamedCustomer(line, None if item is None else Naming.ID, "", item))
    if problems:
        raise InvalidInput.of(problems)
    return named, places


WORDS = {
    "customer_ids": "{customer_ids} must be ids of customers of this business",
    "external_ids": "{external_ids} must be the shop's ids of customers of this business",
    "emails": "{emails} must be e-mails that customers of this business have",
}


def _build_problem(place: tuple[str, str], erased: bool) -> FieldProblem:
    if erased:
        return FieldProblem(place, Sentence("{customer_ids} must not name a customer who was erased"), "ERASED")
    return FieldProblem(place, Sentence(WORDS[place[0]]), "NOT_FOUND")


def _describe_unknown(count: int, rows: Sequence[tuple[int, str]]) -> Sentence:
    listed = "; ".join(f"line {line}: {text[:LONGEST_SHOWN]}" for line, text in rows)
    more = "; …" if count > len(rows) else ""
    verb = "names" if count == 1 else "name"
    template = "{} {} nobody, so nothing was changed: {}{}. Mend them, or leave them out by {skip_unknown}."
    return Sentence(template, count_noun(count, "row"), verb, listed, more)


async def _find_segment(unit: Unit, which: int | str) -> Segment:
    if isinstance(which, int):
        if await unit.segments.get(which) is None:
            raise build_unknown_id("segment")
        return await get_manual_segment(unit, which, "The id")
    stored = (await unit.segments.find_by_keys([which])).get(which)
    if stored is None:
        raise NotFound(f"There is no segment with the key {which[:MAXIMUM_KEY]}.")
    return await get_manual_segment(unit, stored.id, "The key")


async def _set(unit: Unit, segment: Segment, actor: Actor, source: MembershipSource, named: int) -> Difference:
    """Let the customers who were looked up be the members."""
    done = await unit.memberships.set_named(segment.id, unit.instant, source, actor.name)
    detail = {
        "segment": segment.key,
        "source": source.value,
        "asked": named,
        "entered": done.entered,
        "left": done.left,
        "memberCount": {"old": segment.member_count, "new": done.member_count},
    }
    if done.entered or done.left:
        await follow_members(unit, segment)
    await unit.audit(actor, "setSegmentMembers", ("Segment", segment.id), detail)
    return done
