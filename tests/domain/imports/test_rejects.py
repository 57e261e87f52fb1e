"""Kinds of reasons, and cells that are protected in the file of rejects and come back exactly."""

import ast
from pathlib import Path

import pytest

from domain.attributes import describe_wrong_value
from domain.imports.columns import describe_wrong_width
from domain.imports.model import ANOTHER_ROW
from domain.imports.rejects import build_reject_cells, describe_kind, find_remedy, protect_cell, unprotect_cell
from domain.imports.rows import RejectedRow
from domain.model import AttributeKind
from persistence.erasure import ERASED_REASON
from persistence.imports.staging import ONLY_NEGATIVE, OTHER_CUSTOMER
from persistence.sources.sheets import MERGED


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


ROOT = Path(__file__).parents[3]
READERS = [
    *(ROOT / "domain" / "imports").rglob("*.py"),
    *(ROOT / "persistence" / "imports").rglob("*.py"),
    ROOT / "domain" / "identifiers.py",
    ROOT / "persistence" / "sources" / "mongodb.py",
]
FAULTS = ("RowFault", "DateFault", "IdFault", "CellFault")
HOPELESS = (ERASED_REASON,)
SAID_OTHERWISE = (
    describe_wrong_width(3, 2),
    describe_wrong_value("tier", AttributeKind.NUMBER, "x"),
    "no customer",
    "no order id",
    MERGED,
    OTHER_CUSTOMER,
    ONLY_NEGATIVE,
    ANOTHER_ROW,
)
"""Reasons that are made elsewhere than where they are raised."""


def list_raised() -> list[str]:
    """Every reason that is written where it is raised, with a word in the place of each value."""
    found = []
    for path in READERS:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in FAULTS and node.args:
                found += read_texts(node.args[0])
    return found


def read_texts(node: ast.expr) -> list[str]:
    """The texts that an expression of a message may come to; none where it is a call or a name."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=parts):
            return ["".join(str(part.value) if isinstance(part, ast.Constant) else "the thing" for part in parts)]
        case ast.IfExp(body=body, orelse=otherwise):
            return read_texts(body) + read_texts(otherwise)
        case ast.Call(func=ast.Name(id="Sentence"), args=[template, *_]):
            return read_texts(template)
        case _:
            return []


LEFT_OUT = ("there are more than the thing",)
"""What is told where something is left out, and rejects no row."""
OF_SEVERAL = (
    "the thing is absent",
    "the thing the thing the thing",
    "the the thing the thing the thing",
    "the thing: the thing",
    "is the thing",
    "stands in what is the thing",
)
"""Reasons of which nothing but the column or the value is said there; the tests below have those."""


def test_a_remedy_is_known_of_every_reason() -> None:
    reasons = [one for one in list_raised() if one not in (*LEFT_OUT, *OF_SEVERAL)]

    assert len(reasons) > 12
    assert [one for one in (*reasons, *SAID_OTHERWISE) if find_remedy(describe_kind(one)) is None] == []
    assert [find_remedy(one) for one in HOPELESS] == [None]


@pytest.mark.parametrize(
    "part", ["amount", "quantity", "unit price", "refunded amount", "discount", "tax", "tip", "fee"]
)
def test_a_remedy_is_known_of_every_column_of_money(part: str) -> None:
    assert "12.50" in str(find_remedy(f"the {part} '…' must be a number")) or part == "quantity"
    assert find_remedy(f"the {part} is absent") is not None


def test_what_is_said_of_several_columns_has_its_own_remedy() -> None:
    assert find_remedy("the order id '…' is in scientific notation: digits may be lost") == (
        "Export the column as text, so that no digit is lost."
    )
    assert find_remedy("the amount is too large") != find_remedy("the amount '…' must be a number")
    for document in ("customer.id is a list", "total is true or false", "a.b stands in what is no object"):
        assert find_remedy(document) == "Store a text, a number or a date there in the document."
    assert find_remedy("registered_at: the date '…' is not ISO 8601") == find_remedy("the date '…' is not ISO 8601")


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
