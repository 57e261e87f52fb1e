"""Who uses the shop meanwhile: tills, marketers, dashboards and files, all at once. What is written is told to the
ledger when the server has acknowledged it; each writer has orders of its own, so that their last state is known."""

import asyncio
import io
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import httpx

from tests.soak.client import BROKEN, PATIENCE, Client, Record, Refused
from tests.soak.shop import Ledger, Order, make_order

ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")
SEGMENTS = "{ segments(first: 50) { nodes { id key } } }"
READS = (
    """{ customers(first: 50, sort: TOTAL_REVENUE, reverse: true) { totalCount nodes { externalId
      metrics { orderCount totalRevenue } rfm { score } segments { segment { key } } } } }""",
    "{ segmentationReport { customerCount totalRevenue segments { segmentName customerCount } } }",
    "{ segmentationReport(method: VALUE, days: 30) { customerCount segments { segmentName customerCount } } }",
    "{ segmentPreview(definition: {criteria: {minOrders: 3}}) { matchCount population } }",
    """{ segments(first: 20) { nodes { key memberCount members(first: 20) { totalCount nodes { externalId } }
      changes(first: 5) { nodes { kind } } } } }""",
    "{ auditEvents(first: 20) { nodes { action outcome } } recalculations(first: 10) { nodes { status } } }",
    "{ imports(first: 10) { nodes { status rowsRead } } }",
)
RECORD = "mutation($input: [PurchaseInput!]!) { recordPurchases(input: $input) { created userErrors { message } } }"
DELETE = "mutation($ids: [String!]!) { deletePurchases(externalIds: $ids) { deletedCount userErrors { message } } }"
BY_HAND = """mutation($segment: ID!, $customers: [ID!]!) { %s(segmentId: $segment, customerIds: $customers) {
  segment { memberCount } userErrors { message } } }"""
SNAPSHOT = "mutation($id: ID!) { createSnapshot(segmentId: $id) { snapshot { snapshotDate } userErrors { message } } }"
RUN = "mutation($id: ID!) { recalculateSegment(segmentId: $id) { recalculation { id } userErrors { code } } }"
RUN_ALL = "mutation { recalculateSegments { recalculation { id } userErrors { code } } }"
PROGRESS = "subscription($id: ID!) { jobProgress(id: $id) { status error { code message } } }"
JOB = "query($id: ID!) { job(id: $id) { status error { code message } } }"
CHANGES = """subscription($id: ID!, $after: String) { membershipChanges(segmentId: $id, after: $after) {
  cursor changes { kind customer { externalId } } } }"""


async def read(client: Client, random: Random) -> None:
    """A dashboard: it asks for what its pages show."""
    while not client.ending.is_set():
        await client.ask(random.choice(READS))
        await client.pause(random.random() * 0.2)


async def record_purchases(client: Client, random: Random, ledger: Ledger) -> None:
    """A till: new orders, orders that are stated again, and some that are taken back."""
    own: list[str] = []
    for number in count_until(client):
        at = datetime.now(UTC).replace(microsecond=0)
        orders = {}
        for place in range(random.randrange(1, 40)):
            again = own and random.random() < 0.2
            name = random.choice(own) if again else f"{client.who}-{number}-{place}"
            known = ledger.orders.get(name)
            made = make_order(random, name, at - timedelta(days=random.randrange(1, 80)))
            orders[name] = Order(name, known.customer if known else made.customer, made.at, made.amount, made.status)
        # Another customer than before would be refused, and whose a deleted one was is not known any more.
        stated = [one for one in orders.values() if one.external_id not in own or one.external_id in ledger.orders]
        await client.ask(RECORD, {"input": [write_order(order) for order in stated]}, key=f"{client.who}-{number}")
        ledger.state(stated)
        own += [order.external_id for order in stated if order.external_id not in own]
        if random.random() < 0.1:
            gone = random.sample(own, min(3, len(own)))
            await client.ask(DELETE, {"ids": gone})
            ledger.delete(gone)
        await client.pause(random.random() * 0.3)


def write_order(order: Order) -> dict[str, str]:
    return {
        "customerExternalId": order.customer,
        "externalId": order.external_id,
        "purchasedAt": order.at.isoformat(),
        "amount": str(order.amount),
        "status": order.status,
    }


async def send_files(client: Client, random: Random, ledger: Ledger) -> None:
    """A back office: files of some thousand orders, each followed to its end."""
    for number in count_until(client):
        at = datetime.now(UTC).replace(microsecond=0)
        orders = [
            make_order(random, f"{client.who}-{number}-{place}", at - timedelta(days=random.randrange(1, 80)))
            for place in range(random.randrange(100, 3000))
        ]
        text = io.StringIO()
        text.write("customer_id,order_id,date,amount,status\n")
        for one in orders:
            text.write(f"{one.customer},{one.external_id},{one.at.isoformat()},{one.amount},{one.status.lower()}\n")
        headers = {"Content-Type": "text/csv", "Idempotency-Key": f"{client.who}-{number}"}
        answer = await client.send("POST", "/imports/purchases", content=text.getvalue(), headers=headers)
        if answer.status_code != 202:
            continue
        await follow_job(client, answer.json()["id"], "an import")
        ledger.state(orders)
        await client.pause(random.random() * 4)


async def follow_job(client: Client, job: str, what: str) -> None:
    """Until it has ended, by a subscription that is opened again where it breaks; that it failed is a finding."""
    state: Any = None
    while state is None or state["status"] not in ENDED:
        began = time.monotonic()
        try:
            async for data in client.follow(PROGRESS, {"id": job}):
                state = data["jobProgress"]
        except (*BROKEN, Refused) as error:
            client.record.note(client.who, f"{type(error).__name__} {error}"[:200], began)
            await asyncio.sleep(0.3)
        # A subscription that ended says the same as a question after it.
        state = (await client.ask(JOB, {"id": job}))["job"]
    if state["status"] != "SUCCEEDED":
        client.record.find(f"{client.who}: {what} ended as {state}")


