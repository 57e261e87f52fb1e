"""What has an audit event: line T9 of the reliability requirements, walked over the schema itself. Every mutation has
exactly one, done or refused; a query has none, but where the token does not permit it."""

from collections.abc import Sequence
from typing import Any

import pytest

from domain.audit import MOST_REFUSALS
from domain.imports.model import NewImport
from domain.model import Actor, AuditRecord
from domain.pages import PageRequest
from gql.schema.types.ids import encode
from tests.drivers.face import Face
from tests.drivers.root_fields import FIELDS

pytestmark = pytest.mark.anyio
VIEW, EDIT = "customers:view", "customers:edit"
RUNS = "query($id: ID!) { recalculations(segmentId: $id) { nodes { id } } }"
ERRORS = "{ userErrors { field message code } }"
MUTATIONS = [field for field in FIELDS if field.name.startswith("mutation")]
QUERIES = [field for field in FIELDS if field.name.startswith("query")]
ORDER = '{customerExternalId: "N1", externalId: "NO1", purchasedAt: "2024-06-01", amount: "5", storefrontKey: "main"}'
CALLS: Sequence[tuple[str, str]] = (
    ("cancelJob", 'id: "{run}"'),
    ("recalculateSegment", 'segmentId: "{regulars}"'),
    ("recalculateSegments", ""),
    ("recalculateCustomer", 'customerId: "{customer}"'),
    ("createSegment", 'input: {{name: "New", kind: MANUAL}}'),
    ("updateSegment", 'input: {{id: "{vip}", name: "Best"}}'),
    ("updateSegment", 'input: {{id: "{vip}", name: "Best"}}'),
    ("createStandardSegments", ""),
    ("createStandardSegments", ""),
    ("assignSegment", 'segmentId: "{vip}", customerIds: ["{customer}"]'),
    ("assignSegment", 'segmentId: "{vip}", customerIds: []'),
    ("removeSegment", 'segmentId: "{vip}", customerIds: ["{customer}"]'),
    ("setSegmentMembers", 'segmentId: "{vip}", customerIds: ["{customer}"], emails: []'),
    ("setSegmentMembers", 'segmentId: "{vip}", customerIds: ["{customer}"]'),
    ("duplicateSegment", 'id: "{vip}", name: "Another"'),
    ("freezeSegment", 'id: "{regulars}", name: "Frozen"'),
    ("createSnapshot", 'segmentId: "{vip}"'),
    ("deleteSegment", 'id: "{spenders}"'),
    ("updateBusinessSettings", 'settings: "{{\\"lapsed_days\\": 120}}"'),
    ("updateBusinessSettings", 'settings: "{{\\"lapsed_days\\": 120}}"'),
    ("saveSourceFormat", 'name: "mine", settings: "{{\\"date_format\\": \\"%d.%m.%Y\\"}}"'),
    ("deleteSourceFormat", 'name: "mine"'),
    ("recordPurchases", f"input: [{ORDER.replace('{', '{{').replace('}', '}}')}]"),
    ("recordPurchases", "input: []"),
    ("updateStorefront", 'id: "{storefront}", name: "Main street"'),
    ("updateStorefront", 'id: "{storefront}", name: "Main street"'),
    ("deletePurchases", 'externalIds: ["NO1", "unknown"]'),
    ("deletePurchases", "externalIds: []"),
    ("upsertCustomers", 'input: [{{externalId: "N2"}}]'),
    ("upsertCustomers", "input: []"),
    ("mergeCustomers", 'fromId: "{other}", intoId: "{customer}"'),
    ("eraseCustomer", 'customerId: "{customer}"'),
    ("eraseCustomer", 'customerId: "{customer}"'),
    ("revokeTokens", 'jti: "stolen"'),
    ("exportSegmentationReport", "format: CSV"),
    ("exportSegmentMembers", 'segmentId: "{vip}", format: CSV'),
    ("revokeTokens", 'jti: "lost"'),
    ("undoImport", 'id: "{imported}"'),
)
"""Calls that succeed, one after the other, some of which find nothing to change."""


async def newest(face: Face) -> list[AuditRecord]:
    """The events there are, newest first."""
    shop = await face.services.businesses.open("shop")
    page = await face.services.read(shop, lambda unit: unit.audits.load_page(PageRequest(250)))
    return list(page.items)


