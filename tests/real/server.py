"""A real server process on a loopback port, with the demo shop, and a token for it."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

COMMAND = Path(sys.executable).parent / "segments"


@dataclass(frozen=True)
class Server:
    """Where it answers, and what to say."""

    url: str
    token: str
    process: subprocess.Popen[str]
    log: Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def demo_server(folder: Path) -> Iterator[Server]:
    """`segments serve --demo` until the block ends."""
    port = free_port()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SEGMENTS_")}
    environment |= {"SEGMENTS_DATA": str(folder / "data"), "PORT": str(port)}
    log, out = folder / "server.log", folder / "server.out"
    with log.open("w") as errors, out.open("w") as output:
        process = subprocess.Popen(
            [COMMAND, "serve", "--demo"], env=environment, stderr=errors, stdout=output, text=True
        )
        try:
            base = f"http://127.0.0.1:{port}"
            _wait(base, process, log)
            found = re.search(r"Token:\s+(\S+)", out.read_text())
            assert found, out.read_text()
            yield Server(base, found[1], process, log)
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait(base: str, process: subprocess.Popen[str], log: Path) -> None:
    for _ in range(300):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{base}/readyz", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(log.read_text())
