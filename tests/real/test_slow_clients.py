"""Clients that keep a connection without using it: line S1 of the reliability requirements, against the real server."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress

import pytest

from tests.real.server import Server, run, running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("slow")
    assert run(folder, "businesses", "create", "shop", "--time-zone", "UTC", "--currency", "EUR").returncode == 0
    with running(folder) as made:
        yield made


def opened(server: Server, stack: ExitStack, sent: bytes = b"") -> socket.socket:
    made = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=15))
    made.sendall(sent)
    return made


def to_the_end(connection: socket.socket) -> bytes:
    """All that the server says until it closes."""
    found = b""
    try:
        while data := connection.recv(65_536):
            found += data
    except ConnectionResetError:
        pass
    return found


def test_s1_three_hundred_half_sent_requests_are_dropped_within_ten_seconds(server: Server) -> None:
    halves = {
        "nothing": b"",
        "half a line": b"POST /gra",
        "half the headers": b"POST /graphql HTTP/1.1\r\nHost: x\r\nX-Half: ",
        "no body": server.head(100),
        "half a body": server.head(100) + b'{"query": "{ vie',
        "a chunk without end": server.head(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + b"5\r\nab",
    }
    health: list[float] = []
    with ExitStack() as stack:
        began = time.monotonic()
        connections = [(name, opened(server, stack, half)) for _ in range(50) for name, half in halves.items()]
        while time.monotonic() - began < 7:
            asked = time.monotonic()
            assert server.status("/healthz") == 200
            health.append(time.monotonic() - asked)
            time.sleep(0.1)
        said = [(name, to_the_end(connection)) for name, connection in connections]
        took = time.monotonic() - began

    assert len(said) == 300
    assert {answer.partition(b"\r\n")[0] for _, answer in said} == {b"HTTP/1.1 408 Request Timeout"}
    assert took < 10
    assert max(health) < 0.5
    assert server.query("{ viewer { subject } }") == {"viewer": {"subject": "tester"}}


def test_s1_a_byte_now_and_then_buys_no_time(server: Server) -> None:
    with ExitStack() as stack:
        began = time.monotonic()
        halves = (b"GET /healthz HTTP/1.1\r\nX-Drip: ", server.head(99))
        connections = [opened(server, stack, half) for half in halves]
        over = threading.Event()

        def drip() -> None:
            while not over.wait(0.2):
                for connection in connections:
                    with suppress(OSError):
                        connection.sendall(b"x")

        dripping = threading.Thread(target=drip)
        dripping.start()
        said = [to_the_end(connection) for connection in connections]
        took = time.monotonic() - began
        over.set()
        dripping.join()

    assert [answer[:13] for answer in said] == [b"HTTP/1.1 408 "] * 2
    assert 7 < took < 10


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("one large header", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Large: " + b"x" * 70_000 + b"\r\n\r\n"),
        ("many small headers", b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X-A: b\r\n" * 10_000 + b"\r\n"),
        ("a large address", b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("headers without end", b"GET /healthz HTTP/1.1\r\nX-Large: " + b"x" * 200_000),
    ],
)
def test_c2_headers_beyond_32_kilobytes_are_refused(server: Server, name: str, sent: bytes) -> None:
    with ExitStack() as stack:
        connection = opened(server, stack)
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(sent)
        answer = to_the_end(connection)

    # The rest of what was sent may meet a closed connection before the refusal is read.
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")
    assert server.status("/healthz") == 200


def test_b1_a_connection_is_good_for_the_next_request_after_a_bad_body(server: Server) -> None:
    bad, good = b'{"query": NaN}', b'{"query": "{ viewer { subject } }"}'
    headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}
    statuses = []
    with closing(server.connection()) as connection:
        for sent in (bad, good, b"null", good):
            connection.request("POST", "/graphql", sent, headers)
            answer = connection.getresponse()
            statuses.append((answer.status, answer.read()[:9]))
            assert connection.sock is not None

    assert statuses == [(400, b'{"errors"'), (200, b'{"data":{'), (400, b'{"errors"'), (200, b'{"data":{')]
