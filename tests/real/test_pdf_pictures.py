"""The PDF as a picture, with Noto fonts: joined letters, ink under every stretch of text, and pictures kept for whoever
wants to look. The fonts are the system's, or those of the folder in SEGMENTS_FONTS."""

import os
from pathlib import Path

import pypdfium2
import pytest
from PIL import Image, ImageChops

from domain.reports.document import ReportDocument
from persistence.exports.pdf import load_font_book, render_report_pdf
from tests.drivers.pdf_reading import drop_spaces, overlaps, shown, whole_text
from tests.shops.report_documents import categories, eight_segments

pytestmark = [pytest.mark.tools, pytest.mark.fonts]
NAMES = {
    "Latin": "Électronique",
    "Greek": "Κοσμήματα",
    "Cyrillic": "Обувь и сумки",
    "Arabic": "متجر كبير",
    "Hebrew": "ספרים וכלים",
    "Devanagari": "प्रीमियम ग्राहक",
    "Thai": "ลูกค้าพรีเมียม",
    "Chinese": "高级客户与礼品",
    "Japanese": "カタカナと漢字",
    "Korean": "한국 화장품",
}
SCALE = 2.0
FOLDER = Path(os.environ["SEGMENTS_FONTS"]) if os.environ.get("SEGMENTS_FONTS") else None


def pictures(data: bytes) -> list[Image.Image]:
    document = pypdfium2.PdfDocument(data)
    made = [page.render(scale=SCALE).to_pil().convert("L") for page in document]
    document.close()
    return made


def every_script() -> ReportDocument:
    return categories(tuple(NAMES.values()), business=f"Brückner {NAMES['Japanese']}", storefront=NAMES["Hebrew"])


def title(name: str) -> bytes:
    """A report with the name in large letters at its head."""
    return render_report_pdf(categories(("Books",), business=name), FOLDER)


def width(name: str) -> float:
    # The number of the page comes first.
    left, _bottom, right, _top = shown(title(name))[0].boxes[1]
    return right - left


def last_letter(name: str) -> Image.Image:
    """The last letter of the title, as drawn."""
    document = pypdfium2.PdfDocument(title(name))
    page = document[0]
    text = page.get_textpage()
    left, bottom, right, top = text.get_charbox(text.get_text_range().index(name) + len(name) - 1)
    picture = page.render(scale=8.0).to_pil().convert("L")
    document.close()
    height = picture.height / 8.0
    cut = picture.crop(tuple(round(8.0 * value) for value in (left, height - top, right, height - bottom)))
    return cut.resize((96, 96))


def differing(first: Image.Image, second: Image.Image) -> int:
    """Pixels of full contrast."""
    return sum(ImageChops.difference(first, second).histogram()[128:])


def test_letters_are_shaped() -> None:
    assert width("بيت") < width("ب") + width("ي") + width("ت"), "Arabic letters are joined"
    assert width("क्ष") < width("क") + width("ष"), "Devanagari has conjuncts"


def test_a_character_that_japanese_and_chinese_write_differently_follows_its_neighbours() -> None:
    chinese, japanese = last_letter("客直"), last_letter("カ直")

    assert differing(chinese, last_letter("户直")) < 100
    assert differing(chinese, japanese) > 500


def test_every_script_is_read_back_and_has_ink(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    load_font_book.cache_clear()

    data = render_report_pdf(every_script(), FOLDER)

    assert caplog.records == [], "install fonts-noto-core and fonts-noto-cjk, or name their folder in SEGMENTS_FONTS"
    text = whole_text(data)
    for script, name in NAMES.items():
        assert drop_spaces(name) in text, script
    pages = shown(data)
    for place, (page, picture) in enumerate(zip(pages, pictures(data), strict=True)):
        picture.save(tmp_path / f"scripts-{place + 1}.png")
        assert overlaps(page.boxes) == []
        for left, bottom, right, top in page.boxes:
            height = picture.height / SCALE
            corners = (left - 1, height - top - 1, right + 1, height - bottom + 1)
            darkest, lightest = picture.crop(tuple(round(SCALE * value) for value in corners)).getextrema()
            assert lightest - darkest > 60, (place, corners)


def test_the_usual_report_has_ink_in_every_quarter_of_its_first_page(tmp_path: Path) -> None:
    data = render_report_pdf(eight_segments(), FOLDER)

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
