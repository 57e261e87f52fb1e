"""The demo shop on several days of the year: its size, that it repeats itself, and that no group, label, storefront,
channel or category of it is empty. Scores and labels are those of the domain, over what the shop states."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache

import pytest

from domain.calendar import load_zone
from domain.classification.labels import Classification, ClassificationFacts, ClassificationSettings, classify
from domain.classification.rfm import (
    EIGHT,
    UNCLASSIFIED,
    compute_cut_values,
    find_eight_segment_group,
    score_rank,
    score_recency,
)
from domain.demo import CATEGORIES, CHANNELS, LEVELS, STOREFRONTS, TIME_ZONE, DemoShop, make_demo_shop
from domain.model import NewPurchase, PurchaseStatus
from tests.shops.festivals import is_festive

ISO_DAYS = ("2026-01-01", "2024-02-29", "2026-04-20", "2026-06-30", "2026-11-21", "2026-12-31")
QUALIFYING = (PurchaseStatus.COMPLETED, PurchaseStatus.PARTIAL)
ZONE = load_zone(TIME_ZONE)

every_day = pytest.mark.parametrize("today", [date.fromisoformat(day) for day in ISO_DAYS], ids=str)


@cache
def shop_of(today: date) -> DemoShop:
    return make_demo_shop(today)


def local_day(purchase: NewPurchase) -> date:
    return purchase.purchased_at.astimezone(ZONE).date()


@cache
def bought_on(today: date) -> list[list[tuple[date, NewPurchase]]]:
    """The purchases of each customer that count, with their days."""
    found: dict[str, list[tuple[date, NewPurchase]]] = {}
    for purchase in shop_of(today).purchases:
        if purchase.status in QUALIFYING:
            found.setdefault(purchase.customer_external_id, []).append((local_day(purchase), purchase))
    return list(found.values())


def groups_of(today: date, days: int) -> Counter[str]:
    first = today - timedelta(days=days - 1)
    windows = [[(day, one.amount) for day, one in bought if day >= first] for bought in bought_on(today)]
    windows = [window for window in windows if window]
    orders = compute_cut_values(sorted(len(window) for window in windows))
    spend = compute_cut_values(sorted(sum(amount for _, amount in window) for window in windows))
    return Counter(
        find_eight_segment_group(
            score_recency((today - max(day for day, _ in window)).days, days),
            score_rank(len(window), orders),
            score_rank(sum(amount for _, amount in window), spend),
        ).name
        for window in windows
    )


def labels_of(today: date) -> Iterator[Classification]:
    settings = ClassificationSettings()
    recent = settings.find_recent_start(today)
    for bought in bought_on(today):
        days = [day for day, _ in bought]
        facts = ClassificationFacts(
            order_count=len(bought),
            lifetime=sum(one.amount for _, one in bought),
            recent_orders=sum(day >= recent for day in days),
            last_day=max(days).toordinal(),
            festive_orders=sum(is_festive(settings.festive, day) for day in days),
            category_lines=Counter(line.category for _, one in bought for line in one.lines),
        )
        yield classify(facts, settings, today, 2)


@every_day
def test_the_shop_has_thousands_of_customers_and_three_years_of_purchases_that_end_today(today: date) -> None:
    shop = shop_of(today)

    days = sorted(local_day(purchase) for purchase in shop.purchases)

    assert len(shop.customers) == 2394
    assert len(shop.purchases) == 16138
    assert len({customer.external_id for customer in shop.customers}) == 2394
    assert len({purchase.external_id for purchase in shop.purchases}) == 16138
    assert days[-1] == today
    assert 3 * 365 - 10 < (today - days[0]).days < 3 * 365


@every_day
def test_nothing_in_the_shop_lies_after_the_first_minute_of_today(today: date) -> None:
    shop = shop_of(today)
    begins = datetime.combine(today, time(0), ZONE).astimezone(UTC)

    newest = max(purchase.purchased_at for purchase in shop.purchases)
    registered = [customer.registered_at for customer in shop.customers if customer.registered_at is not None]

    assert 0 <= (newest - begins).total_seconds() < 60
    assert len(registered) == 2394
    assert max(registered) <= newest


def test_the_same_day_and_seed_give_the_same_shop_and_another_seed_another() -> None:
    today = date(2026, 6, 30)

    again, other = make_demo_shop(today), make_demo_shop(today, seed=21)

    assert again == shop_of(today)
    assert other.purchases != again.purchases


@every_day
@pytest.mark.parametrize("days", [90, 365])
def test_every_one_of_the_eight_groups_has_members(today: date, days: int) -> None:
    found = groups_of(today, days)

    assert set(found) == {group.name for group in EIGHT} | {UNCLASSIFIED.name}
    assert min(found.values()) >= 20


@every_day
def test_every_label_has_members(today: date) -> None:
    labels = list(labels_of(today))

    frequency, spending, category = (
        Counter(getattr(one, name) for one in labels) for name in ("frequency", "spending", "category")
    )

    assert set(frequency) == {"New", "Loyal", "Lapsed", "Seasonal", "Regular"}
    assert set(spending) == {"High Value", "Medium Value", "Low Value"}
    assert set(category) == {*CATEGORIES, "Family", "Mixed"}
    assert min(*frequency.values(), *spending.values(), *category.values()) >= 100


def test_storefronts_channels_categories_levels_and_statuses_are_all_in_use() -> None:
    shop = shop_of(date(2026, 11, 21))

    lines = [line for purchase in shop.purchases for line in purchase.lines]

    assert {purchase.storefront_key for purchase in shop.purchases} == set(STOREFRONTS)
    assert {purchase.channel for purchase in shop.purchases} == set(CHANNELS)
    assert {line.category for line in lines} == {*CATEGORIES, None}
    assert {customer.loyalty_level for customer in shop.customers} == {*LEVELS, None}
    assert {purchase.status for purchase in shop.purchases} == set(PurchaseStatus)
    assert len({customer.name for customer in shop.customers}) > 800


def test_every_line_of_a_category_says_what_was_bought_and_of_which_there_are_three_each() -> None:
    shop = shop_of(date(2026, 11, 21))

    lines = [line for purchase in shop.purchases for line in purchase.lines]
    articles = {(line.category, line.sku, line.product) for line in lines if line.category is not None}

    assert Counter(category for category, _, _ in articles) == dict.fromkeys(CATEGORIES, 3)
    assert {line.quantity for line in lines if line.category is not None} == {1_000_000, 2_000_000, 3_000_000}
    nothing = (None, None, None)
    assert {(line.sku, line.product, line.quantity) for line in lines if line.category is None} == {nothing}


@every_day
def test_lines_add_up_to_their_purchase(today: date) -> None:
    shop = shop_of(today)

    wrong = [one.external_id for one in shop.purchases if sum(line.amount for line in one.lines) != one.amount]

    assert wrong == []


def test_december_and_the_days_before_new_year_in_april_sell_most() -> None:
    shop = shop_of(date(2026, 11, 21))
    settings = ClassificationSettings()

    year = [day for day in map(local_day, shop.purchases) if date(2024, 11, 22) <= day <= date(2025, 11, 21)]
    festive = sum(is_festive(settings.festive, day) for day in year)

    # 51 of 365 days: an even trade would put 14 % of the purchases there.
    assert festive / len(year) > 0.28
