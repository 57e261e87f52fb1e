"""Answers to questions about rules: what a definition would come to, why a customer is a member, how segments overlap,
and what rules may use."""

from datetime import datetime
from typing import Annotated

import strawberry

from domain.errors import RuleProblemCode
from domain.model import Business as BusinessEntity
from domain.rules.explanation import Clause
from domain.rules.explanation import Verdict as ClauseVerdict
from domain.rules.listing import RuleVariable as RuleVariableEntity
from domain.rules.listing import RuleVariableType
from domain.segments.analysis import Explanation, Finding, Overlap, PairOverlap, Preview
from domain.segments.analysis import ProblemSeverity as ProblemSeverity
from domain.store import Side
from gql.schema.context import Info
from gql.schema.errors import name_text
from gql.schema.types.customer import Customer
from gql.schema.types.enums import MembershipSource, describe_enum
from gql.schema.types.scalars import JSON
from gql.schema.types.segment import Segment

# Before any type is made that uses them.
ENUMS = (
    describe_enum(
        RuleProblemCode,
        "RuleProblemCode",
        "What kind of thing there is to say of a rule; the last three are warnings.",
        INVALID_RULE="The rule, or what stands beside it in the definition, is not well-formed.",
        UNKNOWN_VARIABLE="There is no variable, list, attribute or segment of that name.",
        UNKNOWN_OPERATOR="There is no operator of that name, or none that rules can use.",
        TYPE_MISMATCH="A value is of another kind than is taken there.",
        CIRCULAR_REFERENCE="Segments would depend on each other in a circle.",
        LIMIT_REACHED="The rule, a text or a number in it is too large.",
        NOBODY_MATCHES="No customer matches the definition.",
        EVERYBODY_MATCHES="Every customer matches the definition.",
        NEVER_CALCULATED="A segment that the rule uses has no members yet.",
    ),
    describe_enum(
        RuleVariableType,
        "RuleVariableType",
        "What kind of values a variable of rules has.",
        BOOLEAN="True or false.",
        NUMBER="A number.",
        TEXT="A text.",
        INSTANT="A date or timestamp, written as ISO 8601.",
        LIST="A list, whose elements have variables of their own, or the keys of segments.",
    ),
    describe_enum(
        ProblemSeverity,
        "ProblemSeverity",
        "Whether a definition can be used in spite of what was found.",
        ERROR="The definition cannot be used.",
        WARNING="The definition can be used, but may not be what was meant.",
    ),
    describe_enum(
        ClauseVerdict,
        "ClauseVerdict",
        "Whether a clause holds for the customer.",
        TRUE="It holds.",
        FALSE="It does not hold.",
        MISSING="It does not hold, because the customer lacks what it asks for.",
    ),
)
DEFAULT_SAMPLE = 10
SampleSize = Annotated[int | None, strawberry.argument(description="How many customers, 1 to 50; 10 where null.")]


@strawberry.type(description="Something to say of a definition before it is saved.")
class RuleProblem:
    path: str = strawberry.field(
        description="Place inside the rules as a JSON pointer, or of the field, such as /criteria/maxOrders."
    )
    code: RuleProblemCode = strawberry.field(description="Kind of the problem; stable.")
    message: str = strawberry.field(description="Sentence that says what is wrong and what would be right.")
    severity: ProblemSeverity = strawberry.field(description="Whether the definition can be used all the same.")

    @classmethod
    def of(cls, finding: Finding) -> "RuleProblem":
        path, message = name_text(finding.path), name_text(finding.message)
        return cls(path=path, code=finding.code, message=message, severity=finding.severity)


@strawberry.type(description="What a definition would come to if it were calculated now.")
class SegmentPreview:
    match_count: int | None = strawberry.field(
        description="Number of customers who match; null where there is an ERROR among the problems."
    )
    population: int = strawberry.field(description="Number of customers of the business, erased ones left out.")
    entering: int | None = strawberry.field(
        description="Number of customers who match and are no members of the other segment; null without one."
    )
    leaving: int | None = strawberry.field(
        description="Number of members of the other segment who do not match; null without one."
    )
    staying: int | None = strawberry.field(
        description="Number of members of the other segment who match; null without one."
    )
    problems: list[RuleProblem] = strawberry.field(description="Errors in the order of the definition, or warnings.")
    sentence: str | None = strawberry.field(description="The definition in words; null where it has an error.")
    business: strawberry.Private[BusinessEntity]
    preview: strawberry.Private[Preview]

    @classmethod
    def of(cls, business: BusinessEntity, preview: Preview) -> "SegmentPreview":
        sizes = preview.sizes
        members, staying = (None, None) if sizes is None else (sizes.members, sizes.staying)
        return cls(
            match_count=None if sizes is None else sizes.matching,
            population=preview.population,
            entering=None if sizes is None or staying is None else sizes.matching - staying,
            leaving=None if members is None or staying is None else members - staying,
            staying=staying,
            problems=[RuleProblem.of(finding) for finding in preview.findings],
            sentence=preview.sentence,
            business=business,
            preview=preview,
        )

    @strawberry.field(description="The first customers who match, by id.")
    async def sample(self, info: Info, first: SampleSize = DEFAULT_SAMPLE) -> list[Customer]:
        return await self._load_sample(info, Side.MATCHING, first)

    @strawberry.field(description="The first customers who would enter the other segment, by id; none without one.")
    async def entering_sample(self, info: Info, first: SampleSize = DEFAULT_SAMPLE) -> list[Customer]:
        return await self._load_sample(info, Side.ENTERING, first)

    @strawberry.field(description="The first customers who would leave the other segment, by id; none without one.")
    async def leaving_sample(self, info: Info, first: SampleSize = DEFAULT_SAMPLE) -> list[Customer]:
        return await self._load_sample(info, Side.LEAVING, first)

    async def _load_sample(self, info: Info, side: Side, first: int | None) -> list[Customer]:
        size = DEFAULT_SAMPLE if first is None else first
        records = await info.context.services.analysis.load_sample(self.business, self.preview, side, size)
        return [Customer.of(self.business, record) for record in records]


