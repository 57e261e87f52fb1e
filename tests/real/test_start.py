"""How a server starts: what it refuses to start with (line T3 of the reliability requirements), what a second start
keeps, and how long that takes."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import sample_cases
from tests.drivers.server import demo_server, free_port, run, wait_until_ready

COUNTS = "{ customers { totalCount } segmentationReport { customerCount totalRevenue } viewer { business { id } } }"
PEER = """
import sys
import sqlmodel
import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

@strawberry.type
class Query:
    hello: str = "hello"

strawberry.Schema(Query)
app = Starlette(routes=[Route("/readyz", lambda request: Response())])
uvicorn.run(app, port=int(sys.argv[1]), log_config=None)
"""


@pytest.mark.slow
def test_a_second_start_is_quick_and_keeps_the_data_and_the_secret(tmp_path: Path) -> None:
    with demo_server(tmp_path) as first:
        before = first.query(COUNTS)
        token = first.token
    began = time.perf_counter()
    with demo_server(tmp_path) as second:
        took = time.perf_counter() - began
        after = second.query(COUNTS)
        # A token of the first start is still good: nobody who stays in the explorer is thrown out.
        with_the_old_token = type(second)(second.url, token, second.process, second.log).query(COUNTS)
    began = time.perf_counter()
    port = free_port()
    peer = subprocess.Popen(
        [sys.executable, "-c", PEER, f"{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until_ready(f"http://127.0.0.1:{port}", peer, Path("/dev/null"))
        bare = time.perf_counter() - began
    finally:
        peer.terminate()
        peer.wait(timeout=10)
    print(f"second start: ready after {took:.2f} s; the same libraries without a program: {bare:.2f} s")

    assert before["customers"]["totalCount"] >= 2000
    assert before == after == with_the_old_token
    assert took < 15


UNSAFE: list[tuple[list[str], dict[str, str], tuple[str, str]]] = [
    ([], {}, ("SEGMENTS_JWT_SECRET", "32")),
    (["--demo", "--host", "0.0.0.0"], {}, ("SEGMENTS_JWT_SECRET", "loopback")),
    (["--demo"], {"SEGMENTS_DATABASE_URL": "mysql://user:hunter2@host/shop"}, ("SEGMENTS_DATABASE_URL", "postgresql")),
    ([], {"SEGMENTS_JWT_SECRET": "short-but-random-7Fq"}, ("SEGMENTS_JWT_SECRET", "32")),
    ([], {"SEGMENTS_JWT_SECRET": "changeme" * 5}, ("SEGMENTS_JWT_SECRET", "random")),
    ([], {"SEGMENTS_JWKS_URL": "http://issuer.example/keys"}, ("SEGMENTS_JWKS_URL", "https://")),
    (["--demo", "--host", "::"], {}, ("SEGMENTS_JWT_SECRET", "loopback")),
    (["--demo"], {"SEGMENTS_JWT_SECRET": "short-but-random-7Fq"}, ("SEGMENTS_JWT_SECRET", "32")),
    (["--demo"], {"SEGMENTS_CORS_ORIGINS": "*"}, ("SEGMENTS_CORS_ORIGINS", "https://shop.example")),
    (["--demo"], {"SEGMENTS_INTROSPECTION": "perhaps"}, ("SEGMENTS_INTROSPECTION", "on or off")),
]


@pytest.mark.parametrize(("arguments", "environment", "words"), sample_cases(UNSAFE, *UNSAFE[:3]))
def test_t3_what_is_not_safe_does_not_start_and_one_sentence_names_the_setting(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], words: tuple[str, ...]
) -> None:
    ended = run(tmp_path, "serve", *arguments, PORT=f"{free_port()}", **environment)

    said = " ".join((ended.stdout + ended.stderr).split())
    assert ended.returncode not in (0, -15)
    assert [word for word in words if word not in said] == []
    assert "Traceback" not in said
    assert [value for value in environment.values() if len(value) > 10 and value in said] == []
    assert not (tmp_path / "data" / "segments.sqlite").exists()
