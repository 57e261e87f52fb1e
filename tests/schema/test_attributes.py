"""Phone, country, city and attributes of customers as a client writes, reads, filters and exports them."""

from typing import Any

import pytest

from domain.model import Actor, NewCustomer
from tests.drivers.face import Face

pytestmark = pytest.mark.anyio
UPSERT = """mutation M($input: [CustomerInput!]!) {
  upsertCustomers(input: $input) { created updated unchanged userErrors { field message code } } }"""
READ = """query R($key: String!) {
  customer(externalId: $key) { externalId name phone country city attributes } }"""


async def upsert(face: Face, *items: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = (await face.data(UPSERT, {"input": list(items)}))["upsertCustomers"]
    return result


async def test_what_is_written_is_read(both: Face) -> None:
    full = {
        "externalId": " Ann@X.com ",
        "phone": "+94 77 1",
        "country": "LK",
        "city": "Colombo",
        "attributes": {"favourite_colour": "blue", "size": 38.5, "agreed": False, "since": "2024-03-01"},
    }
    await upsert(both, full)

    found = (await both.data(READ, {"key": "ANN@x.com"}))["customer"]
    assert found == {
        "externalId": "ann@x.com",
        "name": None,
        "phone": "+94 77 1",
        "country": "LK",
        "city": "Colombo",
        "attributes": {
            "agreed": False,
            "favourite_colour": "blue",
            "since": found["attributes"]["since"],
            "size": 38.5,
        },
    }
    assert found["attributes"]["since"].endswith("Z")
    again = await upsert(both, {"externalId": "ann@x.com", "city": None, "attributes": {"size": None, "agreed": True}})
    assert (again["updated"], again["userErrors"]) == (1, [])
    found = (await both.data(READ, {"key": "ann@x.com"}))["customer"]
    assert (found["phone"], found["city"]) == ("+94 77 1", None)
    assert found["attributes"] == {**found["attributes"], "agreed": True, "favourite_colour": "blue"}
    assert "size" not in found["attributes"]


async def test_a_wrong_value_is_a_user_error_that_names_it(face: Face) -> None:
    await upsert(face, {"externalId": "C1", "attributes": {"shoe_size": 38}})

    told = await upsert(
        face, {"externalId": "C1", "phone": "x" * 1001}, {"externalId": "N/A"}, {"externalId": "1.5E+11"}
    )
    assert [(error["field"], error["code"]) for error in told["userErrors"]] == [
        (["input", "0", "phone"], "TOO_LONG"),
        (["input", "1", "externalId"], "BLANK"),
        (["input", "2", "externalId"], "INVALID"),
    ]
    assert told["userErrors"][2]["message"].startswith("externalId '1.5E+11' is in scientific notation")
    told = await upsert(face, {"externalId": "C1", "attributes": {"shoe_size": "big"}})
    assert told["userErrors"] == [
        {
            "field": ["input", "0", "attributes", "shoe_size"],
            "message": "the attribute shoe_size must be a number of at most 15 digits before and 6 after the point, "
            "not 'big'",
            "code": "INVALID",
        }
    ]
    many = {f"a{number}": 1 for number in range(50)}
    told = await upsert(face, {"externalId": "C1", "attributes": many})
    assert [(error["field"][-1], error["code"]) for error in told["userErrors"]] == [("a49", "LIMIT_REACHED")]


async def test_rules_use_attributes_and_an_unknown_one_lists_those_there_are(face: Face) -> None:
    await upsert(
        face,
        {"externalId": "C1", "country": "LK", "attributes": {"tier": "gold", "size": 40}},
        {"externalId": "C2", "attributes": {"tier": "silver"}},
        {"externalId": "C3"},
    )
    query = "query F($rules: JSON) { customers(filter: {rules: $rules}) { nodes { externalId } } }"

    async def found(rules: Any) -> list[str]:
        data = await face.data(query, {"rules": rules})
        return [node["externalId"] for node in data["customers"]["nodes"]]

    assert await found({"==": [{"var": "attributes.tier"}, "gold"]}) == ["C1"]
    assert await found({"!": [{"==": [{"var": "attributes.tier"}, "gold"]}]}) == ["C2", "C3"]
    assert await found({"<": [{"var": "attributes.size"}, 41]}) == ["C1"]
    assert await found({"missing": ["attributes.tier"]}) == ["C3"]
    assert await found({"in": [{"var": "country"}, ["LK", "IN"]]}) == ["C1"]
    preview = """query P($rules: JSON) { segmentPreview(definition: {rules: $rules}) {
      matchCount sentence problems { path code message } } }"""
    good = (await face.data(preview, {"rules": {"==": [{"var": "attributes.tier"}, "gold"]}}))["segmentPreview"]
    assert (good["matchCount"], good["sentence"]) == (1, "the attribute “tier” is “gold”")
    bad = (await face.data(preview, {"rules": {"==": [{"var": "attributes.teir"}, "gold"]}}))["segmentPreview"]
    assert [(each["path"], each["message"]) for each in bad["problems"]] == [
        ("/==/0/var", "There is no attribute teir; there are: size, tier. Did you mean attributes.tier?")
    ]
    wrong = (await face.data(preview, {"rules": {"==": [{"var": "attributes.size"}, "gold"]}}))["segmentPreview"]
    assert "values of one kind" in wrong["problems"][0]["message"]
    listed = (await face.data("{ ruleVariables { name type example } }"))["ruleVariables"]
    assert {"name": "attributes.size", "type": "NUMBER", "example": 42} in listed
    assert {"name": "attributes.tier", "type": "TEXT", "example": "blue"} in listed


async def test_a_segment_explains_itself_by_attributes(face: Face) -> None:
    mutation = """mutation M { upsertCustomers(input: [
        {externalId: "C1", attributes: "{\\"tier\\": \\"gold\\"}"}, {externalId: "C2"}]) { created }
      createSegment(input: {name: "Gold", rules: "{\\"==\\": [{\\"var\\": \\"attributes.tier\\"}, \\"gold\\"]}"}) {
        segment { id description } userErrors { message } } }"""
    made = (await face.data(mutation))["createSegment"]
    assert made["userErrors"] == []
    ids = await face.data('{ a: customer(externalId: "C1") { id } b: customer(externalId: "C2") { id } }')
    query = """query E($segment: ID!, $customer: ID!) { segmentExplain(segmentId: $segment, customerId: $customer) {
      matchesNow clauses { text variable expected actual verdict } } }"""

    answers = [
        (await face.data(query, {"segment": made["segment"]["id"], "customer": ids[key]["id"]}))["segmentExplain"]
        for key in "ab"
    ]

    assert [answer["matchesNow"] for answer in answers] == [True, False]
    assert [answer["clauses"][0]["variable"] for answer in answers] == ["attributes.tier"] * 2
    assert [answer["clauses"][0]["actual"] for answer in answers] == ["gold", None]


async def test_attributes_of_a_page_cost_one_statement(both: Face) -> None:
    shop = await both.services.businesses.open("shop")
    items = [NewCustomer(f"C{number:02d}", attributes={"size": number}) for number in range(40)]
    await both.services.customers.upsert(shop, items, Actor("test"))
    statements = both.statements()
    counts = []
    for first in (1, 40):
        statements.clear()
        data = await both.data(f"{{ customers(first: {first}) {{ nodes {{ attributes }} }} }}")
        counts.append(sum("customer_attribute" in statement for statement in statements))
        assert [node["attributes"] for node in data["customers"]["nodes"]] == [{"size": n} for n in range(first)]

    assert counts == [1, 1]
