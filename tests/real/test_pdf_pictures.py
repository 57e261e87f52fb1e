"""The PDF as a picture, with Noto fonts: joined and reordered letters, ink under every stretch of text, and pictures
kept for whoever wants to look. The fonts are the system's, or those of the folder in SEGMENTS_FONTS."""

import os
from pathlib import Path

import pypdfium2
import pytest
from PIL import Image

from domain.reports.document import ReportDocument
from persistence.exports.pdf import report_pdf
from persistence.exports.pdf_fonts import font_book
from persistence.exports.pdf_text import Typesetter
from tests.drivers.pdf_reading import overlaps, shown, squeezed, whole_text
from tests.shops.report_documents import categories, eight_segments

pytestmark = [pytest.mark.tools, pytest.mark.fonts]
NAMES = {
    "Latin": "Électronique",
    "Greek": "Κοσμήματα",
    "Cyrillic": "Обувь и сумки",
    "Arabic": "ملابس نسائية (جديد)",
    "Hebrew": "ספרים (VIP) 12",
    "Devanagari": "प्रीमियम ग्राहक",
    "Chinese": "高级客户与礼品",
    "Japanese": "カタカナと漢字",
    "Korean": "한국 화장품",
}
SCALE = 2.0
FOLDER = Path(os.environ["SEGMENTS_FONTS"]) if os.environ.get("SEGMENTS_FONTS") else None


@pytest.fixture(scope="module")
def letters() -> Typesetter:
    made = Typesetter(font_book(FOLDER))
    for name in NAMES.values():
        made.line(name)
    assert not made.missing, "install fonts-noto-core and fonts-noto-cjk, or name their folder in SEGMENTS_FONTS"
    return made


def glyphs(letters: Typesetter, text: str) -> list[int]:
    return [glyph.number for run in letters.line(text).runs for glyph in run.glyphs]


def pictures(data: bytes) -> list[Image.Image]:
    document = pypdfium2.PdfDocument(data)
    made = [page.render(scale=SCALE).to_pil().convert("L") for page in document]
    document.close()
    return made


def every_script() -> ReportDocument:
    return categories(tuple(NAMES.values()), business=f"Brückner {NAMES['Japanese']}", storefront=NAMES["Hebrew"])


def test_arabic_letters_are_joined(letters: Typesetter) -> None:
    word = "بيت"

    joined = glyphs(letters, word)
    apart = [glyphs(letters, letter) for letter in reversed(word)]

    assert joined != [number for alone in apart for number in alone]


def test_devanagari_vowels_stand_before_the_consonant_they_follow(letters: Typesetter) -> None:
    assert glyphs(letters, "कि")[-1] == glyphs(letters, "क")[0]
    assert len(glyphs(letters, "क्ष")) < 3


def test_a_character_that_japanese_and_chinese_write_differently_follows_its_neighbours(letters: Typesetter) -> None:
    chinese, japanese = glyphs(letters, "直")[-1], glyphs(letters, "カ直")[-1]

    assert chinese != japanese


def test_every_script_is_read_back_and_has_ink(letters: Typesetter, tmp_path: Path) -> None:
    data = report_pdf(every_script(), FOLDER)

    text = whole_text(data)
    for script, name in NAMES.items():
        assert squeezed(name) in text, script
    pages = shown(data)
    for place, (page, picture) in enumerate(zip(pages, pictures(data), strict=True)):
        picture.save(tmp_path / f"scripts-{place + 1}.png")
        assert overlaps(page.boxes) == []
        for left, bottom, right, top in page.boxes:
            height = picture.height / SCALE
            corners = (left - 1, height - top - 1, right + 1, height - bottom + 1)
            darkest, lightest = picture.crop(tuple(round(SCALE * value) for value in corners)).getextrema()
            assert lightest - darkest > 60, (place, corners)


def test_the_usual_report_has_ink_in_every_quarter_of_its_first_page(letters: Typesetter, tmp_path: Path) -> None:
    data = report_pdf(eight_segments(), FOLDER)

    for place, picture in enumerate(pictures(data)):
        picture.save(tmp_path / f"report-{place + 1}.png")
        assert picture.size == (1191, 1684)
    first = pictures(data)[0]
    half = (first.width // 2, first.height // 2)
    for left in (0, half[0]):
        for top in (0, half[1]):
            quarter = first.crop((left, top, left + half[0], top + half[1]))
            inked = sum(count for shade, count in enumerate(quarter.histogram()) if shade < 250)
            assert 0.01 < inked / (half[0] * half[1]) < 0.5
