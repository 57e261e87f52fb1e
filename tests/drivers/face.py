"""The application as a client meets it: `face` over a fresh SQLite store, `both` over each database. Nothing between
the test and the routes is replaced."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import event
from starlette.applications import Starlette

from domain.model import Actor
from gql.app import create_app
from gql.auth import issue_token
from gql.composition import Services
from gql.settings import Settings
from persistence.database.engines import Database
from tests.conftest import SetClock, is_shared, once_a_store
from tests.shops.reported_shop import orders

SECRET = "k8Zr2-p0Qm5xWv9Yt3Ls7Nd1Bf6Hg4Jc"
EVERYTHING = ("customers:view", "customers:edit")
OF_BUSINESS = re.compile(r'FROM business \nWHERE business."?key"? = ')
EXECUTING = Settings(jwt_secret=SECRET, answer_memory=0)
"""Whatever is asked is executed, however often."""


@dataclass
class Face:
    """The application, a client of it, and what stands behind."""

    app: Starlette
    client: httpx.AsyncClient
    clock: SetClock
    database: Database
    services: Services

    def token(
        self,
        *permissions: str,
        business: str = "shop",
        hours: float = 1,
        subject: str = "tester",
        token_id: str | None = None,
    ) -> str:
        return issue_token(
            SECRET,
            subject=subject,
            business=business,
            permissions=permissions or EVERYTHING,
            lifetime=timedelta(hours=hours),
            now=self.clock(),
            token_id=token_id,
        )

    def bearer(self, token: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token() if token is None else token}"}

    async def post(self, query: object, variables: object = None, token: str | None = None) -> httpx.Response:
        body = {"query": query, "variables": variables}
        return await self.client.post("/graphql", json=body, headers=self.bearer(token))

    async def raw(self, body: bytes, **headers: str) -> httpx.Response:
        given = {"Content-Type": "application/json", **self.bearer(), **headers}
        return await self.client.post("/graphql", content=body, headers=given)

    async def code(self, query: object, variables: object = None, token: str | None = None) -> str:
        return code_of(await self.post(query, variables, token))

    async def data(self, query: str, variables: object = None, token: str | None = None) -> Any:
        body = (await self.post(query, variables, token)).json()
        assert "errors" not in body, body
        return body["data"]

    def statements(self) -> list[str]:
        """Grows with every statement that asks or writes something from now on, but for those that read the list of
        revoked tokens, which follow the time, and the row of a business, which follow the commits and not the
        requests."""
        seen: list[str] = []

        def note(conn: object, cursor: object, statement: str, *rest: object) -> None:
            held = "revoked_token" in statement or OF_BUSINESS.search(statement) is not None
            if not held and not statement.startswith("BEGIN"):
                seen.append(statement)

        for engine in {self.database.reader.sync_engine, self.database.writer.sync_engine}:
            event.listen(engine, "before_cursor_execute", note)
        return seen


def code_of(response: httpx.Response) -> str:
    code: str = response.json()["errors"][0]["extensions"]["code"]
    return code


@asynccontextmanager
async def facing(database: Database, clock: SetClock, settings: Settings) -> AsyncIterator[Face]:
    """The application over a store with the businesses `shop` and `other`."""
    for key in ("shop", "other"):
        await Services(database, clock).businesses.create(key, None, "UTC", "EUR")
    async with presenting(database, clock, settings) as face:
        yield face


@asynccontextmanager
async def presenting(database: Database, clock: SetClock, settings: Settings) -> AsyncIterator[Face]:
    """The application over a store as it is."""
    services = Services(database, clock)
    app = create_app(settings, clock, database=database)
    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield Face(app, client, clock, database, services)


Opening = Callable[[Settings], Any]


@pytest.fixture
async def opening(fresh_sqlite: Database, clock: SetClock) -> Opening:
    """Makes the application with other settings."""
    return lambda settings: facing(fresh_sqlite, clock, settings)


@pytest.fixture
def face(request: pytest.FixtureRequest) -> Face:
    """The application over SQLite: of the test alone, or of its module."""
    made: Face = request.getfixturevalue(f"{'shared' if is_shared(request.node) else 'fresh'}_sqlite_face")
    return made


@pytest.fixture
def both(request: pytest.FixtureRequest, database: Database) -> Face:
    """The same over each database."""
    scope = "shared" if is_shared(request.node) else "fresh"
    made: Face = request.getfixturevalue(f"{scope}_{database.dialect}_face")
    return made


@pytest.fixture
async def fresh_sqlite_face(fresh_sqlite: Database, clock: SetClock) -> AsyncIterator[Face]:
    async with facing(fresh_sqlite, clock, EXECUTING) as made:
        yield made


@pytest.fixture
async def fresh_postgresql_face(fresh_postgresql: Database, clock: SetClock) -> AsyncIterator[Face]:
    async with facing(fresh_postgresql, clock, EXECUTING) as made:
        yield made


@pytest.fixture(scope="module")
async def shared_sqlite_face(shared_sqlite: Database) -> AsyncIterator[Face]:
    async with facing(shared_sqlite, SetClock(), EXECUTING) as made:
        yield made


@pytest.fixture(scope="module")
async def shared_postgresql_face(shared_postgresql: Database) -> AsyncIterator[Face]:
    async with facing(shared_postgresql, SetClock(), EXECUTING) as made:
        yield made


@pytest.fixture
@once_a_store
async def reported(database: Database, both: Face) -> Face:
    """With the purchases of the shop whose reports are known."""
    await both.services.purchases.record(await both.services.businesses.open("shop"), orders(), Actor("test"))
    return both
