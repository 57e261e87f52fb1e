"""Tokens that are revoked before they expire, however they come in: lines T2 and W3 of the reliability requirements, on
both databases, in the process that revokes and in another one over the same store."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from domain.businesses.revocations import Revocations
from domain.errors import Unavailable
from domain.model import Actor, Revocation
from gql.app import create_app
from gql.settings import Settings
from tests.conftest import NOW, SetClock
from tests.drivers.face import SECRET, Face
from tests.drivers.probe import Journal, probe_app
from tests.drivers.sockets import live, receive, subscribe, wait_closed

pytestmark = pytest.mark.anyio
VIEWER = "{ viewer { subject } }"
REVOKE = """mutation($jti: String, $subject: String, $before: DateTime) {
    revokeTokens(jti: $jti, subject: $subject, issuedBefore: $before) {
    revokedAt userErrors { field message code } } }"""
COUNT = "subscription { count(pause: 0.05) }"
LINK = "mutation { exportSegmentationReport(format: CSV) { url } }"
SECOND = timedelta(seconds=1)


async def revoke(face: Face, token: str | None = None, **which: str) -> Any:
    """What the mutation answers."""
    return (await face.data(REVOKE, which, token))["revokeTokens"]


async def statuses(face: Face, *tokens: str) -> list[int]:
    return [(await face.post(VIEWER, token=token)).status_code for token in tokens]


async def test_t2_a_token_that_is_revoked_is_one_that_does_not_hold_and_no_reason_is_said(both: Face) -> None:
    stolen, kept = both.token(token_id="stolen-1"), both.token(token_id="kept-1")
    before = await statuses(both, stolen, kept)

    answer = await revoke(both, jti="stolen-1")
    refused = await both.post(VIEWER, token=stolen)
    export = await both.client.get("/exports/segmentation.csv", headers=both.bearer(stolen))
    upload = await both.client.get("/imports/purchases/1", headers=both.bearer(stolen))

    assert before == [200, 200]
    assert answer == {"revokedAt": "2024-06-15T12:00:00Z", "userErrors": []}
    error = {"message": "Invalid token.", "extensions": {"code": "UNAUTHENTICATED"}}
    assert (refused.status_code, refused.json()) == (401, {"errors": [error]})
    assert refused.headers["www-authenticate"] == "Bearer"
    assert [(one.status_code, one.json()) for one in (export, upload)] == [(401, {"detail": "Invalid token."})] * 2
    assert await statuses(both, kept) == [200]


async def test_t2_of_a_subject_all_is_revoked_that_was_issued_up_to_now_and_what_is_issued_then_holds(
    both: Face,
) -> None:
    old, now, other = both.token(subject="ann"), both.token(subject="ann"), both.token(subject="bob")

    await revoke(both, subject="ann")
    both.clock.now += SECOND
    new = both.token(subject="ann")

    assert await statuses(both, old, now, other, new) == [401, 401, 200, 200]


async def test_t2_before_an_instant_everybodys_tokens_are_revoked_or_those_of_one_subject(both: Face) -> None:
    early = [both.token(subject=who) for who in ("ann", "bob", "tester")]
    both.clock.now += timedelta(minutes=10)
    late = [both.token(subject=who) for who in ("ann", "bob", "tester")]

    await revoke(both, subject="ann", before="2024-06-15T12:05:00Z")
    of_ann = await statuses(both, *early, *late)
    # Without an offset it is the business's time, which is UTC.
    await revoke(both, before="2024-06-15T12:10:00")
    of_all = await statuses(both, *early, *late)

    assert of_ann == [401, 200, 200, 200, 200, 200]
    assert of_all == [401, 401, 401, 200, 200, 200]


@pytest.mark.parametrize(
    ("which", "field", "message"),
    [
        ({}, "jti", "jti, subject or issuedBefore must say which tokens to revoke"),
        (
            {"jti": "a", "subject": "ann"},
            "jti",
            "jti is one token: it must be given without subject and issuedBefore",
        ),
        (
            {"jti": "a", "before": "2024-01-01T00:00:00Z"},
            "jti",
            "jti is one token: it must be given without subject and issuedBefore",
        ),
        ({"jti": ""}, "jti", "jti must be 1 to 200 printable characters"),
        ({"jti": "x" * 201}, "jti", "jti must be 1 to 200 printable characters"),
        ({"subject": "a\nb"}, "subject", "subject must be 1 to 200 printable characters"),
        ({"subject": ""}, "subject", "subject must be 1 to 200 printable characters"),
        ({"before": "2024-06-15T12:00:01Z"}, "issuedBefore", "issuedBefore must not be in the future"),
        ({"before": "9999-12-31T23:59:59-14:00"}, "issuedBefore", "issuedBefore must lie between the years 1 and 9999"),
    ],
)
@pytest.mark.read_only
async def test_t2_what_does_not_say_which_tokens_revokes_none(
    face: Face, which: dict[str, str], field: str, message: str
) -> None:
    answer = await revoke(face, **which)

    assert answer == {"revokedAt": None, "userErrors": [{"field": [field], "message": message, "code": "INVALID"}]}
    assert await statuses(face, face.token()) == [200]


async def test_t2_a_business_revokes_its_own_tokens_and_nobody_elses(both: Face) -> None:
    own, other = (both.token(business=key, token_id="same", subject="ann") for key in ("shop", "other"))

    await revoke(both, both.token(business="other"), jti="same")
    first = await statuses(both, own, other)
    await revoke(both, both.token(business="other"), subject="ann")
    await revoke(both, both.token(business="other"), before="2024-06-15T12:00:00Z")

    assert first == [200, 401]
    assert await statuses(both, own) == [200]


async def test_t2_who_may_not_write_revokes_nothing(face: Face) -> None:
    viewing = face.token("customers:view")

    assert await face.code(REVOKE, {"subject": "tester"}, viewing) == "FORBIDDEN"
    assert await statuses(face, viewing) == [200]


async def test_t2_a_revocation_is_in_the_audit_log_with_who_revoked_what(both: Face) -> None:
    await revoke(both, jti="stolen-1")
    await revoke(both, subject="ann")
    both.clock.now += SECOND

    nodes = (await both.data("{ auditEvents { nodes { actor action outcome detail } } }"))["auditEvents"]["nodes"]

    assert [(one["actor"], one["action"], one["outcome"]) for one in nodes] == [("tester", "revokeTokens", "DONE")] * 2
    assert nodes[1]["detail"] == {"jti": "stolen-1", "subject": None, "issuedBefore": None}
    assert nodes[0]["detail"] == {"jti": None, "subject": "ann", "issuedBefore": "2024-06-15T12:00:01+00:00"}


async def test_t2_a_link_opens_nothing_once_the_token_is_revoked_that_it_was_made_with(both: Face) -> None:
    tokens = [both.token(token_id="one", subject="ann"), both.token(token_id="two", subject="ann"), both.token()]
    links = [(await both.data(LINK, token=token))["exportSegmentationReport"]["url"] for token in tokens]
    before = [(await both.client.get(link)).status_code for link in links]

    await revoke(both, jti="one")
    of_token = [(await both.client.get(link)).status_code for link in links]
    await revoke(both, subject="ann")
    of_subject = [(await both.client.get(link)).status_code for link in links]

    assert before == [200, 200, 200]
    assert of_token == [401, 200, 200]
    assert of_subject == [401, 401, 200]
    assert "ann" not in "".join(links)


@asynccontextmanager
async def another_process(face: Face) -> AsyncIterator[httpx.AsyncClient]:
    """The application once more over the same store; what it knows is its own."""
    app = create_app(Settings(jwt_secret=SECRET), face.clock, database=face.database)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        yield client


async def test_t2_every_process_over_the_store_knows_within_five_seconds(both: Face) -> None:
    stolen = both.token(token_id="stolen-1")
    async with another_process(both) as client:

        async def status() -> int:
            answer = await client.post("/graphql", json={"query": VIEWER}, headers=both.bearer(stolen))
            return answer.status_code

        before = await status()
        await revoke(both, jti="stolen-1")
        began = time.monotonic()
        while await status() == 200:
            assert time.monotonic() - began < 5
            await asyncio.sleep(0.05)
        after = await status()

    assert (before, after) == (200, 401)


async def test_w3_an_open_socket_is_closed_when_its_token_is_revoked_and_sends_nothing_more(both: Face) -> None:
    journal = Journal()
    app = probe_app(Settings(jwt_secret=SECRET), both.clock, both.services, both.database, journal)
    async with live(app) as server, server.initiate(both.token(token_id="stolen-1")) as client:
        await subscribe(client, "1", COUNT)
        first = await receive(client)
        async with server.initiate(both.token()) as other:
            # By another process: this one is not told and must read it.
            shop = await both.services.businesses.open("shop")
            elsewhere = replace(both.services.revocations, _read_at=float("-inf"), _reading=None)
            await elsewhere.revoke(shop, Actor("tester"), token_id="stolen-1")
            code = await wait_closed(client, 5)
            counted = len(journal.counted)
            await asyncio.sleep(0.2)
            after = len(journal.counted)
            await subscribe(other, "1", COUNT)
            still = await receive(other)

    assert (first["type"], code, client.close_reason) == ("next", 4403, "Token expired or revoked")
    assert after == counted
    assert still["type"] == "next"


async def test_w3_no_operation_begins_on_a_socket_whose_token_is_revoked(both: Face) -> None:
    journal = Journal()
    app = probe_app(Settings(jwt_secret=SECRET), both.clock, both.services, both.database, journal)
    async with live(app) as server, server.initiate(both.token(token_id="stolen-1")) as client:
        await both.services.revocations.revoke(
            await both.services.businesses.open("shop"), Actor("tester"), token_id="stolen-1"
        )
        await subscribe(client, "1", "mutation { touch }")
        code = await wait_closed(client, 5)
        async with server.connect() as again:
            payload = f'{{"type": "connection_init", "payload": {{"Authorization": "Bearer {both.token()}"}}}}'
            await again.send(payload)
            acknowledged = await receive(again)

    assert code == 4403
    assert journal.began == []
    assert acknowledged == {"type": "connection_ack"}


@dataclass
class Unread:
    """A store of which the list of revoked tokens cannot be read."""

    async def find_newest_revocations(self) -> Mapping[str, datetime]:
        raise Unavailable("The store is out of reach.")

    async def load_revocations(self, keys: Sequence[str]) -> Mapping[str, list[Revocation]]:
        raise AssertionError("nothing is known to have changed")


@pytest.fixture
async def blind(face: Face, clock: SetClock) -> Any:
    """The application where nobody can say who was shut out."""
    unread: Any = Unread()
    services = copy(face.services)
    services.revocations = Revocations(unread, clock, timedelta(days=1))
    return probe_app(Settings(jwt_secret=SECRET), clock, services, face.database, Journal())


async def test_t2_where_the_list_cannot_be_read_nobody_is_let_in_and_may_try_again(face: Face, blind: Any) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(blind), base_url="http://127.0.0.1") as client:
        answer = await client.post("/graphql", json={"query": "{ notANumber }"}, headers=face.bearer())
        wrong = await client.post("/graphql", json={"query": "{ notANumber }"}, headers=face.bearer("x.y.z"))

    message = "Whether tokens were revoked cannot be read from the store. Try again in a moment."
    assert answer.json() == {"errors": [{"message": message, "extensions": {"code": "UNAVAILABLE"}}]}
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert wrong.status_code == 401


async def test_w3_where_the_list_cannot_be_read_a_socket_is_closed_with_1013(face: Face, blind: Any) -> None:
    async with live(blind) as server, server.connect() as client:
        payload = f'{{"type": "connection_init", "payload": {{"Authorization": "Bearer {face.token()}"}}}}'
        await client.send(payload)
        code = await wait_closed(client)

    assert (code, client.close_reason) == (1013, "Try again later")


async def test_t2_what_is_revoked_is_kept_as_long_as_such_a_token_could_hold(both: Face) -> None:
    shop, revocations = await both.services.businesses.open("shop"), both.services.revocations
    brief = replace(revocations, lifetime=timedelta(hours=24))

    async def held() -> list[str | None]:
        loaded = await both.services.store.load_revocations(["shop"])
        return [one.token_id for one in loaded.get("shop", [])]

    await brief.revoke(shop, Actor("tester"), token_id="first")
    both.clock.now = NOW + timedelta(hours=48) - SECOND
    await brief.revoke(shop, Actor("tester"), token_id="second")
    before = await held()
    both.clock.now = NOW + timedelta(hours=48)
    await brief.revoke(shop, Actor("tester"), token_id="third")

    assert before == ["first", "second"]
    assert await held() == ["second", "third"]
