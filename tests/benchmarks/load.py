"""The client that asks every server: a worker whose questions name a port, headers, the bodies that are posted to
/graphql in turn, how many callers ask at once, each on a connection of its own, and for how many seconds. It knows
only as much of HTTP as it needs, so that it costs a tenth of what the fastest of the servers does."""

import asyncio
import time
from collections.abc import Sequence
from itertools import count
from typing import Any

import httptools
import uvloop

from tests.benchmarks.processes import answer_questions

TAG = b"NUMBERED"
"""Stands in bodies where the number of the request is put, so that no two are the same."""


class Caller(asyncio.Protocol):
    """One connection, which asks again as soon as it is answered."""

    def __init__(
        self, requests: Sequence[bytes], numbers: "count[int]", end: float, done: asyncio.Future[None]
    ) -> None:
        self.requests, self.numbers, self.end, self.done = requests, numbers, end, done
        self.latencies: list[float] = []
        self.body: list[bytes] = []
        self.failure = ""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        """Send the next one of all callers."""
        self.parser = httptools.HttpResponseParser(self)
        self.body.clear()
        self.began = time.perf_counter()
        number = next(self.numbers)
        request = self.requests[number % len(self.requests)]
        self.transport.write(request.replace(TAG, b"%08d" % number))

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def on_message_complete(self) -> None:
        now = time.perf_counter()
        self.latencies.append(now - self.began)
        answer = b"".join(self.body)
        if self.parser.get_status_code() != 200 or b'"errors"' in answer[-400:]:
            self.failure = f"{self.parser.get_status_code()} {answer[-300:]!r}"
        if now < self.end and not self.failure:
            # The parser is in the middle of its work.
            asyncio.get_running_loop().call_soon(self.ask)
        else:
            self.transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def burst(
    port: int, headers: dict[str, str], bodies: Sequence[str], callers: int, seconds: float, first: int
) -> dict[str, object]:
    """So many callers for so long, or only one request where seconds are 0: how many were answered, in which time,
    with which latencies in seconds, and the last answer. `first` is the place of the body that is asked first."""
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    requests = [
        f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Accept: application/json\r\n{head}Content-Length: {len(body.encode())}\r\n\r\n{body}".encode()
        for body in bodies
    ]
    loop, numbers, began = asyncio.get_running_loop(), count(first), time.perf_counter()
    made = []
    for _ in range(callers):
        caller = Caller(requests, numbers, began + seconds, loop.create_future())
        await loop.create_connection(lambda caller=caller: caller, "127.0.0.1", port)  # type: ignore[misc]
        made.append(caller)
    await asyncio.gather(*(caller.done for caller in made))
    took = time.perf_counter() - began
    if failures := [caller.failure for caller in made if caller.failure]:
        raise RuntimeError(failures[0])
    latencies = sorted(latency for caller in made for latency in caller.latencies)
    return {
        "requests": len(latencies),
        "seconds": took,
        "p50": latencies[len(latencies) // 2],
        "p99": latencies[len(latencies) * 99 // 100],
        "answer": b"".join(made[-1].body).decode(),
    }


def main() -> None:
    """Answer until the input ends."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        answer_questions(lambda **asked: runner.run(burst(**asked)))


if __name__ == "__main__":
    main()
