"""Text of a PDF: any script in the right order, whatever fonts there are, and a box and a line where there are none."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from bidi.mirror import MIRRORED
from hypothesis import example, given, settings
from hypothesis import strategies as st

from persistence.exports import pdf_fonts
from persistence.exports.pdf import report_pdf
from persistence.exports.pdf_fonts import FontBook, font_book
from persistence.exports.pdf_order import embedding_levels, reads_leftwards, visual_order
from persistence.exports.pdf_text import Line, Typesetter, cleaned
from tests.drivers.pdf_reading import overlaps, save_font, shown, squeezed, whole_text
from tests.shops.report_documents import categories

HEBREW = "".join(chr(code) for code in range(0x05D0, 0x05EB))
DEVANAGARI = "".join(chr(code) for code in range(0x0900, 0x0980))
CHINESE = "高级客户"


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without fonts."""
    monkeypatch.setattr(pdf_fonts, "SYSTEM", ())
    font_book.cache_clear()
    yield
    font_book.cache_clear()


def drawn(line: Line) -> str:
    """The line's characters from left to right, each as it stands in the text."""
    return "".join(glyph.text for run in line.runs for glyph in run.glyphs)


def vera() -> Typesetter:
    return Typesetter(FontBook(((pdf_fonts.LAST / "Vera.ttf", pdf_fonts.LAST / "VeraBd.ttf"),)))


def displayed(text: str, rtl: bool) -> str:
    return "".join(text[place] for place in visual_order(embedding_levels(text, rtl)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Champions 12", "Champions 12"),
        ("אבג", "גבא"),
        ("אבג 12", "12 גבא"),
        ("אבג (VIP) 12", "12 )VIP( גבא"),
        ("Prefer אבג דה now", "Prefer הד גבא now"),
        ("אבג [דה] AB", "AB ]הד[ גבא"),
        ("مرحبا 123", "123 ابحرم"),
    ],
)
def test_characters_stand_in_the_order_of_the_bidirectional_algorithm(text: str, expected: str) -> None:
    assert displayed(text, reads_leftwards(text)) == expected


@given(st.text(max_size=40), st.booleans())
@example("\U0002fa1e\U00018d09", False)
def test_ordering_moves_every_character_once(text: str, rtl: bool) -> None:
    clean = cleaned(text)

    assert sorted(visual_order(embedding_levels(clean, rtl))) == list(range(len(clean)))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60), st.floats(2, 30))
def test_wrapping_loses_nothing_and_keeps_to_the_width(text: str, width: float) -> None:
    letters = vera()

    lines = letters.wrapped(text, width)

    assert unturned("".join(map(drawn, lines))) == unturned(cleaned(text))
    assert all(line.width <= width or len(drawn(line).strip()) <= 2 for line in lines)


def unturned(text: str) -> list[str]:
    """Characters in no order, brackets in no direction."""
    return sorted(min(letter, MIRRORED.get(letter, letter)) for letter in text if letter not in " \u200e\u200f")


def test_what_does_not_fit_ends_in_an_ellipsis() -> None:
    letters = vera()

    assert drawn(letters.fitted("Champions", 20)) == "Champions"
    short = letters.fitted("Champions of the world", 6)
    assert drawn(short).endswith("…") and drawn(short).startswith("Cham")
    assert short.width <= 6


def test_control_characters_and_lone_surrogates_are_not_shown() -> None:
    assert cleaned("a\x00b\u202ec\ud800d\n\te\u00ad") == "abcd e"


def test_letters_and_their_marks_are_composed() -> None:
    assert cleaned("Cafe\u0301") == "Café"


def test_a_missing_font_gives_boxes_and_a_line_that_says_so(bare: None) -> None:
    data = report_pdf(categories((CHINESE, "Books")))

    text = whole_text(data)
    assert squeezed("A box stands for a character that no font here has: U+9AD8, U+7EA7, U+5BA2, U+6237.") in text
    assert "SEGMENTS_FONTS" in text
    assert CHINESE in text, "the box stands for the character also where text is copied"
    assert [pair for page in shown(data) for pair in overlaps(page.boxes)] == []


def test_of_many_missing_characters_the_first_are_listed(bare: None) -> None:
    text = whole_text(report_pdf(categories((DEVANAGARI[5:25], "Books"))))

    assert squeezed("U+0905, U+0906, U+0907, U+0908, U+0909, U+090A, U+090B, U+090C and 12 more.") in text


@pytest.mark.parametrize(("file", "postscript"), [("Own.ttf", False), ("Own.otf", True)])
def test_fonts_of_the_folder_are_used(bare: None, tmp_path: Path, file: str, postscript: bool) -> None:
    (tmp_path / "below").mkdir()
    save_font(tmp_path / "below" / file, CHINESE, postscript=postscript)

    data = report_pdf(categories((CHINESE, "Books")), tmp_path)

    text = whole_text(data)
    assert CHINESE in text
    assert "Abox" not in text
    assert b"+Own " in data


def test_names_that_run_leftwards_are_read_back_in_order(bare: None, tmp_path: Path) -> None:
    save_font(tmp_path / "Own.ttf", HEBREW)

    text = whole_text(report_pdf(categories(("ספרים וכלים", "Books")), tmp_path))

    assert squeezed("ספרים וכלים") in text


def test_a_file_that_is_no_font_is_passed_over(bare: None, tmp_path: Path) -> None:
    (tmp_path / "Broken.ttf").write_bytes(b"\x00\x01\x00\x00 not a font")
    (tmp_path / "Empty.otf").write_bytes(b"")
    save_font(tmp_path / "Own.ttf", CHINESE)

    assert "Abox" not in whole_text(report_pdf(categories((CHINESE, "Books")), tmp_path))


def test_a_folder_that_is_not_there_is_no_error(bare: None, tmp_path: Path) -> None:
    assert squeezed("Category preference") in whole_text(report_pdf(categories(("Books",)), tmp_path / "gone"))


def test_noto_is_asked_for_its_script_before_dejavu(tmp_path: Path) -> None:
    for file in ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "NotoSansHebrew-Regular.ttf", "NotoSansTamil-Regular.ttf"):
        save_font(tmp_path / file, HEBREW + ("A" if file != "NotoSansHebrew-Regular.ttf" else ""))
    save_font(tmp_path / "Corporate.ttf", "B")

    names = [path.name for path, _bold in font_book(tmp_path).files if path.parent == tmp_path]

    assert names == [
        "Corporate.ttf",
        "NotoSans-Regular.ttf",
        "NotoSansHebrew-Regular.ttf",
        "DejaVuSans.ttf",
        "NotoSansTamil-Regular.ttf",
    ]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=200), min_size=1, max_size=4, unique=True))
def test_any_names_make_a_file_with_everything_on_its_pages(names: list[str]) -> None:
    for page in shown(report_pdf(categories(tuple(names), business=names[0]))):
        assert [box for box in page.boxes if box[2] > 554.5 or box[1] < 20 or box[3] > 815] == []
