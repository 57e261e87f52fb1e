"""How a server ends: line R11 of the reliability requirements and the part of W7 about a server that goes, with real
processes and real signals."""

import asyncio
import json
import os
import signal
import socket
import sqlite3
import threading
import time
from contextlib import ExitStack, closing
from itertools import product
from pathlib import Path

import pytest
import websockets

from tests.conftest import sample_cases
from tests.drivers.postgresql import cluster
from tests.drivers.server import Server, open_connection, run, running, to_the_end

LIMIT = 10
ZONE = ("--time-zone", "UTC", "--currency", "EUR")
WRITE = b'{"query": "mutation { recalculateSegments { userErrors { code } } }"}'
QUERY = b'{"query": "{ segmentationReport { customerCount } }"}'


class Client:
    """Asks again and again until it is told that the server is not ready any more, as a balancer would."""

    def __init__(self, server: Server, warned: threading.Event) -> None:
        self.server = server
        self.warned = warned
        self.statuses: list[int] = []
        self.complaints: list[str] = []
        self.thread = threading.Thread(target=self.ask)
        self.thread.start()

    def ask(self) -> None:
        headers = {"Authorization": f"Bearer {self.server.token}", "Content-Type": "application/json"}
        try:
            connection = self.server.connection()
            while not self.warned.is_set():
                connection.request("POST", "/graphql", QUERY, headers)
                answer = connection.getresponse()
                answer.read()
                self.statuses.append(answer.status)
            connection.close()
        except OSError as error:
            self.complaints.append(repr(error))


@pytest.mark.slow
def test_r11_under_load_a_server_drains_and_no_client_is_cut_off(folder: Path) -> None:
    warned = threading.Event()
    with running(folder, SEGMENTS_COST_BUCKET="0") as server:
        clients = [Client(server, warned) for _ in range(8)]
        time.sleep(1)
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        while server.status("/readyz") == 200:
            time.sleep(0.05)
        noticed = time.monotonic() - began
        alive = server.status("/healthz")
        warned.set()
        for client in clients:
            client.thread.join()
        code = server.wait_end()
        took = time.monotonic() - began

    assert code == 0
    assert noticed < 0.5
    assert alive == 200
    assert took < LIMIT
    assert [client.complaints for client in clients] == [[]] * 8
    assert {status for client in clients for status in client.statuses} == {200}
    assert sum(len(client.statuses) for client in clients) > 50


def test_r11_a_request_that_is_on_its_way_is_answered(folder: Path) -> None:
    with running(folder) as server, socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(server.head(len(QUERY)) + QUERY[:20])
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(2)
        with pytest.raises(ConnectionRefusedError):
            server.status("/healthz")
        connection.sendall(QUERY[20:])
        answer = to_the_end(connection)
        code = server.wait_end()

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    body = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert body["data"] == {"segmentationReport": {"customerCount": 0}}
    assert code == 0


@pytest.mark.slow
def test_r11_a_client_that_never_finishes_does_not_hold_up_the_end(folder: Path) -> None:
    with running(folder) as server, socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(server.head(len(QUERY)) + QUERY[:20])
        time.sleep(0.2)
        code, took = server.tell_to_end()

    assert code == 0
    assert not server.forced
    assert took < LIMIT


@pytest.mark.parametrize(
    ("workers", "number"),
    sample_cases(product((1, 2), (signal.SIGTERM, signal.SIGINT)), (1, signal.SIGINT)),
)
def test_r11_a_second_signal_ends_every_process_at_once(folder: Path, workers: int, number: signal.Signals) -> None:
    with running(folder, "--workers", str(workers)) as server, ExitStack() as stack:
        # A client that never finishes, for whom a first signal waits.
        open_connection(server, stack, server.head(len(QUERY)) + QUERY[:20])
        time.sleep(0.2)
        server.process.send_signal(number)
        time.sleep(1.5)
        waiting = server.process.poll() is None
        code, took = server.tell_to_end(number)
        gone = not listens(server.port)

    assert waiting
    assert code == -number
    assert took < 1
    assert gone


@pytest.mark.slow
@pytest.mark.parametrize("workers", sample_cases((1, 2), 2))
def test_r11_a_signal_to_every_process_of_a_service_is_one_signal(folder: Path, workers: int) -> None:
    # As systemd does it: the process that was started hears it, and each that it has made.
    with running(folder, "--workers", str(workers)) as server, ExitStack() as stack:
        connection = open_connection(server, stack, server.head(len(QUERY)) + QUERY[:20])
        time.sleep(0.2)
        first = server.process.pid
        made = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        for pid in (first, *map(int, made)):
            os.kill(pid, signal.SIGTERM)
        time.sleep(2)
        connection.sendall(QUERY[20:])
        answer = to_the_end(connection)
        code = server.wait_end()

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert code == 0


def listens(port: int) -> bool:
    """Whether anybody accepts connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.slow
def test_r11_a_store_that_is_locked_does_not_hold_up_the_end(folder: Path) -> None:
    with ExitStack() as stack, running(folder) as server:
        other = stack.enter_context(closing(sqlite3.connect(folder / "data" / "segments.sqlite", isolation_level=None)))
        other.execute("BEGIN IMMEDIATE")
        open_connection(server, stack, server.head(len(WRITE)) + WRITE)
        time.sleep(1)
        code, took = server.tell_to_end()

    assert code in (0, -signal.SIGTERM)
    assert took < LIMIT


@pytest.mark.slow
def test_r11_a_database_that_is_frozen_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with cluster(tmp_path / "cluster") as frozen:
        address = {"SEGMENTS_DATABASE_URL": frozen.url}
        assert run(tmp_path, "businesses", "create", "shop", *ZONE, **address).returncode == 0
        with running(tmp_path, **address) as server, frozen.freeze():
            time.sleep(1)
            code, took = server.tell_to_end()

    assert code in (0, -signal.SIGTERM)
    assert took < LIMIT


def test_r11_an_interruption_from_the_keyboard_is_an_ordinary_end(folder: Path) -> None:
    with running(folder) as server:
        code, _ = server.tell_to_end(signal.SIGINT)

    assert code == 0
    assert server.log.read_text() == ""


@pytest.mark.slow
def test_r11_several_workers_end_together(folder: Path) -> None:
    with running(folder, "--workers", "2") as server:
        answer = server.query("{ viewer { subject } }")
        server.process.send_signal(signal.SIGTERM)
        code = server.wait_end()
        with pytest.raises(ConnectionRefusedError):
            server.status("/healthz")

    assert answer == {"viewer": {"subject": "tester"}}
    assert code == 0


async def last_words(server: Server) -> list[int | None]:
    """The codes with which a hundred open sockets are closed when the server is told to end."""
    url = f"ws://127.0.0.1:{server.port}/graphql"
    init = json.dumps({"type": "connection_init", "payload": {"Authorization": f"Bearer {server.token}"}})
    clients = [
        await websockets.connect(url, subprotocols=["graphql-transport-ws"], proxy=None)  # type: ignore[list-item]
        for _ in range(100)
    ]
    for client in clients:
        await client.send(init)
        assert json.loads(await client.recv()) == {"type": "connection_ack"}
    server.process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(LIMIT):
        await asyncio.gather(*(client.wait_closed() for client in clients))
    return [client.close_code for client in clients]


def test_w7_a_server_that_ends_says_so_to_a_hundred_sockets(folder: Path) -> None:
    with running(folder) as server:
        codes = asyncio.run(last_words(server))
        code = server.wait_end()

    assert set(codes) <= {1001, 1012}
    assert code == 0
    assert server.log.read_text().count("Traceback") == 0
