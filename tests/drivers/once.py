"""A call of every mutation that has an effect in one shop, and how a client sends it with an Idempotency-Key."""

import re
from dataclasses import dataclass
from typing import Any

import httpx

from domain.classification.rfm import RfmScheme
from domain.imports.model import NewImport
from domain.model import Actor, NewCustomer
from domain.segments.model import Definition, Segment, SegmentKind
from domain.segments.validation import Draft
from gql.schema.types.ids import encode
from tests.drivers.face import Face
from tests.shops.factories import purchase

ACTOR = Actor("test")
RICH = {">": [{"var": "total_revenue"}, 10]}
ERRORS = "userErrors { field message code }"


@dataclass(frozen=True, slots=True)
class Call:
    """A mutation that is called so, its variables by what they stand for in the shop."""

    document: str
    variables: dict[str, Any]

    def fill(self, ids: dict[str, str]) -> dict[str, Any]:
        """The variables with the ids of the shop."""
        return {name: _fill(value, ids) for name, value in self.variables.items()}


def _fill(value: Any, ids: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _fill(part, ids) for name, part in value.items()}
    if isinstance(value, list):
        return [_fill(part, ids) for part in value]
    return ids.get(value[1:], value) if isinstance(value, str) and value.startswith("$") else value


def call(field: str, declared: str, selection: str, /, **variables: Any) -> Call:
    """A call of the field with the variables, which are declared without their signs."""
    if not declared:
        return Call(f"mutation {{ {field} {{ {selection} {ERRORS} }} }}", variables)
    names = re.sub(r"(\w+): [^,]+", r"\1: $\1", declared)
    signed = re.sub(r"(\w+):", r"$\1:", declared)
    return Call(f"mutation M({signed}) {{ {field}({names}) {{ {selection} {ERRORS} }} }}", variables)


SEGMENT = "segment { id key name version memberCount members(first: 5) { nodes { externalId } } }"
RUN = "recalculation { id status segment { key } }"
CUSTOMER = "customer { id externalId name metrics { orderCount } }"
CALLS = {
    "assignSegment": call(
        "assignSegment",
        "segmentId: ID!, customerIds: [ID!]!",
        f"{SEGMENT} assignedCount",
        segmentId="$vip",
        customerIds=["$ann", "$ben"],
    ),
    "cancelJob": call("cancelJob", "id: ID!", "job { id status error { code } }", id="$run"),
    "createSegment": call(
        "createSegment", "input: CreateSegmentInput!", f"{SEGMENT} {RUN}", input={"name": "Gold", "rules": RICH}
    ),
    "createSnapshot": call(
        "createSnapshot", "segmentId: ID!", "snapshot { id memberCount segment { key } }", segmentId="$vip"
    ),
    "createStandardSegments": call(
        "createStandardSegments", "scheme: RfmScheme!", "segments { id key }", scheme=RfmScheme.EIGHT_SEGMENT.value
    ),
    "deletePurchases": call("deletePurchases", "externalIds: [String!]!", "deletedCount", externalIds=["O1", "O9"]),
    "deleteSegment": call("deleteSegment", "id: ID!", "deletedSegmentId", id="$vip"),
    "deleteSourceFormat": call("deleteSourceFormat", "name: String!", "deletedName", name="till"),
    "duplicateSegment": call(
        "duplicateSegment", "id: ID!, name: String!", f"{SEGMENT} {RUN}", id="$rich", name="Rich again"
    ),
    "eraseCustomer": call("eraseCustomer", "customerId: ID!", "erasedCustomerId", customerId="$ann"),
    "exportSegmentMembers": call(
        "exportSegmentMembers", "segmentId: ID!, format: MembersFormat!", "url", segmentId="$vip", format="CSV"
    ),
    "exportSegmentationReport": call(
        "exportSegmentationReport", "format: ExportFormat!", "url expiresAt", format="CSV"
    ),
    "freezeSegment": call("freezeSegment", "id: ID!, name: String!", f"{SEGMENT} {RUN}", id="$vip", name="VIP then"),
    "mergeCustomers": call("mergeCustomers", "fromId: ID!, intoId: ID!", CUSTOMER, fromId="$ben", intoId="$ann"),
    "recalculateCustomer": call(
        "recalculateCustomer",
        "customerId: ID!",
        f"{CUSTOMER} entered {{ id key memberCount }} left {{ key }}",
        customerId="$ann",
    ),
    "recalculateSegment": call("recalculateSegment", "segmentId: ID!", RUN, segmentId="$rich"),
    "recalculateSegments": call("recalculateSegments", "", "recalculation { id parts { nodes { id status } } }"),
    "recordPurchases": call(
        "recordPurchases",
        "input: [PurchaseInput!]!",
        "created updated unchanged",
        input=[{"customerExternalId": "C", "externalId": "O9", "purchasedAt": "2024-06-01T00:00:00Z", "amount": "7"}],
    ),
    "removeSegment": call(
        "removeSegment",
        "segmentId: ID!, customerIds: [ID!]!",
        f"{SEGMENT} removedCount",
        segmentId="$vip",
        customerIds=["$cid"],
    ),
    "revokeTokens": call("revokeTokens", "subject: String!", "revokedAt", subject="somebody"),
    "updateStorefront": call(
        "updateStorefront", "id: ID!, name: String!", "storefront { id key name }", id="$storefront", name="Main street"
    ),
    "saveSourceFormat": call(
        "saveSourceFormat",
        "name: String!, settings: JSON!",
        "sourceFormat { name settings preset updatedAt }",
        name="shop",
        settings={"date_format": "%d/%m/%Y"},
    ),
    "setSegmentMembers": call(
        "setSegmentMembers",
        "segmentId: ID!, externalIds: [String!]",
        f"{SEGMENT} assignedCount removedCount",
        segmentId="$vip",
        externalIds=["A", "B"],
    ),
    "undoImport": call("undoImport", "id: ID!", "purchaseImport { id undoneAt undo { begunAt } }", id="$imported"),
    "updateBusinessSettings": call(
        "updateBusinessSettings",
        "settings: JSON!",
        "business { id key settings settingsVersion }",
        settings={"lapsed_days": 120},
    ),
    "updateSegment": call(
        "updateSegment",
        "input: UpdateSegmentInput!",
        f"{SEGMENT} {RUN}",
        input={"id": "$rich", "name": "Richer", "rules": {">": [{"var": "order_count"}, 3]}},
    ),
    "upsertCustomers": call(
        "upsertCustomers",
        "input: [CustomerInput!]!",
        "created updated unchanged",
        input=[{"externalId": "D", "name": "Dan"}, {"externalId": "A", "name": "Anne"}],
    ),
}
"""By mutation. What begins with $ is an id of the shop."""
FURTHER = {"cancelJob of an import": call("cancelJob", "id: ID!", "job { id status }", id="$import")}
"""Mutations whose answer may be of several types."""
LINKS = {"exportSegmentMembers", "exportSegmentationReport"}


