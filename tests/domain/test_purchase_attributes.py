"""The attributes of a purchase: what may be one, and that equal values are one text."""

from decimal import Decimal

import pytest

from domain.purchase_attributes import find_attribute_problems, read_attributes, write_attributes

WHERE = ("input", "0", "attributes")


@pytest.mark.parametrize(
    ("attributes", "text"),
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
    ],
)
def test_equal_values_are_one_text(attributes: dict[str, object], text: str | None) -> None:
    assert find_attribute_problems(WHERE, attributes) == []
    assert write_attributes(attributes) == text  # type: ignore[arg-type]
    assert write_attributes(read_attributes(text)) == text


def test_a_number_that_no_double_holds_is_read_as_text() -> None:
    text = write_attributes({"n": Decimal("123456789012345.123456")})

    assert read_attributes(text) == {"n": "123456789012345.123456"}


@pytest.mark.parametrize(
    ("attributes", "sentence"),
    [
        ("red", 'attributes must be an object such as {"color": "red"}'),
        ([], 'attributes must be an object such as {"color": "red"}'),
        ({"": 1}, "attributes: the name '' must be 1 to 64 letters, digits, _ and -"),
        ({"a.b": 1}, "attributes: the name 'a.b' must be 1 to 64 letters, digits, _ and -"),
        ({"a": ["x"]}, "attributes: the value of a must be a text, a number, true or false"),
        ({"a": "x" * 1001}, "attributes: the value of a must be at most 1000 characters"),
        ({"a": "x\0"}, "attributes: the value of a must be text without NUL and half characters"),
        ({"a": float("nan")}, "attributes: the value of a must be a finite number"),
        ({"a": 10**15}, "attributes: the value of a must have at most 15 digits before the point"),
        ({"a": 0.0000001}, "attributes: the value of a must have at most 6 decimals"),
        ({str(n): n for n in range(51)}, "attributes must hold at most 50 names"),
    ],
)
def test_what_cannot_be_kept_is_named(attributes: object, sentence: str) -> None:
    (problem,) = find_attribute_problems(WHERE, attributes)

    assert problem.field == WHERE
    assert problem.message == sentence
