"""Several processes that serve on one address: they have time to start, one that died or says nothing is replaced, and
the log says why; and what is revoked is known to all of them, line T2 of the reliability requirements."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path

import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from gql.http.websocket import PROTOCOL
from tests.drivers.server import SECRET, Server, environment, free_port, run, running, until, wait_until_ready
from tests.drivers.sockets import receive, send, wait_closed

SLOW_START = """
import sys
import time
from contextlib import closing
if "--multiprocessing-fork" in sys.orig_argv:
    time.sleep(7)
"""
IMPATIENT = """
import gql.http.processes
gql.http.processes.ANSWER_SECONDS = 4
from gql.cli.main import main
main()
"""
REPLACED = re.compile(r"worker (\d+) (.*); worker \d+ takes its place")


def reasons(server: Server) -> dict[int, str]:
    """Who was replaced, and why."""
    return {int(pid): why for pid, why in REPLACED.findall(server.log.read_text())}


@pytest.mark.slow
def test_workers_that_take_long_to_start_are_left_alone(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(SLOW_START)
    with running(folder, "--workers", "2", PYTHONPATH=str(tmp_path)) as server:
        serving = server.workers
        time.sleep(2)
        after = server.workers
        answer = server.query("{ viewer { subject } }")

    assert len(serving) == 2
    assert serving == after
    assert answer == {"viewer": {"subject": "tester"}}
    assert reasons(server) == {}


@pytest.mark.slow
def test_a_worker_that_died_is_replaced_and_the_log_says_why(folder: Path) -> None:
    with running(folder, "--workers", "2") as server:
        until(lambda: len(server.workers) == 2)
        first, second = sorted(server.workers)
        os.kill(first, signal.SIGKILL)
        until(lambda: reasons(server))
        until(lambda: len(server.workers) == 2)
        after = server.workers
        answer = server.query("{ viewer { subject } }")

    assert reasons(server) == {first: "was ended by SIGKILL"}
    assert second in after and first not in after
    assert answer == {"viewer": {"subject": "tester"}}


@pytest.mark.slow
def test_a_worker_that_says_nothing_is_replaced_and_the_log_says_why(folder: Path, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    command = [sys.executable, "-c", IMPATIENT, "serve", "--workers", "2"]
    given = environment(folder, PORT=str(port), SEGMENTS_JWT_SECRET=SECRET)
    with (
        log.open("w") as errors,
        subprocess.Popen(command, env=given, stderr=errors, stdout=subprocess.DEVNULL, text=True) as process,
    ):
        server = Server(f"http://127.0.0.1:{port}", "", process, log)
        wait_until_ready(server.url, process, log)
        until(lambda: len(server.workers) == 2)
        silent = min(server.workers)
        os.kill(silent, signal.SIGSTOP)
        until(lambda: silent in reasons(server))
        process.send_signal(signal.SIGTERM)
        code = server.wait_end()

    assert re.fullmatch(r"did not answer for \d s", reasons(server)[silent])
    assert code == 0


@pytest.mark.slow
@pytest.mark.anyio
async def test_t2_what_a_command_revokes_no_worker_takes_within_five_seconds_and_open_sockets_are_closed(
    folder: Path,
) -> None:
    with running(folder, "--workers", "2") as server:
        until(lambda: len(server.workers) == 2)
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(initiated(server)) for _ in range(8)]
            done = run(folder, "token", "revoke", "--subject", "tester", "--business", "shop")
            began = time.monotonic()
            codes = [await wait_closed(client, 5) for client in clients]
            took = time.monotonic() - began
            # Whichever worker takes the connection.
            found = {answer_to(server) for _ in range(20)}

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Revoked the tokens of tester in shop, issued before ")
    assert codes == [4403] * 8
    assert found == {401}
    assert took < 5


@asynccontextmanager
async def initiated(server: Server) -> AsyncIterator[ClientConnection]:
    """A socket whose token was accepted."""
    connecting = websockets.connect(f"ws://127.0.0.1:{server.port}/graphql", subprotocols=[PROTOCOL], proxy=None)
    async with connecting as client:
        await send(client, type="connection_init", payload={"Authorization": f"Bearer {server.token}"})
        assert await receive(client) == {"type": "connection_ack"}
        yield client


def answer_to(server: Server) -> int:
    """The status that a query is answered with, on a connection of its own."""
    connection = server.connection()
    try:
        body = json.dumps({"query": "{ viewer { subject } }"})
        headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}
        connection.request("POST", "/graphql", body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.slow
def test_t8_workers_settle_what_a_caller_may_ask_for(folder: Path) -> None:
    with running(folder, "--workers", "2", SEGMENTS_COST_BUCKET="1000", SEGMENTS_COST_RESTORE="1") as server:
        for _ in range(3):
            server.query("{ segmentationReport { customerCount } }")
        settled = until(lambda: read_buckets(folder))

    assert settled == ["tester"]


CHANGES = """subscription { membershipChanges { changes {
    segment { memberCount members { totalCount } } customer { segments { segment { key } } } } } }"""
FOLLOW = """subscription F($id: ID!) { recalculationProgress(id: $id) {
    status finishedAt entered segment { memberCount members { totalCount } } } }"""
ASKED = """{{ job(id: "{run}") {{ status finishedAt ... on Recalculation {{
    entered segment {{ memberCount members {{ totalCount }} }} }} }}
    customer(externalId: "{who}") {{ segments {{ segment {{ key }} }} }} }}"""


@pytest.mark.slow
@pytest.mark.anyio
async def test_what_one_worker_tells_agrees_with_what_any_of_them_is_asked(folder: Path) -> None:
    rules = '{\\"==\\": [{\\"var\\": \\"loyalty_level\\"}, \\"GOLD\\"]}'
    draft = f'{{name: "Told", key: "told", isDynamic: false, rules: "{rules}"}}'
    with running(folder, "--workers", "2") as server:
        made = server.query(f"mutation {{ createSegment(input: {draft}) {{ segment {{ id }} }} }}")
        key = made["createSegment"]["segment"]["id"]
        async with initiated(server) as told, initiated(server) as runs:
            await send(told, type="subscribe", id="c", payload={"query": CHANGES})
            await receive(told)
            for number in range(25):
                who = f"T{number}"
                customer = f'{{externalId: "{who}", loyaltyLevel: "GOLD"}}'
                server.query(f"mutation {{ upsertCustomers(input: [{customer}]) {{ created }} }}")
                asked = f'mutation {{ recalculateSegment(segmentId: "{key}") {{ recalculation {{ id }} }} }}'
                run_id = server.query(asked)["recalculateSegment"]["recalculation"]["id"]
                await send(runs, type="subscribe", id="r", payload={"query": FOLLOW, "variables": {"id": run_id}})
                while (message := await receive(runs, 20))["type"] == "next":
                    last = message["payload"]["data"]["recalculationProgress"]
                answers = [server.query(ASKED.format(run=run_id, who=who)) for _ in range(4)]
                (change,) = (await receive(told, 20))["payload"]["data"]["membershipChanges"]["changes"]

                assert [one["job"] for one in answers] == [last] * 4
                assert (last["status"], last["segment"]["memberCount"]) == ("SUCCEEDED", number + 1)
                assert change["segment"] == last["segment"]
                assert [one["customer"] for one in answers] == [change["customer"]] * 4


def read_buckets(folder: Path) -> list[str]:
    """Whose buckets the store has."""
    with closing(sqlite3.connect(folder / "data" / "segments.sqlite")) as store:
        return [subject for (subject,) in store.execute("SELECT subject FROM cost_bucket")]
