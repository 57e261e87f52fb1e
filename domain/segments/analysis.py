"""Questions about rules and segments that write nothing: preview, explanation, overlap, which rules hold. A stored
segment that a rule names stands for those who are its members now. A preview finds everything that is wrong with a
definition, each with its path, and what its author may not have meant: with an error it has no sizes, with a warning it
has."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from itertools import combinations

from domain.calendar import Clock
from domain.classification.rfm import Quintiles
from domain.customers.customers import Customers
from domain.errors import (
    FieldProblem,
    InvalidInput,
    InvalidRule,
    RuleProblem,
    RuleProblemCode,
    Sentence,
    build_unknown_id,
)
from domain.model import Business
from domain.pages import PageRequest
from domain.rules.context import RuleContext, collect_references, uses_rank
from domain.rules.evaluator import holds
from domain.rules.explanation import Clause, explain
from domain.rules.listing import MAXIMUM_VALUES, MEMBERSHIPS, RuleValue
from domain.rules.sentence import write_sentence
from domain.rules.tree import Condition
from domain.segments.customer_facts import build_rule_context, read_customer_facts
from domain.segments.dependencies import find_reference_problems
from domain.segments.model import Definition, Membership, Segment, SegmentKind
from domain.segments.validation import Draft, validate_draft
from domain.store import CustomerFilter, CustomerRecord, RuleSizes, SegmentFilter, SegmentSort, Side, Store, Unit

FEWEST, MOST = 2, 10


@dataclass(frozen=True, slots=True)
class PairOverlap:
    """Two segments: how many are in both, and in only one of them."""

    a: Segment
    b: Segment
    both: int
    only_a: int
    only_b: int

    @property
    def jaccard(self) -> float:
        """Share of those in both among those in either; 0 where there are none."""
        either = self.both + self.only_a + self.only_b
        return self.both / either if either else 0.0


@dataclass(frozen=True, slots=True)
class Overlap:
    """Segments with every pair of them, in the order asked for."""

    segments: tuple[Segment, ...]
    pairs: tuple[PairOverlap, ...]
    union: int
    intersection: int


def build_overlap(segments: Sequence[Segment], patterns: Mapping[int, int]) -> Overlap:
    """The overlap of the segments; bit n of a pattern stands for the nth."""

    def count(first: int, second: int, wanted: tuple[bool, bool]) -> int:
        return sum(
            customers
            for pattern, customers in patterns.items()
            if (bool(pattern >> first & 1), bool(pattern >> second & 1)) == wanted
        )

    pairs = tuple(
        PairOverlap(
            segments[first],
            segments[second],
            count(first, second, (True, True)),
            count(first, second, (True, False)),
            count(first, second, (False, True)),
        )
        for first, second in combinations(range(len(segments)), 2)
    )
    whole = (1 << len(segments)) - 1
    return Overlap(tuple(segments), pairs, sum(patterns.values()), patterns.get(whole, 0))


class ProblemSeverity(StrEnum):
    """Whether a definition can be used in spite of what was found."""

    ERROR = "ERROR"
    WARNING = "WARNING"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to say of a definition; `path` is a JSON pointer into the rules, or to a field of the others."""

    path: str
    code: RuleProblemCode
    message: str
    severity: ProblemSeverity


def read_definition(definition: Definition, business: Business) -> tuple[Condition | None, list[RuleProblem]]:
    """The definition's tree, or everything that a segment with it would be refused for."""
    try:
        draft = Draft("preview", definition=definition)
        return validate_draft(draft, business.currency, business.attributes).tree, []
    except InvalidInput as error:
        return None, [_to_rule_problem(each) for each in error.problems]


def check_references(tree: Condition, stored: Sequence[Segment], key: str = "") -> list[RuleProblem]:
    """Segments that the rule uses and that are not there, or that use the segment of that key, whose rule it is."""
    return [_to_rule_problem(each) for each in find_reference_problems(key, tree, stored)]


def _to_rule_problem(problem: FieldProblem) -> RuleProblem:
    # The first step is the input as a whole.
    path = Sentence("".join(f"/{{{name}}}" for name in problem.field[1:])) if problem.path is None else problem.path
    code = problem.code if isinstance(problem.code, RuleProblemCode) else RuleProblemCode.INVALID_RULE
    return RuleProblem(path, problem.message, None, code)


def as_errors(problems: Iterable[RuleProblem]) -> list[Finding]:
    """The problems as findings that stand in the way."""
    return [Finding(each.path, each.code, each.message, ProblemSeverity.ERROR) for each in problems]


