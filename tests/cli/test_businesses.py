"""Businesses on the command line: made, changed, listed, and found by the commands that need one."""

from pathlib import Path

import pytest

from tests.cli.conftest import Segments

UTC_EUR = ("--time-zone", "UTC", "--currency", "EUR")


def listed(segments: Segments) -> list[list[str]]:
    return [line.split() for line in segments.done("businesses", "list").lines[1:]]


@pytest.fixture
def two(segments: Segments) -> Segments:
    """The command with two businesses."""
    segments.done("businesses", "create", "beta", *UTC_EUR)
    segments.done("businesses", "create", "alpha", "--time-zone", "Asia/Colombo", "--currency", "LKR", "--name", "Alfa")
    return segments


def test_businesses_are_listed_by_key_with_zone_and_currency(two: Segments) -> None:
    assert listed(two) == [["alpha", "Alfa", "Asia/Colombo", "LKR"], ["beta", "beta", "UTC", "EUR"]]


def test_creating_says_what_was_made(segments: Segments) -> None:
    assert segments.done("businesses", "create", "shop", *UTC_EUR).out == "Created shop (EUR, UTC).\n"


def test_name_zone_and_currency_can_be_set_while_there_are_no_purchases(two: Segments) -> None:
    two.done("businesses", "set", "beta", "--name", "Bêta 東京", "--time-zone", "Asia/Tokyo", "--currency", "JPY")

    assert listed(two)[1] == ["beta", "Bêta", "東京", "Asia/Tokyo", "JPY"]


def test_another_zone_moves_the_days_of_the_purchases(segments: Segments, tmp_path: Path) -> None:
    file = tmp_path / "o.csv"
    file.write_text("customer_id,order_id,timestamp,amount\nC1,1,2024-03-30T22:00:00Z,5.00\n")
    segments.done("import", file, "--business", "shop", *UTC_EUR)
    before = segments.done("report", "--as-of", "2024-03-30", "--days", "1").lines[11]

    segments.done("businesses", "set", "shop", "--time-zone", "Asia/Colombo")

    assert before == "Customers: 1   Revenue: EUR 5.00"
    assert segments.done("report", "--as-of", "2024-03-30", "--days", "1").lines[11] == (
        "Customers: 0   Revenue: EUR 0.00"
    )
    assert segments.done("report", "--as-of", "2024-03-31", "--days", "1").lines[11] == before
    assert segments.done("db", "check").out == "The store is sound.\n"


def test_the_currency_is_fixed_once_there_are_purchases(shop: Segments) -> None:
    ended = shop("businesses", "set", "shop", "--currency", "JPY")

    assert (ended.code, ended.err) == (1, "Error: --currency cannot change once there are purchases.\n")
    assert listed(shop) == [["shop", "shop", "UTC", "EUR"]]


@pytest.mark.parametrize(
    ("arguments", "sentence", "code"),
    [
        (["create", "alpha", *UTC_EUR], "A business with the key alpha exists already.", 1),
        (
            ["create", "My Shop", *UTC_EUR],
            "key must be 1 to 64 lower-case letters, digits or hyphens, such as my-shop.",
            1,
        ),
        (
            ["create", "c", "--time-zone", "Mars", "--currency", "EUR"],
            "--time-zone must be an IANA name such as Asia/Colombo, not 'Mars'.",
            1,
        ),
        (
            ["create", "c", "--time-zone", "UTC", "--currency", "EURO"],
            "--currency must be an ISO 4217 code such as EUR, not 'EURO'.",
            1,
        ),
        (["create", "c", *UTC_EUR, "--name", " "], "--name must not be blank, and must be on one line.", 1),
        (["create", "c", "--currency", "EUR"], "Missing option '--time-zone'. --help shows how it is used.", 2),
        (["create"], "Missing argument 'key'. --help shows how it is used.", 2),
        (["set", "beta"], "Nothing to change: give --name, --time-zone or --currency.", 1),
        (["set", "gamma", "--name", "G"], "There is no business with the key gamma.", 1),
        (["set", "beta", "--name", "\udcff"], "A name or value on the command line is not UTF-8 text.", 1),
        (["set", "beta", "--name", "a\nb"], "--name must not be blank, and must be on one line.", 1),
        (["drop"], "No such command 'drop'. --help shows how it is used.", 2),
    ],
)
def test_a_wrong_business_is_one_sentence_and_changes_nothing(
    two: Segments, arguments: list[str], sentence: str, code: int
) -> None:
    ended = two("businesses", *arguments)

    assert (ended.code, ended.out, ended.err) == (code, "", f"Error: {sentence}\n")
    assert listed(two) == [["alpha", "Alfa", "Asia/Colombo", "LKR"], ["beta", "beta", "UTC", "EUR"]]


@pytest.mark.parametrize("command", ["report", "customers", "token", "import", "import-customers"])
def test_every_command_wants_to_know_which_of_several(two: Segments, ten: Path, command: str) -> None:
    two.patch.setenv("SEGMENTS_JWT_SECRET", "k8Zr2-p0Qm5xWv9Yt3Ls7Nd1Bf6Hg4Jc")
    file = [ten] if command.startswith("import") else []

    ended = two(command, *file)
    unknown = two(command, *file, "--business", "gamma")

    assert ended.err == "Error: Which business? Give --business KEY or SEGMENTS_BUSINESS. There are: alpha, beta.\n"
    assert unknown.err.startswith("Error: There is no business with the key gamma. There are: alpha, beta.")
    assert (ended.code, unknown.code) == (1, 1)


def test_the_one_named_comes_before_the_setting_and_the_setting_decides_among_several(two: Segments) -> None:
    two.patch.setenv("SEGMENTS_BUSINESS", "alpha")

    by_setting = two.done("report", "--as-of", "2024-03-31")
    by_name = two.done("report", "--as-of", "2024-03-31", "--business", "beta")

    assert by_setting.lines[0].startswith("Alfa: ")
    assert by_name.lines[0].startswith("beta: ")


def test_the_only_business_is_taken_whatever_the_setting_says(shop: Segments) -> None:
    shop.patch.setenv("SEGMENTS_BUSINESS", "elsewhere")

    assert shop.done("customers", "--first", "1").lines[1].split()[0] == "Ada"


def test_a_setting_that_names_no_business_lists_those_there_are(two: Segments) -> None:
    two.patch.setenv("SEGMENTS_BUSINESS", "gamma")

    assert two("report").err == "Error: There is no business with the key gamma. There are: alpha, beta.\n"


def test_without_any_business_the_import_says_how_to_make_one(segments: Segments, ten: Path) -> None:
    nameless = segments("import", ten)
    misnamed = segments("import", ten, "--business", "My Shop", *UTC_EUR)
    report = segments("report")

    assert nameless.err == (
        "Error: There is no business yet. Give --business KEY, --time-zone and --currency to make one.\n"
    )
    assert misnamed.err == (
        "Error: --business: the key must be 1 to 64 lower-case letters, digits or hyphens, such as my-shop.\n"
    )
    assert report.err == ("Error: Which business? Give --business KEY or SEGMENTS_BUSINESS. There are: none yet.\n")
