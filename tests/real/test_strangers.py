"""Crowds without a token against the real server: they take places from each other and from nobody else. Line S1 of the
reliability requirements, and the connections of W4."""

import json
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from gql.http.strangers import PLACES, PLACES_OF_ADDRESS
from tests.conftest import pause_collector
from tests.drivers.server import Server, open_connection, running, to_the_end, until

CROWD = 1_000
SOON = 4
"""Seconds in which the patience with a slow client has no end yet."""
QUERY = b'{"query": "{ viewer { subject } }"}'
VIEWER = {"viewer": {"subject": "tester"}}


def shake_hands(server: Server, forwarded: str = "") -> bytes:
    """The beginning of a socket."""
    lines = ("GET /graphql HTTP/1.1", f"Host: 127.0.0.1:{server.port}", "Upgrade: websocket", "Connection: Upgrade")
    key = ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
    more = ("Sec-WebSocket-Protocol: graphql-transport-ws", *([f"X-Forwarded-For: {forwarded}"] if forwarded else []))
    return "\r\n".join((*lines, *key, *more, "", "")).encode()


def come(
    server: Server, stack: ExitStack, number: int, sent: Callable[[int], bytes], source: str = "127.0.0.1"
) -> None:
    """So many connections from one address, which stay open as far as they may."""
    for place in range(number):
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=15, source_address=(source, 0))
        stack.enter_context(connection)
        # Another may have taken the place already.
        with suppress(ConnectionError):
            connection.sendall(sent(place))
    # Whoever comes later is accepted later.
    assert server.status("/healthz") == 200


def is_open(connection: socket.socket) -> bool:
    """Whether the server still keeps the connection, of which everything that was sent is passed over."""
    connection.setblocking(False)
    try:
        while connection.recv(65_536):
            pass
    except BlockingIOError:
        return True
    except ConnectionError:
        pass
    finally:
        connection.setblocking(True)
    return False


@pytest.mark.slow
def test_s1_a_thousand_strangers_take_nothing_from_those_with_a_token(server: Server) -> None:
    halves = [
        b"",
        b"GET /healthz HTTP/1.1\r\nX-Half: ",
        b"POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer nonsense\r\nContent-Length: 50\r\n\r\n{",
        shake_hands(server),
    ]
    before, took = server.sockets, []
    with pause_collector(), ExitStack() as stack:
        head = server.head(len(QUERY)).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        known = open_connection(server, stack, head + QUERY[:9])
        come(server, stack, CROWD, lambda place: halves[place % 4])
        for _ in range(25):
            began = time.monotonic()
            assert server.query("{ viewer { subject } }") == VIEWER
            assert server.status("/healthz") == server.status("/readyz") == 200
            took.append((time.monotonic() - began) / 3)
        held = server.sockets - before
        known.sendall(QUERY[9:])
        answer = to_the_end(known)
    until(lambda: server.sockets <= before)

    print(f"a thousand strangers: {max(took) * 1000:.0f} ms at most")
    assert max(took) < 1
    assert held <= PLACES_OF_ADDRESS + 5
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["data"] == VIEWER


def test_s1_strangers_of_one_address_take_no_places_of_others(server: Server) -> None:
    with ExitStack() as stack:
        first = open_connection(server, stack, shake_hands(server))
        come(server, stack, 2 * PLACES, lambda _: b"", "127.0.0.2")
        before = is_open(first)
        come(server, stack, 2 * PLACES, lambda _: b"", "127.0.0.1")
        until(lambda: not is_open(first), SOON)

    assert before


def test_s1_whoever_loses_the_place_to_another_is_told_that_its_time_is_over(server: Server) -> None:
    with ExitStack() as stack:
        first = open_connection(server, stack, b"GET /healthz HTTP/1.1\r\nX-Half: ")
        come(server, stack, PLACES_OF_ADDRESS, lambda _: b"")
        first.settimeout(SOON)
        told = to_the_end(first)

    assert told.startswith(b"HTTP/1.1 408 ")


def test_s1_an_address_that_no_trusted_proxy_forwards_counts_nothing(server: Server) -> None:
    before = server.sockets
    with ExitStack() as stack:
        come(server, stack, 2 * PLACES_OF_ADDRESS, lambda place: shake_hands(server, f"203.0.113.{place % 250}"))
        until(lambda: server.sockets - before <= PLACES_OF_ADDRESS + 1, SOON)


@pytest.mark.slow
def test_s1_behind_a_trusted_proxy_sockets_count_by_the_address_that_it_forwards(folder: Path) -> None:
    with running(folder, SEGMENTS_TRUSTED_PROXIES="127.0.0.0/8") as server, ExitStack() as stack:
        before = server.sockets + 2
        idle = open_connection(server, stack)
        first = open_connection(server, stack, shake_hands(server, "203.0.113.9, 198.51.100.1"))
        until(lambda: server.sockets == before)
        come(server, stack, 2 * PLACES, lambda _: shake_hands(server, "198.51.100.1, 203.0.113.9"))
        until(lambda: server.sockets - before <= PLACES_OF_ADDRESS + 1, SOON)

        assert is_open(first)
        assert is_open(idle)
        assert server.query("{ viewer { subject } }") == VIEWER
