"""Members from a file of customers: what is counted, what is changed, and what is refused."""

import gzip
from pathlib import Path

import pytest

from gql.cli.actions import members_file as cli_members
from tests.cli.conftest import Segments, write_lines


@pytest.fixture
def vip(shop: Segments, tmp_path: Path) -> Segments:
    """The ten customers and the MANUAL segment `vip`."""
    shop.run("segment", "create", write_lines(tmp_path / "vip.json", '{"name": "VIP", "kind": "MANUAL"}'))
    return shop


def members(segments: Segments) -> str:
    shown = segments.run("segment", "show", "vip")
    return next(line.split()[1] for line in shown.lines if line.startswith("members"))


def test_segments_that_use_the_manual_one_follow_before_the_command_ends(vip: Segments, tmp_path: Path) -> None:
    rule = '{"name": "User", "rules": {"in": ["vip", {"var": "segments"}]}}'
    vip.run("segment", "create", write_lines(tmp_path / "user.json", rule))
    vip.run("recalculate", "user")
    some = write_lines(tmp_path / "some.csv", "customer_id", "Ada", "Ben")

    first = vip.run("segment", "assign", "vip", some)
    again = vip.run("segment", "assign", "vip", some)
    out = vip.run("segment", "remove", "vip", write_lines(tmp_path / "one.csv", "customer_id", "Ada"))

    assert first.lines[1:] == ["user: 10 customers evaluated, 2 entered, 0 left."]
    assert again.lines[1:] == []
    assert out.lines[1:] == ["user: 10 customers evaluated, 0 entered, 1 left."]


def test_a_file_of_customers_is_put_in_and_taken_out(vip: Segments, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "some.csv", "name,Customer ID", "a,Ada", "b,Ben", "x,Xavier", "c,Cy", "b,Ben", ",")

    first = vip.run("segment", "assign", "vip", file)
    again = vip.run("segment", "assign", "vip", file)
    inside = members(vip)
    out = vip.run("segment", "remove", "vip", write_lines(tmp_path / "two.csv", "customer_id", "Ada", "Dee", "Nobody"))

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

    done = vip.run("segment", "assign", "vip", file)

    assert done.out == "all.csv.gz: 7 rows read: 5 matched (4 put in, 1 already in), 2 unknown.\n"
    assert done.err == "First unknown: line 4: Zoe\n"


def test_what_cannot_be_is_a_sentence(vip: Segments, tmp_path: Path) -> None:
    rich = write_lines(tmp_path / "rich.json", '{"name": "Rich", "criteria": {"minOrders": 2}}')
    vip.run("segment", "create", rich)
    good = write_lines(tmp_path / "good.csv", "customer_id", "Ada")
    bare = write_lines(tmp_path / "bare.csv", "name,email", "a,b")
    empty = write_lines(tmp_path / "empty.csv", "customer_id")

    asked = (("rich", good), ("nope", good), ("vip", bare), ("vip", empty))
    said = [vip.expect_refusal("segment", "assign", *arguments) for arguments in asked]

    assert said == [
        "The key must be that of a MANUAL segment; the members of Rich follow from its definition.",
        "There is no segment with the key nope in the business shop.",
        "Missing required columns: customer_id. Columns seen: name, email.",
        "No data found in empty.csv.",
    ]


def test_a_segment_has_exactly_the_customers_of_a_file(vip: Segments, tmp_path: Path) -> None:
    rule = '{"name": "User", "rules": {"in": ["vip", {"var": "segments"}]}}'
    vip.run("segment", "create", write_lines(tmp_path / "user.json", rule))
    vip.run("recalculate", "user")
    vip.run("segment", "assign", "vip", write_lines(tmp_path / "one.csv", "customer_id", "Ada", "Cy"))
    file = write_lines(tmp_path / "some.csv", "External ID", "Ada", "Ben", "Ben")
    doubtful = write_lines(tmp_path / "doubtful.csv", "customer_id", "Dee", "Xavier", "Yan")

    done = vip.run("segment", "set", "vip", file)
    again = vip.run("segment", "set", "vip", file)
    refused = vip.expect_refusal("segment", "set", "vip", doubtful)
    inside = members(vip)
    left_out = vip.run("segment", "set", "vip", doubtful, "--skip-unknown")

    assert done.lines == [
        "some.csv: 3 rows read: 1 put in, 1 taken out, 1 unchanged, 0 unknown.",
        "user: 10 customers evaluated, 1 entered, 1 left.",
    ]
    assert again.lines == ["some.csv: 3 rows read: 0 put in, 0 taken out, 2 unchanged, 0 unknown."]
    assert refused == (
        "2 rows name nobody, so nothing was changed: line 3: Xavier; line 4: Yan. "
        "Mend them, or leave them out by --skip-unknown."
    )
    assert inside == "2"
    assert left_out.lines[0] == "doubtful.csv: 3 rows read: 1 put in, 2 taken out, 0 unchanged, 2 unknown."
    assert left_out.err == "Unknown: line 3: Xavier\nUnknown: line 4: Yan\n"


def test_segments_are_duplicated_and_frozen(vip: Segments, tmp_path: Path) -> None:
    vip.run("segment", "set", "vip", write_lines(tmp_path / "some.csv", "customer_id", "Ada", "Ben"))
    vip.run("segment", "create", write_lines(tmp_path / "all.json", '{"name": "All", "criteria": {"minOrders": 0}}'))
    vip.run("recalculate", "all")

    done = [
        vip.run("segment", "duplicate", "vip", "VIP too").out,
        vip.run("segment", "duplicate", "all", "All too").out,
        vip.run("segment", "freeze", "all", "All now").out,
        vip.run("segment", "freeze", "all", "All before", "--as-of", "2001-01-01T12:00").out,
    ]
    said = [
        vip.expect_refusal("segment", "freeze", "all", "Late", "--as-of", "2999-01-01"),
        vip.expect_refusal("segment", "freeze", "all", "Never", "--as-of", "yesterday"),
        vip.expect_refusal("segment", "duplicate", "all", "vip"),
    ]

    assert done == [
        "Created vip-too (MANUAL). 2 members.\n",
        "Created all-too (AUTOMATIC). Its recalculation waits for a server, or for segments recalculate all-too.\n",
        "Created all-now (MANUAL). 10 members.\n",
        "Created all-before (MANUAL). 0 members.\n",
    ]
    assert said == [
        "--as-of must not lie in the future.",
        "--as-of must be an ISO 8601 timestamp, such as 2024-03-01T12:00.",
        "name is in use by the segment vip.",
    ]
