"""Scores and named groups against their plain definitions: fifths of the window and of the population, equal customers
equal, 125 cells of which the eight-segment scheme leaves 38 unnamed."""

from collections import Counter
from itertools import product
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.classification.rfm import (
    EIGHT,
    ELEVEN,
    UNCLASSIFIED,
    RfmScheme,
    Score,
    compute_cut_values,
    compute_recency_floors,
    find_eight_segment_group,
    find_eleven_segment_group,
    find_group,
    find_rank_bounds,
    find_recency_bounds,
    list_scheme_groups,
    score_rank,
    score_recency,
)

CELLS = list(product(range(1, 6), repeat=3))


@given(st.integers(1, 9999).flatmap(lambda days: st.tuples(st.just(days), st.integers(0, days - 1))))
def test_recency_is_a_fifth_of_the_window_each(case: tuple[int, int]) -> None:
    days, age = case

    score = score_recency(age, days)

    assert score == 5 - (5 * age) // days
    assert (5 - score) * days <= 5 * age < (6 - score) * days


@pytest.mark.parametrize(
    ("days", "scores"),
    [(1, [5]), (2, [5, 3]), (3, [5, 4, 2]), (4, [5, 4, 3, 2]), (5, [5, 4, 3, 2, 1]), (7, [5, 5, 4, 3, 3, 2, 1])],
)
def test_recency_in_windows_shorter_than_its_five_scores(days: int, scores: list[int]) -> None:
    assert [score_recency(age, days) for age in range(days)] == scores


@given(st.integers(1, 9999), st.integers(-5000, 800_000), st.data())
def test_comparing_with_four_bound_days_gives_the_recency_score(days: int, last_day: int, data: st.DataObject) -> None:
    age = data.draw(st.integers(0, days - 1))

    floors = compute_recency_floors(last_day, days)

    assert 1 + sum(last_day - age >= floor for floor in floors) == score_recency(age, days)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60))
def test_rank_scores_are_fifths_of_the_population_by_strictly_smaller_values(values: list[int]) -> None:
    quintiles = compute_cut_values(sorted(values))

    for value in values:
        less = sum(other < value for other in values)
        assert score_rank(value, quintiles) == 1 + 5 * less // len(values)


@given(st.lists(st.integers(-(10**18), 10**18), min_size=1, max_size=40))
def test_cut_k_is_the_sorted_value_at_position_ceil_of_k_fifths(values: list[int]) -> None:
    ascending = sorted(values)

    assert compute_cut_values(ascending) == tuple(ascending[ceil(k * len(values) / 5) - 1] for k in range(1, 5))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.randoms())
def test_equal_customers_score_equally_whatever_their_order(values: list[int], random: object) -> None:
    shuffled = sorted(values, key=lambda _: random.random())  # type: ignore[attr-defined]

    scores: dict[int, set[int]] = {}
    for value in shuffled:
        scores.setdefault(value, set()).add(score_rank(value, compute_cut_values(sorted(shuffled))))

    assert all(len(found) == 1 for found in scores.values())


def test_few_or_equal_customers_have_sensible_scores() -> None:
    assert compute_cut_values([]) == ()
    assert score_rank(7, compute_cut_values([7])) == 1
    assert [score_rank(value, compute_cut_values([3] * 1000)) for value in (3,)] == [1]
    assert [score_rank(value, compute_cut_values([1, 2])) for value in (1, 2)] == [1, 3]
    assert [score_rank(value, compute_cut_values([1, 2, 3, 4])) for value in (1, 2, 3, 4)] == [1, 2, 3, 4]
    assert [score_rank(value, compute_cut_values([1, 2, 3, 4, 5])) for value in (1, 2, 3, 4, 5)] == [1, 2, 3, 4, 5]


def named(r: int, f: int, m: int) -> str:
    """The table of the eight groups as it is written: first match in its order."""
    table = [
        ("Champions", r >= 4 and f >= 4 and m >= 4),
        ("Loyal Customers", r >= 3 and f >= 3 and m >= 3),
        ("Potential Loyalists", r >= 4 and f in (2, 3) and m >= 2),
        ("Promising", r == 3 and f == 2 and m in (2, 3)),
        ("At Risk", r <= 2 and f >= 2 and m >= 3),
        ("Need Attention", r <= 2 and f >= 3 and m == 2),
        ("New Customers", r >= 4 and f == 1),
        ("Hibernating", r <= 2 and f <= 2 and m <= 2),
    ]
    return next((name for name, holds in table if holds), "Unclassified")


