"""Ids of customers and orders: what is undone, what is absent, what is refused."""

import pytest

from domain.identifiers import IdFault, are_plain_ids, normalise_id


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("  C-1 ", "C-1"),
        ('="00123"', "00123"),
        ("'123", "123"),
        ("'=A1", "=A1"),
        ("'t Hof", "'t Hof"),
        ("'", "'"),
        ("17850.0", "17850"),
        ("17850.50", "17850.50"),
        ("Ann@X.com", "ann@x.com"),
        ("Ann at X", "Ann at X"),
        ("Cafe\u0301", "Caf\u00e9"),
        ("1E5", "1E5"),
        ("4.0128e+10", "40128000000"),
        ("1e+05", "100000"),
        ("0", "0"),
    ],
)
def test_an_id_is_kept_as_its_shop_means_it(text: str, kept: str) -> None:
    assert normalise_id(text) == kept
    assert normalise_id(kept) == kept


@pytest.mark.parametrize("text", ["", "  ", "NULL", "nan", "None", "\\N", "N/A", "#N/A", "-", "Guest", '=""'])
def test_placeholders_are_no_id(text: str) -> None:
    assert normalise_id(text) == ""


@pytest.mark.parametrize("text", ["1.23457E+11", "1.5e+00", "1.23e+15", "4.5E11"])
def test_an_id_that_lost_its_digits_is_refused(text: str) -> None:
    with pytest.raises(IdFault, match="scientific notation"):
        normalise_id(text)


def test_an_order_is_never_known_by_scientific_notation() -> None:
    with pytest.raises(IdFault, match="the order id '1E5' is in scientific notation"):
        normalise_id("1E5", "the order id", order=True)


@pytest.mark.parametrize(
    ("ids", "plain"),
    [
        (["C1", "a-b", "INV/7", "#12"], True),
        (["C1", ""], False),
        (["", "C1"], False),
        (["mannette", "C-None"], True),
        (["C1", "none"], False),
        (["nanette"], False),
        (["-"], False),
        (["12e5"], False),
        (["17850.0"], False),
        (["a@b"], False),
        (["x" * 1001], False),
        (["Zo\u00eb"], False),
    ],
)
def test_many_ids_are_seen_at_once_to_be_plain(ids: list[str], plain: bool) -> None:
    assert are_plain_ids(ids) is plain
    assert not plain or [normalise_id(one, order=True) for one in ids] == ids
