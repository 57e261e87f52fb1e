"""Copies of a store, and putting one in its place. A copy is one state of the store however much is written meanwhile;
it is checked before it counts as done, and takes its name only then. What is to take the place of a store is checked,
and brought to the newest tables, before anything is replaced, and takes it in one step while nobody has the store open.
PostgreSQL has programs of its own for both, which are run where they are found and named where they are not."""

import fcntl
import os
import re
import shlex
import shutil
import sqlite3
import stat
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from sqlalchemy import URL, Connection, inspect

from domain.errors import Conflict, InvalidInput, Unavailable
from persistence.database.condition import DAMAGED, check_file, find_name, translate_condition
from persistence.database.engines import Database, open_database, parse_url
from persistence.migrations.migrate import refuse_newer, renew_epoch, upgrade
from persistence.soundness.checks import Report

PAGES = 1_000
"""Pages that are copied in one step, after which progress is told."""
FIRST_SHARED, SHARED = 0x40000002, 510
"""The bytes of its file that SQLite holds locked for as long as somebody has a store in write-ahead mode open."""
KEPT = ".before-restore"
DUMP = b"PGDMP"
"""How a copy that pg_dump made in its custom format begins."""
OPEN = "A server or another command has the store open. Stop it, then restore."


def back_up(database: Database, target: Path, report: Report, *, force: bool) -> None:
    """Copy the store to the file. InvalidInput where that is there already, unless it is forced, or cannot be written;
    Unavailable where the store is damaged."""
    if target.is_dir():
        raise InvalidInput(f"{target} is a folder. Name the file in it that is to be the copy")
    if target.exists() and not force:
        raise InvalidInput(f"{target} is there already. Give another name, or --force to replace it")
    with translate_condition(), database.bulk.connect() as connection:
        if not inspect(connection).has_table("business"):
            raise InvalidInput("There is no store to copy yet")
        if database.dialect == "postgresql":
            with make_beside(target) as unfinished:
                options = ("--format=custom", "--no-owner", f"--dbname={show_address(database)}")
                run(database, connection, "pg_dump", options, f"--file={target}", f"--file={unfinished}")
                take_name(unfinished, target)
            return
        store = connection.connection.driver_connection
        assert isinstance(store, sqlite3.Connection)
        # The main one comes before that of temporary tables.
        own = Path(connection.exec_driver_sql("PRAGMA database_list").all()[0][2])
        if target.exists() and target.samefile(own):
            raise InvalidInput(f"{target} is the store itself")
        # In one transaction, or a write of another process would begin the copy anew each time.
        connection.exec_driver_sql("SELECT 1 FROM sqlite_master")
        with make_beside(target) as unfinished:
            copy_pages(store, unfinished, report)
            take_name(unfinished, target)


@contextmanager
def make_beside(target: Path) -> Iterator[Path]:
    """A file beside the target that only its owner can read, and that is gone after the block, unless it has taken the
    target's name; InvalidInput where it cannot be written."""
    unfinished = target.with_name(f"{target.name}.{uuid4().hex[:8]}.unfinished")
    try:
        os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        yield unfinished
    except OSError as error:
        raise InvalidInput(f"{target} cannot be written: {error.strerror}") from error
    finally:
        for beside in ("", "-wal", "-shm", "-journal"):
            name_beside(unfinished, beside).unlink(missing_ok=True)


def name_beside(store: Path, ending: str) -> Path:
    """A file of those that SQLite keeps beside a store."""
    return store.with_name(store.name + ending)


def take_name(unfinished: Path, target: Path) -> None:
    """Let the file be the target, in one step; both the file and its name are on the disk then."""
    settle(unfinished)
    unfinished.replace(target)
    settle(target.parent)


