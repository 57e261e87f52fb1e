"""What a PDF shows, read back: the text of its pages and the boxes that it takes. Also small fonts to set it in."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pypdfium2
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.t2CharStringPen import T2CharStringPen
from fontTools.pens.ttGlyphPen import TTGlyphPen

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Shown:
    """A page: its text without white space, and left, bottom, right and top of each stretch of text."""

    text: str
    boxes: tuple[Box, ...]


def shown(data: bytes) -> list[Shown]:
    document = pypdfium2.PdfDocument(data)
    pages = []
    for page in document:
        text = page.get_textpage()
        boxes = tuple(text.get_rect(place) for place in range(text.count_rects()))
        pages.append(Shown(squeezed(text.get_text_range()), boxes))
        text.close()
        page.close()
    document.close()
    return pages


def squeezed(text: str) -> str:
    return "".join(text.split())


def whole_text(data: bytes) -> str:
    return "".join(page.text for page in shown(data))


def overlaps(boxes: Sequence[Box], slack: float = 0.8) -> list[tuple[Box, Box]]:
    """Pairs that share more than a hair. Boxes in the order of the text: where a font tucks a comma under the letter
    before it, the two are neighbours and share up to three quarters of its width."""
    kept = sorted((box, place) for place, box in enumerate(boxes))
    found = []
    for rank, ((left, bottom, right, top), place) in enumerate(kept):
        for other, other_place in kept[rank + 1 :]:
            if other[0] > right - slack:
                break
            wide = min(right, other[2]) - other[0]
            tucked = other_place == place + 1 and wide < min(2 * slack, 0.75 * (other[2] - other[0]))
            if min(top, other[3]) - max(bottom, other[1]) > slack and wide > slack and not tucked:
                found.append(((left, bottom, right, top), other))
    return found


def save_font(path: Path, letters: str, *, postscript: bool = False) -> None:
    """A font of squares for these letters; their advance is an em."""
    names = {ord(letter): f"uni{ord(letter):04X}" for letter in letters}
    builder = FontBuilder(1000, isTTF=not postscript)
    builder.setupGlyphOrder([".notdef", *names.values()])
    builder.setupCharacterMap(names)
    corners = [(50, 0), (50, 700), (900, 700), (900, 0)]
    shapes = {}
    for name in (".notdef", *names.values()):
        pen = T2CharStringPen(1000, None) if postscript else TTGlyphPen(None)
        pen.moveTo(corners[0])
        for corner in corners[1:]:
            pen.lineTo(corner)
        pen.closePath()
        shapes[name] = pen.getCharString() if postscript else pen.glyph()
    if postscript:
        builder.setupCFF("Made", {"FullName": "Made"}, shapes, {})
    else:
        builder.setupGlyf(shapes)
    builder.setupHorizontalMetrics(dict.fromkeys(shapes, (1000, 50)))
    builder.setupHorizontalHeader(ascent=900, descent=-200)
    builder.setupNameTable({"familyName": "Made", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
