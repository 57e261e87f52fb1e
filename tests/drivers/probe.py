"""A small schema with resolvers that misbehave, behind the real endpoints: slow, failing, never ending, counting. It
shows what the transport does where the product's own schema gives no occasion."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import strawberry
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute

from domain.model import Viewer
from gql.auth import Authenticator
from gql.composition import Services
from gql.http.graphql import Executor, GraphQLEndpoint
from gql.http.idempotency import IdempotentRequests
from gql.http.middleware import RequestMiddleware
from gql.http.persisted import PersistedDocuments
from gql.http.strangers import Strangers
from gql.http.throttling import Admission, Throttle
from gql.http.websocket import INIT_SECONDS, WebSocketEndpoint
from gql.schema.answers import AnswerMemory
from gql.schema.context import Context, Cost
from gql.schema.limits import DocumentLimits
from gql.schema.schema import ApiSchema
from gql.settings import Settings
from gql.signed_links import ExportLinks
from persistence.database.engines import Database
from tests.conftest import SetClock

HEAVY = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000000) SELECT count(*) FROM n"
DSN = "postgresql://admin:hunter2@db.internal/shop"


class Journal:
    """What the resolvers lived through."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.ended: list[str] = []
        self.counted: list[int] = []
        self.started = asyncio.Event()
        self.counters = 0


def probe_app(
    settings: Settings,
    clock: SetClock,
    services: Services,
    database: Database,
    journal: Journal,
    init_seconds: float = INIT_SECONDS,
) -> Starlette:
    """The real endpoints over the small schema."""

    async def statement(mark: str) -> None:
        journal.began.append(mark)
        journal.started.set()
        try:
            async with database.reader.connect() as connection:
                await connection.execute(text(HEAVY))
        finally:
            journal.ended.append(mark)

    @strawberry.type
    class Query:
        @strawberry.field
        async def slow(self, seconds: float = 60) -> int:
            await asyncio.sleep(seconds)
            return 1

        @strawberry.field
        async def heavy(self) -> int:
            await statement("heavy")
            return 1

        @strawberry.field
        async def heavy_by_loader(self, info: strawberry.Info[Context, None]) -> int:
            info.context.loaders.slow = info.context.loaders.make_loader(load)  # type: ignore[attr-defined]
            await info.context.loaders.slow.load(1)  # type: ignore[attr-defined]
            return 1

        @strawberry.field
        async def fails(self, words: str = "") -> int:
            raise RuntimeError(f"cannot reach {DSN} for {words}")

        @strawberry.field
        async def large(self, size: int) -> str:
            return "x" * size

        @strawberry.field
        async def not_a_number(self) -> float:
            return 1.5

        @strawberry.field
        async def strange(self) -> strawberry.scalars.JSON:
            return strawberry.scalars.JSON(float("nan"))  # type: ignore[operator]

    async def load(keys: list[int]) -> list[int]:
        await statement("loader")
        return keys

    @strawberry.type
    class Mutation:
        @strawberry.mutation
        async def touch(self) -> int:
            journal.began.append("touch")
            return len(journal.began)

    @strawberry.type
    class Subscription:
        @strawberry.subscription
        async def count(self, to: int = 10**9, pause: float = 0, size: int = 0) -> AsyncIterator[str]:
            journal.counters += 1
            journal.started.set()
            try:
                for number in range(to):
                    journal.counted.append(number)
                    yield f"{number}{'x' * size}"
                    await asyncio.sleep(pause)
            finally:
                journal.counters -= 1

        @strawberry.subscription
        async def changes(self, info: strawberry.Info[Context, None]) -> AsyncIterator[int]:
            while True:
                yield (await info.context.load_business()).change_number
                await asyncio.sleep(0.01)

        @strawberry.subscription
        async def breaks(self) -> AsyncIterator[int]:
            yield 1
            raise RuntimeError(DSN)

    extensions = [lambda: DocumentLimits(settings.introspection)]
    schema = ApiSchema(query=Query, mutation=Mutation, subscription=Subscription, extensions=extensions)
    links = ExportLinks(settings, clock)
    throttle = Throttle(settings.cost_bucket, settings.cost_restore)

    def make_context(viewer: Viewer, request_id: str, cost: Cost) -> Context:
        return Context(viewer, services, request_id, links, cost=cost)

    answers = AnswerMemory(schema._schema, services.businesses.open, clock, settings.answer_memory)
    executor = Executor(schema, settings, make_context, throttle, PersistedDocuments(), answers)
    requests = IdempotentRequests(services.store, clock)
    authenticator = Authenticator(settings, clock, services.revocations.is_revoked)
    admission = Admission(authenticator.authenticate)
    over_socket = WebSocketEndpoint(executor, admission, authenticator.confirm, clock, init_seconds)
    endpoint = GraphQLEndpoint(executor, admission, lambda request: Response("page"), requests)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[Mapping[str, object]]:
        yield {"strangers": Strangers()}

    async def broken(request: Request) -> Response:
        raise RuntimeError(DSN)

    return Starlette(
        routes=[
            Route("/graphql", endpoint, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
            WebSocketRoute("/graphql", over_socket.__call__),
            Route("/broken", broken),
        ],
        middleware=[Middleware(RequestMiddleware)],
        lifespan=lifespan,
    )
