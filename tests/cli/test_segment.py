"""Segments on the command line: files in both forms, what each command says, what is wrong in a file by its place."""

import json
import re
from pathlib import Path

import pytest

from tests.cli.conftest import Segments

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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def written(folder: Path, value: object, name: str = "segment.json") -> Path:
    path = folder / name
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


def test_a_segment_comes_from_toml_and_goes_back_as_json(shop: Segments, folder: Path) -> None:
    created = shop.done("segment", "create", written(folder, TOML, "high.toml"))
    kept = json.loads(shop.done("segment", "show", "high-value", "--format", "json").out)

    assert created.out == f"Created high-value (AUTOMATIC). {WAITS}\n"
    assert kept == {
        "name": "High value",
        "key": "high-value",
        "description": "Who buys most",
        "kind": "AUTOMATIC",
        "isDynamic": True,
        "isRfm": True,
        "rules": RULE,
        "criteria": {"minLifetimeValue": "1000.5", "minOrders": 5, "loyaltyLevels": ["GOLD", "PLATINUM"]},
        "rfmConfig": {"minScore": "344", "maxScore": "555"},
        "schedule": "0 4 * * 1",
    }
    shop.done("segment", "delete", "high-value")
    assert shop.done("segment", "create", written(folder, kept)).code == 0
    assert json.loads(shop.done("segment", "show", "high-value", "--format", "json").out) == kept


def test_a_rule_may_be_a_table_of_toml_with_its_dates(shop: Segments, folder: Path) -> None:
    text = 'name = "Old"\nrules = { "<" = [ { var = "registered_at" }, 2024-01-31 ] }\n'

    shop.done("segment", "create", written(folder, text, "old.toml"))

    shown = shop.done("segment", "show", "old").lines
    assert shown[0] == "key          old"
    assert "definition   the registration is before 2024-01-31" in shown
    assert 'rules        {"<": [{"var": "registered_at"}, "2024-01-31"]}' in shown


def test_segments_are_listed_by_name(shop: Segments, folder: Path) -> None:
    for name in ("beta", "Alpha", "gold"):
        shop.done("segment", "create", written(folder, {"name": name, "kind": "MANUAL"}))

    listed = [line.split() for line in shop.done("segment", "list").lines]
    turned = shop.done("segment", "list", "--search", "A", "--kind", "manual", "--reverse").lines

    assert listed[0] == ["key", "name", "kind", "members", "calculated"]
    assert [line[0] for line in listed[1:]] == ["alpha", "beta", "gold"]
    assert listed[1] == ["alpha", "Alpha", "MANUAL", "0", "never"]
    assert [line.split()[0] for line in turned[1:]] == ["alpha"]


KEY = "customers-of-the-shop-at-the-harbour-who-buy-much-and-often"


@pytest.mark.parametrize("terminal", [False, True])
def test_keys_are_never_cut(shop: Segments, folder: Path, terminal: bool) -> None:
    name = "Customers of the shop at the harbour who buy much and often, and have done so for years"
    shop.done("segment", "create", written(folder, {"name": name, "key": KEY, "kind": "MANUAL"}))
    shop.patch.setenv("COLUMNS", "60")
    if terminal:
        shop.patch.setenv("FORCE_COLOR", "1")

    listed, status = shop.done("segment", "list").lines, shop.done("status").lines

    assert [line.startswith(KEY) for line in listed[:2]] == [False, True]
    assert [line.startswith(KEY) for line in status] == [False, True]
    assert (len(listed) > 2) is terminal


def test_segments_and_their_state_are_listed_as_json(shop: Segments, folder: Path) -> None:
    rule = {"name": "Big", "criteria": {"minOrders": 1}, "isDynamic": False}
    shop.done("segment", "create", written(folder, {"name": "VIP", "kind": "MANUAL", "description": "By hand"}))
    shop.done("segment", "create", written(folder, rule))
    shop.done("recalculate", "big")

    big, vip = json.loads(shop.done("segment", "list", "--format", "json").out)
    first, second = json.loads(shop.done("status", "--format", "json").out)
    shown = next(
        line.split(maxsplit=1)[1] for line in shop.done("segment", "show", "big").lines if "calculated" in line
    )

    assert vip == {
        "key": "vip",
        "name": "VIP",
        "description": "By hand",
        "kind": "MANUAL",
        "is_dynamic": False,
        "is_rfm": False,
        "schedule": None,
        "version": 1,
        "member_count": 0,
        "last_calculated": None,
    }
    assert (big["key"], big["member_count"]) == ("big", 10)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", big["last_calculated"])
    assert shown == f"{big['last_calculated'][:16].replace('T', ' ')}Z"
    assert (first["last_calculated"], first["next_run_at"]) == (big["last_calculated"], None)
    assert first["newest_run"].items() >= {"status": "SUCCEEDED", "evaluated": 10, "entered": 10, "error": None}.items()
    assert second == {
        "key": "vip",
        "kind": "MANUAL",
        "member_count": 0,
        "last_calculated": None,
        "next_run_at": None,
        "newest_run": None,
    }
    wrong = shop("status", "--format", "xml")
    assert (wrong.code, wrong.err) == (1, "Error: --format must be one of: table, json.\n")


