"""Who is told of changes of memberships over a socket: line W5 of the reliability requirements, on both databases."""

from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection

from domain.model import Actor, NewCustomer
from domain.segments.model import MembershipSource, SegmentKind
from domain.segments.validation import Draft
from gql.schema.types.ids import encode
from tests.drivers.face import Face
from tests.drivers.sockets import fetch_answer, live, receive, subscribe

pytestmark = pytest.mark.anyio
ACTOR = Actor("test")
CHANGES = "subscription { membershipChanges { changes { cursor kind by customer { externalId } } } }"
ASSIGN = (
    "mutation($segment: ID!, $who: [ID!]!) { assignSegment(segmentId: $segment, customerIds: $who) { assignedCount } }"
)
PEOPLE = 12


async def fill(face: Face, key: str) -> tuple[str, list[str]]:
    """A segment by hand and customers of that business; their global ids."""
    business = await face.services.businesses.open(key)
    await face.services.customers.upsert(business, [NewCustomer(f"{key}-{n}") for n in range(PEOPLE)], ACTOR)
    made, _ = await face.services.segments.create(business, Draft("VIP", SegmentKind.MANUAL), ACTOR)
    return str(encode("Segment", business.id, made.id)), [
        str(encode("Customer", business.id, n)) for n in range(1, PEOPLE + 1)
    ]


async def listen(client: ClientConnection) -> None:
    """Begin to follow; what is committed after this is told."""
    await subscribe(client, "changes", CHANGES)
    await fetch_answer(client, "later", "{ viewer { subject } }")


async def told(client: ClientConnection, count: int) -> list[Any]:
    """The next changes, so many of them."""
    found: list[Any] = []
    while len(found) < count:
        found += (await receive(client, 10))["payload"]["data"]["membershipChanges"]["changes"]
    return found


async def test_w5_a_business_is_told_of_its_own_changes_only_each_once_and_of_none_that_was_rolled_back(
    both: Face,
) -> None:
    segments = {key: await fill(both, key) for key in ("shop", "other")}
    shop = await both.services.businesses.open("shop")
    async with (
        live(both.app) as server,
        server.initiate(both.token()) as own,
        server.initiate(both.token(business="other")) as foreign,
    ):
        await listen(own)
        await listen(foreign)
        with pytest.raises(LookupError):
            async with both.services.store.write(shop) as unit:
                await unit.memberships.add(1, [PEOPLE], unit.instant, MembershipSource.MANUAL, "rolled back")
                raise LookupError
        for key in ("shop", "other"):
            segment, people = segments[key]
            for who in people[: 5 if key == "shop" else 1]:
                await both.data(ASSIGN, {"segment": segment, "who": [who]}, both.token(business=key))
        seen, elsewhere = await told(own, 5), await told(foreign, 1)

    assert [change["customer"]["externalId"] for change in seen] == [f"shop-{n}" for n in range(5)]
    assert len({change["cursor"] for change in seen}) == 5
    assert {change["by"] for change in seen} == {"tester"}
    assert [change["customer"]["externalId"] for change in elsewhere] == ["other-0"]
