"""Rows that are added to orders of the store instead of replacing their lines: twice adds nothing, a refund finds its
order, and taking the import back restores what was."""

import pytest

from domain.model import Business
from gql.composition import Services
from persistence.imports.undo import ImportUndo
from tests.conftest import SetClock
from tests.drivers.files import HEADER, Importer, counts
from tests.drivers.store_image import StoreImage, assert_sound, image
from tests.persistence.conftest import buy
from tests.persistence.imports.test_undo import ACTOR, newest
from tests.shops.factories import line, purchase

pytestmark = pytest.mark.anyio
DAY = "2024-03-01"
WITH_CATEGORY = f"{HEADER},category,status"
MONDAY = (f"A,O1,{DAY}T10:00,10,Tea,", f"B,O2,{DAY}T10:00,7,Tea,pending")
TUESDAY = (f"A,O1,{DAY}T09:00,10,Tea,", f"A,O1,{DAY}T11:00,2.50,Rice,", f"C,O3,{DAY},1,,")


def add(importer: Importer, *lines: str, content: str | None = None) -> tuple[int, int, int, int]:
    """Import these lines as those of a file of their own that is added."""
    given = content or "|".join(lines)
    return counts(importer.lines(*lines, header=WITH_CATEGORY, digest=given, stated=tuple))


def state(importer: Importer) -> StoreImage:
    return image(importer.database, importer.business)


def state_whole(importer: Importer, *lines: str) -> tuple[int, int, int, int]:
    return counts(importer.lines(*lines, header=WITH_CATEGORY, digest="|".join(lines)))


async def test_rows_are_added_to_the_lines_that_are_there_and_never_twice(importer: Importer, clock: SetClock) -> None:
    state_whole(importer, *MONDAY)

    assert add(importer, *TUESDAY) == (1, 2, 0, 0)

    found = state(importer)
    tea, rice = (None, 1000, "COMPLETED"), ("Rice", 250, "COMPLETED")
    assert found.lines["O1"] == [(1, "Tea", *tea[1:]), (2, "Tea", *tea[1:]), (3, *rice)]
    assert found.purchases["O1"][3:6] == ("COMPLETED", 1, 2250)
    assert found.purchases["O1"][1] == found.purchases["O2"][1] - 3_600_000_000
    assert add(importer, *TUESDAY) == add(importer, *TUESDAY) == (0, 0, 3, 0)
    # Nor that which stood there before, whoever sends it again to be added.
    assert add(importer, *MONDAY) == (0, 0, 2, 0)
    assert state(importer) == found
    await assert_sound(importer.database, importer.business, clock)


async def test_equal_rows_of_another_file_are_added(importer: Importer) -> None:
    for content in ("first", "second", "second"):
        add(importer, MONDAY[0], content=content)

    assert state(importer).purchases["O1"][5] == 2000


async def test_what_an_order_has_become_since_is_added_to(importer: Importer) -> None:
    add(importer, MONDAY[0])
    state_whole(importer, f"A,O1,{DAY},3,Cup,")

    assert add(importer, MONDAY[0]) == (0, 1, 0, 0)
    assert state(importer).purchases["O1"][5] == 1300


async def test_a_refund_in_a_file_of_its_own_lowers_the_order_that_it_names(
    importer: Importer, clock: SetClock
) -> None:
    state_whole(importer, f"A,O1,{DAY},10,Tea,", f"A,O2,{DAY},4,Tea,", f"B,O5,{DAY},4,Tea,")
    rows = (
        f"A,O1,{DAY},-2,Tea,refunded",
        f"A,O2,{DAY},-5,,",
        f"A,O2,{DAY},-1,,",
        f"A,O4,{DAY},-3,,",
        f"A,O5,{DAY},-1,,",
    )

    assert add(importer, *rows) == (0, 3, 0, 2)

    found = state(importer)
    assert [found.purchases[order][5] for order in ("O1", "O2", "O5")] == [800, 0, 400]
    assert found.lines["O2"] == [
        (1, "Tea", 400, "COMPLETED"),
        (2, None, -500, "COMPLETED"),
        (3, None, -100, "COMPLETED"),
    ]
    assert "O4" not in found.purchases
    assert [row[0] for row in importer.rejected] == [5, 6]
    await assert_sound(importer.database, importer.business, clock)


@pytest.mark.parametrize(
    ("stored", "added", "status", "amount"),
    [
        ("pending", "", "COMPLETED", 250),
        ("", "pending", "COMPLETED", 1000),
        ("refunded", "cancelled", "REFUNDED", 1000),
        ("pending", "pending", "PENDING", 1250),
    ],
)
async def test_status_and_amount_follow_from_all_lines(
    stored: str, added: str, status: str, amount: int, importer: Importer, clock: SetClock
) -> None:
    state_whole(importer, f"A,O1,{DAY},10,Tea,{stored}")
    add(importer, f"A,O1,{DAY},2.50,Tea,{added}")
    one_file = (f"A,P1,{DAY},10,Tea,{stored}", f"A,P1,{DAY},2.50,Tea,{added}")
    state_whole(importer, *one_file)

    found = state(importer)
    assert found.purchases["O1"][3:6] == found.purchases["P1"][3:6]
    assert (found.purchases["O1"][3], found.purchases["O1"][5]) == (status, amount)
    assert found.lines["O1"] == found.lines["P1"]
    await assert_sound(importer.database, importer.business, clock)


async def test_the_discount_of_an_order_that_was_recorded_stays(
    importer: Importer, services: Services, shop: Business
) -> None:
    lines = (line("Tea", 1000), line("Rice", 500))
    await buy(services, shop, [purchase("A", "O1", DAY, 1200, lines=lines), purchase("A", "O2", DAY, 300)])

    assert add(importer, f"A,O1,{DAY},2.50,Tea,", f"A,O2,{DAY},1,Tea,") == (0, 2, 0, 0)

    found = state(importer)
    assert (found.purchases["O1"][5], found.purchases["O2"][5]) == (1450, 400)


async def test_an_import_that_added_is_taken_back(importer: Importer) -> None:
    state_whole(importer, *MONDAY)
    before = state(importer)
    add(importer, *TUESDAY)

    ImportUndo(importer.database, importer.business, lambda: importer.now, newest(importer.database)).run(ACTOR)

    assert state(importer) == before
    assert add(importer, *TUESDAY) == (1, 2, 0, 0)


async def test_orders_of_which_a_file_replaces_lines_of_another_import_are_counted(importer: Importer) -> None:
    rows = [f"A,O{number},{DAY},{number + 1},Tea," for number in range(4)]
    importer.lines(*rows, f"A,O3,{DAY},9,Rice,", header=WITH_CATEGORY)

    # The first is not stated again, the second has another status, the third and the fourth lose a line.
    again = (f"A,O1,{DAY},2,Tea,pending", f"A,O2,{DAY},5,Cup,", f"A,O3,{DAY},4,Tea,")
    summary = importer.lines(*again, header=WITH_CATEGORY)

    assert (counts(summary), summary.quality and summary.quality.replaced_orders) == ((0, 3, 0, 0), 2)
