"""Who may do what: line T4 of the reliability requirements, walked over the schema itself, so that a new field without
a rule here fails; and T5, what the ids of another business are worth."""

import itertools
from dataclasses import dataclass
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    get_named_type,
    is_composite_type,
    is_required_argument,
    is_required_input_field,
)

from gql.ids import decode, encode
from gql.schema import make_schema
from gql.settings import Settings
from tests.api.conftest import Face

pytestmark = pytest.mark.anyio
VIEW, EDIT = "customers:view", "customers:edit"
RULES = {
    "query node": VIEW,
    "query nodes": VIEW,
    "query viewer": VIEW,
    "query customer": VIEW,
    "query customers": VIEW,
    "query storefronts": VIEW,
    "query segmentationReport": VIEW,
    "mutation recordPurchases": EDIT,
    "mutation deletePurchases": EDIT,
    "mutation upsertCustomers": EDIT,
}
LITERALS = {
    "ID": '"Q3VzdG9tZXI6MS4x"',
    "String": '"x"',
    "Int": "1",
    "Float": "1.5",
    "Boolean": "false",
    "Decimal": '"1.50"',
    "Date": '"2024-01-01"',
    "DateTime": '"2024-01-01T00:00:00Z"',
    "JSON": '"{}"',
}
TOKENS = {"anonymous": None, "nothing": ("other:thing",), "view": (VIEW,), "edit": (EDIT,), "both": (VIEW, EDIT)}


@dataclass(frozen=True)
class RootField:
    """A field of a root type with a call of it that is well-formed."""

    name: str
    document: str
    ids: tuple[str, ...]


def literal(kind: GraphQLInputType) -> str:
    """A value of the type."""
    if isinstance(kind, GraphQLNonNull):
        return literal(kind.of_type)
    if isinstance(kind, GraphQLList):
        return f"[{literal(kind.of_type)}]"
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values))
    if isinstance(kind, GraphQLInputObjectType):
        needed = [(name, field.type) for name, field in kind.fields.items() if is_required_input_field(field)]
        return "{" + ", ".join(f"{name}: {literal(inner)}" for name, inner in needed) + "}"
    return LITERALS[kind.name]


def root_fields(schema: GraphQLSchema) -> list[RootField]:
    """All of them, of every kind of operation."""
    found = []
    for operation, root in (
        ("query", schema.query_type),
        ("mutation", schema.mutation_type),
        ("subscription", schema.subscription_type),
    ):
        for name, field in root.fields.items() if root else ():
            given = {key: literal(one.type) for key, one in field.args.items() if is_required_argument(one)}
            arguments = f"({', '.join(f'{key}: {value}' for key, value in given.items())})" if given else ""
            selection = " { __typename }" if is_composite_type(get_named_type(field.type)) else ""
            ids = tuple(key for key, one in field.args.items() if get_named_type(one.type).name == "ID")
            found.append(RootField(f"{operation} {name}", f"{operation} {{ {name}{arguments}{selection} }}", ids))
    return found


FIELDS = root_fields(make_schema(Settings())._schema)


def test_t4_every_root_field_of_the_schema_has_its_rule() -> None:
    assert {field.name for field in FIELDS} == set(RULES)


@pytest.mark.parametrize("who", TOKENS)
@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
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


async def test_t4_a_permission_is_a_whole_word(face: Face) -> None:
    near = ("customers", "customers:*", "*", "CUSTOMERS:VIEW", "customers:view ", "customers:viewer", "")

    codes = {await face.code("{ viewer { subject } }", token=face.token(one)) for one in near}

    assert codes == {"FORBIDDEN"}


async def test_t4_the_explorer_page_alone_is_open_and_holds_no_data(face: Face) -> None:
    page = await face.client.get("/graphql", headers={"Accept": "text/html"})

    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "Bearer" not in page.text


ITEM = {"customerExternalId": "A", "externalId": "order", "purchasedAt": "2024-05-01", "amount": "10", "channel": "web"}
RECORD = "mutation R($input: [PurchaseInput!]!) { recordPurchases(input: $input) { created userErrors { message } } }"
IDS = """{ viewer { business { id } } storefronts { id }
  customers { nodes { id externalId purchases { nodes { id externalId } } } } }"""


async def own_ids(face: Face, business: str) -> list[str]:
    """The id of one object of each type, in a business that has one customer with one purchase in a storefront."""
    token = face.token(business=business)
    made = await face.data(RECORD, {"input": [{**ITEM, "storefrontKey": "main"}]}, token)
    assert made["recordPurchases"] == {"created": 1, "userErrors": []}
    data = await face.data(IDS, token=token)
    customer = data["customers"]["nodes"][0]
    things = (data["viewer"]["business"], data["storefronts"][0], customer, customer["purchases"]["nodes"][0])
    return [thing["id"] for thing in things]


