"""Clients that go away in the middle of a file of members: the real server lets go of what it held for them, and says
nothing about it as if it were a fault."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.drivers.server import Server, open_connection, run, running, until

MEMBERS = 12_000
DROPPED = 12
"""More than the places of the pool that renders and the connections of the store."""
RULES = r'"{\">\": [{\"var\": \"order_count\"}, 0]}"'
CREATE = f'mutation {{ createSegment(input: {{name: "All", kind: AUTOMATIC, rules: {RULES}}}) {{ segment {{ id }} }} }}'


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    """A server whose segment has more members than fit into the buffers of a connection, and the segment's id."""
    folder = tmp_path_factory.mktemp("dropped")
    rows = "".join(f"C{n},O{n},2024-03-01,10.00\n" for n in range(MEMBERS))
    (folder / "orders.csv").write_text(f"customer_id,order_id,date,amount\n{rows}")
    made = ("--business", "shop", "--time-zone", "UTC", "--currency", "EUR")
    assert run(folder, "import", str(folder / "orders.csv"), *made).returncode == 0
    with running(folder) as server:
        segment = server.query(CREATE)["createSegment"]["segment"]["id"]
        counted = {"segments": {"nodes": [{"memberCount": MEMBERS}]}}
        until(lambda: server.query("{ segments { nodes { memberCount } } }") == counted, 60, server.log.read_text)
        yield server, segment


def request(server: Server, path: str) -> bytes:
    head = (f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", f"Authorization: Bearer {server.token}")
    return "\r\n".join((*head, "", "")).encode()


@pytest.mark.parametrize("ending", ["csv", "xlsx", "json"])
@pytest.mark.slow
def test_what_a_dropped_download_held_is_free_again(filled: tuple[Server, str], ending: str, tmp_path: Path) -> None:
    server, segment = filled
    path = f"/exports/segments/{segment}/members.{ending}"

    for _ in range(DROPPED):
        with ExitStack() as stack:
            connection = open_connection(server, stack)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(request(server, path))
            if ending != "xlsx":
                assert connection.recv(2000).startswith(b"HTTP/1.1 200")

    whole = server.connection(60)
    whole.request("GET", path, headers={"Authorization": f"Bearer {server.token}"})
    answer = whole.getresponse()
    body = answer.read()
    whole.close()
    assert answer.status == 200
    if ending == "csv":
        assert body.count(b"\n") == MEMBERS + 1
    if ending == "json":
        assert len(json.loads(body)["members"]) == MEMBERS
    if ending == "xlsx":
        assert body.endswith(b"\x00\x00") and body.startswith(b"PK")
    assert server.status("/readyz") == 200
    assert server.query("{ customers { totalCount } }") == {"customers": {"totalCount": MEMBERS}}
    log = server.log.read_text()
    assert "Traceback" not in log and "ERROR" not in log
