"""Mutations with an Idempotency-Key: line R15 of the reliability requirements, on both databases."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from domain.customers.customers import Customers, Erasure
from domain.customers.purchases import Purchases
from domain.errors import Unavailable
from gql.http import graphql
from gql.http.idempotency import LEASE_SECONDS, IdempotentRequests
from gql.http.middleware import run_with_deadline
from gql.schema.schema import make_schema
from gql.schema.types.segment import Segment
from gql.settings import Settings
from persistence.tables.requests import audit_event, idempotent_request
from tests.conftest import SetClock, content
from tests.drivers.face import Face, code_of
from tests.drivers.once import ACTOR, CALLS, FURTHER, LINKS, Call, fill_shop, send

pytestmark = pytest.mark.anyio
AFTER_LEASE = timedelta(seconds=LEASE_SECONDS + 1)
UPSERT = "mutation U($input: [CustomerInput!]!) { upsertCustomers(input: $input) { created updated unchanged } }"
CREATE = """mutation C($input: CreateSegmentInput!) { createSegment(input: $input) {
  segment { key name } userErrors { field code } } }"""
WITH_METRICS = CREATE.replace("key name", "key name metrics { totalMembers }")
DAN = {"input": [{"externalId": "D", "name": "Dan"}]}
VIP = {"input": {"name": "VIP", "kind": "MANUAL"}}


def held(face: Face) -> dict[str, list[str]]:
    """Every row of the store but those of the keys."""
    return {name: rows for name, rows in content(face.database).items() if name != "idempotent_request"}


async def events(face: Face, action: str) -> int:
    """How many writes of that kind there were."""
    statement = select(func.count()).select_from(audit_event).where(audit_event.c.action == action)
    async with face.database.reader.connect() as connection:
        return int((await connection.execute(statement)).scalar_one())


async def kept(face: Face) -> list[Any]:
    async with face.database.reader.connect() as connection:
        return list(await connection.execute(select(idempotent_request)))


def die_before_the_answer(patch: pytest.MonkeyPatch) -> None:
    """What a process does no more that is killed when the effect was committed and the answer not yet kept."""

    async def end(*_: object) -> None:
        pass

    patch.setattr(IdempotentRequests, "_end", end)


def test_every_mutation_of_the_schema_has_a_call() -> None:
    mutation = make_schema(Settings())._schema.mutation_type

    assert mutation is not None
    assert set(CALLS) == set(mutation.fields)


@pytest.mark.parametrize("name", [*CALLS, *FURTHER])
async def test_r15_every_mutation_has_one_effect_also_where_the_process_dies_before_its_answer(
    name: str, both: Face, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    call: Call = (CALLS | FURTHER)[name]
    variables = call.fill(await fill_shop(both))
    before, made = held(both), await events(both, name.split()[0])

    with monkeypatch.context() as patch:
        die_before_the_answer(patch)
        first = await send(both, call.document, variables)
    after = held(both)
    clock.now += AFTER_LEASE
    second = await send(both, call.document, variables)
    third = await send(both, call.document, variables)
    other = await send(both, call.document + " ", variables)

    assert (other.status_code, code_of(other)) == (422, "IDEMPOTENCY_MISMATCH")
    (payload,) = first.json()["data"].values()
    assert payload["userErrors"] == []
    assert third.content == second.content
    assert third.headers["Idempotency-Replayed"] == "true"
    assert held(both) == after
    assert (after == before) is (name in LINKS)
    # Nothing else is done for a link, so it is signed anew; the audit log has each.
    assert await events(both, name.split()[0]) - made == (2 if name in LINKS else 1)
    if name not in LINKS:
        assert second.json()["data"] == first.json()["data"]
        assert second.headers["Idempotency-Replayed"] == "true"


async def test_r15_an_answer_is_the_same_for_a_day_whatever_happens_meanwhile(both: Face, clock: SetClock) -> None:
    first = await send(both, CREATE, VIP)
    await send(both, CREATE, {"input": {"name": "Gold", "kind": "MANUAL"}}, key=None)
    wrong = await send(both, CREATE, {"input": {"name": "Gold", "kind": "MANUAL"}}, key="k-2")
    shop = await both.services.businesses.open("shop")
    async with both.services.store.write(shop) as unit:
        for segment in await unit.segments.load_all():
            await unit.segments.change(replace(segment, name=f"{segment.name} 2"))

    clock.now += timedelta(hours=23)
    token = both.token()
    again = await send(both, CREATE, VIP, token=token)
    wrong_again = await send(both, CREATE, {"input": {"name": "Gold", "kind": "MANUAL"}}, key="k-2", token=token)
    clock.now += timedelta(hours=1)
    anew = await send(both, CREATE, VIP)

    assert "Idempotency-Replayed" not in first.headers
    assert (again.content, again.headers["Idempotency-Replayed"]) == (first.content, "true")
    assert wrong.json()["data"]["createSegment"]["userErrors"] == [{"field": ["input", "name"], "code": "TAKEN"}]
    assert wrong_again.content == wrong.content
    assert anew.json()["data"]["createSegment"]["segment"] == {"key": "vip-2", "name": "VIP"}
    # The other key is a day old, too, and went in passing.
    assert [row.key for row in await kept(both)] == ["k-1"]


async def test_r15_of_many_at_once_one_has_an_effect(both: Face) -> None:
    answers = await asyncio.gather(*(send(both, UPSERT, DAN) for _ in range(8)))

    assert await events(both, "upsertCustomers") == 1
    assert {answer.status_code for answer in answers} <= {200, 409}
    done = {answer.content for answer in answers if answer.status_code == 200}
    assert len(done) == 1
    assert all(answer.headers["Retry-After"] for answer in answers if answer.status_code == 409)
    assert (await send(both, UPSERT, DAN)).content in done


async def test_r15_a_request_that_was_overtaken_changes_nothing(
    both: Face, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    upsert, waiting, go = Customers.upsert, asyncio.Event(), asyncio.Event()

    async def slowly(*arguments: Any, **more: Any) -> Any:
        if not waiting.is_set():
            waiting.set()
            await go.wait()
        return await upsert(*arguments, **more)

    monkeypatch.setattr(Customers, "upsert", slowly)
    first = asyncio.create_task(send(both, UPSERT, DAN))
    await waiting.wait()
    early = await send(both, UPSERT, DAN)
    clock.now += AFTER_LEASE
    second = await send(both, UPSERT, DAN)
    go.set()

    assert (early.status_code, code_of(early)) == (409, "IDEMPOTENCY_IN_PROGRESS")
    assert early.headers["Retry-After"] == "1"
    assert code_of(await first) == "IDEMPOTENCY_IN_PROGRESS"
    assert second.json()["data"]["upsertCustomers"]["created"] == 1
    assert await events(both, "upsertCustomers") == 1
    assert (await send(both, UPSERT, DAN)).content == second.content


@pytest.mark.parametrize("error", [RuntimeError("boom"), Unavailable("The store is busy.")], ids=["fault", "busy"])
async def test_r15_a_fault_after_the_effect_is_not_kept_and_nothing_is_done_twice(
    error: Exception, both: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Segment, "metrics", fail)
        patch.setattr("domain.segments.memberships.Memberships.load_totals", fail)
        first = await send(both, WITH_METRICS, VIP)
    second = await send(both, WITH_METRICS, VIP)
    third = await send(both, WITH_METRICS, VIP)

    assert code_of(first) in ("INTERNAL", "UNAVAILABLE")
    made = {"key": "vip", "name": "VIP", "metrics": {"totalMembers": 0}}
    assert second.json()["data"]["createSegment"] == {"segment": made, "userErrors": []}
    assert third.content == second.content
    assert await events(both, "createSegment") == 1


@pytest.mark.parametrize("error", [RuntimeError("boom"), Unavailable("The store is busy.")], ids=["fault", "busy"])
async def test_r15_a_fault_before_the_effect_leaves_the_key_free(
    error: Exception, both: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Purchases, "delete", fail)
        first = await send(both, 'mutation { deletePurchases(externalIds: ["O1"]) { deletedCount } }')
    free = await kept(both)
    second = await send(both, 'mutation { deletePurchases(externalIds: ["O1"]) { deletedCount } }')

    assert code_of(first) in ("INTERNAL", "UNAVAILABLE")
    assert free == []
    assert second.json()["data"] == {"deletePurchases": {"deletedCount": 0}}
    assert "Idempotency-Replayed" not in second.headers


async def test_r15_what_takes_too_long_after_the_effect_is_not_done_twice(
    both: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    for_ever = asyncio.Event()

    async def wait(*_: object, **__: object) -> None:
        await for_ever.wait()

    with monkeypatch.context() as patch:
        patch.setattr("domain.segments.memberships.Memberships.load_totals", wait)
        patch.setattr(graphql, "run_with_deadline", lambda _, work, __: run_with_deadline(0.5, work))
        first = await send(both, WITH_METRICS, VIP)
    second = await send(both, WITH_METRICS, VIP)

    assert code_of(first) == "TIMEOUT"
    assert second.json()["data"]["createSegment"]["segment"]["key"] == "vip"
    assert await events(both, "createSegment") == 1


async def test_r15_who_went_away_after_the_effect_finds_it_done(both: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    done, gone = asyncio.Event(), asyncio.Event()

    async def wait(*_: object, **__: object) -> None:
        done.set()
        await gone.wait()
        await asyncio.Event().wait()

    body = json.dumps({"query": WITH_METRICS, "variables": VIP}).encode()
    given = both.bearer() | {"Content-Type": "application/json", "Idempotency-Key": "k-1"}
    headers = [(name.lower().encode(), value.encode()) for name, value in given.items()]
    place = {"path": "/graphql", "raw_path": b"/graphql", "query_string": b"", "server": ("127.0.0.1", 80)}
    scope = {"type": "http", "method": "POST", "headers": headers, "http_version": "1.1", "scheme": "http", **place}
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, object]:
        if messages:
            return messages.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def ignore(message: object) -> None:
        pass

    with monkeypatch.context() as patch:
        patch.setattr("domain.segments.memberships.Memberships.load_totals", wait)
        serving = asyncio.create_task(both.app(scope, receive, ignore))  # type: ignore[arg-type]
        await done.wait()
        gone.set()
        await serving
    retry = await send(both, WITH_METRICS, VIP)

    assert retry.json()["data"]["createSegment"]["segment"]["metrics"] == {"totalMembers": 0}
    assert retry.headers["Idempotency-Replayed"] == "true"
    assert await events(both, "createSegment") == 1


async def test_r15_what_is_gone_is_null_where_the_answer_was_lost(
    both: Face, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        die_before_the_answer(patch)
        first = await send(both, CREATE, VIP)
    shop = await both.services.businesses.open("shop")
    await both.services.segments.delete(shop, 1, ACTOR)
    clock.now += AFTER_LEASE

    retry = await send(both, CREATE, VIP)

    assert first.json()["data"]["createSegment"]["segment"] == {"key": "vip", "name": "VIP"}
    assert retry.json()["data"]["createSegment"] == {"segment": None, "userErrors": []}
    assert await events(both, "createSegment") == 1


async def test_r15_a_key_is_that_of_a_subject_of_a_business(both: Face) -> None:
    await send(both, UPSERT, DAN)

    others = [
        await send(both, UPSERT, {"input": [{"externalId": "E"}]}, token=both.token(subject="somebody")),
        await send(both, UPSERT, {"input": [{"externalId": "E"}]}, token=both.token(business="other")),
        await send(both, UPSERT, {"input": [{"externalId": "F"}]}, key="K-1"),
        await send(both, UPSERT, {"input": [{"externalId": "G"}]}, key=None),
    ]

    assert [answer.json()["data"]["upsertCustomers"]["created"] for answer in others] == [1, 1, 1, 1]


async def test_r15_erasure_reaches_kept_answers(both: Face, clock: SetClock) -> None:
    ids = await fill_shop(both)
    merge = CALLS["mergeCustomers"]
    first = await send(both, merge.document, merge.fill(ids), key="merge")
    await send(both, UPSERT, {"input": [{"externalId": "A", "email": "ann@shop.example"}]}, key="upsert")
    erase = "mutation E($id: ID!) { eraseCustomer(customerId: $id) { erasedCustomerId userErrors { code } } }"
    erased = await send(both, erase, {"id": ids["ann"]}, key="erase")
    after = held(both)

    rows = await kept(both)
    again = await send(both, merge.document, merge.fill(ids), key="merge")
    erased_again = await send(both, erase, {"id": ids["ann"]}, key="erase")

    assert "Ann" in first.text
    assert len(rows) == 3
    assert not any(name in str(row) for row in rows for name in ("Ann", "ann@shop.example", "Ben"))
    shown = again.json()["data"]["mergeCustomers"]
    assert (shown["customer"]["id"], shown["customer"]["name"], shown["userErrors"]) == (ids["ann"], None, [])
    assert erased_again.json()["data"] == erased.json()["data"]
    assert held(both) == after


async def test_r15_an_answer_that_is_made_while_a_customer_is_erased_is_not_kept(
    both: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await fill_shop(both)
    shop = await both.services.businesses.open("shop")
    end = IdempotentRequests._end

    async def erase_and_end(requests: IdempotentRequests, *arguments: Any) -> None:
        await Erasure(both.services.store).erase(shop, 1, ACTOR)
        await end(requests, *arguments)

    merge = CALLS["mergeCustomers"]
    with monkeypatch.context() as patch:
        patch.setattr(IdempotentRequests, "_end", erase_and_end)
        first = await send(both, merge.document, merge.fill(ids))
    again = await send(both, merge.document, merge.fill(ids))

    assert "Ann" in first.text
    assert not any("Ann" in str(row) for row in await kept(both))
    assert again.json()["data"]["mergeCustomers"]["customer"]["name"] is None


@pytest.mark.parametrize(
    ("document", "count"),
    [
        (
            "mutation { a: recalculateSegments { __typename } b: recalculateSegments { __typename } }",
            2,
        ),
        (
            "mutation { ...A ... { c: recalculateSegments { userErrors { code } } } } fragment A on Mutation "
            "{ ...B a: recalculateSegments { userErrors { code } } } fragment B on Mutation "
            "{ b: recalculateSegments { userErrors { code } } ...A }",
            3,
        ),
    ],
)
async def test_a_document_with_a_key_has_one_mutation_field(face: Face, document: str, count: int) -> None:
    answer = await send(face, document)

    assert (answer.status_code, code_of(answer)) == (400, "BAD_USER_INPUT")
    said = f"A document that is sent with an Idempotency-Key must have one mutation field, not {count}."
    assert answer.json()["errors"][0]["message"] == said
    assert (await events(face, "recalculateSegments"), await kept(face)) == (0, [])


async def test_names_of_types_and_fields_that_are_merged_are_no_further_fields(face: Face) -> None:
    asked = "recalculateSegments { userErrors { code } }"

    answer = await send(face, f"mutation {{ __typename {asked} {asked} }}")

    assert answer.json()["data"] == {"__typename": "Mutation", "recalculateSegments": {"userErrors": []}}
    assert await events(face, "recalculateSegments") == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\u00e9", "a\tb"])
async def test_a_key_is_printable_ascii(face: Face, key: str) -> None:
    body = {"query": "mutation { recalculateSegments { userErrors { code } } }"}
    headers = face.bearer() | {"Idempotency-Key": key.encode("latin-1")}  # type: ignore[operator]

    answer = await face.client.post("/graphql", json=body, headers=headers)

    assert (answer.status_code, code_of(answer)) == (400, "BAD_USER_INPUT")
    said = "Idempotency-Key must be 1 to 255 printable ASCII characters"
    assert answer.json()["errors"][0]["message"] == said
    assert await events(face, "recalculateSegments") == 0


async def test_the_longest_key_is_kept(face: Face) -> None:
    key = " ".join("x" * 128)[:255]

    assert (await send(face, UPSERT, DAN, key=key)).status_code == 200
    assert (await send(face, UPSERT, DAN, key=key)).headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("key", ["k-1", "x" * 256])
async def test_a_query_takes_no_notice_of_a_key(face: Face, key: str) -> None:
    first = await send(face, "{ viewer { subject } }", key=key)
    other = await send(face, "{ storefronts { key } }", key=key)
    by_get = await face.client.get(
        "/graphql", params={"query": "{ viewer { subject } }"}, headers=face.bearer() | {"Idempotency-Key": key}
    )

    assert [answer.status_code for answer in (first, other, by_get)] == [200, 200, 200]
    assert await kept(face) == []


@pytest.mark.parametrize(
    ("document", "token"),
    [
        ("mutation { recalculateSegments { nothing } }", ()),
        ("mutation {", ()),
        ("mutation A { recalculateSegments { userErrors { code } } } mutation B { x }", ()),
        ("mutation { recalculateSegments { userErrors { code } } }", ("customers:view",)),
    ],
    ids=["wrong field", "no document", "no name", "not permitted"],
)
async def test_what_was_refused_before_it_began_leaves_the_key_free(
    face: Face, document: str, token: tuple[str, ...]
) -> None:
    refused = await send(face, document, token=face.token(*token))
    free = await kept(face)
    done = await send(face, "mutation { recalculateSegments { userErrors { code } } }")

    assert refused.json()["errors"]
    assert free == []
    assert done.json()["data"] == {"recalculateSegments": {"userErrors": []}}


async def test_variables_and_the_name_of_the_operation_are_part_of_the_request(face: Face) -> None:
    two = f"{UPSERT} {UPSERT.replace('mutation U', 'mutation V')}"

    async def ask(variables: object, name: str) -> int:
        body = {"query": two, "variables": variables, "operationName": name}
        headers = face.bearer() | {"Idempotency-Key": "k"}
        return (await face.client.post("/graphql", json=body, headers=headers)).status_code

    assert await ask(DAN, "U") == 200
    assert await ask({"input": [{"name": "Dan", "externalId": "D"}]}, "U") == 200
    assert await ask(DAN, "V") == 422
    assert await ask({"input": [{"externalId": "D"}]}, "U") == 422


async def test_amounts_that_are_one_double_are_requests_of_their_own(face: Face) -> None:
    record = "mutation R($input: [PurchaseInput!]!) { recordPurchases(input: $input) { created } }"

    async def ask(cents: str) -> int:
        purchase = '{"externalId": "1", "customerExternalId": "A", "purchasedAt": "2024-05-01", "amount": %s}'
        body = f'{{"query": {json.dumps(record)}, "variables": {{"input": [{purchase % f"999999999999999.{cents}"}]}}}}'
        return (await face.raw(body.encode(), **{"Idempotency-Key": "k"})).status_code

    assert [await ask(cents) for cents in ("01", "01", "02")] == [200, 200, 422]


async def test_r15_a_store_that_is_out_of_reach_before_the_claim_is_no_fault(
    both: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise Unavailable("The store is out of reach.")

    with monkeypatch.context() as patch:
        patch.setattr(type(both.services.store), "find_business", fail)
        first = await send(both, CREATE, VIP)
    second = await send(both, CREATE, VIP)

    assert (first.status_code, code_of(first), first.headers["retry-after"]) == (503, "UNAVAILABLE", "1")
    assert second.json()["data"]["createSegment"]["segment"]["key"] == "vip"
