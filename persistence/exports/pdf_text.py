"""Text for PDF reports in any script: ordered by the bidirectional algorithm, cut into runs of one font and script,
shaped, wrapped. Widths are in ems; nothing here knows where on a page a line stands."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

import uharfbuzz
from fontTools.unicodedata import script as script_of

from persistence.exports.pdf_embedding import BOX, BOX_WIDTH
from persistence.exports.pdf_fonts import Face, FontBook
from persistence.exports.pdf_order import as_drawn, embedding_levels, reads_leftwards, visual_order

ELLIPSIS = "…"
LONGEST = 4_000
"""Characters of one text that are set; what is longer ends in an ellipsis."""
JOINERS = frozenset("\u200c\u200d")
MARKS = frozenset("\u200e\u200f")
"""Invisible letters of a direction; they order what stands beside them and are not drawn."""
SHARED = frozenset({"Zyyy", "Zinh", "Zzzz"})
"""Script codes of characters that belong to whichever script they stand in."""
UNSPACED = frozenset({"Hani", "Hira", "Kana", "Bopo", "Yiii", "Thai", "Laoo", "Khmr", "Mymr"})
"""Scripts whose lines may end between any two characters."""


@dataclass(frozen=True, slots=True)
class Glyph:
    """A glyph in its place, in font units; `text` is what it stands for, empty where an earlier one says it."""

    number: int
    text: str
    advance: int
    dx: int
    dy: int


@dataclass(frozen=True, slots=True)
class Run:
    """Glyphs of one font, from left to right."""

    face: Face
    glyphs: tuple[Glyph, ...]

    @property
    def width(self) -> float:
        """In ems."""
        return sum(glyph.advance for glyph in self.glyphs) / self.face.units


@dataclass(frozen=True, slots=True)
class Line:
    """A line, its runs from left to right."""

    runs: tuple[Run, ...]
    width: float
    rtl: bool


@dataclass(frozen=True, slots=True)
class Piece:
    """Characters of one font, script and level, in reading order."""

    text: str
    face: Face | None
    script: str
    level: int


@dataclass(slots=True)
class Typesetter:
    """Sets the lines of one document and remembers the characters that no font has."""

    book: FontBook
    missing: dict[str, None] = field(default_factory=dict)
    _lines: dict[tuple[str, bool, bool], Line] = field(default_factory=dict)

    def line(self, text: str, bold: bool = False) -> Line:
        """The text on one line."""
        clean = cleaned(text)
        return self._line(clean, bold, reads_leftwards(clean))

    def fitted(self, text: str, width: float, bold: bool = False) -> Line:
        """The text on one line, shortened with an ellipsis where it is wider than `width` ems."""
        whole = self.line(text, bold)
        if whole.width <= width:
            return whole
        clean = cleaned(text)
        rtl, low, high = whole.rtl, 0, len(clean)
        while low < high:
            middle = (low + high + 1) // 2
            if self._line(_cut(clean, middle) + ELLIPSIS, bold, rtl).width <= width:
                low = middle
            else:
                high = middle - 1
        return self._line(_cut(clean, low) + ELLIPSIS, bold, rtl)

    def wrapped(self, text: str, width: float, bold: bool = False) -> list[Line]:
        """The text on as many lines of at most `width` ems as it needs; one at least."""
        clean = cleaned(text)
        rtl = reads_leftwards(clean)
        lines: list[Line] = []
        current = ""
        for word in _words(clean):
            if self._line((current + word).rstrip(), bold, rtl).width <= width:
                current += word
                continue
            if current.strip():
                lines.append(self._line(current.rstrip(), bold, rtl))
            current = word
            while self._line(current.rstrip(), bold, rtl).width > width and len(current) > 1:
                head = self._head(current, width, bold, rtl)
                lines.append(self._line(head, bold, rtl))
                current = current[len(head) :]
        if current.strip() or not lines:
            lines.append(self._line(current.rstrip(), bold, rtl))
        return lines

    def _head(self, text: str, width: float, bold: bool, rtl: bool) -> str:
        """As much of a word as fits; one character at least."""
        low, high = 1, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            if self._line(_cut(text, middle), bold, rtl).width <= width:
                low = middle
            else:
                high = middle - 1
        return _cut(text, low) or text[:low]

    def _line(self, text: str, bold: bool, rtl: bool) -> Line:
        key = (text, bold, rtl)
        if key not in self._lines:
            pieces = list(self._pieces(text, bold, rtl))
            language = _language(text)
            order = visual_order([piece.level for piece in pieces])
            runs = tuple(self._shaped(pieces[place], bold, language) for place in order)
            self._lines[key] = Line(runs, sum(run.width for run in runs), rtl)
        return self._lines[key]

    def _pieces(self, text: str, bold: bool, rtl: bool) -> Iterator[Piece]:
        """The text cut where the font, the script or the direction changes."""
        start, before, script = 0, None, "Zyyy"
        levels = embedding_levels(text, rtl)
        levels = [level for level, letter in zip(levels, text, strict=True) if letter not in MARKS]
        text = "".join(letter for letter in text if letter not in MARKS)
        for place, letter in enumerate(text):
            face = self._face(letter, bold, before)
            own = script_of(letter)
            changed = own not in SHARED and script not in SHARED and own != script
            if place > start and (face is not before or changed or levels[place] != levels[place - 1]):
                yield Piece(text[start:place], before, script, levels[start])
                start, script = place, "Zyyy"
            before = face
            script = script if own in SHARED else own
        if text:
            yield Piece(text[start:], before, script, levels[start])

    def _face(self, letter: str, bold: bool, before: Face | None) -> Face | None:
        """The font of a character; what joins, and what any script uses, stays with the character before it."""
        if before is not None:
            follows = letter in JOINERS or unicodedata.category(letter)[0] == "M"
            if letter in JOINERS or (ord(letter) in before.covered and (follows or letter == " ")):
                return before
        if letter in JOINERS:
            return self.book.first(bold)
        face = self.book.face_of(ord(letter), bold)
        if face is None:
            self.missing[letter] = None
        return face

    def _shaped(self, piece: Piece, bold: bool, language: str) -> Run:
        if piece.face is None:
            first = self.book.first(bold)
            width = round(BOX_WIDTH * first.units)
            letters = piece.text if piece.level % 2 == 0 else piece.text[::-1]
            return Run(first, tuple(Glyph(BOX, letter, width, 0, 0) for letter in letters))
        buffer = uharfbuzz.Buffer()
        buffer.add_str(piece.text)
        buffer.cluster_level = uharfbuzz.BufferClusterLevel.MONOTONE_GRAPHEMES
        buffer.direction = "rtl" if piece.level % 2 else "ltr"
        buffer.script = "Latn" if piece.script in SHARED else piece.script
        buffer.language = language
        uharfbuzz.shape(piece.face.font, buffer)
        starts = sorted({info.cluster for info in buffer.glyph_infos})
        ends = dict(zip(starts, [*starts[1:], len(piece.text)], strict=True))
        said: set[int] = set()
        glyphs = []
        for info, position in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
            text = "" if info.cluster in said else piece.text[info.cluster : ends[info.cluster]]
            said.add(info.cluster)
            if piece.level % 2:
                text = as_drawn(text)
            glyphs.append(Glyph(info.codepoint, text, position.x_advance, position.x_offset, position.y_offset))
        return Run(piece.face, tuple(glyphs))


def cleaned(text: str) -> str:
    """The text as one line can show it: no control or formatting characters but joiners and direction marks,
    no lone surrogates, white space as single spaces, letters composed."""
    short = text if len(text) <= LONGEST else text[: LONGEST - 1] + ELLIPSIS
    spaced = "".join(" " if letter.isspace() else letter for letter in short)
    kept = "".join(
        letter
        for letter in spaced
        if letter in JOINERS or letter in MARKS or unicodedata.category(letter) not in ("Cc", "Cf", "Cs")
    )
    return " ".join(unicodedata.normalize("NFC", kept).split())


def _language(text: str) -> str:
    """Which of the East Asian forms of a character is meant: Japanese beside kana, Korean beside Hangul."""
    scripts = {script_of(letter) for letter in text}
    if scripts & {"Hira", "Kana"}:
        return "ja"
    if "Hang" in scripts:
        return "ko"
    return "zh-Hans" if "Hani" in scripts else "en"


def _words(text: str) -> Iterator[str]:
    """What stays together on a line: words with the spaces after them, single characters of unspaced scripts."""
    start = 0
    for place in range(1, len(text)):
        before, letter = text[place - 1], text[place]
        joined = letter in JOINERS | MARKS or before in JOINERS or unicodedata.category(letter)[0] == "M"
        after_space = before == " " and letter != " "
        between = script_of(letter) in UNSPACED and script_of(before) not in ("Zyyy",)
        if not joined and (after_space or between):
            yield text[start:place]
            start = place
    if text:
        yield text[start:]


def _cut(text: str, length: int) -> str:
    """At most `length` characters from the start, never through a letter and its marks."""
    while 0 < length < len(text) and (
        unicodedata.category(text[length])[0] == "M" or text[length] in JOINERS or text[length - 1] in JOINERS
    ):
        length -= 1
    return text[:length].rstrip()
