"""What holds for the command as a whole: schema, demo and verify, how much it says, and how it fails."""

import json
import os
import platform
import pty
import re
import signal
import sqlite3
import subprocess
import tomllib
from functools import partial
from pathlib import Path

import pytest

from gql.cli.actions import verification
from gql.cli.main import describe_failure
from persistence.database import engines as database
from tests.cli.conftest import SOUND, WINDOW, Segments, write_lines
from tests.conftest import sample_cases
from tests.drivers.documents import ROOT


def test_the_schema_is_printed_as_it_is_committed(segments: Segments) -> None:
    printed = segments.run("schema")

    assert printed.out == (ROOT / "schema.graphql").read_text()
    assert printed.err == ""


def test_a_schema_file_is_compared(segments: Segments, tmp_path: Path) -> None:
    stale = write_lines(tmp_path / "schema.graphql", "type Query { a: Int }")

    wrong = segments.expect_refusal("schema", "--check", stale)
    segments.run("schema", "--check", ROOT / "schema.graphql")

    assert wrong == f"{stale} is not the schema of this program. Run: segments schema > {stale}."


@pytest.mark.slow
def test_the_demo_shop_is_made_once(segments: Segments) -> None:
    first = segments.run("demo")
    again = segments.run("demo")

    made = re.fullmatch(
        r"([\d,]+) customers and ([\d,]+) purchases in business demo, and 11 segments with 84 days of history\.\n",
        first.out,
    )
    assert made is not None
    assert first.err.splitlines()[:2] == [f"Filling the demo shop, weeks: {week} of 13" for week in (0, 1)]
    assert int(made[1].replace(",", "")) >= 2_000
    assert int(made[2].replace(",", "")) >= 12_000
    assert again.out == "The demo shop is there already, in business demo.\n"
    assert segments.run("db", "check").out == SOUND
    for options in ("", "--scheme eleven", "--method value", "--method behavior --days 365"):
        groups = segments.json("report", *options.split())["data"]["segments"]
        assert min(group["customer_count"] for group in groups) > 0


def test_verify_needs_no_store_and_says_one_line_a_check(bare: Segments) -> None:
    checked = bare.run("verify")

    assert len(checked.lines) == 13
    assert all(line.startswith("ok  ") for line in checked.lines)
    for subject in ("eight groups", "125 cells", "scoring", "response", "formats", "cache key", "parameters"):
        assert subject in checked.out
    assert not bare.data.exists()


def test_verify_ends_at_the_first_check_that_fails(segments: Segments) -> None:
    segments.patch.setattr(verification, "verify_all", lambda: iter([("one", True), ("two", False), ("three", True)]))

    ended = segments("verify")

    assert (ended.code, ended.lines) == (1, ["ok  one", "FAILED  two"])


@pytest.mark.parametrize("way", ["-v", "--verbose", "SEGMENTS_LOG_LEVEL"])
def test_statements_are_told_with_durations_and_never_with_their_parameters(
    shop: Segments, tmp_path: Path, way: str
) -> None:
    row = "Canary-Id,Canary-Order,2024-03-01,7.31,Canary-Tea"
    file = write_lines(tmp_path / "private.csv", "customer_id,order_id,date,amount,category", row)
    flags = [way] if way.startswith("-") else []
    if not flags:
        shop.patch.setenv(way, "debug")

    imported = shop.run(*flags, "import", file)
    found = shop.run(*flags, "customers", "--search", "canary")

    assert re.search(r"level=DEBUG segments\.sql ms=\d+\.\d INSERT INTO purchase", imported.err)
    assert re.search(r"level=DEBUG segments\.sql ms=\d+\.\d SELECT customer\.id", found.err)
    assert "canary" not in (imported.err + found.err).lower()
    assert found.lines[1].split()[0] == "Canary-Id"


def test_nothing_but_the_result_is_said_without_asking_for_more(shop: Segments) -> None:
    assert shop.run("customers").err == ""


def test_the_version_is_that_of_the_package_and_says_what_it_runs_on(bare: Segments) -> None:
    said = bare.run("--version").out

    released = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert said == f"segments {released} (Python {platform.python_version()}, SQLite {sqlite3.sqlite_version})\n"
    assert not bare.data.exists()


