"""What is in a workbook before anything of it is unpacked or held: how large it would get, which of its parts is which
sheet, how far a sheet reaches, which of its cells are merged, and whether anything in it is unusual."""

import re
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
SHEETS, STYLES = "xl/worksheets/", "xl/styles.xml"
MERGES = 100_000
PIECE = 1 << 20
ANY_CELL = re.compile(rb"<(?:[\w.-]+:)?c[\s>/]")
CELL = re.compile(rb'<c r="([A-Z]{1,3})(\d{1,7})"')
MERGE = re.compile(rb'<mergeCell ref="([A-Z]{1,3})(\d+):([A-Z]{1,3})(\d+)"')
ODD = re.compile(rb"<!|\0|[cC]ount\s*=\s*[\"'](?!\d{1,7}[\"'])")
"""Declarations, other encodings, and counts for which a reader may set memory aside before it sees what is counted."""
UNUSUAL = re.compile(rb'\bt="d"|<v>-?\d{16}')
"""Dates as text, and whole numbers that binary fractions do not hold."""
CODE = re.compile(rb'formatCode="([^"]*)"')
ODD_CODE = re.compile(rb"\*[A-Za-z]|\\&quot;|[aA]/[pP]")
"""Forms of numbers of which readers differ whether they are dates: filled with a letter, an escaped quote, A/P."""


class Kind(Enum):
    """How a workbook is packed."""

    XLSX = "xlsx"
    ODS = "ods"


@dataclass(frozen=True, slots=True)
class SheetScan:
    """The merged cells by sheets, and whether what was looked at is usual and fits memory."""

    merged: Mapping[str, Sequence[MergedRange]]
    usual: bool


def check_package(path: Path) -> Kind:
    """What workbook the file is; InvalidInput where it is none, or would unpack to more than is read."""
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


def is_usual(path: Path) -> bool:
    """Whether what an .xlsx has beside its sheets is as every writer writes it, and may be held."""
    try:
        with zipfile.ZipFile(path) as package:
            for part in package.infolist():
                name = part.filename.lower()
                if name.startswith(SHEETS) or not name.endswith((".xml", ".rels")):
                    continue
                if part.file_size > HELD_PART and not is_shared(part.filename):
                    return False
                with package.open(part) as file:
                    if any(map(ODD.search, _read_pieces(file))):
                        return False
            codes = CODE.findall(package.read(STYLES)) if STYLES in package.namelist() else []
    except (*DAMAGE, ValueError, RuntimeError, NotImplementedError):
        return False
    return not any(map(ODD_CODE.search, codes))


def scan_xlsx(path: Path, sheet: str) -> SheetScan | None:
    """The sheet as its part says; None where the workbook is not as every writer writes it."""
    try:
        with zipfile.ZipFile(path) as package:
            part = find_sheets(package)[sheet]
            if not part.startswith(SHEETS) or package.getinfo(part).file_size > HELD_SHEET:
                return None
            with package.open(part) as file:
                usual, merged = scan_cells(file)
    except (*DAMAGE, KeyError, ValueError, RuntimeError, NotImplementedError, ParseError):
        return None
    return SheetScan({sheet: merged}, usual)


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
    rows, columns, cells, placed, usual = 0, 0, 0, 0, True
    merged: list[MergedRange] = []
    for piece in _read_pieces(file):
        found = CELL.findall(piece)
        rows = max(rows, *(int(row) for row in {row for _, row in found}), 0)
        columns = max(columns, *(_count_column(column) for column in {column for column, _ in found}), 0)
        cells += len(ANY_CELL.findall(piece))
        placed += len(found)
        usual = usual and not UNUSUAL.search(piece) and not ODD.search(piece)
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
