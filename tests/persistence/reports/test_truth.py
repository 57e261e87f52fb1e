"""Real purchases against independently computed results: to the cent and to the customer, on both databases."""

import csv
import gzip
import json
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from operator import attrgetter
from pathlib import Path

import pytest

from domain.calendar import Span
from domain.classification.groups import Method
from domain.classification.rfm import (
    Score,
    find_eight_segment_group,
    find_rank_bounds,
    find_recency_bounds,
    score_rank,
    score_recency,
)
from domain.model import Business
from domain.money import to_decimal
from domain.pages import PageRequest
from domain.reports.insights import find_insights
from domain.reports.report import to_score
from domain.store import CustomerFilter, CustomerSort
from gql.composition import Services
from persistence.database.engines import Database
from persistence.labels.labels import LabelStore, keep
from persistence.soundness.checks import find_broken_rules
from persistence.store import SqlStore
from tests.conftest import SetClock, find_shared
from tests.shops.factories import import_file

pytestmark = [pytest.mark.anyio, pytest.mark.shared_store]
REPORTS = [
    "cdnow_sample.1998-06-30.365d",
    "completejourney_sample.2017-12-31.365d",
    "completejourney_sample.2017-12-31.365d.367",
    "online_retail_2010_12.2010-12-31.30d",
    "online_retail_2010_12.2010-12-31.30d.France",
]


LONG_AFTER = datetime(2020, 1, 1, tzinfo=UTC)


async def imported(name: str, services: Services, database: Database, clock: SetClock) -> Business:
    """The business of that file, which the first test that asks for it imports."""
    key = name.replace("_", "-")
    if key not in {business.key for business in await services.businesses.load_all()}:
        business = await services.businesses.create(key, None, "UTC", "USD")
        summary = import_file(database, business, clock, find_shared("data", f"{name}.csv.gz"))
        assert summary.created + summary.rejected == summary.rows_read
    return await services.businesses.open(key)


@pytest.mark.parametrize("scenario", REPORTS)
async def test_reports_equal_the_independent_result(
    scenario: str, services: Services, database: Database, clock: SetClock
) -> None:
    name, as_of, length, *place = scenario.split(".")
    truth = json.loads(find_shared("truth", f"{scenario}.json").read_text())
    clock.now = LONG_AFTER
    business = await imported(name, services, database, clock)
    storefront = (await services.purchases.find_storefront(business, place[0])).id if place else None
    asked = {"days": int(length[:-1]), "as_of": date.fromisoformat(as_of), "storefront_id": storefront}

    report, value, behavior = [await services.reporting.make_report(business, method=each, **asked) for each in Method]

    assert (report.customers, report.revenue) == (truth["population"], truth["revenue_cents"])
    groups = {group.kind.name: group for group in report.everyone}
    groups["unmatched"] = groups.pop("Unclassified")
    for expected in truth["segments"]:
        group = groups.pop(expected["segment_name"])
        assert group.customers == expected["customer_count"]
        assert group.revenue == expected["total_revenue_cents"]
        assert group.orders == expected["orders"]
        if group.customers:
            traits = expected["characteristics"]
            assert group.average_age == pytest.approx(traits["avg_days_since_last_purchase"], abs=5e-5)
            assert group.average_frequency == pytest.approx(traits["avg_purchase_frequency"], abs=5e-5)
            _assert_mean(group.compute_average_order(2), expected["average_order_value"], group.revenue, group.orders)
            _assert_mean(group.compute_average_spend(2), traits["avg_total_spend"], group.revenue, group.customers)
    assert not groups
    if (counts := truth.get("seed_a_rfm_string_counts")) is not None:
        assert {to_score(cell).digits: cell.customers for cell in report.cells} == counts
    assert sum(cell.customers for cell in report.cells) == truth["population"]
    assert sum(cell.orders for cell in report.cells) == truth["orders"]
    assert sum(cell.spend for cell in report.cells) == truth["revenue_cents"]
    found = find_insights(report, await services.reporting.measure_previous(business, report))
    assert found.highest_revenue == truth["insights"]["highest_revenue_segment"]
    assert found.largest == truth["insights"]["largest_segment"]
    assert found.needs_attention == truth["insights"]["needs_attention"]
    worth = truth["value_segmentation"]
    assert {group.kind.name: group.customers for group in value.groups} == {
        name: worth[name] for name in ("High Value", "Medium Value", "Low Value")
    }
    assert {group.kind.name: str(to_decimal(group.revenue, 2)) for group in value.groups} == {
        name: f"{amount:.2f}" for name, amount in worth["revenue"].items()
    }
    for dimension in ("category", "channel", "season"):
        parts = [group for group in behavior.groups if group.kind.dimension == dimension]
        assert sum(group.customers for group in parts) == value.customers
        assert sum(group.orders for group in parts) == value.orders
        assert sum(group.revenue for group in parts) == value.revenue


def _assert_mean(ours: Decimal | None, theirs: float, total: int, count: int) -> None:
    """Equal, but that an exact half is rounded to even here and up there."""
    assert ours is not None
    difference = abs(ours - Decimal(str(theirs)))
    assert difference == 0 or (difference == Decimal("0.01") and 2 * (total % count) == count)


