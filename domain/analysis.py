"""Questions about rules and segments that write nothing: preview, explanation, overlap, which rules hold. A stored
segment that a rule names stands for those who are its members now."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from domain.calendar import Clock
from domain.classification.rfm import Cuts
from domain.customers import Customers
from domain.errors import FieldProblem, InvalidInput, InvalidRule
from domain.model import Business
from domain.overlap import FEWEST, MOST, Overlap, overlap
from domain.ports import CustomerFilter, CustomerRecord
from domain.rule_findings import Finding, errors, tree_of, understood, warnings, wrong_references
from domain.rule_subject import rule_context, subjects
from domain.rules.context import RuleContext, references, uses_rank
from domain.rules.evaluator import holds
from domain.rules.explanation import Clause, explain
from domain.rules.sentence import sentence
from domain.rules.tree import Condition
from domain.segment_model import Definition, Membership, Segment
from domain.segment_ports import RuleSizes, SegmentReadUnit, SegmentStore, Side

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

    store: SegmentStore
    clock: Clock
    customers: Customers

    async def preview(self, business: Business, definition: Definition, against: int | None = None) -> Preview:
        """How many would match, and who would enter and leave the other segment, where one is given."""
        tree, problems = understood(definition, business.currency)
        cuts = await self._cuts(business, [] if tree is None else [tree])
        async with self.store.read(business) as unit:
            other = None if against is None else (await unit.segments.by_ids([against])).get(against)
            if against is not None and other is None:
                raise InvalidInput(
                    "againstSegmentId must be the id of a segment of this business", ("againstSegmentId",)
                )
            used: Sequence[Segment] = ()
            if tree is not None and references(tree):
                used = await unit.segments.all()
                problems = wrong_references(tree, used, "" if other is None else other.key)
            said = None if tree is None else sentence(tree, business.currency)
            if tree is None or problems:
                return Preview(await unit.rules.population(), tuple(errors(problems)), said)
            context = await rule_context(unit, self.clock(), [tree], cuts)
            sizes = await unit.rules.sizes(context, tree, None if other is None else other.id)
        return Preview(sizes.population, tuple(warnings(tree, used, sizes)), said, sizes, tree, context, other)

    async def sample(self, business: Business, preview: Preview, side: Side, size: int) -> list[CustomerRecord]:
        """The first customers by id of one side of a preview; none where it has an error or no other segment."""
        if not 1 <= size <= MAXIMUM_SAMPLE:
            raise InvalidInput(f"first must be between 1 and {MAXIMUM_SAMPLE}", ("first",))
        if preview.tree is None or preview.context is None or (side is not Side.MATCHING and preview.against is None):
            return []
        other = None if preview.against is None else preview.against.id
        async with self.store.read(business) as unit:
            return await unit.rules.sample(preview.context, preview.tree, side, other, size)

    async def explain(self, business: Business, segment_id: int, customer_id: int) -> Explanation | None:
        """Why the customer is a member or not; None where there is no such segment or customer."""
        async with self.store.read(business) as unit:
            segment = (await unit.segments.by_ids([segment_id])).get(segment_id)
        if segment is None:
            return None
        tree = tree_of(segment)
        rules = [] if tree is None else [tree]
        cuts = await self._cuts(business, rules)
        async with self.store.read(business) as unit:
            open_ones = (await unit.memberships.open_of([customer_id])).get(customer_id, [])
            named = await unit.segments.by_ids([each.segment_id for each in open_ones])
            keys = frozenset(each.key for each in named.values())
            context = await rule_context(unit, self.clock(), rules, cuts)
            subject = (await subjects(unit, context, [customer_id], {customer_id: keys})).get(customer_id)
        if subject is None:
            return None
        membership = next((each for each in open_ones if each.segment_id == segment_id), None)
        if tree is None:
            return Explanation(membership, False, (), None)
        return Explanation(
            membership,
            holds(tree, subject) and not subject.values["erased"],
            tuple(explain(tree, subject, business.currency)),
            sentence(tree, business.currency),
        )

    async def matching(self, business: Business, customers: Sequence[int]) -> Mapping[int, list[Segment]]:
        """The automatic segments whose rule holds for each of the customers now, by name."""
        async with self.store.read(business) as unit:
            segments = await unit.segments.all(automatic=True)
        trees = {each.id: tree for each in segments if (tree := tree_of(each)) is not None}
        if not trees:
            return {key: [] for key in customers}
        cuts = await self._cuts(business, trees.values())
        async with self.store.read(business) as unit:
            context = await rule_context(unit, self.clock(), trees.values(), cuts)
            found = await unit.rules.matching(context, trees, customers)
        return {key: [each for each in segments if each.id in found[key]] for key in customers}

    async def overlap(self, business: Business, segment_ids: Sequence[int | None]) -> Overlap:
        """How the members of two to ten segments coincide; None stands for an id that is no segment's."""
        if not FEWEST <= len(segment_ids) <= MOST:
            raise InvalidInput(f"segmentIds must hold between {FEWEST} and {MOST} ids", ("segmentIds",))
        async with self.store.read(business) as unit:
            segments = await _segments(unit, segment_ids, ("segmentIds",))
            keys = [each.id for each in segments]
            for place, key in enumerate(keys):
                if key in keys[:place]:
                    raise InvalidInput("segmentIds must hold each segment once", ("segmentIds", str(place)))
            return overlap(segments, await unit.rules.overlap(keys))

    async def narrowed(
        self,
        business: Business,
        where: CustomerFilter,
        segment_ids: Sequence[int | None],
        rule: Condition | None,
    ) -> CustomerFilter:
        """The filter with the segments and the rule, which are checked; None stands for an id that is no segment's."""
        if len(segment_ids) > MAXIMUM_FILTERED_SEGMENTS:
            raise InvalidInput(
                f"segmentIds must hold at most {MAXIMUM_FILTERED_SEGMENTS} ids", ("filter", "segmentIds")
            )
        keys = {} if rule is None else references(rule)
        segments: list[Segment] = []
        if segment_ids or keys:
            async with self.store.read(business) as unit:
                segments = await _segments(unit, segment_ids, ("filter", "segmentIds"))
                problems = wrong_references(rule, await unit.segments.all()) if rule is not None and keys else []
                if problems:
                    raise InvalidRule(problems)
        cuts = await self._cuts(business, [] if rule is None else [rule])
        chosen = tuple(dict.fromkeys(each.id for each in segments))
        return CustomerFilter(where.search, where.loyalty_levels, chosen, rule, cuts)

    async def _cuts(self, business: Business, trees: Iterable[Condition]) -> Cuts | None:
        """The kept cut values, where a rule ranks."""
        if not any(uses_rank(tree) for tree in trees):
            return None
        return await self.customers.cuts(business, RuleContext(business, self.clock()).span)


async def _segments(unit: SegmentReadUnit, ids: Sequence[int | None], field: tuple[str, ...]) -> list[Segment]:
    found = await unit.segments.by_ids([key for key in ids if key is not None]) if ids else {}
    name = field[-1]
    problems = [
        FieldProblem((*field, str(place)), f"{name}[{place}] must be the id of a segment of this business")
        for place, key in enumerate(ids)
        if key is None or key not in found
    ]
    if problems:
        raise InvalidInput.of(problems)
    return [found[key] for key in ids if key is not None]
