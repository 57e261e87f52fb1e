"""Attributes that a business names itself: what a value is, what fixes a kind, and what is refused."""

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from domain.attributes import (
    MAXIMUM_ATTRIBUTES,
    AttributeReader,
    add_kinds,
    find_kind_of_cells,
    read_attributes,
    read_cell,
    to_json_value,
    write_attributes,
)
from domain.errors import FieldProblem, InvalidInput
from domain.model import NO_ATTRIBUTES, AttributeKind, AttributeKinds, AttributeValue

TEXT, NUMBER, BOOLEAN, INSTANT = AttributeKind
COLOMBO = ZoneInfo("Asia/Colombo")
KNOWN = AttributeKinds({"colour": TEXT, "size": NUMBER, "agreed": BOOLEAN, "since": INSTANT}, {"colour": NUMBER})
FIELD = ("input", "3", "attributes")


def read(given: object, known: AttributeKinds = KNOWN) -> tuple[dict[str, AttributeValue | None], list[FieldProblem]]:
    problems: list[FieldProblem] = []
    return AttributeReader(known, "customer", COLOMBO).read(given, FIELD, problems), problems


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("colour", "2024-01-01", "2024-01-01"),
        ("colour", "", ""),
        ("size", 38, Decimal(38)),
        ("size", 0.1, Decimal("0.1")),
        ("size", "123456789012345.123456", Decimal("123456789012345.123456")),
        ("size", "-0.50", Decimal("-0.5")),
        ("size", -0.0, Decimal(0)),
        ("agreed", False, False),
        ("since", "2024-01-01", datetime(2023, 12, 31, 18, 30, tzinfo=UTC)),
        ("since", "2024-01-01T00:00:00Z", datetime(2024, 1, 1, tzinfo=UTC)),
        ("size", None, None),
    ],
)
def test_a_value_is_kept_as_the_kind_of_its_name(name: str, given: object, kept: object) -> None:
    values, problems = read({name: given})

    assert problems == []
    assert values == {name: kept}
    assert type(values[name]) is type(kept)


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        ("colour", 5, "the attribute colour must be a text, not '5'"),
        ("colour", "x" * 1001, "attributes must be at most 1000 characters"),
        ("colour", "a\0", "attributes must not hold a NUL character"),
        (
            "size",
            "large",
            "the attribute size must be a number of at most 15 digits before and 6 after the point, not 'large'",
        ),
        (
            "size",
            True,
            "the attribute size must be a number of at most 15 digits before and 6 after the point, not 'True'",
        ),
        ("size", 0.1234567, "not '0.1234567'"),
        ("size", 10**15, "not '1000000000000000'"),
        ("size", float("nan"), "not 'nan'"),
        ("size", 1e-7, "not '1e-07'"),
        ("agreed", "yes", "the attribute agreed must be true or false, not 'yes'"),
        ("agreed", 1, "the attribute agreed must be true or false, not '1'"),
        ("since", "soon", "the attribute since must be an ISO 8601 date or timestamp such as 2024-03-01, not 'soon'"),
        ("new", ["a"], "the attribute new must be a text, a number, true or false, or a date"),
        ("new", {"a": 1}, "the attribute new must be a text, a number, true or false, or a date"),
        ("two words", "a", "must be 1 to 64 letters, digits, _ or -, not 'two words'"),
        ("", "a", "must be 1 to 64 letters, digits, _ or -, not ''"),
        ("x" * 65, "a", "must be 1 to 64 letters, digits, _ or -"),
    ],
)
def test_a_value_of_another_kind_names_its_field(name: str, given: object, told: str) -> None:
    _, problems = read({name: given})

    assert [problem.field for problem in problems] == [(*FIELD, name)]
    assert told in problems[0].message


@pytest.mark.parametrize("given", [[], "colour", 5, True])
def test_attributes_are_an_object(given: object) -> None:
    assert [problem.message for problem in read(given)[1]] == ["attributes must be an object of values by name"]


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        *(("blue", TEXT), ("", TEXT), ("12", TEXT), ("true", TEXT), ("2024", TEXT), ("2024-13-01", TEXT)),
        *((12, NUMBER), (0.5, NUMBER), (True, BOOLEAN)),
        *(("2024-01-31", INSTANT), ("2024-01-31T10:00", INSTANT), ("2024-01-31T10:00:00+05:30", INSTANT)),
    ],
)
def test_the_first_value_fixes_the_kind(given: object, kind: AttributeKind) -> None:
    reader, problems = AttributeReader(NO_ATTRIBUTES, "customer", COLOMBO), list[FieldProblem]()

    reader.read({"fresh": given, "none": None}, FIELD, problems)

    assert problems == []
    assert reader.known == AttributeKinds({"fresh": kind})


