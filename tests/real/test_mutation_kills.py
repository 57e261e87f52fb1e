"""Servers that are killed in the middle of a mutation with an Idempotency-Key: line R15 of the reliability
requirements, on both databases. Whatever the moment, the retry against another server finds or makes one effect, and
answers rightly."""

import asyncio
import signal
import socket
import sys

import httpx
import pytest

from tests.conftest import SetClock, sample_cases
from tests.drivers.face import Face, both, fresh_postgresql_face, fresh_sqlite_face
from tests.drivers.once import CALLS
from tests.http.test_idempotency import AFTER_LEASE, events

__all__ = ["both", "fresh_postgresql_face", "fresh_sqlite_face"]
pytestmark = pytest.mark.anyio
STAGES = {
    "before the claim": "INSERT INTO idempotent_request",
    "before the effect": "UPDATE business SET change_number",
    "before the commit": "UPDATE idempotent_request SET effect",
    "before the answer": "UPDATE idempotent_request SET answer",
}
KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


async def ask_a_server_that_dies(face: Face, body: object, statement: str) -> None:
    """Send the request to a server that is killed before the statement; there is no answer."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = face.database.bulk.url.render_as_string(hide_password=False)
        number = listening.fileno()
        command = (sys.executable, "-m", "tests.drivers.dying_server", url, str(number), statement)
        dying = await asyncio.create_subprocess_exec(*command, pass_fds=[number])
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/graphql"
    async with httpx.AsyncClient(timeout=60, headers=face.bearer() | KEY) as client:
        with pytest.raises(httpx.TransportError):
            await client.post(address, json=body)
    assert await asyncio.wait_for(dying.wait(), 60) == -signal.SIGKILL


@pytest.mark.parametrize("stage", sample_cases(STAGES, "before the answer"))
async def test_r15_a_server_that_is_killed_leaves_one_effect_and_a_retry_that_is_answered(
    stage: str, both: Face, clock: SetClock
) -> None:
    call = CALLS["createSegment"]
    body = {"query": call.document, "variables": call.variables}

    await ask_a_server_that_dies(both, body, STAGES[stage])
    left = await events(both, "createSegment")
    clock.now += AFTER_LEASE
    retry = await both.client.post("/graphql", json=body, headers=both.bearer() | KEY)
    again = await both.client.post("/graphql", json=body, headers=both.bearer() | KEY)

    assert left == (stage == "before the answer")
    assert await events(both, "createSegment") == 1
    payload = retry.json()["data"]["createSegment"]
    assert (payload["segment"]["key"], payload["segment"]["version"], payload["userErrors"]) == ("gold", 1, [])
    assert (payload["recalculation"]["status"], payload["recalculation"]["segment"]) == ("QUEUED", {"key": "gold"})
    assert ("Idempotency-Replayed" in retry.headers) is bool(left)
    assert again.content == retry.content
