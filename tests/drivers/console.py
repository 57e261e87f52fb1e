"""The console as a browser meets it: a shop behind a real server in the loop of the test, and pages of it in which
somebody is signed in. The clock of a shop begins at a fixed instant and goes on, and pages are told that clock, so that
figures are the same on every day. At the end of a page nobody has complained, and only its server was asked."""

import asyncio
import hashlib
import json
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from domain.demo.shop import KEY
from domain.model import Actor
from gql.app import create_app
from gql.auth import issue_token
from gql.cli.actions.demo import fill_demo
from gql.composition import Services, open_store
from gql.settings import Settings
from tests.drivers.browser import Browser, Page
from tests.drivers.documents import ROOT
from tests.drivers.face import EVERYTHING, SECRET
from tests.drivers.sockets import live
from tests.shops.console_shops import Filling, import_orders

BEGIN = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
KEPT = ROOT / "build" / "shops"
AXE = ROOT / "node_modules" / ".clients" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
NUMBERS = count(1)
"""Of the people that are signed in: each has allowances of his own."""


class RunningClock:
    """Began at the instant when it was made, and goes on."""

    def __init__(self, begin: datetime = BEGIN) -> None:
        self.ahead = begin - datetime.now(UTC)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass(frozen=True, slots=True)
class Shop:
    """A shop that is served: where, and what stands behind it."""

    url: str
    business: str
    clock: RunningClock
    services: Services
    settings: Settings

    def token(
        self,
        *permissions: str,
        everything: bool = True,
        age_hours: float = 0,
        hours: float = 1,
        subject: str = "",
        token_id: str | None = None,
    ) -> str:
        """One that may do everything, or what is named, or nothing; issued so long ago for so many hours."""
        return issue_token(
            SECRET,
            subject=subject or f"tester-{next(NUMBERS)}",
            business=self.business,
            permissions=permissions or (EVERYTHING if everything else ()),
            lifetime=timedelta(hours=hours),
            now=self.clock() - timedelta(hours=age_hours),
            token_id=token_id,
        )

    @property
    def expired_token(self) -> str:
        """One that held until an hour ago."""
        return self.token(age_hours=2)

    async def revoke(self, token_id: str) -> None:
        """The token of that id no longer holds; at the latest after two seconds."""
        business = await self.services.businesses.open(self.business)
        await self.services.revocations.revoke(business, Actor("tester"), token_id=token_id)

    async def query(self, document: str, **variables: Any) -> Any:
        """The data of the answer of the API."""
        body = {"query": document, "variables": variables}
        headers = {"Authorization": f"Bearer {self.token()}"}
        async with httpx.AsyncClient(base_url=self.url, trust_env=False) as client:
            answer = (await client.post("/graphql", json=body, headers=headers, timeout=60)).json()
        assert "errors" not in answer, answer
        return answer["data"]


Fill = Callable[[Filling], Awaitable[None]]


async def find_stock(fill: Fill | None) -> Path:
    """The data folder of the demo shop, or of a shop that was filled so, to be copied. It is made once for each state
    of the code that it depends on, and kept."""
    name = "demo" if fill is None else fill.__name__.removeprefix("fill_")
    kept = KEPT / f"{name}-{compute_digest()}"
    if not kept.exists():
        unfinished = KEPT / f"{name}-unfinished-{os.getpid()}"
        await (make_demo_stock(unfinished) if fill is None else make_stock(unfinished, fill))
        for old in KEPT.glob(f"{name}-*"):
            if old != unfinished and "unfinished" not in old.name:
                shutil.rmtree(old, ignore_errors=True)
        # Whoever was quicker has made the same.
        with suppress(OSError):
            unfinished.rename(kept)
    return kept


def compute_digest() -> str:
    """Of all that a filled store depends on."""
    folders = ("domain", "persistence", "tests/shops")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix != ".pyc"]
    made_by = [*files, ROOT / "gql" / "cli" / "actions" / "demo.py", Path(__file__)]
    texts = [path.read_bytes() for path in sorted(made_by) if path.is_file()]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()[:16]


