"""Questions about rules as a client asks them: previews with problems and samples, explanations, overlaps, matching
segments, and what rules may use."""

from collections.abc import Mapping
from typing import Any

import pytest

from gql.schema.types.ids import encode
from tests.drivers.face import Face

pytestmark = [pytest.mark.anyio, pytest.mark.read_only, pytest.mark.usefixtures("ids")]
PREVIEW = """query P($definition: SegmentDefinitionInput!, $against: ID) {
  segmentPreview(definition: $definition, againstSegmentId: $against) {
    matchCount population entering leaving staying sentence problems { path code message severity }
    sample { externalId } enteringSample { externalId } leavingSample(first: 1) { externalId } } }"""


async def preview(face: Face, definition: Mapping[str, Any], against: str | None = None) -> Any:
    return (await face.data(PREVIEW, {"definition": definition, "against": against}))["segmentPreview"]


async def test_a_preview_of_rules_criteria_and_scores(both: Face, ids: dict[str, str]) -> None:
    rules = {">=": [{"var": "order_count"}, 3]}

    plain = await preview(both, {"rules": rules, "criteria": {"maxOrders": 6, "loyaltyLevels": ["GOLD"]}})
    scored = await preview(both, {"rfmConfig": {"minScore": "115", "maxScore": "555"}})
    against = await preview(both, {"rules": [rules]}, ids["regulars"])

    assert (plain["matchCount"], plain["population"], plain["problems"]) == (2, 10, [])
    assert plain["sample"] == [{"externalId": "C05"}, {"externalId": "C07"}]
    assert (plain["entering"], plain["leaving"], plain["staying"]) == (None, None, None)
    assert plain["enteringSample"] == plain["leavingSample"] == []
    assert "the number of orders is at least 3" in plain["sentence"]
    assert [each["externalId"] for each in scored["sample"]] == ["C10"]
    assert (against["matchCount"], against["entering"], against["leaving"], against["staying"]) == (7, 4, 0, 3)
    assert [each["externalId"] for each in against["enteringSample"]] == ["C04", "C05", "C09", "C10"]


async def test_who_would_leave_is_sampled_to_the_size_asked_for(both: Face, ids: dict[str, str]) -> None:
    shown = await preview(both, {"criteria": {"minOrders": 7}}, ids["regulars"])

    assert (shown["entering"], shown["leaving"], shown["staying"]) == (2, 2, 1)
    assert shown["leavingSample"] == [{"externalId": "C06"}]


async def test_a_preview_of_a_wrong_definition_tells_every_problem(face: Face) -> None:
    rules = [{">": [{"var": "total_revenu"}, 1]}, {"like": [{"var": "name"}, "x"]}]

    wrong = await preview(face, {"rules": rules, "criteria": {"minOrders": 5, "maxOrders": 2}})
    empty = await preview(face, {"criteria": {}})
    unknown = await preview(face, {"rules": {"in": ["vipp", {"var": "segments"}]}})

    assert [each["path"] for each in wrong["problems"]] == ["/0/>/0/var", "/1/like", "/criteria/maxOrders"]
    assert {each["severity"] for each in wrong["problems"]} == {"ERROR"}
    assert "total_revenue" in wrong["problems"][0]["message"]
    assert (wrong["matchCount"], wrong["population"], wrong["sample"], wrong["sentence"]) == (None, 10, [], None)
    assert [each["code"] for each in empty["problems"]] == ["INVALID_RULE"]
    assert [(each["code"], each["path"]) for each in unknown["problems"]] == [("UNKNOWN_VARIABLE", "")]
    assert "Did you mean vip?" in unknown["problems"][0]["message"]


async def test_a_preview_warns_where_nobody_or_everybody_matches(face: Face) -> None:
    nobody = await preview(face, {"criteria": {"minOrders": 500}})
    everybody = await preview(face, {"criteria": {"minOrders": 0}})
    never = await preview(face, {"rules": {"in": ["regulars", {"var": "segments"}]}})

    assert [(each["code"], each["severity"]) for each in nobody["problems"]] == [("NOBODY_MATCHES", "WARNING")]
    assert [each["code"] for each in everybody["problems"]] == ["EVERYBODY_MATCHES"]
    assert (everybody["matchCount"], everybody["population"]) == (10, 10)
    assert [each["code"] for each in never["problems"]] == ["NEVER_CALCULATED"]


async def test_samples_are_of_1_to_50_customers(face: Face) -> None:
    query = "{ segmentPreview(definition: {criteria: {minOrders: 1}}) { sample(first: %d) { id } } }"

    for size in (0, 51):
        error = (await face.post(query % size)).json()["errors"][0]
        assert error["extensions"] == {"code": "BAD_USER_INPUT", "field": ["first"]}
        assert error["message"] == "first must be between 1 and 50"
    data = await face.data(query % 50)
    assert len(data["segmentPreview"]["sample"]) == 9


async def test_a_sample_costs_what_it_may_return(face: Face) -> None:
    document = """query S($first: Int) { segmentPreview(definition: {criteria: {minOrders: 1}}) {
      sample(first: $first) { purchases(first: 250) { nodes { lines { amount } } } } } }"""

    small = await face.post(document, {"first": 2})
    large = await face.code(document, {"first": 50})

    line = {"lines": [{"amount": "1.00"}]}
    assert small.json()["data"]["segmentPreview"]["sample"] == [{"purchases": {"nodes": [line] * n}} for n in (1, 2)]
    assert large == "LIMIT_EXCEEDED"


