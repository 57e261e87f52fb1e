"""Whatever a caller passes to whatever field, the fault is never ours: line B1 of the reliability requirements. Calls
are generated from the schema, so that a new field or argument is tried without being named here."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from domain.model import Actor
from gql.composition import Services
from gql.schema.schema import make_schema
from gql.settings import Settings
from persistence.database.engines import Database
from tests.conftest import SetClock, examples, once_a_store, sqlite_alone
from tests.drivers.face import SECRET, Face, code_of, presenting
from tests.drivers.fuzzing import Call, Caller, refuse
from tests.drivers.root_fields import FIELDS
from tests.shops.reported_shop import orders

pytestmark = [pytest.mark.anyio, pytest.mark.shared_store]
IDS = """{ viewer { business { id } } storefronts { id } segments { nodes { id } }
  customers(first: 5) { nodes { id purchases(first: 1) { nodes { id } } } } }"""
MAKE = """mutation { createStandardSegments { segments { id } }
  createSegment(input: {name: "By hand", kind: MANUAL}) { segment { id } } }"""
CODES = {"BAD_USER_INPUT", "NOT_FOUND", "LIMIT_EXCEEDED", "INVALID_RULE", "HISTORY_COMPACTED", "CONFLICT"}
CREATE = "mutation C($input: CreateSegmentInput!) { createSegment(input: $input) { userErrors { message } } }"
SCHEMA = make_schema(Settings())._schema


@asynccontextmanager
async def unthrottled(database: Database, clock: SetClock) -> AsyncIterator[Face]:
    """The application, which answers one caller however much is asked."""
    async with presenting(database, clock, Settings(jwt_secret=SECRET, cost_bucket=0)) as face:
        yield face


@pytest.fixture
@once_a_store
async def ids(database: Database, clock: SetClock, services: Services) -> list[str]:
    """Ids of objects of most types of a shop."""
    shop = await services.businesses.create("shop", None, "UTC", "EUR")
    await services.purchases.record(shop, orders(), Actor("test"))
    async with unthrottled(database, clock) as face:
        await face.data(MAKE)
        text = json.dumps(await face.data(IDS))
    return [part for part in text.split('"') if len(part) > 12 and part.isalnum()]


def draw_calls(calls: st.SearchStrategy[Call]) -> list[Call]:
    """Some of them: the test's own loop makes the requests, so that they are drawn first."""
    drawn: list[Call] = []

    @settings(max_examples=examples(2, 200), suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(calls)
    def draw(call: Call) -> None:
        drawn.append(call)

    draw()
    return drawn


def find_fault(answer: httpx.Response) -> str | None:
    """What of the answer is ours."""
    said = json.loads(answer.text, parse_constant=refuse)
    codes = {error["extensions"]["code"] for error in said.get("errors", [])}
    return None if answer.status_code in (200, 400) and codes <= CODES else answer.text[:500]


@sqlite_alone
@pytest.mark.parametrize("operation", ["query", "mutation"])
async def test_b1_no_argument_of_a_field_is_our_fault(
    database: Database, clock: SetClock, ids: list[str], operation: str
) -> None:
    names = [name for kind, _, name in (field.name.partition(" ") for field in FIELDS) if kind == operation]
    faults = []

    async with unthrottled(database, clock) as face:
        for name in names:
            calls = draw_calls(Caller(SCHEMA, ids).calls(operation, name))
            faults += [(call, fault) for call in calls if (fault := find_fault(await face.raw(call.body)))]

    assert faults == []
    assert len(names) > 15


@pytest.mark.parametrize("name", ["İ", "", "İ" * 50, "\0", "ﬀ"])
async def test_b1_a_name_that_an_input_does_not_have_is_the_caller_s_fault(
    database: Database, clock: SetClock, ids: list[str], name: str
) -> None:
    async with unthrottled(database, clock) as face:
        unknown = await face.post(CREATE, {"input": {"name": "N", name: 1}})
        other = await face.post(CREATE, {"input": {"name": "N", "kind": name}})

    assert (unknown.status_code, code_of(unknown)) == (400, "BAD_USER_INPUT")
    assert (other.status_code, code_of(other)) == (400, "BAD_USER_INPUT")


def nest(depth: int) -> str:
    return f"{'[' * depth}{']' * depth}"


@pytest.mark.parametrize("depth", [99, 101, 450])
async def test_b1_values_nested_deeply_in_a_document_are_the_caller_s_fault(
    database: Database, clock: SetClock, ids: list[str], depth: int
) -> None:
    document = f"{{ segmentPreview(definition: {{rules: {nest(depth)}}}) {{ matchCount }} }}"

    async with unthrottled(database, clock) as face:
        answer = await face.post(document)

    assert "INTERNAL" not in answer.text
    assert answer.status_code in (200, 400)
