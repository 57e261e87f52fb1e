"""Fonts for PDF reports: where they are found, which of them draws a character. The first family that covers it does,
in a fixed order, so the same text on the same machine always gets the same fonts; reportlab's own Vera is the last."""

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import reportlab
import uharfbuzz

SYSTEM = (
    Path("/usr/local/share/fonts"),
    Path("/usr/share/fonts"),
    Path("/Library/Fonts"),
    Path("/System/Library/Fonts"),
)
FAMILIES = (
    "NotoSans",
    "NotoSansArabic",
    "NotoSansHebrew",
    "NotoSansDevanagari",
    "NotoSansCJK",
    "NotoSansCJKsc",
    "NotoSansCJKjp",
    "NotoSansCJKkr",
    "NotoSansCJKtc",
    "NotoSansSC",
    "NotoSansJP",
    "NotoSansKR",
    "NotoSansTC",
    "DejaVuSans",
)
"""In the order they are asked; other families of Noto Sans come after them."""
LAST = Path(reportlab.__file__).parent / "fonts"
ENDINGS = frozenset({".ttf", ".otf", ".ttc"})
REGULAR = frozenset({"", "regular", "medium", "book", "vf", "variable"})


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One opened font: its shaping engine, its measures in font units and the characters it covers."""

    name: str
    font: uharfbuzz.Font
    units: int
    ascent: int
    descent: int
    covered: frozenset[int]

    @classmethod
    def opened(cls, path: Path) -> "Face | None":
        """The file's first face; None where it cannot be read as a font with outlines."""
        try:
            face = uharfbuzz.Face(uharfbuzz.Blob.from_file_path(str(path)))
            covered = frozenset(face.unicodes)
            font = uharfbuzz.Font(face)
            measures = font.get_font_extents("ltr")
        except (OSError, ValueError, RuntimeError, MemoryError):
            return None
        if not covered or not set(face.table_tags) & {"glyf", "CFF ", "CFF2"}:
            return None
        name = "".join(letter for letter in path.stem if letter.isascii() and letter.isalnum())
        return cls(name or "Font", font, face.upem, measures.ascender, measures.descender, covered)


@dataclass(slots=True)
class FontBook:
    """The fonts of this machine, opened when a character first needs them."""

    files: tuple[tuple[Path, Path | None], ...]
    _faces: dict[Path, Face | None] = field(default_factory=dict)
    _found: dict[tuple[int, bool], Face | None] = field(default_factory=dict)

    def face_of(self, code: int, bold: bool) -> Face | None:
        """The font that draws a character; None where none does."""
        wanted = (code, bold)
        if wanted not in self._found:
            self._found[wanted] = self._search(code, bold)
        return self._found[wanted]

    def first(self, bold: bool) -> Face:
        """The font of plain Latin text."""
        face = self.face_of(ord("0"), bold)
        assert face is not None, "Vera covers it"
        return face

    def _search(self, code: int, bold: bool) -> Face | None:
        for regular, heavy in self.files:
            for path in (heavy, regular) if bold else (regular,):
                face = None if path is None else self._open(path)
                if face is not None and code in face.covered:
                    return face
        return None

    def _open(self, path: Path) -> Face | None:
        if path not in self._faces:
            self._faces[path] = Face.opened(path)
        return self._faces[path]


@lru_cache(maxsize=8)
def font_book(folder: Path | None = None) -> FontBook:
    """The fonts under the given folder, then the system's, then Vera."""
    places = [place for place in (folder, *SYSTEM) if place is not None]
    ranked: list[tuple[tuple[int, int, str], Path, Path | None]] = []
    for place_rank, place in enumerate(places):
        styles = _styles(place)
        for family in sorted({family for family, _style in styles}):
            regular = styles.get((family, "regular"))
            rank = _rank(family, place is folder)
            if regular is None or rank is None:
                continue
            ranked.append(((rank, place_rank, family), regular, styles.get((family, "bold"))))
    ranked.sort(key=lambda entry: entry[0])
    vera = (LAST / "Vera.ttf", LAST / "VeraBd.ttf")
    return FontBook((*((regular, heavy) for _rank, regular, heavy in ranked), vera))


def _rank(family: str, own: bool) -> int | None:
    """Place of a family among the others, None to leave it out: fonts that were put into the folder on purpose come
    first, those of every other script that Noto has come last."""
    if family in FAMILIES:
        return FAMILIES.index(family)
    if family.startswith("NotoSans"):
        return len(FAMILIES)
    if not own:
        return None
    return len(FAMILIES) + 1 if family.startswith("Noto") else -1


def _styles(place: Path) -> dict[tuple[str, str], Path]:
    """Files of a folder and those below it, by family and style; of several alike the first by path."""
    found: dict[tuple[str, str], Path] = {}
    try:
        paths = sorted(path for path in place.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())
    except OSError:
        return found
    for path in paths:
        family, _dash, style = path.stem.partition("[")[0].partition("-")
        kind = "regular" if style.lower() in REGULAR else style.lower()
        found.setdefault((family, kind), path)
    return found
