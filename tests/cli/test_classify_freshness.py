"""What `segments classify --check-freshness` takes for changed besides the source itself: another run's output in the
folder, an import that was taken back, other classifiers; and what a run by hand leaves of a schedule."""

import json
from pathlib import Path

import pytest
from openpyxl import Workbook

from tests.cli.conftest import MAKE, Segments, write_lines
from tests.cli.test_classify import DAY, read, status
from tests.shops.classifiers import VIP_SQL, install


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    rows = ("Ada,1,2024-03-01,5", "Ben,2,2024-03-02,6")
    return write_lines(tmp_path / "two.csv", "customer_id,order_id,date,amount", *rows)


def test_the_output_of_another_run_is_not_taken_for_its_own(segments: Segments, orders: Path, labels: Path) -> None:
    asked = ("classify", "--csv-path", orders, "--output", labels, *DAY)
    segments.run(*asked, *MAKE)
    own = read(labels)
    fresh = segments(*asked, "--check-freshness")
    segments.run("classify", "--output", labels, "--as-of", "2024-03-01")
    other = read(labels)

    ended = segments(*asked, "--check-freshness")

    assert (fresh.code, ended.code) == (10, 0)
    assert own != other
    assert read(labels) == own


def test_a_file_whose_import_was_taken_back_is_read_again(segments: Segments, orders: Path, labels: Path) -> None:
    asked = ("classify", "--csv-path", orders, "--output", labels, "--check-freshness")
    segments.run(*asked, *MAKE)
    (number,) = (line.split()[0] for line in segments.run("imports", "list").lines[1:-1])
    segments.run("imports", "undo", number)
    segments.run("classify", "--output", labels)
    segments.run("classify", "--output", labels.parent / "else")
    emptied = read(labels)

    ended = segments(*asked)

    assert emptied == []
    assert ended.code == 0
    assert [one["customer_id"] for one in read(labels)] == ["Ada", "Ben"]


def test_other_classifiers_are_a_change(
    segments: Segments, orders: Path, labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("classify", "--csv-path", orders, "--output", labels, "--check-freshness")
    segments.run(*asked, *MAKE)
    install(monkeypatch, tmp_path / "plug", VIP_SQL, vip="vip")

    codes = [segments(*asked).code, segments(*asked).code]

    assert codes == [0, 10]
    assert "loyalty" in (labels / "customer_segmentation.json").read_text()


def test_a_run_by_hand_leaves_the_schedule_as_it_was_announced(segments: Segments, orders: Path, labels: Path) -> None:
    segments.run("classify", "--csv-path", orders, "--output", labels, *MAKE)
    file = labels / "automation_status.json"
    for announced, kept in (("2999-01-01T00:00:00Z", "2999-01-01T00:00:00Z"), ("2024-01-01T00:00:00Z", None)):
        file.write_text(json.dumps({**status(labels), "next_run": announced}))
        segments.run("classify", "--output", labels)

        assert status(labels)["next_run"] == kept


def test_a_workbook_is_known_by_what_it_is(segments: Segments, tmp_path: Path, labels: Path) -> None:
    book = Workbook()
    for row in (("customer_id", "order_id", "date", "amount"), ("Ada", "1", "2024-03-01", 5)):
        book.active.append(row)
    book.save(tmp_path / "orders.csv")

    ended = segments.run("classify", "--csv-path", tmp_path / "orders.csv", "--output", labels, *MAKE)

    assert " classified: " in ended.out
    assert [one["customer_id"] for one in read(labels)] == ["Ada"]
