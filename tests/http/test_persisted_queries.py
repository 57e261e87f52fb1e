"""Documents that are sent once and named by their SHA-256 from then on: found by their business alone, kept only when
they were executed, pushed out only by whoever has most, and held to every limit."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from domain.model import Permission, Viewer
from gql.http.endpoint import HttpError
from gql.http.persisted import MAXIMUM_BYTES, MAXIMUM_DOCUMENTS, PersistedDocuments
from gql.settings import Settings
from tests.drivers.face import SECRET, Face, Opening, code_of
from tests.drivers.sockets import fetch_answer, live, receive, send, wait_closed

pytestmark = [pytest.mark.anyio, pytest.mark.read_only]
VIEWER = "query V { viewer { subject } }"
TESTER = {"viewer": {"subject": "tester"}}
NOT_FOUND = {"message": "PersistedQueryNotFound", "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND"}}
NOT_SUPPORTED = {"message": "PersistedQueryNotSupported", "extensions": {"code": "PERSISTED_QUERY_NOT_SUPPORTED"}}


def digest(document: str) -> str:
    return hashlib.sha256(document.encode()).hexdigest()


def name(document: str) -> dict[str, Any]:
    """The extension that names the document."""
    return {"persistedQuery": {"version": 1, "sha256Hash": digest(document)}}


async def ask(
    face: Face, document: str, *, whole: bool = False, token: str | None = None, **more: Any
) -> httpx.Response:
    """By its digest, with the document where the whole is to be sent."""
    body = {"extensions": name(document), **({"query": document} if whole else {}), **more}
    return await face.client.post("/graphql", json=body, headers=face.bearer(token))


async def get(face: Face, document: str, **more: str) -> httpx.Response:
    parameters = {"extensions": json.dumps(name(document)), **more}
    return await face.client.get("/graphql", params=parameters, headers=face.bearer())


async def test_a_document_is_named_after_it_was_sent_once(face: Face) -> None:
    unknown = await ask(face, VIEWER)
    sent = await ask(face, VIEWER, whole=True)
    named = [await ask(face, VIEWER), await get(face, VIEWER), await ask(face, VIEWER, query="")]

    assert (unknown.status_code, unknown.json()) == (200, {"errors": [NOT_FOUND]})
    assert [one.json()["data"] for one in (sent, *named)] == [TESTER] * 4
    assert unknown.headers["cache-control"] == "no-store"


async def test_a_document_is_sent_whole_by_get_too(face: Face) -> None:
    document = "query G { viewer { subject } }"

    sent = await get(face, document, query=document)

    assert sent.json()["data"] == (await get(face, document)).json()["data"] == TESTER


@pytest.mark.parametrize(
    ("extension", "message"),
    [
        ({"version": 1, "sha256Hash": digest("other")}, "extensions.persistedQuery.sha256Hash must be the SHA-256 of"),
        ({"version": 1, "sha256Hash": "12"}, "extensions.persistedQuery.sha256Hash must be 64 hexadecimal digits."),
        ({"version": 1}, "extensions.persistedQuery.sha256Hash must be 64 hexadecimal digits."),
        ({"version": 2, "sha256Hash": digest(VIEWER)}, "extensions.persistedQuery must be an object of version 1."),
        ("on", "extensions.persistedQuery must be an object of version 1."),
    ],
)
async def test_what_does_not_name_the_document_is_refused(face: Face, extension: object, message: str) -> None:
    body = {"query": VIEWER, "extensions": {"persistedQuery": extension}}

    answer = await face.client.post("/graphql", json=body, headers=face.bearer())

    assert (answer.status_code, code_of(answer)) == (400, "BAD_USER_INPUT")
    assert answer.json()["errors"][0]["message"].startswith(message)


async def test_the_digest_may_be_in_upper_case(face: Face) -> None:
    upper = {"persistedQuery": {"version": 1, "sha256Hash": digest(VIEWER).upper()}}

    answer = await face.client.post("/graphql", json={"query": VIEWER, "extensions": upper}, headers=face.bearer())

    assert answer.json()["data"] == TESTER


@pytest.mark.parametrize(
    "document", ["{ nope }", "{", f"{{ {'a: viewer { subject } ' * 5} }}".replace("a:", "a :nope")]
)
async def test_what_was_not_executed_is_not_kept(face: Face, document: str) -> None:
    sent = await ask(face, document, whole=True)

    assert "data" not in sent.json()
    assert (await ask(face, document)).json()["errors"] == [NOT_FOUND]


async def test_what_is_named_is_held_to_the_limits_of_what_it_is(face: Face) -> None:
    document = "query C($first: Int!) { customers(first: $first) { nodes { purchases(first: 250) { nodes { id } } } } }"
    await ask(face, document, whole=True, variables={"first": 1})

    costly = await ask(face, document, variables={"first": 250})
    plain = await face.post(document, {"first": 250})
    wrong = await ask(face, document, variables={"first": "many"})

    assert code_of(costly) == code_of(plain) == "LIMIT_EXCEEDED"
    assert code_of(wrong) == "BAD_USER_INPUT"


async def test_what_is_named_needs_the_permission_of_what_it_is_and_a_mutation_no_get(opening: Opening) -> None:
    document = 'mutation { upsertCustomers(input: [{externalId: "A"}]) { created } }'
    async with opening(Settings(jwt_secret=SECRET)) as face:
        await ask(face, document, whole=True)

        forbidden = await ask(face, document, token=face.token("customers:view"))
        gotten = await get(face, document)

    assert code_of(forbidden) == "FORBIDDEN"
    assert gotten.status_code == 405


async def test_a_document_of_another_business_is_not_there(face: Face) -> None:
    document = "query T { viewer { business { key } } }"
    await ask(face, document, whole=True)

    elsewhere = await ask(face, document, token=face.token(business="other"))
    colleague = await ask(face, document, token=face.token(subject="colleague"))

    assert elsewhere.json()["errors"] == [NOT_FOUND]
    assert colleague.json()["data"] == {"viewer": {"business": {"key": "shop"}}}


async def test_a_setting_switches_it_off_and_whole_documents_are_answered_all_the_same(opening: Opening) -> None:
    async with opening(Settings(jwt_secret=SECRET, persisted_queries=False)) as face:
        named, sent, again = (
            await ask(face, VIEWER),
            await ask(face, VIEWER, whole=True),
            await ask(face, VIEWER),
        )

    assert (named.status_code, named.json(), again.json()) == (200, *[{"errors": [NOT_SUPPORTED]}] * 2)
    assert sent.json()["data"] == TESTER


async def test_over_a_socket_a_document_is_named_too(face: Face) -> None:
    document, changes = "query W { viewer { subject } }", "subscription { membershipChanges { changes { kind } } }"
    async with live(face.app) as server, server.initiate(face.token()) as client:
        await send(client, type="subscribe", id="1", payload={"extensions": name(document)})
        unknown = await receive(client)
        await send(client, type="subscribe", id="1", payload={"query": document, "extensions": name(document)})
        sent = [await receive(client), await receive(client)]
        named = [await _name_over(client, document, **more) for more in ({}, {"query": ""}, {"query": None})]
        plain = await fetch_answer(client, "2", VIEWER)
        await send(client, type="subscribe", id="s", payload={"query": changes, "extensions": name(changes)})
        await receive(client)
        await send(client, type="complete", id="s")
        await send(client, type="subscribe", id="t", payload={"extensions": name(changes)})
        followed = await receive(client)
        await send(client, type="subscribe", id="1", payload={"operationName": "V"})
        code = await wait_closed(client)

    assert unknown == {"id": "1", "type": "error", "payload": [NOT_FOUND]}
    assert [one["type"] for one in sent] == ["next", "complete"]
    assert named == [{"data": TESTER}] * 3
    assert plain == {"data": TESTER}
    assert followed["payload"]["data"]["membershipChanges"]["changes"] == []
    assert code == 4400


async def _name_over(client: Any, document: str, **more: object) -> Any:
    await send(client, type="subscribe", id="n", payload={"extensions": name(document), **more})
    answer, end = await receive(client), await receive(client)
    assert end["type"] == "complete"
    return answer["payload"]


def viewer(subject: str, business: str = "shop") -> Viewer:
    return Viewer(subject, business, frozenset(Permission), datetime.now(UTC), datetime.max.replace(tzinfo=UTC))


def is_kept(documents: PersistedDocuments, who: Viewer, document: str) -> bool:
    try:
        found, _ = documents.find(who, {"extensions": name(document)})
    except HttpError as error:
        assert error.code == "PERSISTED_QUERY_NOT_FOUND"
        return False
    assert found == document
    return True


def keep(documents: PersistedDocuments, who: Viewer, document: str) -> None:
    documents.keep(who, digest(document), document)


def test_whoever_has_many_pushes_out_what_they_used_longest_ago() -> None:
    documents, flood, quiet = PersistedDocuments(), viewer("flood"), viewer("quiet")
    keep(documents, quiet, "quiet")
    for number in range(MAXIMUM_DOCUMENTS):
        keep(documents, flood, f"{number}")
    assert is_kept(documents, flood, "0")

    keep(documents, flood, "more")

    assert [is_kept(documents, flood, one) for one in ("0", "1", "2", "more")] == [True, False, True, True]
    assert is_kept(documents, quiet, "quiet")


def test_large_documents_take_the_place_of_small_ones() -> None:
    documents, caller = PersistedDocuments(), viewer("caller")
    size = MAXIMUM_BYTES // 16 - 100
    for number in range(17):
        keep(documents, caller, f"{number}".ljust(size))

    assert [is_kept(documents, caller, f"{number}".ljust(size)) for number in (0, 1, 16)] == [False, True, True]


def test_where_all_is_full_whoever_has_most_makes_place() -> None:
    documents, quiet = PersistedDocuments(maximum_all=1000), viewer("quiet", "other")
    keep(documents, quiet, "quiet")
    for number in range(40):
        keep(documents, viewer("flood"), f"{number}".ljust(100))
        keep(documents, viewer("flood"), f"{number}".ljust(100))

    assert is_kept(documents, quiet, "quiet")
    assert sum(is_kept(documents, viewer("flood"), f"{number}".ljust(100)) for number in range(40)) == 6


def test_documents_are_counted_as_they_are_held() -> None:
    documents, caller = PersistedDocuments(), viewer("caller")
    several = [f"{number} \U0001f600".ljust(60_000) for number in range(6)]

    for document in several:
        keep(documents, caller, document)

    assert [is_kept(documents, caller, document) for document in several] == [False, False, True, True, True, True]
