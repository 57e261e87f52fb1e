"""What clients and the log are told of a failure: line T10 of the reliability requirements, and D4 where it is about
the log. Expected failures keep their sentence, surprises become an id."""

import logging
import re
from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy import text

from domain.errors import Sentence
from gql.logs import OneLineFormatter
from gql.schema.errors import name_path, name_text
from gql.settings import Settings
from persistence.database.engines import Database
from tests.conftest import SetClock
from tests.drivers.face import SECRET, Face, code_of
from tests.drivers.probe import DSN, Journal, probe_app

pytestmark = pytest.mark.anyio
DAY = '"2024-04-20"'
ONE_DAY = f"from: {DAY}, to: {DAY}"
REQUEST_ID = re.compile(r"[0-9a-f]{16}")


@pytest.fixture
async def probe(face: Face, database: Database, clock: SetClock) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the misbehaving schema."""
    app = probe_app(Settings(jwt_secret=SECRET), clock, face.services, database, Journal())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=face.bearer()) as client:
        yield client


@pytest.fixture
def ours(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Everything that the program itself may log."""
    caplog.set_level(logging.DEBUG, "segments")
    return caplog


def lines_of(log: pytest.LogCaptureFixture) -> list[str]:
    """What stands in the log, without times and levels."""
    return [OneLineFormatter().format(record) for record in log.records]


def errors_of(log: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in log.records if record.levelno >= logging.ERROR]


async def test_t10_a_surprise_is_masked_and_its_id_is_in_the_answer_and_once_in_the_log(
    probe: httpx.AsyncClient, ours: pytest.LogCaptureFixture
) -> None:
    answer = await probe.post("/graphql", json={"query": '{ fails(words: "Zelda Marker") }'})

    request_id = answer.headers["x-request-id"]
    assert REQUEST_ID.fullmatch(request_id)
    assert answer.status_code == 200
    body = answer.json()
    assert (body["data"], body["errors"]) == (
        None,
        [
            {
                "message": f"Internal error. Quote the request id {request_id}.",
                "extensions": {"code": "INTERNAL", "requestId": request_id},
                "locations": [{"line": 1, "column": 3}],
                "path": ["fails"],
            }
        ],
    )
    (logged,) = errors_of(ours)
    assert logged.startswith(f"unexpected error id={request_id} kind=RuntimeError at=")
    for secret in (DSN, "hunter2", "Zelda Marker"):
        assert secret not in ours.text + answer.text


async def test_t10_many_surprises_of_one_request_are_logged_once(
    probe: httpx.AsyncClient, ours: pytest.LogCaptureFixture
) -> None:
    fields = " ".join(f"f{number}: fails" for number in range(10))

    answer = await probe.post("/graphql", json={"query": f"{{ {fields} }}"})

    assert len(answer.json()["errors"]) <= 5
    assert len(errors_of(ours)) == 1


async def test_t10_a_surprise_outside_of_graphql_is_masked_too(
    probe: httpx.AsyncClient, ours: pytest.LogCaptureFixture
) -> None:
    answer = await probe.get("/broken")

    request_id = answer.headers["x-request-id"]
    assert (answer.status_code, code_of(answer)) == (500, "INTERNAL")
    assert answer.json()["errors"][0]["extensions"]["requestId"] == request_id
    assert [line.partition(" kind=")[0] for line in errors_of(ours)] == [f"unexpected error id={request_id}"]
    assert DSN not in ours.text + answer.text


async def test_t10_a_value_that_no_json_can_hold_is_a_masked_surprise(
    probe: httpx.AsyncClient, ours: pytest.LogCaptureFixture
) -> None:
    answer = await probe.post("/graphql", json={"query": "{ strange }"})

    assert (answer.status_code, code_of(answer)) == (500, "INTERNAL")
    assert "NaN" not in answer.text
    assert len(errors_of(ours)) == 1


async def test_t10_a_fault_of_the_store_says_nothing_of_its_tables(both: Face, ours: pytest.LogCaptureFixture) -> None:
    async with both.database.writer.begin() as connection:
        await connection.execute(text("ALTER TABLE customer RENAME COLUMN external_id TO gone"))

    answer = await both.post('{ customer(externalId: "Zelda Marker") { id } }')

    assert code_of(answer) == "INTERNAL"
    assert answer.json()["errors"][0]["extensions"]["requestId"] == answer.headers["x-request-id"]
    (logged,) = errors_of(ours)
    assert answer.headers["x-request-id"] in logged
    said, _, asking = logged.partition(" by=")
    assert re.fullmatch(r"persistence\.customers\.CustomerStore\.find_by_external_id:\d+", asking)
    for word in ("SELECT", "external_id", "customer.", "Zelda Marker"):
        assert word not in answer.text + said


@pytest.mark.read_only
async def test_t10_each_request_has_an_id_of_its_own_whatever_the_client_sends(face: Face) -> None:
    headers = {**face.bearer(), "X-Request-Id": "mine\tlevel=ERROR"}

    found = {(await face.client.get(path, headers=headers)).headers["x-request-id"] for path in ("/healthz", "/x")}

    assert len(found) == 2
    assert all(REQUEST_ID.fullmatch(one) for one in found)


@pytest.mark.read_only
@pytest.mark.parametrize(
    "name", ["A\nlevel=ERROR forged", "A\r\nforged", "forged marker", "x" * 200, "\u202eforged", "forgéd", "1forged"]
)
async def test_t10_an_operation_name_cannot_forge_a_line_of_the_log(
    face: Face, ours: pytest.LogCaptureFixture, name: str
) -> None:
    body = {"query": "query A { viewer { subject } }", "operationName": name}

    answer = await face.client.post("/graphql", json=body, headers=face.bearer())

    assert answer.status_code == 400
    assert [line.partition(" status=")[0].partition(" method")[2] for line in lines_of(ours)] == ["=POST operation=-"]
    assert "forg" not in ours.text