async def recalculate(client: Client, random: Random, segments: list[str]) -> None:
    """A marketer who asks for fresh numbers."""
    while not client.ending.is_set():
        segment = random.choice([*segments, None])
        answer = await client.ask(*((RUN_ALL, None) if segment is None else (RUN, {"id": segment})))
        payload = next(iter(answer.values()), None)
        if payload and payload["recalculation"]:
            await follow_job(client, payload["recalculation"]["id"], "a run")
        await client.pause(random.random() * 3)


async def keep_by_hand(client: Client, random: Random, ledger: Ledger, segment: str) -> None:
    """A marketer who puts customers in and takes them out, and makes a snapshot now and then."""
    for number in count_until(client):
        found = await client.ask("{ customers(first: 100) { nodes { id externalId } } }")
        known = found["customers"]["nodes"]
        chosen = random.sample(known, min(len(known), random.randrange(1, 20)))
        names = {one["externalId"] for one in chosen}
        enter = random.random() < 0.6
        ask = BY_HAND % ("assignSegment" if enter else "removeSegment")
        await client.ask(ask, {"segment": segment, "customers": [one["id"] for one in chosen]})
        ledger.by_hand = ledger.by_hand | names if enter else ledger.by_hand - names
        if random.random() < 0.2:
            made = await client.ask(SNAPSHOT, {"id": segment}, key=f"{client.who}-{number}")
            ledger.snapshots.append(made["createSnapshot"]["snapshot"]["snapshotDate"])
        await client.pause(random.random())


@dataclass(slots=True)
class Copy:
    """What a follower of a segment's changes has made of them, and the place that it goes on from."""

    segment: str
    members: set[str] = field(default_factory=set)
    cursor: str | None = None

    def apply(self, batch: dict[str, Any]) -> list[str]:
        """Who entered twice, or left twice."""
        twice = []
        for change in batch["changes"]:
            name, entered = change["customer"]["externalId"], change["kind"] == "ENTERED"
            if entered is (name in self.members):
                twice.append(f"{name} {change['kind']} twice")
            (self.members.add if entered else self.members.discard)(name)
        self.cursor = batch["cursor"]
        return twice


async def follow_changes(client: Client, random: Random, copy: Copy) -> None:
    """A tool that keeps a copy of a segment from its changes, and loses its connection now and then."""
    while not client.ending.is_set():
        opened = time.monotonic()
        lasts = time.monotonic() + 5 + random.random() * 20
        try:
            stream = client.follow(CHANGES, {"id": copy.segment, "after": copy.cursor})
            async for data in until_then(stream, lasts, client):
                for wrong in copy.apply(data["membershipChanges"]):
                    client.record.find(f"{client.who}: {wrong}")
        except (*BROKEN, Refused) as error:
            client.record.note(client.who, f"{type(error).__name__} {error}"[:200], opened)
            await asyncio.sleep(0.2)


async def until_then(stream: AsyncIterator[Any], end: float, client: Client) -> AsyncIterator[Any]:
    """What the stream gives until that second; then it is left without a word."""
    try:
        while time.monotonic() < end and not client.ending.is_set():
            waiting = asyncio.ensure_future(anext(stream))
            while not waiting.done() and time.monotonic() < end and not client.ending.is_set():
                await asyncio.wait({waiting}, timeout=0.5)
            if not waiting.done():
                waiting.cancel()
                await asyncio.wait({waiting})
                return
            try:
                yield waiting.result()
            except StopAsyncIteration:
                return
    finally:
        await stream.aclose()  # type: ignore[attr-defined]


async def abandon_exports(client: Client, random: Random, segment: str) -> None:
    """Somebody who asks for files and mostly does not wait for them."""
    paths = (
        "/exports/segmentation.xlsx?days=30",
        "/exports/segmentation.pdf",
        "/exports/segmentation.csv",
        f"/exports/segments/{segment}/members.csv",
        f"/exports/segments/{segment}/members.xlsx",
    )
    while not client.ending.is_set():
        path, patience = random.choice(paths), random.choice((0.02, 0.1, PATIENCE))
        began = time.monotonic()
        try:
            async with asyncio.timeout(patience), client.http.stream("GET", path) as answer:
                if answer.status_code == 429:
                    client.record.throttled += 1
                elif answer.status_code != 200:
                    client.record.note(client.who, f"{answer.status_code} of {path}", began)
                async for _ in answer.aiter_bytes():
                    pass
            client.record.answered["exporter"] += 1
        except TimeoutError:
            client.record.answered["exporter who left"] += 1
        except BROKEN as error:
            client.record.note(client.who, type(error).__name__, began)
        await client.pause(random.random())


async def probe_health(url: str, record: Record, ending: asyncio.Event) -> None:
    """Whoever watches over the server, each time on a connection of its own."""
    while not ending.is_set():
        began = time.monotonic()
        try:
            async with httpx.AsyncClient(base_url=url, timeout=PATIENCE) as client:
                answer = await client.get("/healthz")
            if answer.status_code != 200:
                record.note("health", str(answer.status_code), began)
        except BROKEN as error:
            record.note("health", type(error).__name__, began)
        record.waits.append((began, time.monotonic() - began))
        await asyncio.sleep(0.1)


def count_until(client: Client) -> Any:
    """Numbers, until the soak ends."""
    number = 0
    while not client.ending.is_set():
        yield number
        number += 1
