"""What the rows of a purchases file mean: orders from rows, their amount and status, what is rejected and why, and that
every row is counted once. Holds on both databases."""

from datetime import UTC, datetime

import pytest

from domain.calendar import to_micros
from domain.model import Business
from gql.composition import Services
from persistence import merge
from persistence.imports.importer import PurchaseImporter
from tests.conftest import SetClock, sqlite_alone
from tests.drivers.files import HEADER, Importer, counts
from tests.drivers.store_image import StoreImage, assert_sound, image
from tests.persistence.conftest import ALL_COLUMNS, record_of
from tests.persistence.imports.test_undo import undo

pytestmark = pytest.mark.anyio
DAY = "2024-03-01"


def at(text: str) -> int:
    """Microseconds of an instant in UTC."""
    return to_micros(datetime.fromisoformat(text).replace(tzinfo=UTC))


def image_of(importer: Importer) -> StoreImage:
    return image(importer.database, importer.business)


async def test_a_row_becomes_a_purchase_with_customer_storefront_and_line(importer: Importer, clock: SetClock) -> None:
    summary = importer.lines("C1,O1,2024-03-01T09:30:00,12.50,Tea,Main St,web,paid,EUR", header=ALL_COLUMNS)

    assert counts(summary) == (1, 0, 0, 0)
    found = image_of(importer)
    assert found.purchases == {"O1": ("C1", at("2024-03-01T09:30"), 738946, "COMPLETED", 1, 1250, "Main St", "web")}
    assert found.lines == {"O1": [(1, "Tea", 1250, "COMPLETED")]}
    assert found.storefronts == [("Main St", "Main St")]
    assert found.terms == [("c1", "C1")]
    assert found.totals["C1"][:2] == (1, 1250)
    await assert_sound(importer.database, importer.business, clock)


async def test_rows_of_one_order_are_its_lines_wherever_they_stand(importer: Importer, clock: SetClock) -> None:
    rows = ("C1,O1,2024-03-01,10.00,Tea", "C2,O2,2024-03-01,5.00,Tea", "C1,O1,2024-03-01,2.50,Rice")
    summary = importer.lines(*rows, header=f"{HEADER},category")

    assert counts(summary) == (3, 0, 0, 0)
    found = image_of(importer)
    assert found.purchases["O1"][5] == 1250
    assert found.lines["O1"] == [(1, "Tea", 1000, "COMPLETED"), (2, "Rice", 250, "COMPLETED")]
    assert {key: total[:2] for key, total in found.totals.items()} == {"C1": (1, 1250), "C2": (1, 500)}
    await assert_sound(importer.database, importer.business, clock)