def find_warnings(tree: Condition, stored: Iterable[Segment], sizes: RuleSizes) -> list[Finding]:
    """What the author may not have meant."""
    by_key = {each.key: each for each in stored}
    findings = [
        Finding(
            path,
            RuleProblemCode.NEVER_CALCULATED,
            f"The segment {key} was never calculated, so it has no members yet.",
            ProblemSeverity.WARNING,
        )
        for key, path in collect_references(tree).items()
        if (segment := by_key.get(key)) is not None
        and segment.kind is SegmentKind.AUTOMATIC
        and segment.last_calculated is None
    ]
    told = {
        0: (RuleProblemCode.NOBODY_MATCHES, "No customer matches the definition."),
        sizes.population: (RuleProblemCode.EVERYBODY_MATCHES, "Every customer matches the definition."),
    }
    if sizes.population and sizes.matching in told:
        findings.append(Finding("", *told[sizes.matching], ProblemSeverity.WARNING))
    return findings


MAXIMUM_SAMPLE = 50
MAXIMUM_FILTERED_SEGMENTS = 20


@dataclass(frozen=True, slots=True)
class Preview:
    """What a definition would come to; without `sizes` where it has an error."""

    population: int
    findings: tuple[Finding, ...]
    sentence: str | None = None
    sizes: RuleSizes | None = None
    tree: Condition | None = None
    context: RuleContext | None = None
    against: Segment | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a customer is a member of a segment, or is none."""

    membership: Membership | None
    matches: bool
    clauses: tuple[Clause, ...]
    sentence: str | None


@dataclass(frozen=True, slots=True)
class Analysis:
    """Answers questions about the rules of a business."""

    store: Store
    clock: Clock
    customers: Customers

    async def preview(self, business: Business, definition: Definition, against: int | None = None) -> Preview:
        """How many would match, and who would enter and leave the other segment, where one is given."""
        tree, problems = read_definition(definition, business)
        quintiles = await self._load_quintiles(business, [] if tree is None else [tree])
        async with self.store.read(business) as unit:
            other = None if against is None else await unit.segments.get(against)
            if against is not None and other is None:
                raise build_unknown_id("segment", "against_segment_id")
            used: Sequence[Segment] = ()
            if tree is not None and collect_references(tree):
                used = await unit.segments.load_all()
                problems = check_references(tree, used, "" if other is None else other.key)
            sentence = None if tree is None else write_sentence(tree, business.currency)
            if tree is None or problems:
                return Preview(await unit.rules.count_population(), tuple(as_errors(problems)), sentence)
            context = await build_rule_context(unit, self.clock(), [tree], quintiles)
        sizes = await self._load_sizes(business, context, tree, None if other is None else other.id)
        return Preview(sizes.population, tuple(find_warnings(tree, used, sizes)), sentence, sizes, tree, context, other)

    async def _load_sizes(
        self, business: Business, context: RuleContext, tree: Condition, against: int | None
    ) -> RuleSizes:
        """How many match, as they were counted since the last write of the day. Whoever asks may go: what was begun is
        counted to its end, so that the next one finds it."""

        async def count() -> RuleSizes:
            async with self.store.read(business) as unit:
                return await unit.rules.compute_sizes(context, tree, against)

        rule = sha256(repr(tree).encode()).hexdigest()
        key = f"rule_sizes:{business.id}:{rule}:{against}:{context.today}:{business.change_number}"
        sizes: RuleSizes = (await self.customers.cache.get_or_make(key, count)).value
        return sizes

    async def load_sample(self, business: Business, preview: Preview, side: Side, size: int) -> list[CustomerRecord]:
        """The first customers by id of one side of a preview; none where it has an error or no other segment."""
        if not 1 <= size <= MAXIMUM_SAMPLE:
            raise InvalidInput(f"first must be between 1 and {MAXIMUM_SAMPLE}", ("first",))
        if preview.tree is None or preview.context is None or (side is not Side.MATCHING and preview.against is None):
            return []
        other = None if preview.against is None else preview.against.id
        async with self.store.read(business) as unit:
            return await unit.rules.load_sample(preview.context, preview.tree, side, other, size)

    async def load_variable_values(self, business: Business) -> dict[str, Sequence[RuleValue]]:
        """The values that occur, by variable, as they were counted since the data last changed; of `segments` the keys,
        those of most members first. Whoever asks may go: what was begun is counted to its end."""
        now = self.clock()

        async def count() -> Mapping[str, Sequence[RuleValue]]:
            async with self.store.read(business) as unit:
                bounds = await unit.reports.find_day_bounds()
                return await unit.rules.load_values(RuleContext(business, now, None, bounds and bounds[0]))

        key = f"rule_values:{business.id}:{RuleContext(business, now).today}:{business.data_version}"
        counted: Mapping[str, Sequence[RuleValue]] = (await self.customers.cache.get_or_make(key, count)).value
        async with self.store.read(business) as unit:
            largest = PageRequest(MAXIMUM_VALUES)
            page = await unit.segments.load_page(largest, SegmentFilter(), SegmentSort.MEMBER_COUNT, True)
        return {**counted, MEMBERSHIPS.name: [segment.key for segment in page.items]}

    async def explain(self, business: Business, segment_id: int, customer_id: int) -> Explanation | None:
        """Why the customer is a member or not; None where there is no such segment or customer."""
        async with self.store.read(business) as unit:
            segment = await unit.segments.get(segment_id)
        if segment is None:
            return None
        tree = segment.definition.build_tree()
        rules = [] if tree is None else [tree]
        quintiles = await self._load_quintiles(business, rules)
        async with self.store.read(business) as unit:
            open_ones = (await unit.memberships.find_open_memberships([customer_id])).get(customer_id, [])
            named = await unit.segments.find_by_ids([each.segment_id for each in open_ones])
            keys = frozenset(each.key for each in named.values())
            context = await build_rule_context(unit, self.clock(), rules, quintiles)
            facts = (await read_customer_facts(unit, context, [customer_id], {customer_id: keys})).get(customer_id)
        if facts is None:
            return None
        membership = next((each for each in open_ones if each.segment_id == segment_id), None)
        if tree is None:
            return Explanation(membership, False, (), None)
        return Explanation(
            membership,
            holds(tree, facts) and not facts.values["erased"],
            tuple(explain(tree, facts, business.currency)),
            write_sentence(tree, business.currency),
        )

    async def find_matching(self, business: Business, customers: Sequence[int]) -> Mapping[int, list[Segment]]:
        """The automatic segments whose rule holds for each of the customers now, by name."""
        async with self.store.read(business) as unit:
            segments = await unit.segments.load_all(automatic=True)
        trees = {}
        for each in segments:
            if (tree := each.definition.build_tree()) is not None:
                trees[each.id] = tree
            # The longest rule takes 20 ms to read, and hundreds of them would keep everybody else waiting.
            await asyncio.sleep(0)
        if not trees:
            return {key: [] for key in customers}
        quintiles = await self._load_quintiles(business, trees.values())
        async with self.store.read(business) as unit:
            context = await build_rule_context(unit, self.clock(), trees.values(), quintiles)
            matching = await unit.rules.find_matching(context, trees, customers)
        return {key: [each for each in segments if each.id in matching[key]] for key in customers}

    async def compute_overlap(self, business: Business, segment_ids: Sequence[int | None]) -> Overlap:
        """How the members of two to ten segments coincide; None stands for an id that is no segment's."""
        if not FEWEST <= len(segment_ids) <= MOST:
            message = Sentence("{segment_ids} must hold between {} and {} ids", FEWEST, MOST)
            raise InvalidInput(message, ("segment_ids",))
        async with self.store.read(business) as unit:
            segments = await _get_segments(unit, segment_ids, ("segment_ids",))
            keys = [each.id for each in segments]
            for place, key in enumerate(keys):
                if key in keys[:place]:
                    message = Sentence("{segment_ids} must hold each segment once")
                    raise InvalidInput(message, ("segment_ids", str(place)))
            return build_overlap(segments, await unit.rules.count_overlap(keys))

    async def narrow(
        self,
        business: Business,
        where: CustomerFilter,
        segment_ids: Sequence[int | None],
        rule: Condition | None,
    ) -> CustomerFilter:
        """The filter with the segments and the rule, which are checked; None stands for an id that is no segment's."""
        if len(segment_ids) > MAXIMUM_FILTERED_SEGMENTS:
            message = Sentence("{segment_ids} must hold at most {} ids", MAXIMUM_FILTERED_SEGMENTS)
            raise InvalidInput(message, ("filter", "segment_ids"))
        keys = {} if rule is None else collect_references(rule)
        segments: list[Segment] = []
        if segment_ids or keys:
            async with self.store.read(business) as unit:
                segments = await _get_segments(unit, segment_ids, ("filter", "segment_ids"))
                problems = check_references(rule, await unit.segments.load_all()) if rule is not None and keys else []
                if problems:
                    raise InvalidRule(problems)
        quintiles = await self._load_quintiles(business, [] if rule is None else [rule])
        chosen = tuple(dict.fromkeys(each.id for each in segments))
        return replace(where, segment_ids=chosen, rule=rule, quintiles=quintiles)

    async def _load_quintiles(self, business: Business, trees: Iterable[Condition]) -> Quintiles | None:
        """The kept cut values, where a rule ranks."""
        if not any(uses_rank(tree) for tree in trees):
            return None
        return await self.customers.load_quintiles(business, RuleContext(business, self.clock()).span)


async def _get_segments(unit: Unit, ids: Sequence[int | None], field: tuple[str, ...]) -> list[Segment]:
    by_id = await unit.segments.find_by_ids([key for key in ids if key is not None]) if ids else {}
    template = f"{{{field[-1]}}}[{{}}] must be the id of a segment of this business"
    problems = [
        FieldProblem((*field, str(place)), Sentence(template, place))
        for place, key in enumerate(ids)
        if key is None or key not in by_id
    ]
    if problems:
        raise InvalidInput.of(problems)
    return [by_id[key] for key in ids if key is not None]
