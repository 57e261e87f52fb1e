"""Businesses on the command line: made, changed, listed, and found by the commands that need one."""

import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import MAKE, SOUND, UTC_EUR, Segments, write_lines
from tests.drivers.face import SECRET

IN_EUROS = shlex.join(UTC_EUR)
TWO = [["alpha", "Alfa", "Asia/Colombo", "LKR"], ["beta", "beta", "UTC", "EUR"]]


def listed(segments: Segments) -> list[list[str]]:
    return [line.split() for line in segments.run("businesses", "list").lines[1:]]


@pytest.fixture
def two(segments: Segments) -> Segments:
    """The command with two businesses."""
    segments.run("businesses", "create", "beta", *UTC_EUR)
    segments.run("businesses", "create", "alpha", "--time-zone", "Asia/Colombo", "--currency", "LKR", "--name", "Alfa")
    return segments


def test_businesses_are_listed_by_key_with_zone_and_currency(two: Segments) -> None:
    assert listed(two) == TWO


def test_creating_says_what_was_made(segments: Segments) -> None:
    assert segments.run("businesses", "create", "shop", *UTC_EUR).out == "Created shop (EUR, UTC).\n"


def test_name_zone_and_currency_can_be_set_while_there_are_no_purchases(two: Segments) -> None:
    two.run("businesses", "set", "beta", "--name", "Bêta 東京", "--time-zone", "Asia/Tokyo", "--currency", "JPY")

    assert listed(two)[1] == ["beta", "Bêta", "東京", "Asia/Tokyo", "JPY"]


def test_another_zone_moves_the_days_of_the_purchases(segments: Segments, tmp_path: Path) -> None:
    def told(day: str) -> str:
        return segments.run("report", "--as-of", day, "--days", "1").lines[12]

    file = write_lines(tmp_path / "o.csv", "customer_id,order_id,timestamp,amount", "C1,1,2024-03-30T22:00:00Z,5.00")
    segments.run("import", file, *MAKE)
    before = told("2024-03-30")

    segments.run("businesses", "set", "shop", "--time-zone", "Asia/Colombo")

    assert before == told("2024-03-31") == "Customers: 1   Revenue: EUR 5.00"
    assert told("2024-03-30") == "Customers: 0   Revenue: EUR 0.00"
    assert segments.run("db", "check").out == SOUND


def test_the_currency_is_fixed_once_there_are_purchases(shop: Segments) -> None:
    refused = shop.expect_refusal("businesses", "set", "shop", "--currency", "JPY")

    assert refused == "--currency cannot change once there are purchases."
    assert listed(shop) == [["shop", "shop", "UTC", "EUR"]]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (f"create alpha {IN_EUROS}", "A business with the key alpha exists already."),
        (f"create 'My Shop' {IN_EUROS}", "key must be 1 to 64 lower-case letters, digits or hyphens, such as my-shop."),
        (
            "create c --time-zone=Mars --currency=EUR",
            "--time-zone must be an IANA name such as Asia/Colombo, not 'Mars'.",
        ),
        ("create c --time-zone=UTC --currency=EURO", "--currency must be an ISO 4217 code such as EUR, not 'EURO'."),
        (f"create c {IN_EUROS} --name ' '", "--name must not be blank, and must be on one line."),
        ("create c --currency EUR", "Missing option '--time-zone'. --help shows how it is used."),
        ("create", "Missing argument 'key'. --help shows how it is used."),
        ("set beta", "Nothing to change: give --name, --time-zone or --currency."),
        ("set gamma --name G", "There is no business with the key gamma."),
        ("set beta --name \udcff", "--name must hold whole characters, not half of a surrogate pair."),
        ("set beta --name 'a\nb'", "--name must not be blank, and must be on one line."),
        ("drop", "No such command 'drop'. --help shows how it is used."),
    ],
)
def test_a_wrong_business_is_one_sentence_and_changes_nothing(two: Segments, arguments: str, sentence: str) -> None:
    assert two.expect_refusal("businesses", *shlex.split(arguments)) == sentence
    assert listed(two) == TWO


@pytest.mark.parametrize("command", ["report", "customers", "token", "import", "import-customers"])
def test_every_command_wants_to_know_which_of_several(two: Segments, ten: Path, command: str) -> None:
    two.patch.setenv("SEGMENTS_JWT_SECRET", SECRET)
    file = [ten] if command.startswith("import") else []

    nameless = two.expect_refusal(command, *file)
    unknown = two.expect_refusal(command, *file, "--business", "gamma")

    assert nameless == "Which business? Give --business KEY or SEGMENTS_BUSINESS. There are: alpha, beta."
    assert unknown.startswith("There is no business with the key gamma. There are: alpha, beta.")


def test_the_one_named_comes_before_the_setting_and_the_setting_decides_among_several(two: Segments) -> None:
    two.patch.setenv("SEGMENTS_BUSINESS", "alpha")

    by_setting = two.run("report", "--as-of", "2024-03-31")
    by_name = two.run("report", "--as-of", "2024-03-31", "--business", "beta")

    assert by_setting.lines[0].startswith("Alfa: ")
    assert by_name.lines[0].startswith("beta: ")


def test_the_only_business_is_taken_whatever_the_setting_says(shop: Segments) -> None:
    shop.patch.setenv("SEGMENTS_BUSINESS", "elsewhere")

    assert shop.run("customers", "--first", "1").lines[1].split()[0] == "Ada"


def test_a_setting_that_names_no_business_lists_those_there_are(two: Segments) -> None:
    two.patch.setenv("SEGMENTS_BUSINESS", "gamma")

    assert (
        two.expect_refusal("report")
        == "SEGMENTS_BUSINESS is gamma, and there is no business with the key gamma. There are: alpha, beta."
    )


def test_without_any_business_the_import_says_how_to_make_one(segments: Segments, ten: Path) -> None:
    nameless = segments.expect_refusal("import", ten)
    misnamed = segments.expect_refusal("import", ten, "--business", "My Shop", *UTC_EUR)
    report = segments.expect_refusal("report")

    assert nameless == "There is no business yet. Give --business KEY, --time-zone and --currency to make one."
    assert misnamed == "--business: the key must be 1 to 64 lower-case letters, digits or hyphens, such as my-shop."
    assert report == "Which business? Give --business KEY or SEGMENTS_BUSINESS. There are: none yet."
