"""`segments classify` with a classifier installed beside it: its labels are in the file and in the log."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import MAKE, Segments, write_lines
from tests.shops.classifiers import INSTEAD_FUNCTION, VIP_SQL, install


def classified(
    segments: Segments, tmp_path: Path
) -> tuple[dict[str, dict[str, str | None]], dict[str, dict[str, int]]]:
    rows = [
        f"{name},{name}-{number},2024-03-{number + 1:02},5.00,Tea"
        for name, count in (("Ada", 10), ("Ben", 9))
        for number in range(count)
    ]
    file = write_lines(tmp_path / "orders.csv", "customer_id,order_id,date,amount,category", *rows)
    folder = tmp_path / "labels"
    segments.run("classify", "--csv-path", file, *MAKE, "--as-of", "2024-04-01", "--output", folder)
    rows = json.loads((folder / "customer_segmentation.json").read_text())
    log = json.loads((folder / "segmentation_runs.log").read_text().splitlines()[-1])
    return {row["customer_id"]: row["segmentation"] for row in rows}, log["distribution"]


def test_an_added_dimension_is_in_the_file_by_its_name(
    segments: Segments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, tmp_path / "installed", VIP_SQL, vip="vip")

    labels, distribution = classified(segments, tmp_path)

    built_in = {"purchase_frequency": "Loyal", "spending": "Low Value", "category": "Tea"}
    assert labels == {"Ada": {**built_in, "loyalty": "VIP"}, "Ben": {**built_in, "loyalty": None}}
    assert distribution == {
        "frequency": {"Loyal": 2},
        "spending": {"Low Value": 2},
        "category": {"Tea": 2},
        "loyalty": {"VIP": 1},
    }


def test_a_replaced_label_is_in_the_file_and_the_file_has_its_three_names(
    segments: Segments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, tmp_path / "installed", INSTEAD_FUNCTION, vip="vip")

    labels, distribution = classified(segments, tmp_path)

    found = [(name, each["spending"], len(each)) for name, each in labels.items()]
    assert found == [("Ada", "VIP", 3), ("Ben", "Low Value", 3)]
    assert distribution["spending"] == {"Low Value": 1, "VIP": 1}
