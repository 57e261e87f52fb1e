"""A copy that cannot answer, or cannot be written: the store answers, and the metric and the log say so."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from domain.errors import Conflict, InvalidInput, Unavailable
from gql.composition import Services
from persistence.lake import renewal as renewals
from persistence.lake.engines import DuckDbEngine
from persistence.lake.manifest import UNREADABLE, Manifest, name_manifest
from persistence.lake.places import UNFINISHED, Folder
from persistence.lake.reading import ANSWERED
from persistence.lake.renewal import BASE, DELTA, FAILED
from persistence.lake.writing import DELTA_EVERY
from persistence.migrations.migrate import renew_epoch
from tests.persistence.lake.conftest import SHOPPERS, Copied

pytestmark = pytest.mark.anyio


def cut(copied: Copied) -> None:
    for path in copied.files(".parquet"):
        os.truncate(path, path.stat().st_size // 2)


def overwrite(copied: Copied) -> None:
    for path in copied.files(".parquet"):
        path.write_bytes(bytes(path.stat().st_size))


def take_away(copied: Copied) -> None:
    for path in copied.files(".parquet"):
        path.unlink()


def spoil(copied: Copied) -> None:
    (path,) = copied.files("manifest")
    path.write_text("{")


def rewrite_otherwise(copied: Copied) -> None:
    (path,) = copied.files("manifest")
    path.write_text(path.read_text().replace('"format": 2', '"format": 3'))


def restore(copied: Copied) -> None:
    with copied.database.bulk.begin() as connection:
        renew_epoch(connection)


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (cut, "cannot be read"),
        (overwrite, "cannot be read"),
        (take_away, "gone"),
        (spoil, "damaged"),
        (rewrite_otherwise, "another version"),
        (restore, "of another store"),
    ],
)
async def test_where_the_copy_cannot_answer_the_store_does_until_it_is_written_anew(
    copied: Copied, trouble: Callable[[Copied], None], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    trouble(copied)
    # Another process, which has not looked at it yet.
    copied.lake._held.clear()

    ended = [await copied.ask(), await copied.ask()]

    assert ended == [told] * 2
    assert [record.message for record in caplog.records if record.name == "segments"] == [
        f"the columnar copy of business {copied.business.id} does not answer: it is {told}"
    ]
    assert (await copied.renew(), await copied.ask()) == ([BASE], ANSWERED)
    assert caplog.records[-1].message == f"the columnar copy of business {copied.business.id} answers again"
    assert await copied.renew() == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
async def test_a_copy_that_cannot_be_written_is_told_and_the_one_before_answers(
    copied: Copied, code: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await copied.buy(1, 2)
    before = copied.files()

    def fail(place: Folder, name: str, write: object) -> None:
        raise OSError(code, os.strerror(code), str(place.root / name))

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "put", fail)
        assert await copied.renew() == [FAILED]
        assert await copied.renew() == []
        with pytest.raises(Unavailable, match=os.strerror(code)):
            await copied.renewal.renew_now(copied.business.id)
    assert await copied.ask() == ANSWERED
    assert copied.files() == before
    said = f"the columnar copy of business {copied.business.id} cannot be written: [Errno {code}] {os.strerror(code)}"
    assert [record.message[: len(said)] for record in caplog.records] == [said]
    copied.rest()
    assert (await copied.renew(), await copied.ask()) == ([DELTA], ANSWERED)


def stand_in_the_way(copied: Copied) -> None:
    """A folder has the name of a file: it is listed, and nothing can be read from it."""
    for path in copied.files(".parquet"):
        path.rename(path.with_name("aside." + path.name))
        path.mkdir()


def give_way(copied: Copied) -> None:
    for path in copied.files("aside."):
        whole = path.with_name(path.name.removeprefix("aside."))
        whole.rmdir()
        path.rename(whole)


async def test_a_copy_that_cannot_be_read_for_a_moment_is_not_written_anew(copied: Copied) -> None:
    stand_in_the_way(copied)

    assert await copied.ask() == UNREADABLE

    assert (copied.lake.broken, await copied.renew()) == ({}, [])
    give_way(copied)
    assert await copied.ask() == ANSWERED


async def test_a_generation_that_broke_and_is_in_force_no_more_holds_no_delta_up(copied: Copied) -> None:
    copied.lake.broken[copied.business.id] = "the one before"
    assert await copied.renew() == []

    await copied.buy(1, 2)

    assert await copied.renew() == [DELTA]


async def test_a_place_that_cannot_be_asked_for_a_moment_is_asked_again(
    copied: Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(place: Folder, name: str, ended: Event | None = None) -> Path:
        raise TimeoutError

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "fetch", fail)
        assert await copied.ask() == UNREADABLE
        copied.lake._held.clear()
        assert await copied.ask() == UNREADABLE
        assert copied.renewal.describe(copied.business.id).trouble == UNREADABLE
        assert (copied.lake.broken, await copied.renew()) == ({}, [FAILED])
    copied.rest()
    assert (await copied.renew(), await copied.ask()) == ([], ANSWERED)


async def test_what_does_not_fit_into_memory_goes_where_nobody_else_may_look(
    copied: Copied, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path / "absent"))
    copied.lake.engine = engine = DuckDbEngine("256MB")
    assert (await copied.ask(), copied.lake.broken) == (UNREADABLE, {})
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))

    assert await copied.ask() == ANSWERED

    row = engine._open().execute("SELECT current_setting('temp_directory')").fetchone()
    assert row is not None
    folder = Path(row[0])
    assert (folder.parent, folder.stat().st_mode & 0o777) == (tmp_path, 0o700)
    await engine.close()
    assert not folder.exists()


async def test_what_is_due_is_written_and_two_generations_stay(copied: Copied) -> None:
    assert await copied.renew() == []
    await copied.buy(1)
    assert (await copied.renew(), await copied.ask()) == ([], ANSWERED)
    copied.clock.now += DELTA_EVERY
    assert (await copied.renew(), await copied.renew(), await copied.ask()) == ([DELTA], [], ANSWERED)
    await copied.buy(2, 3)
    assert (await copied.renew(), await copied.ask()) == ([DELTA], ANSWERED)
    assert len(copied.files("manifest")) == 2
    await copied.buy(*range(4, 11))
    assert await copied.ask() == "too much has changed"
    assert (await copied.renew(), await copied.ask()) == ([BASE], ANSWERED)
    manifests = [Manifest.read(path.read_bytes()) for path in copied.files("manifest")]
    kept = {name for one in manifests for name in (name_manifest(one.generation), *one.files)}
    assert len(manifests) == 2
    assert {path.name for path in copied.files()} == kept


async def test_what_a_killed_writer_left_goes_when_it_is_old(copied: Copied) -> None:
    folder = copied.files()[0].parent
    old, young = (folder / f"{sign * 32}.purchase.0.parquet.1{UNFINISHED}" for sign in "ab")
    foreign = folder / f"film{UNFINISHED}"
    for path in (old, young, foreign):
        path.touch()
        os.utime(path, (0, 0) if path != young else None)

    await copied.renewal.renew_now(copied.business.id, whole=True)

    assert (old.exists(), young.exists(), foreign.exists()) == (False, True, True)
    assert await copied.ask() == ANSWERED


@pytest.mark.parametrize("foreign", ["README", ".nfs0000", "@eaDir/", ".snapshot/"])
async def test_what_is_somebody_elses_is_left_alone(copied: Copied, foreign: str) -> None:
    path = copied.files()[0].parent / foreign
    path.mkdir() if foreign.endswith("/") else path.touch()

    for n in range(3):
        await copied.buy(n)
        copied.clock.now += DELTA_EVERY
        assert await copied.renew() == [DELTA]

    assert (len(copied.files("manifest")), path.exists(), await copied.ask()) == (2, True, ANSWERED)


async def test_what_cannot_be_removed_is_told_and_holds_nothing_else_up(
    copied: Copied, caplog: pytest.LogCaptureFixture
) -> None:
    stuck = copied.files()[0].parent / f"{'0' * 32}.purchase.0.parquet"
    stuck.mkdir()

    for _ in range(3):
        assert await copied.renewal.renew_now(copied.business.id, whole=True) is not None

    assert (len(copied.files("manifest")), stuck.exists(), await copied.ask()) == (2, True, ANSWERED)
    said = f"files that the copy of business {copied.business.id} left cannot be removed: "
    assert [record.message[: len(said)] for record in caplog.records] == [said] * 3


async def test_who_asks_for_a_copy_is_told_why_there_is_none(copied: Copied, services: Services) -> None:
    small = await services.businesses.create("small", None, "UTC", "EUR")

    with pytest.raises(InvalidInput, match=r"^The business has 0 purchases; copies are of 30 and more"):
        await copied.renewal.renew_now(small.id)
    assert copied.renewal.describe(small.id).trouble == "absent"
    state = copied.renewal.describe(copied.business.id)
    assert (state.purchases, state.touched, state.trouble) == (SHOPPERS, 0, "")
    assert await copied.renewal.renew_now(copied.business.id) is None

    def write_beside(what: str) -> None:
        raise renewals.LeaseLost

    copied.renewal.step = write_beside
    with pytest.raises(Conflict, match=r"^Another worker is writing this copy$"):
        await copied.renewal.renew_now(copied.business.id, whole=True)
