"""`segments classify`: the files that it leaves, what it skips, and how its exit code says how it ended."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from persistence.labels.run_folder import RunFolder
from tests.cli.conftest import AS_OF, MAKE, Segments, write_lines

DAY = ("--as-of", AS_OF.isoformat())


def read(folder: Path, name: str = "customer_segmentation.json") -> Any:
    return json.loads((folder / name).read_text())


def runs(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "segmentation_runs.log").read_text().splitlines()]


def status(folder: Path) -> dict[str, Any]:
    return dict(read(folder, "automation_status.json"))


def test_a_file_becomes_the_labels_of_its_customers(segments: Segments, tmp_path: Path, labels: Path) -> None:
    rows = ('b,1,2024-03-30,200000.00,"Tea ""green""",', "é,2,2024-03-30,5,Tea,pending", "B,3,2023-12-01,5.00,Tea,")
    file = write_lines(tmp_path / "orders.csv", "customer_id,order_id,date,amount,category,status", *rows)

    ended = segments.run("classify", "--source", "csv", "--csv-path", file, *MAKE, *DAY, "--output", labels)

    assert ended.out == f"3 customers classified: {labels / 'customer_segmentation.json'}\n"
    assert (labels / "customer_segmentation.json").read_text() == (
        '[\n{"customer_id": "B", "segmentation": {"purchase_frequency": "New", "spending": "Low Value", '
        '"category": "Tea"}},\n'
        '{"customer_id": "b", "segmentation": {"purchase_frequency": "New", "spending": "High Value", '
        '"category": "Tea \\"green\\""}},\n'
        '{"customer_id": "é", "segmentation": {"purchase_frequency": null, "spending": null, "category": null}}\n]\n'
    )
    (run,) = runs(labels)
    assert (run["source"], run["rows"], run["customers"], run["rejects"], run["error"]) == ("csv", 3, 3, 0, None)
    assert run["distribution"] == {
        "frequency": {"New": 2},
        "spending": {"High Value": 1, "Low Value": 1},
        "category": {"Tea": 1, 'Tea "green"': 1},
    }
    said = status(labels)
    assert list(said) == ["state", "source", "last_run", "last_success", "next_run", "customers", "error"]
    assert (said["state"], said["last_run"], said["last_success"]) == ("idle", run["started"], run["finished"])


def test_without_a_source_the_store_is_classified_as_it_is(shop: Segments) -> None:
    ended = shop.run("classify", *DAY)

    folder = shop.data / "output" / "shop"
    assert ended.out == f"10 customers classified: {folder / 'customer_segmentation.json'}\n"
    assert status(folder)["source"] == "store"
    assert runs(folder)[0]["distribution"] == {
        "frequency": {"Regular": 4, "Loyal": 3, "New": 3},
        "spending": {"Low Value": 10},
        "category": {"Tea": 10},
    }


def test_labels_are_those_of_the_day_that_is_asked_for(shop: Segments, labels: Path) -> None:
    shop.run("classify", "--as-of", "2024-03-25", "--output", labels)

    nothing = {"purchase_frequency": None, "spending": None, "category": None}
    assert read(labels)[7] == {"customer_id": "Hal", "segmentation": nothing}


def test_a_source_that_has_not_changed_is_skipped(segments: Segments, ten: Path, labels: Path, tmp_path: Path) -> None:
    settings = write_lines(tmp_path / "settings.toml", "lapsed_days = 30")
    asked = ("classify", "--csv-path", ten, "--check-freshness", "--output", labels)
    first = segments(*asked, *MAKE)
    before = (labels / "customer_segmentation.json").stat()

    os.utime(ten, (0, 0))
    again = segments(*asked)
    between = (labels / "customer_segmentation.json").stat()
    forced = segments(*asked, "--force")
    ten.write_text(ten.read_text().replace("Ada,Ada-1,", "Ada,Ada-0,"))
    changed = segments(*asked)
    segments.run("settings", "apply", settings)
    settled = segments(*asked)

    assert (first.code, again.code, forced.code, changed.code, settled.code) == (0, 10, 0, 0, 0)
    assert again.out.startswith("Skipped: the source has not changed since the last run that succeeded.")
    assert between == before
    assert [run["skipped"] for run in runs(labels)] == [False, True, False, False, False]
    assert status(labels)["customers"] == 10


def test_a_store_that_has_not_changed_is_skipped(shop: Segments, ten: Path, labels: Path, tmp_path: Path) -> None:
    asked = ("classify", "--check-freshness", "--output", labels)
    settings = write_lines(tmp_path / "settings.toml", "lapsed_days = 30")

    codes = [shop(*given).code for given in (asked, asked, (*asked, *DAY), (*asked, *DAY))]
    shop.run("settings", "apply", settings)
    codes.append(shop(*asked, *DAY).code)
    (labels / "customer_segmentation.json").unlink()
    codes.append(shop(*asked, *DAY).code)

    assert codes == [0, 10, 0, 10, 0, 0]