def test_the_flag_for_more_stands_before_the_command(segments: Segments) -> None:
    ended = segments("report", "-v")

    assert (ended.code, ended.err) == (2, "Error: -v stands before the command: segments -v report.\n")


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("SEGMENTS_LOG_LEVEL", "loud", "SEGMENTS_LOG_LEVEL must be one of: DEBUG, INFO, WARNING, ERROR."),
        ("PORT", "http", "PORT must be a whole number between 0 and 65535."),
        (
            "SEGMENTS_CORS_ORIGINS",
            "*",
            "SEGMENTS_CORS_ORIGINS must be origins such as https://shop.example, separated by commas.",
        ),
    ],
)
def test_a_wrong_setting_is_named(segments: Segments, variable: str, value: str, sentence: str) -> None:
    segments.patch.setenv(variable, value)

    assert segments.expect_refusal("customers") == sentence


def test_a_command_that_is_not_there_is_wrong_use(segments: Segments) -> None:
    assert segments.expect_refusal("frobnicate") == "No such command 'frobnicate'. --help shows how it is used."


def test_a_fault_of_the_program_is_a_sentence_too_and_shows_nothing_of_its_cause() -> None:
    sentence = "The program failed (ZeroDivisionError). Run it again with -v before the command for more."
    assert describe_failure(ZeroDivisionError("secret")) == ([sentence], 70)


def test_as_a_process_the_result_is_on_standard_output_and_the_fault_on_standard_error(shop: Segments) -> None:
    good = shop.process("report", *WINDOW, "--format", "json")
    bad = shop.process("report", "--days", "0")

    assert (good.code, good.err) == (0, "")
    assert json.loads(good.out)["data"]["customer_count"] == 10
    assert (bad.code, bad.out, bad.err) == (1, "", "Error: --days must be between 1 and 9999.\n")


def test_a_store_that_another_process_holds_is_told_and_reading_goes_on(shop: Segments) -> None:
    other = sqlite3.connect(shop.data / "segments.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    shop.patch.setattr(database, "BUSY_SECONDS", 1)

    refused = shop.expect_refusal("businesses", "set", "shop", "--name", "Other")
    read = shop.run("customers", "--first", "1")
    other.execute("ROLLBACK")
    other.close()

    assert refused == "The store is locked by another process. Try again in a moment: database is locked."
    assert read.lines[1].split()[0] == "Ada"


def test_an_import_in_a_terminal_shows_rows_and_rate(shop: Segments, ten: Path) -> None:
    shown, terminal = pty.openpty()

    given = shop.apart("import", ten, env=shop.environment(TERM="xterm"), stderr=terminal)
    with subprocess.Popen(**given) as process:
        os.close(terminal)
        bar = b"".join(iter(partial(read_terminal, shown), b"")).decode()
        out = process.communicate(timeout=60)[0]
    os.close(shown)

    assert re.search(r"34 rows.*\d rows/s", bar)
    assert out == "ten.csv: 34 rows read: 0 created, 0 updated, 34 unchanged, 0 rejected.\n"


def read_terminal(terminal: int) -> bytes:
    """What is shown next; nothing once the program has ended."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


def test_a_reader_that_leaves_early_is_no_fault(segments: Segments) -> None:
    read, write = os.pipe()
    os.close(read)

    with os.fdopen(write, "w") as closed:
        done = subprocess.run(**segments.apart("schema", stdout=closed), timeout=60, check=False)

    assert (done.returncode, done.stderr) == (1, "")


WRITERS = (["schema"], ["report", "--as-of", "2024-03-31"], ["verify"])


@pytest.mark.parametrize("arguments", sample_cases(WRITERS, WRITERS[1]))
def test_a_disk_that_is_full_is_a_sentence(shop: Segments, arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(**shop.apart(*arguments, stdout=full), timeout=60, check=False)

    assert (done.returncode, done.stderr) == (1, "Error: The system: No space left on device.\n")


def test_an_interruption_is_a_sentence_and_the_import_can_be_run_again(made: Segments, tmp_path: Path) -> None:
    rows = (f"C{row % 999},O{row},2024-03-01,1.00" for row in range(100_000))
    file = write_lines(tmp_path / "many.csv", "customer_id,order_id,date,amount", *rows)

    given = made.apart("import", file, env=made.environment(SEGMENTS_LOG_LEVEL="debug"))
    # A test run in the background of a shell ignores interruptions, and so would the program.
    with subprocess.Popen(**given, preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL)) as process:
        # The first statement on the file's own rows: the import is under way.
        seen = next(line for line in process.stderr if "INSERT" in line)
        process.send_signal(signal.SIGINT)
        err = process.stderr.read()
        out = process.communicate(timeout=60)[0]

    assert "level=DEBUG segments.sql" in seen
    assert (process.returncode, out) == (130, ""), err
    assert err.splitlines()[-1] == ("Error: Interrupted. What was written stays whole; run the command again to go on.")
    assert made.run("import", file).lines[0].startswith("many.csv: 100,000 rows read: ")
    assert made.run("db", "check").out == SOUND
