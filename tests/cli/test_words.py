"""What the command line says of what is wrong: options as they are typed, files as they are named, and rejected rows by
reason with what mends them."""

import json
import os
import re
from pathlib import Path

import pytest

from tests.cli.conftest import Segments, write_lines

FILES = (
    "import FILE",
    "inspect FILE",
    "import-customers FILE",
    "classify --csv-path FILE",
    "segment create FILE",
    "segment update vip FILE",
    "segment assign vip FILE",
    "segment remove vip FILE",
    "segment set vip FILE",
    "settings apply FILE",
    "formats save till FILE",
    "restore FILE",
    "schema --check FILE",
)
"""Every command that reads a file."""


@pytest.mark.parametrize("command", FILES)
def test_a_file_that_cannot_be_read_is_named_as_it_was(made: Segments, tmp_path: Path, command: str) -> None:
    write_lines(tmp_path / "closed.toml", "")
    # Whoever runs tests may read every file.
    made.patch.setattr(os, "access", lambda path, mode, **_: not str(path).endswith("closed.toml"))
    named = {"none.toml": "No such file: {}.", "": "{} is a folder, and a file is wanted."}

    for name, sentence in {**named, "closed.toml": "{} cannot be read: permission denied."}.items():
        file = str(tmp_path / name)
        assert made.expect_refusal(*command.replace("FILE", file).split()) == sentence.format(file)


WRONG = {
    "--decimal": "x",
    "--thousands": "x",
    "--currency-sign": "12",
    "--sheet": "x",
    "--encoding": "x",
    "--skip-lines": "99999",
    "--delimiter": "xx",
    "--quote": "xx",
    "--columns-by-position": "x",
    "--negative": "x",
    "--file-time-zone": "x",
    "--amount": "x",
    "--amount-formula": "x",
    "--absent-amount": "x",
    "--orders": "x",
    "--order-id-scope": "x",
    "--guests": "x",
    "--map": "x",
    "--status": "x",
    "--preset": "x",
    "--date-format": "%Q",
    "--source-format": "x",
    "--time-zone": "x",
    "--currency": "XXY",
    "--source": "x",
    "--rejects": ".",
}
"""Options of an import, each with a value that it cannot have."""
OTHERS = (
    "report --method x",
    "report --days 0",
    "report --as-of x",
    "report --segment-name x",
    "report --segment-code x",
    "report --scheme x",
    "report --format x",
    "report --layout x",
    "classify --source csv",
    "classify --as-of x",
    "classify --every x",
    "classify --output README.md",
    "segment create-standard --scheme x",
    "segment list --kind x",
    "customers --sort x",
    "export members vip --format x",
    "history compact --archive a.csv.gz --before x",
    "token revoke --before x",
    "businesses create b --currency EUR --time-zone x",
    "businesses create b --time-zone UTC --currency x",
    "businesses set shop --name ",
    "imports list --first 0",
    "status --format x",
    "serve --port 99999",
    "watch README.md --settle x",
)
"""Of other commands; the last option is the one that is wrong."""


@pytest.mark.parametrize("option", WRONG)
def test_an_option_of_an_import_is_named_as_it_is_typed(shop: Segments, ten: Path, option: str) -> None:
    check_names(shop.expect_refusal("import", ten, option, WRONG[option]), option)


@pytest.mark.parametrize("command", OTHERS)
def test_an_option_is_named_as_it_is_typed(shop: Segments, command: str) -> None:
    given = command.split(" ")

    check_names(shop.expect_refusal(*given), next(word for word in reversed(given) if word.startswith("--")))


def check_names(said: str, option: str) -> None:
    assert option in said
    plain = option.removeprefix("--")
    assert not re.search(rf"(?<![-\w]){plain.replace('-', '_')}(?= must| has| is\b)|[a-z]+[A-Z][a-z]+ must", said), said


def test_what_a_variable_says_is_named_by_the_variable(shop: Segments) -> None:
    shop.run("businesses", "create", "other", "--time-zone", "UTC", "--currency", "EUR")
    shop.patch.setenv("SEGMENTS_BUSINESS", "nope")

    said = shop.expect_refusal("customers")

    assert said == ("SEGMENTS_BUSINESS is nope, and there is no business with the key nope. There are: other, shop.")


REASONS = [
    {
        "reason": "the date '…' is not ISO 8601 (or give --date-format)",
        "count": 2,
        "first_line": 3,
        "remedy": "Write the date as 2024-03-01, or give its form by --date-format.",
    },
    {
        "reason": "the amount '…' must be a number such as 12.50",
        "count": 1,
        "first_line": 2,
        "remedy": "Write the amount as 12.50, or say its signs by --decimal, --thousands and --currency-sign.",
    },
]


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    """A file of which three rows cannot be imported, for two reasons."""
    rows = ("A,1,2024-03-01,abc", "B,2,soon,7.00", "C,3,2024-01-01,1.00", "D,4,later,1.00")
    return write_lines(tmp_path / "wrong.csv", "customer_id,order_id,date,amount", *rows)


def test_rejected_rows_are_told_by_reason(made: Segments, wrong: Path, labels: Path) -> None:
    imported = made.json("import", wrong)
    shown = made.json("imports", "show", str(imported["id"]))
    classified = made("classify", "--csv-path", wrong, "--output", labels, "--format", "json")
    again = made("classify", "--csv-path", wrong, "--output", labels, "--format", "json")
    tables = [made("import", wrong).out, made("imports", "show", str(imported["id"])).out]
    tables.append(made("classify", "--csv-path", wrong, "--output", labels).err)

    assert imported["reject_reasons"] == shown["reject_reasons"] == REASONS
    assert (classified.code, again.code) == (11, 11)
    assert [json.loads(one.out)["metadata"]["reject_reasons"] for one in (classified, again)] == [REASONS] * 2
    for table in tables:
        heading = "rejected because rows first line what helps"
        assert heading in [" ".join(line.split()) for line in table.splitlines()]
        assert all(str(part) in " ".join(table.split()) for part in ("--date-format", "--decimal", "--currency-sign"))


def test_rejected_customers_are_told_by_reason(made: Segments, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "customers.csv", "customer_id,name", "C1,Ann", ",Ben", ",Cy")

    told = made.json("import-customers", file)
    table = made.run("import-customers", file).lines

    reason = {"reason": "no customer", "count": 2, "first_line": 3, "remedy": "Give the row its customer."}
    assert told["reject_reasons"] == [reason]
    assert [line.split() for line in table[-1:]] == [
        ["no", "customer", "2", "3", "Give", "the", "row", "its", "customer."]
    ]
