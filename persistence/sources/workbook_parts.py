"""What is in a workbook before anything of it is unpacked or held: how large it would get, which of its parts is which
sheet, how far a sheet reaches, which of its cells are merged, and whether anything in it is unusual."""

import re
import struct
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import IO, Any
from xml.etree.ElementTree import ParseError, fromstring
from xml.parsers.expat import ExpatError, ParserCreate

from domain.errors import InvalidInput
from persistence.sources.packing import DAMAGE, MAXIMUM_RATIO, RATIO_FROM
from persistence.sources.sheets import MergedRange

OLD_MAGIC = b"\xd0\xcf\x11\xe0"
"""Workbooks of Excel 97 to 2003, and all that are encrypted."""
MAXIMUM_UNPACKED = 4 << 30
MAXIMUM_SHARED = 256 << 20
"""Bytes of the texts that cells share, which are held in memory."""
MAXIMUM_PARTS = 5_000
HELD_SHEET = 200 << 20
"""Bytes of a sheet up to which it is held in memory."""
HELD_CELLS = 10_000_000
"""Places, with or without a cell, that may be held: from the first to the last cell of a sheet."""
HELD_PART = 16 << 20
"""Bytes of every other part, but for the texts that cells share."""
MERGES = 100_000
PIECE = 1 << 20
ROW = re.compile(rb'<row [^>]*?\br="(\d+)"')
WIDE = re.compile(rb'<c r="([A-Z]{2,3})\d')
MERGE = re.compile(rb'<mergeCell ref="([A-Z]{1,3})(\d+):([A-Z]{1,3})(\d+)"')
UNUSUAL = re.compile(rb'<!|\bt="d"|<v>-?\d{16}')
"""Declarations, dates as text, and whole numbers that binary fractions do not hold."""
CODE = re.compile(rb'formatCode="([^"]*)"')
ODD_CODE = re.compile(rb"\*[A-Za-z]|\\&quot;|[aA]/[pP]")
"""Forms of numbers of which readers differ whether they are dates: filled with a letter, an escaped quote, A/P."""


class Kind(Enum):
    """How a workbook is packed."""

    XLSX = "xlsx"
    ODS = "ods"
    OLD = "xls"


@dataclass(frozen=True, slots=True)
class SheetScan:
    """The merged cells by sheets, and whether what was looked at is usual and fits memory."""

    merged: Mapping[str, Sequence[MergedRange]]
    usual: bool


def check_package(path: Path) -> Kind:
    """What workbook the file is; InvalidInput where it is none, or would unpack to more than is read."""
    with path.open("rb") as file:
        if file.read(4) == OLD_MAGIC:
            return Kind.OLD
    try:
        with zipfile.ZipFile(path) as package:
            parts = package.infolist()
    except (*DAMAGE, ValueError) as error:
        raise InvalidInput(f"{path.name} is damaged, or not an Excel workbook.") from error
    names = {part.filename for part in parts}
    excel = "[Content_Types].xml" in names and any(name.startswith("xl/") for name in names)
    if not excel and not {"mimetype", "content.xml"} <= names:
        raise InvalidInput(f"{path.name} is not an Excel workbook. Save it as .xlsx or CSV.")
    total = sum(part.file_size for part in parts)
    packed = sum(part.compress_size for part in parts)
    shared = sum(part.file_size for part in parts if is_shared(part.filename))
    if (
        len(parts) > MAXIMUM_PARTS
        or total > MAXIMUM_UNPACKED
        or (total > RATIO_FROM and total > packed * MAXIMUM_RATIO)
        or shared > MAXIMUM_SHARED
    ):
        raise InvalidInput(
            f"{path.name} would unpack to {total >> 20:,} MiB, which is more than a workbook is read with. "
            "Save the sheet as CSV."
        )
    return Kind.XLSX if excel else Kind.ODS


def is_shared(part: str) -> bool:
    """Whether it is the part of the texts that cells share."""
    return part.lower().endswith("sharedstrings.xml")


def scan_xlsx(path: Path, sheet: str) -> SheetScan | None:
    """The sheet as its part says; None where the workbook is not as every writer writes it."""
    try:
        with zipfile.ZipFile(path) as package:
            parts = find_sheets(package)
            part = parts[sheet]
            others = [
                one.file_size
                for one in package.infolist()
                if one.filename not in parts.values() and not is_shared(one.filename)
            ]
            if max(others) > HELD_PART or package.getinfo(part).file_size > HELD_SHEET:
                return None
            codes = CODE.findall(package.read("xl/styles.xml")) if "xl/styles.xml" in package.namelist() else []
            with package.open(part) as file:
                usual, merged = scan_cells(file)
    except (*DAMAGE, KeyError, ValueError, ParseError):
        return None
    return SheetScan({sheet: merged}, usual and not any(map(ODD_CODE.search, codes)))


