"""OpenTelemetry: a span for each request, operation on a socket and piece of work, told when it ends. Nothing of it is
loaded unless one of its own standard variables asks for it, which also say where spans go and which are kept."""

import importlib.util
import logging
import os
import time
from collections.abc import Collection, Mapping
from threading import Thread
from typing import Any

from gql.logs import Activity

ASKING = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER")
CALLER_HEADERS = (b"traceparent", b"tracestate", b"baggage")
"""By which a caller says what a request is part of."""
END_SECONDS = 2.0
"""How long spans that are not sent yet may take when the process ends."""
log = logging.getLogger("segments")


class Tracing:
    """Where the spans of a process go: nowhere, until it is begun."""

    def __init__(self) -> None:
        self._provider: Any = None
        self._tracer: Any = None
        self._api: Any = None
        self._extract: Any = None

    def begin(self, environ: Mapping[str, str] = os.environ) -> None:
        """Send spans, if the variables ask for it; where that cannot be done the log says why."""
        exporter = environ.get("OTEL_TRACES_EXPORTER") or "otlp"
        protocol = environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
        wanted = any(environ.get(name) for name in ASKING) and exporter != "none"
        if not wanted or environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
            return
        if importlib.util.find_spec("opentelemetry") is None:
            log.warning("no traces are sent: segments-server[otel] is not installed")
            return
        if exporter != "otlp" or protocol not in (None, "", "http/protobuf"):
            log.warning("no traces are sent: only the exporter otlp with the protocol http/protobuf is known")
            return
        from opentelemetry import propagate, trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        named = environ.get("OTEL_SERVICE_NAME") or "service.name=" in environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
        resource = Resource.create({} if named else {"service.name": "segments"})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("segments")
        self._api, self._extract = trace, propagate.extract

    def tell_request(
        self, doing: Activity, method: str, operation: str, seconds: float, status: int | None, codes: Collection[str]
    ) -> None:
        """A request, or an operation on a socket, has just ended; what it is part of its caller has said."""
        if self._tracer is None:
            return
        about = {
            "graphql.operation.name": None if operation == "-" else operation,
            "http.request.method": None if status is None else method,
            "http.response.status_code": status,
            "segments.request_id": doing.request_id,
            "segments.business": doing.business or None,
            "segments.statements": doing.statements,
            "segments.statement_seconds": doing.seconds,
            "segments.codes": list(codes) or None,
        }
        failed = (status or 0) >= 500 or "INTERNAL" in codes
        name = f"{method} {operation}"
        self._tell(name, self._api.SpanKind.SERVER, seconds, about, failed, self._extract(doing.caller))

    def tell_work(self, kind: str, status: str, business: str, seconds: float) -> None:
        """Work has just ended so."""
        if self._tracer is not None:
            about = {"segments.business": business, "segments.status": status}
            self._tell(kind.lower(), self._api.SpanKind.INTERNAL, seconds, about, status == "FAILED")

    def _tell(
        self, name: str, kind: Any, seconds: float, about: Mapping[str, Any], failed: bool, within: Any = None
    ) -> None:
        end = time.time_ns()
        known = {key: value for key, value in about.items() if value is not None}
        began = end - int(seconds * 1e9)
        span = self._tracer.start_span(name, context=within, kind=kind, attributes=known, start_time=began)
        if failed:
            span.set_status(self._api.StatusCode.ERROR)
        span.end(end)

    def end(self) -> None:
        """Send what is not sent yet, as far as that does not take long; blocks."""
        if self._provider is not None:
            ending = Thread(target=self._provider.shutdown, daemon=True)
            ending.start()
            ending.join(END_SECONDS)
            self._provider = self._tracer = None


TRACING = Tracing()
