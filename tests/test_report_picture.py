"""The picture of a PDF in the README is one of a report of this program: the demo shop as of one day, set in the font
that is always there. `UPDATE_PICTURES=1` draws it anew."""

import os
from datetime import UTC, date, datetime, time
from pathlib import Path

import pypdfium2
import pytest
from PIL import Image, ImageChops, ImageStat

from domain.demo.shop import CURRENCY, KEY, NAME, TIME_ZONE, make_demo_shop
from domain.model import Actor
from domain.reports.document import ReportRequest
from gql.composition import Services
from persistence.database.engines import open_database
from persistence.exports import pdf
from persistence.exports.pdf import load_font_book, render_report_pdf
from persistence.migrations.migrate import upgrade

pytestmark = pytest.mark.anyio
PICTURE = Path(__file__).parents[1] / "docs" / "report.png"
AS_OF = date(2026, 11, 21)
SCALE = 1.4
ACTOR = Actor("documentation")


async def drawn(folder: Path) -> Image.Image:
    """The first page of the report of the last 90 days."""
    database = open_database(f"sqlite:///{folder / 'segments.sqlite'}")
    upgrade(database.bulk)
    now = datetime.combine(AS_OF, time(12, 0, 0, 900_000), UTC)
    services = Services(database, lambda: now)
    shop = make_demo_shop(now)
    try:
        business = await services.businesses.create(KEY, NAME, TIME_ZONE, CURRENCY)
        await services.customers.upsert(business, shop.customers, ACTOR, limit=len(shop.customers))
        await services.purchases.record(business, shop.purchases, ACTOR, limit=len(shop.purchases))
        data = render_report_pdf(await services.report_files.make_document(business, ReportRequest()))
    finally:
        await database.close()
    page = pypdfium2.PdfDocument(data)[0]
    return page.render(scale=SCALE).to_pil().quantize(128, Image.Quantize.MAXCOVERAGE)


async def test_the_picture_in_the_readme_is_a_report_of_this_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf, "SYSTEM", ())
    load_font_book.cache_clear()

    made = await drawn(tmp_path)

    load_font_book.cache_clear()
    if os.environ.get("UPDATE_PICTURES"):
        made.save(PICTURE, optimize=True)
    kept = Image.open(PICTURE)
    assert kept.size == made.size
    difference = ImageChops.difference(kept.convert("L"), made.convert("L"))
    # Edges of letters may be drawn a shade darker elsewhere; another figure is many pixels of full contrast.
    strong = difference.point(lambda shade: 255 if shade > 100 else 0)
    assert ImageStat.Stat(strong).sum[0] / 255 < 40
