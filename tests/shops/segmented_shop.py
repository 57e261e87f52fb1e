"""Customers and segments for the tests of questions about rules over GraphQL."""

from collections.abc import Sequence

from domain.model import Actor, NewCustomer
from domain.segments.model import Definition, MembershipSource, SegmentKind
from domain.segments.validation import Draft
from gql.schema.types.ids import encode
from tests.drivers.face import Face
from tests.shops.factories import line, purchase

ACTOR = Actor("test")


async def fill(face: Face) -> dict[str, str]:
    """Ten customers, the nth with n - 1 purchases of n times 250 euros; ids of the segments and of customer C05."""
    business = await face.services.businesses.open("shop")
    people = [NewCustomer(f"C{n:02d}", f"Name {n}", None, "GOLD" if n % 2 else None) for n in range(1, 11)]
    await face.services.customers.upsert(business, people, ACTOR)
    bought = [
        purchase(f"C{n:02d}", f"O{n}-{k}", f"2024-0{1 + k % 6}-10", n * 25_000, lines=(line("Kids", 100),))
        for n in range(2, 11)
        for k in range(1, n)
    ]
    await face.services.purchases.record(business, bought, ACTOR)
    ids = {"customer": str(encode("Customer", business.id, 5))}
    for key, rule, members in (
        ("regulars", {">=": [{"var": "order_count"}, 5]}, [6, 7, 8]),
        ("spenders", {">": [{"var": "total_revenue"}, 10_000]}, []),
        ("vip", None, [1, 2, 6]),
    ):
        kind = SegmentKind.MANUAL if rule is None else SegmentKind.AUTOMATIC
        draft = Draft(key.title(), kind, definition=Definition(rule))
        made, _ = await face.services.segments.create(business, draft, ACTOR)
        ids[key] = str(encode("Segment", business.id, made.id))
        await put_in(face, made.id, members)
    return ids


async def put_in(face: Face, segment: int, customers: Sequence[int]) -> None:
    business = await face.services.businesses.open("shop")
    async with face.services.segments.store.write(business) as unit:
        await unit.memberships.add(segment, customers, unit.instant, MembershipSource.MANUAL, "test")
