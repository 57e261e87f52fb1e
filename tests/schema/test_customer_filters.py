"""Lists of customers by segments, rules and labels as a client asks for them, and what is refused."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from gql.schema.types.ids import encode
from tests.drivers.face import Face, code_of
from tests.schema.pages import pages

pytestmark = [pytest.mark.anyio, pytest.mark.read_only, pytest.mark.usefixtures("ids")]
FILTERED = """query C($filter: CustomerFilter, $first: Int, $after: String) {
  customers(filter: $filter, first: $first, after: $after) {
    totalCount nodes { externalId } pageInfo { hasNextPage endCursor } } }"""


async def found(face: Face, **where: Any) -> list[str]:
    data = (await face.data(FILTERED, {"filter": where}))["customers"]
    assert data["totalCount"] == len(data["nodes"])
    return [node["externalId"] for node in data["nodes"]]


async def test_customers_are_filtered_by_segments_rules_and_labels(both: Face, ids: dict[str, str]) -> None:
    rule = {"<": [{"var": "order_count"}, 2]}

    assert await found(both, segmentIds=[ids["vip"]]) == ["C01", "C02", "C06"]
    assert await found(both, segmentIds=[ids["vip"], ids["regulars"]]) == ["C06"]
    assert await found(both, segmentIds=[]) == [f"C{n:02d}" for n in range(1, 11)]
    assert await found(both, rules=rule) == ["C01", "C02"]
    assert await found(both, rules='{"!": {"<": [{"var": "order_count"}, 9]}}') == ["C10"]
    assert await found(both, rules={"in": ["vip", {"var": "segments"}]}, loyaltyLevels=["GOLD"]) == ["C01"]
    assert await found(both, rules=rule, segmentIds=[ids["vip"]], search="name 2") == ["C02"]
    assert await found(both, frequency=["New"]) == ["C02"]
    assert await found(both, frequency=["New", "Loyal"]) == ["C02", "C06", "C07", "C08", "C09", "C10"]
    assert await found(both, spending=["Low Value"], category=["Kids"]) == [f"C{n:02d}" for n in range(2, 7)]
    assert await found(both, category=["Womens"]) == []
    assert await found(both, category=[]) == []


async def test_filtered_pages_follow_each_other(both: Face) -> None:
    where = {"rules": {">=": [{"var": "monetary_score"}, 3]}}
    whole = await found(both, **where)

    walked = await pages(both, FILTERED, "customers", {"filter": where, "first": 2})

    assert whole == ["C06", "C07", "C08", "C09", "C10"]
    assert [[node["externalId"] for node in page["nodes"]] for page in walked] == [whole[:2], whole[2:4], whole[4:]]


async def test_a_filter_that_cannot_be_is_refused_with_its_place(face: Face, ids: dict[str, str]) -> None:
    cases: Sequence[tuple[dict[str, Any], list[str]]] = (
        ({"segmentIds": [ids["vip"], ids["customer"]]}, ["filter", "segmentIds", "1"]),
        ({"segmentIds": [str(encode("Segment", 2, 1))]}, ["filter", "segmentIds", "0"]),
        ({"segmentIds": [ids["vip"]] * 21}, ["filter", "segmentIds"]),
        ({"frequency": ["New", "loyal"]}, ["filter", "frequency", "1"]),
        ({"spending": ["High"]}, ["filter", "spending", "0"]),
        ({"category": ["Kids", "\u00e9" * 600]}, ["filter", "category", "1"]),
    )

    for where, field in cases:
        error = (await face.post(FILTERED, {"filter": where})).json()["errors"][0]
        assert (error["extensions"]["code"], error["extensions"]["field"]) == ("BAD_USER_INPUT", field)
    half = json.dumps({"query": FILTERED, "variables": {"filter": {"category": ["\ud800"]}}}).encode()
    assert code_of(await face.raw(half)) == "BAD_USER_INPUT"
    labels = (await face.post(FILTERED, {"filter": {"spending": ["High"]}})).json()["errors"][0]["message"]
    assert labels == "spending must hold only these labels: High Value, Medium Value, Low Value"


async def test_rule_errors_in_queries_carry_their_problems(face: Face) -> None:
    wrong = {"and": [{">": [{"var": "order_cuont"}, 1]}, {">": [{"var": "name"}, 1]}]}

    error = (await face.post(FILTERED, {"filter": {"rules": wrong}})).json()["errors"][0]
    unknown = (await face.post(FILTERED, {"filter": {"rules": {"in": ["x", {"var": "segments"}]}}})).json()

    assert error["extensions"]["code"] == "INVALID_RULE"
    assert [each["path"] for each in error["extensions"]["problems"]] == ["/and/0/>/0/var", "/and/1/>/1"]
    assert [each["code"] for each in error["extensions"]["problems"]] == ["UNKNOWN_VARIABLE", "TYPE_MISMATCH"]
    assert error["extensions"]["problems"][0]["suggestion"] == "order_count"
    assert [each["code"] for each in unknown["errors"][0]["extensions"]["problems"]] == ["UNKNOWN_VARIABLE"]