async def make_stock(folder: Path, fill: Fill) -> None:
    """A store with the business `shop`, filled."""
    clock, store = RunningClock(), open_store(Settings(data=folder, jwt_secret=SECRET))
    business = await Services(store.database, clock).businesses.create("shop", "The Shop", "Europe/Rome", "EUR")
    await fill(Filling(store, business, clock, folder))
    await store.database.close()


async def make_demo_stock(folder: Path) -> None:
    """A store with the demo shop as of that instant, and an import that refused some rows."""
    store = open_store(Settings(data=folder, jwt_secret=SECRET, demo=True))
    await fill_demo(store, lambda: BEGIN)
    business = await Services(store.database, RunningClock()).businesses.open(KEY)
    await asyncio.to_thread(import_orders, Filling(store, business, lambda: BEGIN, folder))
    await store.database.close()


@asynccontextmanager
async def serve(
    folder: Path, fill: Fill | None = None, *, port: int = 0, prefix: str = "", **settings: Any
) -> AsyncIterator[Shop]:
    """The demo shop, or one that is filled so, until the block ends; its store is a copy in the folder, where that has
    none yet. The port is a free one where none is given; demo mode is only where it is asked for. With a prefix only
    what is below it is answered, as by a proxy that takes it off."""
    given = Settings(data=folder, jwt_secret=SECRET, **settings)
    if not given.store_file.exists():
        shutil.copytree(await find_stock(fill), folder, dirs_exist_ok=True)
    store, clock = open_store(given), RunningClock()
    shop = Shop("", KEY if fill is None else "shop", clock, Services(store.database, clock), given)
    demo_token = (lambda: shop.token(subject="demo")) if given.demo else None
    async with live(strip_prefix(create_app(given, clock, demo_token), prefix), port) as server:
        yield replace(shop, url=f"http://{server.host}{prefix}")
    await store.database.close()


def strip_prefix(app: ASGIApp, prefix: str) -> ASGIApp:
    """What the application sees behind such a proxy."""

    async def stripped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
        elif scope["path"].startswith(f"{prefix}/"):
            raw = scope["raw_path"].removeprefix(prefix.encode())
            await app({**scope, "path": scope["path"].removeprefix(prefix), "raw_path": raw}, receive, send)
        else:
            await PlainTextResponse("not below the prefix", 404)(scope, receive, send)

    return stripped if prefix else app


PAGES = {
    "overview": "/",
    "overview-value": "/?view=value",
    "overview-behavior": "/?view=category",
    "segments": "/segments",
    "segment": "/segments/{segment}",
    "new-segment": "/new-segment",
    "edit-segment": "/segments/{segment}/edit",
    "customers": "/customers",
    "customer": "/customers/{customer}",
    "imports": "/imports",
    "import": "/imports/{import}",
    "settings": "/settings",
    "settings-festive": "/settings/festive",
    "settings-schedules": "/settings/schedules",
    "settings-sources": "/settings/sources",
    "settings-shop": "/settings/shop",
    "settings-tokens": "/settings/tokens",
    "settings-audit": "/settings/audit",
    "settings-all": "/settings/all",
}
"""The addresses of all pages, for pictures and tests; what stands in braces is found in the shop."""
SEGMENT = "quiet-regulars"
"""Shown of the demo shop: one with a rule, who goes and comes."""


async def find_addresses(shop: Shop) -> dict[str, str]:
    """The address of each page in that shop; of a segment, customer or import that is nowhere, where it has none."""
    found = await shop.query(
        """query { customers(first: 1, sort: TOTAL_REVENUE, reverse: true) { nodes { externalId } }
        segments(first: 100) { nodes { key } } imports(first: 1) { nodes { id } } }"""
    )
    keys = {
        name: [each[key] for each in found[plural]["nodes"]]
        for name, plural, key in (
            ("segment", "segments", "key"),
            ("customer", "customers", "externalId"),
            ("import", "imports", "id"),
        )
    }
    keys["segment"].sort(key=lambda each: each != SEGMENT)
    values = {name: quote((known or ["nothing"])[0], safe="") for name, known in keys.items()}
    return {name: address.format(**values) for name, address in PAGES.items()}


