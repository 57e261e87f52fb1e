"""Runs of the classification that end in the middle: whatever was reached, the old output is whole until the new one
is, and the next run ends as one that was never disturbed."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gql.segmentation import run_segmentation
from gql.settings import Settings
from persistence.database.engines import open_database
from tests.conftest import sample_cases
from tests.drivers.dying_segmentation import SHOP, now

OUTPUT = "customer_segmentation.json"
HEADER = "customer_id,order_id,date,amount,category\n"
FIRST = HEADER + "".join(f"C{n % 7},{n},2024-0{n % 5 + 1}-02,{n}.00,Tea\n" for n in range(1, 40))
MORE = "".join(f"C{n % 11},{n},2024-06-0{n % 9 + 1},{n}.00,Rice\n" for n in range(35, 70))
STAGES = [
    "INSERT INTO incoming (",
    "INSERT OR ROLLBACK INTO purchase (",
    "INSERT INTO labelled",
    f"rename {OUTPUT}",
    "INSERT INTO customer_label",
    "INSERT INTO source_state",
]
AFTERWARDS = STAGES[-2:]
"""When the new output is whole already."""


def run(data: Path, file: Path) -> dict[str, object]:
    given = {"output": data / "labels", "settings": Settings(data=data), "clock": now}
    return dict(run_segmentation("csv", file, **SHOP, **given)["metadata"])  # type: ignore[arg-type]


def dying(data: Path, file: Path, stage: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.drivers.dying_segmentation", str(data), str(file), stage]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def purchases(data: Path) -> list[tuple[object, ...]]:
    store = open_database(Settings(data=data).url)
    try:
        with store.bulk.connect() as connection:
            statement = "SELECT external_id, customer_id, purchased_at, amount FROM purchase ORDER BY external_id"
            return [tuple(row) for row in connection.exec_driver_sql(statement)]
    finally:
        store.bulk.dispose()


@pytest.mark.parametrize(
    "stage", sample_cases(STAGES, "INSERT OR ROLLBACK INTO purchase (", "INSERT INTO customer_label")
)
def test_a_run_that_is_killed_leaves_the_old_output_and_the_next_one_is_right(stage: str, tmp_path: Path) -> None:
    data, file, whole = tmp_path / "data", tmp_path / "orders.csv", tmp_path / "whole"
    file.write_text(FIRST)
    run(data, file)
    before = (data / "labels" / OUTPUT).read_bytes()
    file.write_text(FIRST + MORE)

    ended = dying(data, file, stage)

    assert ended.returncode == -signal.SIGKILL, ended.stderr
    left = (data / "labels" / OUTPUT).read_bytes()
    again = run(data, file)
    run(whole, file)
    new = (whole / "labels" / OUTPUT).read_bytes()
    assert left == (new if stage in AFTERWARDS else before)
    assert (data / "labels" / OUTPUT).read_bytes() == new
    assert again["total_customers"] == 11
    assert [row[::3] for row in purchases(data)] == [row[::3] for row in purchases(whole)]
    assert json.loads((data / "labels" / "automation_status.json").read_text())["state"] == "idle"
    assert {path.name for path in (data / "labels").iterdir()} == {
        OUTPUT,
        "automation_status.json",
        "segmentation_runs.log",
        ".segmentation.lock",
        ".segmentation.question",
    }


def test_a_full_disk_is_a_failed_run_and_not_a_shorter_file(tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "orders.csv"
    file.write_text(HEADER + "".join(f"C{n},{n},2024-05-02,{n}.00,Tea\n" for n in range(12_000)))
    run(data, file)
    before = (data / "labels" / OUTPUT).read_bytes()
    # The file is there already, so that nothing but the output is written, and that is larger.
    limit = len(before) // 2

    ended = dying(data, file, f"limit {limit}")

    said = f"{data / 'labels' / OUTPUT}: File too large."
    assert ended.returncode == 1
    assert "File too large" in ended.stderr
    assert "QueuePool" not in ended.stderr
    assert (data / "labels" / OUTPUT).read_bytes() == before
    status = json.loads((data / "labels" / "automation_status.json").read_text())
    assert (status["state"], status["error"]) == ("failed", said)
    runs = [json.loads(line) for line in (data / "labels" / "segmentation_runs.log").read_text().splitlines()]
    assert [run["error"] for run in runs] == [None, said]
    assert not [path for path in (data / "labels").iterdir() if path.suffix == ".new"]