@pytest.mark.parametrize("scenario", REPORTS[:2])
async def test_every_customers_scores_equal_the_independent_result(
    scenario: str, services: Services, database: Database, clock: SetClock
) -> None:
    name, as_of, length = scenario.split(".")
    clock.now = LONG_AFTER
    truth = _rows(find_shared("truth", f"{scenario}.customers.csv.gz"))
    business = await imported(name, services, database, clock)
    last, days = date.fromisoformat(as_of).toordinal(), int(length[:-1])
    span = Span(last - days + 1, last)
    quintiles = await services.customers.load_quintiles(business, span)

    names = [row["Customer_ID"] for row in truth]
    async with SqlStore(database, clock).read(business) as unit:
        known = await unit.customers.find_known(names)
        totals = await unit.reports.load_window_totals([key for key, _ in known.values()], span)
    assert len(truth) == len(totals) > 800
    ranges = json.loads(find_shared("truth", f"{scenario}.json").read_text())["score_value_ranges"]
    for kind, cuts in (("F_orders", quintiles.orders), ("M_cents", quintiles.spend)):
        for score, (least, most) in ranges[kind].items():
            low, high = find_rank_bounds(int(score), cuts)
            assert (low is None or low <= least) and high == (None if score == "5" else most)
    for score, (least, most) in ranges["R_days_since"].items():
        low, high = find_recency_bounds(int(score), days)
        assert low is not None and low <= least and (high is None or most <= high)
    for row in truth:
        found = totals[known[row["Customer_ID"]][0]]
        score = Score(
            score_recency(last - found.last_day, days),
            score_rank(found.orders, quintiles.orders),
            score_rank(found.spend, quintiles.spend),
        )
        assert score.digits == row["R"] + row["F"] + row["M"]
        group = find_eight_segment_group(score.recency, score.frequency, score.monetary).name
        assert group.replace("Unclassified", "unmatched") == row["segment"]


@pytest.mark.parametrize(
    ("scenario", "later"),
    [("cdnow_sample.seedC.1998-06-30", False), ("completejourney_sample.seedC.2017-12-31", True)],
)
async def test_every_customers_labels_equal_the_independent_result(
    scenario: str, later: bool, services: Services, database: Database, clock: SetClock
) -> None:
    """One by one, and all at once: on that day, or from one long after it."""
    name, _, day = scenario.split(".")
    as_of, labels = date.fromisoformat(day), attrgetter("frequency", "spending", "category")
    truth = {
        row["Customer_ID"]: (
            row["frequency"].replace("Unclassified", "Regular"),
            row["spending_literal"],
            row["category"].replace("Unclassified", "Mixed"),
        )
        for row in _rows(find_shared("truth", f"{scenario}.customers.csv.gz"))
    }
    clock.now = datetime.fromisoformat(f"{day}T23:59:59+00:00")
    business = await imported(name, services, database, clock)

    alone, request = {}, PageRequest(250)
    while True:
        async with services.store.read(business) as unit:
            page = await unit.customers.load_page(request, CustomerFilter(), CustomerSort.EXTERNAL_ID, False)
        people = {record.customer.id: record for record in page.items}
        found = await services.customers.load_classifications(
            business, {key: each.totals for key, each in people.items()}
        )
        alone |= {people[key].customer.external_id: labels(label) for key, label in found.items()}
        if not page.has_next:
            break
        request = PageRequest(250, after=page.positions[-1])
    counted = [await services.transitions.count_labels(business, as_of)]
    clock.now, when = (LONG_AFTER, as_of) if later else (clock.now, None)
    with LabelStore(database, business.id, clock).decide_labels(when) as decided:
        together = {str(row[0]): tuple(row[1:]) for row in decided.load_rows()}
        keep(decided)
    counted.append(await services.transitions.count_labels(business, when))

    assert alone == truth
    assert list(together) == sorted(together)
    assert {key: value for key, value in together.items() if value != (None, None, None)} == truth
    assert len(truth) > 800
    totals = json.loads(find_shared("truth", f"{scenario}.json").read_text())
    for place, (dimension, key, other) in enumerate(
        (
            ("frequency", "frequency", "Regular"),
            ("spending", "spending_literal_15000_150000_10000", ""),
            ("category", "category", "Mixed"),
        )
    ):
        expected = {label.replace("Unclassified", other): count for label, count in totals[key].items()}
        assert expected == Counter(row[place] for row in truth.values())
        for told in counted:
            assert expected == {
                each.label: each.customers for each in told if each.dimension == dimension and each.customers
            }


@pytest.mark.parametrize("name", ["cdnow_sample", "completejourney_sample", "online_retail_2010_12"])
async def test_importing_again_changes_nothing_and_totals_agree(
    name: str, services: Services, database: Database, clock: SetClock
) -> None:
    clock.now = LONG_AFTER
    business = await imported(name, services, database, clock)

    again = import_file(database, business, clock, find_shared("data", f"{name}.csv.gz"))

    assert (again.created, again.updated) == (0, 0)
    assert again.unchanged + again.rejected == again.rows_read
    assert (await services.businesses.open(business.key)).data_version == business.data_version
    assert list(find_broken_rules(database)) == []


def _rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", newline="") as file:
        return list(csv.DictReader(file))
