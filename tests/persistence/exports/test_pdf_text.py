"""Text of a PDF: any script in the right order, whatever fonts there are, never read as code, and a line in the log
where no font has a character."""

import ctypes
import io
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
import typst
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from domain.reports.brand import Brand, Picture, read_picture
from persistence.exports import pdf
from persistence.exports.pdf import LONGEST, clean_text, load_font_book, render_report_pdf
from tests.drivers.pdf_reading import drop_spaces, overlaps, save_font, shown, whole_text
from tests.shops.report_documents import categories, eight_segments, trended

HEBREW = "".join(chr(code) for code in range(0x05D0, 0x05EB))
CHINESE = "高级客户"
RARE = "".join(chr(code) for code in range(0x16A0, 0x16B4))
"""Runes, which no font of the typesetter has."""
HOSTILE = (
    '#read("/etc/passwd")',
    '#import "@preview/cetz:0.3.0": canvas',
    "$ x^2 $ *bold* _slanted_ `raw`",
    "= Heading <label> @label",
    "// comment /* more */ ~ -- ---",
    "\\u{41} \\ \\# ]] }} )) [[ {{ ((",
    '"}], "cards": null, \\" \' <script>alert(1)</script>',
    "https://example.com #panic()",
    "%PDF-1.7 endstream endobj",
)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without fonts."""
    monkeypatch.setattr(pdf, "SYSTEM", ())
    load_font_book.cache_clear()
    yield
    load_font_book.cache_clear()


def report(*names: str, fonts: Path | None = None) -> bytes:
    return render_report_pdf(categories(names), fonts)


def test_names_that_look_like_code_come_out_as_written(bare: None) -> None:
    text = whole_text(render_report_pdf(categories(HOSTILE, business=HOSTILE[0], storefront=HOSTILE[1])))

    for name in HOSTILE:
        assert text.count(drop_spaces(name)) >= 3, name
    assert text.startswith(drop_spaces(HOSTILE[0]), len("Page1of2"))


@pytest.mark.parametrize("path", ["/etc/passwd", "secret.txt", "/secret.txt", "../secret.txt"])
def test_the_template_can_read_no_other_file(
    bare: None, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "below").mkdir()
    for folder in (tmp_path, tmp_path / "below"):
        (folder / "secret.txt").write_text("secret")
    template = tmp_path / "below" / "report.typ"
    template.write_text(f'#read("{path}")')
    monkeypatch.setattr(pdf, "TEMPLATE", template)

    with pytest.raises(typst.TypstError, match=r"failed to load|escape"):
        report("Books")


def test_reports_made_at_once_are_those_made_one_by_one(bare: None) -> None:
    documents = [categories(("Books", f"Games {place}")) for place in range(4)]
    alone = [render_report_pdf(each) for each in documents]

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(render_report_pdf, documents)) == alone


def test_a_report_is_tagged_for_screen_readers(bare: None) -> None:
    data = report("Books")

    assert b"<pdfuaid:part>1</pdfuaid:part>" in data
    assert b"/Lang(en" in data


def test_the_tags_of_a_report_name_its_headings_tables_and_charts(bare: None) -> None:
    data = render_report_pdf(trended(eight_segments(brand=Brand(logo=picture()))))

    assert b"<pdfuaid:part>1</pdfuaid:part>" in data
    raw = pypdfium2.raw
    document = pypdfium2.PdfDocument(data)
    assert raw.FPDFCatalog_IsTagged(document) == 1
    assert document.get_metadata_value("Title") == "Customer segmentation, Brückner & Söhne"
    found: list[tuple[str, str]] = []
    for page in document:
        tree = raw.FPDF_StructTree_GetForPage(page)
        roots = range(raw.FPDF_StructTree_CountChildren(tree))
        for root in roots:
            walk(raw.FPDF_StructTree_GetChildAtIndex(tree, root), found)
        raw.FPDF_StructTree_Close(tree)
    kinds = {kind for kind, _ in found}
    assert kinds >= {"H1", "H2", "Table", "TR", "TH", "TD", "L", "LI", "Figure", "P"}
    logo, *charts = dict.fromkeys(alt for kind, alt in found if kind == "Figure")
    assert logo == "Logo of Brückner & Söhne"
    assert [alt.partition(",")[0] for alt in charts] == ["Customers: RFM segments", "Revenue"]
    assert all(alt.endswith("A table below has the figures.") for alt in charts)


def walk(element: Any, found: list[tuple[str, str]]) -> None:
    """The kind and the words of an element of the structure and of everything below it."""
    raw = pypdfium2.raw

    def read(get: Callable[..., int]) -> str:
        length = get(element, None, 0)
        kept = ctypes.create_string_buffer(length)
        get(element, kept, length)
        return kept.raw[: max(length - 2, 0)].decode("utf-16-le")

    found.append((read(raw.FPDF_StructElement_GetType), read(raw.FPDF_StructElement_GetAltText)))
    for place in range(raw.FPDF_StructElement_CountChildren(element)):
        child = raw.FPDF_StructElement_GetChildAtIndex(element, place)
        if child:
            walk(child, found)


def picture() -> Picture:
    file = io.BytesIO()
    Image.new("RGB", (300, 100), "#ff00ff").save(file, "png")
    return read_picture(file.getvalue())


def test_a_logo_stands_on_the_first_page(bare: None) -> None:
    data = render_report_pdf(trended(eight_segments(brand=Brand(logo=picture()))))

    colours = [page.render().to_pil().getcolors(1 << 24) for page in pypdfium2.PdfDocument(data)]
    inked = [sum(count for count, colour in each if colour[:3] == (255, 0, 255)) for each in colours]
    assert inked[0] > 2_000
    assert set(inked[1:]) == {0}


def test_a_logo_that_cannot_be_drawn_is_left_out_and_told(bare: None, caplog: pytest.LogCaptureFixture) -> None:
    whole = picture()
    broken = replace(whole, data=whole.data[:40] + b"\0" * 20 + whole.data[60:])

    data = render_report_pdf(eight_segments(brand=Brand(logo=broken)))

    assert drop_spaces("Customers 1,000") in whole_text(data)
    assert b"<pdfuaid:part>1</pdfuaid:part>" in data
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "the logo of shop cannot be drawn, so reports have none"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("אבג", "גבא"),
        ("אבג 12", "12 גבא"),
        ("אבג (VIP) 12", "12 )VIP( גבא"),
        ("Prefer אבג דה now", "Prefer הד גבא now"),
    ],
)
def test_characters_stand_in_the_order_of_the_bidirectional_algorithm(
    bare: None, tmp_path: Path, text: str, expected: str
) -> None:
    save_font(tmp_path / "Own.ttf", HEBREW)
    document = pypdfium2.PdfDocument(render_report_pdf(categories(("Books",), business=text), tmp_path))

    page = document[0].get_textpage()
    start = page.get_text_range().index("Page 1 of 2") + len("Page 1 of 2\r\n")

    title = [(page.get_charbox(place)[0], page.get_text_range(place, 1)) for place in range(start, start + len(text))]
    assert drop_spaces("".join(letter for _left, letter in sorted(title))) == drop_spaces(expected)
    assert (title[0][0] > 300) == (text[0] in HEBREW), "a name stands where its script begins"
    document.close()


def test_names_that_run_leftwards_are_read_back_in_order(bare: None, tmp_path: Path) -> None:
    save_font(tmp_path / "Own.ttf", HEBREW)

    text = whole_text(report("ספרים וכלים", "Books", fonts=tmp_path))

    assert drop_spaces("ספרים וכלים") in text


def test_control_characters_and_lone_surrogates_are_not_shown() -> None:
    assert clean_text("a\x00b\u202ec\ud800d\n\te\u00ad") == "abcd e"


def test_letters_and_their_marks_are_composed() -> None:
    assert clean_text("Cafe\u0301") == "Café"


def test_an_endless_text_ends_in_an_ellipsis() -> None:
    assert clean_text("a" * LONGEST) == "a" * LONGEST
    assert clean_text("a" * 9_999) == "a" * (LONGEST - 1) + "…"


def test_a_name_that_does_not_fit_a_chart_ends_in_an_ellipsis(bare: None) -> None:
    text = whole_text(report("Champions of the world and of every country in it"))

    assert "Championsoftheworld" in text.partition("…")[0][-40:]


def test_a_character_without_a_font_is_told_once_in_the_log_and_never_on_the_page(
    bare: None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "segments")

    data = report(CHINESE, "Books")
    again = report(CHINESE, "Games")

    assert [record.getMessage() for record in caplog.records] == [
        "no font for PDF reports has U+5BA2 CJK UNIFIED IDEOGRAPH-5BA2, U+6237 CJK UNIFIED IDEOGRAPH-6237, "
        "U+7EA7 CJK UNIFIED IDEOGRAPH-7EA7, U+9AD8 CJK UNIFIED IDEOGRAPH-9AD8; put one that has them into the folder "
        "of SEGMENTS_FONTS"
    ]
    for made in (data, again):
        text = whole_text(made)
        assert "SEGMENTS_FONTS" not in text and "U+" not in text
        assert drop_spaces("Books 897" if made is data else "Games 897") in text
        assert [pair for page in shown(made) for pair in overlaps(page.boxes)] == []


def test_of_many_missing_characters_the_first_are_listed(bare: None, caplog: pytest.LogCaptureFixture) -> None:
    report(RARE, "Books")

    (record,) = caplog.records
    assert "U+16A0 RUNIC LETTER FEHU FEOH FE F, U+16A1 RUNIC" in record.getMessage()
    assert "U+16A7" in record.getMessage() and "U+16A8" not in record.getMessage()
    assert " and 12 more;" in record.getMessage()


def test_fonts_of_the_folder_are_used(bare: None, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "below").mkdir()
    save_font(tmp_path / "below" / "Own.ttf", CHINESE)

    data = report(CHINESE, "Books", fonts=tmp_path)

    assert CHINESE in whole_text(data)
    assert b"+Made" in data
    assert caplog.records == []


def test_a_folder_may_be_named_from_where_the_program_runs(
    bare: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fonts").mkdir()
    save_font(tmp_path / "fonts" / "Own.ttf", "B")
    monkeypatch.chdir(tmp_path)

    assert load_font_book(Path("fonts")).families == ("Made",)


def test_a_file_that_is_no_font_is_passed_over(bare: None, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "Broken.ttf").write_bytes(b"\x00\x01\x00\x00 not a font")
    (tmp_path / "Empty.otf").write_bytes(b"")
    save_font(tmp_path / "Own.ttf", CHINESE)

    assert CHINESE in whole_text(report(CHINESE, "Books", fonts=tmp_path))
    assert caplog.records == []


def test_a_folder_that_is_not_there_is_no_error(bare: None, tmp_path: Path) -> None:
    assert drop_spaces("Category preference") in whole_text(report("Books", fonts=tmp_path / "gone"))


def test_fonts_are_asked_in_a_fixed_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, system = tmp_path / "own", tmp_path / "system"
    for folder in (own, system):
        folder.mkdir()
    for place, family in enumerate(("DejaVu Sans", "Noto Sans", "Noto Sans Hebrew", "Noto Sans Tamil", "Other")):
        save_font(system / f"{place}.ttf", "A", family)
    for place, family in enumerate(("House Style", "Corporate", "Noto Serif")):
        save_font(own / f"{place}.ttf", "B", family)
    monkeypatch.setattr(pdf, "SYSTEM", (system,))
    load_font_book.cache_clear()

    families = load_font_book(own).families

    load_font_book.cache_clear()
    assert families == ("Corporate", "House Style", "Noto Sans", "Noto Sans Hebrew", "DejaVu Sans")


@settings(max_examples=12, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=200), min_size=1, max_size=4, unique=True))
@example(["\ufffe", "\ue000 \U000e0001", "\u1680\u2028", "\u0301", "\u200e"])
def test_any_names_make_a_file_with_everything_on_its_pages(names: list[str]) -> None:
    for page in shown(render_report_pdf(categories(tuple(names), business=names[0]))):
        assert [box for box in page.boxes if box[2] > 554.5 or box[1] < 20 or box[3] > 822] == []
