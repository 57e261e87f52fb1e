"""The demo shop, filled. Its history is told by a clock that walks through sixty days as if the shop had been run all
the while."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.calendar import load_zone, to_local_date
from domain.demo import CURRENCY, DRAFTS, KEY, NAME, TIME_ZONE, VIP, VIP_CHANGES, DemoShop, make_demo_shop
from domain.jobs.progress import ProgressFeed
from domain.jobs.worker import Worker
from domain.model import Actor, Business
from domain.segments.validation import make_slug
from gql.composition import OpenStore, Services, read_system_clock

HISTORY = timedelta(days=60)
STEP = timedelta(days=3)
ACTOR = Actor("demo")
UNFINISHED = f"{NAME} (being filled)"


@dataclass
class WalkingClock:
    """A clock that stands where it is put."""

    now: datetime

    def __call__(self) -> datetime:
        """Where it stands."""
        return self.now


async def fill_demo(store: OpenStore) -> str:
    """The demo business, made and filled where it is not there; says what was done. One that was interrupted before it
    was whole is filled again."""
    end = read_system_clock()
    clock, feed = WalkingClock(end - HISTORY), ProgressFeed()
    walking = store.make_services(feed, clock)
    known = {business.key: business for business in await walking.businesses.load_all()}.get(KEY)
    if known is not None and known.name != UNFINISHED:
        return f"The demo shop is there already, in business {KEY}."
    business = known or await walking.businesses.create(KEY, UNFINISHED, TIME_ZONE, CURRENCY)
    shop = make_demo_shop(to_local_date(end, load_zone(TIME_ZONE)))
    await walking.customers.upsert(business, shop.customers, ACTOR, limit=len(shop.customers))
    await _walk(walking, store.make_worker(feed, clock), business, shop, clock, end)
    await walking.businesses.change(KEY, ACTOR, name=NAME, time_zone=None, currency=None)
    return (
        f"{len(shop.customers):,} customers and {len(shop.purchases):,} purchases in business {KEY}, "
        f"and {len(DRAFTS)} segments with {HISTORY.days} days of history."
    )


async def _walk(
    services: Services, worker: Worker, business: Business, shop: DemoShop, clock: WalkingClock, end: datetime
) -> None:
    waiting = sorted(shop.purchases, key=lambda purchase: purchase.purchased_at)
    began, place, changed = clock.now, 0, 0
    while True:
        upto = place
        while upto < len(waiting) and waiting[upto].purchased_at <= clock.now:
            upto += 1
        await services.purchases.record(business, waiting[place:upto], ACTOR, limit=len(waiting))
        if place == 0:
            for draft in DRAFTS:
                if await services.segments.find_by_key(business, draft.key or make_slug(draft.name)) is None:
                    await services.segments.create(business, draft, ACTOR)
        place = upto
        while changed < len(VIP_CHANGES) and clock.now - began >= timedelta(days=VIP_CHANGES[changed][0]):
            await _change_vips(services, business, changed)
            changed += 1
        await worker.run_once(business)
        if clock.now >= end:
            return
        clock.now = min(clock.now + STEP, end)


async def _change_vips(services: Services, business: Business, change: int) -> None:
    _, what, customers = VIP_CHANGES[change]
    segment = await services.segments.find_by_key(business, VIP)
    if segment is None:
        return
    do = services.memberships.assign if what == "put in" else services.memberships.remove
    await do(business, segment.id, list(customers), ACTOR)
