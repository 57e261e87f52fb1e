"""The composition root of the server: settings in, a Starlette application out. What works beside the requests begins
and ends with it: the probe says no, that work is given back, then the cache and the store are closed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route, WebSocketRoute

from domain.calendar import Clock
from domain.errors import InvalidInput, name_fields
from domain.imports.formats import SourceFormat
from domain.imports.inspection.inspection import Inspection
from domain.jobs.model import JobKind, JobStatus
from domain.jobs.progress import ProgressFeed
from domain.model import Business, Viewer
from domain.reports.document import ReportDocument
from domain.reports.handler import ScheduledReports
from gql.auth import Authenticator
from gql.composition import Services, make_lake, make_owner, make_renewal, make_worker, make_writers, read_system_clock
from gql.console import make_console_routes
from gql.counters import ANALYSES, COPIES, READINGS, count_statement, count_work
from gql.http.endpoint import make_fallback_routes
from gql.http.explorer import make_asset_routes, make_explorer, make_finder_of_demo_token
from gql.http.exports import Downloads, RenderPool
from gql.http.graphql import Executor, GraphQLEndpoint
from gql.http.health import Health
from gql.http.idempotency import HEADER, REPLAYED, IdempotentRequests
from gql.http.imports import Uploads
from gql.http.metrics import make_metrics_routes
from gql.http.middleware import RequestMiddleware, build_origin_pattern
from gql.http.persisted import PersistedDocuments
from gql.http.processes import obey_signals
from gql.http.strangers import Strangers
from gql.http.throttling import Admission, SharedBuckets, Throttle
from gql.http.websocket import WebSocketEndpoint
from gql.logs import log_damage, log_statement
from gql.parameters import read_form, to_parameter_name
from gql.schema.answers import AnswerMemory
from gql.schema.context import Context, Cost
from gql.schema.keeping import OF_CLASSIFIERS, UNKEPT
from gql.schema.pacing import Pace, Turns
from gql.schema.schema import make_schema
from gql.segmentation import ScheduledSegmentation
from gql.settings import Settings
from gql.signed_links import ExportLinks
from gql.tracing import TRACING
from persistence.agenda import summarise_work
from persistence.alerts import Alerts
from persistence.buckets import DatabaseBuckets, RedisBuckets
from persistence.database.engines import Database, open_database
from persistence.database.kept_businesses import KeptBusinesses
from persistence.exports.report_folder import ReportFolder
from persistence.imports.uploads import UploadHandler
from persistence.labels.classifiers import load_installed
from persistence.reports.cache import DatabaseCache, MemoryCache, RedisCache
from persistence.sources.inspecting import inspect_purchases
from persistence.sources.opening import OpenedPurchases, open_file, open_purchases
from persistence.store import SqlStore

UPLOADS = "imports"
"""The folder below the data folder that uploaded files wait in."""
STOP_SECONDS = 5.0
"""How long what works beside the requests may take to come to an end, or to be released."""


def open_upload(
    database: Database, path: Path, business: Business, options_document: Mapping[str, object]
) -> OpenedPurchases:
    """An uploaded file, read as its request said; a saved format is as it is saved now. InvalidInput is in the words
    of the request's parameters."""
    try:
        return open_purchases(path, business, read_form(options_document), to_parameter_name, database)
    except InvalidInput as error:
        raise InvalidInput(name_fields(error.message, to_parameter_name), error.problems[0].field) from error


def observe_statement(statement: str, seconds: float) -> None:
    """Count it, and log it where the level asks for it."""
    count_statement(seconds)
    log_statement(statement, seconds)


def observe_reading(by: str) -> None:
    """Count who answered what a replica may answer."""
    READINGS.labels(by).inc()


def observe_analysis(outcome: str) -> None:
    """Count what a columnar copy answered, or why it did not."""
    ANALYSES.labels(outcome).inc()


def observe_copy(kind: str) -> None:
    """Count a columnar copy that was written."""
    COPIES.labels(kind).inc()


def observe_end(business: Business, kind: JobKind, status: JobStatus, seconds: float) -> None:
    """Count work that has ended, and tell its span."""
    count_work(kind, status, seconds)
    TRACING.tell_work(kind.value, status.value, business.key, seconds)


def share_buckets(settings: Settings, database: Database, redis: RedisCache | None) -> SharedBuckets | None:
    """Where what callers took is settled with other workers; None where there can be no others."""
    if redis is not None:
        return RedisBuckets(redis)
    return DatabaseBuckets(database) if settings.workers > 1 or settings.database_url else None


