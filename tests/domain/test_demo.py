"""The demo shop on several days of the year: its size, its people, that its trade is steady but for the festive
periods, that its two stories happened, and that no group, label, storefront, channel or category of it is empty. Scores
and labels are those of the domain, over what the shop states."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache

import pytest

from domain.calendar import load_zone
from domain.classification.groups import FESTIVE, OMNICHANNEL, UNKNOWN, YEAR_ROUND
from domain.classification.labels import (
    FREQUENCIES,
    SPENDINGS,
    Classification,
    ClassificationFacts,
    ClassificationSettings,
    classify,
)
from domain.classification.rfm import (
    UNCLASSIFIED,
    RfmScheme,
    Score,
    compute_cut_values,
    find_group,
    list_scheme_groups,
    score_rank,
    score_recency,
)
from domain.demo.people import HOME, REGIONS
from domain.demo.segments import DRAFTS
from domain.demo.shop import (
    ARTICLES,
    CALLERS,
    CAMPAIGN,
    CATEGORIES,
    DAYS,
    GIFT_CARD,
    LEVELS,
    SILENT,
    SILENT_REGULARS,
    STOREFRONTS,
    TIME_ZONE,
    VOUCHER,
    DemoShop,
    list_customers,
    make_demo_shop,
)
from domain.demo.shop import is_festive as is_rush
from domain.model import QUALIFYING, AttributeKind, AttributeKinds, NewPurchase, PurchaseStatus
from domain.segments.validation import validate_draft
from tests.conftest import sample_cases
from tests.shops.festivals import is_festive

ISO_DAYS = ("2024-02-29", "2026-01-01", "2026-06-30", "2026-11-21")
ZONE = load_zone(TIME_ZONE)

every_day = pytest.mark.parametrize(
    "today", sample_cases(map(date.fromisoformat, ISO_DAYS), date(2024, 2, 29), date(2026, 11, 21)), ids=str
)


def make_shop(today: date) -> DemoShop:
    """The shop in the early afternoon."""
    return make_demo_shop(datetime.combine(today, time(14), ZONE).astimezone(UTC))


shop_of = cache(make_shop)


def local_day(purchase: NewPurchase) -> date:
    return purchase.purchased_at.astimezone(ZONE).date()


def bought_in(shop: DemoShop) -> list[list[tuple[date, NewPurchase]]]:
    """The purchases of each customer that count, with their days."""
    found: dict[str, list[tuple[date, NewPurchase]]] = {}
    for purchase in shop.purchases:
        if purchase.status in QUALIFYING:
            found.setdefault(purchase.customer_external_id, []).append((local_day(purchase), purchase))
    return list(found.values())


def scores_of(shop: DemoShop, today: date, days: int) -> Iterator[Score]:
    first = today - timedelta(days=days - 1)
    windows = [[(day, one.amount) for day, one in bought if day >= first] for bought in bought_in(shop)]
    windows = [window for window in windows if window]
    orders = compute_cut_values(sorted(len(window) for window in windows))
    spend = compute_cut_values(sorted(sum(amount for _, amount in window) for window in windows))
    for window in windows:
        yield Score(
            score_recency((today - max(day for day, _ in window)).days, days),
            score_rank(len(window), orders),
            score_rank(sum(amount for _, amount in window), spend),
        )


def expect_every_group(shop: DemoShop, today: date) -> None:
    for days in (90, 365):
        scores = list(scores_of(shop, today, days))
        for scheme in RfmScheme:
            found = {find_group(score, scheme).name for score in scores}
            missing = {group.name for group in list_scheme_groups(scheme)} - found
            assert (str(today), days, missing) == (str(today), days, set())
        assert UNCLASSIFIED.name in {find_group(score, RfmScheme.EIGHT_SEGMENT).name for score in scores}


def labels_of(today: date) -> Iterator[Classification]:
    settings = ClassificationSettings()
    recent = settings.find_recent_start(today)
    for bought in bought_in(shop_of(today)):
        days = [day for day, _ in bought]
        facts = ClassificationFacts(
            order_count=len(bought),
            lifetime=sum(one.amount for _, one in bought),
            recent_orders=sum(day >= recent for day in days),
            last_day=max(days).toordinal(),
            festive_orders=sum(is_festive(settings.festive, day) for day in days),
            category_lines=Counter(line.category for _, one in bought for line in one.lines if line.bought),
        )
        yield classify(facts, settings, today, 2)


def behaviors_of(today: date, days: int) -> set[str]:
    """The labels of channel and season that somebody has in the window."""
    found: set[str] = set()
    for bought in bought_in(shop_of(today)):
        window = [(day, one.channel) for day, one in bought if (today - day).days < days]
        if window:
            channels = {channel for _, channel in window}
            found.add((channels.pop() or UNKNOWN) if len(channels) == 1 else OMNICHANNEL)
            festive = sum(is_rush(day) for day, _ in window)
            found.add(FESTIVE if festive * 5 >= len(window) * 4 else YEAR_ROUND)
    return found


@every_day
def test_the_shop_has_thousands_of_customers_and_three_years_of_purchases_that_end_today(today: date) -> None:
    shop = shop_of(today)

    days = [local_day(purchase) for purchase in shop.purchases]

    assert 2_400 < len(shop.customers) == len({customer.external_id for customer in shop.customers}) < 2_600
    assert 17_500 < len(shop.purchases) == len({purchase.external_id for purchase in shop.purchases}) < 19_000
    assert days == sorted(days)
    assert (today - days[0]).days == DAYS - 1
    assert days[-1] == today


@every_day
def test_nothing_in_the_shop_lies_after_now_and_nobody_bought_before_coming(today: date) -> None:
    shop = shop_of(today)
    now = datetime.combine(today, time(14), ZONE)
    registered = {customer.external_id: customer.registered_at for customer in shop.customers}

    early = [one for one in shop.purchases if (registered[one.customer_external_id] or now) > one.purchased_at]

    assert shop.purchases[-1].purchased_at <= now
    assert None not in registered.values()
    assert early == []


def test_the_same_instant_gives_the_same_shop_and_everybody_is_the_same_person_on_every_day() -> None:
    shop, other = shop_of(date(2026, 6, 30)), shop_of(date(2026, 11, 21))
    people = [{one.external_id: (one.name, one.email, one.city) for one in each.customers} for each in (shop, other)]

    assert make_shop(date(2026, 6, 30)) == shop
    assert len(people[0].keys() & people[1].keys()) > 2_300
    assert {key: people[0][key] for key in people[1].keys() & people[0].keys()}.items() <= people[1].items()


def test_names_cities_countries_and_telephones_are_of_one_region_and_reach_nobody() -> None:
    customers = shop_of(date(2026, 11, 21)).customers
    phones = re.compile(
        r"\+44 (20 7946|161 496|113 496) 0\d{3}|\+49 (30 23125|40 66969|89 99998) \d{3}|\+61 [237] 5550 \d{4}"
        r"|\+33 (1 99 00|4 65 71) \d\d \d\d|\+1 (312|617) 555 01\d\d"
    )
    full = {
        (f"{last} {first}" if region.surname_first else f"{first} {last}", region.country, city)
        for region in REGIONS
        for first in region.first_names
        for last in region.surnames
        for city, _ in region.cities
    }

    assert [one for one in customers if one.name and (one.name, one.country, one.city) not in full] == []
    assert [one.phone for one in customers if one.phone and not phones.fullmatch(one.phone)] == []
    assert all(re.fullmatch(r"[a-z.]+\d+@example\.(com|net|org)", one.email) for one in customers if one.email)
    assert len({one.email for one in customers if one.email}) == sum(one.email is not None for one in customers)
    assert {one.country for one in customers} == {region.country for region in REGIONS}
    assert sum(one.country == HOME for one in customers) > 0.6 * len(customers)
    assert len({one.name for one in customers}) > 900


@every_day
def test_every_group_of_both_schemes_has_members_and_some_are_unclassified(today: date) -> None:
    expect_every_group(shop_of(today), today)


@pytest.mark.slow
def test_every_group_has_members_on_whatever_day_of_the_year_the_shop_is_made() -> None:
    for number in range(0, 365, 9):
        today = date(2027, 1, 1) + timedelta(days=number)

        expect_every_group(make_shop(today), today)


@every_day
def test_every_label_has_members(today: date) -> None:
    labels = list(labels_of(today))

    frequency, spending, category = (
        Counter(getattr(one, name) for one in labels) for name in ("frequency", "spending", "category")
    )

    assert set(frequency) == set(FREQUENCIES)
    assert set(spending) == set(SPENDINGS)
    assert set(category) == {*CATEGORIES, "Family", "Mixed"}
    assert min(*frequency.values(), *spending.values(), *category.values()) >= 20


@every_day
def test_every_behavior_has_members_and_a_window_without_a_festive_day_has_nobody_festive(today: date) -> None:
    always = {"store", "web", "app", "phone", OMNICHANNEL, UNKNOWN, YEAR_ROUND}
    touched = any(is_rush(today - timedelta(days=age)) for age in range(90))

    assert behaviors_of(today, 365) == {*always, FESTIVE}
    assert behaviors_of(today, 90) == ({*always, FESTIVE} if touched else always)


@every_day
def test_storefronts_categories_levels_and_statuses_are_all_in_use(today: date) -> None:
    shop = shop_of(today)

    lines = [line for purchase in shop.purchases for line in purchase.lines]

    assert {purchase.storefront_key for purchase in shop.purchases} == set(STOREFRONTS)
    assert {line.category for line in lines} == {*CATEGORIES, None}
    assert {customer.loyalty_level for customer in shop.customers} == {*(name for name, _ in LEVELS), None}
    assert {purchase.status for purchase in shop.purchases} == set(PurchaseStatus)
    assert {tuple(one.attributes) for one in shop.purchases} == {("voucher",), ("gift",), ()}
    assert {one.attributes["newsletter"] for one in shop.customers} == {True, False}


@every_day
def test_a_line_is_so_many_of_an_article_at_its_price_and_lines_add_up_to_their_purchase(today: date) -> None:
    shop = shop_of(today)
    prices = {(category, name): price for category, articles in ARTICLES.items() for name, price in articles}
    prices[None, GIFT_CARD[0]] = GIFT_CARD[1]

    lines = [line for purchase in shop.purchases for line in purchase.lines]
    wrong = [one.external_id for one in shop.purchases if sum(line.amount for line in one.lines) != one.amount]

    assert wrong == []
    assert {(line.category, line.product) for line in lines} == set(prices)
    assert len({line.sku for line in lines}) == len(prices)
    assert all(
        abs(line.amount) * 1_000_000 == prices[line.category, line.product or ""] * 100 * (line.quantity or 0)
        for line in lines
    )
    back = {one.status for one in shop.purchases if any(line.amount < 0 for line in one.lines)}
    assert back == {PurchaseStatus.PARTIAL}


@every_day
def test_the_trade_is_steady_and_december_and_april_stand_out(today: date) -> None:
    months = Counter(local_day(one).strftime("%Y-%m") for one in shop_of(today).purchases if one.status in QUALIFYING)
    whole = {month: count for month, count in months.items() if month not in (min(months), max(months))}
    usual = [count for month, count in whole.items() if month[5:] not in ("04", "12")]
    mean = sum(usual) / len(usual)

    assert 0.8 * mean < min(usual) <= max(usual) < 1.2 * mean
    assert min(count for month, count in whole.items() if month[5:] == "12") > 1.8 * mean
    assert min(count for month, count in whole.items() if month[5:] == "04") > 1.4 * mean


@every_day
def test_the_silent_bought_nothing_until_they_were_written_to_and_half_of_them_came_back(today: date) -> None:
    shop, silent = shop_of(today), set(list_customers(SILENT_REGULARS))
    mine = [((today - local_day(one)).days, one) for one in shop.purchases if one.customer_external_id in silent]

    after = [(age, one) for age, one in mine if age < SILENT[0]]
    back = {one.customer_external_id for _, one in after}

    assert len({one.customer_external_id for age, one in mine if age <= SILENT[1]}) == len(silent) == 50
    assert max(age for age, _ in after) < CAMPAIGN
    assert 20 <= len(back) <= 35
    assert all(one.attributes == {"voucher": VOUCHER} for _, one in after)


@every_day
def test_fewer_and_fewer_of_the_callers_order_by_phone(today: date) -> None:
    shop, callers = shop_of(today), set(list_customers(CALLERS))
    calls = [(one, (today - local_day(one)).days) for one in shop.purchases if one.channel == "phone"]

    sizes = [len({one.customer_external_id for one, age in calls if end <= age <= end + 42}) for end in (84, 56, 28, 0)]

    assert {one.customer_external_id for one, _ in calls} == callers
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 50 > 20 > sizes[-1] > 5


def test_the_segments_are_valid_and_each_says_what_it_is_for() -> None:
    shop = shop_of(date(2026, 11, 21))
    attributes = AttributeKinds(customer=dict.fromkeys(shop.customers[0].attributes, AttributeKind.BOOLEAN))

    valid = [validate_draft(draft, "LKR", attributes) for draft in DRAFTS]

    assert all(each.draft.description for each in valid)
    assert len({each.draft.name for each in valid}) == len(DRAFTS)
