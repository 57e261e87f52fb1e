"""Segments on the command line: files in both forms, what each command says, what is wrong in a file by its place."""

import json
import re
from pathlib import Path

import pytest

from tests.cli.conftest import Segments, write_lines

TOML = """name = "High value"
description = "Who buys most"
rules = '{">": [{"var": "total_revenue"}, 100]}'
schedule = "0 4 * * 1"

[criteria]
minLifetimeValue = 1000.50
minOrders = 5
loyaltyLevels = ["GOLD", "PLATINUM"]

[rfmConfig]
minScore = "344"
maxScore = "555"
"""
RULE = {">": [{"var": "total_revenue"}, 100]}
WAITS = "Its recalculation waits for a server, or for segments recalculate high-value."


def segment(folder: Path, value: object, name: str = "segment.json") -> Path:
    """A file of a segment."""
    return write_lines(folder / name, value if isinstance(value, str) else json.dumps(value))


def test_a_segment_comes_from_toml_and_goes_back_as_json(shop: Segments, tmp_path: Path) -> None:
    created = shop.run("segment", "create", segment(tmp_path, TOML, "high.toml"))
    kept = shop.json("segment", "show", "high-value")

    assert created.out == f"Created high-value (AUTOMATIC). {WAITS}\n"
    assert kept == {
        "name": "High value",
        "key": "high-value",
        "description": "Who buys most",
        "kind": "AUTOMATIC",
        "isDynamic": True,
        "isRfm": True,
        "rules": RULE,
        "criteria": {"minLifetimeValue": "1000.50", "minOrders": 5, "loyaltyLevels": ["GOLD", "PLATINUM"]},
        "rfmConfig": {"minScore": "344", "maxScore": "555"},
        "schedule": "0 4 * * 1",
    }
    shop.run("segment", "delete", "high-value")
    shop.run("segment", "create", segment(tmp_path, kept))
    assert shop.json("segment", "show", "high-value") == kept


def test_a_rule_may_be_a_table_of_toml_with_its_dates(shop: Segments, tmp_path: Path) -> None:
    text = 'name = "Old"\nrules = { "<" = [ { var = "registered_at" }, 2024-01-31 ] }\n'

    shop.run("segment", "create", segment(tmp_path, text, "old.toml"))

    shown = shop.run("segment", "show", "old").lines
    assert shown[0] == "key          old"
    assert "definition   the registration is before 2024-01-31" in shown
    assert 'rules        {"<": [{"var": "registered_at"}, "2024-01-31"]}' in shown


def test_segments_are_listed_by_name(shop: Segments, tmp_path: Path) -> None:
    for name in ("beta", "Alpha", "gold"):
        shop.run("segment", "create", segment(tmp_path, {"name": name, "kind": "MANUAL"}))

    listed = [line.split() for line in shop.run("segment", "list").lines]
    turned = shop.run("segment", "list", "--search", "A", "--kind", "manual", "--reverse").lines

    assert listed[0] == ["key", "name", "kind", "members", "calculated"]
    assert [line[0] for line in listed[1:]] == ["alpha", "beta", "gold"]
    assert listed[1] == ["alpha", "Alpha", "MANUAL", "0", "never"]
    assert [line.split()[0] for line in turned[1:]] == ["alpha"]


KEY = "customers-of-the-shop-at-the-harbour-who-buy-much-and-often"


def test_keys_are_never_cut(shop: Segments, tmp_path: Path) -> None:
    name = "Customers of the shop at the harbour who buy much and often, and have done so for years"
    shop.run("segment", "create", segment(tmp_path, {"name": name, "key": KEY, "kind": "MANUAL"}))
    shop.patch.setenv("COLUMNS", "60")

    listed, status = shop.run("segment", "list").lines, shop.run("status").lines

    assert listed[0].split() == ["key:", KEY]
    assert status[0].split() == ["key:", KEY]
    shop.patch.delenv("COLUMNS")
    assert shop.run("segment", "list").lines[1].split("  ")[:2] == [KEY, name]


def test_segments_and_their_state_are_listed_as_json(shop: Segments, tmp_path: Path) -> None:
    rule = {"name": "Big", "criteria": {"minOrders": 1}, "isDynamic": False}
    shop.run("segment", "create", segment(tmp_path, {"name": "VIP", "kind": "MANUAL", "description": "By hand"}))
    shop.run("segment", "create", segment(tmp_path, rule))
    shop.run("recalculate", "big")

    big, vip = shop.json("segment", "list")
    first, second = shop.json("status")
    shown = [line.split(maxsplit=1)[1] for line in shop.run("segment", "show", "big").lines if "calculated" in line]

    empty = {"key": "vip", "kind": "MANUAL", "member_count": 0, "last_calculated": None}
    told = {"name": "VIP", "description": "By hand", "version": 1}
    assert vip == {**empty, **told, "is_dynamic": False, "is_rfm": False, "schedule": None}
    assert (big["key"], big["member_count"]) == ("big", 10)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", big["last_calculated"])
    assert shown == [f"{big['last_calculated'][:16].replace('T', ' ')} (UTC)"]
    assert (first["last_calculated"], first["next_run_at"]) == (big["last_calculated"], None)
    assert first["newest_run"].items() >= {"status": "SUCCEEDED", "evaluated": 10, "entered": 10, "error": None}.items()
    assert second == {**empty, "next_run_at": None, "newest_run": None}
    assert shop.expect_refusal("status", "--format", "xml") == "--format must be one of: table, json."


