"""The code of docs/subscriptions.md and docs/clients.md, run as it stands there with the npm packages that it is about:
changes of members that are lost and repeated by no retry, a run that is followed, caches that put pages together, and
documents that are named by their hash."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import pytest

from gql.auth import issue_token
from tests.drivers.documents import ROOT, blocks
from tests.drivers.face import EVERYTHING, SECRET
from tests.drivers.server import QuietHandler, Server, environment, free_port, listening, run, running, until

pytestmark = pytest.mark.tools
PAGES = ("docs/subscriptions.md", "docs/clients.md")
TOKEN_SECONDS = 6
"""How long a token lasts: every client gets some while it follows."""
CUSTOMERS = 40
FOLLOW = """
const { followChanges } = await import(`./${process.argv[2]}.mjs`);
followChanges(null, (batch) => console.log(JSON.stringify(batch)));
"""
FOLLOW_IN_PYTHON = """
import asyncio, json, os, urllib.request
from follow import follow_changes

def get_token():
    return urllib.request.urlopen(os.environ["TOKEN_URL"]).read().decode()

async def main():
    async for batch in follow_changes(os.environ["SEGMENTS_URL"].replace("http", "ws") + "/graphql", get_token):
        print(json.dumps(batch), flush=True)

asyncio.run(main())
"""


class TokenHandler(QuietHandler):
    """The backend of a client: a fresh token of a few seconds for whoever asks."""

    given: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        seconds, now = timedelta(seconds=TOKEN_SECONDS), datetime.now(UTC)
        token = issue_token(
            SECRET, subject="client", business="shop", permissions=EVERYTHING, lifetime=seconds, now=now
        )
        self.given.append(token)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(token.encode())


@pytest.fixture
def pages() -> Iterator[Path]:
    """A folder with the files of the pages, below what `make clients` installed."""
    home = ROOT / "node_modules" / ".clients"
    assert home.is_dir(), "make clients installs what this needs"
    with TemporaryDirectory(dir=home) as name:
        folder = Path(name)
        for page in PAGES:
            for block in (one for language in ("js", "python") for one in blocks(page, language)):
                (folder / block.name).write_text(block.text)
        yield folder


@pytest.fixture
def tokens() -> Iterator[str]:
    with listening(TokenHandler) as url:
        yield url


def start(pages: Path, url: str, tokens: str, script: str, *arguments: str) -> "subprocess.Popen[str]":
    """A client in a process of its own."""
    name, program = ("main.py", sys.executable) if script == FOLLOW_IN_PYTHON else ("main.mjs", "node")
    (pages / name).write_text(script)
    given = {**environment(pages), "SEGMENTS_URL": url, "TOKEN_URL": tokens, "PYTHONPATH": str(pages)}
    with (pages / f"{'-'.join((name, *arguments))[:40].replace('/', '-')}.log").open("w") as log:
        return subprocess.Popen(
            [program, str(pages / name), *arguments], env=given, stdout=subprocess.PIPE, stderr=log, text=True
        )


def said(pages: Path) -> str:
    """What the clients complained of."""
    return "\n".join(f"{log.name}: {log.read_text()}" for log in sorted(pages.glob("*.log")))


class Follower:
    """A client that prints the messages it is told, and what it has printed."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.batches: list[dict[str, Any]] = []
        self.reading = threading.Thread(target=self._read, daemon=True)
        self.reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.batches.append(json.loads(line))

    @property
    def cursors(self) -> list[str]:
        return [change["cursor"] for batch in list(self.batches) for change in batch["changes"]]

    def end(self) -> None:
        self.process.kill()
        self.reading.join()
        self.process.communicate()


@contextmanager
def following(pages: Path, url: str, tokens: str) -> Iterator[dict[str, Follower]]:
    """A client of each kind; all have been told where to go on from."""
    with ExitStack() as stack:
        found = {}
        for name in ("socket", "apollo", "urql"):
            found[name] = Follower(start(pages, url, tokens, FOLLOW, name))
            stack.callback(found[name].end)
        found["python"] = Follower(start(pages, url, tokens, FOLLOW_IN_PYTHON))
        stack.callback(found["python"].end)
        until(lambda: all(one.batches for one in found.values()), 60, lambda: said(pages))
        yield found


def ask(server: Server, query: str) -> Any:
    return server.query(query)


