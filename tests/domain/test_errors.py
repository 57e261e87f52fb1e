"""Sentences that name fields: each face fills the gaps with what it calls them, and values stay what they are."""

from domain.errors import InvalidInput, Sentence, name_fields


def option(field: str) -> str:
    return f"--{field.replace('_', '-')}"


def test_a_sentence_names_its_fields_as_the_face_does_that_shows_it() -> None:
    sentence = Sentence("{thousands} {} needs another sign: give {currency_sign} {!r}", ".", "€")

    assert sentence == "thousands . needs another sign: give currency_sign '€'"
    assert name_fields(sentence, option) == "--thousands . needs another sign: give --currency-sign '€'"


def test_what_a_user_wrote_is_no_gap() -> None:
    sentence = Sentence("{map} {}={}: the file has no column {}", "{map}", "amount", "{map}")

    assert name_fields(sentence, option) == "--map {map}=amount: the file has no column {map}"
    assert name_fields("There is no {map}", option) == "There is no {map}"


def test_a_pointer_names_its_fields_as_a_sentence_does_and_a_place_in_a_rule_stays() -> None:
    assert name_fields(Sentence("/criteria/{min_orders}"), str.upper) == "/criteria/MIN_ORDERS"
    assert name_fields("/criteria/min_orders", str.upper) == "/criteria/min_orders"


def test_a_failure_without_a_face_has_the_plain_names() -> None:
    error = InvalidInput(Sentence("{date_format} must name year, month and day"), ("date_format",))

    assert str(error) == error.message == "date_format must name year, month and day"
    assert [name_fields(problem.message, option) for problem in error.problems] == [
        "--date-format must name year, month and day"
    ]
