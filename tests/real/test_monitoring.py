"""What an operator sees of a server with two workers, one of which dies: numbers that are those of both whichever is
asked, a log of JSON, and a span for everything that was done, at a collector that takes them."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gql.counters import SHARED
from tests.drivers.server import QuietHandler, Server, listening, running, until
from tests.drivers.uploading import CSV, ROWS
from tests.http.test_metrics import ASKING, TOKEN, Numbers, read

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
VIEWER = {"query": "query Who { viewer { subject } }", "operationName": "Who"}
RULES = json.dumps(json.dumps({">": [{"var": "total_revenue"}, 5]}))
CREATE = {"query": f'mutation {{ createSegment(input: {{name: "Buyers", rules: {RULES}}}) {{ segment {{ id }} }} }}'}
QUERIES = 40


@dataclass
class Seen:
    """What was seen: numbers before and after a worker died, lines, spans."""

    told: list[Numbers]
    after: Numbers
    lines: list[dict[str, Any]]
    spans: list[tuple[Any, Any]]
    shared: Path


@pytest.fixture(scope="module")
def seen(folder: Path) -> Iterator[Seen]:
    """The server was watched, and has ended."""
    bodies: list[bytes] = []

    class Collector(QuietHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])) if self.path == "/v1/traces" else b"")
            self.send_response(200)
            self.end_headers()

    more = {"SEGMENTS_METRICS_TOKEN": TOKEN, "SEGMENTS_LOG_FORMAT": "json", "SEGMENTS_LOG_LEVEL": "DEBUG"}
    with listening(Collector) as address:
        traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": address, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        with running(folder, "--workers", "2", **more, **traced) as server:
            until(lambda: len(server.workers) == 2)
            for _ in range(QUERIES):
                send(server, "/graphql", json.dumps(VIEWER), {"traceparent": f"00-{TRACE}-{CALLER}-01"})
            send(server, "/graphql", json.dumps(CREATE))
            send(server, "/imports/purchases", ROWS, CSV)
            until(lambda: sum(ended(ask(server)).values()) >= 2)
            told = [ask(server) for _ in range(6)]
            shared = find_shared_folder(min(server.workers))
            assert len(list(shared.iterdir())) > 2
            os.kill(min(server.workers), signal.SIGKILL)
            until(lambda: "takes its place" in server.log.read_text())
            after = ask(server)
        lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    sent = [ExportTraceServiceRequest.FromString(body) for body in bodies]
    traced_by = [(each.resource, of) for one in sent for each in one.resource_spans for of in each.scope_spans]
    spans = [(span, resource) for resource, of in traced_by for span in of.spans]
    yield Seen(told, after, lines, spans, shared)


def find_shared_folder(worker: int) -> Path:
    """Where the worker was told to keep its numbers."""
    variables = Path(f"/proc/{worker}/environ").read_text().split("\0")
    return Path(next(one.partition("=")[2] for one in variables if one.startswith(SHARED)))


def send(server: Server, path: str, body: str, headers: dict[str, str] | None = None) -> None:
    given = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json", **(headers or {})}
    with closing(server.connection()) as connection:
        connection.request("POST", path, body, given)
        answer = connection.getresponse()
        told = answer.read()
        assert answer.status < 300 and b'"segment":null' not in told, told


def ask(server: Server) -> Numbers:
    with closing(server.connection()) as connection:
        connection.request("GET", "/metrics", headers=ASKING)
        return read(connection.getresponse().read().decode())


def ended(numbers: Numbers) -> Numbers:
    """Work that came to its end, by its kind and how it ended."""
    return {name: count for name, count in numbers.items() if name.startswith("segments_job_seconds_count")}


def count_requests(numbers: Numbers) -> float:
    return sum(count for name, count in numbers.items() if name.startswith("segments_requests_total"))


@pytest.mark.slow
def test_whichever_worker_is_asked_tells_the_numbers_of_both_and_none_is_lost_with_one(seen: Seen) -> None:
    assert {count_requests(numbers) for numbers in (*seen.told, seen.after)} == {QUERIES + 2}
    assert {numbers["segments_statements_total"] > QUERIES for numbers in seen.told} == {True}
    assert seen.after["segments_sockets"] == 0
    assert not seen.shared.exists()


@pytest.mark.slow
def test_work_is_counted_by_its_kind_and_how_it_ended_and_rows_by_what_became_of_them(seen: Seen) -> None:
    numbers = seen.told[-1]

    assert ended(numbers) == {
        "segments_job_seconds_count{kind=recalculation,status=succeeded}": 1,
        "segments_job_seconds_count{kind=import,status=succeeded}": 1,
    }
    assert numbers["segments_import_rows_total{outcome=created}"] == 30
    assert numbers["segments_import_rows_total{outcome=rejected}"] == 1
    assert numbers["segments_jobs{kind=import,status=queued}"] == 0
    assert numbers["segments_oldest_waiting_job_seconds{kind=import}"] == 0
    assert numbers["segments_store_up"] == 1


def test_every_line_is_an_object_with_what_it_is_about(seen: Seen) -> None:
    asked = [line for line in seen.lines if line["message"].startswith("request ") and line["operation"] == "Who"]
    first = asked[0]

    assert {key for line in seen.lines for key in ("time", "level", "logger", "message") if key not in line} == set()
    assert len(asked) == QUERIES
    assert set(first) == {
        *("time", "level", "logger", "message", "request_id", "business"),
        *("method", "operation", "status", "ms", "codes"),
    }
    assert (first["business"], first["status"], first["codes"], first["level"]) == ("shop", 200, [], "INFO")
    assert isinstance(first["ms"], float)
    assert [line["logger"] for line in seen.lines if "takes its place" in line["message"]] == ["segments.process"]
    # A statement is of the request that asked for it.
    assert any(line["logger"] == "segments.sql" and line.get("request_id") for line in seen.lines)


def test_what_was_done_is_told_as_spans_within_what_the_caller_says_it_is_part_of(seen: Seen) -> None:
    by_name = {span.name: (span, resource) for span, resource in seen.spans}
    span, resource = by_name["POST Who"]
    about = {one.key: one.value for one in span.attributes}

    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, CALLER)
    assert 0 < span.end_time_unix_nano - span.start_time_unix_nano < 10**10
    assert about["segments.business"].string_value == "shop"
    assert about["graphql.operation.name"].string_value == "Who"
    assert about["http.response.status_code"].int_value == 200
    assert {one.key: one.value.string_value for one in resource.attributes}["service.name"] == "segments"
    statements = {one.key: one.value.int_value for one in by_name["POST -"][0].attributes}["segments.statements"]
    assert statements > 0
    assert {"recalculation", "import", "POST import"} <= set(by_name)
