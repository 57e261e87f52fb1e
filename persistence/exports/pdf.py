"""A report as a PDF: the words of pdf_content.py in the template beside this file, which gets them as data and can read
no file but itself, set in the fonts of this machine. The same document on the same machine gives the same bytes."""

import json
import logging
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import typst

from domain.reports.document import ReportDocument
from persistence.exports.pdf_content import build_content

log = logging.getLogger("segments")
TEMPLATE = Path(__file__).with_name("report.typ")
SYSTEM = (
    Path("/usr/local/share/fonts"),
    Path("/usr/share/fonts"),
    Path("/Library/Fonts"),
    Path("/System/Library/Fonts"),
)
FAMILIES = (
    "Noto Sans",
    "Noto Sans Arabic",
    "Noto Sans Hebrew",
    "Noto Sans Devanagari",
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Noto Sans JP",
    "Noto Sans KR",
    "Noto Sans TC",
    "DejaVu Sans",
)
"""In the order they are asked. For a character that none of them has, the font most like them is taken that has it."""
MISSING = re.compile(r'the text `"(.+?)"` could not be displayed')
ESCAPED = re.compile(r"\\u\{([0-9a-f]+)\}")
LISTED = 8
"""Characters without a font that the log lists at a time."""
REMEMBERED = 10
"""Compilations for which the typesetter keeps what it laid out; so many empty ones later it has let go of a report's
hundred megabytes, which no other report would use."""
LONGEST = 4_000
"""Characters of one text that are set; what is longer ends in an ellipsis."""
KEPT = frozenset("\u200c\u200d\u200e\u200f")
"""Joiners, and invisible letters of a direction."""


@dataclass(frozen=True, slots=True)
class FontBook:
    """The fonts of this machine, and the characters of which the log has said that they lack them."""

    fonts: typst.Fonts
    families: tuple[str, ...]
    told: set[str] = field(default_factory=set)

    def tell(self, missing: Iterable[str]) -> None:
        """Say of each character once that no font has it."""
        new = sorted({letter for letter in missing if letter not in KEPT} - self.told)
        if not new:
            return
        self.told.update(new)
        listed = ", ".join(
            f"U+{ord(letter):04X} {unicodedata.name(letter, 'without a name')}" for letter in new[:LISTED]
        )
        more = "" if len(new) <= LISTED else f" and {len(new) - LISTED:,} more"
        log.warning(
            "no font for PDF reports has %s%s; put one that has them into the folder of SEGMENTS_FONTS", listed, more
        )


@lru_cache(maxsize=8)
def load_font_book(folder: Path | None = None) -> FontBook:
    """The fonts under the given folder, then the system's, then the few of the typesetter."""
    places = [str(place) for place in (folder, *SYSTEM) if place is not None]
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=True, font_paths=places)
    installed = fonts.fonts()
    own = {font.family for font in installed if font.path and folder in Path(font.path).parents}
    put = sorted(family for family in own if family not in FAMILIES and not family.startswith("Noto"))
    there = {font.family for font in installed}
    return FontBook(fonts, (*put, *(family for family in FAMILIES if family in there)))


def render_report_pdf(document: ReportDocument, fonts: Path | None = None) -> bytes:
    """The file. `fonts` is a folder whose fonts come before the system's."""
    book, content = load_font_book(fonts), build_content(document)
    try:
        return _set_pages(book, content)
    except typst.TypstError as error:
        if content["logo"] is None:
            raise
        # Its first bytes were those of a picture when it was given.
        log.warning("the logo of %s cannot be drawn, so reports have none: %s", document.business_key, error)
        return _set_pages(book, {**content, "logo": None})


def _set_pages(book: FontBook, content: dict[str, Any]) -> bytes:
    data = json.dumps({"fonts": book.families, **_clean_value(content)})
    template = TEMPLATE.read_bytes()
    # Compilers are not for two threads, so each file has its own. The template is its root: it can read no other file.
    compiler = typst.Compiler(root=TEMPLATE, font_paths=book.fonts, sys_inputs={"data": data})
    try:
        pages = compiler.compile(template, format="pdf", pdf_standards="ua-1")
    except typst.TypstError as error:
        # A file for screen readers may hold no character without a glyph: the refusal names them. So one that is not.
        book.tell(_find_missing(error.diagnostic))
        pages = compiler.compile(template, format="pdf")
    for _ in range(REMEMBERED):
        compiler.compile(b"", format="svg")
    assert isinstance(pages, bytes), "a PDF is one file"
    return pages


def _find_missing(diagnostic: str) -> Iterator[str]:
    for characters in MISSING.findall(diagnostic):
        yield from ESCAPED.sub(lambda code: chr(int(code[1], 16)), characters)


def clean_text(text: str) -> str:
    """The text as one line can show it: no control or formatting characters but joiners and direction marks,
    no lone surrogates, white space as single spaces, letters composed."""
    short = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    spaced = "".join(" " if letter.isspace() else letter for letter in short)
    letters = (letter for letter in spaced if letter in KEPT or unicodedata.category(letter) not in ("Cc", "Cf", "Cs"))
    return " ".join(unicodedata.normalize("NFC", "".join(letters)).split())


def _clean_value(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {key: _clean_value(each) for key, each in value.items()}
    return [_clean_value(each) for each in value] if isinstance(value, list | tuple) else value