def find_merged(path: Path, part: str) -> Sequence[MergedRange]:
    """The merged cells of a sheet by the part it is."""
    try:
        with zipfile.ZipFile(path) as package, package.open(part.lstrip("/")) as file:
            return scan_cells(file)[1]
    except (*DAMAGE, KeyError, ValueError):
        # What is wrong with it is said when it is read.
        return ()


def find_sheets(package: zipfile.ZipFile) -> dict[str, str]:
    """The parts of the sheets by their names; KeyError or ValueError where they are not named as usual."""
    workbook, relations = PurePosixPath("xl/workbook.xml"), "xl/_rels/workbook.xml.rels"
    for part in (str(workbook), relations):
        if package.getinfo(part).file_size > PIECE or b"<!" in package.read(part):
            raise ValueError(part)
    targets = {one.get("Id"): one.get("Target", "") for one in fromstring(package.read(relations))}
    found: dict[str, str] = {}
    for one in fromstring(package.read(str(workbook))).iter():
        if one.tag.rpartition("}")[2] == "sheet":
            reference = next((value for name, value in one.attrib.items() if name.endswith("}id")), None)
            target = targets.get(reference, "")
            found[one.get("name", "")] = target[1:] if target.startswith("/") else str(workbook.parent / target)
    return found


def scan_cells(file: IO[bytes]) -> tuple[bool, list[MergedRange]]:
    """Whether the sheet is as every writer writes it and may be held, and its merged cells."""
    rows, columns, cells, placed, usual = 0, 26, 0, 0, True
    merged: list[MergedRange] = []
    for piece in _read_pieces(file):
        rows = max(rows, *map(int, ROW.findall(piece)), 0)
        columns = max(columns, *map(_count_column, WIDE.findall(piece)), 0)
        cells += piece.count(b"<c ") + piece.count(b"<c>") + piece.count(b"<c/>")
        placed += piece.count(b'<c r="')
        usual = usual and not UNUSUAL.search(piece)
        for left, top, right, bottom in MERGE.findall(piece)[: MERGES - len(merged)]:
            merged.append(MergedRange(int(top), _count_column(left) - 1, int(bottom), _count_column(right) - 1))
    # Cells that do not say where they stand, or are named otherwise, are left to the reader that knows them.
    return usual and cells == placed and rows * columns <= HELD_CELLS, merged


def _read_pieces(file: IO[bytes]) -> Iterator[bytes]:
    """What is read, in pieces that end before a tag."""
    rest = b""
    while data := file.read(PIECE):
        piece = rest + data
        cut = max(piece.rfind(b"<"), 0)
        rest = piece[cut:]
        if len(rest) > PIECE:
            # A text that long has no tag that is looked for.
            cut, rest = len(piece), b""
        yield piece[:cut]
    yield rest