@strawberry.type(
    description="One clause of the rule: what was asked, what the customer has, and whether it holds. A negation "
    "around a clause is not part of it."
)
class ClauseExplanation:
    path: str = strawberry.field(description="Place of the clause inside the rules, or of the field of criteria.")
    text: str = strawberry.field(description="The clause in words.")
    variable: str | None = strawberry.field(description="Variable that is asked for, where it is exactly one.")
    expected: JSON | None = strawberry.field(description="What is asked for, in the unit of the variable.")
    actual: JSON | None = strawberry.field(
        description="What the customer has; for purchases how many there are, how many satisfy, and up to five of them."
    )
    verdict: ClauseVerdict = strawberry.field(description="Whether the clause holds.")

    @classmethod
    def of(cls, clause: Clause) -> "ClauseExplanation":
        return cls(
            path=name_text(clause.path),
            text=clause.text,
            variable=clause.variable,
            expected=None if clause.expected is None else JSON(clause.expected),
            actual=None if clause.actual is None else JSON(clause.actual),
            verdict=clause.verdict,
        )


@strawberry.type(description="Why a customer is a member of a segment, or is none.")
class SegmentExplanation:
    is_member: bool = strawberry.field(description="Whether the customer is a member now.")
    matches_now: bool = strawberry.field(
        description="Whether the definition holds now; false for a segment without one. Membership follows when the "
        "segment is recalculated."
    )
    source: MembershipSource | None = strawberry.field(
        description="What made the customer a member; null for one outside."
    )
    assigned_at: datetime | None = strawberry.field(description="Timestamp of the entry; null for a customer outside.")
    clauses: list[ClauseExplanation] = strawberry.field(description="Every clause of the definition, in its order.")
    sentence: str | None = strawberry.field(description="The definition in words; null where there is none.")

    @classmethod
    def of(cls, entity: Explanation) -> "SegmentExplanation":
        membership = entity.membership
        return cls(
            is_member=membership is not None,
            matches_now=entity.matches,
            source=None if membership is None else membership.source,
            assigned_at=None if membership is None else membership.entered_at,
            clauses=[ClauseExplanation.of(clause) for clause in entity.clauses],
            sentence=entity.sentence,
        )


@strawberry.type(description="How the members of two segments coincide.")
class SegmentPairOverlap:
    a: Segment = strawberry.field(description="The segment that was named first.")
    b: Segment = strawberry.field(description="The segment that was named later.")
    both: int = strawberry.field(description="Number of customers in both.")
    only_a: int = strawberry.field(description="Number of customers in a and not in b.")
    only_b: int = strawberry.field(description="Number of customers in b and not in a.")
    jaccard: float = strawberry.field(description="Share of those in both among those in either; 0 where none are.")

    @classmethod
    def of(cls, business: BusinessEntity, pair: PairOverlap) -> "SegmentPairOverlap":
        return cls(
            a=Segment.of(business, pair.a),
            b=Segment.of(business, pair.b),
            both=pair.both,
            only_a=pair.only_a,
            only_b=pair.only_b,
            jaccard=pair.jaccard,
        )


@strawberry.type(description="How the members of several segments coincide.")
class SegmentOverlap:
    segments: list[Segment] = strawberry.field(description="The segments in the order asked for.")
    pairs: list[SegmentPairOverlap] = strawberry.field(description="Every two of them, in the order asked for.")
    union_count: int = strawberry.field(description="Number of customers in at least one of the segments.")
    intersection_count: int = strawberry.field(description="Number of customers in every one of the segments.")

    @classmethod
    def of(cls, business: BusinessEntity, entity: Overlap) -> "SegmentOverlap":
        return cls(
            segments=[Segment.of(business, segment) for segment in entity.segments],
            pairs=[SegmentPairOverlap.of(business, pair) for pair in entity.pairs],
            union_count=entity.union,
            intersection_count=entity.intersection,
        )


@strawberry.type(description="A variable, or a list, that a rule may use.")
class RuleVariable:
    name: str = strawberry.field(
        description="Name in rules; what an element has stands after its list, as in purchases[].amount."
    )
    type: RuleVariableType = strawberry.field(description="Kind of its values.")
    description: str = strawberry.field(description="What it stands for.")
    unit: str | None = strawberry.field(description="Unit of a number, such as days or the currency.")
    example: JSON | None = strawberry.field(description="A value that it may have; of a list, a rule that uses it.")
    operators: list[str] = strawberry.field(
        description="JSONLogic operators that take it, for builders; what an element has stands inside those of its "
        "list."
    )

    chosen: strawberry.Private[bool]

    @strawberry.field(description="Values that occur, at most 200, the most frequent first; null where any may be.")
    async def values(self, info: Info) -> list[JSON] | None:
        if not self.chosen:
            return None
        return [JSON(value) for value in await info.context.loaders.variable_values.load(self.name)]

    @classmethod
    def of(cls, entity: RuleVariableEntity) -> "RuleVariable":
        return cls(
            name=entity.name,
            type=entity.type,
            description=entity.description,
            unit=entity.unit,
            example=None if entity.example is None else JSON(entity.example),
            operators=list(entity.operators),
            chosen=entity.chosen,
        )
