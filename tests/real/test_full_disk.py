"""A server whose disk takes nothing more: what writes is refused with the reason, what reads is answered, nothing is
damaged, and when there is space again all goes on. Line R10 of the reliability requirements. The process is not let
write beyond the size that its files have, which fails in the same places as a disk that is full."""

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.drivers.server import Server, run, running, until

HEADER = "customer_id,order_id,date,amount\n"
RECORD = "mutation W($input: [CustomerInput!]!) { upsertCustomers(input: $input) { created userErrors { code } } }"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A data folder with the business `shop`."""
    made = run(tmp_path, "businesses", "create", "shop", "--time-zone", "UTC", "--currency", "EUR")
    assert made.returncode == 0, made.stderr
    return tmp_path


@contextmanager
def no_space(server: Server) -> Iterator[None]:
    """Within the block no process of the server makes any file longer than a few bytes."""
    pids = (server.process.pid, *server.workers)
    before = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids}
    for pid, (_, hard) in before.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (100, hard))
    try:
        yield
    finally:
        for pid, limits in before.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


def ask(server: Server, path: str, body: bytes, kind: str) -> tuple[int, Any]:
    connection = server.connection(30)
    headers = {"Authorization": f"Bearer {server.token}", "Content-Type": kind}
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    found = json.load(answer)
    connection.close()
    return answer.status, found


def write(server: Server, first: int) -> Any:
    """Many customers at once, which take pages of the store."""
    items = [{"externalId": f"C{number}", "name": "x" * 200} for number in range(first, first + 500)]
    body = json.dumps({"query": RECORD, "variables": {"input": items}}).encode()
    return ask(server, "/graphql", body, "application/json")[1]


@pytest.mark.slow
def test_r10_a_server_without_space_says_so_reads_and_goes_on_when_there_is_some(place: Path) -> None:
    with running(place) as server:
        first = write(server, 0)
        with no_space(server):
            refused = [write(server, 1000) for _ in range(2)]
            upload = ask(server, "/imports/purchases", f"{HEADER}C1,O1,2024-03-01,5\n".encode() * 50, "text/csv")
            read = server.query("{ customers { totalCount } }")
            live, ready = server.status("/healthz"), server.status("/readyz")
        again = write(server, 2000)
        number = ask(server, "/imports/purchases", f"{HEADER}C1,O1,2024-03-01,5\n".encode(), "text/csv")[1]["id"]
        state = f'{{ node(id: "{number}") {{ ... on PurchaseImport {{ status }} }} }}'
        until(lambda: server.query(state)["node"]["status"] == "SUCCEEDED", 60)
    log = server.log.read_text()
    checked = run(place, "db", "check")

    assert first["data"]["upsertCustomers"]["created"] == 500
    for body in refused:
        (error,) = body["errors"]
        assert error["extensions"]["code"] == "UNAVAILABLE", body
        assert error["message"].startswith("The disk of the store")
    assert upload == (503, {"detail": "The file could not be kept: the data folder is full or cannot be written."})
    assert (read, live, ready) == ({"customers": {"totalCount": 500}}, 200, 200)
    assert again["data"]["upsertCustomers"]["created"] == 500
    assert "INTERNAL" not in log and "Traceback" not in log
    assert checked.stdout == "The store is sound.\n"