async def fill_shop(face: Face) -> dict[str, str]:
    """Three customers with an order each, a segment by hand with one member, two by rule of which one has a run that
    waits, a format, an import that was cancelled and one that waits. The ids, by short names."""
    services = face.services
    shop = await services.businesses.open("shop")
    people = [NewCustomer(key, name=name, given=frozenset({"name"})) for key, name in zip("ABC", NAMES, strict=True)]
    await services.customers.upsert(shop, people, ACTOR)
    orders = [
        purchase(key, f"O{number}", "2024-06-01", 2_000, storefront_key="main") for number, key in enumerate("ABC", 1)
    ]
    await services.purchases.record(shop, orders, ACTOR)

    async def add(draft: Draft) -> tuple[Segment, int]:
        made, job = await services.segments.create(shop, draft, ACTOR)
        return made, 0 if job is None else job.id

    rich, done = await add(Draft("Rich", definition=Definition(RICH)))
    await services.recalculations.cancel(shop, done, ACTOR)
    _, run = await add(Draft("Often", definition=Definition({">": [{"var": "order_count"}, 1]})))
    vip, _ = await add(Draft("VIP", SegmentKind.MANUAL))
    await services.memberships.assign(shop, vip.id, [3], ACTOR)
    await services.formats.save(shop, "till", {"date_format": "%d.%m.%Y"}, ACTOR)
    ended = await services.imports.queue(shop, NewImport("earlier.csv", {}, "test"), None)
    await services.imports.cancel(shop, ended.id, ACTOR)
    waiting = await services.imports.queue(shop, NewImport("orders.csv", {}, "test"), None)
    people_ids = {name: encode("Customer", shop.id, number) for number, name in enumerate(("ann", "ben", "cid"), 1)}
    return people_ids | {
        "rich": encode("Segment", shop.id, rich.id),
        "vip": encode("Segment", shop.id, vip.id),
        "run": encode("Recalculation", shop.id, run),
        "import": encode("PurchaseImport", shop.id, waiting.id),
        "imported": encode("PurchaseImport", shop.id, ended.id),
        "storefront": encode("Storefront", shop.id, 1),
    }


NAMES = ("Ann", "Ben", "Cid")


async def send(
    face: Face, document: str, variables: object = None, key: str | None = "k-1", token: str | None = None
) -> httpx.Response:
    """The answer to an operation with that Idempotency-Key, or with none."""
    headers = face.bearer(token) | ({} if key is None else {"Idempotency-Key": key})
    return await face.client.post("/graphql", json={"query": document, "variables": variables}, headers=headers)
