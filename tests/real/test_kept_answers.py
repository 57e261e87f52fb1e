"""Answers that several worker processes keep, while others write: whoever asks after a commit is told of it, whichever
worker is asked."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.drivers.postgresql import cluster
from tests.drivers.server import Server, run, running

WRITES, READERS = 150, 4
READ = '{ customer(externalId: "C") { name } viewer { business { key } } }'
WRITE = 'mutation {{ upsertCustomers(input: [{{externalId: "C", name: "{}"}}]) {{ created updated }} }}'


@pytest.fixture(params=["sqlite", "postgresql"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """Three workers that share a store."""
    more = {"SEGMENTS_COST_BUCKET": "0"}
    if request.param == "postgresql":
        with cluster(tmp_path / "cluster") as database:
            more["SEGMENTS_DATABASE_URL"] = database.url
            yield from _serve(tmp_path, more)
    else:
        yield from _serve(tmp_path, more)


def _serve(folder: Path, more: dict[str, str]) -> Iterator[Server]:
    made = run(folder, "businesses", "create", "shop", "--time-zone", "UTC", "--currency", "EUR", **more)
    assert made.returncode == 0, made.stderr
    with running(folder, "--workers", "3", **more) as server:
        yield server


@pytest.mark.slow
def test_no_worker_tells_what_was_before_a_commit_that_any_of_them_has_answered(served: Server) -> None:
    committed = [0]
    served.query(WRITE.format(0))

    def read() -> list[tuple[int, int]]:
        """What was committed before each question, and what was told; every question on a connection of its own."""
        told = []
        while committed[0] < WRITES:
            # Twice, so that the second is kept.
            for _ in range(2):
                before = committed[0]
                told.append((before, int(served.query(READ)["customer"]["name"])))
        return told

    with ThreadPoolExecutor(READERS) as readers:
        reading = [readers.submit(read) for _ in range(READERS)]
        for number in range(1, WRITES + 1):
            served.query(WRITE.format(number))
            committed[0] = number
        found = [pair for one in reading for pair in one.result()]

    assert len(found) > WRITES
    assert [pair for pair in found if pair[1] < pair[0]] == []
