"""The store from the command line: brought to the newest tables, checked against the purchases, and refused in one
sentence where it is not ours, not there or ahead of this program."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from persistence.database.steps import find_head
from tests.cli.conftest import MAKE, SOUND, WINDOW, Segments
from tests.drivers.damage import flip, smash

NO_TABLES = f"The store has no tables yet, this program needs {find_head()}. Run: segments db upgrade."
commands = pytest.mark.parametrize(
    "command", ["report", "customers", "businesses list", "db upgrade", "db check", "demo", "serve --demo --port 0"]
)

some_commands = pytest.mark.parametrize("command", ["report", "db check", "serve --demo --port 0"])


@pytest.fixture
def segments(bare: Segments) -> Segments:
    """Without a store."""
    return bare


def execute(data: Path, statement: str) -> None:
    with closing(sqlite3.connect(data / "segments.sqlite")) as store, store:
        store.execute(statement)


def test_an_upgrade_makes_the_tables_and_a_second_one_changes_nothing(segments: Segments) -> None:
    missing = segments.expect_refusal("db", "check")
    first = segments.run("db", "upgrade")
    again = segments.run("db", "upgrade")

    assert missing == NO_TABLES
    assert first.out == again.out == "The store is up to date.\n"
    assert segments.run("db", "check").out == SOUND


def test_the_check_finds_totals_that_differ_from_the_purchases(shop: Segments) -> None:
    execute(shop.data, "UPDATE customer_metrics SET revenue = revenue + 1 WHERE order_count IN (1, 9)")

    ended = shop("db", "check")

    assert ended.code == 1
    assert ended.err == "Error: The store is not sound: 1 fault, listed above.\n"
    assert ended.out == (
        "customer_metrics: 4 rows break the rule that its totals are those of the counted purchases: "
        "business shop, customer_id 1, found 9 orders of 90001, expected 9 orders of 90000; "
        "business shop, customer_id 8, found 1 orders of 5001, expected 1 orders of 5000; "
        "business shop, customer_id 9, found 1 orders of 5001, expected 1 orders of 5000\n"
    )


def test_the_check_finds_tables_that_are_not_ours(shop: Segments) -> None:
    execute(shop.data, "ALTER TABLE customer ADD COLUMN shoe_size INTEGER")

    ended = shop("db", "check")

    assert ended.code == 1
    assert "shoe_size" in ended.out


def test_the_check_finds_a_byte_that_was_flipped_in_an_order_id(shop: Segments) -> None:
    file = shop.data / "segments.sqlite"
    assert flip(file, b"Ada-3") > 0

    ended = shop("db", "check")

    assert ended.code == 1
    assert "missing from index" in ended.out
    assert ended.err.startswith("Error: The store is not sound: ")


def test_the_check_finds_a_page_that_was_smashed(shop: Segments) -> None:
    smash(shop.data / "segments.sqlite", "purchase")

    ended = shop("db", "check")

    assert ended.code == 1
    assert ended.err.startswith("Error: The store is not sound: ")


def test_a_command_that_meets_damage_says_what_to_do(shop: Segments) -> None:
    smash(shop.data / "segments.sqlite", "business")

    refused = shop.expect_refusal("customers")

    assert refused == "The store is damaged. Run: segments db check. Then restore a backup: segments restore FILE."


@commands
def test_a_store_of_a_newer_program_is_left_alone(shop: Segments, command: str) -> None:
    execute(shop.data, "UPDATE alembic_version SET version_num = '9999'")

    refused = shop.expect_refusal(*command.split())

    assert refused == f"The store is at 9999, made by a newer version of this program; this one knows {find_head()}."


REINSTATE = "Put a backup in its place with segments restore FILE, or remove it to begin with an empty store."


@some_commands
@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"", "is empty, and an empty file is no store"),
        (b"Nothing that a database would write. " * 900, "is no store: its beginning is not that of an SQLite file"),
    ],
)
def test_a_file_that_is_no_store_is_refused_and_left_as_it_was(
    segments: Segments, command: str, content: bytes, wrong: str
) -> None:
    segments.data.mkdir()
    file = segments.data / "segments.sqlite"
    file.write_bytes(content)

    assert segments.expect_refusal(*command.split()) == f"{file} {wrong}. {REINSTATE}"
    assert file.read_bytes() == content


@some_commands
def test_a_store_of_another_application_is_refused_and_left_as_it_was(segments: Segments, command: str) -> None:
    segments.data.mkdir()
    file = segments.data / "segments.sqlite"
    execute(segments.data, "CREATE TABLE alembic_version (version_num TEXT)")
    execute(segments.data, "CREATE TABLE recipe (name TEXT)")

    refused = segments.expect_refusal(*command.split())

    assert refused == f"{file} is no store: it holds the tables of another application."
    with closing(sqlite3.connect(file)) as store:
        assert store.execute("SELECT name FROM sqlite_master ORDER BY name").fetchall() == [
            ("alembic_version",),
            ("recipe",),
        ]


def test_a_file_without_any_table_was_never_filled_and_becomes_a_store(segments: Segments) -> None:
    segments.data.mkdir()
    with closing(sqlite3.connect(segments.data / "segments.sqlite")) as store:
        store.execute("PRAGMA journal_mode = WAL")

    segments.run("businesses", "list")

    assert segments.run("db", "check").out == SOUND


@commands
def test_a_data_folder_that_cannot_be_made_is_named(segments: Segments, tmp_path: Path, command: str) -> None:
    (tmp_path / "file").write_text("")
    segments.patch.setenv("SEGMENTS_DATA", str(tmp_path / "file" / "data"))

    refused = segments.expect_refusal(*command.split())

    assert refused == f"The folder of the store cannot be used: {tmp_path}/file/data: Not a directory."


@contextmanager
def without_privileges() -> Iterator[None]:
    """Root may write everywhere, so it is nobody meanwhile."""
    privileged = os.geteuid() == 0
    if privileged:
        os.seteuid(65534)
    try:
        yield
    finally:
        if privileged:
            os.seteuid(0)


@commands
def test_a_data_folder_that_cannot_be_written_is_named(segments: Segments, command: str) -> None:
    with TemporaryDirectory() as outside:
        Path(outside).chmod(0o755)
        locked = Path(outside) / "locked"
        locked.mkdir(mode=0o555)
        segments.patch.setenv("SEGMENTS_DATA", str(locked))

        with without_privileges():
            refused = segments.expect_refusal(*command.split())

    place = f"{locked}/secret" if command.startswith("serve") else locked
    assert refused == f"The folder of the store cannot be used: {place}: Permission denied."


def test_a_store_of_ones_own_that_cannot_be_made_is_named(segments: Segments) -> None:
    with TemporaryDirectory() as outside:
        Path(outside).chmod(0o555)
        segments.patch.setenv("SEGMENTS_DATABASE_URL", f"sqlite:///{outside}/own.sqlite")

        with without_privileges():
            refused = segments.expect_refusal("businesses", "list")

    assert refused.startswith(f"The folder of the store cannot be used: {outside}/own.sqlite.")
    assert refused.endswith(": Permission denied.")


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("shop", "SEGMENTS_DATABASE_URL must be like postgresql://user:password@host/name."),
        ("mysql://ann:hunter2@db/shop", "SEGMENTS_DATABASE_URL must begin with postgresql:// or sqlite:///."),
        ("sqlite:///:memory:", "SEGMENTS_DATABASE_URL must name a file: an SQLite store in memory cannot be shared."),
        (
            "postgresql://ann:hunter2@127.0.0.1:1/shop",
            'The store cannot be used: connection failed: connection to server at "127.0.0.1", port 1 failed: '
            "Connection refused.",
        ),
    ],
)
def test_an_address_that_leads_to_no_store_is_a_sentence_without_the_address(
    segments: Segments, address: str, sentence: str
) -> None:
    segments.patch.setenv("SEGMENTS_DATABASE_URL", address)

    assert segments.expect_refusal("businesses", "list") == sentence


def test_a_store_on_postgresql_is_upgraded_by_its_operator(segments: Segments, ten: Path, empty: str) -> None:
    segments.patch.setenv("SEGMENTS_DATABASE_URL", empty)

    before = segments.expect_refusal("businesses", "list")
    segments.run("db", "upgrade")
    segments.run("import", ten, *MAKE)

    assert before == NO_TABLES
    assert segments.run("db", "check").out.endswith(SOUND)
    assert segments.run("report", *WINDOW).lines[12] == "Customers: 10   Revenue: EUR 2,600.00"
    assert not segments.data.exists()
