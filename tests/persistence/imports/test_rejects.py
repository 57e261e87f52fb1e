"""What an import refuses, with line, text and reason; what it counts as future; and what it leaves behind: its record,
an audit event, and nothing at all after a dry run or a failure."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from domain.errors import AllRejected, InvalidInput
from domain.imports.model import RejectReason
from domain.model import Business
from domain.pages import PageRequest
from gql.composition import Services
from persistence.imports.imports import IMPORTS
from persistence.tables.imports import import_reject
from persistence.tables.jobs import job
from persistence.tables.requests import audit_event
from tests.conftest import SetClock
from tests.drivers.files import Importer, counts
from tests.drivers.store_image import assert_sound, image
from tests.persistence.conftest import ALL_COLUMNS, buy
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
AMBIGUOUS = (
    "the date '01/03/2024' may be 1 March 2024 (date_format '%d/%m/%Y') or 3 January 2024 (date_format '%m/%d/%Y')"
)
NEGATIVE = "a negative amount without a positive row in its order"
ANOTHER = "another row of this order is rejected"
ANOTHERS = "the order id belongs to another customer"
DAY = "2024-03-01"


async def test_every_rejected_row_has_its_line_its_text_and_its_reason(importer: Importer, clock: SetClock) -> None:
    wrong = [
        (",O2,2024-03-01,10,Tea,,,,", "no customer"),
        ("C1,,2024-03-01,10,Tea,,,,", "no order id"),
        ("C1,O3,,10,Tea,,,,", "the date is absent"),
        ("C1,O4,01/03/2024,10,Tea,,,,", AMBIGUOUS),
        ("C1,O5,2024-03-01,ten,Tea,,,,", "the amount 'ten' must be a number such as 12.50"),
        ("C1,O6,2024-03-01,-5,Tea,,,,", NEGATIVE),
        ("C1,O7,2024-03-01,10,Tea,,,lost,", "unknown status 'lost' (say what it means, such as status lost=COMPLETED)"),
        ("C1,O8,2024-03-01,10,Tea,,,,USD", "the currency is USD, the business's is EUR"),
        ("C2,O1,2024-03-01,10,Tea,,,,", ANOTHERS),
        ("C1,O9,2024-03-01,10", "the row has 4 cells, the header has 9"),
    ]
    summary = importer.lines("C1,O1,2024-03-01,10,Tea,,,,", *(row for row, _ in wrong), header=ALL_COLUMNS)

    assert counts(summary) == (1, 0, 0, 10)
    assert importer.rejected == [(line, reason, row) for line, (row, reason) in enumerate(wrong, 3)]
    found = image(importer.database, importer.business)
    assert list(found.purchases) == ["O1"]
    assert list(found.totals) == ["C1"]
    with importer.database.bulk.connect() as connection:
        columns = import_reject.c
        kept = connection.execute(select(columns.line, columns.reason, columns.text).order_by(columns.line))
        assert [tuple(row) for row in kept] == importer.rejected


async def test_an_order_of_refunds_alone_is_rejected_whole_and_told_with_number_and_sum(
    importer: Importer, clock: SetClock
) -> None:
    rows = ("C1,O1,2024-03-01,0", "C1,O1,2024-03-01,-5", "C1,O1,2024-03-01,-2.50", "C1,O2,2024-03-01,-1")
    summary = importer.lines(*rows, "C2,O2,2024-03-01,9", "C3,O3,2024-03-01,7")

    assert counts(summary) == (1, 0, 0, 5)
    found = [row[:2] for row in importer.rejected]
    assert found == [(2, ANOTHER), (3, NEGATIVE), (4, NEGATIVE), (5, NEGATIVE), (6, ANOTHERS)]
    quality = summary.quality
    assert quality is not None
    assert (quality.refunds_not_attributed, quality.refunded, quality.negative_amounts) == (2, 850, 3)
    assert list(image(importer.database, importer.business).purchases) == ["O3"]
    await assert_sound(importer.database, importer.business, clock)


APART = [f"C9,P{place},{DAY},1" for place in range(9)]
"""Rows between those of an order, which make each of them a piece of its own."""


@pytest.mark.parametrize("apart", [False, True], ids=["together", "apart"])
async def test_a_row_that_cannot_be_read_takes_its_whole_order_with_it(
    apart: bool, importer: Importer, clock: SetClock
) -> None:
    rows = [f"C1,O1,{DAY},10", f"C1,O1,{DAY},x", f"C1,O1,{DAY},-2", f"C2,O1,{DAY},3", f"C1,,{DAY},5", f"C3,O2,{DAY},4"]
    lines = [line for pair in zip(rows, APART, strict=False) for line in pair] if apart else rows
    summary = importer.lines(*lines)

    step = 2 if apart else 1
    ten = "the amount 'x' must be a number such as 12.50"
    found = [
        (2 + step * place, reason) for place, reason in enumerate((ANOTHER, ten, ANOTHER, ANOTHERS, "no order id"))
    ]
    assert [row[:2] for row in importer.rejected] == found
    assert [row[2] for row in importer.rejected] == rows[:5]
    assert "O1" not in image(importer.database, importer.business).purchases
    assert "O2" in image(importer.database, importer.business).purchases
    assert summary.quality is not None
    assert summary.quality.refunds_not_attributed == 0
    await assert_sound(importer.database, importer.business, clock)


async def test_an_order_of_which_a_row_cannot_be_read_stays_as_it_was_stated_before(importer: Importer) -> None:
    importer.lines(f"C1,O1,{DAY},10", f"C1,O1,{DAY},20", f"C1,O2,{DAY},30")
    before = image(importer.database, importer.business)

    summary = importer.lines(f"C1,O1,{DAY},11", "C1,O1,yesterday,20", f"C1,O2,{DAY},30")

    assert counts(summary) == (0, 0, 1, 2)
    assert image(importer.database, importer.business) == before


async def test_a_row_that_is_too_short_to_name_an_order_condemns_none(importer: Importer) -> None:
    summary = importer.lines("C1", f"C1,O1,{DAY},10", f"C1,O2,{DAY}", f"C1,O2,{DAY},4")

    assert counts(summary) == (1, 0, 0, 3)
    width = "the row has {}, the header has 4"
    found = [(2, width.format("1 cell")), (4, width.format("3 cells")), (5, ANOTHER)]
    assert [row[:2] for row in importer.rejected] == found


async def test_an_order_id_that_the_store_knows_of_another_customer_is_rejected(
    importer: Importer, services: Services, shop: Business, clock: SetClock
) -> None:
    await buy(services, shop, [purchase("C1", "O1", DAY, 100)])
    before = image(importer.database, shop)

    summary = importer.lines("C2,O1,2024-03-01,5", "C2,O1,2024-03-01,6")

    assert counts(summary) == (0, 0, 0, 2)
    assert [row[:2] for row in importer.rejected] == [(2, ANOTHERS), (3, ANOTHERS)]
    assert image(importer.database, shop) == before


async def test_future_rows_are_counted_and_qualify_from_their_instant_on(
    importer: Importer, services: Services, clock: SetClock
) -> None:
    summary = importer.lines("C1,O1,2024-03-01,10", "C1,O2,2999-12-31,20", "C1,O2,2999-12-31,5", "C1,O3,,5")

    assert (counts(summary), summary.future) == ((3, 0, 0, 1), 2)
    assert image(importer.database, importer.business).totals["C1"][:2] == (1, 1000)

    clock.now = datetime(3000, 1, 1, tzinfo=UTC)
    business = await services.businesses.open("shop")

    assert image(importer.database, business).totals["C1"][:2] == (2, 3500)
    report = await services.reporting.make_report(business, days=7)
    assert (report.customers, report.revenue) == (1, 2500)
    await assert_sound(importer.database, business, clock)


async def test_future_rows_that_are_rejected_are_not_among_those_that_wait(
    importer: Importer, services: Services, shop: Business
) -> None:
    await buy(services, shop, [purchase("C1", "O1", DAY, 100)])

    summary = importer.lines("C2,O1,2999-12-31,20", "C2,O2,2999-12-31,20")

    assert (counts(summary), summary.future) == ((1, 0, 0, 1), 1)


async def test_an_erased_customers_rows_are_rejected(importer: Importer, services: Services, shop: Business) -> None:
    await buy(services, shop, [purchase("C1", "O1", DAY, 100)])
    with importer.database.bulk.begin() as connection:
        connection.exec_driver_sql("UPDATE customer SET erased = true")
    before = image(importer.database, shop)

    summary = importer.lines("C1,O1,2024-03-01,5", "C1,O2,2024-03-01,5")

    assert counts(summary) == (0, 0, 0, 2)
    assert {reason for _, reason, _ in importer.rejected} == {"the customer was erased"}
    assert image(importer.database, shop) == before


async def test_a_dry_run_counts_and_writes_nothing(importer: Importer, services: Services, clock: SetClock) -> None:
    importer.lines("C1,O1,2024-03-01,10", "C1,O2,2024-03-01,10")
    before, business = image(importer.database, importer.business), await services.businesses.open("shop")

    rows = ("C1,O1,2024-03-01,11", "C1,O2,2024-03-01,10", "C9,O9,2024-03-01,1", "C1,O3,2024-03-01,x")
    summary = importer.lines(*rows, dry_run=True)

    assert counts(summary) == (1, 1, 1, 1)
    assert [row[0] for row in importer.rejected] == [5]
    assert image(importer.database, importer.business) == before
    assert await services.businesses.open("shop") == business
    assert counts(importer.lines(*rows)) == (1, 1, 1, 1)


async def test_an_import_leaves_its_record_and_an_audit_event(importer: Importer) -> None:
    importer.lines("C1,O1,2024-03-01,10", "C1,O2,2024-03-01,x")

    with importer.database.bulk.connect() as connection:
        record = connection.execute(IMPORTS).one()
        event = connection.execute(select(audit_event)).one()
    assert (record.status, record.source, record.error_message) == ("SUCCEEDED", "orders.csv", None)
    assert (record.rows_read, record.created, record.updated, record.unchanged, record.rejected) == (2, 1, 0, 0, 1)
    assert record.finished_at >= record.created_at
    assert (event.action, event.outcome, event.actor) == ("importPurchases", "DONE", "test")


async def test_amounts_that_add_up_to_more_than_can_be_kept_are_a_sentence_and_change_nothing(
    importer: Importer,
) -> None:
    importer.lines("C0,O0,2024-03-01,1")
    before = image(importer.database, importer.business)

    for order in ("O1", "P{n}"):
        with pytest.raises(InvalidInput, match=r"^The amounts add up to more than 9223372036854775807 minor units"):
            importer.lines(*(f"C1,{order.format(n=n)},2024-03-01,999999999999999.99" for n in range(93)))

    assert image(importer.database, importer.business) == before
    with importer.database.bulk.connect() as connection:
        statuses = connection.execute(select(job.c.status).order_by(job.c.id)).scalars().all()
    assert statuses == ["SUCCEEDED", "FAILED", "FAILED"]


async def test_an_import_whose_every_row_was_rejected_has_failed_and_keeps_them(
    importer: Importer, services: Services
) -> None:
    rows = (f"C1,O1,{DAY},x", f"C1,O2,{DAY},y", f"C1,O2,{DAY},5", f",O3,{DAY},5")

    summary = importer.lines(*rows)
    dry = importer.lines(*rows, dry_run=True)

    number = "the amount '…' must be a number such as 12.50"
    sentence = f"All 4 rows were rejected, 2 of them for this reason: {number}."
    assert (counts(summary), summary.failure, dry.failure) == ((0, 0, 0, 4), sentence, sentence)
    with pytest.raises(AllRejected, match=r"^All 4 rows"):
        summary.check()
    with importer.database.bulk.connect() as connection:
        record = connection.execute(IMPORTS).one()
        event = connection.execute(select(audit_event)).one()
        assert connection.execute(select(func.count()).select_from(import_reject)).scalar_one() == 4
    assert (record.status, record.error_code, record.error_message) == ("FAILED", "ALL_REJECTED", sentence)
    assert (record.rows_read, record.rejected, event.outcome) == (4, 4, "FAILED")


async def test_reasons_are_counted_by_kind_and_rejects_are_listed_by_it(importer: Importer, services: Services) -> None:
    importer.lines(f"C1,O1,{DAY},x", f"C1,O2,{DAY},y", f"C1,O2,{DAY},5", f",O3,{DAY},5", f"C1,O4,{DAY},5")
    importer.lines(f"C1,O4,{DAY},5")
    number = "the amount '…' must be a number such as 12.50"

    async with services.store.read(importer.business) as unit:
        first, second = [one.id for one in reversed((await unit.imports.load_page(PageRequest(2))).items)]
        reasons = await unit.imports.load_reject_reasons([first, second])
        keys = [
            (first, number),
            (first, "the amount 'y' must be a number such as 12.50"),
            (first, None),
            (second, None),
        ]
        pages = await unit.imports.load_rejects(keys, PageRequest(5))
        sizes = await unit.imports.count_rejects(keys)

    assert reasons[first] == [
        RejectReason(number, 2, 2),
        RejectReason(ANOTHER, 1, 4),
        RejectReason("no customer", 1, 5),
    ]
    assert reasons[second] == []
    assert [[row.line for row in pages[key].items] for key in keys] == [[2, 3], [3], [2, 3, 4, 5], []]
    assert [sizes[key] for key in keys] == [2, 1, 4, 0]
