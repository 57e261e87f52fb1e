"""The benchmarks run: each part over very little, where times mean nothing, but both sides must answer the same."""

import json
import subprocess
import sys
from itertools import chain, repeat
from pathlib import Path

import pytest

from tests.benchmarks import ratios
from tests.benchmarks.comparison import Failed, Line, Taken, exponents, require_equal, take_turns
from tests.test_architecture import ROOT

PARTS = ("reports", "serving", "imports", "segments", "exports", "classification", "growth", "commands")


@pytest.mark.slow
@pytest.mark.parametrize("name", PARTS)
def test_a_benchmark_comes_to_its_figures(name: str, tmp_path: Path) -> None:
    written = tmp_path / "bench.json"
    command = [sys.executable, "-m", "tests.benchmarks", "--sizes", "tiny", "--only", name, "--json", str(written)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    lines = json.loads(written.read_text(encoding="utf-8"))["lines"]
    # So little may well not grow at all.
    assert lines and all(line["ours"] > 0 or "exponent" in line["what"] for line in lines)
    assert not any(line["failure"] for line in lines)
    assert all(line["what"] in done.stdout for line in lines)


def test_sides_take_turns_and_the_least_of_each_counts() -> None:
    asked = []

    def turn(name: str, times: list[float]) -> Taken:
        asked.append(name)
        return Taken(times[0], times.pop(0), megabytes=len(times), answer=name)

    ours, peer = [0.1, 5.0, 3.0], [0.1, 2.0, 4.0]
    found = take_turns({"ours": lambda: turn("ours", ours), "peer": lambda: turn("peer", peer)}, rounds=2)

    assert asked == ["ours", "peer"] * 3
    assert found == {"ours": Taken(3.0, 3.0, 1, "ours"), "peer": Taken(2.0, 2.0, 1, "peer")}


def test_answers_that_differ_are_no_comparison() -> None:
    require_equal("sums", {"ours": {"a": 1}, "peer": {"a": 1}})

    with pytest.raises(Failed, match=r"sums: ours and peer answer differently: .*1.* and .*2"):
        require_equal("sums", {"ours": {"a": 1}, "peer": {"a": 2}})


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (Line("time", 3.0, 1.0, bar=3.0), True),
        (Line("time", 3.1, 1.0, bar=3.0), False),
        (Line("rate", 8.0, 10.0, "/s", bar=0.75, least=True), True),
        (Line("rate", 7.0, 10.0, "/s", bar=0.75, least=True), False),
        (Line("alone", 0.2, bar=0.1), False),
        (Line("told", 0.2), None),
        (Line("failed", failure="FAILED"), False),
    ],
)
def test_a_bar_is_kept_or_not(line: Line, kept: bool | None) -> None:
    assert line.kept is kept


def test_growth_is_the_power_of_the_size() -> None:
    assert list(exponents({10: 1.0, 100: 10.0, 1000: 1000.0})) == [(10, 100, 1.0), (100, 1000, 2.0)]


def test_a_ratio_is_that_of_the_least_times_or_of_most_rounds() -> None:
    assert ratios.estimate([(2.0, 1.0), (4.0, 2.0), (2.0, 0.5)]) == 2.0
    assert ratios.estimate([(9.0, 3.0), (2.0, 1.0), (9.0, 3.0)]) == 2.0


@pytest.mark.parametrize(
    ("times", "code", "rounds"),
    [
        ([1.2], 0, ratios.LEAST_ROUNDS),
        ([1.3] * 8 + [1.2], 0, 8),
        ([1.3], 1, ratios.MOST_ROUNDS),
        ([0.5], 0, ratios.LEAST_ROUNDS),
    ],
    ids=["as it was", "busy at first", "slower", "faster"],
)
def test_what_became_slower_is_said_after_more_turns(
    times: list[float], code: int, rounds: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ratios.json").write_text('{"a report": 1.0}', encoding="utf-8")
    taken = chain(times, repeat(times[-1]))
    asked = []

    def ours() -> Taken:
        asked.append(next(taken))
        return Taken(9.9, asked[-1])

    for name in ("SHORTEST", "LONGEST"):
        monkeypatch.setattr(ratios, name, 0)
    monkeypatch.setattr(ratios, "KEPT", tmp_path / "ratios.json")
    monkeypatch.setattr(ratios, "FOLDER", tmp_path)
    monkeypatch.setattr(ratios, "prepare", lambda *_: [("a report", ours, lambda: Taken(0.1, 1.0))])

    assert ratios.main(keep=False) == code
    # The first one warms.
    assert len(asked) == 1 + rounds