def test_t9_every_mutation_of_the_schema_is_called() -> None:
    assert {name for name, _ in CALLS} == {field.name.partition(" ")[2] for field in MUTATIONS}


async def test_t9_a_mutation_that_succeeds_has_exactly_one_event(both: Face, ids: dict[str, str]) -> None:
    runs = await both.data(
        "query($id: ID!) { recalculations(segmentId: $id) { nodes { id } } }", {"id": ids["regulars"]}
    )
    known = {**ids, "run": runs["recalculations"]["nodes"][0]["id"], "other": str(encode("Customer", 1, 9))}
    known["storefront"] = str(encode("Storefront", 1, 1))
    shop, imports = await both.services.businesses.open("shop"), both.services.imports
    ended = await imports.queue(shop, NewImport("orders.csv", {}, "tester"), None)
    await imports.cancel(shop, ended.id, Actor("tester"))
    known["imported"] = str(encode("PurchaseImport", 1, ended.id))
    before = len(await newest(both))

    for name, arguments in CALLS:
        given = f"({arguments.format(**known)})" if arguments else ""
        answer = await both.post(f"mutation {{ {name}{given} {ERRORS} }}")

        assert answer.json()["data"][name]["userErrors"] == [], name
        events = await newest(both)
        assert len(events) == before + 1, name
        event, before = events[0], len(events)
        assert (event.action, event.outcome, event.actor) == (name, "DONE", "tester")
        assert event.request_id == answer.headers["X-Request-Id"]


@pytest.mark.parametrize("permissions", [(VIEW, EDIT), (VIEW,), (EDIT,), ("other:thing",)])
async def test_t9_a_mutation_has_one_event_however_it_ends(both: Face, permissions: tuple[str, ...]) -> None:
    token, before = both.token(*permissions), len(await newest(both))

    for field in MUTATIONS:
        name = field.name.partition(" ")[2]
        body = (await both.post(field.document, token=token)).json()

        events = await newest(both)
        assert len(events) == before + 1, name
        event, before = events[0], len(events)
        said: Any = (body["data"] or {}).get(name)
        codes = ["FORBIDDEN"] if said is None else sorted({error["code"] for error in said["userErrors"]})
        outcome = "DENIED" if said is None else "REFUSED" if codes else "DONE"
        assert (event.action, event.outcome, event.actor) == (name, outcome, "tester")
        if codes:
            assert event.detail == {"codes": codes}


async def test_t9_a_query_has_no_event_unless_it_is_denied(both: Face) -> None:
    for field in QUERIES:
        await both.post(field.document)

    assert await newest(both) == []

    for field in QUERIES:
        await both.post(field.document, token=both.token("other:thing"))

    names = [field.name.partition(" ")[2] for field in QUERIES]
    assert [(event.action, event.outcome) for event in reversed(await newest(both))] == [
        (name, "DENIED") for name in names
    ]


async def test_a_refused_attempt_says_what_it_was_about(both: Face, ids: dict[str, str]) -> None:
    foreign = str(encode("Segment", 2, 1))
    for key, token in ((ids["vip"], both.token(VIEW)), (foreign, both.token(VIEW)), (ids["regulars"], both.token())):
        document = f'mutation {{ createSnapshot(segmentId: "{key}") {ERRORS} }}'
        await both.post(document, token=token)
    update = f'mutation {{ updateSegment(input: {{id: "{ids["vip"]}", expectedVersion: 9}}) {ERRORS} }}'
    await both.post(update)

    seen = [(event.action, event.outcome, event.subject, event.detail) for event in (await newest(both))[:4]]

    assert seen[0][1:] == ("REFUSED", seen[3][2], {"codes": ["CONFLICT"]})
    assert seen[1][1] == "DONE"
    assert seen[2] == ("createSnapshot", "DENIED", None, {"codes": ["FORBIDDEN"]})
    assert seen[3][:2] == ("createSnapshot", "DENIED")
    assert encode(seen[3][2][0], 1, seen[3][2][1]) == ids["vip"]


async def test_refusals_of_a_caller_are_bounded(both: Face) -> None:
    # As many aliases as a document may have.
    many = "mutation { " + " ".join(f'm{n}: deleteSegment(id: "x") {ERRORS}' for n in range(15)) + " }"
    for _ in range(5):
        await both.data(many)
    await both.data(many, token=both.token(subject="another"))

    assert [event.actor for event in await newest(both)] == ["another"] * 15 + ["tester"] * MOST_REFUSALS
