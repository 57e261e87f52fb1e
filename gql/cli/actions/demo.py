"""The demo shop, filled. Its last weeks are told by a clock that goes from week to week as if the shop had been run all
the while: what had not happened yet is not in the store yet, and what follows, follows then."""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.calendar import Clock
from domain.demo.segments import DRAFTS, HAND_CHANGES, TOLD_DAYS
from domain.demo.shop import CURRENCY, KEY, NAME, STOREFRONTS, TIME_ZONE, DemoShop, make_demo_shop
from domain.jobs.progress import ProgressFeed
from domain.jobs.worker import Worker
from domain.model import Actor, Business
from domain.segments.validation import make_slug
from gql.composition import OpenStore, Services, read_system_clock

STEP_DAYS = 7
ACTOR = Actor("demo")
UNFINISHED = f"{NAME} (being filled)"


@dataclass
class WalkingClock:
    """A clock that stands where it is put."""

    now: datetime

    def __call__(self) -> datetime:
        """Where it stands."""
        return self.now


def tell_nobody(what: str, done: int, total: int) -> None:
    """Where nobody asks how far it is."""


async def fill_demo(
    store: OpenStore, now: Clock = read_system_clock, report: Callable[[str, int, int], None] = tell_nobody
) -> str:
    """The demo business, made and filled where it is not there; says what was done, and to `report` how many weeks of
    its history have been told, of how many. One that was interrupted before it was whole is filled again."""
    end = now()
    clock, feed = WalkingClock(end - timedelta(days=TOLD_DAYS)), ProgressFeed()
    walking = store.make_services(feed, clock)
    known = {business.key: business for business in await walking.businesses.load_all()}.get(KEY)
    if known is not None and known.name != UNFINISHED:
        return f"The demo shop is there already, in business {KEY}."
    business = known or await walking.businesses.create(KEY, UNFINISHED, TIME_ZONE, CURRENCY)
    shop = make_demo_shop(end)
    await _walk(walking, store.make_worker(feed, clock), business, shop, clock, end, report)
    await walking.business_changes.change(KEY, ACTOR, name=NAME, time_zone=None, currency=None)
    return (
        f"{len(shop.customers):,} customers and {len(shop.purchases):,} purchases in business {KEY}, "
        f"and {len(DRAFTS)} segments with {TOLD_DAYS} days of history."
    )


async def _walk(
    services: Services,
    worker: Worker,
    business: Business,
    shop: DemoShop,
    clock: WalkingClock,
    end: datetime,
    report: Callable[[str, int, int], None],
) -> None:
    came = [customer.registered_at or end for customer in shop.customers]
    bought = [purchase.purchased_at for purchase in shop.purchases]
    acted = [end - timedelta(days=change.days_ago) for change in HAND_CHANGES]
    customers, purchases, changes = 0, 0, 0
    weeks = range(TOLD_DAYS, -1, -STEP_DAYS)
    for week, days_ago in enumerate(weeks):
        report("Filling the demo shop, weeks", week, len(weeks))
        clock.now = end - timedelta(days=days_ago)
        began, customers = customers, bisect_right(came, clock.now)
        await services.customers.upsert(business, shop.customers[began:customers], ACTOR, limit=customers)
        began, purchases = purchases, bisect_right(bought, clock.now)
        await services.purchases.record(business, shop.purchases[began:purchases], ACTOR, limit=purchases)
        if days_ago == TOLD_DAYS:
            # Attributes are known since the customers are there, storefronts since they bought.
            business = await services.businesses.open(KEY)
            await services.purchases.name_storefronts(business, STOREFRONTS, ACTOR)
            for draft in DRAFTS:
                if await services.segments.find_by_key(business, draft.key or make_slug(draft.name)) is None:
                    await services.segments.create(business, draft, ACTOR)
        began, changes = changes, bisect_right(acted, clock.now)
        for change in HAND_CHANGES[began:changes]:
            await services.memberships.assign_named(
                business, change.segment, change.customers, ACTOR, entering=change.entering
            )
        await worker.run_once(business)
