"""A server that receives a file: killed while it imports it and started again, it goes on and ends, and requests are
answered meanwhile; and a small file that unpacks to rows of a million cells does not fill its memory."""

import gzip
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.drivers.server import Server, run, running, until

ROWS = 60_000
HEADER = "customer_id,order_id,date,amount,category"


def file_of(rows: int) -> bytes:
    lines = (f"C{number % 5000},O{number},2024-03-01T10:00:00,{number % 90 + 10}.50,Tea" for number in range(rows))
    return "\n".join((HEADER, *lines, "")).encode()


def send_file(server: Server, body: bytes) -> str:
    """The id of the import of the file."""
    connection = server.connection(30)
    headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "text/csv"}
    connection.request("POST", "/imports/purchases?name=big.csv", body, headers)
    answer = connection.getresponse()
    assert answer.status == 202
    number: str = json.load(answer)["id"]
    connection.close()
    return number


def state(server: Server, number: str) -> Any:
    fields = "status rowsRead created unchanged error { code } progress { phase done }"
    return server.query(f'{{ node(id: "{number}") {{ ... on PurchaseImport {{ {fields} }} }} }}')["node"]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A data folder with the business `shop`."""
    made = run(tmp_path, "businesses", "create", "shop", "--time-zone", "UTC", "--currency", "EUR")
    assert made.returncode == 0, made.stderr
    return tmp_path


@contextmanager
def held_store(place: Path) -> Iterator[None]:
    """Nothing can be written within the block, so that no import comes to its end."""
    with closing(sqlite3.connect(place / "data" / "segments.sqlite", isolation_level=None, timeout=30)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def expire_lease(place: Path) -> None:
    """As if half a minute had passed since the last sign of life."""
    with sqlite3.connect(place / "data" / "segments.sqlite") as connection:
        connection.execute("UPDATE job SET heartbeat_at = heartbeat_at - 31000000")


@pytest.mark.slow
def test_i3_an_upload_whose_server_is_killed_is_imported_by_the_next(place: Path) -> None:
    with running(place) as server:
        number = send_file(server, file_of(ROWS))
        until(lambda: state(server, number)["status"] != "QUEUED", 60)
        with held_store(place):
            assert state(server, number)["status"] == "RUNNING"
            assert server.status("/healthz") == 200
            server.process.kill()
            server.wait_end()
    kept = [path.name for path in (place / "data" / "imports").rglob("*") if path.is_file()]
    expire_lease(place)

    with running(place) as server:
        until(lambda: state(server, number)["status"] not in ("QUEUED", "RUNNING"), 60)
        done = state(server, number)
        customers = server.query("{ customers { totalCount } }")["customers"]["totalCount"]

    assert kept == ["file.csv"]
    assert (done["status"], done["rowsRead"], done["created"] + done["unchanged"]) == ("SUCCEEDED", ROWS, ROWS)
    assert customers == 5000
    assert list((place / "data" / "imports").iterdir()) == []
    undone = run(place, "imports", "undo", "1")
    assert f"{ROWS:,} orders removed" in undone.stdout, undone.stderr
    assert run(place, "db", "check").stdout == "The store is sound.\n"


def most_memory(server: Server) -> int:
    """The most that the process has ever held, in MB."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    return int(kilobytes) // 1000


@pytest.mark.slow
def test_i2_a_small_upload_of_endless_rows_does_not_fill_the_memory(place: Path) -> None:
    ragged = gzip.compress(f"{HEADER}\n".encode() + (b"," * 1_000_000 + b"\n") * 30)
    with running(place) as server:
        first = send_file(server, file_of(1))
        until(lambda: state(server, first)["status"] == "SUCCEEDED")
        before = most_memory(server)
        number = send_file(server, ragged)
        until(lambda: state(server, number)["status"] not in ("QUEUED", "RUNNING"), 60)
        after = most_memory(server)
        done = state(server, number)

    assert len(ragged) < 100_000
    assert (done["status"], done["rowsRead"], done["created"]) == ("FAILED", 30, 0)
    assert done["error"]["code"] == "ALL_REJECTED"
    assert after - before < 150
