"""Who may do what: lines T4 and T7 of the reliability requirements, walked over the schema itself, so that a new field
without a rule here fails."""

import re

import pytest
from graphql import GraphQLInputObjectType

from gql.http.explorer import ASSETS
from gql.schema.schema import make_schema
from gql.settings import Settings
from tests.drivers.face import Face
from tests.drivers.root_fields import FIELDS, RootField
from tests.drivers.sockets import live, receive, subscribe

pytestmark = pytest.mark.anyio
VIEW, EDIT = "customers:view", "customers:edit"
RULES = {
    **{f"query {name}": VIEW for name in ("node", "nodes", "viewer", "customer", "customers", "storefronts")},
    "query segmentationReport": VIEW,
    **{f"query {name}": VIEW for name in ("segmentTransitions", "segmentationTrend", "classificationStatistics")},
    "query auditEvents": EDIT,
    **{f"query {name}": VIEW for name in ("segment", "segments", "job", "recalculations", "imports")},
    **{f"query {name}": VIEW for name in ("segmentPreview", "segmentExplain", "segmentOverlap", "ruleVariables")},
    **{f"mutation {name}": EDIT for name in ("recordPurchases", "deletePurchases", "upsertCustomers")},
    **{f"mutation {name}": EDIT for name in ("createSegment", "updateSegment", "deleteSegment")},
    **{f"mutation {name}": EDIT for name in ("assignSegment", "removeSegment", "createSnapshot", "eraseCustomer")},
    **{f"mutation {name}": EDIT for name in ("duplicateSegment", "freezeSegment", "setSegmentMembers")},
    **{f"mutation {name}": EDIT for name in ("recalculateSegment", "recalculateSegments", "recalculateCustomer")},
    **{f"mutation {name}": EDIT for name in ("createStandardSegments", "cancelJob", "undoImport", "mergeCustomers")},
    **{f"mutation {name}": EDIT for name in ("updateBusinessSettings", "revokeTokens")},
    "query sourceFormats": VIEW,
    **{f"mutation {name}": EDIT for name in ("saveSourceFormat", "deleteSourceFormat", "updateStorefront")},
    **{f"mutation {name}": VIEW for name in ("exportSegmentationReport", "exportSegmentMembers")},
    **{f"subscription {name}": VIEW for name in ("recalculationProgress", "jobProgress", "membershipChanges")},
}
SUBSCRIPTIONS = [field for field in FIELDS if field.name.startswith("subscription")]
CALLS = [field for field in FIELDS if field not in SUBSCRIPTIONS]
TOKENS = {"anonymous": None, "nothing": ("other:thing",), "view": (VIEW,), "edit": (EDIT,), "both": (VIEW, EDIT)}


def test_t4_every_root_field_of_the_schema_has_its_rule() -> None:
    assert {field.name for field in FIELDS} == set(RULES)


@pytest.mark.shared_store
@pytest.mark.parametrize("who", TOKENS)
@pytest.mark.parametrize("field", CALLS, ids=lambda field: field.name)
async def test_t4_a_field_answers_those_who_hold_its_permission_and_nobody_else(
    face: Face, field: RootField, who: str
) -> None:
    permissions = TOKENS[who]
    before = (await face.services.businesses.open("shop")).change_number
    headers = {} if permissions is None else face.bearer(face.token(*permissions))

    answer = await face.client.post("/graphql", json={"query": field.document}, headers=headers)
    after = (await face.services.businesses.open("shop")).change_number

    body = answer.json()
    codes = [error["extensions"]["code"] for error in body.get("errors", [])]
    if permissions is None:
        assert (answer.status_code, codes) == (401, ["UNAUTHENTICATED"])
    elif RULES[field.name] in permissions:
        assert answer.status_code == 200, body
        assert {"FORBIDDEN", "UNAUTHENTICATED", "INTERNAL"}.isdisjoint(codes)
    else:
        name = field.name.partition(" ")[2]
        assert (answer.status_code, codes) == (200, ["FORBIDDEN"])
        assert body["errors"][0]["message"] == f"This needs the permission {RULES[field.name]}."
        assert not (body["data"] or {}).get(name)
    if permissions is None or RULES[field.name] not in permissions:
        assert after == before