def test_an_update_changes_what_the_file_holds_and_clears_what_is_named(shop: Segments, tmp_path: Path) -> None:
    shop.run("segment", "create", segment(tmp_path, TOML, "high.toml"))

    change = segment(tmp_path, {"name": "Higher", "expectedVersion": 1, "criteria": None})
    changed = shop.run("segment", "update", "high-value", change, "--clear", "rfmConfig")
    again = shop.run("segment", "update", "high-value", segment(tmp_path, {"name": "Higher"}))
    late = shop.expect_refusal(
        "segment", "update", "high-value", segment(tmp_path, {"expectedVersion": 1, "name": "Mine"})
    )

    assert changed.out == f"Changed high-value (version 2). {WAITS}\n"
    assert again.out == "Nothing changed in high-value (version 2).\n"
    assert late == "expectedVersion is 1, but the segment has version 2 now."
    kept = shop.json("segment", "show", "high-value")
    assert (kept["name"], kept["rules"], kept["isRfm"]) == ("Higher", RULE, False)
    assert "criteria" not in kept


def test_a_used_segment_is_not_deleted(shop: Segments, tmp_path: Path) -> None:
    shop.run("segment", "create", segment(tmp_path, {"name": "VIP", "kind": "MANUAL"}))
    shop.run("segment", "create", segment(tmp_path, {"name": "Good", "rules": {"in": ["vip", {"var": "segments"}]}}))

    refused = shop.expect_refusal("segment", "delete", "vip")

    assert refused == "vip is used by the rules of: Good (good)."
    assert shop.run("segment", "delete", "good").out == "Deleted good. 0 memberships ended.\n"
    assert shop.run("segment", "delete", "vip").out == "Deleted vip. 0 memberships ended.\n"
    assert (
        shop.expect_refusal("segment", "delete", "vip") == "There is no segment with the key vip in the business shop."
    )


def test_standard_segments_are_made_once(shop: Segments) -> None:
    first = shop.run("segment", "create-standard").lines
    again = shop.run("segment", "create-standard").lines
    eleven = shop.run("segment", "create-standard", "--scheme", "eleven").lines

    assert first[:2] == ["8 created, 0 there already:", "  rfm-champions  Champions"]
    assert first[-1] == "Their recalculation waits for a server, or for segments recalculate."
    assert (again[0], len(again)) == ("0 created, 8 there already:", 9)
    assert (eleven[0], len(eleven)) == ("10 created, 0 there already:", 12)
    wrong = shop.expect_refusal("segment", "create-standard", "--scheme", "nine")
    assert wrong == "--scheme must be one of: eight, eleven."


@pytest.mark.parametrize(
    ("ending", "content", "sentence"),
    [
        ("json", '{"name": "A", "nam": 1, "rules": 5}', "a.json: Expected value of type 'CreateSegmentInput' not to "),
        ("json", '{"name": "A", "criteria": {"minOrders": 1.5}}', "a.json: criteria.minOrders: Int cannot represent "),
        (
            "json",
            '{"name": "A", "kind": "HAND"}',
            "a.json: kind: Value 'HAND' does not exist in 'SegmentKind' enum. Its values are: AUTOMATIC, MANUAL.",
        ),
        ("json", "[]", "a.json must hold one segment: an object with a name."),
        ("json", "{", "a.json is not readable JSON: "),
        ("toml", "name = ", "a.toml is not readable TOML: "),
        ("toml", "name = 'A'\ncriteria = { minLifetimeValue = nan }", "a.toml: criteria.minLifetimeValue: A Decimal "),
        ("yaml", "name: A", "a.yaml must be a .json or a .toml file."),
        ("json", "\ufeff" + '{"name": " ", "rules": {">": [1, 0]}}', "name must not be blank."),
        ("json", '{"name": "A"}', "rules, criteria or rfmConfig must hold a condition for an AUTOMATIC segment."),
        ("json", '{"name": "A", "rules": [{"and": [{">": [{"var": "order_coun"}, 1]}]}]}', "rules/0/and/0/>/0/var: "),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_place(
    shop: Segments, tmp_path: Path, ending: str, content: str, sentence: str
) -> None:
    refused = shop.expect_refusal("segment", "create", segment(tmp_path, content, f"a.{ending}"))

    assert refused.removeprefix(f"{tmp_path}/").startswith(sentence), refused
    assert len(shop.run("segment", "list").lines) == 1


def test_an_update_needs_something_to_change(shop: Segments, tmp_path: Path) -> None:
    nothing = shop.expect_refusal("segment", "update", "vip")
    with_id = shop.expect_refusal("segment", "update", "vip", segment(tmp_path, {"id": "x"}))
    unknown = shop.expect_refusal("segment", "update", "vip", "--clear", "kind")

    assert nothing == "Nothing to change: give a file or --clear."
    assert with_id.endswith("segment.json must not hold id: the command line says it.")
    assert unknown == "--clear must be one of: description, rules, criteria, rfmConfig, schedule, not kind."


def test_a_file_that_is_not_there_is_named(shop: Segments, tmp_path: Path) -> None:
    refused = shop.expect_refusal("segment", "create", tmp_path / "none.json")

    assert refused == f"No such file: {tmp_path}/none.json."
