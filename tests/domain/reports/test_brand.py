"""How files look: colours that follow what groups mean and can be read, and pictures that are pictures."""

import base64
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from domain.classification.groups import VALUES, Meaning
from domain.classification.rfm import EIGHT, ELEVEN, UNCLASSIFIED
from domain.model import BusinessSettings
from domain.reports.brand import (
    ACCENT,
    COLOURS,
    LARGEST,
    PALE,
    WHITE,
    Brand,
    choose_letters,
    compute_contrast,
    darken_until_readable,
    decode_picture,
    judge_change,
    lighten_until_readable,
    list_shades,
    read_picture,
)

GOOD, WATCH, BAD, NEUTRAL = Meaning.GOOD, Meaning.WATCH, Meaning.BAD, Meaning.NEUTRAL
WRONG = {
    "an empty file": (b"", "must be a whole PNG or JPEG picture"),
    "text": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "must be a whole PNG or JPEG picture"),
    "a signature alone": (b"\x89PNG\r\n\x1a\n", "must be a whole PNG or JPEG picture"),
    "a GIF": (b"GIF89a\x10\x00\x10\x00", "must be a whole PNG or JPEG picture"),
    "large": (b"\x89PNG\r\n\x1a\n" + bytes(LARGEST), "must have at most 102,400 bytes"),
}


def picture(kind: str, size: tuple[int, int] = (120, 40)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "#7b1fa2").save(file, kind)
    return file.getvalue()


def test_every_group_has_its_meaning() -> None:
    meanings = {group.name: group.meaning for group in (*EIGHT, *ELEVEN, UNCLASSIFIED, *VALUES)}

    assert {name for name, meaning in meanings.items() if meaning is BAD} == {
        "At Risk",
        "Hibernating",
        "Previously Loyal",
        "Dormant",
    }
    assert {name for name, meaning in meanings.items() if meaning is WATCH} == {
        "Need Attention",
        "Needs Attention",
        "Almost Lost",
    }
    assert {name for name, meaning in meanings.items() if meaning is NEUTRAL} == {
        "Unclassified",
        "Medium Value",
        "Low Value",
    }


@pytest.mark.parametrize(
    ("meaning", "change", "expected"),
    [
        (GOOD, 3, GOOD),
        (GOOD, -3, BAD),
        (BAD, 3, BAD),
        (BAD, -3, GOOD),
        (WATCH, 3, BAD),
        (WATCH, -3, GOOD),
        (NEUTRAL, 3, NEUTRAL),
        (BAD, 0, NEUTRAL),
    ],
)
def test_more_of_what_is_bad_is_worse(meaning: Meaning, change: int, expected: Meaning) -> None:
    assert judge_change(meaning, change) is expected


def test_every_colour_can_be_read() -> None:
    for colour in (*COLOURS.values(), ACCENT):
        for ground in (WHITE, PALE):
            assert compute_contrast(colour, ground) >= 4.5, (colour, ground)


def test_contrast_is_that_of_the_recommendation() -> None:
    assert compute_contrast("#000000", "#ffffff") == 21
    assert compute_contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert compute_contrast("#ffffff", "#ffffff") == 1


@given(st.integers(0, 0xFFFFFF))
def test_any_colour_of_a_business_becomes_one_that_can_be_read(number: int) -> None:
    colour = f"#{number:06x}"

    readable = darken_until_readable(colour)

    assert compute_contrast(readable, WHITE) >= 4.5
    assert (readable == colour) == (compute_contrast(colour, WHITE) >= 4.5)


@given(st.integers(0, 0xFFFFFF))
def test_letters_can_be_read_on_any_ground(number: int) -> None:
    ground = f"#{number:06x}"

    assert compute_contrast(choose_letters(ground), ground) >= 4.5
    assert compute_contrast(lighten_until_readable(ground), "#000000") >= 4.5


def test_shades_of_one_colour_differ_and_begin_with_it() -> None:
    shades = list_shades(COLOURS[GOOD], 6)

    assert shades[0] == COLOURS[GOOD]
    assert len(set(shades)) == 6
    assert list_shades(COLOURS[BAD], 1) == [COLOURS[BAD]]


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_a_picture_says_its_format_and_its_size(kind: str) -> None:
    made = read_picture(picture(kind))

    assert (made.format, made.width, made.height) == ("jpg" if kind == "jpeg" else "png", 120, 40)
    assert str(made) == f"{made.format.upper()} picture, 120 x 40 pixels, {len(made.data):,} bytes"


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_picture_is_refused_with_what_would_be_right(name: str) -> None:
    data, said = WRONG[name]

    with pytest.raises(ValueError, match=said):
        read_picture(data)


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_a_picture_that_is_cut_off_is_refused(kind: str) -> None:
    whole = picture(kind)

    for length in range(0, len(whole) - 2, 7):
        with pytest.raises(ValueError, match="must be a whole PNG or JPEG picture"):
            read_picture(whole[:length])


@pytest.mark.parametrize("size", [(15, 40), (40, 15), (2001, 40), (40, 2001)])
def test_a_picture_of_another_size_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"not {size[0]:,} x {size[1]:,} pixels"):
        read_picture(picture("png", size))


@given(st.binary(max_size=80), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"]))
def test_no_bytes_are_more_than_refused(rest: bytes, start: bytes) -> None:
    try:
        read_picture(start + rest)
    except ValueError as error:
        assert str(error).startswith("must ")


def test_base64_may_be_broken_into_lines_and_nothing_else() -> None:
    text = base64.encodebytes(picture("png")).decode()

    assert decode_picture(text).data == picture("png")
    for wrong in ("not base64!", "é", "====", text[:-3]):
        with pytest.raises(ValueError, match=r"in base64|whole PNG"):
            decode_picture(wrong)


def test_a_brand_is_what_the_settings_say() -> None:
    logo = base64.b64encode(picture("png")).decode()
    settings = BusinessSettings.of({"brand": {"logo": logo, "colour": "#ffcc00", "currency": "Rs"}})

    made = Brand.of(settings)

    assert made.logo is not None
    assert made.logo.width == 120
    assert made.accent == darken_until_readable("#ffcc00") != "#ffcc00"
    assert Brand.of(BusinessSettings()) == Brand()
