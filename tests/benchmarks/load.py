"""The client that asks every server: a worker whose questions name a port, headers, the bodies that are posted to
/graphql in turn, how many callers ask at once, each on a connection of its own, and for how many seconds. It knows
only as much of HTTP as it needs, so that it costs a tenth of what the fastest of the servers does."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import httptools
import uvloop

from tests.benchmarks.processes import answer_questions

TAG = b"NUMBERED"
"""Stands in bodies where the number of the request is put, so that no two are the same."""


@dataclass(slots=True)
class Burst:
    """What all callers send, in turn, until the time is over and so many requests were sent."""

    requests: Sequence[bytes]
    end: float
    least: int
    first: int
    sent: int = 0

    def choose(self) -> bytes | None:
        """The next request; None where it was enough."""
        if self.sent >= self.least and time.perf_counter() >= self.end:
            return None
        number = self.first + self.sent
        self.sent += 1
        return self.requests[number % len(self.requests)].replace(TAG, b"%08d" % number)


class Caller(asyncio.Protocol):
    """One connection, which asks again as soon as it is answered."""

    def __init__(self, burst: Burst, done: asyncio.Future[str]) -> None:
        self.burst, self.done = burst, done
        self.latencies: list[float] = []
        self.body: list[bytes] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        """Send the next one of all callers, or end."""
        request = self.burst.choose()
        if request is None:
            self.done.set_result(b"".join(self.body).decode())
            self.transport.close()
            return
        self.parser = httptools.HttpResponseParser(self)
        self.body.clear()
        self.began = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def on_message_complete(self) -> None:
        self.latencies.append(time.perf_counter() - self.began)
        status, answer = self.parser.get_status_code(), b"".join(self.body)
        if status != 200 or b'"errors"' in answer[-400:]:
            self.done.set_exception(RuntimeError(f"{status} {answer[-300:]!r}"))
            self.transport.close()
        else:
            # The parser is in the middle of its work.
            asyncio.get_running_loop().call_soon(self.ask)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or RuntimeError("the server closed the connection"))


async def send(
    port: int, headers: dict[str, str], bodies: Sequence[str], callers: int, seconds: float, least: int, first: int
) -> dict[str, object]:
    """So many callers for so long, and until so many requests were sent: how many were answered, in which time, with
    which latencies in seconds, and the last answer. `first` is the place of the body that is asked first."""
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    requests = [
        f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Accept: application/json\r\n{head}Content-Length: {len(body.encode())}\r\n\r\n{body}".encode()
        for body in bodies
    ]
    loop, began = asyncio.get_running_loop(), time.perf_counter()
    burst, made = Burst(requests, began + seconds, least, first), []
    for _ in range(callers):
        made.append(Caller(burst, loop.create_future()))
        await loop.create_connection(partial(next, iter(made[-1:])), "127.0.0.1", port)
    *_, answer = await asyncio.gather(*(caller.done for caller in made))
    took = time.perf_counter() - began
    latencies = sorted(latency for caller in made for latency in caller.latencies)
    return {
        "requests": len(latencies),
        "seconds": took,
        "p50": latencies[len(latencies) // 2],
        "p99": latencies[len(latencies) * 99 // 100],
        "answer": answer,
    }


def main() -> None:
    """Answer until the input ends."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        answer_questions(lambda **asked: runner.run(send(**asked)))


if __name__ == "__main__":
    main()
