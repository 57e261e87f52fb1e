"""/metrics, by which Prometheus asks for the numbers of the process and of the store. Whoever asks shows the token of
the setting; where there is none the address is not there, but in demo mode, where everybody who reaches the server is
given a token anyway. A store that does not answer in time takes nothing from the numbers of the process."""

import asyncio
import hmac
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from domain.jobs.model import JobKind, WorkSummary
from gql.auth import Unauthenticated, read_bearer_token
from gql.counters import collect
from gql.http.endpoint import CHALLENGE, make_error_response
from gql.http.middleware import run_with_deadline
from gql.http.throttling import recognise
from gql.schema.errors import log_surprise
from gql.settings import Settings

PATIENCE_SECONDS = 2.0
"""A store that does not answer in this time is said to be down."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredNumbers(Collector):
    """What the store says of its work; None where it does not answer."""

    work: WorkSummary | None

    def collect(self) -> Iterator[Metric]:
        """One family after the other."""
        build = GaugeMetricFamily("segments_build_info", "The version of the program.", labels=["version"])
        build.add_metric([version("segments-server")], 1)
        yield build
        yield GaugeMetricFamily("segments_store_up", "Whether the store answers.", value=self.work is not None)
        if self.work is None:
            return
        waiting = GaugeMetricFamily("segments_jobs", "Work that waits or is worked on.", labels=["kind", "status"])
        oldest = GaugeMetricFamily(
            "segments_oldest_waiting_job_seconds", "How long the oldest work waits; 0 where none does.", labels=["kind"]
        )
        for kind in JobKind:
            label = kind.value.lower()
            waiting.add_metric([label, "queued"], self.work.queued[kind])
            waiting.add_metric([label, "running"], self.work.running[kind])
            oldest.add_metric([label], self.work.oldest_seconds[kind])
        yield waiting
        yield oldest
        rows = CounterMetricFamily(
            "segments_import_rows", "Rows of purchases that were imported, by commands too.", labels=["outcome"]
        )
        for outcome, count in self.work.import_rows.items():
            rows.add_metric([outcome], count)
        yield rows


def make_metrics_routes(settings: Settings, summarise: Callable[[], Coroutine[Any, Any, WorkSummary]]) -> list[Route]:
    """The address, where there is one; `summarise` asks the store."""
    if not (settings.metrics_token or settings.demo):
        return []

    async def respond(request: Request) -> Response:
        if settings.metrics_token:
            try:
                token = read_bearer_token(request.headers)
            except Unauthenticated as error:
                return make_error_response(401, error.message, CHALLENGE)
            if not hmac.compare_digest(token.encode(), settings.metrics_token.encode()):
                return make_error_response(401, "Invalid token.", CHALLENGE)
            recognise(request)
        try:
            work = await run_with_deadline(PATIENCE_SECONDS, summarise())
        except Exception as error:
            log_surprise(error, request.state.request_id)
            work = None
        # In a thread: files are read, and a thousand lines written.
        text = await asyncio.to_thread(_write, StoredNumbers(work))
        return Response(text, headers={"Cache-Control": "no-store", "Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    return [Route("/metrics", respond, methods=["GET"])]


def _write(stored: StoredNumbers) -> bytes:
    beside = CollectorRegistry()
    beside.register(stored)
    return generate_latest(collect()) + generate_latest(beside)
