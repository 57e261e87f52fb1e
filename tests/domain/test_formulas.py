"""What keeps a spreadsheet from calculating with other people's texts: line E1 of the reliability requirements."""

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.formulas import is_formula, protect_text, protect_texts, unprotect_text
from domain.identifiers import normalise_id
from domain.imports.rejects import protect_cell, unprotect_cell

SIGNS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
FORMULAS = ("=1+1", ";=1+1", '"=1+1', "\t=1+1", "a;=1+1", "a\t-2", 'a; "=1', "\r\n=1", "'=1", " ＝1", "\t1", ';""@x')
PLAIN = ("", "a", "a=b", "1-2", "'", "'t Hof", "a;b", 'say "x"', "a, -b", "O'Neill; Sons", "Ä-1", "(=1)")
TEXTS = st.text(st.sampled_from("=+-@＝;\t\r\n'\" ,ab1")) | st.text()


@pytest.mark.parametrize("text", FORMULAS)
def test_e1_what_a_spreadsheet_would_calculate_is_seen(text: str) -> None:
    assert is_formula(text)
    assert protect_text(text) != text


@pytest.mark.parametrize("text", PLAIN)
def test_e1_other_text_is_left_as_it_is(text: str) -> None:
    assert not is_formula(text)
    assert protect_text(text) == unprotect_text(text) == text


@given(st.lists(TEXTS | st.none(), max_size=4))
@example(["a", "-1"])
@example(["a;", "=1"])
@example(["a", "\t"])
def test_e1_texts_are_protected_together_as_one_by_one(texts: list[str | None]) -> None:
    assert list(protect_texts(texts)) == [None if text is None else protect_text(text) for text in texts]


@given(TEXTS)
@example("'=1")
@example("''\t'=1")
def test_e1_what_protects_a_text_is_taken_off_as_it_was_put_on(text: str) -> None:
    assert unprotect_text(protect_text(text)) == text
    assert unprotect_cell(protect_cell(text)) == text


@given(st.lists(TEXTS, min_size=1, max_size=3), st.sampled_from(";\t,"))
@example(["a", ";=1"], ";")
@example(["a", 'b;"=1'], ";")
@example(["a", "\t=1"], "\t")
def test_e1_no_program_that_splits_the_rows_elsewhere_finds_a_formula(texts: list[str], separator: str) -> None:
    file = io.StringIO(newline="")
    csv.writer(file).writerow(map(protect_text, texts))

    for row in csv.reader(io.StringIO(file.getvalue(), newline=""), delimiter=separator):
        assert not [cell for cell in row if cell.strip().startswith(SIGNS)]


@given(TEXTS)
@example("a;=1")
@example("＝1")
@example("''=1")
def test_e1_the_id_of_an_exported_row_is_that_of_the_customer(text: str) -> None:
    try:
        kept = normalise_id(text)
    except ValueError:
        return

    assert normalise_id(protect_text(kept)) == kept
    assert normalise_id(kept) == kept
