"""Settings of a business, whatever is stated: either every fault is named, or what is kept can be used and stated
again."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.businesses.setting_types import ValueType
from domain.businesses.settings import ALIASES, BY_NAME, SECTIONS, SETTINGS, plan_changes, read_effective
from domain.classification.labels import ClassificationSettings
from domain.errors import InvalidInput
from domain.model import Business, BusinessSettings
from gql.cli.actions.settings_files import as_toml, read_statement

LEAVES: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**17),
    st.sampled_from([0, 1, 30, 70, 90, 100, 365]),
    st.floats(),
    st.decimals(),
    st.sampled_from(
        [0.7, Decimal("0.35"), "12.50", "shopify", "line", ",", ".", " ", "* * * * *", "%d/%m/%Y", "x.json"]
    ),
    st.text(max_size=20),
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)),
    max_leaves=6,
)
PERIODS = st.lists(
    st.fixed_dictionaries(dict.fromkeys(("from", "to"), st.sampled_from(["01-06", "12-24", "02-29", "2025-03-30"]))),
    max_size=3,
)
NAMES = st.sampled_from([*BY_NAME, *ALIASES, *SECTIONS, "mongodb", "nothing"])
STATED = st.dictionaries(NAMES, VALUES | PERIODS | st.permutations(["NEW", "LOYAL", "LAPSED", "SEASONAL"]), max_size=4)


@settings(deadline=None)
@given(STATED, STATED, st.sampled_from([0, 2, 3]))
def test_whatever_is_stated_is_refused_or_can_be_used(first: Any, second: Any, decimals: int) -> None:
    kept: dict[str, object] = {}

    for stated in (first, second):
        try:
            plan = plan_changes(kept, stated, decimals, here=True)
        except InvalidInput as error:
            assert all(problem.field[0] == "settings" and problem.message for problem in error.problems)
            continue
        ClassificationSettings.from_settings(plan.kept)
        assert plan_changes(plan.kept, read_effective(plan.kept), decimals, here=True).changes == ()
        assert bool(plan.changes) == (read_effective(plan.kept) != read_effective(kept))
        kept = plan.kept


@settings(deadline=None)
@given(columns=st.dictionaries(st.text(min_size=1, max_size=10), st.just("category"), max_size=1), folder=st.text())
def test_every_text_that_is_taken_survives_being_shown(
    tmp_path_factory: pytest.TempPathFactory, columns: dict[str, str], folder: str
) -> None:
    try:
        kept = plan_changes({}, {"import": {"columns": columns}, "output_dir": folder}, 2, here=True).kept
    except InvalidInput:
        kept = {}
    file = tmp_path_factory.getbasetemp() / "shown.toml"

    business = Business(1, "shop", "Shop", "EUR", "UTC", BusinessSettings.of(kept), 1, 0, 0)
    file.write_bytes(as_toml(business, {"host": "h"}).encode())

    statement = read_statement(file)
    assert plan_changes(kept, statement.settings, 2, here=True).changes == ()
    assert statement.mongodb == {"host": "h"}


def test_amounts_are_kept_exactly() -> None:
    large = "999999999999999.99"
    stated = (15000, "0.10", Decimal("20000.50"), Decimal(large), "7.00")

    kept = [
        plan_changes({}, {"high_average_order": value}, 2).kept.get("high_average_order", 15000) for value in stated
    ]

    assert kept == [15000, 0.1, 20000.5, large, 7]


@pytest.mark.parametrize("share", [0.7, Decimal("0.7"), "0.7", 70, "70"])
def test_a_share_is_a_number_of_percents(share: object) -> None:
    assert plan_changes({}, {"family_threshold": share}, 2).kept == {"family_percent": 70}


@pytest.mark.parametrize("share", [0, -0.1, 1.5, 0.333, 101, True, "much"])
def test_a_share_that_cannot_be_is_refused(share: object) -> None:
    with pytest.raises(InvalidInput, match=r"^family_threshold must be a share such as 0\.7, in whole percents"):
        plan_changes({}, {"family_threshold": share}, 2)


def test_null_clears_by_another_name_too() -> None:
    assert plan_changes({"family_percent": 20}, {"family_threshold": None}, 2).kept == {}


def test_settings_are_typed_with_defaults_and_names_that_nobody_knows_survive_a_write() -> None:
    stored = {"rfm_days": 400, "import": {"decimal": ","}, "of_tomorrow": [1]}
    held = BusinessSettings.of(stored)

    changed = plan_changes(held.stored, {"inactive_days": 30}, 2)

    assert (held.rfm_days, held.inactive_days, held.follow_purchases) == (400, 90, True)
    assert changed.kept == {**stored, "inactive_days": 30}
    assert BusinessSettings.of(changed.kept).inactive_days == 30


def test_bounds_and_choices_are_those_that_are_read() -> None:
    counted = [one for one in SETTINGS if one.kind.type is ValueType.WHOLE_NUMBER]
    chosen = [one for one in SETTINGS if one.kind.type is ValueType.TEXT and one.kind.choices]

    for one in counted:
        assert one.kind.bounds is not None
        low, high = one.kind.bounds
        assert [one.kind.read(value, 2) for value in (low, high)] == [low, high]
        for value in (low - 1, high + 1):
            with pytest.raises(ValueError, match="between"):
                one.kind.read(value, 2)
    for one in chosen:
        assert [one.kind.read(value, 2) for value in one.kind.choices] == list(one.kind.choices)
        with pytest.raises(ValueError, match="must be"):
            one.kind.read("nothing", 2)
    assert [one.name for one in counted if one.kind.bounds == (0, 1000)] == ["import.skip_lines"]
    assert {one.name for one in chosen} >= {"import.decimal", "import.orders", "import.guests"}
    assert {one.name for one in SETTINGS if one.unit} == {one.name for one in counted} - {"import.skip_lines"}
