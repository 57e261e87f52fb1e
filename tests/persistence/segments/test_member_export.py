"""Members as pages of a file: one state from the first page to the last, whatever is written meanwhile."""

import pytest

from domain.errors import NotFound
from domain.model import Actor, Business, NewCustomer
from domain.segments import member_export as member_files
from domain.segments.member_export import MemberExport
from domain.segments.model import Segment, SegmentKind
from domain.segments.validation import Draft
from gql.composition import Services
from tests.conftest import SetClock

pytestmark = pytest.mark.anyio
ACTOR = Actor("test")
EVERYBODY = [f"C{number}" for number in range(1, 8)]


@pytest.fixture
async def vip(services: Services, shop: Business) -> Segment:
    """All but the last of seven customers."""
    await services.customers.upsert(shop, [NewCustomer(name) for name in EVERYBODY], ACTOR)
    made, _ = await services.segments.create(shop, Draft("VIP", SegmentKind.MANUAL), ACTOR)
    await services.memberships.assign(shop, made.id, [1, 2, 3, 4, 5, 6], ACTOR)
    return made


async def names(services: Services, export: MemberExport) -> list[list[object]]:
    return [list(page[0]) async for page in services.member_files.load_pages(export)]


async def test_pages_hold_every_member_once(
    services: Services, shop: Business, vip: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = await services.member_files.open(shop, vip.id, ["customer_id"])

    whole = await names(services, export)
    monkeypatch.setattr(member_files, "PAGE", 4)
    pages = await names(services, export)
    monkeypatch.setattr(member_files, "PAGE", 3)
    even = await names(services, export)

    assert whole == [EVERYBODY[:6]]
    assert pages == [EVERYBODY[:4], EVERYBODY[4:6]]
    assert even == [EVERYBODY[:3], EVERYBODY[3:6]]


async def test_what_is_written_meanwhile_is_not_seen_but_the_erased_are_left_out(
    services: Services, shop: Business, vip: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member_files, "PAGE", 2)
    export = await services.member_files.open(shop, vip.id, ["customer_id"])
    pages = services.member_files.load_pages(export)

    first = await anext(pages)
    await services.memberships.remove(shop, vip.id, [3], ACTOR)
    await services.memberships.assign(shop, vip.id, [7], ACTOR)
    await services.erasure.erase(shop, 5, ACTOR)
    rest = [name async for page in pages for name in page[0]]
    again = await services.member_files.open(shop, vip.id, ["customer_id"])

    assert list(first[0]) == ["C1", "C2"]
    assert rest == ["C3", "C4", "C6"]
    assert await names(services, again) == [["C1", "C2"], ["C4", "C6"], ["C7"]]


async def test_a_clock_that_was_set_back_hides_nobody(
    services: Services, shop: Business, vip: Segment, clock: SetClock
) -> None:
    clock.now = clock.now.replace(year=2020)

    export = await services.member_files.open(shop, vip.id, ["customer_id"])

    assert await names(services, export) == [EVERYBODY[:6]]


async def test_a_segment_of_another_business_is_as_absent_as_one_that_nobody_made(
    services: Services, shop: Business, vip: Segment
) -> None:
    other = await services.businesses.create("other", None, "UTC", "EUR")

    for business, number in ((other, vip.id), (shop, 999), (shop, None)):
        with pytest.raises(NotFound, match="There is no segment with this id"):
            await services.member_files.open(business, number)


async def test_what_members_say_beyond_ascii_is_known_before_the_first_page(
    services: Services, shop: Business, vip: Segment
) -> None:
    async def is_ascii(*columns: str) -> bool:
        known = await services.businesses.choose(shop.key, "")
        return (await services.member_files.open(known, vip.id, columns)).ascii

    plain = await is_ascii()
    stranger = NewCustomer("C7", name="Élan", attributes={"note": "é"})
    await services.customers.upsert(shop, [stranger], ACTOR)
    others = await is_ascii("customer_id", "name", "attributes.note")
    await services.memberships.assign(shop, vip.id, [7], ACTOR)

    assert (plain, others) == (True, True)
    assert not await is_ascii()
    assert not await is_ascii("attributes.note")
    assert await is_ascii("customer_id", "order_count")
