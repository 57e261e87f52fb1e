"""What documents may ask for: each line of the reliability requirements D1 to D7 as an attack on the running face."""

import logging
import time

import httpx
import pytest
from graphql import GraphQLError, get_introspection_query, parse

from gql.schema.executor import PacedExecutor
from gql.schema.limits import check_limits
from gql.schema.schema import make_schema
from gql.settings import Settings
from tests.drivers.face import SECRET, Face, Opening, code_of
from tests.drivers.sockets import live, receive, subscribe

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("undisturbed"), pytest.mark.read_only]
SQUARE = "{ customers(first: $n) { nodes { purchases(first: $n) { nodes { id } } } } }"
LINES = "fragment C on Customer { purchases(first: 100) { nodes { id } } }"
ALL = "{ ... on Customer { purchases(first: 250) { nodes { id } } } }"


def write_aliases(count: int, field: str = "viewer { subject }") -> str:
    return "{ " + " ".join(f"a{n}: {field}" for n in range(count)) + " }"


def doubling(levels: int) -> str:
    """A document whose unfolded size is two to the power of its levels."""
    parts = [f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(levels)]
    return " ".join(["{ ...F0 }", *parts, f"fragment F{levels} on Query {{ viewer {{ subject }} }}"])


async def timed(face: Face, document: str) -> tuple[httpx.Response, float]:
    """The answer, and the seconds of work that it took."""
    began = time.thread_time()
    answer = await face.post(document)
    return answer, time.thread_time() - began


@pytest.mark.parametrize("levels", [20, 60, 90])
async def test_d1_fragment_doubling_is_linear(face: Face, levels: int) -> None:
    await face.post("{ viewer { subject } }")

    answer, took = await timed(face, doubling(levels))

    assert answer.json()["data"] == {"viewer": {"subject": "tester"}}
    assert took < 0.1


async def test_d1_200_levels_of_fragments_are_refused_at_once(face: Face) -> None:
    answer, took = await timed(face, doubling(200))

    assert (answer.status_code, code_of(answer)) == (400, "LIMIT_EXCEEDED")
    assert took < 0.1


