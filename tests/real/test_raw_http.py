"""Bytes that no library would send, on the wire of a real server: the parts of B1, B2, C2 and S1 of the reliability
requirements that only a connection shows."""

import resource
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from tests.drivers.server import Server, open_connection, running, to_the_end

VIEWER = b'{"query": "{ viewer { subject } }"}'


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
        connection = open_connection(server, stack)
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


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET  /healthz HTTP/1.1\r\n\r\nx",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nA\x00B: c\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nNo colon\r\n\r\n",
        b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello",
        b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /graphql HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"POST /graphql HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    ],
)
def test_b1_bytes_that_are_no_http_are_the_clients_fault(server: Server, sent: bytes) -> None:
    with ExitStack() as stack:
        answer = to_the_end(open_connection(server, stack, sent))

    assert answer.startswith(b"HTTP/1.1 4")
    assert server.query("{ viewer { subject } }") == {"viewer": {"subject": "tester"}}


def test_c2_a_second_request_cannot_hide_in_the_first(server: Server) -> None:
    hidden = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"
    head = server.head(len(VIEWER)).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with ExitStack() as stack:
        answer = to_the_end(open_connection(server, stack, head + VIEWER + hidden))

    assert answer.count(b"HTTP/1.1 ") == 1
    assert b'"subject":"tester"' in answer


def test_c2_the_server_does_not_say_what_it_is_made_of(server: Server) -> None:
    with closing(server.connection()) as connection:
        for path in ("/healthz", "/graphql", "/nothing"):
            connection.request("GET", path)
            answer = connection.getresponse()
            said = answer.read().decode() + str(answer.getheaders())
            assert answer.getheader("server") is None
            assert [word for word in ("uvicorn", "starlette", "strawberry", "ython") if word in said] == []


def memory_of(server: Server) -> int:
    """Bytes that the process holds."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) * 1024


@pytest.mark.parametrize("chunked", [False, True])
def test_b2_a_body_without_end_is_refused_soon_and_not_held(server: Server, chunked: bool) -> None:
    head, piece = server.head(1 << 40), b"x" * (1 << 20)
    if chunked:
        head = head.replace(f"Content-Length: {1 << 40}".encode(), b"Transfer-Encoding: chunked")
        piece = b"100000\r\n" + piece + b"\r\n"
    before, began = memory_of(server), time.monotonic()
    with ExitStack() as stack:
        connection = open_connection(server, stack, head)
        with pytest.raises(ConnectionError):
            while time.monotonic() - began < 10:
                connection.sendall(piece)
        took = time.monotonic() - began

    assert took < 5
    assert memory_of(server) - before < 50 << 20
    assert server.status("/healthz") == 200


def test_b2_the_refusal_of_a_large_body_can_be_read(server: Server) -> None:
    with ExitStack() as stack:
        connection = open_connection(server, stack, server.head(2 << 20) + b"x" * (1_100_000))
        answer = to_the_end(connection)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"LIMIT_EXCEEDED" in answer


@pytest.mark.slow
def test_s1_a_server_without_free_descriptors_serves_again_when_they_are_back(folder: Path) -> None:
    with running(folder) as server:
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (64, 64))
        with ExitStack() as stack:
            for _ in range(200):
                with suppress(ConnectionError):
                    open_connection(server, stack, b"GET /hea")
            time.sleep(0.5)
            alive = server.process.poll() is None
        time.sleep(0.5)
        answer = server.query("{ customers { totalCount } }")

    assert alive
    assert answer == {"customers": {"totalCount": 0}}