@pytest.mark.parametrize("held", [False, True], ids=["empty", "beside others"])
async def test_orders_that_are_all_new_are_written_as_those_are_that_may_not_be(
    held: bool, importer: Importer, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    if held:
        importer.lines("C1,other,2024-03-01,1,Tea,Shop 1,web,paid,EUR", header=ALL_COLUMNS)
    words = ("paid", "pending", "refunded")
    rows = [
        f"C{n % 7},O{n % 31},2024-{3 + n % 9:02}-01,{n}.50,Tea {n % 3},Shop {n % 4},web,{words[n % 3]},EUR"
        for n in range(40)
    ]
    first = importer.lines(*rows, header=ALL_COLUMNS)
    found, rejected = image_of(importer), importer.rejected
    await assert_sound(importer.database, importer.business, clock)
    undo(importer)
    monkeypatch.setattr(merge, "holds_any", lambda connection, business: True)
    monkeypatch.setattr(PurchaseImporter, "_read_state", lambda self, connection, expected: (1, False))

    again = importer.lines(*rows, header=ALL_COLUMNS)

    assert first.created and first.rejected and found.storefronts
    assert (counts(again), image_of(importer), importer.rejected) == (counts(first), found, rejected)


STATED = [
    (["10,paid", "5,cancelled"], "COMPLETED", 1, 1000),
    (["10,partial", "5,paid"], "COMPLETED", 1, 1500),
    (["10,partial", "5,pending"], "PARTIAL", 1, 1000),
    (["10,pending", "5,refunded", "1,cancelled", "2,pending"], "PENDING", 0, 1200),
    (["10,refunded", "5,voided"], "REFUNDED", 0, 1000),
    (["5,voided", "10,refunded", "1,refunded"], "REFUNDED", 0, 1100),
    (["10,cancelled"], "CANCELLED", 0, 1000),
    (["10,cancelled", "-4,cancelled"], "CANCELLED", 0, 600),
    (["10,cancelled", "-14,cancelled"], "CANCELLED", 0, 0),
    (["10,pending", "5,cancelled", "2,partial"], "PARTIAL", 1, 200),
    (["10,", "-4,"], "COMPLETED", 1, 600),
    (["-4,", "10,"], "COMPLETED", 1, 600),
    (["10,", "-14,"], "COMPLETED", 1, 0),
    (["10,", "-4,cancelled"], "COMPLETED", 1, 600),
    (["-4,refunded", "10,paid"], "COMPLETED", 1, 600),
    (["10,pending", "-4,refunded", "5,partial", "-3,partial"], "PARTIAL", 1, 0),
    (["10,paid", "-4,refunded", "-9,returned"], "COMPLETED", 1, 0),
    (["10,pending", "-4,refunded"], "PENDING", 0, 1000),
    (["10,refunded", "-4,refunded", "3,pending"], "PENDING", 0, 300),
    (["0,"], "COMPLETED", 1, 0),
    (["0.10,", "0.20,"], "COMPLETED", 1, 30),
    (["33.33,", "33.33,", "33.34,"], "COMPLETED", 1, 10000),
]
"""Rows of an order, and its status, whether it counts, and its amount."""


@pytest.mark.parametrize("apart", [False, True], ids=["together", "apart"])
@pytest.mark.parametrize(("rows", "status", "counted", "amount"), STATED)
@sqlite_alone
async def test_amount_and_status_of_an_order_follow_from_its_rows(
    rows: list[str], status: str, counted: int, amount: int, apart: bool, importer: Importer, clock: SetClock
) -> None:
    lines = [f"C1,O1,{DAY},{row}" for row in rows]
    if apart:
        # Each row is a piece of its own, which the store puts together.
        lines = [line for place, row in enumerate(lines) for line in (row, f"C2,P{place},{DAY},1,paid")]
    summary = importer.lines(*lines, header=f"{HEADER},status")

    assert counts(summary) == (len(lines), 0, 0, 0)
    found = image_of(importer)
    assert found.purchases["O1"][3:6] == (status, counted, amount)
    assert found.totals["C1"][:2] == (counted, amount * counted)
    assert [line[0] for line in found.lines["O1"]] == list(range(1, len(rows) + 1))
    await assert_sound(importer.database, importer.business, clock)


async def test_lines_keep_their_own_status_and_sign(importer: Importer) -> None:
    rows = (f"C1,O1,{DAY},{rest}" for rest in ("10,paid", "-3,paid", "7,returned"))
    importer.lines(*rows, header=f"{HEADER},status")

    lines = [(1, None, 1000, "COMPLETED"), (2, None, -300, "COMPLETED"), (3, None, 700, "REFUNDED")]
    assert image_of(importer).lines["O1"] == lines


async def test_an_order_with_several_timestamps_has_the_earliest(importer: Importer, clock: SetClock) -> None:
    importer.lines("C1,O1,2024-03-02T10:00,1", "C1,O1,2024-03-01T23:00,1", "C1,O1,2024-03-03T00:00,1")

    assert image_of(importer).purchases["O1"][1] == at("2024-03-01T23:00")
    await assert_sound(importer.database, importer.business, clock)


async def test_importing_twice_changes_nothing(importer: Importer, services: Services, clock: SetClock) -> None:
    rows = [
        "C1,O1,2024-03-01,10,Tea,Main,web,paid,EUR",
        "C1,O1,2024-03-01,-2,,,,paid,",
        "C2,O2,2024-03-02T10:00Z,0,Rice,,,pending,",
        "C2,O3,2024-03-02,bad,,,,,",
        "C3,O4,9000-01-01,7,,,,,",
    ]
    first = importer.lines(*rows, header=ALL_COLUMNS)
    before = image_of(importer)
    version = (await services.businesses.open("shop")).data_version

    again = importer.lines(*rows, header=ALL_COLUMNS)

    assert (counts(first), counts(again)) == ((4, 0, 0, 1), (0, 0, 4, 1))
    assert image_of(importer) == before
    assert (await services.businesses.open("shop")).data_version == version


@pytest.mark.parametrize(
    "changed",
    [
        *("2024-03-01,11,Tea,Main,web,paid", "2024-03-02,10,Tea,Main,web,paid", "2024-03-01,10,Rice,Main,web,paid"),
        *("2024-03-01,10,,Main,web,paid", "2024-03-01,10,Tea,Other,web,paid", "2024-03-01,10,Tea,,web,paid"),
        *("2024-03-01,10,Tea,Main,shop,paid", "2024-03-01,10,Tea,Main,,paid", "2024-03-01,10,Tea,Main,web,pending"),
    ],
)
async def test_a_row_that_differs_updates_its_order(
    changed: str, importer: Importer, services: Services, clock: SetClock
) -> None:
    changed, kept = f"C1,O1,{changed},EUR", "C1,O2,2024-03-01,3,Tea,Main,web,paid,EUR"
    importer.lines("C1,O1,2024-03-01,10,Tea,Main,web,paid,EUR", kept, header=ALL_COLUMNS)
    version = (await services.businesses.open("shop")).data_version

    summary = importer.lines(changed, kept, header=ALL_COLUMNS)

    assert counts(summary) == (0, 1, 1, 0)
    assert (await services.businesses.open("shop")).data_version > version
    again = image_of(importer)
    assert counts(importer.lines(changed, kept, header=ALL_COLUMNS)) == (0, 0, 2, 0)
    assert image_of(importer) == again
    await assert_sound(importer.database, importer.business, clock)


async def test_a_file_states_its_orders_completely_and_leaves_others_alone(importer: Importer, clock: SetClock) -> None:
    importer.lines("C1,O1,2024-03-01,10", "C1,O1,2024-03-01,20", "C1,O1,2024-03-01,30", "C1,O2,2024-03-01,5")

    summary = importer.lines("C1,O1,2024-03-01,30", "C1,O1,2024-03-01,10")

    assert counts(summary) == (0, 2, 0, 0)
    found = image_of(importer)
    assert found.lines["O1"] == [(1, None, 3000, "COMPLETED"), (2, None, 1000, "COMPLETED")]
    assert (found.purchases["O1"][5], found.purchases["O2"][5]) == (4000, 500)
    await assert_sound(importer.database, importer.business, clock)


async def test_the_same_row_twice_in_a_file_is_two_lines(importer: Importer) -> None:
    importer.lines("C1,O1,2024-03-01,10", "C1,O1,2024-03-01,10")

    assert image_of(importer).purchases["O1"][5] == 2000


async def test_columns_of_other_names_are_mapped(importer: Importer) -> None:
    summary = importer.lines(
        "C1,O1,03/02/2024,10.5,web",
        header="Kunde,Beleg,Tag,Brutto,Weg",
        mapping=["Kunde=customer_id", "beleg=order_id", "Tag=date", "Brutto=amount", "Weg=channel"],
        date_format="%d/%m/%Y",
    )

    assert counts(summary) == (1, 0, 0, 0)
    stored = ("C1", at("2024-02-03"), 738919, "COMPLETED", 1, 1050, None, "web")
    assert image_of(importer).purchases["O1"] == stored


async def test_texts_of_any_script_with_spaces_and_emoji_are_kept_as_they_are(
    importer: Importer, services: Services, shop: Business, clock: SetClock
) -> None:
    ids = ["Ünï çødé", "顧客 一", "عميل ١", "👩‍👩‍👧 fan", "a  b", "c/d?e=f&g", "'quoted'", "Ĳssel ﬁn", "𝔘𝔫𝔦"]

    rows = [f"{key},No {n} 🧾,2024-03-01,{n},Tee ☕,Läden 🏬,ｗｅｂ,," for n, key in enumerate(ids)]

    summary = importer.lines(*rows, header=ALL_COLUMNS)

    assert counts(summary) == (len(ids), 0, 0, 0)
    for n, key in enumerate(ids):
        assert (await record_of(services, shop, key)).totals.revenue == n * 100
    found = image(importer.database, shop)
    assert found.purchases["No 3 🧾"][6:] == ("Läden 🏬", "ｗｅｂ")
    assert found.lines["No 3 🧾"] == [(1, "Tee ☕", 300, "COMPLETED")]
    assert counts(importer.lines(*rows, header=ALL_COLUMNS))[2] == len(ids)


async def test_leading_apostrophes_that_protect_a_spreadsheet_are_taken_off(importer: Importer) -> None:
    importer.lines("'=C1,'+O1,2024-03-01,10,'@tea,'-x,'tis,,", header=ALL_COLUMNS)

    found = image_of(importer)
    assert found.purchases["+O1"][0] == "=C1"
    assert found.purchases["+O1"][6:] == ("-x", "'tis")
    assert found.lines["+O1"][0][1] == "@tea"


async def test_amounts_of_fifteen_digits_are_exact(importer: Importer, services: Services, clock: SetClock) -> None:
    most = "999999999999999.99"

    importer.lines(*(f"C{n},O{n}-{k},2024-03-01,{most}" for n in range(3) for k in range(10)))

    business = await services.businesses.open("shop")
    assert image(importer.database, business).totals["C0"][:2] == (10, 999_999_999_999_999_990)
    report = await services.reporting.make_report(business, days=9999)
    assert report.revenue == 30 * 99_999_999_999_999_999
    assert sum(group.revenue for group in report.everyone) == report.revenue
    await assert_sound(importer.database, business, clock)