def create_app(
    settings: Settings,
    clock: Clock = read_system_clock,
    demo_token: Callable[[], str] | None = None,
    database: Database | None = None,
) -> Starlette:
    """The application; `demo_token` fills the explorer's header in demo mode."""
    opened = database or open_database(settings.url, observe_statement, settings.read_url)
    if opened.replica is not None:
        opened.replica.tell = observe_reading
    opened.condition.tell = log_damage
    feed = ProgressFeed(ended=observe_end)
    redis = RedisCache(settings.cache_url) if settings.cache_url else None
    cache = MemoryCache(redis or DatabaseCache(opened))
    classifiers = load_installed(opened.bulk)
    kept = KeptBusinesses(opened)
    lifetime = timedelta(hours=settings.token_lifetime_hours)
    lake = make_lake(settings, observe_analysis)
    services = Services(opened, clock, feed, cache, classifiers, lifetime, kept, lake)
    schema = make_schema(settings)
    authenticator = Authenticator(settings, clock, services.revocations.is_revoked)
    admission = Admission(authenticator.authenticate)
    throttle = Throttle(settings.cost_bucket, settings.cost_restore, share_buckets(settings, opened, redis))
    links = ExportLinks(settings, clock)
    seconds = settings.report_deadline_seconds
    writers, pool = make_writers(settings), RenderPool(seconds)
    downloads = Downloads(
        services,
        admission,
        authenticator.confirm,
        throttle,
        links,
        writers,
        pool,
        seconds,
    )
    folder = settings.data / UPLOADS
    check, opening = partial(open_purchases, database=opened), partial(open_upload, opened)

    def inspect(path: Path, business: Business, form: SourceFormat, declined: Collection[str]) -> Inspection:
        return inspect_purchases(path, business, form, clock, to_parameter_name, opened, declined=declined)

    uploads = Uploads(services, admission, throttle, folder, settings.upload_bytes, check, inspect, open_file)
    uploading = UploadHandler(opened, clock, services.imports, services.customers, folder, opening, make_owner())
    classifying = ScheduledSegmentation(settings, opened, clock, classifiers, feed, lake=lake)

    async def render(form: str, document: ReportDocument) -> bytes:
        return await pool.run(partial(writers.reports[form], document))

    writing = (
        ()
        if settings.reports_folder is None
        else (
            ScheduledReports(
                services.store,
                clock,
                feed,
                services.report_files,
                services.purchases,
                make_owner(),
                render,
                ReportFolder(settings.reports_folder).write,
                Alerts(settings.alert_url).report_failed_report,
            ),
        )
    )
    worker = make_worker(opened, clock, feed, settings.alert_url, (uploading, classifying, *writing))
    health = Health(SqlStore(opened, clock).is_ready)
    turns = Turns()

    def make_context(viewer: Viewer, request_id: str, cost: Cost) -> Context:
        return Context(viewer, services, request_id, links, Pace(turns), cost)

    # In a store that can only be read no write counts the purchases whose instant has passed.
    maximum = 0 if opened.condition.read_only else settings.answer_memory
    unkept = UNKEPT | OF_CLASSIFIERS if classifiers.every else UNKEPT
    answers = AnswerMemory(schema._schema, services.businesses, clock, maximum, unkept=unkept)
    documents = PersistedDocuments(settings.persisted_queries)
    executor = Executor(schema, settings, make_context, throttle, documents, answers)
    requests = IdempotentRequests(services.store, clock)
    find_demo_token = make_finder_of_demo_token(settings, demo_token)
    over_http = GraphQLEndpoint(executor, admission, make_explorer(find_demo_token), requests)
    over_socket = WebSocketEndpoint(executor, admission, authenticator.confirm, clock)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[Mapping[str, object]]:
        # In a store that can only be read there is nothing to work on.
        works = [] if opened.condition.read_only else [worker.run_forever()]
        if works and lake is not None:
            works.append(make_renewal(opened, lake, clock, observe_copy).run_forever())
        working = [asyncio.create_task(work) for work in works]

        async def end() -> None:
            for task in working:
                task.cancel()
            if working:
                await asyncio.wait(working, timeout=STOP_SECONDS)

        ending: list[asyncio.Task[None]] = []

        def begin_to_end() -> None:
            health.draining = True
            ending.append(asyncio.create_task(end()))

        obey_signals(begin_to_end)
        # What the protocol of the server is told.
        yield {"strangers": Strangers(settings.trusted_proxies)}
        if not ending:
            begin_to_end()
        await ending[0]
        throttle.close()
        await services.refusals.close()
        await cache.close()
        if lake is not None:
            await lake.engine.close()
        await opened.close()
        await asyncio.to_thread(TRACING.end)

    origins = build_origin_pattern(settings)
    across = [
        Middleware(
            CORSMiddleware,
            allow_origin_regex=origins,
            allow_methods=["GET", "POST", "PUT"],
            allow_headers=["Authorization", "Content-Type", HEADER],
            expose_headers=["X-Request-Id", "ETag", "Content-Disposition", "Retry-After", REPLAYED],
        )
    ]
    middleware = [Middleware(RequestMiddleware), *(across if origins else [])]
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    app = Starlette(
        routes=[
            Route("/graphql", over_http, methods=methods),
            WebSocketRoute("/graphql", over_socket.__call__),
            *downloads.make_routes(),
            *uploads.make_routes(),
            *make_fallback_routes(),
            *health.make_routes(),
            *make_metrics_routes(settings, lambda: summarise_work(opened.reader, clock())),
            *make_asset_routes(),
            *make_console_routes(find_demo_token),
        ],
        middleware=middleware,
        lifespan=lifespan,
    )
    # A redirect to the path without its slash would be built from the Host header.
    app.router.redirect_slashes = False
    return app
