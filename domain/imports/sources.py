"""What purchases are read from: files of some types, and collections of databases. Here stands which there are, for the
faces; `SourceOpener` in `persistence/sources/opening.py` opens them."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from domain.errors import InvalidInput, Sentence

if sys.platform == "win32":
    from pathlib import WindowsPath as SystemPath
else:
    from pathlib import PosixPath as SystemPath

WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@dataclass(frozen=True, slots=True)
class FileForm:
    """How a file is written, as far as it is told; None is found out from the file itself. `encoding` is a name such as
    windows-1252, `skip_lines` the number of lines before the header, `delimiter` one character, `tab` or `whitespace`
    (runs of blanks), `quote` one character or `none`, `decimal` the sign that numbers of a workbook get, `fill_merged`
    whether the value of merged cells stands in each of them; `header` the names of its columns where it has no
    header."""

    encoding: str | None = None
    skip_lines: int | None = None
    delimiter: str | None = None
    quote: str | None = None
    sheet: str | None = None
    decimal: str = "."
    fill_merged: bool = False
    header: tuple[str, ...] = ()


PLAIN = FileForm()


@dataclass(frozen=True, slots=True)
class FileType:
    """How names of such files end, the first way being the usual one, and their media types. What a file is when it is
    opened, its first bytes say."""

    endings: tuple[str, ...]
    media_types: tuple[str, ...]


FILE_TYPES = (
    FileType((".csv", ".tsv", ".txt"), ("text/csv", "application/csv", "text/tab-separated-values")),
    FileType((".csv.gz", ".tsv.gz", ".txt.gz"), ("application/gzip", "application/x-gzip")),
    FileType((".zip",), ("application/zip", "application/x-zip-compressed")),
    FileType((".xlsx",), (WORKBOOK,)),
    FileType((".ods",), ("application/vnd.oasis.opendocument.spreadsheet",)),
    FileType((".xls",), ("application/vnd.ms-excel",)),
    FileType((".json",), ("application/json",)),
    FileType((".jsonl", ".ndjson"), ("application/x-ndjson", "application/jsonl")),
    FileType((".json.gz", ".jsonl.gz", ".ndjson.gz"), ()),
)


class ReceivedPath(SystemPath):
    """A file that stands under a name of ours, and is called everywhere what whoever sent it calls it."""

    called = ""

    @classmethod
    def of(cls, path: Path, called: str) -> "ReceivedPath":
        """The file at the path, called so."""
        received = cls(path)
        received.called = called
        return received

    @property
    def kept(self) -> str:
        """Its name on the disk."""
        return super().name

    @property
    def name(self) -> str:
        """What messages call it; paths that are made of it, such as its folder, have their own names."""
        return self.called or self.kept


def build_kept_name(name: str, otherwise: str) -> str:
    """What the file of a client is called on the disk, where its own name may be too long or mean something: all that
    is left of it is its ending where that is known."""
    endings = [ending for one in FILE_TYPES for ending in one.endings if name.lower().endswith(ending)]
    return f"file{max(endings, key=len, default=otherwise)}"


SourceName = Literal["csv", "mongodb"]
"""Kinds of sources; `csv` is a file of any type."""
SOURCES: tuple[SourceName, ...] = get_args(SourceName)
COLLECTIONS = SOURCES[1:]
"""Those that are no files."""


@dataclass(frozen=True, slots=True)
class Collection:
    """Which collection of which kind of database is meant, where the settings do not say it, and whether it is read
    whole."""

    database: str | None = None
    name: str | None = None
    whole: bool = False
    source: str = COLLECTIONS[0]


Place = Path | Collection
"""Where purchases are."""


def choose_place(source: str | None, csv_path: str | Path | None, collection: Collection) -> Place | None:
    """The file or the collection, None where no source is named; InvalidInput where it is not said which."""
    if source is not None and source not in SOURCES:
        raise InvalidInput(Sentence("{source} must be {}, not {}", " or ".join(SOURCES), source[:40]), ("source",))
    if source == "csv" and csv_path is None:
        raise InvalidInput(Sentence("{csv_path} must name the file of the source csv"), ("csv_path",))
    if source != "csv" and csv_path is not None:
        raise InvalidInput(Sentence("{csv_path} goes with the source csv"), ("csv_path",))
    if csv_path is not None:
        return Path(csv_path)
    return None if source is None else replace(collection, source=source)


def get_source(place: Place | None) -> str | None:
    """The kind of the source that is there."""
    if place is None:
        return None
    return "csv" if isinstance(place, Path) else place.source
