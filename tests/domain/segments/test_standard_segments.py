"""The stored segments of the named groups: their rules give every score to the group that the scheme gives it to."""

from itertools import product
from zoneinfo import ZoneInfo

import pytest

from domain.classification.rfm import RfmScheme, Score, find_group, list_scheme_groups
from domain.rules.criteria import build_definition_tree, is_rfm
from domain.rules.evaluator import CustomerFacts, Scalar, holds
from domain.segments.segments import list_standard_drafts
from domain.segments.validation import validate_draft

SCORES = ("recency_score", "frequency_score", "monetary_score")


def subject(score: Score | None, scheme: RfmScheme) -> CustomerFacts:
    """A customer of that score; one who never bought has none."""
    values: dict[str, Scalar] = dict.fromkeys((*SCORES, "rfm_segment_name"))
    if score is not None:
        values = dict(zip(SCORES, map(float, (score.recency, score.frequency, score.monetary)), strict=True))
        values["rfm_segment_name"] = find_group(score, RfmScheme.EIGHT_SEGMENT).name
    return CustomerFacts(values, {}, ZoneInfo("UTC"))


@pytest.mark.parametrize("scheme", list(RfmScheme))
def test_every_score_is_in_the_segment_of_its_group_alone(scheme: RfmScheme) -> None:
    trees = {draft.name: validate_draft(draft, "EUR").tree for draft in list_standard_drafts(scheme)}
    wrong = []

    for score in (Score(*digits) for digits in product(range(1, 6), repeat=3)):
        one = subject(score, scheme)
        found = [name for name, tree in trees.items() if tree is not None and holds(tree, one)]
        expected = find_group(score, scheme).name
        if found != [name for name in [expected] if name != "Unclassified"]:
            wrong.append((score.digits, found, expected))

    assert wrong == []


@pytest.mark.parametrize("scheme", list(RfmScheme))
def test_who_never_bought_is_in_none(scheme: RfmScheme) -> None:
    trees = [validate_draft(draft, "EUR").tree for draft in list_standard_drafts(scheme)]

    assert [tree for tree in trees if tree is None or holds(tree, subject(None, scheme))] == []


def test_there_is_one_segment_a_group_and_no_key_twice() -> None:
    drafts = {scheme: list_standard_drafts(scheme) for scheme in RfmScheme}
    keys = [draft.key for each in drafts.values() for draft in each]

    for scheme, each in drafts.items():
        assert [draft.name for draft in each] == [group.name for group in list_scheme_groups(scheme)]
        assert all(is_rfm(build_definition_tree(draft.definition.rules, None, None)) for draft in each)
    assert len(set(keys)) == len(keys) == 18
    assert keys[0] == "rfm-champions"
    assert keys[8] == "rfm-eleven-champions"
