"""Whoever listens to a server: a worker, `python -m tests.benchmarks.followers PORT`, which records purchases and waits
for the change of members that follows, or opens many sockets that follow one run."""

import asyncio
import json
import resource
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import websockets
from websockets.asyncio.client import ClientConnection

from gql.auth import issue_token
from tests.benchmarks.processes import SECRET, answer_questions

PROTOCOL: Any = "graphql-transport-ws"
SOCKETS = 75
"""A subject: the server takes 100 of one."""
OPEN_AT_ONCE = 50
CHANGES = "subscription { membershipChanges { changes { customer { externalId } } } }"
RUN = "subscription Run($id: ID!) { recalculationProgress(id: $id) { status } }"
START = "mutation { recalculateSegments { recalculation { id } userErrors { message } } }"
RECORD = """mutation Record($id: String!, $order: String!, $at: DateTime!, $amount: Decimal!) { recordPurchases(input: [
    {customerExternalId: $id, externalId: $order, purchasedAt: $at, amount: $amount}
]) { created userErrors { message } } }"""
LONGEST = 60


def make_token(subject: str) -> str:
    """One that may do everything in the business."""
    who: Any = {"subject": subject, "business": "bench", "permissions": ["customers:view", "customers:edit"]}
    return issue_token(SECRET, **who, lifetime=timedelta(hours=1), now=datetime.now(UTC))


async def ask(client: httpx.AsyncClient, query: str, **variables: object) -> Any:
    """The data of an answer; RuntimeError where there is none."""
    answer = (await client.post("/graphql", json={"query": query, "variables": variables})).json()
    if "errors" in answer or any(isinstance(v, dict) and v.get("userErrors") for v in answer["data"].values()):
        raise RuntimeError(str(answer)[:300])
    return answer["data"]


@asynccontextmanager
async def open_socket(port: int, subject: str) -> AsyncIterator[ClientConnection]:
    """A socket whose token was accepted."""
    address = f"ws://127.0.0.1:{port}/graphql"
    async with websockets.connect(address, subprotocols=[PROTOCOL], proxy=None, compression=None) as socket:
        token = {"Authorization": f"Bearer {make_token(subject)}"}
        await socket.send(json.dumps({"type": "connection_init", "payload": token}))
        if json.loads(await socket.recv())["type"] != "connection_ack":
            raise RuntimeError("the token was not accepted")
        yield socket


async def subscribe(socket: ClientConnection, query: str, **variables: object) -> None:
    """Begin to follow."""
    payload = {"query": query, "variables": variables}
    await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))


async def receive(socket: ClientConnection) -> Any:
    """The data of the next message."""
    message = json.loads(await asyncio.wait_for(socket.recv(), LONGEST))
    if message["type"] != "next" or "errors" in message["payload"]:
        raise RuntimeError(str(message)[:300])
    return message["payload"]["data"]


async def record_purchases(client: httpx.AsyncClient, port: int, rounds: int, amount: int) -> list[float]:
    """Seconds from asking for each purchase, of a new customer, to the change of members that it brings, in order."""
    found = []
    async with open_socket(port, "listener") as socket:
        await subscribe(socket, CHANGES)
        await receive(socket)
        for _ in range(rounds):
            name = f"new-{time.time_ns()}"
            began = time.perf_counter()
            at = datetime.now(UTC).isoformat()
            asked = asyncio.create_task(ask(client, RECORD, id=name, order=name, at=at, amount=f"{amount}.00"))
            told = False
            while not told:
                changes = (await receive(socket))["membershipChanges"]["changes"]
                told = any(change["customer"]["externalId"] == name for change in changes)
            found.append(time.perf_counter() - began)
            await asked
            # The rest of the changes that the purchase brought.
            await asyncio.sleep(0.5)
    return sorted(found)


async def follow_run(client: httpx.AsyncClient, port: int, followers: int) -> tuple[float, float]:
    """Seconds from subscribing, all at once, to the first message of the first and of the last."""
    gate = asyncio.Semaphore(OPEN_AT_ONCE)
    async with AsyncExitStack() as stack:

        async def enter(number: int) -> ClientConnection:
            async with gate:
                return await stack.enter_async_context(open_socket(port, f"follower-{number // SOCKETS}"))

        sockets = await asyncio.gather(*map(enter, range(followers)))
        run = (await ask(client, START))["recalculateSegments"]["recalculation"]["id"]
        began = time.perf_counter()

        async def hear(socket: ClientConnection) -> float:
            await subscribe(socket, RUN, id=run)
            await receive(socket)
            return time.perf_counter() - began

        heard = await asyncio.gather(*map(hear, sockets))
        return min(heard), max(heard)


def main(port: int) -> None:
    """Answer until the input ends."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    headers = {"Authorization": f"Bearer {make_token('bench')}"}

    async def answer(what: str, **asked: Any) -> object:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=LONGEST) as client:
            work: Any = {"purchases": record_purchases, "followers": follow_run}[what]
            return await work(client, port, **asked)

    with asyncio.Runner() as runner:
        answer_questions(lambda **asked: runner.run(answer(**asked)))


if __name__ == "__main__":
    main(int(sys.argv[1]))
