"""What Prometheus is told: who may ask, that every number follows what was done, and that no name that a caller makes
up becomes a series of its own."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gql.counters import FREQUENT, MOST_NAMES, OTHER, OperationNames
from gql.settings import Settings
from tests.drivers.face import SECRET, Face, Opening
from tests.drivers.sockets import live, receive, send

pytestmark = pytest.mark.anyio
TOKEN = "w9Q2-vB7m.Zx4Kt1Lp"
MONITORED = Settings(jwt_secret=SECRET, metrics_token=TOKEN)
ASKING = {"Authorization": f"Bearer {TOKEN}"}
Numbers = dict[str, float]


def read(text: str) -> Numbers:
    """Every sample by its name and its labels, such as `segments_errors_total{code=NOT_FOUND}`."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


async def ask(face: Face) -> Numbers:
    answer = await face.client.get("/metrics", headers=ASKING)
    assert answer.status_code == 200
    return read(answer.text)


async def differ(face: Face, before: Numbers) -> Numbers:
    """What has grown since, the answering of /metrics left aside."""
    after = await ask(face)
    return {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)}


@pytest.fixture
async def monitored(opening: Opening) -> AsyncIterator[Face]:
    async with opening(MONITORED) as face:
        yield face


async def test_without_a_token_in_the_settings_there_is_no_such_address(face: Face) -> None:
    assert (await face.client.get("/metrics")).status_code == 404
    assert (await face.client.get("/metrics", headers=face.bearer())).status_code == 404


async def test_who_asks_shows_the_token_and_no_other(monitored: Face) -> None:
    statements = monitored.statements()
    for headers in ({}, monitored.bearer(), {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": f"Basic {TOKEN}"}):
        refused = await monitored.client.get("/metrics", headers=headers)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert "segments_" not in refused.text
    assert statements == []

    answer = await monitored.client.get("/metrics", headers=ASKING)

    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert answer.headers["cache-control"] == "no-store"
    assert len(statements) == 2
    assert (await monitored.client.post("/metrics", headers=ASKING)).status_code == 405


@pytest.mark.parametrize(("token", "status"), [("", 200), (TOKEN, 401)])
async def test_in_demo_mode_whoever_reaches_the_server_may_ask(opening: Opening, token: str, status: int) -> None:
    async with opening(replace(MONITORED, demo=True, metrics_token=token)) as face:
        assert (await face.client.get("/metrics")).status_code == status


async def test_requests_errors_and_kept_reports_are_counted(monitored: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gql.counters.NAMES", OperationNames())
    body = {"query": "query Wanted { segmentationReport { customerCount } }", "operationName": "Wanted"}
    for _ in range(FREQUENT):
        await monitored.client.post("/graphql", json=body, headers=monitored.bearer())
    before = await ask(monitored)

    unnamed = {"query": f"# query Other {{ a }}\n{body['query']}"}
    await monitored.client.post("/graphql", json=unnamed, headers=monitored.bearer())
    await monitored.client.post("/graphql", json={**body, "query": "{ nope }"}, headers=monitored.bearer())
    await monitored.client.post("/graphql", json=body)
    grown = await differ(monitored, before)

    assert grown["segments_requests_total{operation=Wanted,status=200}"] == 1
    assert grown["segments_requests_total{operation=Wanted,status=400}"] == 1
    assert grown["segments_request_seconds_count{operation=Wanted}"] == 2
    assert grown["segments_request_seconds_bucket{le=60.0,operation=Wanted}"] == 2
    assert grown["segments_errors_total{code=UNAUTHENTICATED}"] == 1
    assert grown["segments_errors_total{code=BAD_USER_INPUT}"] == 1
    assert grown["segments_reports_total{cache=hit}"] == 1
    assert "segments_reports_total{cache=miss}" not in grown


def test_names_that_callers_make_up_are_one_series() -> None:
    names = OperationNames()

    once = {names.find_label(f"Made{number}") for number in range(5_000)}
    often = [names.find_label(f"Often{number}") for number in range(3 * MOST_NAMES) for _ in range(FREQUENT)]

    assert once == {OTHER}
    assert often[: FREQUENT + 1] == [OTHER] * (FREQUENT - 1) + ["Often0", OTHER]
    assert len(set(often)) == MOST_NAMES + 1


async def test_callers_that_have_to_wait_are_counted(opening: Opening) -> None:
    async with opening(replace(MONITORED, cost_bucket=10, cost_restore=1)) as face:
        before = await ask(face)
        while (await face.post("{ viewer { subject } }")).status_code != 429:
            pass
        grown = await differ(face, before)

    assert grown["segments_throttled_total{of=cost}"] == 1
    assert grown["segments_errors_total{code=THROTTLED}"] == 1


async def test_open_sockets_and_their_operations_are_counted(monitored: Face) -> None:
    before = (await ask(monitored))["segments_sockets"]
    async with live(monitored.app) as server, server.initiate(monitored.token()) as client:
        during = (await ask(monitored))["segments_sockets"]
        await send(client, type="subscribe", id="1", payload={"query": "{ viewer { subject } }"})
        while (await receive(client))["type"] != "complete":
            pass
    after = await ask(monitored)

    assert (during - before, after["segments_sockets"] - before) == (1, 0)
    assert sum(count for name, count in after.items() if "status=socket" in name) >= 1


async def test_a_store_that_is_gone_leaves_the_numbers_of_the_process(monitored: Face) -> None:
    with monitored.database.bulk.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE job RENAME TO gone")

    found = await ask(monitored)

    assert found["segments_store_up"] == 0
    assert "segments_requests_total{operation=other,status=200}" in found
    assert not any(name.startswith("segments_jobs") for name in found)