def settle(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def copy_pages(store: sqlite3.Connection, target: Path, report: Report) -> None:
    """Copy what the connection sees into one file, and check it; Unavailable where it is damaged."""

    def tell(status: int, remaining: int, total: int) -> None:
        report("copying", total - remaining, total)

    with closing(sqlite3.connect(target, isolation_level=None)) as copy:
        store.backup(copy, pages=PAGES, progress=tell)
        # A file that is whole without others beside it.
        copy.execute("PRAGMA journal_mode = DELETE")
        report("checking", 0, 1)
        if copy.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
            raise Unavailable(DAMAGED)


def restore(address: str, source: Path, report: Report, *, keep: bool) -> Path | None:
    """Let the copy be the store at the address; where that is a file, what it was is kept beside it, if it is to be.
    InvalidInput says what is wrong with the copy, Conflict that somebody has the store open. The file that was kept."""
    if not source.is_file():
        raise InvalidInput(f"No such file: {source}")
    url = parse_url(address)
    if url.get_backend_name() == "postgresql":
        restore_dump(address, source)
        return None
    return restore_file(Path(str(url.database)), source, report, keep=keep)


def restore_file(store: Path, source: Path, report: Report, *, keep: bool) -> Path | None:
    """The same for an SQLite store, which need not be there, nor be one."""
    check_file(source)
    if store.exists() and store.samefile(source):
        raise InvalidInput(f"{source} is the store itself")
    kept = store.with_name(store.name + KEPT) if keep and store.exists() else None
    if kept is not None and kept.exists():
        raise InvalidInput(f"{kept} is there from an earlier restore. Move it away, or give --no-keep")
    store.parent.mkdir(parents=True, exist_ok=True)
    with make_beside(store) as unfinished:
        with hold(store):
            pass
        prepare_copy(source, unfinished, report)
        own_like(unfinished, store)
        settle_beside(store)
        with hold(store):
            for ending in ("", "-wal"):
                if kept is not None and name_beside(store, ending).exists():
                    link(name_beside(store, ending), name_beside(kept, ending))
            for ending in ("-wal", "-shm"):
                name_beside(store, ending).unlink(missing_ok=True)
            take_name(unfinished, store)
    return kept


def prepare_copy(source: Path, copy: Path, report: Report) -> None:
    """Copy the file, check the copy and bring it to the newest tables; InvalidInput where it is no store, is damaged or
    of a newer version."""
    try:
        with closing(sqlite3.connect(find_name(source), uri=True, isolation_level=None)) as opened:
            copy_pages(opened, copy, report)
    except (sqlite3.Error, Unavailable) as error:
        raise InvalidInput(f"{source} is damaged, and nothing was replaced") from error
    database = open_database(f"sqlite:///{copy}")
    try:
        with database.bulk.connect() as connection:
            if not inspect(connection).has_table("business"):
                raise InvalidInput(f"{source} is no store: it holds none of its tables")
        report("upgrading", 0, 1)
        upgrade(database.bulk)
        with database.bulk.begin() as connection:
            renew_epoch(connection)
    finally:
        database.bulk.dispose()


def settle_beside(store: Path) -> None:
    """Let SQLite put into the file what lies beside it, where it is a store: whoever closes one last does."""
    if store.exists():
        with suppress(sqlite3.Error), closing(sqlite3.connect(find_name(store), uri=True)) as old:
            old.execute("SELECT 1 FROM sqlite_master")


def own_like(copy: Path, store: Path) -> None:
    """Let the copy belong to whom the store belongs to, or its folder, so that the server can open it."""
    told = (store if store.exists() else store.parent).stat()
    with suppress(PermissionError):
        os.chown(copy, told.st_uid, told.st_gid)
    if store.exists():
        copy.chmod(stat.S_IMODE(told.st_mode))


@contextmanager
def hold(store: Path) -> Iterator[None]:
    """Keep everybody from opening the store, whatever the file holds; Conflict where somebody has it open."""
    if not store.exists():
        yield
        return
    opened = os.open(store, os.O_RDWR)
    try:
        try:
            fcntl.lockf(opened, fcntl.LOCK_EX | fcntl.LOCK_NB, SHARED, FIRST_SHARED)
        except (BlockingIOError, PermissionError) as error:
            raise Conflict(OPEN) from error
        yield
    finally:
        os.close(opened)


def link(source: Path, target: Path) -> None:
    """Give the file another name, or copy it where the file system allows one alone."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def restore_dump(address: str, source: Path) -> None:
    """Fill an empty database of PostgreSQL with what pg_dump made; all of it or nothing."""
    with source.open("rb") as opened:
        if opened.read(len(DUMP)) != DUMP:
            raise InvalidInput(f"{source} is no copy of a store in PostgreSQL, as segments backup makes it")
    database = open_database(address)
    try:
        with database.bulk.connect() as connection:
            tables = inspect(connection).get_table_names()
            if tables:
                raise InvalidInput(
                    f"The database holds {len(tables)} tables already. Restore into an empty one, and let "
                    "SEGMENTS_DATABASE_URL name it"
                )
            version = ("--data-only", "--table=alembic_version", "--file=-")
            said = run(database, connection, "pg_restore", version, str(source), str(source))
            at = re.search(r"^COPY .*\n(\S+)$", said, re.MULTILINE)
            if at is None:
                raise InvalidInput(f"{source} is no store: it holds none of its tables")
            refuse_newer(at[1])
            options = ("--no-owner", "--exit-on-error", "--single-transaction", f"--dbname={show_address(database)}")
            run(database, connection, "pg_restore", options, str(source), str(source))
        upgrade(database.bulk)
        with database.bulk.begin() as connection:
            renew_epoch(connection)
    finally:
        database.bulk.dispose()


def show_address(database: Database) -> str:
    """The address for PostgreSQL's own programs, without the password."""
    url = database.bulk.url
    return str(URL.create("postgresql", url.username, None, url.host, url.port, url.database, url.query))


def run(database: Database, connection: Connection, program: str, options: Sequence[str], file: str, meant: str) -> str:
    """What the program says that comes with PostgreSQL. InvalidInput with the command, which is shown with `file` and
    run with `meant`, where it is not there or older than the server; and with what it said where it failed."""
    server = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one()) // 10_000
    connection.rollback()
    found = shutil.which(program)
    if found is None or find_version(found) < server:
        command = shlex.join((program, *options, file))
        raise InvalidInput(f"{program} of PostgreSQL {server} or newer is not found here. Run, where it is: {command}")
    password = {"PGPASSWORD": str(database.bulk.url.password)} if database.bulk.url.password else {}
    done = subprocess.run(
        [found, *options, meant], env={**os.environ, **password}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = next(iter(done.stderr.strip().splitlines()), "it said nothing")
        raise InvalidInput(f"{program} failed: {said}")
    return done.stdout


def find_version(program: str) -> int:
    """The major version of one of PostgreSQL's programs."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    number = re.search(r"(\d+)", said)
    return int(number[1]) if number else 0
