"""Bodies and values as an attacker sends them: lines B1 and B2 of the reliability requirements. Whatever comes in, the
answer is strict JSON and never our fault."""

import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gql.http.json_body import LONG, decode_body, encode_json, write_json
from tests.drivers.face import Face, code_of

pytestmark = pytest.mark.anyio
RECORD = """mutation Record($input: [PurchaseInput!]!) {
  recordPurchases(input: $input) { created userErrors { field message code } } }"""
COUNT = "{ customers { totalCount } }"
PURCHASE = {"customerExternalId": "A", "externalId": "1", "purchasedAt": "2024-05-01", "amount": "10.50"}


@pytest.mark.read_only
@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"null", b"1", b"true", b'"x"', b"[]", b"{}", b"\xff\xfe", b"{", b"[" * 200_000),
        b'{"query": NaN}',
        b'{"query": "{ viewer { subject } }", "variables": {"a": Infinity}}',
        b'{"query": "{ viewer { subject } }", "variables": {"a": 1e400}}',
        b'{"query": "{ viewer { subject } }", "variables": {"a": ' + b"9" * 5000 + b"}}",
        b'{"query": "{ viewer { subject } }", "variables": {"a": ' + b"[" * 5000 + b"]" * 5000 + b"}}",
        b'{"query": "{ viewer { subject } }", "variables": {"a": ' + b"[" * 300 + b"]" * 300 + b"}}",
        b'{"query": "{ viewer { subject } }", "variables": [1]}',
        b'{"query": "{ viewer { subject } }", "operationName": 1}',
        b'{"query": "{ viewer { subject } }", "operationName": "Nope"}',
        b'{"query": "{ viewer { subject } }", "extensions": 1}',
        *(b'{"query": null}', b'{"query": ""}', b'{"query": "  "}', b'{"query": 1}', b'{"query": "{ \\ud800 }"}'),
        b'{"query": ["{ viewer { subject } }"]}',
        b'{"query": "query Q($a: String) { customer(externalId: $a) { id } }", "variables": {"a": "\\udfff"}}',
        b'{"query": "query A { __typename } query B { __typename }"}',
        b'{"query": "fragment F on Query { __typename }"}',
    ],
)
async def test_b1_bad_bodies_are_refused_in_strict_json(face: Face, body: bytes) -> None:
    answer = await face.raw(body)
    again = await face.post("{ viewer { subject } }")

    assert 400 <= answer.status_code < 500
    assert code_of(answer) in ("BAD_USER_INPUT", "LIMIT_EXCEEDED")
    assert "data" not in answer.json()
    assert again.status_code == 200


@pytest.mark.read_only
@pytest.mark.parametrize("value", ["NaN", "1e400", "Infinity", "-1", "1e-5", "", " ", "0x10", "9" * 5000])
async def test_b1_strange_amounts_are_user_errors_and_write_nothing(face: Face, value: str) -> None:
    answer = await face.post(RECORD, {"input": [{**PURCHASE, "amount": value}]})

    assert answer.status_code in (200, 400)
    if answer.status_code == 200:
        assert answer.json()["data"]["recordPurchases"]["userErrors"][0]["field"] == ["input", "0", "amount"]
    else:
        assert code_of(answer) == "BAD_USER_INPUT"
    assert (await face.data(COUNT))["customers"]["totalCount"] == 0


@pytest.mark.shared_store
@pytest.mark.parametrize("name", ["externalId", "customerExternalId", "storefrontKey", "channel"])
@pytest.mark.parametrize("value", ["\0", "a\0b", "x" * 100_000, "\u202e", "\r\nSet-Cookie: a=b", "", 5, {"a": 1}, True])
async def test_b1_strange_texts_are_never_our_fault(both: Face, name: str, value: object) -> None:
    answer = await both.post(RECORD, {"input": [{**PURCHASE, name: value}]})

    assert answer.status_code in (200, 400)
    assert "INTERNAL" not in answer.text


