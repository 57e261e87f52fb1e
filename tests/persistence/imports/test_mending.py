"""A file of rejects, mended and imported, gives what the file without faults gives; and whatever the order of a file's
rows, they make the same orders."""

import csv
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from domain.imports.formats import SourceFormat
from domain.imports.model import ImportSummary
from domain.model import Business
from gql.cli.actions.imported import Rejects
from gql.composition import Services
from persistence.database.engines import Database
from persistence.imports.importer import PurchaseImporter
from persistence.sources.opening import open_purchases
from tests.conftest import SetClock, sample_cases
from tests.drivers.store_image import StoreImage, assert_sound, image

pytestmark = pytest.mark.anyio
HEADER = ["customer_id", "order_id", "date", "amount", "category", "storefront", "status", "currency"]
CUSTOMERS = ("Ada", "=Ben", "'=Cy", "-7", "@dora", "O'Neill")
FAULTS: dict[str, Callable[[list[str]], list[str]]] = {
    "no customer": lambda row: ["", *row[1:]],
    "another customer": lambda row: ["Zoe", *row[1:]],
    "no order": lambda row: [row[0], "", *row[2:]],
    "date": lambda row: [*row[:2], "yesterday", *row[3:]],
    "no date": lambda row: [*row[:2], "", *row[3:]],
    "amount": lambda row: [*row[:3], "-x", *row[4:]],
    "status": lambda row: [*row[:6], "=lost", row[7]],
    "currency": lambda row: [*row[:7], "USD"],
    "short": lambda row: row[:3],
    "long": lambda row: [*row, "=more"],
}


class Shop:
    """A business with a folder of files."""

    def __init__(self, database: Database, business: Business, folder: Path, clock: SetClock) -> None:
        self.database, self.business, self.folder, self.clock = database, business, folder, clock
        folder.mkdir()

    def run(self, path: Path, **options: Any) -> tuple[ImportSummary, Path]:
        """Import the file; the file of its rejects."""
        opened = open_purchases(path, self.business, SourceFormat.read(options))
        target = path.with_suffix(".rejects.csv")
        with Rejects(target).open_writer(opened.header, opened.read_source_rows) as reject:
            summary = PurchaseImporter(self.database, self.business, self.clock).run(
                opened.name,
                opened.read_rows,
                opened.read_texts,
                actor="test",
                rejects=reject,
                beside=reject,
                digest=opened.compute_digest(),
                stated=opened.stated,
            )
        return summary, target

    def write(self, name: str, rows: Sequence[Sequence[str]], delimiter: str = ",") -> Path:
        path = self.folder / name
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, delimiter=delimiter).writerows(rows)
        return path

    def image(self) -> StoreImage:
        return image(self.database, self.business)


