"""Copies of a store, and restoring them: consistent while others write, checked, and put in place in one step."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from shutil import copy

import pytest
from alembic import command
from sqlalchemy import text

from domain.errors import Conflict, InvalidInput, Unavailable
from domain.model import Business
from gql.composition import Services
from persistence.database.condition import DAMAGED
from persistence.database.engines import Database, open_database
from persistence.migrations.migrate import build_configuration
from persistence.soundness.backup import OPEN, back_up, restore
from persistence.soundness.checks import find_broken_rules, find_faults
from tests.conftest import content
from tests.drivers.damage import smash
from tests.drivers.stores import PostgresqlServer
from tests.persistence.soundness.conftest import ACTOR
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
only_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
HOLDER = """import sqlite3, sys
store = sqlite3.connect(sys.argv[1])
store.execute("SELECT 1 FROM business").fetchone()
print("open", flush=True)
sys.stdin.read()
"""


def ignore(what: str, done: int, total: int) -> None:
    """Nobody looks at the progress."""


def path_of(database: Database) -> Path:
    return Path(str(database.bulk.url.database))


def content_of(path: Path) -> dict[str, list[str]]:
    """Every row of a file that is a sound store."""
    opened = open_database(f"sqlite:///{copy(path, path.with_name('looked at.sqlite'))}")
    try:
        assert list(find_broken_rules(opened)) == []
        return content(opened)
    finally:
        opened.bulk.dispose()


def part_epoch(rows: dict[str, list[str]]) -> str:
    """Take away of which epoch the store is; what that is."""
    (identity,) = rows.pop("store_identity")
    return identity.split("'")[3]


@pytest.fixture
async def store(database: Database, services: Services, shop: Business) -> Database:
    """A store with one business and its purchases."""
    await services.purchases.record(shop, [purchase("Ada", f"A{n}", "2024-01-02", n) for n in range(1, 200)], ACTOR)
    return database


@only_sqlite
async def test_a_copy_is_one_state_of_the_store_however_much_is_written_meanwhile(
    store: Database, services: Services, shop: Business, tmp_path: Path
) -> None:
    steps: list[tuple[str, int, int]] = []
    copies = [tmp_path / f"copy{number}.sqlite" for number in range(3)]
    wrote, enough = asyncio.Event(), asyncio.Event()

    async def write() -> int:
        number = 0
        while not enough.is_set():
            await services.purchases.record(shop, [purchase(f"C{number % 7}", f"W{number}", "2024-01-02", 1)], ACTOR)
            number += 1
            wrote.set()
        return number

    writing = asyncio.create_task(write())
    for target in copies:
        wrote.clear()
        await wrote.wait()
        await asyncio.to_thread(back_up, store, target, lambda *step: steps.append(step), force=False)
    enough.set()
    written = await writing

    sizes = [len(content_of(target)["purchase"]) for target in copies]
    assert 199 < sizes[0] < sizes[1] < sizes[2] <= 199 + written
    assert {what for what, _, _ in steps} == {"copying", "checking"}
    assert oct(copies[0].stat().st_mode)[-3:] == "600"
    assert {path.name for path in tmp_path.glob("copy*")} == {target.name for target in copies}


@only_sqlite
async def test_a_copy_never_replaces_a_file_unasked_nor_the_store(store: Database, tmp_path: Path) -> None:
    target = tmp_path / "copy.sqlite"
    target.write_text("something else")

    with pytest.raises(InvalidInput, match=r"is there already\. Give another name, or --force to replace it"):
        back_up(store, target, ignore, force=False)
    untouched = target.read_text()
    back_up(store, target, ignore, force=True)
    with pytest.raises(InvalidInput, match="is the store itself"):
        back_up(store, path_of(store), ignore, force=True)
    with pytest.raises(InvalidInput, match="is a folder"):
        back_up(store, tmp_path, ignore, force=True)
    with pytest.raises(InvalidInput, match="cannot be written: No such file or directory"):
        back_up(store, tmp_path / "nowhere" / "copy.sqlite", ignore, force=False)

    assert untouched == "something else"
    assert content_of(target) == content(store)


@only_sqlite
async def test_a_store_that_is_damaged_is_not_copied(store: Database, tmp_path: Path) -> None:
    await store.close()
    smash(path_of(store), "purchase")

    with pytest.raises(Unavailable) as refused:
        back_up(store, tmp_path / "copy.sqlite", ignore, force=False)

    assert refused.value.message == DAMAGED
    assert list(tmp_path.glob("copy*")) == []


@only_sqlite
@pytest.mark.parametrize("fate", ["sound", "smashed", "empty", "gone"])
async def test_a_copy_takes_the_place_of_the_store_whatever_that_is(
    store: Database, services: Services, shop: Business, tmp_path: Path, fate: str
) -> None:
    before, path = content(store), path_of(store)
    back_up(store, tmp_path / "copy.sqlite", ignore, force=False)
    await services.purchases.record(shop, [purchase("Zoe", "late", "2024-01-02", 5)], ACTOR)
    after = content(store)
    await store.close()
    if fate == "smashed":
        smash(path, "purchase")
    elif fate == "empty":
        os.truncate(path, 0)
    elif fate == "gone":
        path.unlink()

    kept = restore(f"sqlite:///{path}", tmp_path / "copy.sqlite", ignore, keep=True)

    restored = content_of(path)
    # No columnar copy is one of it.
    assert part_epoch(restored) != part_epoch(before)
    assert restored == before
    assert not path.with_name("store.sqlite-wal").exists()
    if fate == "gone":
        assert kept is None
        return
    assert kept == path.with_name("store.sqlite.before-restore")
    if fate == "sound":
        assert content_of(kept) == after
        with pytest.raises(InvalidInput, match="is there from an earlier restore"):
            restore(f"sqlite:///{path}", tmp_path / "copy.sqlite", ignore, keep=True)
        assert restore(f"sqlite:///{path}", tmp_path / "copy.sqlite", ignore, keep=False) is None
    assert [item.name for item in tmp_path.iterdir() if "unfinished" in item.name] == []


@only_sqlite
async def test_what_lies_beside_a_store_is_kept_with_it_and_not_read_into_the_copy(
    store: Database, services: Services, shop: Business, tmp_path: Path
) -> None:
    before, path = content(store), path_of(store)
    back_up(store, tmp_path / "copy.sqlite", ignore, force=False)
    await services.purchases.record(shop, [purchase("Zoe", "late", "2024-01-02", 5)], ACTOR)
    after, died = content(store), tmp_path / "died"
    died.mkdir()
    for name in ("store.sqlite", "store.sqlite-wal"):
        copy(path.with_name(name), died / name)
    assert (died / "store.sqlite-wal").stat().st_size > 0

    kept = restore(f"sqlite:///{died}/store.sqlite", tmp_path / "copy.sqlite", ignore, keep=True)

    assert kept is not None
    restored = content_of(died / "store.sqlite")
    assert part_epoch(restored) != part_epoch(before)
    assert restored == before
    assert content_of(kept) == after


@only_sqlite
async def test_a_store_that_somebody_has_open_is_not_replaced(store: Database, tmp_path: Path) -> None:
    path = path_of(store)
    back_up(store, tmp_path / "copy.sqlite", ignore, force=False)
    await store.close()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        before = path.stat().st_ino
        with pytest.raises(Conflict) as refused:
            restore(f"sqlite:///{path}", tmp_path / "copy.sqlite", ignore, keep=True)
        same = path.stat().st_ino
        holder.communicate("")

    assert refused.value.message == OPEN
    assert same == before
    assert restore(f"sqlite:///{path}", tmp_path / "copy.sqlite", ignore, keep=True) is not None


@only_sqlite
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", "The store is at 9999, made by a newer version"),
        ("ALTER TABLE business RENAME TO shop", "is no store: it holds none of its tables"),
    ],
)
async def test_a_copy_that_is_none_of_a_store_of_ours_replaces_nothing(
    store: Database, tmp_path: Path, change: str, sentence: str
) -> None:
    path, copied = path_of(store), tmp_path / "copy.sqlite"
    back_up(store, copied, ignore, force=False)
    await store.close()
    other = open_database(f"sqlite:///{copied}")
    with other.bulk.begin() as connection:
        connection.execute(text(change))
    other.bulk.dispose()
    before = path.read_bytes()

    with pytest.raises(InvalidInput, match=sentence):
        restore(f"sqlite:///{path}", copied, ignore, keep=True)

    assert path.read_bytes() == before
    assert list(tmp_path.glob("*before-restore*")) == list(tmp_path.glob("*unfinished*")) == []


async def test_a_copy_of_an_earlier_version_is_upgraded_before_it_takes_the_place(tmp_path: Path) -> None:
    earlier = open_database(f"sqlite:///{tmp_path}/earlier.sqlite")
    with earlier.bulk.begin() as connection:
        command.upgrade(build_configuration(connection), "0012")
        connection.execute(
            text(
                "INSERT INTO business (id, key, name, currency, time_zone, settings, created_at) "
                "VALUES (1, 'shop', 'The Shop', 'EUR', 'UTC', '{}', 0)"
            )
        )
    earlier.bulk.dispose()

    restore(f"sqlite:///{tmp_path}/store.sqlite", tmp_path / "earlier.sqlite", ignore, keep=True)

    restored = open_database(f"sqlite:///{tmp_path}/store.sqlite")
    assert find_faults(restored).faults == ()
    assert [row.split("'")[1] for row in content(restored)["business"]] == ["shop"]
    await restored.close()


@only_sqlite
async def test_a_copy_that_is_damaged_or_none_at_all_replaces_nothing(store: Database, tmp_path: Path) -> None:
    path, copied = path_of(store), tmp_path / "copy.sqlite"
    back_up(store, copied, ignore, force=False)
    await store.close()
    before = path.read_bytes()

    smash(copied, "purchase")
    with pytest.raises(InvalidInput, match="is damaged, and nothing was replaced"):
        restore(f"sqlite:///{path}", copied, ignore, keep=True)
    copied.write_bytes(b"")
    with pytest.raises(InvalidInput, match="is empty, and an empty file is no store"):
        restore(f"sqlite:///{path}", copied, ignore, keep=True)
    with pytest.raises(InvalidInput, match="No such file"):
        restore(f"sqlite:///{path}", tmp_path / "nothing", ignore, keep=True)
    with pytest.raises(InvalidInput, match="is the store itself"):
        restore(f"sqlite:///{path}", path, ignore, keep=True)

    assert path.read_bytes() == before


@pytest.fixture
def programs(postgresql_server: PostgresqlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the server are found."""
    with postgresql_server.admin.connect() as connection:
        found = connection.execute(text("SELECT setting FROM pg_config WHERE name = 'BINDIR'")).scalar_one()
    monkeypatch.setenv("PATH", f"{found}:{os.environ['PATH']}")


