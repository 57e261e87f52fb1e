"""The files that a server is deployed with. What can be held against the program without Docker is: what they name is
there, what they promise is set, and their commands run, on a file system that can only be read. With Caddy the proxy is
a real one, with Docker all of it."""

import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import pytest
import websockets.sync.client
import yaml

from gql.auth import issue_token
from gql.http.processes import END_SECONDS
from tests.drivers.documents import ROOT
from tests.drivers.face import EVERYTHING, SECRET
from tests.drivers.server import COMMAND, environment, free_port, running, until, wait_until_ready
from tests.drivers.uploading import CSV, ROWS

DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
UNIT = ROOT / "docs/deploy/segments.service"
CADDYFILE = ROOT / "docs/deploy/Caddyfile"
HEALTHCHECK = json.loads(re.findall(r"^HEALTHCHECK .* CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)[0])
MOST_EXPOSED = 2.0
"""Of the marks from 0 to 10 that systemd gives a unit, 10 being the worst."""


def test_the_image_is_made_of_what_is_there_and_gets_nothing_else() -> None:
    copied = [
        source for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE) for source in line.split()
    ]
    let_through = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]

    assert [source for source in copied if not (ROOT / source).exists()] == []
    assert sorted(copied) == sorted(let_through)
    assert "\n*\n" in (ROOT / ".dockerignore").read_text()


def test_the_image_is_pinned_and_runs_as_nobody() -> None:
    images = [*re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE), *(one["image"] for one in SERVICES.values())]
    (user,) = re.findall(r"^USER (\d+):\d+$", DOCKERFILE, re.MULTILINE)

    # Of the image that is built here no other is fetched.
    assert [image for image in images if not re.search(r":\d+\.\d+", image)] == ["segments-server", "segments-server"]
    assert int(user) > 0
    assert "--require-hashes" in DOCKERFILE
    assert re.search(r"^ENTRYPOINT \[", DOCKERFILE, re.MULTILINE) and re.search(r"^CMD \[", DOCKERFILE, re.MULTILINE)


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_confined(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert set(service.get("cap_add", [])) <= {"NET_BIND_SERVICE"}
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"] and service["pids_limit"]
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}


def test_nothing_starts_with_a_secret_that_others_know() -> None:
    text = (ROOT / "compose.yaml").read_text()
    variables = dict(re.findall(r"\$\{(\w+)([^}]*)\}", text))

    optional = {"SEGMENTS_METRICS_TOKEN", "SEGMENTS_HTTP_PORT", "SEGMENTS_HTTPS_PORT"}
    assert {name for name, rest in variables.items() if not rest.startswith(":?")} == optional
    assert re.search(r"^[A-Z_]*(SECRET|PASSWORD|TOKEN)[A-Z_]*=\S", text, re.MULTILINE) is None
    known = set(re.findall(r'"(SEGMENTS_[A-Z_]+)"', (ROOT / "gql/settings.py").read_text()))
    assert set(SERVICES["server"]["environment"]) <= known


def test_only_the_proxy_is_reached_from_outside_and_it_is_the_one_that_is_believed() -> None:
    server = SERVICES["server"]
    (inside,) = COMPOSE["networks"]["inside"]["ipam"]["config"]

    assert [name for name, one in SERVICES.items() if "ports" in one] == ["proxy"]
    assert COMPOSE["networks"]["store"]["internal"] is True
    assert SERVICES["database"]["networks"] == ["store"]
    assert "store" not in SERVICES["proxy"]["networks"]
    assert server["environment"]["SEGMENTS_TRUSTED_PROXIES"] == inside["subnet"]


def test_tables_are_there_before_the_server_which_is_given_the_time_to_drain() -> None:
    server, migrate = SERVICES["server"], SERVICES["migrate"]

    assert migrate["command"] == ["db", "upgrade"]
    assert server["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert migrate["depends_on"]["database"] == {"condition": "service_healthy"}
    assert server["command"][-2:] == ["--workers", "2"]
    assert int(server["stop_grace_period"].removesuffix("s")) > END_SECONDS
    assert int(re.findall(r"^TimeoutStopSec=(\d+)$", UNIT.read_text(), re.MULTILINE)[0]) > END_SECONDS


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_the_unit_is_right_and_the_service_can_do_little_besides(tmp_path: Path) -> None:
    unit = tmp_path / "segments.service"
    unit.write_text(UNIT.read_text().replace("/opt/segments/bin/segments", str(COMMAND)))

    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", unit],
        capture_output=True,
        text=True,
        check=False,
    )

    assert [line for line in verified.stderr.splitlines() if "segments.service" in line] == []
    (exposure,) = re.findall(r"Overall exposure level for segments.service: ([\d.]+)", rated.stdout)
    assert float(exposure) < MOST_EXPOSED


