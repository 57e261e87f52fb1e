"""Whatever a caller passes to whatever field, the fault is never ours: line B1 of the reliability requirements. Calls
are generated from the schema, so that a new field or argument is tried without being named here."""

import json

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gql.schema.schema import make_schema
from gql.settings import Settings
from tests.conftest import examples
from tests.drivers.face import Face
from tests.drivers.fuzzing import Call, Caller, refuse
from tests.drivers.root_fields import FIELDS

pytestmark = [pytest.mark.anyio, pytest.mark.shared_store]
IDS = """{ viewer { business { id } } storefronts { id } segments { nodes { id } }
  customers(first: 5) { nodes { id purchases(first: 1) { nodes { id } } } } }"""
MAKE = """mutation { createStandardSegments { segments { id } }
  createSegment(input: {name: "By hand", kind: MANUAL}) { segment { id } } }"""
CODES = {"BAD_USER_INPUT", "NOT_FOUND", "LIMIT_EXCEEDED", "INVALID_RULE", "HISTORY_COMPACTED", "CONFLICT"}
NAMES = [field.name for field in FIELDS if not field.name.startswith("subscription")]
SCHEMA = make_schema(Settings())._schema
_known: dict[int, list[str]] = {}


async def ids_of(face: Face) -> list[str]:
    """Ids of objects of most types."""
    if id(face.database) not in _known:
        await face.post(MAKE)
        text = json.dumps(await face.data(IDS))
        _known[id(face.database)] = [part for part in text.split('"') if len(part) > 12 and part.isalnum()]
    return _known[id(face.database)]


def draw_calls(calls: st.SearchStrategy[Call]) -> list[Call]:
    """Some of them: the test's own loop makes the requests, so that they are drawn first."""
    drawn: list[Call] = []

    @settings(max_examples=examples(4, 200), suppress_health_check=list(HealthCheck), phases=[Phase.generate])
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


@pytest.mark.parametrize("name", NAMES)
async def test_b1_no_argument_of_a_field_is_our_fault(reported: Face, name: str) -> None:
    calls = draw_calls(Caller(SCHEMA, await ids_of(reported)).calls(*name.split()))

    faults = [(call, fault) for call in calls if (fault := find_fault(await reported.raw(call.body)))]

    assert faults == []
