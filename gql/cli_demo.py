"""The demo shop into the store: its customers and purchases, and sixty days of history of its segments, told by a clock
that walks through them as if the shop had been run all the while."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.calendar import local_date, zone
from domain.demo import CURRENCY, DRAFTS, KEY, NAME, TIME_ZONE, VIP, VIP_CHANGES, DemoShop, demo_shop
from domain.jobs.progress import RunBoard
from domain.model import Business
from domain.segments.validation import slug
from domain.segments.worker import Upkeep
from domain.store import Actor
from gql.clock import system_clock
from gql.composition import make_services, make_upkeep
from gql.services import Services
from persistence.database.engines import Database

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


async def fill_demo(services: Services, database: Database) -> str:
    """The demo business, made and filled where it is not there; says what was done. One that was interrupted before it
    was whole is filled again."""
    every = {business.key: business for business in await services.businesses.all()}
    known = every.get(KEY)
    if known is not None and known.name != UNFINISHED:
        return f"The demo shop is there already, in business {KEY}."
    end = system_clock()
    clock, board = WalkingClock(end - HISTORY), RunBoard()
    walking = make_services(database, clock, board)
    business = known or await walking.businesses.create(KEY, UNFINISHED, TIME_ZONE, CURRENCY)
    shop = demo_shop(local_date(end, zone(TIME_ZONE)))
    await walking.customers.upsert(business, shop.customers, ACTOR, limit=len(shop.customers))
    await _walk(walking, make_upkeep(database, clock, board), business, shop, clock, end)
    await walking.businesses.change(KEY, ACTOR, name=NAME, time_zone=None, currency=None)
    return (
        f"{len(shop.customers):,} customers and {len(shop.purchases):,} purchases in business {KEY}, "
        f"and {len(DRAFTS)} segments with {HISTORY.days} days of history."
    )


async def _walk(
    services: Services, upkeep: Upkeep, business: Business, shop: DemoShop, clock: WalkingClock, end: datetime
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
                if await services.segments.by_key(business, draft.key or slug(draft.name)) is None:
                    await services.segments.create(business, draft, ACTOR)
        place = upto
        while changed < len(VIP_CHANGES) and clock.now - began >= timedelta(days=VIP_CHANGES[changed][0]):
            await _change_vips(services, business, changed)
            changed += 1
        await upkeep.once(business)
        if clock.now >= end:
            return
        clock.now = min(clock.now + STEP, end)


async def _change_vips(services: Services, business: Business, change: int) -> None:
    _, what, customers = VIP_CHANGES[change]
    segment = await services.segments.by_key(business, VIP)
    if segment is None:
        return
    do = services.memberships.assign if what == "put in" else services.memberships.remove
    await do(business, segment.id, list(customers), ACTOR)
