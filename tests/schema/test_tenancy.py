"""Two businesses at once, with clients that go away in the middle: line T6 of the reliability requirements, on both
databases and against a real server."""

import asyncio
import random
from typing import Any

import httpx
import pytest

from tests.drivers.face import Face
from tests.drivers.sockets import Live, becomes, live, receive, subscribe

pytestmark = pytest.mark.anyio
SHOPS = ("shop", "other")
QUERIES = (
    "{ viewer { business { key } } customers { nodes { externalId name purchases { nodes { externalId } } } } }",
    "{ customers(first: 5, sort: NAME, reverse: true) { totalCount nodes { name metrics { orderCount } } } }",
    "{ storefronts { key } segmentationReport { segments { customers { nodes { externalId } } } } }",
    'mutation { upsertCustomers(input: [{externalId: "%s-1", name: "%s one"}]) { unchanged updated } }',
)
UPSERT = "mutation U($input: [CustomerInput!]!) { upsertCustomers(input: $input) { created } }"
RECORD = "mutation R($input: [PurchaseInput!]!) { recordPurchases(input: $input) { created } }"
REQUESTS = 200


async def fill(face: Face, shop: str) -> None:
    """Eight customers with a purchase each; every text of theirs begins with the business's key."""
    customers = [{"externalId": f"{shop}-{number}", "name": f"{shop} name"} for number in range(8)]
    one = {"purchasedAt": "2024-06-01", "amount": "10", "storefrontKey": f"{shop}-store"}
    purchases = [
        {**one, "customerExternalId": f"{shop}-{number}", "externalId": f"{shop}-order-{number}"} for number in range(8)
    ]
    token = face.token(business=shop)
    await face.data(UPSERT, {"input": customers}, token)
    await face.data(RECORD, {"input": purchases}, token)


def foreign(shop: str, text: str) -> bool:
    """Whether the answer holds anything of the other business."""
    (other,) = (one for one in SHOPS if one != shop)
    return f'"{other}' in text


async def ask(client: httpx.AsyncClient, face: Face, shop: str, query: str) -> str:
    headers = face.bearer(face.token(business=shop))
    return (await client.post("/graphql", json={"query": query.replace("%s", shop)}, headers=headers)).text


async def test_t6_no_row_of_one_business_reaches_the_other_whoever_goes_away(both: Face) -> None:
    chance = random.Random(7)
    for shop in SHOPS:
        await fill(both, shop)
    free, answers, gone = asyncio.Semaphore(16), list[tuple[str, str]](), 0

    async def one(client: httpx.AsyncClient) -> None:
        nonlocal gone
        shop, query = chance.choice(SHOPS), chance.choice(QUERIES)
        patience = chance.uniform(0, 0.02) if chance.random() < 0.3 else 30
        async with free:
            try:
                async with asyncio.timeout(patience):
                    answers.append((shop, await ask(client, both, shop, query)))
            except (TimeoutError, httpx.HTTPError):
                gone += 1

    async with live(both.app) as server, httpx.AsyncClient(base_url=f"http://{server.host}", timeout=30) as client:
        await asyncio.gather(*(one(client) for _ in range(REQUESTS)))
        await becomes(lambda: both.database.reader.pool.checkedout() == 0)  # type: ignore[attr-defined]

    assert gone > 5
    assert len(answers) + gone == REQUESTS
    assert [answer for shop, answer in answers if foreign(shop, answer)] == []
    assert [answer for _, answer in answers if "errors" in answer] == []
    assert {shop for shop, answer in answers if f'"{shop}-1"' in answer} == set(SHOPS)


async def run_on_socket(server: Live, face: Face, shop: str, chance: random.Random) -> list[str]:
    """Forty operations on one socket, some of them called off."""
    kept: list[str] = []
    async with server.initiate(face.token(business=shop)) as client:
        running: dict[str, bool] = {}
        for number in range(40):
            await subscribe(client, f"{number}", chance.choice(QUERIES).replace("%s", shop))
            running[f"{number}"] = True
            if chance.random() < 0.3:
                await client.send(f'{{"type": "complete", "id": "{number}"}}')
                del running[f"{number}"]
            while len(running) > 10:
                message: Any = await receive(client)
                kept.append(str(message).replace("'", '"'))
                if message["type"] in ("complete", "error"):
                    running.pop(message["id"], None)
    return kept


async def test_t6_the_operations_of_two_sockets_do_not_share_anything(both: Face) -> None:
    for shop in SHOPS:
        await fill(both, shop)

    async with live(both.app) as server:
        found = await asyncio.gather(*(run_on_socket(server, both, shop, random.Random(shop)) for shop in SHOPS))
        await becomes(lambda: both.database.reader.pool.checkedout() == 0)  # type: ignore[attr-defined]

    for shop, messages in zip(SHOPS, found, strict=True):
        assert len(messages) > 20
        assert [message for message in messages if foreign(shop, message)] == []
        assert any(f'"{shop}-1"' in message for message in messages)
