"""Answers that several worker processes keep, while others write: whoever asks after a commit is told of it, whichever
worker is asked, and of nothing that is not theirs to know."""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gql.auth import issue_token
from gql.schema.types.ids import encode
from tests.drivers.face import EVERYTHING, SECRET
from tests.drivers.postgresql import cluster
from tests.drivers.server import Server, run, running

WRITES, READERS = 150, 4
READ = '{ customer(externalId: "C") { name } viewer { business { key } } }'
WRITE = 'mutation {{ upsertCustomers(input: [{{externalId: "C", name: "{}"}}]) {{ created updated }} }}'


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Mapping[str, str]]:
    """Those of whoever works on the same store."""
    more = {"SEGMENTS_COST_BUCKET": "0"}
    if request.param == "postgresql":
        with cluster(tmp_path / "cluster") as database:
            yield {**more, "SEGMENTS_DATABASE_URL": database.url}
    else:
        yield more


@pytest.fixture
def served(settings: Mapping[str, str], tmp_path: Path) -> Iterator[Server]:
    """Three workers that share a store."""
    yield from _serve(tmp_path, settings)


def _serve(folder: Path, more: Mapping[str, str]) -> Iterator[Server]:
    for key in ("shop", "other"):
        made = run(folder, "businesses", "create", key, "--time-zone", "UTC", "--currency", "EUR", **more)
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


PEOPLE = """{ customers(first: 250) { totalCount nodes {
    externalId name erased metrics { orderCount totalRevenue } segments { segment { name } }
    purchases(first: 5) { nodes { externalId amount status } } } } }"""
REPORT = "{ segmentationReport(days: 30) { customerCount totalRevenue segments { segmentCode customerCount } } }"
OTHERS = "{ viewer { subject permissions business { key name settings } } segments { nodes { name memberCount } } }"
ERRORS = "userErrors { message }"
STEPS, ASKED_EACH = 24, 6
"""How often each question is asked after a step, each time on a connection of its own: of three workers all are."""


class Writers:
    """What is written, each time by whichever worker gets it, or by a process of its own."""

    def __init__(self, server: Server, folder: Path, settings: Mapping[str, str], seed: int) -> None:
        self.server, self.folder, self.settings = server, folder, settings
        self.random = random.Random(seed)
        self.number = 0

    def write(self) -> str:
        """One write, of which each kind comes in turn with another chance; its name."""
        self.number += 1
        kinds: list[Callable[[], None]] = [self.name, self.record, self.record, self.refund, self.delete, self.erase,
                                           self.merge, self.set, self.segment, self.undo]  # fmt: skip
        # Of the ones that take whole processes some are sure.
        kind = self.undo if self.number % 12 == 6 else self.random.choice(kinds[:-1])
        kind()
        return kind.__name__

    def mutate(self, field: str) -> Any:
        (payload,) = self.server.query(f"mutation {{ {field} }}").values()
        return payload

    def choose(self) -> str:
        return f"C{self.random.randrange(12)}"

    def name(self) -> None:
        given = f'[{{externalId: "{self.choose()}", name: "N{self.number}"}}]'
        self.mutate(f"upsertCustomers(input: {given}) {{ {ERRORS} }}")

    def record(self, status: str = "COMPLETED") -> None:
        now = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=self.random.randrange(1, 200))
        order = f"O{self.random.randrange(15) if status != 'COMPLETED' else self.number}"
        amount, at = self.random.randrange(1, 500), now.isoformat()
        given = f'customerExternalId: "{self.choose()}", externalId: "{order}", purchasedAt: "{at}", status: {status}'
        self.mutate(f'recordPurchases(input: [{{{given}, amount: "{amount}"}}]) {{ {ERRORS} }}')

    def refund(self) -> None:
        self.record("REFUNDED")

    def delete(self) -> None:
        self.mutate(f'deletePurchases(externalIds: ["O{self.random.randrange(40)}"]) {{ {ERRORS} }}')

    def erase(self) -> None:
        self.mutate(f'eraseCustomer(customerId: "{self.find_customer()}") {{ {ERRORS} }}')

    def merge(self) -> None:
        ids = f'fromId: "{self.find_customer()}", intoId: "{self.find_customer()}"'
        self.mutate(f"mergeCustomers({ids}) {{ {ERRORS} }}")

    def set(self) -> None:
        days = self.random.randrange(30, 300)
        self.mutate(f'updateBusinessSettings(settings: "{{\\"lapsed_days\\": {days}}}") {{ {ERRORS} }}')

    def segment(self) -> None:
        made = self.mutate(f'createSegment(input: {{name: "S{self.number}", kind: MANUAL}}) {{ segment {{ id }} }}')
        ids = json.dumps([self.find_customer()])
        self.mutate(f'assignSegment(segmentId: "{made["segment"]["id"]}", customerIds: {ids}) {{ {ERRORS} }}')

    def undo(self) -> None:
        """An import, which other processes make and take back."""
        file = self.folder / f"import-{self.number}.csv"
        day = datetime.now(UTC).date() - timedelta(days=1)
        file.write_text(
            "order_id,customer_id,date,amount\n"
            + "".join(f"I{self.number}-{row},{self.choose()},{day},{row + 1}.00\n" for row in range(20))
        )
        made = self.command("import", str(file), "--format", "json")
        self.check()
        self.command("imports", "undo", str(json.loads(made)["id"]))

    def command(self, *arguments: str) -> str:
        """What a command prints."""
        done = run(self.folder, *arguments, "--business", "shop", **self.settings)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def check(self) -> None:
        """Told after each part of what is written by several processes."""

    def find_customer(self) -> str:
        return encode("Customer", 1, self.random.randrange(1, 13))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1])
def test_every_worker_tells_everybody_at_once_what_holds_for_them_whatever_was_written(
    served: Server, settings: Mapping[str, str], tmp_path: Path, seed: int
) -> None:
    def issue(business: str, *permissions: str) -> str:
        hour, now = timedelta(hours=1), datetime.now(UTC)
        return issue_token(SECRET, subject="tester", business=business, permissions=permissions, lifetime=hour, now=now)

    tokens = [issue("shop", *EVERYTHING), issue("shop", "customers:view"), issue("other", *EVERYTHING)]
    questions = [(token, document) for token in tokens for document in (PEOPLE, REPORT, OTHERS)]
    with running(tmp_path, "--workers", "1", **{**settings, "SEGMENTS_ANSWER_MEMORY": "0"}) as computing:

        def check(after: str = "undo") -> None:
            for token, document in questions:
                expected = replace(computing, token=token).query(document)
                told = [replace(served, token=token).query(document) for _ in range(ASKED_EACH)]
                assert told == [expected] * ASKED_EACH, after

        writers = Writers(served, tmp_path, settings, seed)
        writers.check = check  # type: ignore[method-assign]
        check("nothing")
        for _ in range(STEPS):
            check(writers.write())
