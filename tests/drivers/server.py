"""A real server process on a loopback port, started as a user starts it, and what a client needs to talk to it."""

import asyncio
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

from gql.auth import issue_token
from tests.drivers.face import EVERYTHING, SECRET

COMMAND = Path(sys.executable).parent / "segments"
NUMBERS = count(1)
"""Of the servers of this process, so that those of one folder do not share a log."""
Found = TypeVar("Found")


@dataclass(frozen=True)
class Server:
    """Where it answers, and what to say."""

    url: str
    token: str
    process: subprocess.Popen[str]
    log: Path

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def connection(self, timeout: float = 10) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def status(self, path: str) -> int:
        """The status that the path answers with now, on a connection of its own."""
        connection = self.connection()
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()

    def head(self, length: int) -> bytes:
        """The beginning of a POST whose body has so many bytes."""
        lines = ("POST /graphql HTTP/1.1", f"Host: 127.0.0.1:{self.port}", f"Authorization: Bearer {self.token}")
        more = ("Content-Type: application/json", f"Content-Length: {length}")
        return "\r\n".join((*lines, *more, "", "")).encode()

    def query(self, query: str) -> Any:
        """The data of a query, on a connection of its own."""
        connection = self.connection(30)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        try:
            connection.request("POST", "/graphql", json.dumps({"query": query}), headers)
            answer = connection.getresponse()
            body = json.load(answer)
            assert answer.status == 200, body
            return body["data"]
        finally:
            connection.close()

    @property
    def workers(self) -> set[int]:
        """The processes that serve, without the one that watches over what they share."""
        first = self.process.pid
        made = map(int, Path(f"/proc/{first}/task/{first}/children").read_text().split())
        return {pid for pid in made if b"--multiprocessing-fork" in Path(f"/proc/{pid}/cmdline").read_bytes()}

    @property
    def sockets(self) -> int:
        """How many connections the first process has open, its listening one included; files of the store are none."""
        count = 0
        for one in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                count += one.readlink().name.startswith("socket:")
        return count

    def wait_end(self, seconds: float = 20) -> int:
        """The code with which the process ends."""
        return self.process.wait(timeout=seconds)

    def tell_to_end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """The code with which the process ends after the signal, and after how many seconds."""
        began = time.monotonic()
        self.process.send_signal(number)
        return self.wait_end(), time.monotonic() - began

    @property
    def printed(self) -> str:
        """What it said on standard output."""
        return self.log.with_suffix(".out").read_text()

    @property
    def forced(self) -> bool:
        """Whether something held up the end until the process was ended by force."""
        return "not everything came to its end" in self.log.read_text()


class QuietHandler(BaseHTTPRequestHandler):
    """Answers requests of the tests without a word."""

    def log_message(self, *rest: object) -> None:
        pass


@contextmanager
def listening(handler: type[QuietHandler]) -> Iterator[str]:
    """The address of a small server of the test's own, in a thread."""
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(folder: Path, **more: str) -> dict[str, str]:
    """A data folder of its own and none of this machine's settings."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("SEGMENTS_", "PORT"))}
    return {**kept, "SEGMENTS_DATA": str(folder / "data"), **more}


def run(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Another command of the program, to its end."""
    given = environment(folder, **more)
    return subprocess.run([COMMAND, *arguments], env=given, capture_output=True, text=True, timeout=60, check=False)


START_SECONDS = 120
"""On a machine that is busy with other tests, making the demo shop included."""


@contextmanager
def running(folder: Path, *arguments: str, **more: str) -> Iterator[Server]:
    """`segments serve` with the arguments until the block ends; its token is for the business `shop`, or the one that
    demo mode prints."""
    log = folder / f"server-{next(NUMBERS)}.log"
    out = log.with_suffix(".out")
    given = environment(folder, PORT="0", SEGMENTS_JWT_SECRET=SECRET, **more)
    if "--demo" in arguments:
        del given["SEGMENTS_JWT_SECRET"]

    def announced() -> Any:
        found = re.search(r"GraphiQL:  (http://\S+)/graphql\n", out.read_text())
        assert found or process.poll() is None, log.read_text()
        return found

    with log.open("w") as errors, out.open("w") as output:
        process = subprocess.Popen([COMMAND, "serve", *arguments], env=given, stderr=errors, stdout=output, text=True)
        try:
            url = until(announced, START_SECONDS, log.read_text)[1]
            wait_until_ready(url, process, log)
            printed = re.search(r"Token:\s+(\S+)", out.read_text())
            yield Server(url, printed[1] if printed else _token(), process, log)
        finally:
            process.terminate()
            process.wait(timeout=30)


@contextmanager
def demo_server(folder: Path) -> Iterator[Server]:
    """The demo shop, as `make serve` starts it."""
    with running(folder, "--demo") as server:
        yield server


def _token() -> str:
    hour, now = timedelta(hours=1), datetime.now(UTC)
    return issue_token(SECRET, subject="tester", business="shop", permissions=EVERYTHING, lifetime=hour, now=now)


def wait_until_ready(base: str, process: "subprocess.Popen[Any]", log: Path) -> None:
    """Until /readyz says so; the log of the process where it ends first."""

    def ready() -> bool:
        assert process.poll() is None, log.read_text()
        with suppress(OSError):
            return Server(base, "", process, log).status("/readyz") == 200
        return False

    until(ready, START_SECONDS, log.read_text)


def until(found: Callable[[], Found], seconds: float = 30, told: Callable[[], str] = str) -> Found:
    """What is found at last. Where that takes longer, the test fails with what is told."""
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end, told()
        time.sleep(0.02)
    return value


async def wait_until(holds: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    """Until it holds; TimeoutError where that takes longer."""
    async with asyncio.timeout(seconds):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.02)


def open_connection(server: Server, stack: ExitStack, sent: bytes = b"") -> socket.socket:
    """A connection on which that much was sent; the stack closes it."""
    made = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=15))
    made.sendall(sent)
    return made


def to_the_end(connection: socket.socket) -> bytes:
    """All that the server says until it closes."""
    found = b""
    with suppress(ConnectionResetError):
        while data := connection.recv(65_536):
            found += data
    return found
