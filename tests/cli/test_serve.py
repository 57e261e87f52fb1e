"""`serve` as a process: what it refuses to start with, what it says, that it answers, and how it ends. Ports are free
ones of the loopback address."""

import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.conftest import Segments
from tests.drivers.server import SECRET, Server, running, until

WRITTEN = "SELECT data_version, (SELECT MAX(id) FROM purchase), (SELECT COUNT(*) FROM segment) FROM business"
JWT, JWKS = "SEGMENTS_JWT_SECRET", "SEGMENTS_JWKS_URL"


@pytest.fixture
def segments(bare: Segments) -> Segments:
    """Without a store."""
    return bare


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[Server]:
    """`segments serve` until the block ends; whatever it says, a traceback is never part of it."""
    with running(folder, *arguments) as server:
        yield server
    assert "Traceback" not in server.log.read_text()


def runs(identity: int) -> bool:
    """Whether the process is there and not only waited for."""
    try:
        state = Path(f"/proc/{identity}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.parametrize(
    ("arguments", "environment", "sentence"),
    [
        ([], {}, f"{JWT} must be set, to at least 32 random bytes, or {JWKS}."),
        ([], {JWT: SECRET[:-1]}, f"{JWT} must have at least 32 bytes."),
        (["--demo"], {JWT: "secret" * 8}, f"{JWT} must be random: this one is easily guessed."),
        ([], {JWKS: "http://id.example/keys"}, f"{JWKS} must begin with https://, or name this machine."),
        (
            ["--demo", "--host", "0.0.0.0"],
            {},
            f"{JWT} must be set: demo mode makes its own only on a loopback address.",
        ),
        (
            ["--host", "192.0.2.1"],
            {JWT: SECRET},
            "Cannot listen on 192.0.2.1 port 8000: Cannot assign requested address. Give another --host or --port.",
        ),
        ([], {JWT: SECRET, "PORT": "99999"}, "PORT must be a whole number between 0 and 65535."),
    ],
)
def test_serve_refuses_to_start_with_one_sentence_and_makes_nothing(
    segments: Segments, arguments: list[str], environment: dict[str, str], sentence: str
) -> None:
    for name, value in environment.items():
        segments.patch.setenv(name, value)

    assert segments.expect_refusal("serve", *arguments).startswith(sentence)
    assert not segments.data.exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--workers", "0"], "Invalid value for '--workers': it must be at least 1."),
        (["--workers", "65"], "Invalid value for '--workers': it must be at most 64."),
        (["--port", "65536"], "Invalid value for '--port': it must be at most 65535."),
        (["--port", "http"], "Invalid value for '--port': it must be a whole number."),
    ],
)
def test_a_wrong_option_of_serve_is_wrong_use(segments: Segments, arguments: list[str], sentence: str) -> None:
    assert segments.expect_refusal("serve", "--demo", *arguments) == f"{sentence} --help shows how it is used."


def test_a_port_in_use_is_a_sentence_and_leaves_the_store_alone(segments: Segments) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        ended = segments.process("serve", SEGMENTS_JWT_SECRET=SECRET, PORT=str(port))

    sentence = f"Cannot listen on 127.0.0.1 port {port}: Address already in use. Give another --host or --port."
    assert (ended.code, ended.out, ended.err) == (1, "", f"Error: {sentence}\n")
    assert not segments.data.exists()


def test_with_a_secret_it_serves_and_says_no_token(segments: Segments, tmp_path: Path) -> None:
    with serving(tmp_path, "--port", "0") as server:
        health, refused = httpx.get(f"{server.url}/healthz"), server.status("/graphql?query=%7Bviewer%7Bsubject%7D%7D")
        code, _ = server.tell_to_end()

    assert (health.status_code, health.text) == (200, '{"status":"ok"}')
    assert refused in (400, 401, 405)
    assert server.printed == f"Console:   {server.url}/\nGraphiQL:  {server.url}/graphql\n"
    assert code in (0, -signal.SIGTERM)
    assert not (segments.data / "secret").exists()


def test_the_demo_serves_its_shop_with_a_ready_token_and_starts_again_with_both(
    segments: Segments, tmp_path: Path
) -> None:
    query = "{ viewer { subject business { key } } customers { totalCount } }"
    answers, secrets, written = list[Any](), list[str](), list[Any]()
    for _ in range(2):
        with serving(tmp_path, "--demo") as server:
            answers.append(server.query(query))
            secrets.append((segments.data / "secret").read_text())
        with sqlite3.connect(segments.data / "segments.sqlite") as connection:
            written.append(connection.execute(WRITTEN).fetchone())

    assert server.printed == f"Console:   {server.url}/\nGraphiQL:  {server.url}/graphql\nToken:     {server.token}\n"
    assert answers[0] == answers[1]
    assert answers[0]["viewer"] == {"subject": "demo", "business": {"key": "demo"}}
    assert answers[0]["customers"]["totalCount"] >= 2_000
    assert secrets[0] == secrets[1]
    assert (segments.data / "secret").stat().st_mode & 0o077 == 0
    # The second start makes nothing again.
    assert written[0] == written[1]
    assert min(written[0]) > 0


@pytest.mark.slow
def test_the_demo_leaves_a_store_that_is_in_use_as_it_is(shop: Segments, tmp_path: Path) -> None:
    with serving(tmp_path, "--demo") as server:
        told = server.query("{ viewer { business { key } } customers { totalCount } }")

    assert told == {"viewer": {"business": {"key": "shop"}}, "customers": {"totalCount": 10}}
    assert len(shop.run("businesses", "list").lines) == 2


@pytest.mark.usefixtures("shop")
def test_several_workers_share_port_store_and_secret_and_end_together(tmp_path: Path) -> None:
    with serving(tmp_path, "--demo", "--workers", "2") as server:
        until(lambda: len(server.workers) == 2)
        workers = server.workers
        answered = [server.query("{ customers { totalCount } }") for _ in range(20)]
        code, _ = server.tell_to_end()

    assert answered == [{"customers": {"totalCount": 10}}] * 20
    assert code in (0, -signal.SIGTERM)
    until(lambda: not any(map(runs, workers)))


@pytest.mark.usefixtures("shop")
def test_an_interruption_ends_the_server_quietly(tmp_path: Path) -> None:
    with serving(tmp_path, "--demo") as server:
        code, _ = server.tell_to_end(signal.SIGINT)

    assert code == 0
    assert "Error" not in server.log.read_text()