@pytest.mark.parametrize("who", ["nothing", "view", "edit", "both"])
@pytest.mark.parametrize("field", SUBSCRIPTIONS, ids=lambda field: field.name)
async def test_t4_a_subscription_begins_for_those_who_hold_its_permission(
    face: Face, field: RootField, who: str
) -> None:
    permissions = TOKENS[who]
    assert permissions is not None
    permitted = RULES[field.name] in permissions

    async with live(face.app) as server, server.initiate(face.token(*permissions)) as client:
        await subscribe(client, "1", field.document)
        try:
            first = str(await receive(client, 0.5 if permitted else 5))
        except TimeoutError:
            # It waits for something to happen.
            first = ""

    assert ("FORBIDDEN" in first) is not permitted
    assert "INTERNAL" not in first


@pytest.mark.read_only
async def test_t4_a_permission_is_a_whole_word(face: Face) -> None:
    near = ("customers", "customers:*", "*", "CUSTOMERS:VIEW", "customers:view ", "customers:viewer", "")

    codes = {await face.code("{ viewer { subject } }", token=face.token(one)) for one in near}

    assert codes == {"FORBIDDEN"}


@pytest.mark.read_only
async def test_t4_the_explorer_page_alone_is_open_and_holds_no_data(face: Face) -> None:
    page = await face.client.get("/graphql", headers={"Accept": "text/html"})

    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert 'const given = "";' in page.text
    assert "eyJ" not in page.text


@pytest.mark.parametrize("local", [True, False])
def test_what_the_explorer_loads_of_this_server_lies_below_any_prefix(local: bool) -> None:
    tags = [asset.build_tag(local) for asset in ASSETS]

    addresses = [address for tag in tags for address in re.findall(r'(?:src|href)="([^"]*)"', tag)]
    assert len(addresses) == len(ASSETS)
    assert not any(address.startswith("/") for address in addresses)


CLAIMED = {"business", "businessId", "tenant", "tenantId", "createdBy", "updatedBy", "requestedBy", "actor", "isSystem"}
CLAIMED |= {"role", "permissions"}
"""What only a token, or the server itself, says."""
SCHEMA = make_schema(Settings())._schema
INPUTS = {
    name: kind
    for name, kind in SCHEMA.type_map.items()
    if isinstance(kind, GraphQLInputObjectType) and not name.startswith("__")
}


def test_t7_no_input_says_what_the_token_says() -> None:
    arguments = {
        f"{kind}.{field}": set(one.args)
        for kind in ("Query", "Mutation", "Subscription")
        for field, one in SCHEMA.type_map[kind].fields.items()
    }
    given = {**arguments, **{name: set(kind.fields) for name, kind in INPUTS.items()}}

    assert {name: fields & CLAIMED for name, fields in given.items() if fields & CLAIMED} == {}


@pytest.mark.read_only
@pytest.mark.parametrize("key", sorted(CLAIMED))
async def test_t7_a_key_that_no_input_has_is_refused_and_nothing_is_written(face: Face, key: str) -> None:
    document = f'mutation {{ createSegment(input: {{name: "VIP", kind: MANUAL, {key}: "x"}}) {{ segment {{ id }} }} }}'
    variables = "mutation($input: CreateSegmentInput!) { createSegment(input: $input) { segment { id } } }"
    argument = f'mutation {{ deletePurchases(externalIds: ["1"], {key}: "x") {{ deletedCount }} }}'

    answers = [
        await face.post(document),
        await face.post(variables, {"input": {"name": "VIP", "kind": "MANUAL", key: "x"}}),
        await face.post(argument),
    ]

    assert [answer.json()["errors"][0]["extensions"]["code"] for answer in answers] == ["BAD_USER_INPUT"] * 3
    assert all(f"'{key}'" in answer.json()["errors"][0]["message"] for answer in answers)
    assert not any(answer.json().get("data") for answer in answers)
