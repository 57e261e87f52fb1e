"""Which answers may be kept: of every type that a query can reach it was decided."""

import pytest
from graphql import GraphQLInterfaceType, GraphQLNamedType, GraphQLObjectType, GraphQLSchema, get_named_type, parse

from gql.schema.keeping import OF_VIEWER, UNKEPT, Keeping, find_keeping
from gql.schema.schema import make_schema
from gql.settings import Settings

SCHEMA: GraphQLSchema = make_schema(Settings())._schema
KEPT = {
    *("Business", "BusinessSetting", "ClauseExplanation", "CustomLabel", "Customer", "CustomerClassification"),
    *("CustomerConnection", "CustomerEdge", "CustomerMetrics", "LabelCount", "MembershipChange"),
    *("MembershipChangeConnection", "MembershipChangeEdge", "PageInfo", "Purchase", "PurchaseConnection"),
    *("PurchaseEdge", "PurchaseLine", "ReportSegment", "ReportTotals", "RfmCell", "RfmConfig", "RfmScore"),
    *("RfmThreshold", "RuleProblem", "RuleVariable", "Segment", "SegmentCharacteristics", "SegmentConnection"),
    *("SegmentCriteria", "SegmentEdge", "SegmentExplanation", "SegmentMemberConnection", "SegmentMemberEdge"),
    *("SegmentMembership", "SegmentMetrics", "SegmentOverlap", "SegmentPairOverlap", "SegmentPreview"),
    *("SegmentTransitions", "SegmentationInsights", "SegmentationReport", "SizePoint", "Snapshot"),
    *("SnapshotConnection", "SnapshotDiff", "SnapshotEdge", "SourceFormat", "Storefront", "TransitionCell"),
    *("TrendPoint",),
}
"""Types whose every field follows from the data of the business, its date and the permissions. Look at what a new one
follows from before it is added here: what it may be besides belongs into `UNKEPT` or `OF_VIEWER`."""


def test_of_every_type_that_a_query_reaches_it_was_decided_whether_it_is_kept() -> None:
    assert SCHEMA.query_type is not None
    reached: set[str] = set()
    waiting: list[GraphQLNamedType] = [SCHEMA.query_type]
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType) and kind.name not in reached | UNKEPT:
            reached.add(kind.name)
            waiting += [get_named_type(field.type) for field in kind.fields.values()]

    assert reached - {"Query"} == KEPT | OF_VIEWER


@pytest.mark.parametrize(
    ("document", "keeping"),
    [
        ("{ __typename }", Keeping.PERMISSIONS),
        ("{ customers { nodes { name } } }", Keeping.PERMISSIONS),
        ("{ segments { nodes { ...S } } } fragment S on Segment { latestRecalculation { id } }", Keeping.NOBODY),
        ("{ ... on Query { ...Q } } fragment Q on Query { viewer { subject } }", Keeping.VIEWER),
        ('{ viewer { subject } node(id: "x") { id } }', Keeping.NOBODY),
        ("{ __schema { types { name } } }", Keeping.NOBODY),
        ("mutation { recalculateSegments { userErrors { code } } }", Keeping.NOBODY),
        ("subscription { membershipChanges { cursor } }", Keeping.NOBODY),
    ],
)
def test_an_answer_is_kept_by_what_it_shows(document: str, keeping: Keeping) -> None:
    assert find_keeping(SCHEMA, parse(document), None) is keeping