only_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


@only_postgresql
@pytest.mark.usefixtures("programs")
async def test_postgresql_is_copied_and_restored_by_its_own_programs(
    store: Database, postgresql_server: PostgresqlServer, tmp_path: Path
) -> None:
    copied, address = tmp_path / "copy.dump", postgresql_server.create("restored", "template0")
    try:
        back_up(store, copied, ignore, force=False)
        assert restore(address, copied, ignore, keep=True) is None
        with pytest.raises(InvalidInput, match=r"The database holds \d+ tables already. Restore into an empty one"):
            restore(address, copied, ignore, keep=True)
        restored = open_database(address)
        assert list(find_broken_rules(restored)) == []
        before, after = content(store), content(restored)
        assert part_epoch(after) != part_epoch(before)
        assert after == before
        await restored.close()
        copied.write_bytes(b"anything")
        with pytest.raises(InvalidInput, match="is no copy of a store in PostgreSQL"):
            restore(address, copied, ignore, keep=True)
    finally:
        postgresql_server.drop("restored")


@only_postgresql
@pytest.mark.usefixtures("programs")
async def test_a_copy_of_a_newer_version_is_not_restored_into_postgresql(
    store: Database, postgresql_server: PostgresqlServer, tmp_path: Path
) -> None:
    with store.bulk.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    address = postgresql_server.create("restored", "template0")
    try:
        back_up(store, tmp_path / "copy.dump", ignore, force=False)
        with pytest.raises(InvalidInput, match="The store is at 9999, made by a newer version of this program"):
            restore(address, tmp_path / "copy.dump", ignore, keep=True)
    finally:
        postgresql_server.drop("restored")


@only_postgresql
async def test_without_its_programs_the_command_is_named_and_no_password(
    store: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    secret = open_database(store.bulk.url.set(password="hunter2").render_as_string(hide_password=False))

    with pytest.raises(InvalidInput) as refused:
        back_up(secret, tmp_path / "copy.dump", ignore, force=False)
    secret.bulk.dispose()

    assert "pg_dump of PostgreSQL 18 or newer is not found here. Run, where it is: pg_dump --format=custom" in str(
        refused.value
    )
    assert f"--file={tmp_path}/copy.dump" in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert list(tmp_path.glob("copy*")) == []
