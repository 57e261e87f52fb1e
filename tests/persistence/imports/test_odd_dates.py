"""Orders of other centuries and festive periods all over the year: what is decided by days is decided, and costs one
expression however many years lie between the first order and the last."""

from datetime import date

import pytest
from sqlalchemy import BigInteger, literal, select

from domain.classification.festive import FestivePeriods
from domain.classification.groups import Method
from domain.model import Business
from domain.segments.model import Definition
from gql.composition import Services
from persistence.database.engines import Database
from persistence.database.lists import is_among
from persistence.labels.labels import LabelStore
from tests.conftest import SetClock
from tests.drivers.files import Importer
from tests.persistence.conftest import change_settings, statements
from tests.shops.festivals import is_festive

pytestmark = pytest.mark.anyio
EDGES = (
    *((1, 1), (1, 10), (1, 11), (2, 28), (3, 1), (3, 2), (5, 4), (5, 5), (5, 9), (5, 10)),
    *((5, 31), (6, 1), (6, 30), (7, 1), (12, 19), (12, 20), (12, 31)),
)
PERIODS = [
    {"from": f"{month:02}-{day:02}", "to": f"{month:02}-{day + 4:02}"} for month in range(1, 13) for day in (1, 11, 21)
]
"""Three times five days of every month."""
HEADER = "customer_id,order_id,date,amount,category"
ORDERS = [
    *(f"Old,o{year},{year}-02-14,5.00,Tea" for year in (1204, 1500, 1999)),
    *(f"Feast,f{day},2023-05-{day:02},5.00,Tea" for day in (1, 2, 11, 25, 6)),
    *(f"Plain,p{day},1950-05-{day:02},5.00,Tea" for day in (6, 7, 8, 11)),
    "Late,l1,2024-06-15,5.00,Tea",
    "Never,n1,9999-12-01,5.00,Tea",
]
RIGHT = {"Feast": "Seasonal", "Late": "New", "Never": None, "Old": "Seasonal", "Plain": "Lapsed"}


ORDER = ["NEW", "SEASONAL", "LOYAL", "LAPSED"]
SEASONAL = Definition(rules={"==": [{"var": "purchase_frequency_label"}, "Seasonal"]})


async def asked(services: Services, database: Database, shop: Business, clock: SetClock) -> tuple[object, ...]:
    """What is decided by festive days: each customer's label alone and among all, customers by season, and how many the
    rule selects."""
    async with services.store.read(shop) as unit:
        records = [await unit.customers.find_by_external_id(name) for name in RIGHT]
    totals = {one.customer.id: one.totals for one in records if one is not None}
    alone = await services.customers.load_classifications(shop, totals)
    with LabelStore(database, shop.id, clock).decide_labels(None) as decided:
        together = {str(row[0]): row[1] for row in decided.load_rows()}
    report = await services.reporting.make_report(shop, days=9999, method=Method.BEHAVIOR)
    preview = await services.analysis.preview(shop, SEASONAL)
    assert preview.sizes is not None
    return (
        [alone[key].frequency for key in totals],
        [together[name] for name in RIGHT if name in together],
        {group.kind.name: group.customers for group in report.everyone if group.kind.dimension == "season"},
        preview.sizes.matching,
    )


async def test_labels_behaviour_and_rules_with_an_order_of_1204_and_periods_in_every_month(
    services: Services, database: Database, importer: Importer, clock: SetClock
) -> None:
    summary = importer.lines(*ORDERS, header=HEADER)
    shop = await change_settings(services, database, festive_periods=PERIODS, frequency_order=ORDER, lapsed_days=9999)

    found = await asked(services, database, shop, clock)

    assert summary.quality is not None
    assert (summary.created, summary.quality.doubtful_dates) == (14, 7)
    assert found == (list(RIGHT.values()), list(RIGHT.values()), {"Festive": 3, "Year-round": 0}, 2)


async def test_statements_do_not_grow_with_the_years(
    services: Services, database: Database, importer: Importer, clock: SetClock
) -> None:
    importer.lines(*ORDERS[3:], header=HEADER)
    shop = await change_settings(services, database, festive_periods=PERIODS, frequency_order=ORDER)

    with statements(database) as few:
        await asked(services, database, shop, clock)
    importer.lines("Plain,o1204,1204-02-14,5.00,Tea", header=HEADER)
    shop = await services.businesses.open("shop")
    with statements(database) as more:
        await asked(services, database, shop, clock)

    assert [len(statement) for statement in more] == [len(statement) for statement in few]
    assert max(map(len, few)) < 10_000


async def test_a_set_of_days_holds_the_days_that_its_periods_do(database: Database) -> None:
    periods = FestivePeriods(
        (((12, 20), (1, 10)), ((2, 29), (3, 1)), ((6, 1), (6, 30))), ((date(2021, 5, 5), date(2021, 5, 9)),)
    )
    days = [date(year, month, day) for year in (1204, 1899, 1900, 2020, 2021) for month, day in EDGES]
    ranges = tuple(periods.find_day_ranges(date(1204, 1, 1).toordinal(), date(2022, 1, 1).toordinal()))

    with database.bulk.connect() as connection:
        found = [
            bool(connection.execute(select(is_among(literal(day.toordinal(), BigInteger), ranges))).scalar_one())
            for day in days
        ]

    assert found == [is_festive(periods, day) for day in days]