@pytest.mark.read_only
async def test_t10_a_request_leaves_one_line_with_its_id_its_operation_and_its_codes(
    face: Face, ours: pytest.LogCaptureFixture
) -> None:
    body = {"query": "query Wanted { customers(first: 0) { totalCount } }", "operationName": "Wanted"}

    answer = await face.client.post("/graphql", json=body, headers=face.bearer())

    (line,) = lines_of(ours)
    assert line.startswith(f"request id={answer.headers['x-request-id']} method=POST operation=Wanted status=400 ms=")
    assert line.endswith(" codes=BAD_USER_INPUT")


@pytest.mark.read_only
@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("{ customers(sort: NAMES) { totalCount } }", "EXTERNAL_ID, NAME, TOTAL_REVENUE, ORDER_COUNT"),
        ("{ segmentationReport(method: RFV) { days } }", "RFM, VALUE, BEHAVIOR"),
        ("{ segmentationReport(days: 10000) { days } }", "days must be between 1 and 9999"),
        ("{ customers(first: 251) { totalCount } }", "first must be between 1 and 250"),
        ('{ segmentationReport(segmentCode: "R9") { days } }', "R5F5M5"),
        ('{ segmentationReport(asOf: "yesterday") { days } }', '"2024-03-01"'),
        ("{ customer { id } }", "customer needs exactly one of id and externalId"),
        ("{ costumers { totalCount } }", "customers"),
        ('{ segmentationReport(segmentName: "Nobody") { days } }', "Champions"),
        ("{ nope }", "nope"),
        ("{", "Syntax Error"),
        ('{ segmentationReport(method: VALUE, segmentName: "Kids") { days } }', "High Value, Medium Value, Low Value"),
        ('{ segmentationReport(method: BEHAVIOR, segmentCode: "HIGH") { days } }', "CATEGORY:Mixed"),
        (f'{{ segmentTransitions(from: {DAY}, to: "2024-04-19") {{ from }} }}', "to must not be before from"),
        (f"{{ segmentTransitions({ONE_DAY}, days: 0) {{ from }} }}", "days must be between 1 and 9999"),
        (f'{{ segmentationTrend(from: "2024-01-01", to: {DAY}, interval: DAY) {{ date }} }}', "at most 60 points"),
        (f"{{ segmentationTrend({ONE_DAY}, days: 10000) {{ date }} }}", "days must be between 1 and 9999"),
        (f'{{ segmentationTrend({ONE_DAY}, storefrontId: "x") {{ date }} }}', "There is no storefront with this id."),
        (f"{{ segmentTransitions({ONE_DAY}, method: RFV) {{ from }} }}", "RFM, VALUE, BEHAVIOR"),
    ],
)
async def test_what_the_caller_can_mend_says_what_would_be_right(face: Face, query: str, words: str) -> None:
    answer = await face.post(query)

    error = answer.json()["errors"][0]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert words in error["message"]


@pytest.mark.read_only
async def test_a_business_that_does_not_exist_is_not_found(face: Face, ours: pytest.LogCaptureFixture) -> None:
    answer = await face.post("{ viewer { subject } }", token=face.token(business="nowhere"))

    assert (answer.status_code, code_of(answer)) == (200, "NOT_FOUND")
    assert errors_of(ours) == []


@pytest.mark.read_only
@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ('{ segment(id: "x") { members(asOf: "??") { totalCount } } }', ["asOf"], "A DateTime must be an ISO 8601"),
        ('{ segmentationReport(asOf: "??") { days } }', ["asOf"], "A Date must be an ISO 8601 date"),
        (
            'mutation { recordPurchases(input: [{customerExternalId: "a", externalId: "b", '
            'purchasedAt: "2024-01-01", amount: "??"}]) { created } }',
            ["input", "0", "amount"],
            "A Decimal must be a plain number",
        ),
        (
            'mutation { recordPurchases(input: {customerExternalId: "a", externalId: "b", purchasedAt: "??", '
            "amount: 1}) { created } }",
            ["input", "purchasedAt"],
            "A DateTime must be",
        ),
        ('{ segmentationReport(asOf: "2024-02-30??") { days } }', ["asOf"], "A Date must be an ISO 8601 date"),
        (
            '{ segmentPreview(definition: {rules: "{??"}) { matchCount } }',
            ["definition", "rules"],
            "A JSON value must come as a variable",
        ),
        (
            'query($at: DateTime = "??") { segment(id: "x") { members(asOf: $at) { totalCount } } }',
            ["$at"],
            "A DateTime must be",
        ),
    ],
)
async def test_a_literal_that_is_wrong_is_named_by_its_argument_and_place(
    face: Face, query: str, field: list[str], words: str
) -> None:
    (error,) = (await face.post(query)).json()["errors"]

    assert error["message"].startswith(f"{'.'.join(field)}: {words}")
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "field": field}
    start = query.rindex('"', 0, query.index("??"))
    assert error["locations"] == [{"line": 1, "column": start + 1}]


def test_fields_are_named_as_in_the_schema_and_keys_of_settings_as_they_are() -> None:
    assert name_path(("input", "3", "external_id")) == ["input", "3", "externalId"]
    assert name_path(("settings", "lapsed_days")) == ["settings", "lapsed_days"]
    assert name_text(Sentence("{external_id} is {!r}", "a_b")) == "externalId is 'a_b'"