def test_an_update_changes_what_the_file_holds_and_clears_what_is_named(shop: Segments, folder: Path) -> None:
    shop.done("segment", "create", written(folder, TOML, "high.toml"))

    change = written(folder, {"name": "Higher", "expectedVersion": 1, "criteria": None})
    changed = shop.done("segment", "update", "high-value", change, "--clear", "rfmConfig")
    again = shop.done("segment", "update", "high-value", written(folder, {"name": "Higher"}))
    late = shop("segment", "update", "high-value", written(folder, {"expectedVersion": 1, "name": "Mine"}))

    assert changed.out == f"Changed high-value (version 2). {WAITS}\n"
    assert again.out == "Nothing changed in high-value (version 2).\n"
    assert (late.code, late.err) == (1, "Error: expectedVersion is 1, but the segment has version 2 now.\n")
    kept = json.loads(shop.done("segment", "show", "high-value", "--format", "json").out)
    assert (kept["name"], kept["rules"], kept["isRfm"]) == ("Higher", RULE, False)
    assert "criteria" not in kept


def test_a_used_segment_is_not_deleted(shop: Segments, folder: Path) -> None:
    shop.done("segment", "create", written(folder, {"name": "VIP", "kind": "MANUAL"}))
    shop.done("segment", "create", written(folder, {"name": "Good", "rules": {"in": ["vip", {"var": "segments"}]}}))

    refused = shop("segment", "delete", "vip")

    assert (refused.code, refused.err) == (1, "Error: vip is used by the rules of: Good (good).\n")
    assert shop.done("segment", "delete", "good").out == "Deleted good. 0 memberships ended.\n"
    assert shop.done("segment", "delete", "vip").out == "Deleted vip. 0 memberships ended.\n"
    gone = shop("segment", "delete", "vip")
    assert (gone.code, gone.err) == (1, "Error: There is no segment with the key vip in the business shop.\n")


def test_standard_segments_are_made_once(shop: Segments) -> None:
    first = shop.done("segment", "create-standard").lines
    again = shop.done("segment", "create-standard").lines
    eleven = shop.done("segment", "create-standard", "--scheme", "eleven").lines

    assert first[:2] == ["8 created, 0 there already:", "  rfm-champions  Champions"]
    assert first[-1] == "Their recalculation waits for a server, or for segments recalculate."
    assert (again[0], len(again)) == ("0 created, 8 there already:", 9)
    assert (eleven[0], len(eleven)) == ("10 created, 0 there already:", 12)
    wrong = shop("segment", "create-standard", "--scheme", "nine")
    assert (wrong.code, wrong.err) == (1, "Error: --scheme must be one of: eight, eleven.\n")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        (
            "a.json",
            '{"name": "A", "nam": 1, "rules": 5}',
            "a.json: Expected value of type 'CreateSegmentInput' not to ",
        ),
        (
            "a.json",
            '{"name": "A", "criteria": {"minOrders": 1.5}}',
            "a.json: criteria.minOrders: Int cannot represent ",
        ),
        (
            "a.json",
            '{"name": "A", "kind": "HAND"}',
            "a.json: kind: Value 'HAND' does not exist in 'SegmentKind' enum. Its values are: AUTOMATIC, MANUAL.\n",
        ),
        ("a.json", "[]", "a.json must hold one segment: an object with a name."),
        ("a.json", "{", "a.json is not readable JSON: "),
        ("a.toml", "name = ", "a.toml is not readable TOML: "),
        (
            "a.toml",
            "name = 'A'\ncriteria = { minLifetimeValue = nan }",
            "a.toml: criteria.minLifetimeValue: A Decimal ",
        ),
        ("a.yaml", "name: A", "a.yaml must be a .json or a .toml file."),
        ("a.json", "\ufeff" + '{"name": " ", "rules": {">": [1, 0]}}', "name must not be blank."),
        ("a.json", '{"name": "A"}', "rules, criteria or rfmConfig must hold a condition for an AUTOMATIC segment."),
        ("a.json", '{"name": "A", "rules": [{"and": [{">": [{"var": "order_coun"}, 1]}]}]}', "rules/0/and/0/>/0/var: "),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_place(
    shop: Segments, folder: Path, name: str, content: str, sentence: str
) -> None:
    ended = shop("segment", "create", written(folder, content, name))

    said = ended.err.removeprefix("Error: ").removeprefix(f"{folder}/")
    assert ended.code == 1
    assert said.startswith(sentence), ended.err
    assert len(shop.done("segment", "list").lines) == 1


def test_an_update_needs_something_to_change(shop: Segments, folder: Path) -> None:
    nothing = shop("segment", "update", "vip")
    with_id = shop("segment", "update", "vip", written(folder, {"id": "x"}))
    unknown = shop("segment", "update", "vip", "--clear", "kind")

    assert nothing.err == "Error: Nothing to change: give a file or --clear.\n"
    assert with_id.err.endswith("segment.json must not hold id: the command line says it.\n")
    assert "not to include unknown field 'kind'" in unknown.err
    assert (nothing.code, with_id.code, unknown.code) == (1, 1, 1)


def test_a_file_that_is_not_there_is_named(shop: Segments, folder: Path) -> None:
    ended = shop("segment", "create", folder / "none.json")

    assert (ended.code, ended.err) == (1, f"Error: {folder}/none.json: No such file or directory.\n")