def absent(value: str) -> str:
    """An id of the same type and business that nothing has."""
    found = decode(value)
    assert found is not None
    kind, numbers = found
    return str(encode(kind, numbers[0], *(number + 10**6 for number in numbers[1:])))


def document(field: RootField, argument: str, value: str) -> str:
    listed = f'["{value}"]' if argument.endswith("ds") else f'"{value}"'
    name = field.name.partition(" ")[2]
    return f"{field.name.partition(' ')[0]} {{ {name}({argument}: {listed}) {{ __typename }} }}"


WITH_IDS = [(field, argument) for field in FIELDS for argument in field.ids]


@pytest.mark.parametrize(("field", "argument"), WITH_IDS, ids=lambda value: getattr(value, "name", value))
async def test_t5_an_id_of_another_business_is_answered_like_one_that_nothing_has(
    both: Face, field: RootField, argument: str
) -> None:
    own = await own_ids(both, "shop")
    foreign = await own_ids(both, "other")
    found = {(await both.post(document(field, argument, value))).text for value in own}
    assert len(found) > 1

    for value in foreign:
        kind, numbers = decode(value) or ("", ())
        mine = str(encode(kind, 1, *(10**6 for _ in numbers[1:]))) if numbers[1:] else str(encode(kind, 99))
        queries = [document(field, argument, one) for one in (value, absent(value), mine)]
        bodies = [(answer.status_code, answer.json()) for answer in [await both.post(query) for query in queries]]

        assert bodies[0] == bodies[1] == bodies[2], (kind, bodies)
        assert "INTERNAL" not in str(bodies)


async def test_t5_every_field_with_an_id_was_tried() -> None:
    assert {f"{field.name} {argument}" for field, argument in WITH_IDS} == {
        "query node id",
        "query nodes ids",
        "query customer id",
        "query segmentationReport storefrontId",
    }


async def test_t5_changes_by_the_shops_own_ids_stay_in_the_business(both: Face) -> None:
    await own_ids(both, "other")
    other = both.token(business="other")
    before = await both.data(IDS, token=other)

    deleted = await both.data('mutation { deletePurchases(externalIds: ["order"]) { deletedCount } }')
    recorded = await both.data(RECORD, {"input": [{**ITEM, "customerExternalId": "B"}]})
    renamed = await both.data(
        'mutation { upsertCustomers(input: [{externalId: "A", name: "Mine"}]) { created updated } }'
    )
    after = await both.data(IDS, token=other)
    names = await both.data("{ customers { nodes { externalId name } } }", token=other)

    assert deleted["deletePurchases"]["deletedCount"] == 0
    assert recorded["recordPurchases"] == {"created": 1, "userErrors": []}
    assert renamed["upsertCustomers"] == {"created": 1, "updated": 0}
    assert after == before
    assert names["customers"]["nodes"] == [{"externalId": "A", "name": None}]


@pytest.mark.parametrize("sort", ["EXTERNAL_ID", "NAME", "TOTAL_REVENUE", "LAST_PURCHASE_AT"])
async def test_t5_a_cursor_of_another_business_shows_none_of_its_rows(both: Face, sort: str) -> None:
    query = "query P($after: String, $sort: CustomerSort) { customers(after: $after, sort: $sort) { %s } }"
    upsert = "mutation U($input: [CustomerInput!]!) { upsertCustomers(input: $input) { created } }"
    for business in ("shop", "other"):
        rows = [{"externalId": f"{business}-{number}", "name": f"Name {number}"} for number in range(5)]
        await both.data(upsert, {"input": rows}, both.token(business=business))
    foreign = await both.data(query % "edges { cursor }", {"sort": sort}, both.token(business="other"))

    seen: set[str] = set()
    for edge in foreign["customers"]["edges"]:
        variables = {"sort": sort, "after": edge["cursor"]}
        page: Any = (await both.data(query % "nodes { externalId }", variables))["customers"]["nodes"]
        seen |= {node["externalId"].partition("-")[0] for node in page}

    assert len(foreign["customers"]["edges"]) == 5
    assert seen <= {"shop"}


async def test_t5_no_made_up_id_is_found_or_breaks_anything(both: Face) -> None:
    mine = await own_ids(both, "shop")
    await own_ids(both, "other")
    kinds = ("Customer", "Purchase", "Storefront", "Business", "Query", "Node")
    numbers = itertools.chain(itertools.product((0, 1, 2, 10**18 - 1), repeat=2), itertools.product((1, 2), repeat=3))
    made = [str(encode(kind, *one)) for one in numbers for kind in kinds] + [str(encode(kind, 2)) for kind in kinds]

    found: list[Any] = []
    for start in range(0, len(made), 200):
        data = await both.data("query N($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": made[start : start + 200]})
        found += data["nodes"]

    assert {node["id"] for node in found if node} <= set(mine)
