"""No digit of a number is lost between a client's text and the store: line N1 of the reliability requirements. A double
holds 90071992547409.93 only as 90071992547409.94, so these amounts show where one takes part."""

import json

import pytest

from tests.drivers.face import Face
from tests.drivers.sockets import fetch_answer, live, receive

pytestmark = pytest.mark.anyio
CENTS = "90071992547409.93"
RECORD = "mutation M($input: [PurchaseInput!]!) { recordPurchases(input: $input) { userErrors { message } } }"
UPSERT = "mutation M($input: [CustomerInput!]!) { upsertCustomers(input: $input) { userErrors { message } } }"
READ = '{ customer(externalId: "A") { attributes purchases { nodes { amount attributes } } } }'
SETTLE = "mutation S($settings: JSON!) { updateBusinessSettings(settings: $settings) { userErrors { message } } }"


def build_literal(amount: str) -> str:
    """The input of `recordPurchases` as it stands in a document."""
    return (
        f'[{{customerExternalId: "A", externalId: "1", purchasedAt: "2024-05-01", amount: {amount}, '
        f"attributes: {{weight: {amount}}}}}]"
    )


def build_json(amount: str) -> str:
    """The same as JSON."""
    return (
        '[{"customerExternalId": "A", "externalId": "1", "purchasedAt": "2024-05-01", '
        f'"amount": {amount}, "attributes": {{"weight": {amount}}}}}]'
    )


async def read_purchase(face: Face) -> list[object]:
    customer = (await face.data(READ))["customer"]
    [purchase] = customer["purchases"]["nodes"]
    return [purchase["amount"], purchase["attributes"]["weight"]]


async def test_n1_amounts_in_variables_are_exact(both: Face) -> None:
    answer = await both.raw(
        f'{{"query": {json.dumps(RECORD)}, "variables": {{"input": {build_json(CENTS)}}}}}'.encode()
    )

    assert answer.json()["data"]["recordPurchases"]["userErrors"] == []
    assert await read_purchase(both) == [CENTS, CENTS]


@pytest.mark.parametrize(
    "document",
    [
        f"mutation {{ recordPurchases(input: {build_literal(CENTS)}) {{ userErrors {{ message }} }} }}",
        RECORD.replace("]!)", f"]! = {build_literal(CENTS)})"),
    ],
)
async def test_n1_amounts_in_a_document_are_exact(both: Face, document: str) -> None:
    assert (await both.data(document))["recordPurchases"]["userErrors"] == []

    assert await read_purchase(both) == [CENTS, CENTS]


async def test_n1_amounts_over_a_socket_are_exact(both: Face) -> None:
    async with live(both.app) as server, server.initiate(both.token()) as client:
        payload = f'{{"query": {json.dumps(RECORD)}, "variables": {{"input": {build_json(CENTS)}}}}}'
        await client.send(f'{{"id": "1", "type": "subscribe", "payload": {payload}}}')
        await receive(client)
        await receive(client)
        read = await fetch_answer(client, "2", READ)

    [purchase] = read["data"]["customer"]["purchases"]["nodes"]
    assert purchase["amount"] == CENTS


async def test_n1_numbers_in_json_text_are_exact(both: Face) -> None:
    given = {"externalId": "A", "attributes": f'{{"limit": {CENTS}, "tenth": 0.1, "many": 12e3}}'}

    assert (await both.data(UPSERT, {"input": [given]}))["upsertCustomers"]["userErrors"] == []
    attributes = (await both.data(READ))["customer"]["attributes"]
    assert attributes == {"limit": CENTS, "tenth": 0.1, "many": 12000}


async def test_n1_amounts_in_settings_are_exact(face: Face) -> None:
    body = f'{{"query": {json.dumps(SETTLE)}, "variables": {{"settings": {{"high_lifetime_threshold": {CENTS}}}}}}}'

    assert (await face.raw(body.encode())).json()["data"]["updateBusinessSettings"]["userErrors"] == []
    settings = (await face.data("{ viewer { business { settings } } }"))["viewer"]["business"]["settings"]
    assert settings["high_lifetime"] == CENTS


@pytest.mark.read_only
@pytest.mark.parametrize("amount", ["1e400", "1e-400", "0." + "3" * 100, "9" * 5000, "1e15", "0.001", "NaN", "-1"])
async def test_n1_amounts_that_no_currency_has_are_refused_however_they_come(face: Face, amount: str) -> None:
    document = f"mutation {{ recordPurchases(input: {build_literal(amount)}) {{ userErrors {{ message }} }} }}"
    body = f'{{"query": {json.dumps(RECORD)}, "variables": {{"input": {build_json(amount)}}}}}'

    for answer in (await face.post(document), await face.raw(body.encode())):
        told = answer.json()
        assert "INTERNAL" not in answer.text
        assert told.get("errors") or told["data"]["recordPurchases"]["userErrors"]


@pytest.mark.read_only
async def test_a_number_with_a_point_is_still_a_whole_number_or_a_double(face: Face) -> None:
    query = """query Q($first: Int, $often: Float, $rules: JSON) {
      customers(first: $first) { totalCount }
      ruled: segmentPreview(definition: {rules: $rules}) { matchCount problems { message } }
      often: segmentPreview(definition: {criteria: {minPurchaseFrequency: $often}}) { matchCount } }"""
    rules = {">": [{"var": "total_revenue"}, 1.5]}

    read = await face.data(query, {"first": 250.0, "often": 0.5, "rules": rules})

    assert read["ruled"] == {"matchCount": 0, "problems": []}
    assert read["often"] == {"matchCount": 0}


THREE = "٣"
"""An Arabic-Indic digit, which Python's own conversions take for a 3."""
PURCHASE = {"customerExternalId": "A", "externalId": "1", "purchasedAt": "2024-05-01", "amount": "1.50"}


@pytest.mark.read_only
@pytest.mark.parametrize(
    ("document", "variables"),
    [
        ("query Q($day: Date) { segmentationReport(asOf: $day) { days } }", {"day": "٢٠٢٤-٠٣-٠١"}),
        ("query Q($day: Date) { segmentationReport(asOf: $day) { days } }", {"day": f"2024-0{THREE}-01"}),
        (RECORD, {"input": [{**PURCHASE, "amount": f"{THREE}.50"}]}),
        (RECORD, {"input": [{**PURCHASE, "purchasedAt": f"2024-05-0{THREE}T10:00:00Z"}]}),
        (RECORD, {"input": [{**PURCHASE, "purchasedAt": f"2024-05-01{THREE}10:00:00"}]}),
    ],
)
async def test_n1_digits_of_other_scripts_are_refused(face: Face, document: str, variables: object) -> None:
    assert await face.code(document, variables) == "BAD_USER_INPUT"
