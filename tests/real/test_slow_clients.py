"""Clients that keep a connection without using it: line S1 of the reliability requirements, against the real server.
All of them come at once, and the tests look at what became of them."""

import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

import pytest

from tests.conftest import pause_collector
from tests.drivers.server import Server, open_connection, to_the_end

LATE = b"HTTP/1.1 408 Request Timeout"


@dataclass
class Crowd:
    """What the server said to whom, after how many seconds, and how it was meanwhile."""

    answers: dict[str, list[bytes]] = field(default_factory=dict)
    took: float = 0
    health: list[float] = field(default_factory=list)


@pytest.fixture(scope="module")
def crowd(server: Server) -> Crowd:
    """Fifty clients each that stop at one of six places, and two that go on by five bytes a second."""
    halves = {
        "nothing": b"",
        "half a line": b"POST /gra",
        "half the headers": b"POST /graphql HTTP/1.1\r\nHost: x\r\nX-Half: ",
        "no body": server.head(100),
        "half a body": server.head(100) + b'{"query": "{ vie',
        "a chunk without end": server.head(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + b"5\r\nab",
    }
    drips = {"dripping headers": b"GET /healthz HTTP/1.1\r\nX-Drip: ", "dripping body": server.head(99)}
    made, over = Crowd(), threading.Event()
    with pause_collector(), ExitStack() as stack:
        began = time.monotonic()
        connections = [(name, open_connection(server, stack, half)) for _ in range(50) for name, half in halves.items()]
        dripping = [(name, open_connection(server, stack, half)) for name, half in drips.items()]

        def drip() -> None:
            while not over.wait(0.2):
                for _, connection in dripping:
                    with suppress(OSError):
                        connection.sendall(b"x")

        thread = threading.Thread(target=drip)
        thread.start()
        while time.monotonic() - began < 7:
            asked = time.monotonic()
            assert server.status("/healthz") == 200
            made.health.append(time.monotonic() - asked)
            time.sleep(0.1)
        for name, connection in connections + dripping:
            made.answers.setdefault(name, []).append(to_the_end(connection).partition(b"\r\n")[0])
        made.took = time.monotonic() - began
        over.set()
        thread.join()
    return made


@pytest.mark.slow
def test_s1_three_hundred_half_sent_requests_are_dropped_within_ten_seconds(crowd: Crowd) -> None:
    halves = {name: answers for name, answers in crowd.answers.items() if "dripping" not in name}

    assert halves == dict.fromkeys(halves, [LATE] * 50)
    assert len(halves) == 6
    assert crowd.took < 10


@pytest.mark.slow
def test_s1_a_byte_now_and_then_buys_no_time(crowd: Crowd) -> None:
    assert crowd.answers["dripping headers"] == crowd.answers["dripping body"] == [LATE]
    assert crowd.took < 10


@pytest.mark.slow
def test_s1_meanwhile_the_process_says_that_it_lives(crowd: Crowd) -> None:
    assert len(crowd.health) > 20
    assert max(crowd.health) < 0.5


@pytest.mark.slow
def test_s1_afterwards_questions_are_answered(crowd: Crowd, server: Server) -> None:
    assert server.query("{ viewer { subject } }") == {"viewer": {"subject": "tester"}}
