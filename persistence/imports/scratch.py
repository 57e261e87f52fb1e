"""What an import sorts and groups on its way, in columns: an in-memory database of its own that puts what does not fit
into a folder beside. The folder goes with the import; that of one that was killed goes with the next import."""

import csv
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from domain.errors import InvalidInput, Unavailable
from persistence.database.failures import FULL

if TYPE_CHECKING:
    import duckdb

Values = Sequence[object] | Mapping[str, object]
PREFIX = "segments-import-"
LOCK = "lock"
MEMORY_MIB, SHRUNK_MIB = 128, 48
TOO_LARGE = (
    f"The rows do not fit into the {MEMORY_MIB} MiB of memory that an import sorts them in. Import the file in parts."
)
OFFLOADING = "failed to offload"
PIECE = 20_000
"""Rows handed out at a time."""


class Scratch:
    """Tables of one import. Rows come in as text of cells, which it reads faster than Python could hand them over.
    Unavailable where the disk has no space for them, InvalidInput where they do not fit into memory."""

    def __init__(self, folder: Path, database: "duckdb.DuckDBPyConnection") -> None:
        self.folder = folder
        self.database = database
        self.cursors: list[duckdb.DuckDBPyConnection] = []

    def execute(self, statement: str, values: Values = ()) -> None:
        """Do it; nothing is answered."""
        with translate_faults():
            self.database.execute(statement, values)

    def change(self, statement: str, values: Values = ()) -> int:
        """Do it; how many rows it wrote."""
        return int(self.read_one(statement, values)[0])

    def read(self, statement: str, values: Values = ()) -> list[tuple[Any, ...]]:
        """Few rows."""
        with translate_faults():
            return self.database.execute(statement, values).fetchall()

    def read_one(self, statement: str, values: Values = ()) -> tuple[Any, ...]:
        """The only row."""
        (row,) = self.read(statement, values)
        return row

    def read_many(self, statement: str) -> Iterator[list[tuple[Any, ...]]]:
        """Many rows, in portions."""
        rows = self.open_rows(statement)
        while portion := rows.take(PIECE):
            yield portion

    def open_rows(self, statement: str) -> "Rows":
        """Rows that are made as they are taken."""
        cursor = self.database.cursor()
        self.cursors.append(cursor)
        with translate_faults():
            return Rows(cursor.execute(statement))

    def shrink(self) -> None:
        """Hold less in memory from now on, where it can: rows are only handed out."""
        with suppress(InvalidInput):
            self.execute(f"SET memory_limit = '{SHRUNK_MIB}MiB'")

    def close(self) -> None:
        """All that was in it is gone."""
        for cursor in self.cursors:
            cursor.close()
        self.database.close()

    def create(self, table: str, columns: Mapping[str, str]) -> None:
        """Make the empty table."""
        said = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        self.execute(f"CREATE OR REPLACE TABLE {table} ({said})")

    def load(self, table: str, columns: Mapping[str, str], rows: Iterable[Sequence[object]]) -> None:
        """Add rows of the columns, whose types are said; None is missing, and so is an empty text."""
        # Rows may be made of what is loaded into other tables meanwhile.
        path = self.folder / f"{table}.csv"
        with self._write(path) as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
        source = write_source(path, columns, quote='"')
        self.execute(f"INSERT INTO {table} SELECT * FROM {source}")

    def keep_text(self, name: str, text: str) -> Path:
        """Where the text can be read from."""
        with self._write(self.folder / name) as file:
            file.write(text)
        return self.folder / name

    @contextmanager
    def _write(self, path: Path) -> Iterator[TextIO]:
        with translate_faults(), path.open("w", encoding="utf-8", newline="") as file:
            yield file

    def interrupt(self) -> None:
        """Break off what it is at; from another thread."""
        self.database.interrupt()


@dataclass(frozen=True, slots=True)
class Rows:
    """What is left of the rows of a statement."""

    cursor: "duckdb.DuckDBPyConnection"

    def take(self, count: int) -> list[tuple[Any, ...]]:
        """The next so many, or as many as there are."""
        with translate_faults():
            return self.cursor.fetchmany(count) if count else []


@contextmanager
def translate_faults() -> Iterator[None]:
    """What broke off a statement, as others of the program have it: Unavailable for want of space, InvalidInput for
    want of memory, which the same rows will never have, and Ctrl-C."""
    import duckdb

    try:
        yield
    except duckdb.OutOfMemoryException as error:
        # It calls it so, too, where it has no space left to put something into the folder.
        raise (Unavailable(FULL) if OFFLOADING in str(error) else InvalidInput(TOO_LARGE)) from error
    except duckdb.IOException as error:
        raise Unavailable(FULL) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Unavailable(FULL) from error
        raise
    except RuntimeError as error:
        if str(error) == "Query interrupted":
            raise KeyboardInterrupt from error
        raise


def write_source(path: Path, columns: Mapping[str, str], *, delimiter: str = ",", quote: str = "") -> str:
    """What stands after FROM for the rows of a file without a header. The file has no doubtful row."""
    types = ", ".join(f"{write_text(name)}: '{kind}'" for name, kind in columns.items())
    return (
        f"read_csv({write_text(str(path))}, auto_detect = false, header = false, delim = {write_text(delimiter)}, "
        f"quote = {write_text(quote)}, escape = {write_text(quote)}, columns = {{{types}}}, parallel = false, "
        "new_line = '\\n', max_line_size = 8388608, buffer_size = 16777216)"
    )


def write_text(text: str) -> str:
    """A text within a statement."""
    return "'" + text.replace("'", "''") + "'"


@contextmanager
def open_scratch() -> Iterator[Scratch]:
    """A place for one import, which is gone afterwards."""
    # 100 ms that no other command need wait for.
    import duckdb

    remove_orphans()
    with translate_faults():
        made = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=find_place()))
    with (made / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Found by others only now that it is held.
        folder = made.rename(made.with_name(made.name[1:]))
        config: dict[str, Any] = {
            "threads": 1,
            "memory_limit": f"{MEMORY_MIB}MiB",
            "temp_directory": str(folder / "spilled"),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        scratch = Scratch(folder, duckdb.connect(config=config))
        try:
            yield scratch
        finally:
            scratch.close()
            shutil.rmtree(folder, ignore_errors=True)


def find_place() -> Path:
    """Where SQLite has its temporary files, too, so that there is one place to have space in."""
    return Path(os.environ.get("SQLITE_TMPDIR") or tempfile.gettempdir())


def remove_orphans() -> None:
    """Remove the folders of imports that were killed: nobody holds their lock."""
    for folder in find_place().glob(f"{PREFIX}*"):
        with suppress(OSError), (folder / LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