READ_ONLY = """
set -e
mount --make-rprivate /
mount --bind "$SEGMENTS_DATA" "$SEGMENTS_DATA"
mount --bind "$TMPDIR" "$TMPDIR"
mount -o remount,bind,ro /
cd "$READ_ONLY_FOLDER"
if touch it 2>/dev/null; then mount --bind . . && mount -o remount,bind,ro . && cd "$READ_ONLY_FOLDER"; fi
if touch it 2>/dev/null; then exit 77; fi
exec "$@"
"""
"""Lets a command run where nothing but two folders can be written, in a name space of its own."""


def can_unshare() -> bool:
    tool = shutil.which("unshare")
    return tool is not None and subprocess.run([tool, "-m", "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.tools
@pytest.mark.skipif(not can_unshare(), reason="no name space of mounts can be made here")
def test_the_commands_of_the_image_run_where_only_data_and_temporary_files_can_be_written(tmp_path: Path) -> None:
    (command,) = re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    port = free_port()
    arguments = [{"8000": str(port), "0.0.0.0": "127.0.0.1"}.get(one, one) for one in json.loads(command)]
    folders = {name: tmp_path / name for name in ("data", "tmp", "elsewhere")}
    for folder in folders.values():
        folder.mkdir()
    given = environment(tmp_path, SEGMENTS_JWT_SECRET=SECRET, PYTHONDONTWRITEBYTECODE="1", TMPDIR=str(folders["tmp"]))
    given = {name: value for name, value in given.items() if not name.startswith(("HOME", "XDG"))}
    given["READ_ONLY_FOLDER"] = str(folders["elsewhere"])
    log = tmp_path / "log"
    confined = ["unshare", "-m", "sh", "-c", READ_ONLY, "sh", str(COMMAND), *arguments]

    with log.open("w") as errors, subprocess.Popen(confined, env=given, stderr=errors, stdout=errors) as process:
        try:
            wait_until_ready(f"http://127.0.0.1:{port}", process, log)
            healthy = check_health(port)
        finally:
            process.terminate()
        code = process.wait(20)
    ill = check_health(port)

    assert (healthy, code) == (0, 0), log.read_text()
    assert ill != 0
    assert list(folders["elsewhere"].iterdir()) == []
    assert (folders["data"] / "segments.sqlite").exists()


def check_health(port: int) -> int:
    """What the health check of the image ends with."""
    python, *rest = (one.replace(":8000", f":{port}") for one in HEALTHCHECK)
    assert python == "python"
    return subprocess.run([sys.executable, *rest], capture_output=True, check=False).returncode


@dataclass(frozen=True)
class Site:
    """A server behind a proxy, and a token for its business `shop`."""

    port: int
    token: str

    def request(self, method: str, path: str, body: str | bytes = b"", **headers: str) -> tuple[int, bytes, Any]:
        given = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json", **headers}
        context = ssl._create_unverified_context()
        with closing(HTTPSConnection("localhost", self.port, timeout=60, context=context)) as connection:
            connection.request(method, path, body, given)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers

    def ask(self, query: str) -> Any:
        status, body, _ = self.request("POST", "/graphql", json.dumps({"query": query}))
        assert status == 200, body
        return json.loads(body)["data"]

    def import_rows(self) -> None:
        """A file, until what is in it is in the store."""
        status, told, _ = self.request("POST", "/imports/purchases", ROWS.encode(), **CSV)
        assert status == 202, told
        until(lambda: self.ask("{ customers { totalCount } }")["customers"]["totalCount"] == 30)

    def ask_over_a_socket(self, query: str) -> Any:
        connecting = websockets.sync.client.connect(
            f"wss://localhost:{self.port}/graphql",
            subprotocols=[websockets.Subprotocol("graphql-transport-ws")],
            ssl=ssl._create_unverified_context(),
            proxy=None,
        )
        with connecting as client:
            client.send(json.dumps({"type": "connection_init", "payload": {"Authorization": f"Bearer {self.token}"}}))
            assert json.loads(client.recv())["type"] == "connection_ack"
            client.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": query}}))
            return json.loads(client.recv())["payload"]["data"]


def use_site(site: Site, restart: Callable[[], None]) -> None:
    """What holds behind the proxy, whatever the server runs in."""
    assert site.ask("{ viewer { subject } }") == {"viewer": {"subject": "tester"}}
    site.import_rows()
    assert site.ask_over_a_socket("{ viewer { subject } }") == {"viewer": {"subject": "tester"}}
    assert site.request("GET", "/metrics")[0] == 404
    assert site.request("POST", "/graphql", b" " * 1_100_000)[0] == 413
    # What is longer yet the proxy ends, in one way or another.
    assert site.request("POST", "/graphql", b" " * 3_000_000)[0] in (413, 502)
    assert site.request("GET", "/healthz")[2]["strict-transport-security"] == "max-age=31536000"
    restart()
    assert site.ask("{ customers { totalCount } }") == {"customers": {"totalCount": 30}}


def make_token() -> str:
    hour, now = timedelta(hours=1), datetime.now(UTC)
    return issue_token(SECRET, subject="tester", business="shop", permissions=EVERYTHING, lifetime=hour, now=now)


@pytest.mark.tools
@pytest.mark.caddy
def test_the_server_is_used_through_caddy_and_a_restart_of_it_is_waited_for(folder: Path) -> None:
    port = free_port()
    given = {"SEGMENTS_TRUSTED_PROXIES": "127.0.0.1", "SEGMENTS_METRICS_TOKEN": "w9Q2-vB7m.Zx4Kt1Lp"}
    with proxying(folder, port) as site, ExitStack() as servers:

        def restart() -> None:
            servers.close()
            servers.enter_context(running(folder, "--workers", "2", "--port", str(port), **given))

        restart()
        until(lambda: site.request("GET", "/readyz")[0] == 200)
        use_site(site, restart)


@contextmanager
def proxying(folder: Path, port: int) -> Iterator[Site]:
    """Caddy with the file of the documentation before the server at that port."""
    https = free_port()
    given = {
        **os.environ,
        "SEGMENTS_SITE": f"localhost:{https}",
        "SEGMENTS_UPSTREAM": f"127.0.0.1:{port}",
        "SEGMENTS_HTTP_PORT": str(free_port()),
        "SEGMENTS_HTTPS_PORT": str(https),
        "XDG_DATA_HOME": str(folder / "caddy"),
        "XDG_CONFIG_HOME": str(folder / "caddy"),
    }
    command = ["caddy", "run", "--config", str(CADDYFILE), "--adapter", "caddyfile"]
    with subprocess.Popen(command, env=given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as caddy:
        try:
            yield Site(https, make_token())
        finally:
            caddy.terminate()


NEW_SHOP = ("businesses", "create", "shop", "--time-zone", "UTC", "--currency", "EUR")


@pytest.mark.tools
@pytest.mark.docker
def test_the_image_is_built_and_used_as_compose_starts_it(tmp_path: Path) -> None:
    http, https = free_port(), free_port()
    (tmp_path / "env").write_text(
        f"SEGMENTS_SITE=localhost\nSEGMENTS_JWT_SECRET={SECRET}\nSEGMENTS_DATABASE_PASSWORD=k8Zr2p0Qm5xWv9Yt\n"
        f"SEGMENTS_HTTP_PORT={http}\nSEGMENTS_HTTPS_PORT={https}\n"
    )

    def compose(*arguments: str) -> None:
        project = ["docker", "compose", "--project-name", "segments-test", "--env-file", str(tmp_path / "env")]
        done = subprocess.run([*project, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def restart() -> None:
        began = time.monotonic()
        compose("restart", "server")
        assert time.monotonic() - began < 60

    try:
        compose("up", "--detach", "--build", "--wait")
        compose(
            "exec",
            "-T",
            "server",
            "segments",
            *NEW_SHOP,
        )
        use_site(Site(https, make_token()), restart)
    finally:
        compose("down", "--volumes")
