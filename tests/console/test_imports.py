"""Files in the console: looked at, corrected, imported, followed, and taken back."""

import csv
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from domain.imports.columns import PURCHASE_FIELDS
from domain.imports.model import NewImport
from gql.schema.types.ids import encode
from tests.drivers.browser import Page
from tests.drivers.console import Console, Shop, check_accessibility, serve
from tests.drivers.documents import ROOT
from tests.shops.console_shops import fill_nothing

pytestmark = [pytest.mark.tools, pytest.mark.anyio]

ORDERS = """Kunde;Bestellnr;Datum;Betrag;Zustand;Sparte
17;B1;03.04.2026;1.234,50;bezahlt;Schuhe
18;B2;05.04.2026;12,50;bezahlt;Hüte
18;B2;05.04.2026;1,50;bezahlt;Hüte
19;B3;06.04.2026;9,90;storno;
;B4;06.04.2026;9,90;bezahlt;
20;B5;;9,90;bezahlt;Schuhe
"""


@pytest.fixture
async def empty(tmp_path: Path) -> AsyncIterator[Shop]:
    """A shop of the test alone, which takes files of at most 2 MB."""
    async with serve(tmp_path / "shop", fill_nothing, upload_bytes=2_000_000) as shop:
        yield shop


async def choose(page: Page, file: Path, content: str = ORDERS) -> None:
    """Choose a file of that content; it has been looked at then."""
    file.write_text(content, "utf-8")
    await page.set_files("#file", file)
    await page.wait_text("Columns", "main")
    await page.settle()


async def bring(page: Page) -> None:
    """Import what was looked at, to its end."""
    await page.click(selector="#import")
    await page.wait_text("Rows read", "main", 30)
    await page.settle()


async def test_a_file_is_looked_at_corrected_imported_and_taken_back(
    console: Console, empty: Shop, tmp_path: Path
) -> None:
    page = await console.open(empty, "/imports")
    assert "No file has been imported yet" in await page.text("main")
    (tmp_path / "orders.csv").write_text(ORDERS, "utf-8")

    await page.drop_files(".drop", tmp_path / "orders.csv")
    await page.wait_text("Columns", "main")
    await page.settle()
    await check_accessibility(page)
    await page.focus("#column-4")
    await page.choose("Field of the column Zustand", "Status")
    await page.wait_text("Words of the status", "main")
    await page.settle()
    focused = await page.focused()
    await page.choose("What storno means", "Cancelled")
    await page.settle()
    await page.click("each is a customer of its own")
    await page.settle()
    asked = await page.texts("legend")
    command = await page.evaluate("document.querySelector('#command pre').textContent")
    await bring(page)

    assert focused == "Field of the column Zustand"
    assert "1 row of the sample name no customer." in asked
    assert command.startswith("segments import orders.csv --business shop")
    assert "--status storno=CANCELLED" in command
    assert await page.texts(".figure strong") == ["6", "5", "0", "0", "1"]
    await check_accessibility(page)
    assert (await page.rows("table"))[1] == ["the date is absent", "1", "7", "Give the row its date."]
    await page.click("the date is absent", selector="tbody a")
    await page.wait_text("1 row rejected for: the date is absent", "main")
    assert "reason=" in await page.address()
    await page.click("Save as CSV")
    with (await page.downloaded()).open(encoding="utf-8-sig", newline="") as saved:
        rows = list(csv.reader(saved))
    assert rows[0] == ["line", "reason", "row"]
    assert rows[1][:2] == ["7", "the date is absent"]

    await page.click("Take this import back")
    await page.click("Take it back", within="dialog")
    await page.wait_text("Taken back", "main", 30)
    assert "4 orders removed, 0 orders restored, 4 customers removed" in await page.text(".notice")
    assert (await empty.query("{ customers { totalCount } }"))["customers"]["totalCount"] == 0


async def test_what_a_file_needs_is_kept_as_a_format(console: Console, empty: Shop, tmp_path: Path) -> None:
    page = await console.open(empty, "/imports")
    await choose(page, tmp_path / "orders.csv")

    await page.fill("Keep all this as a format named", "Not a name")
    await page.click("Keep")
    await page.wait_text("name", ".ending .failed")
    await page.fill("Keep all this as a format named", "till")
    await page.click("Keep")
    await page.wait_text("read by the kept format till", "main")
    await page.settle()

    command = await page.evaluate("document.querySelector('#command pre').textContent")
    assert command == "segments import orders.csv --business shop --source-format till"
    formats = (await empty.query("{ sourceFormats { name settings preset } }"))["sourceFormats"]
    assert [one["settings"]["decimal"] for one in formats if not one["preset"]] == [","]


async def test_an_import_is_followed_again_after_the_page_was_loaded_anew(
    console: Console, empty: Shop, tmp_path: Path
) -> None:
    page = await console.open(empty, "/imports")
    many = "".join(f"C{n % 5_000},O{n},2026-03-01,{n % 90 + 1}.50,Tea\n" for n in range(40_000))
    await choose(page, tmp_path / "many.csv", f"customer_id,order_id,date,amount,category\n{many}")

    await page.click(selector="#import")
    await page.wait_for("location.hash.startsWith('#/imports/')", 30)
    await page.reload()
    await page.wait_text("Rows read", "main", 60)
    await page.settle()

    assert (await page.texts(".figure strong"))[:2] == ["40,000", "40,000"]


async def test_an_import_that_waits_is_followed_and_cancelled(console: Console, empty: Shop) -> None:
    business = await empty.services.businesses.open(empty.business)
    queued = await empty.services.imports.queue(business, NewImport("orders.csv", {}, "somebody"), None)
    page = await console.open(empty, "/imports")
    await page.wait_text("waits", "tbody")
    await check_accessibility(page)

    await page.click("orders.csv", selector="tbody a")
    await page.wait_text("It waits for its turn.", "main")
    await check_accessibility(page)
    assert str(encode("PurchaseImport", business.id, queued.id)) in unquote(await page.address())
    await page.click("Cancel")

    await page.wait_text("It was cancelled.", ".notice")
    await page.wait_gone("It waits for its turn.", "main")


async def test_what_the_server_does_not_take_is_said(console: Console, empty: Shop, tmp_path: Path) -> None:
    page = await console.open(empty, "/imports")
    (tmp_path / "large.csv").write_text("customer_id,date,amount\n" + "A,2026-03-01,5.00\n" * 200_000, "utf-8")
    (tmp_path / "picture.png").write_bytes(bytes(range(256)))

    await page.set_files("#file", tmp_path / "large.csv")
    await page.wait_text("at most 2000000 bytes", ".notice.error", 60)
    await page.click("Choose another file")
    await page.set_files("#file", tmp_path / "picture.png")
    await page.wait_text("is not a text file", ".notice.error")

    page.complaints.clear()


async def test_who_may_only_look_is_told_what_is_missing(console: Console, empty: Shop) -> None:
    page = await console.open(empty, "/imports", token=empty.token("customers:view"))

    assert "it needs the permission customers:edit" in await page.text(".notice")
    assert await page.texts("#file") == []
    await check_accessibility(page)


def test_the_fields_that_columns_may_be_are_those_that_are_read() -> None:
    source = (ROOT / "gql" / "console" / "inspection.js").read_text("utf-8")

    listed = source[source.index("export const FIELDS") : source.index("const STATUSES")]
    assert {part.split("'")[1] for part in listed.split("[")[2:]} == set(PURCHASE_FIELDS)