class Console:
    """Opens pages of shops, and closes them at the end of the test."""

    def __init__(self, browser: Browser, stack: AsyncExitStack) -> None:
        self.browser, self.stack = browser, stack

    async def open(
        self,
        shop: Shop,
        address: str = "/",
        *,
        token: str | None = None,
        width: int = 1280,
        height: int = 900,
        theme: str = "light",
    ) -> Page:
        """The page at the address behind the #, drawn, of somebody who may do everything or what the token says; with
        an empty token nobody is signed in."""
        page = await self.stack.enter_async_context(self.browser.page())
        await page.resize(width, height)
        await page.prefer(theme, motion="reduce")
        await tell_time(page, shop)
        given = shop.token() if token is None else token
        if given:
            await page.call("Page.addScriptToEvaluateOnNewDocument", source=keep_token(given))
        self.stack.push_async_callback(check_conduct, page, shop)
        await page.open(f"{shop.url}/#{address}")
        await page.settle()
        return page


def keep_token(token: str) -> str:
    """A script that signs in, where nobody did in this tab yet."""
    return f"if (location.protocol === 'http:') sessionStorage.authorization ??= {json.dumps(f'Bearer {token}')}"


async def tell_time(page: Page, shop: Shop) -> None:
    """The page sees the clock of the shop."""
    ahead = round(shop.clock.ahead.total_seconds() * 1000)
    source = f"""(() => {{
      const Real = Date;
      globalThis.Date = class Date extends Real {{
        constructor(...given) {{ given.length ? super(...given) : super(Real.now() + {ahead}); }}
        static now() {{ return Real.now() + {ahead}; }}
      }};
    }})()"""
    await page.call("Page.addScriptToEvaluateOnNewDocument", source=source)


async def check_conduct(page: Page, shop: Shop) -> None:
    """Nothing but the server was asked, and no script, policy or answer was at fault. A test that provokes a fault
    clears `page.complaints`."""
    asked = {urlsplit(url).netloc for url in page.requests if urlsplit(url).scheme in ("http", "https", "ws", "wss")}
    foreign = asked - {urlsplit(shop.url).netloc}
    assert not foreign, foreign
    assert not page.complaints, page.complaints


async def check_accessibility(page: Page, *rules: str) -> None:
    """No violation of WCAG 2.2 A and AA, nor of what axe calls best practice, or of those rules alone; AssertionError
    names the rule, where it is broken and what would mend it."""
    # In a world of its own, to which the page's policy does not apply.
    frame = (await page.call("Page.getFrameTree"))["frameTree"]["frame"]["id"]
    world = (await page.call("Page.createIsolatedWorld", frameId=frame, worldName="axe"))["executionContextId"]
    source = await asyncio.to_thread(AXE.read_text)
    await page.call("Runtime.evaluate", expression=f"{source};0", contextId=world)
    only = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": RULES}
    given = {"runOnly": only, "resultTypes": ["violations"]}
    script = f"axe.run(document, {json.dumps(given)}).then((found) => JSON.stringify(found.violations))"
    answer = await page.call(
        "Runtime.evaluate", expression=script, contextId=world, awaitPromise=True, returnByValue=True
    )
    assert "value" in answer.get("result", {}), answer
    violations = json.loads(answer["result"]["value"])
    assert len(violations) == 0, "\n" + describe_violations(violations)


def describe_violations(violations: list[dict[str, Any]]) -> str:
    """A paragraph each."""
    return "\n\n".join(
        f"{each['id']} ({each['impact']}): {each['help']}\n"
        + "\n".join(
            f"  {' '.join(map(str, node['target']))}: {node['html'][:160]}\n    {node['failureSummary']}"
            for node in each["nodes"][:5]
        )
        for each in violations
    )
