"""What memberships cost: the same statements for a page of one and of many, and for a busy segment and an idle one."""

from typing import Any

import pytest

from domain.model import Actor, NewCustomer
from domain.segments.model import Definition, MembershipSource, NewSegment, SegmentKind, Snapshot
from gql.schema.types.ids import encode
from persistence.database.engines import Database
from persistence.store import SqlStore
from tests.conftest import once_a_store
from tests.drivers.face import Face

pytestmark = [pytest.mark.anyio, pytest.mark.read_only]
SEGMENTS, CUSTOMERS = 45, 255
PARTS = {
    "metrics": "metrics { totalMembers totalRevenue snapshots { memberCount members(first: 1) { nodes { id } } } }",
    "members": "members(first: 2) { totalCount nodes { externalId segments { segment { key } } } }",
    "sorted members": "members(first: 2, sort: TOTAL_REVENUE, reverse: true) { totalCount nodes { externalId } }",
    "found members": 'members(first: 2, sort: NAME, search: "c1") { totalCount nodes { externalId } }',
    "past members": 'members(first: 2, asOf: "2024-06-16") { totalCount edges { source } }',
    "is member": f'isMember(customerId: "{encode("Customer", 1, 1)}")',
    "snapshots": "snapshots(first: 2) { totalCount nodes { memberIds(first: 3) segment { key } } }",
    "sizes": 'sizeSeries(from: "2024-06-01", to: "2024-06-15", interval: WEEK) { memberCount }',
    "changes": "changes(first: 2) { totalCount nodes { customer { externalId } segment { key } } }",
}


@pytest.fixture
@once_a_store
async def filled(database: Database, both: Face) -> Face:
    """Every customer is in every segment, and each segment has a snapshot."""
    shop = await both.services.businesses.open("shop")
    named = [NewCustomer(f"C{number:03d}") for number in range(CUSTOMERS)]
    await both.services.customers.upsert(shop, named, Actor("test"))
    store = SqlStore(both.database, both.clock)
    async with store.write(shop) as unit:
        for number in range(SEGMENTS):
            kind, name = SegmentKind.MANUAL, f"s{number:03d}"
            new = NewSegment(name, name, None, kind, False, False, Definition(), None, None)
            made = await unit.segments.add(new, unit.instant)
            ids = range(1, CUSTOMERS + 1)
            await unit.memberships.add(made.id, ids, unit.instant, MembershipSource.MANUAL, None)
            await unit.snapshots.add(Snapshot(made.id, unit.instant, CUSTOMERS, None, None))
    return both


def count_statements(statements: list[str]) -> int:
    found = sum(not statement.startswith(("BEGIN", "PRAGMA", "SELECT pg_catalog")) for statement in statements)
    statements.clear()
    return found


@pytest.mark.parametrize("part", PARTS)
async def test_a_page_of_segments_costs_the_same_for_one_and_for_many(filled: Face, part: str) -> None:
    statements = filled.statements()
    query = f"query Page($first: Int) {{ segments(first: $first) {{ nodes {{ key {PARTS[part]} }} }} }}"

    costs = []
    for first in (1, 40):
        data = await filled.data(query, {"first": first})
        assert len(data["segments"]["nodes"]) == first
        costs.append(count_statements(statements))

    assert costs[0] == costs[1] <= 9


@pytest.mark.parametrize(
    "part",
    [
        "segments { source segment { key memberCount } }",
        "membershipHistory(first: 2) { totalCount nodes { kind segment { key } } }",
    ],
)
async def test_a_page_of_customers_costs_the_same_for_one_and_for_many(filled: Face, part: str) -> None:
    statements = filled.statements()
    query = f"query Page($first: Int) {{ customers(first: $first) {{ nodes {{ id {part} }} }} }}"

    costs = []
    for first in (1, 40):
        data = await filled.data(query, {"first": first})
        assert len(data["customers"]["nodes"]) == first
        costs.append(count_statements(statements))

    assert costs[0] == costs[1] <= 5


async def test_a_page_of_250_members_with_metrics_costs_the_same(filled: Face) -> None:
    statements = filled.statements()
    query = """query Page($first: Int, $id: ID!) { segment(id: $id) { members(first: $first) { totalCount edges {
      source node { metrics { orderCount } } } } } }"""

    costs = []
    for first in (1, 250):
        data: Any = await filled.data(query, {"first": first, "id": encode("Segment", 1, 7)})
        assert len(data["segment"]["members"]["edges"]) == first
        costs.append(count_statements(statements))

    assert costs[0] == costs[1] <= 4
