"""Workbooks in a program that people open them with: LibreOffice reads them as they are, and shows the same values."""

import csv
import shutil
import subprocess
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pypdfium2
import pytest

from domain.calendar import to_micros
from domain.classification.groups import Meaning
from domain.model import Business, BusinessSettings
from domain.reports.brand import ACCENT, COLOURS
from domain.reports.document import ReportDocument
from domain.segments.member_export import MEMBER_COLUMNS, MemberExport
from domain.segments.model import Definition, Segment, SegmentKind
from persistence.exports.xlsx import COLUMNS, MONEY, render_report_xlsx
from persistence.exports.xlsx_members import MemberBook
from tests.shops.report_documents import categories, eight_segments, trended

pytestmark = [pytest.mark.tools, pytest.mark.libreoffice]
AT = datetime(2024, 6, 15, 12, tzinfo=UTC)
NAMES = ("=1+1", "@SUM(A1)", "高级客户", "ملابس", *(f"Category {place}" for place in range(296)))


def convert(file: Path, kind: str) -> list[Path]:
    """What LibreOffice makes of the file."""
    program = shutil.which("soffice")
    assert program is not None, "LibreOffice is not installed: apt-get install --no-install-recommends libreoffice-calc"
    target = file.parent / "converted"
    command = [program, "--headless", f"-env:UserInstallation=file://{file.parent}/profile", "--convert-to", kind]
    done = subprocess.run(
        [*command, "--outdir", target, file], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "rror" not in done.stdout + done.stderr
    return sorted(target.iterdir())


def tables(file: Path) -> dict[str, list[list[str]]]:
    """Every sheet with the values of its cells."""
    made = convert(file, "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1")
    return {path.stem.partition("-")[2]: list(csv.reader(path.read_text().splitlines(keepends=True))) for path in made}


@pytest.mark.parametrize("made", [eight_segments(), categories(NAMES)], ids=["eight segments", "300 categories"])
def test_a_report_shows_its_values(tmp_path: Path, made: ReportDocument) -> None:
    file = tmp_path / "report.xlsx"
    file.write_bytes(render_report_xlsx(made))

    found = tables(file)

    titles = {"rfm": "RFM segments", "category": "Category preference"}
    dimension, groups = next(iter(made.dimensions.items()))
    head, *rows, total = found[titles[dimension]]
    assert [row[0] for row in rows] == [group.name for group in groups]
    amounts = [Decimal(row[head.index("Revenue (EUR)")]) for row in rows]
    assert amounts == [group.revenue for group in groups]
    assert (total[0], Decimal(total[head.index("Revenue (EUR)")])) == ("All customers", made.totals.revenue)
    assert [int(row[head.index("Customers")]) for row in rows] == [group.customers for group in groups]
    assert not [cell for sheet in found.values() for row in sheet for cell in row if cell.startswith(("#", "Err:"))]


def test_the_charts_are_drawn(tmp_path: Path) -> None:
    file = tmp_path / "report.xlsx"
    file.write_bytes(render_report_xlsx(trended(eight_segments())))

    (page,) = convert(file, "pdf")

    pages = pypdfium2.PdfDocument(page)
    text, *_, trend = (one.get_textpage().get_text_range() for one in pages)
    # A sheet a page; the data of the charts are on none.
    assert len(pages) == 4
    assert "353,213" in text
    # The names stand at the axes of the charts.
    assert text.count("Potential Loyalists") == 3
    for title in ("Customers", "Revenue (EUR)", "Change of customers"):
        assert f"{title}: RFM segments" in text
    # In two tables, and beside the areas of two charts.
    assert trend.count("Potential Loyalists") == 4
    colours = {colour[:3] for _, colour in pages[0].render(scale=2).to_pil().getcolors(1 << 24)}
    drawn = (ACCENT, COLOURS[Meaning.GOOD], COLOURS[Meaning.BAD], COLOURS[Meaning.NEUTRAL])
    assert {tuple(bytes.fromhex(colour[1:])) for colour in drawn} <= colours


def test_every_heading_and_every_action_is_to_be_seen(tmp_path: Path) -> None:
    file, made = tmp_path / "report.xlsx", eight_segments()
    file.write_bytes(render_report_xlsx(made))

    (page,) = convert(file, "pdf")

    shown = pypdfium2.PdfDocument(page)[1].get_textpage()
    place, _ = shown.search("Champions").get_next()
    head = shown.get_text_bounded(bottom=shown.get_charbox(place)[3] + 1).partition("2026-09-28")[2]
    words = [word for name, _ in COLUMNS for word in name.split()]
    words += ["(EUR)"] * sum(kind == MONEY for _, kind in COLUMNS)
    # Where lines are put together, the words of two cells may stand as one.
    assert sorted("".join(head.split())) == sorted("".join(words))
    text = " ".join(shown.get_text_range().split())
    assert [action for group in made.rows for action in group.actions if action not in text] == []


def test_members_show_their_values(tmp_path: Path) -> None:
    business = Business(1, "shop", "Shop", "EUR", "Asia/Colombo", BusinessSettings(), 1, 1, 1)
    segment = Segment(
        1, "vip", "=VIP", None, SegmentKind.MANUAL, False, False, Definition(), None, 1, AT, AT, AT, None, None, None,
        None, 1,
    )  # fmt: skip
    book = MemberBook(MemberExport(business, segment, AT, MEMBER_COLUMNS))
    row = ["007", "=1+1", None, "#N/A", "=VIP", to_micros(AT), "MANUAL", 3, 123450, to_micros(AT), "555"]
    book.append([[cell, cell] for cell in row])
    book.save()
    (tmp_path / "members.xlsx").write_bytes(book.read())
    book.discard()

    (found,) = tables(tmp_path / "members.xlsx").values()

    local = "2024-06-15 17:30:00"
    shown = ["007", "=1+1", "", "#N/A", "=VIP", local, "MANUAL", "3", "1234.5", local, "555"]
    assert found == [list(MEMBER_COLUMNS), shown, shown]
