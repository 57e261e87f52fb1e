"""README and docs are true: console blocks are run in order beside a served demo shop, and print what stands there
(`…` stands for anything); their queries are answered without an error; their recipes make tokens that the server takes.
The port and, where a machine has no curl, the client are the test's."""

import asyncio
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest
import websockets
from graphql import parse

from gql.http.explorer import EXAMPLES
from gql.http.websocket import PROTOCOL
from tests.drivers.documents import DOCUMENTS, Block, blocks
from tests.drivers.server import Server, demo_server

END = "\x1e"
CURL = f"""#!{sys.executable}
import argparse, sys, urllib.error, urllib.request
parser = argparse.ArgumentParser()
parser.add_argument("-s", action="store_true")
parser.add_argument("-H", action="append", default=[])
parser.add_argument("-d", type=str.encode)
parser.add_argument("-o")
parser.add_argument("url")
given = parser.parse_args()
request = urllib.request.Request(given.url, given.d, dict(header.split(": ", 1) for header in given.H))
try:
    answer = urllib.request.urlopen(request)
except urllib.error.HTTPError as error:
    answer = error
(open(given.o, "wb") if given.o else sys.stdout.buffer).write(answer.read())
"""


@dataclass(frozen=True)
class Place:
    """A folder where a reader follows the document, and the server of its store."""

    folder: Path
    server: Server
    environment: dict[str, str]

    def shell(self, script: str) -> str:
        done = subprocess.run(
            ["bash"],
            input=script,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        return done.stdout

    def ask(self, query: str, token: str, variables: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        request = urllib.request.Request(
            f"{self.server.url}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


def steps(block: Block) -> list[tuple[str, str]]:
    """Commands of a console block, each with what is printed for it."""
    found: list[tuple[str, str]] = []
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command = re.match(r"(?:[^\n]*\\\n)*[^\n]*\n", part)
        assert command is not None
        found.append((command[0], part[command.end() :]))
    return found


def lines(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").split("\n"))


def without_figures(text: str) -> str:
    """The text where every number, date and bar is as good as another, however wide its column is."""
    text = re.sub(r"[-−]?\d[\d,.:-]*(Z| %)?", "0", re.sub("█+", "█", text))
    return re.sub(" +", " ", text)


def matches(printed: str, expected: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in lines(expected).split("…"))
    return re.fullmatch(pattern, lines(printed), re.DOTALL) is not None


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a demo shop that was served and ended."""
    folder = tmp_path_factory.mktemp("filled")
    with demo_server(folder):
        pass
    return folder / "data"


@pytest.fixture
def place(tmp_path: Path, filled: Path) -> Iterator[Place]:
    shutil.copytree(filled, tmp_path / "data")
    with follow(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def toured(tmp_path_factory: pytest.TempPathFactory, filled: Path) -> Iterator[Place]:
    """A place where the shop of the README's tour has been imported."""
    folder = tmp_path_factory.mktemp("toured")
    shutil.copytree(filled, folder / "data")
    with follow(folder) as made:
        import_shop(made)
        yield made


@contextmanager
def follow(tmp_path: Path) -> Iterator[Place]:
    """A demo server with its data in `data`, as `make serve` leaves it, and the files of README and tour beside it."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    for block in (*blocks("README.md", "csv"), *blocks("docs/tour.md", "csv")):
        (tmp_path / block.name).write_text(block.text)
    (tmp_path / "bin").mkdir()
    if shutil.which("curl") is None:
        (tmp_path / "bin" / "curl").write_text(CURL)
        (tmp_path / "bin" / "curl").chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SEGMENTS_")}
    environment = {
        **kept,
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "COLUMNS": "100",
        "TERM": "dumb",
        "PYTHONUTF8": "1",
    }
    for name in ("PORT", "FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS", "TTY_COMPATIBLE"):
        environment.pop(name, None)
    with demo_server(tmp_path) as server:
        yield Place(tmp_path, server, environment)


def import_shop(place: Place) -> None:
    """The shop of the README's tour."""
    command = blocks("README.md", "console")[0].text.splitlines()[0].removeprefix("$ ")
    assert "8 created" in place.shell(command)


@pytest.mark.parametrize(
    "document",
    [
        "README.md",
        *(
            pytest.param(document, marks=pytest.mark.slow)
            for document in ("docs/operations.md", "docs/reports.md", "docs/classification.md")
        ),
    ],
)
def test_the_commands_print_what_the_document_says(place: Place, document: str) -> None:
    if document != "README.md":
        import_shop(place)

    written = run_all(place, document)

    assert [(command, said) for command, expected, said in written if not matches(said, expected)] == []


@pytest.mark.slow
@pytest.mark.anyio
async def test_the_tour_shows_what_the_demo_shop_holds_on_every_day(place: Place) -> None:
    token = place.shell(".venv/bin/segments token --business demo").strip()
    (query,), (expected,) = blocks("docs/tour.md", "graphql"), blocks("docs/tour.md", "json")
    entered = asyncio.create_task(wait_for_entrant(place, token, "Orders by phone"))

    answer = json.dumps(place.ask(query.text, token)[1]["data"], indent=2, ensure_ascii=False)
    written = await asyncio.to_thread(run_all, place, "docs/tour.md")

    assert [
        (command, said)
        for command, expected, said in written
        if not matches(without_figures(said), without_figures(expected))
    ] == []
    assert matches(without_figures(answer), without_figures(expected.text))
    assert await asyncio.wait_for(entered, 20) == "Emily Hughes"


async def wait_for_entrant(place: Place, token: str, segment: str) -> str:
    """The name of the first customer who is told to enter the segment."""
    query = "subscription { membershipChanges { changes { kind segment { name } customer { name } } } }"
    async with subscribed(place, token, {"query": query}) as socket:
        async for text in socket:
            for change in json.loads(text)["payload"]["data"]["membershipChanges"]["changes"]:
                if (change["kind"], change["segment"]["name"]) == ("ENTERED", segment):
                    return str(change["customer"]["name"])
    raise AssertionError("the socket was closed")


def run_all(place: Place, document: str) -> list[tuple[str, str, str]]:
    """Every command of the document, in order: it, what the document says of it, and what it printed."""
    written = [step for block in blocks(document, "console") for step in steps(block)]
    port = place.server.url.rpartition(":")[2]
    ends = "".join(f"{command}printf '\\n{END}'\n" for command, _ in written).replace(":8000", f":{port}")
    printed = place.shell(ends).split(END)[:-1]
    assert len(printed) == len(written) > 0
    return [(command, expected, said) for (command, expected), said in zip(written, printed, strict=True)]


def test_the_queries_are_answered_and_nothing_is_refused(toured: Place) -> None:
    token = toured.shell(".venv/bin/segments token --business shop").strip()
    queries = [block.text for document in DOCUMENTS for block in blocks(document, "graphql")]

    answers = [toured.ask(query, token) for query in queries]

    assert len(answers) >= 3
    for status, answer in answers:
        assert (status, "errors" in answer) == (200, False), answer
    data = [answer["data"] for _, answer in answers]
    best, report, record, preview = data[:4]
    assert [one["externalId"] for one in best["customers"]["nodes"]] == ["C1", "C3", "C2", "C4"]
    assert report["segmentationReport"]["totalRevenue"] == "16800.00"
    assert record["recordPurchases"] == {"created": 1, "updated": 0, "unchanged": 0, "userErrors": []}
    previewed = preview["segmentPreview"]
    assert (previewed["matchCount"], previewed["population"], previewed["problems"]) == (1, 4, [])
    assert previewed["sentence"] == "total revenue is more than LKR 5,000 and the number of orders is at least 2"
    again = toured.ask(queries[2], token)[1]
    assert again["data"] == {"recordPurchases": {"created": 0, "updated": 0, "unchanged": 1, "userErrors": []}}


def test_the_python_recipe_makes_a_token_that_may_read_and_not_write(toured: Place) -> None:
    (recipe,) = blocks("README.md", "python")
    (toured.folder / "recipe.py").write_text(recipe.text)

    token = toured.shell("SEGMENTS_JWT_SECRET=$(cat data/secret) .venv/bin/python recipe.py").strip()

    expect_reader(toured, token)


@pytest.mark.tools
def test_the_node_recipe_makes_a_token_that_may_read_and_not_write(toured: Place) -> None:
    (recipe,) = blocks("README.md", "javascript")
    (toured.folder / "recipe.js").write_text(recipe.text)
    install = "npm install --silent --no-audit --no-fund --no-package-lock --prefix . jsonwebtoken@9.0.2"
    subprocess.run(shlex.split(install), cwd=toured.folder, check=True, timeout=300)

    token = toured.shell("SEGMENTS_JWT_SECRET=$(cat data/secret) node recipe.js").strip()

    expect_reader(toured, token)


def expect_reader(place: Place, token: str) -> None:
    status, viewer = place.ask("{ viewer { subject permissions business { key } } }", token)
    refused = place.ask(blocks("README.md", "graphql")[2].text, token)[1]
    assert status == 200
    assert viewer["data"] == {
        "viewer": {"subject": "pos-7", "permissions": ["customers:view"], "business": {"key": "shop"}}
    }
    assert '"code": "FORBIDDEN"' in json.dumps(refused)


def test_every_example_of_the_explorer_is_answered_on_the_demo_shop_and_nothing_is_refused(toured: Place) -> None:
    token = toured.shell(".venv/bin/segments token --business demo").strip()
    examples = tomllib.loads(EXAMPLES.read_text())["example"]

    kinds = set()
    for example in examples:
        variables = fill_in(example, toured, token)
        kind = parse(example["query"]).definitions[0].operation.value  # type: ignore[attr-defined]
        kinds.add(kind)
        if kind == "subscription":
            answer = asyncio.run(first_message(toured, token, {"query": example["query"], "variables": variables}))
        else:
            _, answer = toured.ask(example["query"], token, variables)
        assert "errors" not in answer, (example["name"], answer)
        (data,) = answer["data"].values()
        assert data and data.get("userErrors", []) == [], example["name"]

    assert kinds == {"query", "mutation", "subscription"}
    assert len({example["name"] for example in examples}) == len(examples)


def fill_in(example: dict[str, Any], place: Place, token: str) -> dict[str, Any]:
    """The variables of an example, as the explorer's page fills them in."""
    variables = dict(example.get("variables", {}))
    for name, days in example.get("dates", {}).items():
        variables[name] = (datetime.now(UTC).date() - timedelta(days=days)).isoformat()
    for name, wanted in example.get("ids", {}).items():
        variables[name] = reduce(getitem, wanted["path"], place.ask(wanted["query"], token)[1]["data"])
    return variables


async def first_message(place: Place, token: str, payload: dict[str, Any]) -> dict[str, Any]:
    """What a subscription tells first."""
    async with subscribed(place, token, payload) as socket:
        told: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), 20))["payload"]
        return told


@asynccontextmanager
async def subscribed(place: Place, token: str, payload: dict[str, Any]) -> AsyncIterator[websockets.ClientConnection]:
    """A socket on which the subscription has begun."""
    url = place.server.url.replace("http", "ws", 1)
    async with websockets.connect(f"{url}/graphql", subprotocols=[PROTOCOL], proxy=None) as socket:  # type: ignore[list-item]
        await socket.send(json.dumps({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}}))
        await socket.recv()
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        yield socket