async def test_a_preview_against_a_segment_that_is_not_there_names_the_argument(
    face: Face, ids: dict[str, str]
) -> None:
    for value in ("x", ids["customer"], str(encode("Segment", 1, 99)), str(encode("Segment", 2, 1))):
        answer = (await face.post(PREVIEW, {"definition": {"criteria": {"minOrders": 1}}, "against": value})).json()
        assert answer["errors"][0]["extensions"]["field"] == ["againstSegmentId"]


async def test_an_explanation_says_what_was_asked_and_what_the_customer_has(both: Face, ids: dict[str, str]) -> None:
    query = """query E($segment: ID!, $customer: ID!) { segmentExplain(segmentId: $segment, customerId: $customer) {
      isMember matchesNow source assignedAt sentence clauses { path text variable expected actual verdict } } }"""

    outside = await both.data(query, {"segment": ids["regulars"], "customer": ids["customer"]})
    sixth = str(encode("Customer", 1, 6))
    inside = await both.data(query, {"segment": ids["regulars"], "customer": sixth})
    by_hand = await both.data(query, {"segment": ids["vip"], "customer": sixth})
    nobody = await both.data(query, {"segment": ids["vip"], "customer": str(encode("Customer", 1, 600))})
    nothing = await both.data(query, {"segment": sixth, "customer": sixth})

    *told, sentence, (clause,) = outside["segmentExplain"].values()
    assert (told, sentence) == ([False, False, None, None], "the number of orders is at least 5")
    assert tuple(clause.values()) == ("", sentence, "order_count", 5, 4, "FALSE")
    assert (inside["segmentExplain"]["isMember"], inside["segmentExplain"]["matchesNow"]) == (True, True)
    assert inside["segmentExplain"]["source"] == "MANUAL"
    assert inside["segmentExplain"]["assignedAt"].startswith("2024-06-15T12:00:00")
    assert inside["segmentExplain"]["clauses"][0]["verdict"] == "TRUE"
    assert by_hand["segmentExplain"]["clauses"] == []
    assert nobody == nothing == {"segmentExplain": None}


async def test_an_overlap_counts_every_pair(both: Face, ids: dict[str, str]) -> None:
    query = """query O($ids: [ID!]!) { segmentOverlap(segmentIds: $ids) { unionCount intersectionCount
      segments { key } pairs { a { key } b { key } both onlyA onlyB jaccard } } }"""

    shown = (await both.data(query, {"ids": [ids["vip"], ids["regulars"], ids["spenders"]]}))["segmentOverlap"]

    assert [each["key"] for each in shown["segments"]] == ["vip", "regulars", "spenders"]
    assert (shown["unionCount"], shown["intersectionCount"]) == (5, 0)
    assert shown["pairs"] == [
        {"a": {"key": "vip"}, "b": {"key": "regulars"}, "both": 1, "onlyA": 2, "onlyB": 2, "jaccard": 0.2},
        {"a": {"key": "vip"}, "b": {"key": "spenders"}, "both": 0, "onlyA": 3, "onlyB": 0, "jaccard": 0.0},
        {"a": {"key": "regulars"}, "b": {"key": "spenders"}, "both": 0, "onlyA": 3, "onlyB": 0, "jaccard": 0.0},
    ]
    for wrong, field in (
        ([ids["vip"]], ["segmentIds"]),
        ([ids["vip"], ids["customer"]], ["segmentIds", "1"]),
        ([ids["vip"], str(encode("Segment", 2, 1))], ["segmentIds", "1"]),
    ):
        error = (await both.post(query, {"ids": wrong})).json()["errors"][0]
        assert error["extensions"] == {"code": "BAD_USER_INPUT", "field": field}


async def test_matching_segments_cost_the_same_for_1_and_10_customers(both: Face) -> None:
    query = "query M($first: Int) { customers(first: $first) { nodes { externalId matchingSegments { key } } } }"
    statements = both.statements()
    costs = []
    for first in (1, 10):
        statements.clear()
        nodes = (await both.data(query, {"first": first}))["customers"]["nodes"]
        costs.append(len([each for each in statements if each.startswith(("SELECT", "WITH"))]))

    assert costs[0] == costs[1] <= 4
    matching = {node["externalId"]: [each["key"] for each in node["matchingSegments"]] for node in nodes}
    assert matching["C05"] == []
    assert matching["C06"] == ["regulars"]
    assert matching["C10"] == ["regulars", "spenders"]


async def test_rule_variables_are_those_of_the_language(face: Face) -> None:
    shown = (await face.data("{ ruleVariables { name type description unit example } }"))["ruleVariables"]

    by_name = {each["name"]: each for each in shown}
    assert len(by_name) == len(shown) > 40
    revenue = ("total_revenue", "NUMBER", "Sum of all qualifying purchases.", "EUR", 1000)
    assert tuple(by_name["total_revenue"].values()) == revenue
    assert by_name["purchases[].amount"]["unit"] == "EUR"
    assert by_name["segments"]["example"] == {"in": ["vip", {"var": "segments"}]}