def _count_column(letters: bytes) -> int:
    """The number of the column, counted from 1."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


class _OdsScanner:
    """Follows the content of an .ods: how many places its sheets have up to their last cells, and what is merged."""

    def __init__(self) -> None:
        self.sheet = ""
        self.merged: defaultdict[str, list[MergedRange]] = defaultdict(list)
        self.row = self.column = self.repeated = self.columns = 0
        self.before = self.places = 0
        self.says = False

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "table:table":
            self.sheet = attributes.get("table:name", "")
            self.before = self.places
            self.row = self.columns = 0
        elif tag == "table:table-row":
            self.repeated = int(attributes.get("table:number-rows-repeated", 1))
            self.column, self.says = 0, False
        elif tag in ("table:table-cell", "table:covered-table-cell"):
            right = int(attributes.get("table:number-columns-spanned", 1)) - 1
            down = int(attributes.get("table:number-rows-spanned", 1)) - 1
            known = self.merged[self.sheet]
            if (right or down) and len(known) < MERGES:
                top, left = self.row + 1, self.column
                known.append(MergedRange(top, left, top + down, left + right))
            self.column += int(attributes.get("table:number-columns-repeated", 1))
            if "office:value-type" in attributes or "table:formula" in attributes:
                self._note_cell()
        elif tag == "text:p":
            self._note_cell()

    def _note_cell(self) -> None:
        self.says = True
        self.columns = max(self.columns, self.column)

    def end(self, tag: str) -> None:
        if tag == "table:table-row":
            self.row += self.repeated
            if self.says:
                self.places = self.before + self.row * self.columns


def scan_ods(path: Path) -> SheetScan:
    """Its sheets; InvalidInput where it is damaged."""
    scanner = _OdsScanner()
    parser: Any = ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = scanner.begin, scanner.end
    parser.StartDoctypeDeclHandler = _refuse_declaration
    try:
        with zipfile.ZipFile(path) as package, package.open("content.xml") as file:
            fits = package.getinfo("content.xml").file_size <= HELD_SHEET
            while fits and (data := file.read(PIECE)):
                parser.Parse(data, False)
                fits = scanner.places <= HELD_CELLS
    except (*DAMAGE, KeyError, ValueError, RuntimeError, ExpatError) as error:
        raise InvalidInput(f"{path.name} is encrypted or damaged. Save it without a password.") from error
    return SheetScan(scanner.merged, fits)


def _refuse_declaration(*_: object) -> None:
    raise ValueError("no workbook declares anything")


SECTOR = 512
ENDS = 0xFFFFFFFA
"""Numbers of sectors from here on are none."""
STREAMS = ("Workbook", "Book")
BEGINS, MERGED_RECORD, ENCRYPTED_RECORD = 0x0809, 0x00E5, 0x002F
CELL_RECORDS = {0x0006, 0x0201, 0x0203, 0x0204, 0x0205, 0x027E, 0x00BD, 0x00BE, 0x00FD, 0x00D6}
MAXIMUM_OLD = 64 << 20


def scan_old(path: Path) -> SheetScan:
    """Whether the cells of an .xls lie near enough together to be held."""
    try:
        if path.stat().st_size > MAXIMUM_OLD:
            return SheetScan({}, False)
        places = _count_old_places(_read_old_stream(path.read_bytes()))
    except (struct.error, ValueError, IndexError, KeyError, OSError) as error:
        message = f"{path.name} is an old or an encrypted Excel workbook. Save it as .xlsx without a password."
        raise InvalidInput(message) from error
    return SheetScan({}, places <= HELD_CELLS)


def _count_old_places(stream: bytes) -> int:
    """How many places the sheets of a stream of records have from their first to their last cells."""
    places = rows = columns = at = 0
    while at + 4 <= len(stream):
        kind, size = struct.unpack_from("<HH", stream, at)
        if kind == BEGINS:
            places, rows, columns = places + rows * columns, 0, 0
        elif kind in CELL_RECORDS and size >= 6:
            row, first = struct.unpack_from("<HH", stream, at + 4)
            last = struct.unpack_from("<H", stream, at + 2 + size)[0] if kind in (0x00BD, 0x00BE) else first
            rows, columns = max(rows, row + 1), max(columns, first + 1, last + 1)
        elif kind == ENCRYPTED_RECORD:
            raise ValueError("encrypted")
        at += 4 + size
    return places + rows * columns


def _read_old_stream(data: bytes) -> bytes:
    """The stream of records in a compound file; KeyError where there is none."""
    size = 1 << struct.unpack_from("<H", data, 30)[0]
    if size < SECTOR:
        raise ValueError("no sector is as small")
    first_directory, cutoff = struct.unpack_from("<I", data, 48)[0], struct.unpack_from("<I", data, 56)[0]
    first_mini, first_more = struct.unpack_from("<I", data, 60)[0], struct.unpack_from("<I", data, 68)[0]

    def read_sector(number: int) -> bytes:
        return data[(number + 1) * size : (number + 2) * size]

    lists = list(struct.unpack_from("<109I", data, 76))
    seen: set[int] = set()
    while first_more < ENDS and first_more not in seen:
        seen.add(first_more)
        numbers = struct.unpack(f"<{size // 4}I", read_sector(first_more))
        lists += numbers[:-1]
        first_more = numbers[-1]
    table = b"".join(read_sector(number) for number in lists if number < ENDS)
    following = struct.unpack(f"<{len(table) // 4}I", table)

    def read_chain(number: int, follow: Sequence[int], read: Any) -> bytes:
        parts: list[bytes] = []
        while number < ENDS and len(parts) <= len(follow):
            parts.append(read(number))
            number = follow[number]
        return b"".join(parts)

    directory = read_chain(first_directory, following, read_sector)
    entries: dict[str, tuple[int, int]] = {}
    for at in range(0, len(directory), 128):
        length = max(struct.unpack_from("<H", directory, at + 64)[0] - 2, 0)
        name = directory[at : at + length].decode("utf-16-le", "replace")
        entries[name] = struct.unpack_from("<II", directory, at + 116)
    start, length = next((entries[name] for name in STREAMS if name in entries), (ENDS, 0))
    if not length:
        raise ValueError("no workbook")
    if length >= cutoff:
        return read_chain(start, following, read_sector)[:length]
    small = read_chain(entries["Root Entry"][0], following, read_sector)
    chain = read_chain(first_mini, following, read_sector)
    minis = struct.unpack(f"<{len(chain) // 4}I", chain)
    return read_chain(start, minis, lambda number: small[number * 64 : number * 64 + 64])[:length]
