"""Names that people give: composed, so that what looks the same is the same, and without anything that cannot be seen.
Clients are told; of files the rest of the row counts, and it is told what was taken out."""

import pytest

from domain.errors import InvalidInput
from gql.composition import Services
from tests.drivers.face import Face

pytestmark = pytest.mark.anyio
APART, COMPOSED = "Cafe\u0301 Zoe\u0308", "Café Zoë"
UNSEEN = ("\x1b[31mred", "a\tb", "a\nb", "\u202egnp.exe", "a\u2066b\u2069", "\u200fa", "a\x85b", "x\x7f")
CREATE = """mutation C($input: CreateSegmentInput!) { createSegment(input: $input) {
  segment { name key } userErrors { field message } } }"""
UPDATE = """mutation U($input: UpdateSegmentInput!) { updateSegment(input: $input) {
  segment { name } userErrors { field message } } }"""
UPSERT = "mutation U($input: [CustomerInput!]!) { upsertCustomers(input: $input) { userErrors { field message } } }"
RECORD = "mutation R($input: [PurchaseInput!]!) { recordPurchases(input: $input) { userErrors { field message } } }"
PURCHASE: dict[str, object] = {
    "customerExternalId": "A",
    "externalId": "1",
    "purchasedAt": "2024-05-01",
    "amount": "10",
}


async def test_names_are_kept_composed_and_found_however_they_are_written(both: Face) -> None:
    await both.data(CREATE, {"input": {"name": APART, "kind": "MANUAL"}})
    await both.data(UPSERT, {"input": [{"externalId": "A", "name": APART, "loyaltyLevel": APART, "city": APART}]})
    line = {"category": APART, "product": APART, "amount": "10"}
    item = {**PURCHASE, "storefrontKey": APART, "channel": APART, "lines": [line]}
    assert (await both.data(RECORD, {"input": [item]}))["recordPurchases"]["userErrors"] == []

    read = await both.data("""{ segments(first: 2) { nodes { name } } storefronts { key name }
      customers(first: 2) { nodes { name loyaltyLevel city
        purchases(first: 2) { nodes { channel lines { category product } } } } } }""")
    found = await both.data(
        "query Q($text: String!) { customers(filter: {search: $text, loyaltyLevels: [$text]}) { totalCount } }",
        {"text": APART},
    )

    assert APART not in str(read)
    assert str(read).count(COMPOSED) == 9
    assert found["customers"]["totalCount"] == 1


async def test_a_name_that_is_only_written_otherwise_is_taken(both: Face) -> None:
    await both.data(CREATE, {"input": {"name": APART, "kind": "MANUAL"}})

    again = (await both.data(CREATE, {"input": {"name": COMPOSED, "kind": "MANUAL"}}))["createSegment"]

    assert again["segment"] is None
    assert again["userErrors"][0]["field"] == ["input", "name"]


@pytest.mark.read_only
@pytest.mark.parametrize("name", UNSEEN)
async def test_what_cannot_be_seen_is_refused_in_names_and_keys(face: Face, name: str) -> None:
    person = {"externalId": f"C{name}D", "name": name, "email": name, "city": name, "loyaltyLevel": name}
    order = {
        **PURCHASE,
        "externalId": f"C{name}D",
        "storefrontKey": name,
        "channel": name,
        "lines": [{"category": name, "amount": "10"}],
    }

    told = [
        (await face.data(CREATE, {"input": {"name": name, "kind": "MANUAL"}}))["createSegment"]["userErrors"],
        (await face.data(UPSERT, {"input": [person]}))["upsertCustomers"]["userErrors"],
        (await face.data(RECORD, {"input": [order]}))["recordPurchases"]["userErrors"],
    ]

    fields = [[".".join(one["field"][1:]) for one in problems] for problems in told]
    assert fields == [
        ["name"],
        ["0.externalId", "0.name", "0.email", "0.city", "0.loyaltyLevel"],
        ["0.externalId", "0.storefrontKey", "0.channel", "0.lines.0.category"],
    ]
    for problem in (one for problems in told for one in problems):
        assert "marks of direction, such as U+" in problem["message"] or "a mark of direction, U+" in problem["message"]


async def test_names_of_scripts_that_need_joiners_are_names(face: Face) -> None:
    for name in ("ශ්‍රී ලංකා", "می‌خواهم", "👩‍👩‍👧"):
        made = (await face.data(CREATE, {"input": {"name": name, "kind": "MANUAL"}}))["createSegment"]
        assert (made["segment"]["name"], made["userErrors"]) == (name, [])


async def test_a_description_may_have_lines(face: Face) -> None:
    given = {"name": "Lines", "kind": "MANUAL", "description": "one\n\ttwo"}

    assert (await face.data(CREATE, {"input": given}))["createSegment"]["userErrors"] == []


async def test_the_name_of_a_business_is_a_name(services: Services) -> None:
    made = await services.businesses.create("cafe", APART, "UTC", "EUR")

    assert made.name == COMPOSED
    with pytest.raises(InvalidInput, match=r"^name must not hold control characters"):
        await services.businesses.create("other", "a\u202eb", "UTC", "EUR")