def test_a_run_that_failed_leaves_the_old_output_and_is_not_fresh(
    segments: Segments, ten: Path, labels: Path, tmp_path: Path
) -> None:
    asked = ("classify", "--csv-path", ten, "--output", labels, "--check-freshness")
    segments.run(*asked, *MAKE)
    before, content = (labels / "customer_segmentation.json").read_bytes(), ten.read_text()

    ten.write_text(content.replace("order_id", "other"))
    failed = segments(*asked)
    failure = status(labels)
    ten.write_text(content)

    assert failed.code == 12
    assert failed.err.startswith("Error: Missing required columns: order_id.")
    assert (labels / "customer_segmentation.json").read_bytes() == before
    assert (failure["state"], failure["last_success"]) == ("failed", runs(labels)[0]["finished"])
    assert str(failure["error"]).startswith("Missing required columns: order_id.")
    assert runs(labels)[1]["error"] == failure["error"]
    assert segments(*asked).code == 10


def test_rejected_rows_are_an_exit_code_of_their_own(segments: Segments, ten: Path, labels: Path) -> None:
    with ten.open("a") as file:
        file.write("Kim,K-1,not a day,1.00,Tea,main\n")

    ended = segments("classify", "--csv-path", ten, "--output", labels, *MAKE)

    assert ended.code == 11
    assert ended.err.startswith("1 row was rejected.\nrejected because")
    assert "Write the date as 2024-03-01, or give" in ended.err
    assert runs(labels)[0]["rejects"] == 1
    assert segments("classify", "--csv-path", ten, "--output", labels).code == 11


def test_one_run_at_a_time_has_a_folder(shop: Segments, labels: Path) -> None:
    with RunFolder.acquire(labels):
        ended = shop("classify", "--output", labels)

    assert ended.code == 12
    assert ended.err == f"Error: Another run writes into {labels}. Wait until it has ended, or give another folder.\n"
    shop.run("classify", "--output", labels)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--source", "csv"), 1, "Error: --csv-path must name the file of --source csv.\n"),
        (("--source", "xml"), 1, "Error: --source must be csv or mongodb, not xml.\n"),
        (("--as-of", "soon"), 1, "Error: --as-of must be an ISO 8601 date, such as 2024-03-01.\n"),
        (("--every", "daily"), 1, "Error: --every must be five cron fields such as `15 2 * * *`"),
        (("--csv-path", "nowhere.csv"), 1, "Error: No such file: nowhere.csv.\n"),
        (("--source", "mongodb", "--csv-path", "x.csv"), 1, "Error: --csv-path goes with the source csv.\n"),
        (("--csv-path=x.csv", "--collection=x"), 1, "Error: --database and --collection are for --source mongodb.\n"),
        (("--sheet", "x"), 1, "Error: Options that say how a source is written are for --source csv or mongodb.\n"),
        (("--csv-path", "x.csv", "--preset", "nosuch"), 1, "Error: --preset must be"),
        (("--business", "other"), 1, "Error: There is no business with the key other. There are: shop.\n"),
    ],
)
def test_what_cannot_be_meant_is_a_sentence(shop: Segments, arguments: tuple[str, ...], code: int, said: str) -> None:
    ended = shop("classify", *arguments)

    assert ended.code == code
    assert ended.err.startswith(said)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_schedule_says_when_it_comes_next_and_ends_with_a_signal(
    shop: Segments, labels: Path, number: signal.Signals
) -> None:
    with subprocess.Popen(**shop.apart("classify", "--every", "0 0 1 1 *", "--output", labels)) as process:
        try:
            line = process.stdout.readline()
            planned = status(labels)
            process.send_signal(number)
            rest = process.communicate(timeout=20)[0]
        finally:
            process.kill()

    assert (process.returncode, rest) == (0, "Ended.\n")
    assert line.startswith("The next run is at ")
    assert (planned["state"], str(planned["next_run"])[4:]) == ("idle", "-01-01T00:00:00Z")
    assert status(labels)["next_run"] is None


def test_on_postgresql_a_file_that_grows_is_classified_as_it_is_there(
    segments: Segments, ten: Path, labels: Path, empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGMENTS_DATABASE_URL", empty)
    segments.run("db", "upgrade")
    asked = ("classify", "--csv-path", ten, "--output", labels)
    segments.run(*asked, *MAKE)
    with ten.open("a") as file:
        file.write("Jo,Jo-2,2024-03-30,200000.00,Tea,main\nJo,Jo-1,2024-03-30,1.00,Rice,\n")

    grown = segments.run(*asked)
    skipped = segments(*asked, "--check-freshness")
    alone = segments.run("classify", *DAY, "--output", labels)

    assert (grown.out, skipped.code) == (alone.out, 10)
    found = {"purchase_frequency": "Regular", "spending": "High Value", "category": "Family"}
    assert read(labels)[9] == {"customer_id": "Jo", "segmentation": found}
    assert [run["rows"] for run in runs(labels)] == [34, 36, 0, 0]
