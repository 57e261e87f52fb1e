"""A store that can only be read: a copy in a folder that cannot be written, by whoever may not. What reads is answered,
what writes is refused in one sentence, and the copy stays as it was."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.cli.conftest import WINDOW, Segments, write_lines
from tests.cli.test_store import without_privileges

REFUSED = "The store can only be read here, so nothing can be written to it."


@pytest.fixture
def filled(shop: Segments, tmp_path: Path) -> Segments:
    """The ten customers, and the segment `often` of those who bought three times."""
    rule = '{"name": "Often", "rules": {">=": [{"var": "order_count"}, 3]}}'
    shop.run("segment", "create", write_lines(tmp_path / "often.json", rule))
    shop.run("recalculate", "often")
    return shop


@pytest.fixture
def copied(filled: Segments) -> Iterator[Segments]:
    """The command with a copy of that store which can only be read, and nobody who runs it."""
    with TemporaryDirectory() as outside:
        Path(outside).chmod(0o755)
        folder = Path(outside) / "data"
        folder.mkdir()
        copy_store(filled.data, folder, "segments.sqlite")
        filled.patch.setenv("SEGMENTS_DATA", str(folder))
        filled.data = folder
        folder.chmod(0o555)
        yield filled
        folder.chmod(0o755)


def copy_store(source: Path, folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes((source / name).read_bytes())
        (folder / name).chmod(0o444)


READ = {
    f"report {' '.join(WINDOW)}": "Customers: 10   Revenue: EUR 2,600.00",
    "report --format json": '"success": true',
    "status": "often",
    "segment list": "often",
    "segment show often": "order_count",
    "export members often": "Ada",
    "customers --search ad": "Ada",
    "businesses list": "shop",
    "imports list": "ten.csv",
    "settings show": "rfm_days",
    "db check": "The store is sound.",
}
"""Commands, and what they show among other things."""


def test_what_reads_is_answered(copied: Segments) -> None:
    before = (copied.data / "segments.sqlite").read_bytes()

    with without_privileges():
        answers = {command: copied.run(*command.split()).out for command in READ}

    assert {command for command, shown in READ.items() if shown not in answers[command]} == set()
    assert (copied.data / "segments.sqlite").read_bytes() == before
    assert [path.name for path in copied.data.iterdir()] == ["segments.sqlite"]


def test_what_writes_is_refused(copied: Segments) -> None:
    refused = {}
    with without_privileges():
        for command in ("segment delete often", "recalculate often", "businesses set shop --name Corner", "demo"):
            refused[command] = copied.expect_refusal(*command.split())

    assert set(refused.values()) == {REFUSED}


def change(folder: Path, statement: str) -> None:
    """Change the copy by whoever may."""
    file = folder / "segments.sqlite"
    with closing(sqlite3.connect(file)) as store, store:
        store.execute(statement)


def test_purchases_that_wait_to_be_counted_do_not_keep_readers_out(copied: Segments) -> None:
    change(copied.data, "UPDATE business SET matures_at = 1")

    with without_privileges():
        assert "Ada" in copied.run("customers").out


def test_a_store_that_lacks_the_newest_tables_says_so(copied: Segments) -> None:
    change(copied.data, "UPDATE alembic_version SET version_num = '0001'")

    with without_privileges():
        assert copied.expect_refusal("customers").startswith("The store is at 0001, this program needs ")
        assert copied.expect_refusal("db", "upgrade") == REFUSED


def test_what_was_committed_last_is_never_left_out_in_silence(copied: Segments) -> None:
    log_file = copied.data / "segments.sqlite-wal"
    log_file.write_bytes(b"pages that are not in the file yet")

    with without_privileges():
        refused = copied.expect_refusal("customers")

    assert refused.startswith(f"{copied.data}/segments.sqlite can only be read here, and {log_file.name} beside")
