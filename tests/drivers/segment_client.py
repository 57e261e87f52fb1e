"""What the tests of segments ask the application, and how they read its answers."""

from typing import Any

from sqlalchemy import select

from persistence.tables.requests import audit_event
from tests.drivers.face import Face

RICH = {">": [{"var": "total_revenue"}, 1000]}
ERRORS = "userErrors { field message code path }"
FIELDS = """id key name description kind isDynamic isRfm rfmConfig { minScore maxScore } rules sentence schedule version
  criteria { minLifetimeValue maxLifetimeValue minOrders minDaysSinceLastPurchase maxPurchaseFrequency maxTenureDays
    loyaltyLevels }
  createdBy createdAt updatedAt deletedAt lastCalculated nextRunAt memberCount"""
RUN = "recalculation { id status segment { key } }"
CREATE = f"""mutation Create($input: CreateSegmentInput!) {{
  createSegment(input: $input) {{ segment {{ {FIELDS} }} {RUN} {ERRORS} }} }}"""
UPDATE = f"""mutation Update($input: UpdateSegmentInput!) {{
  updateSegment(input: $input) {{ segment {{ {FIELDS} }} {RUN} {ERRORS} }} }}"""
DELETE = f"mutation Delete($id: ID!) {{ deleteSegment(id: $id) {{ deletedSegmentId {ERRORS} }} }}"
STANDARD = f"""mutation Standard($scheme: RfmScheme!) {{
  createStandardSegments(scheme: $scheme) {{ segments {{ {FIELDS} }} {ERRORS} }} }}"""
LIST = """query List($filter: SegmentFilter, $sort: SegmentSort, $reverse: Boolean, $first: Int, $after: String,
    $last: Int, $before: String) {
  segments(filter: $filter, sort: $sort, reverse: $reverse, first: $first, after: $after, last: $last,
    before: $before) {
    totalCount nodes { id name key memberCount sentence } pageInfo { hasNextPage endCursor startCursor } } }"""


def uses(*keys: str) -> object:
    """A rule that uses the segments of those keys."""
    return [{"in": [key, {"var": "segments"}]} for key in keys]


async def create(face: Face, name: str, **more: object) -> dict[str, Any]:
    """A segment that must succeed, with its run."""
    payload = (await face.data(CREATE, {"input": {"name": name, **more}}))["createSegment"]
    assert payload["userErrors"] == []
    return dict(payload)


async def by_hand(face: Face, name: str) -> str:
    made = await create(face, name, kind="MANUAL")
    return str(made["segment"]["id"])


async def update(face: Face, **input: object) -> dict[str, Any]:
    return dict((await face.data(UPDATE, {"input": input}))["updateSegment"])


async def wrong(face: Face, **input: object) -> list[tuple[str, str, str | None]]:
    """Field, code and path of the errors of a segment that cannot be created."""
    payload = (await face.data(CREATE, {"input": {"name": "X", **input}}))["createSegment"]
    assert payload["segment"] is payload["recalculation"] is None
    return said(payload)


def said(payload: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    return [(".".join(each["field"]), each["code"], each["path"]) for each in payload["userErrors"]]


async def names(face: Face, **arguments: object) -> list[str]:
    return [node["name"] for node in (await face.data(LIST, arguments))["segments"]["nodes"]]


async def events(face: Face) -> list[tuple[str, str, Any]]:
    """Actor, action and detail of every audit event, in their order."""
    columns = (audit_event.c.actor, audit_event.c.action, audit_event.c.detail)
    async with face.database.reader.connect() as connection:
        rows = await connection.execute(select(*columns).order_by(audit_event.c.id))
        return [(row.actor, row.action, row.detail) for row in rows]