def test_every_cell_falls_into_the_group_that_the_table_gives_it() -> None:
    assert [find_eight_segment_group(*cell).name for cell in CELLS] == [named(*cell) for cell in CELLS]


def test_38_of_the_125_cells_are_unclassified_and_every_group_has_some() -> None:
    found = Counter(find_eight_segment_group(*cell).name for cell in CELLS)

    assert len(CELLS) == sum(found.values()) == 125
    assert found == {
        "Champions": 8, "Loyal Customers": 19, "Potential Loyalists": 10, "Promising": 2, "At Risk": 24,
        "Need Attention": 6, "New Customers": 10, "Hibernating": 8, "Unclassified": 38,
    }  # fmt: skip


def test_codes_are_labels_and_not_always_members_of_their_own_group() -> None:
    assert find_eight_segment_group(4, 4, 4).name == "Champions"
    assert find_eight_segment_group(4, 5, 1) is UNCLASSIFIED
    assert find_eight_segment_group(1, 1, 1).name == "Hibernating"
    assert [(group.code, group.scores) for group in EIGHT] == [
        ("R5F5M5", (5, 5, 5)), ("R4F4M4", (4, 4, 4)), ("R4F2M3", (4, 2, 3)), ("R3F2M2", (3, 2, 2)),
        ("R2F2M3", (2, 2, 3)), ("R2F3M3", (2, 3, 3)), ("R5F1M1", (5, 1, 1)), ("R1F1M2", (1, 1, 2)),
    ]  # fmt: skip


def test_the_eleven_scheme_names_every_cell_by_recency_and_band() -> None:
    bands = {
        5: ("Champions", "Active", "New"),
        4: ("Loyal", "Active", "Promising"),
        3: ("Loyal", "Needs Attention", "Almost Lost"),
        2: ("Previously Loyal", "At Risk", "Dormant"),
        1: ("Previously Loyal", "At Risk", "Dormant"),
    }

    for r, f, m in CELLS:
        middle = (f + m) / 2
        assert find_eleven_segment_group(r, f, m).name == bands[r][0 if middle >= 4 else 1 if middle >= 2.5 else 2]

    assert {find_eleven_segment_group(*cell).name for cell in CELLS} == {group.name for group in ELEVEN}
    assert all(group.code == group.name.upper().replace(" ", "_") and group.scores is None for group in ELEVEN)


@pytest.mark.parametrize("scheme", list(RfmScheme))
def test_every_group_has_a_description_and_at_least_three_actions(scheme: RfmScheme) -> None:
    for group in (*list_scheme_groups(scheme), UNCLASSIFIED):
        assert group.description
        assert len(group.actions) >= 3
    assert find_group(Score(5, 5, 5), scheme).name == "Champions"
    assert Score(3, 1, 4).digits == "314"


@given(st.integers(1, 9999).flatmap(lambda days: st.tuples(st.just(days), st.integers(0, days - 1), st.integers(1, 5))))
def test_an_age_has_the_score_whose_bounds_hold_it(drawn: tuple[int, int, int]) -> None:
    days, age, score = drawn
    low, high = find_recency_bounds(score, days)

    assert low is not None
    assert (low <= age and (high is None or age <= high)) == (score_recency(age, days) == score)
    assert find_recency_bounds(5, days)[0] == 0
    assert find_recency_bounds(1, days)[1] is None


@given(st.lists(st.integers(-(10**18), 10**18) | st.integers(0, 3), min_size=1, max_size=40), st.integers(0, 10**18))
def test_a_value_has_the_score_of_another_where_the_bounds_of_that_hold_it(values: list[int], value: int) -> None:
    cuts = compute_cut_values(sorted(values))

    for own in values:
        score = score_rank(own, cuts)
        low, high = find_rank_bounds(score, cuts)
        assert (low is None) == (score == 1)
        assert (high is None) == (score == 5)
        for other in (value, own, own + 1, own - 1, *values):
            inside = (low is None or low <= other) and (high is None or other <= high)
            assert inside == (score_rank(other, cuts) == score)


def test_nobody_in_the_window_means_no_bounds() -> None:
    assert find_rank_bounds(1, ()) == (None, None)
