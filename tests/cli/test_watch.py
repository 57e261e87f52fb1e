"""A watched file, with real processes: imported when it has changed and stands still, whatever happens to it, one run
at a time, until a signal ends the watch in good order."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.cli import conftest
from tests.cli.conftest import Segments, write_lines
from tests.drivers.server import until

MAKE = (*conftest.MAKE, "--settle", "0.4")
HEADER = "customer_id,order_id,date,amount\n"
DONE = "customers classified"


@dataclass
class Watch:
    """A running `segments watch`."""

    process: subprocess.Popen[bytes]
    log: Path

    def said(self, sentence: str, times: int = 1) -> str:
        """What it printed by the time that it has said this so often."""

        def enough() -> str:
            text = self.log.read_text()
            assert self.process.poll() is None, text
            return text if text.count(sentence) >= times else ""

        return until(enough, told=self.log.read_text)

    def end(self, number: int = signal.SIGTERM) -> str:
        """End it with a signal; what it said."""
        self.process.send_signal(number)
        assert self.process.wait(30) == 0, self.log.read_text()
        return self.log.read_text()


@contextmanager
def watching(segments: Segments, path: Path, *arguments: str) -> Iterator[Watch]:
    log = segments.data.parent / "watch.log"
    with log.open("wb") as out:
        process = subprocess.Popen(**segments.apart("watch", path, *arguments, stdout=out, stderr=out))
    try:
        watch = Watch(process, log)
        watch.said("Watching")
        yield watch
    finally:
        process.kill()
        process.wait()


def labels(segments: Segments) -> list[str]:
    """The customers of the output."""
    found = json.loads((segments.data / "output" / "shop" / "customer_segmentation.json").read_text())
    return [one["customer_id"] for one in found]


def replace(path: Path, text: str) -> None:
    new = path.with_name(".new")
    new.write_text(text)
    new.rename(path)


def test_a_file_is_followed_through_everything_that_happens_to_it(segments: Segments, tmp_path: Path) -> None:
    orders = tmp_path / "orders.csv"

    with watching(segments, orders, *MAKE) as watch:
        orders.write_text(HEADER + "Ada,1,2024-03-01,5.00\n")
        watch.said(DONE, 1)
        first = labels(segments)
        with orders.open("a") as file:
            file.write("Ben,2,2024-03-01,5.00\n")
        watch.said(DONE, 2)
        appended = labels(segments)
        orders.unlink()
        watch.said("orders.csv is gone.")
        replace(orders, HEADER + "Cy,3,2024-03-01,5.00\n")
        watch.said(DONE, 3)
        back = labels(segments)
        replace(orders, HEADER + "Cy,3,2024-03-01,5.00\nDee,4,2024-03-01,5.00\n")
        watch.said(DONE, 4)
        replaced = labels(segments)
        log = watch.end()

    assert (first, appended, back) == (["Ada"], ["Ada", "Ben"], ["Ada", "Ben", "Cy"])
    assert replaced == ["Ada", "Ben", "Cy", "Dee"]
    assert log.count(DONE) == 4
    assert log.endswith("Ended.\n")


@pytest.mark.slow
def test_a_file_is_read_when_its_writing_has_ended(segments: Segments, tmp_path: Path) -> None:
    orders = tmp_path / "orders.csv"

    with watching(segments, orders, *MAKE[:-1], "2.0") as watch:
        with orders.open("w") as file:
            file.write(HEADER)
            for order in range(12):
                file.write(f"C{order},{order},2024-03-01,5.00\n")
                file.flush()
                time.sleep(0.2)
        written = watch.log.read_text()
        watch.said(DONE)
        log = watch.end(signal.SIGINT)

    assert written.count("\n") == 1
    assert log.count(DONE) == 1
    assert len(labels(segments)) == 12


@pytest.mark.slow
def test_a_run_that_fails_is_said_and_the_watch_goes_on(segments: Segments, tmp_path: Path) -> None:
    orders = tmp_path / "orders.csv"
    orders.write_text("customer_id,order_id,date\nAda,1,2024-03-01\n")

    with watching(segments, orders, *MAKE) as watch:
        failed = watch.said("Missing required columns: amount.")
        # It is looked at twice a second.
        time.sleep(1.2)
        once = watch.log.read_text().count("Missing")
        replace(orders, HEADER + "Ada,1,2024-03-01,5.00\n")
        watch.said(DONE)
        log = watch.end()

    assert "Error: orders.csv: Missing required columns: amount." in failed
    assert (once, log.count("Missing")) == (1, 1)
    assert labels(segments) == ["Ada"]


def test_a_folder_is_watched_file_by_file_and_what_is_no_file_of_purchases_is_left_alone(
    segments: Segments, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").write_text(HEADER + "Ada,1,2024-03-01,5.00\n")
    (folder / "notes.pdf").write_text("no purchases")
    (folder / ".b.csv").write_text(HEADER + "Hidden,9,2024-03-01,5.00\n")

    with watching(segments, folder, *MAKE) as watch:
        watch.said(DONE, 1)
        (folder / "b.csv").write_text(HEADER + "Ben,2,2024-03-01,5.00\n")
        watch.said(DONE, 2)
        log = watch.end()

    assert labels(segments) == ["Ada", "Ben"]
    assert [name for name in ("a.csv:", "b.csv:", "notes.pdf", ".b.csv") if name in log] == ["a.csv:", "b.csv:"]


@pytest.mark.slow
def test_a_second_watch_of_a_path_is_refused_until_the_first_has_died(segments: Segments, tmp_path: Path) -> None:
    orders = tmp_path / "orders.csv"
    orders.write_text(HEADER + "Ada,1,2024-03-01,5.00\n")

    with watching(segments, orders, *MAKE) as first:
        first.said(DONE)
        second = segments.process("watch", orders, *MAKE)
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
    with watching(segments, orders, *MAKE) as third:
        third.said("orders.csv has not changed since it was classified.")
        third.end()

    assert (second.code, second.out) == (1, "")
    assert second.err == f"Error: {orders} is watched by another process already.\n"


def test_a_signal_lets_the_running_import_end_whole(segments: Segments, tmp_path: Path) -> None:
    orders = tmp_path / "orders.csv"
    rows = "".join(f"C{order % 5_000},{order},2024-03-01,5.00\n" for order in range(60_000))
    orders.write_text(HEADER + rows)

    with watching(segments, orders, *MAKE) as watch:
        until(lambda: status(segments) == "running")
        log = watch.end()

    assert DONE in log
    assert log.endswith("Ended.\n")
    assert len(labels(segments)) == 5_000


def status(segments: Segments) -> object:
    path = segments.data / "output" / "shop" / "automation_status.json"
    return json.loads(path.read_text())["state"] if os.path.lexists(path) else None


def test_a_folder_that_is_not_there_cannot_be_watched(segments: Segments, tmp_path: Path) -> None:
    refused = segments.expect_refusal("watch", tmp_path / "none" / "orders.csv")

    assert refused == f"No such file: {tmp_path}/none/orders.csv, and no folder in which it could appear."


@pytest.mark.slow
def test_what_a_file_changed_is_said_in_the_time_of_the_shop(segments: Segments, tmp_path: Path) -> None:
    segments.run("businesses", "create", "shop", "--time-zone", "Asia/Colombo", "--currency", "EUR")
    rule = '{"name": "Big", "key": "big", "criteria": {"minOrders": 1}, "isDynamic": true}'
    segments.run("segment", "create", write_lines(tmp_path / "big.json", rule))
    orders = tmp_path / "in" / "orders.csv"
    orders.parent.mkdir()
    first, second = "Ada,1,2024-03-01,5.00\n", "Ada,1,2024-03-01,6.00\nBen,2,2024-03-01,7.00\nCy,3,soon,1.00\n"

    with watching(segments, orders, "--settle", "0.4") as watch:
        orders.write_text(HEADER + first)
        watch.said("segment big", 1)
        replace(orders, HEADER + second)
        watch.said("segment big", 2)
        log = watch.end()

    lines = log.splitlines()
    assert lines[0] == f"Watching {orders}. Times are in Asia/Colombo. A signal ends it."
    said = [line.partition(" orders.csv: ")[2] for line in lines[1:-1]]
    assert said[0] == "1 created, 0 updated, 0 unchanged, 0 rejected"
    again = said[said.index("1 created, 1 updated, 0 unchanged, 1 rejected") :]
    assert again[1] == (
        "1 row from line 4: the date '…' is not ISO 8601 (or give --date-format). "
        "Write the date as 2024-03-01, or give its form by --date-format."
    )
    assert again[2].startswith("2 customers classified: ")
    assert [one for one in again if one.startswith("segment")] == ["segment big: 1 entered, 0 left"]
    assert [one.split(" ")[-1] for one in again if one.startswith("frequency: ")] == ["+1"]
    local = datetime.now(ZoneInfo("Asia/Colombo"))
    told = datetime.fromisoformat(lines[1][:19]).replace(tzinfo=ZoneInfo("Asia/Colombo"))
    assert abs(local - told) < timedelta(minutes=10)