def test_of_one_call_the_later_value_must_be_as_the_first() -> None:
    reader, problems = AttributeReader(NO_ATTRIBUTES, "customer", COLOMBO), list[FieldProblem]()

    reader.read({"fresh": 1}, FIELD, problems)
    reader.read({"fresh": False}, FIELD, problems)

    assert [problem.field for problem in problems] == [(*FIELD, "fresh")]


def test_a_name_of_purchases_is_another_one() -> None:
    assert add_kinds(KNOWN, "purchase", {"size": TEXT}).purchase == {"colour": NUMBER, "size": TEXT}
    with pytest.raises(InvalidInput, match="the attribute colour is of the kind number, not text"):
        add_kinds(KNOWN, "purchase", {"colour": TEXT})


def test_there_are_fifty_names_and_no_more() -> None:
    half = {f"a{number}": TEXT for number in range(MAXIMUM_ATTRIBUTES // 2)}
    full = add_kinds(add_kinds(NO_ATTRIBUTES, "customer", half), "purchase", half)

    assert add_kinds(full, "customer", half) == full
    with pytest.raises(InvalidInput, match="a business may name 50 attributes, and more would be one more") as told:
        add_kinds(full, "customer", {"a0": TEXT, "more": TEXT})
    assert (told.value.problems[0].field, told.value.problems[0].code) == (("attributes", "more"), "LIMIT_REACHED")


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "-2.50", " 3 ", ""], NUMBER),
        (["0", "0.5"], NUMBER),
        (["007", "12"], TEXT),
        (["1", "x"], TEXT),
        (["1", "2024-01-01"], TEXT),
        (["yes", "No", "TRUE", "false"], BOOLEAN),
        (["2024-01-01", "2024-01-31T10:00:00Z"], INSTANT),
        (["20240101"], NUMBER),
        (["01/02/2024"], TEXT),
        (["1e5"], TEXT),
        (["1234567890123456"], TEXT),
        (["", " "], TEXT),
        ([], TEXT),
    ],
)
def test_a_column_is_of_the_kind_of_all_its_values(cells: list[str], kind: AttributeKind) -> None:
    assert find_kind_of_cells(cells) is kind


def test_cells_are_read_as_values_are_with_words_for_true_and_false() -> None:
    assert [read_cell(text, BOOLEAN, COLOMBO) for text in ("Yes", "no", "True", "FALSE")] == [True, False, True, False]
    assert read_cell("12.50", NUMBER, COLOMBO) == Decimal("12.5")
    for text, kind in (("maybe", BOOLEAN), ("12,5", NUMBER), ("1 March", INSTANT)):
        with pytest.raises(ValueError):
            read_cell(text, kind, COLOMBO)


def test_as_json_a_number_is_exact_or_a_text() -> None:
    given: list[AttributeValue] = [Decimal("0.1"), Decimal(38), Decimal("123456789012345.123456"), True, "x"]

    assert [to_json_value(value) for value in given] == [0.1, 38, "123456789012345.123456", True, "x"]
    assert to_json_value(datetime(2024, 1, 1, tzinfo=UTC)) == "2024-01-01T00:00:00Z"


def test_kinds_survive_their_writing() -> None:
    assert AttributeKinds.of(KNOWN.as_json()) == KNOWN


@pytest.mark.parametrize(
    ("stated", "text"),
    [
        ({}, None),
        ({"a": None}, None),
        ({"b": 2, "a": "x"}, '{"a":"x","b":2}'),
        ({"n": 2.0}, '{"n":2}'),
        ({"n": Decimal("2.00")}, '{"n":2}'),
        ({"n": Decimal("-0")}, '{"n":0}'),
        ({"n": -0.0}, '{"n":0}'),
        ({"n": 100}, '{"n":100}'),
        ({"n": 1e-6}, '{"n":0.000001}'),
        ({"n": Decimal("1E+3")}, '{"n":1000}'),
        ({"b": True, "t": "true"}, '{"b":true,"t":"true"}'),
        ({"größe": '"M"'}, '{"größe":"\\"M\\""}'),
        ({"at": "2024-03-01"}, '{"at":"2024-02-29T18:30:00Z"}'),
        ({"n": "123456789012345.123456"}, '{"n":"123456789012345.123456"}'),
    ],
)
def test_equal_values_of_a_purchase_are_one_text(stated: dict[str, object], text: str | None) -> None:
    problems: list[FieldProblem] = []

    values = AttributeReader(NO_ATTRIBUTES, "purchase", COLOMBO).read(stated, FIELD, problems)

    assert problems == []
    assert write_attributes(values) == text
    again = AttributeReader(NO_ATTRIBUTES, "purchase", COLOMBO).read(read_attributes(text), FIELD, problems)
    assert write_attributes(again) == text


def test_of_a_purchase_a_number_that_no_double_holds_is_read_as_text() -> None:
    text = write_attributes({"n": Decimal("123456789012345.123456"), "m": Decimal("1.5")})

    assert text == '{"m":1.5,"n":123456789012345.123456}'
    assert read_attributes(text) == {"m": 1.5, "n": "123456789012345.123456"}