NESTED = " ".join(
    f"fragment F{n} on Customer {{ a: purchases {{ nodes {{ id }} }} ...F{n + 1} ...F{n + 1} }}" for n in range(30)
)
REFUSED = {
    "d1 nested fields that double": (
        f"{{ customers {{ nodes {{ ...F0 }} }} }} {NESTED} fragment F30 on Customer {{ id }}",
        "LIMIT_EXCEEDED",
        "",
    ),
    "d1 a circle of one": ("{ ...A } fragment A on Query { ...A }", "BAD_USER_INPUT", "itself"),
    "d1 a circle of two": (
        "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
        "BAD_USER_INPUT",
        "itself",
    ),
    "d1 a circle below": (
        "{ viewer { ...V } } fragment V on Viewer { business { ...W } } fragment W on Business { id ...W }",
        "BAD_USER_INPUT",
        "itself",
    ),
    "d2 16 aliases": (write_aliases(16), "LIMIT_EXCEEDED", "16"),
    "d2 101 aliases": (write_aliases(101), "LIMIT_EXCEEDED", "101"),
    "d2 aliases in a fragment that is used twice": (
        f"{{ viewer {{ ...F }} again: viewer {{ ...F }} }} fragment F on Viewer {write_aliases(8, 'subject')}",
        "LIMIT_EXCEEDED",
        "17",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_what_unfolds_to_too_much_is_refused(face: Face, what: str) -> None:
    document, code, words = REFUSED[what]

    answer = await face.post(document)

    assert (answer.status_code, code_of(answer)) == (400, code)
    assert words in answer.json()["errors"][0]["message"]


async def test_d2_15_aliases_are_answered(face: Face) -> None:
    assert len(await face.data(write_aliases(15))) == 15


BATCH = b"[" + b",".join([b'{"query":"{ viewer { subject } }"}'] * 100) + b"]"


@pytest.mark.parametrize("body", [BATCH, b"9" * 5000], ids=["a batch", "a number of 5,000 digits"])
async def test_d2_bodies_that_hold_no_operation_are_refused(face: Face, body: bytes) -> None:
    answer = await face.raw(body)

    assert (answer.status_code, code_of(answer)) == (400, "BAD_USER_INPUT")


@pytest.mark.parametrize(
    ("name", "document", "status"),
    [
        ("5,000 fields", "{ viewer { " + "subject " * 5000 + "} }", 400),
        ("300 operations", " ".join(f"query Q{n} {{ viewer {{ subject }} }}" for n in range(300)), 400),
        ("2,000 variables", f"query Q({' '.join(f'$v{n}: Int' for n in range(2000))}) {{ viewer {{ subject }} }}", 400),
        ("20,000 comments", "#\n" * 20_000 + "{ viewer { subject } }", 400),
        ("200,000 comments", "#a\n" * 200_000 + "{ viewer { subject } }", 413),
        ("blanks", " " * 900_000 + "{ viewer { subject } }", 413),
        ("a deep selection", "{ viewer " * 300 + "{ subject }" + "}" * 300, 400),
        ("a deep list", "{ nodes(ids: " + "[" * 450 + "]" * 450 + ") { id } }", 400),
    ],
)
async def test_d3_oversized_documents_are_refused_quickly(face: Face, name: str, document: str, status: int) -> None:
    seen = face.statements()

    answer, took = await timed(face, document)

    assert answer.status_code == status
    assert code_of(answer) in ("LIMIT_EXCEEDED", "BAD_USER_INPUT")
    assert took < 0.5
    assert seen == []


@pytest.mark.parametrize(("repeats", "answered"), [(500, True), (980, False)])
async def test_d3_a_field_repeated_within_the_limit_of_tokens_is_compared_quickly(
    face: Face, repeats: int, answered: bool
) -> None:
    answer, took = await timed(face, "{ viewer { " + "subject " * repeats + "} }")

    assert (answer.status_code == 200) is answered
    assert answered or code_of(answer) == "LIMIT_EXCEEDED"
    assert took < 0.5


async def test_d4_many_errors_make_a_small_answer_and_a_small_log(face: Face, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    directives = " ".join(f"@unknown{n}" for n in range(330))

    answer = await face.post(f"query Sekret {{ viewer {directives} {{ subject }} }}")

    assert answer.status_code == 400
    assert 1 <= len(answer.json()["errors"]) <= 5
    assert len(answer.content) < 5000
    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("segments", "strawberry"))]
    assert len("\n".join(ours)) < 2000
    assert "unknown1" not in caplog.text


async def test_d4_a_long_name_makes_a_small_answer(face: Face) -> None:
    answer = await face.post("{ " + "x" * 60_000 + " }")

    assert answer.status_code == 400
    assert len(answer.content) < 5000


@pytest.mark.parametrize(
    ("query", "variables", "code"),
    [
        ("{ customers(first: 1000000) { nodes { id } } }", None, "BAD_USER_INPUT"),
        ("{ customers(first: -1) { nodes { id } } }", None, "BAD_USER_INPUT"),
        ("{ customers(first: 0) { nodes { id } } }", None, "BAD_USER_INPUT"),
        ("{ customers(last: 251) { nodes { id } } }", None, "BAD_USER_INPUT"),
        ("query Q($n: Int) { customers(first: $n) { nodes { id } } }", {"n": 251}, "BAD_USER_INPUT"),
        ("query Q($n: Int = 251) { customers(first: $n) { nodes { id } } }", None, "BAD_USER_INPUT"),
        ("{ customers(first: 99999999999999999999) { nodes { id } } }", None, "BAD_USER_INPUT"),
        ("{ customers(first: 250) { nodes { purchases(first: 250) { nodes { id } } } } }", None, "LIMIT_EXCEEDED"),
        (f"query Q($n: Int) {SQUARE}", {"n": 200}, "LIMIT_EXCEEDED"),
        (f"query Q($n: Int) {SQUARE}", {"n": 200.0}, "LIMIT_EXCEEDED"),
        (f"{{ customers(first: 250) {{ edges {{ node {{ ...C }} }} }} }} {LINES}", None, "LIMIT_EXCEEDED"),
        (f"query N($ids: [ID!]!) {{ nodes(ids: $ids) {ALL} }}", {"ids": ["x"] * 250}, "LIMIT_EXCEEDED"),
        ("{ nodes(ids: [" + '"x" ' * 250 + f"]) {ALL} }}", None, "LIMIT_EXCEEDED"),
        ("query N($ids: [ID!]! = [" + '"x" ' * 250 + f"]) {{ nodes(ids: $ids) {ALL} }}", None, "LIMIT_EXCEEDED"),
    ],
)
async def test_d5_pages_and_their_products_are_bounded_before_any_statement(
    face: Face, query: str, variables: object, code: str
) -> None:
    seen = face.statements()

    answer = await face.post(query, variables)

    assert (answer.status_code, code_of(answer)) == (400, code)
    assert seen == []


@pytest.mark.parametrize(
    ("query", "answered"),
    [
        ("{ customers(first: 250) { nodes { metrics { orderCount } rfm { score } } totalCount } }", True),
        ("{ customers(first: 50) { nodes { purchases(first: 50) { nodes { id lines { amount } } } } } }", False),
        ("{ customers { nodes { purchases(first: 10) { nodes { id lines { amount } } } } } }", True),
        ("{ customers(first: 250) { totalCount nodes { purchases(first: 10) { totalCount } } } }", True),
    ],
)
async def test_d5_the_cost_of_a_document_is_at_most_20000_objects(face: Face, query: str, answered: bool) -> None:
    answer = await face.post(query)

    assert answer.status_code == (200 if answered else 400), answer.text


async def test_d5_a_total_is_counted_once_a_connection(face: Face) -> None:
    cheap = "{ customers(first: 250) { totalCount nodes { purchases(first: 75) { nodes { id } } } } }"

    answer = await face.post(cheap)
    dearer = await face.post(cheap.replace("75", "80"))

    assert answer.status_code == 200
    assert "20260" in dearer.json()["errors"][0]["message"]


DAYS_60 = 'from: "2024-04-17", to: "2024-06-15", interval: DAY'
COSTS = {
    "members with metrics": (
        "{ segments(first: 50) { nodes { members(first: 50) { nodes { metrics { orderCount } } } } } }",
        None,
        5_050,
    ),
    # Each point is a report and some ten groups.
    "a point": ('{ segmentationTrend(from: "2024-06-15", to: "2024-06-15") { date } }', None, 110),
    "60 points": (f"{{ segmentationTrend({DAYS_60}) {{ date }} }}", None, 6_600),
    "9 times 60 points": (
        "{ " + " ".join(f"a{n}: segmentationTrend({DAYS_60}) {{ date }}" for n in range(9)) + " }",
        None,
        59_400,
    ),
    "points that variables give": (
        "query T($to: Date!, $by: SeriesInterval! = WEEK)"
        '{ segmentationTrend(from: "2024-06-01", to: $to, interval: $by) { date } }',
        {"to": "2024-06-15"},
        330,
    ),
    "no date": ('{ segmentationTrend(from: "soon", to: "2024-06-15") { date } }', None, 6_600),
    "far too many points": (
        '{ segmentationTrend(from: "1024-06-15", to: "2024-06-15", interval: DAY) { date } }',
        None,
        6_600,
    ),
    "a series": (
        '{ segment(id: "x") { sizeSeries(from: "2024-06-01", to: "2024-06-15") { date } } }',
        None,
        100 + 15,
    ),
    "ids": (
        "{ segments(first: 1) { nodes { metrics { snapshots { memberIds(first: 10000) } } } } }",
        None,
        1 + 1 + 10 * 1_001,
    ),
}


@pytest.mark.parametrize("what", COSTS)
def test_d5_a_document_costs_what_it_comes_to(what: str) -> None:
    query, variables, cost = COSTS[what]
    measured: int | str
    try:
        measured = check_limits(make_schema(Settings())._schema, parse(query), None, variables or {}).cost
    except GraphQLError as error:
        measured = error.message

    assert measured in (cost, f"The cost of the operation is {cost}, at most 20000 is allowed.")


async def test_d5_a_document_that_costs_too_much_reads_nothing(face: Face) -> None:
    query, _, _ = COSTS["9 times 60 points"]
    seen = face.statements()

    assert await face.code(query) == "LIMIT_EXCEEDED"
    assert seen == []


@pytest.mark.parametrize(
    ("document", "slow"),
    [
        ("{ segmentationReport { days } }", True),
        ("{ ...F } fragment F on Query { again: segmentationReport { days } }", True),
        ('{ customer(externalId: "segmentationReport") { id } } # segmentationReport', False),
        ("query A { segmentationReport { days } } query B { viewer { subject } }", False),
    ],
)
def test_d8_the_fields_of_the_operation_give_it_the_deadline_of_reports(document: str, slow: bool) -> None:
    name = "B" if "query B" in document else None

    assert check_limits(make_schema(Settings())._schema, parse(document), name, {}).slow is slow


async def test_d7_the_description_of_everything_cannot_be_multiplied(face: Face) -> None:
    everything = "types { ...T }"
    types = "fragment T on __Type { name description fields { name type { name } } }"
    aliased = "{ " + " ".join(f"a{n}: __schema {{ {everything} }}" for n in range(2)) + " } " + types
    inner = f"{{ __schema {{ {everything} b: {everything} }} }} {types}"
    spread = f"{{ ...S a: __schema {{ {everything} }} }} fragment S on Query {{ __schema {{ {everything} }} }} {types}"

    answers = [await face.post(document) for document in (aliased, inner, spread)]

    assert [(answer.status_code, code_of(answer)) for answer in answers] == [(400, "LIMIT_EXCEEDED")] * 3
    assert "number of lists of all types of the operation is 2, at most 1" in answers[0].text
    assert len((await face.data(f"{{ __schema {{ {everything} }} }} {types}"))["__schema"]["types"]) > 100


async def test_d7_the_description_of_everything_is_made_once(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    query = get_introspection_query(descriptions=False)
    first = await face.data(query)

    def fail(*given: object) -> None:
        raise AssertionError("it was made again")

    monkeypatch.setattr(PacedExecutor, "complete_iterable_value", fail)

    assert await face.data(query) == first


async def test_d7_the_explorers_introspection_is_answered_with_a_token_and_not_without(face: Face) -> None:
    query = get_introspection_query(descriptions=True, input_value_deprecation=True)

    with_token = await face.data(query)
    without = await face.client.post("/graphql", json={"query": query})

    assert with_token["__schema"]["queryType"]["name"] == "Query"
    assert without.status_code == 401
    assert "Query" not in without.text


async def test_d7_introspection_is_closed_by_the_setting(opening: Opening) -> None:
    async with opening(Settings(jwt_secret=SECRET, introspection=False)) as face:
        schema = await face.post("{ __schema { types { name } } }")
        one = await face.post('{ __type(name: "Customer") { name } }')
        other = await face.post("{ __typename viewer { __typename subject } }")

    assert (schema.status_code, one.status_code) == (400, 400)
    assert schema.json()["errors"][0]["message"].startswith("GraphQL introspection has been disabled")
    assert other.json()["data"]["viewer"] == {"__typename": "Viewer", "subject": "tester"}


WRONG_NAMES = (
    ("{ costumers { nodes { id } } }", None),
    ("{ customers { node { id } } }", None),
    ("{ customers(frist: 1) { totalCount } }", None),
    ("{ customers(filter: {serach: 1}) { totalCount } }", None),
    ("{ customers(sort: TOTAL_REVENEU) { totalCount } }", None),
    ("{ customers(sort: nonsense) { totalCount } }", None),
    ("query($sort: CustomerSrt) { customers(sort: $sort) { totalCount } }", None),
    ("query($sort: CustomerSort) { customers(sort: $sort) { totalCount } }", {"sort": "TOTAL_REVENEU"}),
    ("query($filter: CustomerFilter) { customers(filter: $filter) { totalCount } }", {"filter": {"serach": "a"}}),
    ("{ viewer { ...on Veiwer { subject } } }", None),
    ("{ viewer @incldue(if: true) { subject } }", None),
    ('{ node(id: "x") { name } }', None),
    ("{ viewer }", None),
    ("mutation { createSegment(input: {nmae: 1}) { segment { id } } }", None),
)


@pytest.mark.parametrize("over", ["http", "socket"])
async def test_d7_where_introspection_is_closed_no_message_says_which_names_there_are(
    opening: Opening, over: str
) -> None:
    async with opening(Settings(jwt_secret=SECRET, introspection=False)) as face, live(face.app) as server:
        messages = []
        async with server.initiate(face.token()) as client:
            for number, (query, variables) in enumerate(WRONG_NAMES):
                if over == "http":
                    errors = (await face.post(query, variables)).json()["errors"]
                else:
                    await subscribe(client, str(number), query, variables)
                    errors = (await receive(client))["payload"]
                messages.append([error["message"] for error in errors])

    told = " ".join(message for several in messages for message in several)
    assert len(messages) == len(WRONG_NAMES)
    assert all(several and all(several) for several in messages)
    assert "Did you mean" not in told
    assert "Its values are" not in told
    hidden = ("'customers'", "'customer'", "search", "TOTAL_REVENUE", "EXTERNAL_ID", "'first'", "'Viewer'", "@include")
    assert [name for name in hidden if name in told] == []


@pytest.mark.read_only
async def test_d7_whoever_holds_a_token_is_told_which_names_there_are(face: Face) -> None:
    field = (await face.post("{ costumers { totalCount } }")).json()["errors"][0]["message"]
    value = (await face.post("{ customers(sort: nonsense) { totalCount } }")).json()["errors"][0]["message"]

    assert "Did you mean 'customers'" in field
    assert "Its values are: EXTERNAL_ID" in value


async def test_d7_introspection_cannot_be_nested_into_a_bomb(face: Face) -> None:
    query = "{ __schema { types " + "{ fields { type " * 6 + "{ name }" + " } }" * 6 + " } }"

    answer, took = await timed(face, query)

    assert answer.status_code == 400
    assert took < 0.2


async def test_d7_strangers_are_told_nothing_of_the_schema(face: Face) -> None:
    answer = await face.client.post("/graphql", json={"query": "{ costumers { nodes { id } } }"})

    assert answer.status_code == 401
    assert "customers" not in answer.text
