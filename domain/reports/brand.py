"""How files of a business look: its logo, its colour and what stands for its currency, as its settings say, and the
colours of what groups and changes mean, which every file and page takes from here. No colour is the only sign of
anything, and each has the contrast that WCAG asks of text on white (4.5 to 1)."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.classification.groups import Meaning
from domain.model import Business, BusinessSettings

SECTION = "brand"
LARGEST = 100 * 1024
"""Bytes of a picture: settings are read with every request."""
NARROWEST, WIDEST = 16, 2_000
"""Pixels of a picture, each way."""
LONGEST_LABEL = 8
COLOUR = re.compile("#[0-9a-f]{6}")
BLACK, WHITE = "#000000", "#ffffff"
ACCENT, INK, GREY, RULE, PALE = "#1f5fbf", "#1f2937", "#5c6470", "#d9dde3", "#f4f6f9"
"""What a business without a colour of its own has; letters, their quieter sort, lines, and the ground of cards and
totals."""
COLOURS: Mapping[Meaning, str] = {
    Meaning.GOOD: "#0b7a5c",
    Meaning.WATCH: "#966400",
    Meaning.BAD: "#b3261e",
    Meaning.NEUTRAL: GREY,
}
VERDICTS: Mapping[Meaning, str] = {Meaning.GOOD: "better", Meaning.BAD: "worse"}
"""What a change is called, beside its colour."""
READABLE = 4.5
LIGHTEST = 0.6
"""How much white the lightest of several shades has."""
PNG, PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
JPEG, JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Marks after which a JPEG says its size."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in the format `png` or `jpg`; its size is in pixels."""

    format: str
    width: int
    height: int
    data: bytes

    def __str__(self) -> str:
        return f"{self.format.upper()} picture, {self.width} x {self.height} pixels, {len(self.data):,} bytes"


@dataclass(frozen=True, slots=True)
class Brand:
    """`accent` is the colour of the business, as dark as letters must be to be read."""

    accent: str = ACCENT
    logo: Picture | None = None

    @classmethod
    def of(cls, settings: BusinessSettings) -> "Brand":
        """What the settings say."""
        section: Any = settings.stored.get(SECTION, {})
        logo = section.get("logo")
        return cls(
            darken_until_readable(section.get("colour", ACCENT)),
            None if logo is None else decode_picture(logo),
        )


def label_currency(business: Business) -> str:
    """What stands for the currency of the business beside amounts."""
    section: Any = business.settings.stored.get(SECTION, {})
    return section.get("currency") or business.currency


def decode_picture(text: str) -> Picture:
    """The picture of a text in base64; ValueError with the rest of a sentence where it is none."""
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except ValueError as error:
        raise ValueError("must be the bytes of a PNG or JPEG picture in base64") from error
    return read_picture(data)


def read_picture(data: bytes) -> Picture:
    """The picture of a file; ValueError with the rest of a sentence where it is none that can be shown."""
    if len(data) > LARGEST:
        raise ValueError(f"must have at most {LARGEST:,} bytes")
    if data.startswith(PNG) and data[12:16] == b"IHDR" and PNG_END in data:
        format, size = "png", (int.from_bytes(data[16:20]), int.from_bytes(data[20:24]))
    elif data.startswith(JPEG) and JPEG_END in data and (found := _find_jpeg_size(data)) is not None:
        format, size = "jpg", found
    else:
        raise ValueError("must be a whole PNG or JPEG picture")
    if not all(NARROWEST <= side <= WIDEST for side in size):
        raise ValueError(
            f"must be {NARROWEST} to {WIDEST:,} pixels wide and high, not {size[0]:,} x {size[1]:,} pixels"
        )
    return Picture(format, *size, data)


def _find_jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Width and height as the first frame of a JPEG states them."""
    place = 2
    while place + 9 <= len(data) and data[place] == 0xFF:
        if data[place + 1] in JPEG_FRAMES:
            return int.from_bytes(data[place + 7 : place + 9]), int.from_bytes(data[place + 5 : place + 7])
        # A mark may be filled up with 0xFF; each but these has a length.
        place += 1 if data[place + 1] == 0xFF else 2 + int.from_bytes(data[place + 2 : place + 4])
    return None


def judge_change(meaning: Meaning, change: int) -> Meaning:
    """Whether it is good, bad or neither that a group of this meaning has so many more customers, or fewer."""
    if not change or meaning is Meaning.NEUTRAL:
        return Meaning.NEUTRAL
    return Meaning.GOOD if (change > 0) == (meaning is Meaning.GOOD) else Meaning.BAD


def list_shades(colour: str, count: int) -> list[str]:
    """So many colours, from the given one to lighter ones."""
    return [mix_colours(colour, WHITE, LIGHTEST * place / max(count - 1, 1)) for place in range(count)]


def mix_colours(first: str, second: str, share: float) -> str:
    """The first colour with so much of the second, 0 to 1."""
    pairs = zip(_read_channels(first), _read_channels(second), strict=True)
    return "#" + "".join(f"{round(one + (other - one) * share):02x}" for one, other in pairs)


def darken_until_readable(colour: str) -> str:
    """The colour, or the lightest darker one that letters on white, and white letters on it, can have."""
    return _mix_until_readable(colour, BLACK, WHITE)


def lighten_until_readable(colour: str) -> str:
    """The colour, or the darkest lighter one on which black letters can be read."""
    return _mix_until_readable(colour, WHITE, BLACK)


def _mix_until_readable(colour: str, towards: str, beside: str) -> str:
    shades = (mix_colours(colour, towards, step / 20) for step in range(21))
    return next(shade for shade in shades if compute_contrast(shade, beside) >= READABLE)


def choose_letters(ground: str) -> str:
    """Black or white, whichever is read better on it."""
    return max(BLACK, WHITE, key=lambda letters: compute_contrast(letters, ground))


def compute_contrast(first: str, second: str) -> float:
    """The contrast of two colours as WCAG 2 defines it, 1 to 21."""
    darker, lighter = sorted(map(_compute_luminance, (first, second)))
    return (lighter + 0.05) / (darker + 0.05)


def _compute_luminance(colour: str) -> float:
    shares = [channel / 255 for channel in _read_channels(colour)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return sum(part * weight for part, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))


def _read_channels(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))
