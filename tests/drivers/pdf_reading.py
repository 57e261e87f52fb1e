"""What a PDF shows, read back: the text of its pages and the boxes that it takes. Also small fonts to set it in."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from struct import pack

import pypdfium2

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
        pages.append(Shown(drop_spaces(text.get_text_range()), boxes))
        text.close()
        page.close()
    document.close()
    return pages


def drop_spaces(text: str) -> str:
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


def save_font(path: Path, letters: str, family: str = "Made") -> None:
    """A font of squares for these letters; their advance is an em."""
    count = len(letters) + 1
    square = pack(">5hHH4B8h", 1, 50, 0, 900, 700, 3, 0, 1, 1, 1, 1, 50, 0, 850, 0, 0, 700, 0, -700)
    groups = b"".join(pack(">3I", ord(letter), ord(letter), place) for place, letter in enumerate(sorted(letters), 1))
    name = family.encode("utf-16-be")
    names = b"".join(pack(">6H", 3, 1, 0x409, kind, len(name), 0) for kind in (1, 6))
    tables = {
        b"cmap": pack(">4HI2H3I", 0, 1, 3, 10, 12, 12, 0, 16 + len(groups), 0, len(letters)) + groups,
        b"glyf": square * count,
        b"head": pack(">4I2H2Q4h2H3h", 0x10000, 0, 0, 0x5F0F3CF5, 0, 1000, 0, 0, 50, 0, 900, 700, 0, 8, 2, 1, 0),
        b"hhea": pack(">I3hH11hH", 0x10000, 900, -200, 0, 1000, 50, 50, 900, 1, *[0] * 7, count),
        b"hmtx": pack(">Hh", 1000, 50) * count,
        b"loca": b"".join(pack(">I", len(square) * place) for place in range(count + 1)),
        b"maxp": pack(">I14H", 0x10000, count, 4, 1, 0, 0, 1, *[0] * 8),
        b"name": pack(">3H", 0, 2, 30) + names + name,
    }
    directory, body = pack(">I4H", 0x10000, len(tables), 128, 3, 0), b""
    for tag, table in tables.items():
        directory += pack(">4s3I", tag, 0, 12 + 16 * len(tables) + len(body), len(table))
        body += table + bytes(-len(table) % 4)
    path.write_bytes(directory + body)