def make_shop(server: Server) -> tuple[str, list[str]]:
    """A segment by hand and customers; their global ids."""
    people = ", ".join(f'{{externalId: "C{n}"}}' for n in range(CUSTOMERS))
    ask(server, f"mutation {{ upsertCustomers(input: [{people}]) {{ created }} }}")
    made = ask(server, 'mutation { createSegment(input: {name: "VIP", kind: MANUAL}) { segment { id } } }')
    nodes = ask(server, f"{{ customers(first: {CUSTOMERS}) {{ nodes {{ id }} }} }}")["customers"]["nodes"]
    return made["createSegment"]["segment"]["id"], [one["id"] for one in nodes]


def write(server: Server, segment: str, people: list[str], ends: threading.Event) -> None:
    """Put each customer in and take some out again, while the server lives."""
    with suppress(OSError, HTTPException, json.JSONDecodeError):
        for number, who in enumerate(people):
            named = f'(segmentId: "{segment}", customerIds: ["{who}"])'
            ask(server, f"mutation {{ assignSegment{named} {{ assignedCount }} }}")
            if number % 3 == 0:
                ask(server, f"mutation {{ removeSegment{named} {{ removedCount }} }}")
            if ends.is_set():
                return


def load_cursors(server: Server, segment: str) -> list[str]:
    """Those of every change that the store has."""
    query = f'{{ segment(id: "{segment}") {{ changes(first: 250) {{ nodes {{ cursor }} }} }} }}'
    return [one["cursor"] for one in ask(server, query)["segment"]["changes"]["nodes"]]


