"""Kinds of reasons, and cells that are protected in the file of rejects and come back exactly."""

import pytest

from domain.imports.rejects import build_reject_cells, describe_kind, find_remedy, protect_cell, unprotect_cell
from domain.imports.rows import RejectedRow


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("the amount '12,50' must be a number such as 12.50", "the amount '…' must be a number such as 12.50"),
        ('the amount "1\'2" must be a number such as 12.50', "the amount '…' must be a number such as 12.50"),
        (
            "the date '01/03/2024' may be 1 March 2024 (--date-format '%d/%m/%Y') or 3 May 2024 (--date-format 'x')",
            "the date '…' may be … (--date-format '…') or … (--date-format '…')",
        ),
        (
            "the date '1' is not ISO 8601 (or give --date-format)",
            "the date '…' is not ISO 8601 (or give --date-format)",
        ),
        ("the row has 4 cells, the header has 9", "the row has … cells, the header has …"),
        ("the row has 1 cell, the header has 9", "the row has … cells, the header has …"),
        ("unknown status 'sent': give --status sent=COMPLETED", "unknown status '…': give --status …=COMPLETED"),
        ("the currency is USD, the business's is EUR", "the currency is USD, the business's is EUR"),
        ("the order id is longer than 1000 characters", "the order id is longer than 1000 characters"),
    ],
)
def test_reasons_that_hold_values_are_of_one_kind(reason: str, kind: str) -> None:
    assert describe_kind(reason) == kind
    assert describe_kind(kind) == kind


def test_a_remedy_is_known_of_what_can_be_mended() -> None:
    assert find_remedy("no customer") == "Give the row its customer."
    assert find_remedy("the customer was erased") is None


FORMULAS = ("=1+1", "@x", "+a", "-", "--1", " =1", "\t1", "＝1", "-5+3")
PLAIN = ("", "a", "'a", "'", "-5", "+5", "-1.234,50", "'-5", "2024-03-01", "O'Neill")


@pytest.mark.parametrize("cell", [*FORMULAS, *(f"'{cell}" for cell in FORMULAS), *(f"''{cell}" for cell in FORMULAS)])
def test_what_a_spreadsheet_would_calculate_is_protected_and_comes_back(cell: str) -> None:
    assert protect_cell(cell) == f"'{cell}"
    assert unprotect_cell(protect_cell(cell)) == cell


@pytest.mark.parametrize("cell", PLAIN)
def test_other_cells_are_left_as_they_are(cell: str) -> None:
    assert protect_cell(cell) == cell
    assert unprotect_cell(cell) == cell


def test_the_three_columns_stand_under_their_names_however_many_cells_a_row_has() -> None:
    row = RejectedRow(7, "", "no customer", "=O1")

    assert build_reject_cells(row, ["a"], 2) == ["a", "", "7", "no customer", "'=O1"]
    assert build_reject_cells(row, ["a", "\udcff", "c"], 2) == ["a", "�", "7", "no customer", "'=O1", "c"]
