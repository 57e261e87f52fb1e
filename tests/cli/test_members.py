"""Members from a file of customers: what is counted, what is changed, and what is refused."""

import gzip
from pathlib import Path

import pytest

from gql.cli import segments as cli_members
from tests.cli.conftest import Segments


@pytest.fixture
def vip(shop: Segments, tmp_path: Path) -> Segments:
    """The ten customers and the MANUAL segment `vip`."""
    file = tmp_path / "vip.json"
    file.write_text('{"name": "VIP", "kind": "MANUAL"}')
    shop.done("segment", "create", file)
    return shop


def written(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(rows) + "\n", encoding="utf-8", errors="surrogateescape")
    return path


def members(segments: Segments) -> str:
    shown = segments.done("segment", "show", "vip")
    return next(line.split()[1] for line in shown.lines if line.startswith("members"))


def test_segments_that_use_the_manual_one_follow_before_the_command_ends(vip: Segments, tmp_path: Path) -> None:
    file = tmp_path / "user.json"
    file.write_text('{"name": "User", "rules": {"in": ["vip", {"var": "segments"}]}}')
    vip.done("segment", "create", file)
    vip.done("recalculate", "user")
    some = written(tmp_path / "some.csv", "customer_id", "Ada", "Ben")

    first = vip.done("segment", "assign", "vip", some)
    again = vip.done("segment", "assign", "vip", some)
    out = vip.done("segment", "remove", "vip", written(tmp_path / "one.csv", "customer_id", "Ada"))

    assert first.lines[1:] == ["user: 10 customers evaluated, 2 entered, 0 left."]
    assert again.lines[1:] == []
    assert out.lines[1:] == ["user: 10 customers evaluated, 0 entered, 1 left."]


def test_a_file_of_customers_is_put_in_and_taken_out(vip: Segments, tmp_path: Path) -> None:
    file = written(tmp_path / "some.csv", "name,Customer ID", "a,Ada", "b,Ben", "x,Xavier", "c,Cy", "b,Ben", ",")

    first = vip.done("segment", "assign", "vip", file)
    again = vip.done("segment", "assign", "vip", file)
    inside = members(vip)
    out = vip.done("segment", "remove", "vip", written(tmp_path / "two.csv", "customer_id", "Ada", "Dee", "Nobody"))

    assert first.out == "some.csv: 6 rows read: 4 matched (3 put in, 1 already in), 2 unknown.\n"
    assert first.err == "First unknown: line 4: Xavier\n"
    assert again.out == "some.csv: 6 rows read: 4 matched (0 put in, 4 already in), 2 unknown.\n"
    assert inside == "3"
    assert out.out == "two.csv: 3 rows read: 2 matched (1 taken out, 1 not in), 1 unknown.\n"
    assert members(vip) == "2"


def test_batches_count_like_one(vip: Segments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "all.csv.gz"
    names = ["Ada", "Ben", "Zoe", "Ada", "Cy", "Dee", "Yan"]
    file.write_bytes(gzip.compress("\n".join(["customer", *names]).encode()))
    monkeypatch.setattr(cli_members, "BATCH", 2)

    done = vip.done("segment", "assign", "vip", file)

    assert done.out == "all.csv.gz: 7 rows read: 5 matched (4 put in, 1 already in), 2 unknown.\n"
    assert done.err == "First unknown: line 4: Zoe\n"


def test_what_cannot_be_is_a_sentence(vip: Segments, tmp_path: Path) -> None:
    rules = tmp_path / "rich.json"
    rules.write_text('{"name": "Rich", "criteria": {"minOrders": 2}}')
    vip.done("segment", "create", rules)
    good = written(tmp_path / "good.csv", "customer_id", "Ada")
    bare = written(tmp_path / "bare.csv", "name,email", "a,b")
    empty = written(tmp_path / "empty.csv", "customer_id")

    said = {
        name: vip("segment", "assign", *arguments)
        for name, arguments in {
            "automatic": ("rich", good),
            "unknown": ("nope", good),
            "bare": ("vip", bare),
            "empty": ("vip", empty),
        }.items()
    }

    assert {name: ended.code for name, ended in said.items()} == dict.fromkeys(said, 1)
    assert said["automatic"].err == (
        "Error: The key must be that of a MANUAL segment; the members of Rich follow from its definition.\n"
    )
    assert said["unknown"].err == "Error: There is no segment with the key nope in the business shop.\n"
    assert said["bare"].err == "Error: Missing required columns: customer_id. Columns seen: name, email.\n"
    assert said["empty"].err == "Error: No data found in empty.csv.\n"