def test_no_change_is_lost_or_told_twice_where_the_server_is_killed_and_tokens_end(
    tmp_path: Path, pages: Path, tokens: str
) -> None:
    assert run(tmp_path, "businesses", "create", "shop", "--time-zone", "UTC", "--currency", "EUR").returncode == 0
    port = str(free_port())
    with ExitStack() as stack:
        with running(tmp_path, "--port", port) as server:
            segment, people = make_shop(server)
            clients = stack.enter_context(following(pages, server.url, tokens))
            # Before the first change.
            server.process.kill()
            server.wait_end()
        with running(tmp_path, "--port", port) as server:
            half = threading.Event()
            writing = threading.Thread(target=write, args=(server, segment, people[: CUSTOMERS // 2], half))
            writing.start()
            until(lambda: any(one.cursors for one in clients.values()), 30)
            server.process.kill()
            server.wait_end()
            half.set()
            writing.join()
        asked = len(TokenHandler.given)
        with running(tmp_path, "--port", port) as server:
            # Each client is back, and was sent away once more as its token ended.
            until(lambda: len(TokenHandler.given) >= asked + 2 * len(clients), 60)
            write(server, segment, people[CUSTOMERS // 2 :], threading.Event())
            expected = load_cursors(server, segment)
            until(
                lambda: all(len(one.cursors) >= len(expected) for one in clients.values()),
                60,
                lambda: (
                    f"{len(expected)}: { ({name: len(one.cursors) for name, one in clients.items()}) } {said(pages)}"
                ),
            )

    assert len(expected) > CUSTOMERS // 2
    for name, client in clients.items():
        assert client.batches[0]["changes"] == [], name
        assert client.cursors == expected, name


PROGRESS = """
const { followJob, socket } = await import("./socket.mjs");
const states = [];
const last = await followJob(process.argv[2], (state) => states.push(state.status));
console.log(JSON.stringify({ last, states }));
process.exit(0);
"""
APOLLO = """
import { ApolloClient, ApolloLink, HttpLink, gql } from "@apollo/client";
import { SetContextLink } from "@apollo/client/link/context";
import { cache } from "./cache.mjs";
import { hashed } from "./persisted.mjs";
import { getToken } from "./token.mjs";

const warn = console.warn, warnings = [], sent = [];
console.warn = console.error = (...words) => warnings.push(words.join(" "));
const authorized = new SetContextLink(async () => ({ headers: { Authorization: `Bearer ${await getToken()}` } }));
const http = new HttpLink({
  uri: process.env.SEGMENTS_URL + "/graphql",
  fetch: async (url, options) => {
    const answer = await fetch(url, options);
    const body = options.body ? JSON.parse(options.body) : Object.fromEntries(new URL(url).searchParams);
    sent.push([options.method, "query" in body, answer.status]);
    return answer;
  },
});
const apollo = new ApolloClient({ cache, link: ApolloLink.from([hashed, authorized, http]) });
const LIST = gql`query List($after: String) { customers(first: 3, after: $after, sort: EXTERNAL_ID) {
  edges { cursor node { id externalId metrics { orderCount } } }
  pageInfo { hasNextPage endCursor hasPreviousPage startCursor } } }`;
const watched = apollo.watchQuery({ query: LIST });
await new Promise((done) => watched.subscribe(({ loading }) => loading || done()));
await watched.fetchMore({ variables: { after: watched.getCurrentResult().data.customers.pageInfo.endCursor } });
const names = apollo.readQuery({ query: LIST }).customers.edges.map(({ node }) => node.externalId);
const ONE = gql`query One { customer(externalId: "C0") { id metrics { totalRevenue } } }`;
const JOB = gql`query Job($id: ID!) { job(id: $id) { id status ... on Recalculation { evaluated } } }`;
const first = await apollo.query({ query: ONE });
const job = await apollo.query({ query: JOB, variables: { id: process.argv[2] } });
const metrics = cache.extract()[`Customer:${first.data.customer.id}`].metrics;
const known = Object.keys(metrics).sort();
console.log(JSON.stringify({ names, metrics: known, job: job.data.job.__typename, sent, warnings }));
process.exit(0);
"""
URQL = """
import { readFileSync } from "node:fs";
import { buildSchema, introspectionFromSchema } from "graphql";
import { Client, fetchExchange, gql } from "@urql/core";
import { makeCacheExchange } from "./graphcache.mjs";
import { hashing } from "./hashing.mjs";
import { getToken } from "./token.mjs";

const warnings = [], sent = [];
console.warn = console.error = (...words) => warnings.push(words.join(" "));
const schema = introspectionFromSchema(buildSchema(readFileSync(process.argv[2], "utf8")));
const urql = new Client({
  url: process.env.SEGMENTS_URL + "/graphql",
  fetch: async (url, { headers, ...options }) => {
    const authorized = { ...headers, Authorization: `Bearer ${await getToken()}` };
    const answer = await fetch(url, { ...options, headers: authorized });
    const body = options.body ? JSON.parse(options.body) : Object.fromEntries(new URL(url).searchParams);
    sent.push([options.method, Boolean(body.query), answer.status]);
    return answer;
  },
  exchanges: [makeCacheExchange(schema), hashing, fetchExchange],
});
const LIST = gql`query List($after: String) { customers(first: 3, after: $after, sort: EXTERNAL_ID) {
  edges { cursor node { id externalId metrics { orderCount } } } nodes { id externalId }
  pageInfo { hasNextPage endCursor hasPreviousPage startCursor } } }`;
const one = await urql.query(LIST, {}).toPromise();
const two = await urql.query(LIST, { after: one.data.customers.pageInfo.endCursor }).toPromise();
const names = two.data.customers.edges.map(({ node }) => node.externalId);
console.log(JSON.stringify({ names, sent, warnings, error: two.error?.message ?? null }));
process.exit(0);
"""


def run_client(pages: Path, server: Server, tokens: str, script: str, *arguments: str) -> Any:
    """What the client prints at its end."""
    process = start(pages, server.url, tokens, script, *arguments)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said(pages)
    return json.loads(out)


def test_runs_are_followed_pages_put_together_and_documents_named_as_the_pages_say(
    server: Server, pages: Path, tokens: str
) -> None:
    make_shop(server)
    rules = '{\\"==\\": [{\\"var\\": \\"order_count\\"}, 0]}'
    made = ask(
        server, f'mutation {{ createSegment(input: {{name: "New", rules: "{rules}"}}) {{ recalculation {{ id }} }} }}'
    )
    run_id = made["createSegment"]["recalculation"]["id"]

    progress = run_client(pages, server, tokens, PROGRESS, run_id)
    apollo = run_client(pages, server, tokens, APOLLO, run_id)
    urql = run_client(pages, server, tokens, URQL, str(ROOT / "schema.graphql"))

    fraction = {"fraction": 1, "phase": "finished"}
    assert progress["last"] == {"status": "SUCCEEDED", "progress": fraction, "error": None}
    assert progress["states"][-1] == "SUCCEEDED"
    six = ["C0", "C1", "C10", "C11", "C12", "C13"]
    assert (apollo["names"], apollo["warnings"]) == (six, [])
    assert apollo["metrics"] == ["__typename", "orderCount", "totalRevenue"]
    assert apollo["job"] == "Recalculation"
    named = [["GET", False, 200], ["POST", True, 200]]
    assert apollo["sent"] == [*named, ["GET", False, 200], *named, *named]
    assert (urql["names"], urql["warnings"], urql["error"]) == (six, [], None)
    assert urql["sent"] == [["GET", False, 200], ["GET", True, 200], ["GET", False, 200]]
