"""The forms of the log, one line a record whatever is in it, and that nothing of OpenTelemetry is loaded before one of
its variables asks for it."""

import json
import logging
import subprocess
import sys

import pytest

from gql.logs import Activity, JsonFormatter, OneLineFormatter, activity
from gql.tracing import Tracing
from tests.drivers.documents import ROOT

ODD = "broken\r\nin\u2028two ☕"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


def make_record(fields: dict[str, object], failure: BaseException | None = None) -> logging.LogRecord:
    told = None if failure is None else (type(failure), failure, failure.__traceback__)
    record = logging.LogRecord("segments.runs", logging.WARNING, "", 0, "run %s of %s", (7, ODD), told)
    record.created = 1_700_000_000.25
    record.fields = fields
    return record


def test_json_is_one_line_of_ascii_with_the_time_in_utc_and_the_trace() -> None:
    try:
        raise ValueError(ODD)
    except ValueError as error:
        line = JsonFormatter().format(make_record({"ms": 1.25, "codes": ["A"]}, error))

    told = json.loads(line)
    assert line.isascii() and len(line.splitlines()) == 1
    assert told.pop("exception").startswith("Traceback (most recent call last)")
    assert told == {
        "time": "2023-11-14T22:13:20.250+00:00",
        "level": "WARNING",
        "logger": "segments.runs",
        "message": f"run 7 of {ODD}",
        "ms": 1.25,
        "codes": ["A"],
    }


def test_json_says_of_which_request_a_line_is() -> None:
    token = activity.set(Activity("acda55b5", business="shop"))
    try:
        told = json.loads(JsonFormatter().format(make_record({})))
    finally:
        activity.reset(token)

    assert (told["request_id"], told["business"]) == ("acda55b5", "shop")


def test_text_is_one_line_with_the_fields_behind_the_message() -> None:
    line = OneLineFormatter("%(message)s").format(make_record({"ms": 1.0, "codes": [], "status": 200}))

    assert line == "run 7 of broken\\r\\nin\u2028two ☕ ms=1.0 codes=- status=200"


def test_nothing_of_traces_is_loaded_that_nobody_asked_for() -> None:
    off = [
        {},
        {ENDPOINT: "http://x", "OTEL_SDK_DISABLED": "true"},
        {ENDPOINT: "http://x", "OTEL_TRACES_EXPORTER": "none"},
    ]
    code = f"""
import sys
import gql.app
from gql.tracing import TRACING
for environ in {off!r}:
    TRACING.begin(environ)
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, encoding="utf-8")

    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({ENDPOINT: "http://x"}, "segments-server[otel] is not installed"),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "only the exporter otlp with the protocol http/protobuf is known"),
        (
            {ENDPOINT: "http://x", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "only the exporter otlp with the protocol http/protobuf is known",
        ),
    ],
)
def test_traces_that_cannot_be_sent_are_told_once_and_keep_nothing_from_going_on(
    environ: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if "not installed" in sentence:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    tracing = Tracing()

    tracing.begin(environ)
    tracing.tell_request(Activity("acda55b5"), "POST", "-", 0.1, 200, ())
    tracing.end()

    assert caplog.messages == [f"no traces are sent: {sentence}"]
