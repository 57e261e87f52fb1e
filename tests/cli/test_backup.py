"""Copies of the store from the command line, and restoring them."""

from pathlib import Path

from tests.cli.conftest import SOUND, WINDOW, Segments

REVENUE = "Customers: 10   Revenue: EUR 2,600.00"


def test_a_store_is_copied_and_restored(shop: Segments, tmp_path: Path) -> None:
    copied, file = tmp_path / "monday.sqlite", shop.data / "segments.sqlite"

    made = shop.run("backup", copied)
    refused = shop.expect_refusal("backup", copied)
    shop.run("backup", copied, "--force")
    shop.run("businesses", "create", "later", "--time-zone", "UTC", "--currency", "EUR")
    restored = shop.run("restore", copied)

    assert made.out.startswith(f"The store is copied to {copied} (")
    assert refused == f"{copied} is there already. Give another name, or --force to replace it."
    assert restored.out == f"The store is that of {copied} now. What it was is in {file}.before-restore.\n"
    assert "later" not in shop.run("businesses", "list").out
    assert shop.run("report", *WINDOW).lines[12] == REVENUE
    assert shop.run("db", "check").out == SOUND
    assert shop.run("restore", copied, "--no-keep").out == f"The store is that of {copied} now.\n"


def test_a_copy_is_restored_where_there_is_no_store(shop: Segments, tmp_path: Path) -> None:
    shop.run("backup", tmp_path / "monday.sqlite")
    shop.patch.setenv("SEGMENTS_DATA", str(tmp_path / "elsewhere" / "data"))

    shop.run("restore", tmp_path / "monday.sqlite")

    assert shop.run("report", *WINDOW).lines[12] == REVENUE


def test_there_is_nothing_to_copy_before_the_first_store(bare: Segments, tmp_path: Path) -> None:
    assert bare.expect_refusal("backup", tmp_path / "copy.sqlite") == "There is no store to copy yet."
    assert not (tmp_path / "copy.sqlite").exists()