@pytest.mark.read_only
@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("query Q($v: ID!) { node(id: $v) { id } }", ["", "x", "\0", "é", "A" * 50_000, 1, "Q3VzdG9tZXI6MS4x", "===="]),
        ("query Q($v: String) { customers(after: $v) { nodes { id } } }", ["", "x", "\0", "W10", "bnVsbA", "A" * 9000]),
        ("query Q($v: Int!) { segmentationReport(days: $v) { days } }", [0, -1, 10**9, 2**40, 1.5, "1", True]),
        ("query Q($v: Date) { segmentationReport(asOf: $v) { days } }", ["0001-01-01", "9999-12-31", "x", "", 1]),
        ("query Q($v: ID) { segmentationReport(storefrontId: $v) { days } }", ["", "x", "\0", 1]),
        ("query Q($v: String) { segmentationReport(segmentName: $v) { days } }", ["", "\0", "x" * 50_000]),
        ("query Q($v: String) { customer(externalId: $v) { id } }", ["", "\0", "x" * 50_000, "'; DROP TABLE x; --"]),
        (
            "query Q($v: CustomerFilter) { customers(filter: $v) { totalCount } }",
            [{"search": "\0"}, {"search": "%_\\"}, {"search": "x" * 5000}, {"loyaltyLevels": ["\0"]}, {"nope": 1}, []],
        ),
    ],
)
async def test_b1_strange_arguments_are_never_our_fault(both: Face, query: str, variables: list[object]) -> None:
    for value in variables:
        answer = await both.post(query, {"v": value})

        assert answer.status_code in (200, 400), (value, answer.text)
        assert "INTERNAL" not in answer.text, value


@pytest.mark.read_only
async def test_b2_a_body_over_a_mebibyte_is_refused(face: Face) -> None:
    answer = await face.raw(b'{"query": "' + b"x" * (1 << 20) + b'"}')

    assert (answer.status_code, code_of(answer)) == (413, "LIMIT_EXCEEDED")


@pytest.mark.read_only
async def test_b2_a_body_without_length_is_read_no_further_than_the_limit(face: Face) -> None:
    given: list[int] = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            given.append(65_536)
            yield b"x" * 65_536

    headers = {"Content-Type": "application/json", **face.bearer()}
    answer = await face.client.post("/graphql", content=endless(), headers=headers)

    assert answer.status_code == 413
    assert sum(given) <= (1 << 20) + 2 * 65_536


@pytest.mark.read_only
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity, gzip", "GZIP"])
async def test_b2_compressed_bodies_are_refused_unread(face: Face, encoding: str) -> None:
    bomb = gzip.compress(b" " * (100 << 20))

    answer = await face.raw(bomb, **{"Content-Encoding": encoding})

    assert answer.status_code == 415


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=LONG + 2) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=60,
)


@given(VALUES)
async def test_an_answer_written_piece_by_piece_is_the_answer(value: object) -> None:
    assert await write_json(value) == encode_json(value)


async def test_a_large_answer_is_not_written_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gql.http.json_body.PIECE_SECONDS", 0.0)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count())
    await write_json({"nodes": [{"id": str(number)} for number in range(100)]})
    counting.cancel()

    assert turns >= 100
    with pytest.raises(ValueError, match="JSON compliant"):
        await write_json([[float("nan")]])


@pytest.mark.read_only
@pytest.mark.parametrize(("items", "refused"), [(9_998, False), (10_000, True)])
async def test_b2_what_all_lists_of_a_body_hold_is_bounded(face: Face, items: int, refused: bool) -> None:
    answer = await face.post("{ viewer { subject } }", {"a": [[0] * items], "b": [{}]})

    assert (answer.status_code == 400) is refused
    assert refused is ("Lists hold at most 10,000 items together." in answer.text)


async def test_r13_the_loop_goes_on_while_a_large_body_is_decoded() -> None:
    body = "{" + ",".join(f'"{place}": 1.5' for place in range(70_000)) + "}"
    decoding = asyncio.create_task(decode_body(body))
    turns = 0

    while not decoding.done():
        await asyncio.sleep(0)
        turns += 1

    assert len(await decoding) == 70_000
    assert turns > 3