def read(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


@pytest.fixture
def new(database: Database, services: Services, tmp_path: Path, clock: SetClock) -> Callable[[str], Any]:
    async def make(key: str) -> Shop:
        business = await services.businesses.create(key, key, "UTC", "EUR")
        return Shop(database, business, tmp_path / key, clock)

    return make


def draw_rows(draw: random.Random) -> list[list[str]]:
    """Rows of orders of one to four lines, some of them refunds, in any order."""
    rows = []
    for number in range(12):
        customer = draw.choice(CUSTOMERS)
        order = draw.choice(["{}", "={}", "'{}", "-{}"]).format(number + 1)
        shop = draw.choice(["Main", "", "Side"])
        for place in range(draw.randrange(1, 5)):
            amount = f"{draw.randrange(1, 90)}.{draw.randrange(10, 99)}"
            if place and draw.random() < 0.3:
                amount = f"-{amount}"
            status = draw.choice(["", "paid", "partial"] if not place else ["paid", "pending", "refunded", "voided"])
            category = draw.choice(["Tea", "", "=Rice", 'Cups, "green"', "two\nlines"])
            day = f"2024-03-{draw.randrange(1, 29):02}T{draw.randrange(24):02}:30:00"
            rows.append([customer, order, day, amount, category, shop, status, "EUR"])
    draw.shuffle(rows)
    return rows


def damage(draw: random.Random, rows: list[list[str]], faults: list[str]) -> list[list[str]]:
    """The rows with faults in some. The first row of an order that can be told says whose it is."""
    wrong, owned = [], set[str]()
    for row in rows:
        fault = draw.choice(faults) if draw.random() < 0.25 else ""
        if fault == "another customer" and row[1] not in owned:
            fault = ""
        if not fault:
            owned.add(row[1])
        wrong.append(FAULTS[fault](row) if fault else row)
    return wrong


def forget_places(found: StoreImage) -> dict[str, list[Any]]:
    return {order: sorted(map(repr, (line[1:] for line in lines))) for order, lines in found.lines.items()}


@pytest.mark.parametrize("seed", sample_cases(range(16), 0, 1, 2))
async def test_mended_rejects_give_what_the_whole_file_gives(seed: int, new: Callable[[str], Any]) -> None:
    draw = random.Random(seed)
    rows, faults = draw_rows(draw), list(FAULTS)
    if seed % 2:
        # A row whose order cannot be known comes after the others of its order.
        faults.remove("no order")
    good, damaged = await new("good"), await new("damaged")
    good.run(good.write("orders.csv", [HEADER, *rows]))
    wrong = damage(draw, rows, faults)
    first, rejects = damaged.run(damaged.write("orders.csv", [HEADER, *wrong]))
    before = damaged.image()

    # As it is, it is rejected again and changes nothing.
    unmended, again = damaged.run(rejects)
    assert damaged.image() == before
    assert (unmended.created, unmended.updated) == (0, 0)
    assert len(read(again)) == len(read(rejects))

    lines: dict[int, list[str]] = {}
    with (damaged.folder / "orders.csv").open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        line = 1
        for place, _ in enumerate(reader):
            if place:
                lines[line] = rows[place - 1]
            line = reader.line_num + 1
    header, *listed = read(rejects)
    place = header.index("reject_line")
    assert header == [*HEADER, "reject_line", "reject_reason", "reject_order"]
    assert sum(bool(row[place + 1]) for row in listed) == first.rejected
    mended = [[*lines[int(row[place])], *row[place : place + 3]] for row in listed]
    path = damaged.write("mended.csv", [header, *mended])
    done, _ = damaged.run(path)
    once = damaged.image()

    assert done.rejected == 0
    whole = good.image()
    assert once.purchases == whole.purchases
    assert forget_places(once) == forget_places(whole)
    assert once.totals == whole.totals
    if seed % 2:
        assert once.lines == whole.lines
    more, _ = damaged.run(path)
    assert (more.unchanged, damaged.image()) == (more.rows_read, once)
    await assert_sound(damaged.database, damaged.business, damaged.clock)


async def test_the_options_of_the_first_import_fit_its_rejects(new: Callable[[str], Any]) -> None:
    shop = await new("shop")
    header = ["=who", "no", "when", "sum", "note"]
    rows = [
        ["Ada", "1", "31/03/2024", "1.234,50", "x"],
        ["Ada", "1", "30/02/2024", "-2,50", "-"],
        ["Ben", "2", "", "1", ""],
    ]
    named = dict(zip(header, ("customer_id", "order_id", "purchase_date", "amount"), strict=False))
    options = {"columns": named, "date_format": "%d/%m/%Y", "decimal": ",", "thousands": "."}

    _, rejects = shop.run(shop.write("orders.csv", [header, *rows], ";"), **options)
    listed = read(rejects)
    listed[2][2], listed[3][2] = "01/04/2024", "2024-04-02T09:30:00"
    summary, again = shop.run(shop.write("mended.csv", listed), **options)
    told = open_purchases(again, shop.business, SourceFormat.read(options))

    assert listed[0] == ["'=who", "no", "when", "sum", "note", "reject_line", "reject_reason", "reject_order"]
    assert [row[3:6] for row in listed[1:]] == [["1.234,50", "x", "2"], ["-2,50", "'-", "3"], ["1", "", "4"]]
    assert [row[7] for row in listed[1:]] == ["1", "1", "2"]
    assert (summary.created, summary.rejected) == (3, 0)
    assert {order: row[5] for order, row in shop.image().purchases.items()} == {"1": 123200, "2": 100}
    assert told.columns.ignored == ("note",)


@pytest.mark.parametrize("seed", sample_cases(range(6), 0, 1))
async def test_the_order_of_rows_changes_no_order(seed: int, new: Callable[[str], Any]) -> None:
    draw = random.Random(seed)
    rows = draw_rows(draw)
    # Whose storefront an order has is said by its first row.
    rows = [[*row[:5], "", *row[6:]] for row in rows]
    one, other = await new("one"), await new("other")

    one.run(one.write("orders.csv", [HEADER, *sorted(rows, key=lambda row: row[1])]))
    other.run(other.write("orders.csv", [HEADER, *rows]))

    assert one.image().purchases == other.image().purchases
    assert forget_places(one.image()) == forget_places(other.image())
    expected = {}
    for order in {row[1] for row in rows}:
        own = [row for row in rows if row[1] == order]
        amounts = [round(float(row[3]) * 100) for row in own]
        counted = [amount for amount, row in zip(amounts, own, strict=True) if row[6] in QUALIFYING or amount < 0]
        expected[order.removeprefix("'")] = max(0, sum(counted))
    found = {order: row[5] for order, row in one.image().purchases.items()}
    assert found == expected


QUALIFYING = ("", "paid", "partial")
