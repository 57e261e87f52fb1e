"""Segments in the store, on both databases: what is kept of a definition, lists in every order, search, and what stays
of a deleted one."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from domain.model import Business
from domain.pages import PageRequest
from domain.rules.criteria import RfmConfig, SegmentCriteria
from domain.segments.model import Definition, NewSegment, Segment, SegmentKind
from domain.store import SegmentFilter, SegmentSort
from gql.composition import Services
from persistence.database.engines import Database
from persistence.store import SqlStore
from tests.conftest import SetClock

pytestmark = pytest.mark.anyio
RULES = {">": [{"var": "total_revenue"}, 1000]}


@pytest.fixture
def store(database: Database, clock: SetClock) -> SqlStore:
    return SqlStore(database, clock)


def named(name: str, **more: object) -> NewSegment:
    """A segment by hand, whose key is its name in lower case with hyphens."""
    values: dict[str, object] = {
        "description": None,
        "kind": SegmentKind.MANUAL,
        "is_dynamic": False,
        "is_rfm": False,
        "definition": Definition(),
        "schedule": None,
        "created_by": None,
    }
    return NewSegment(name.lower().replace(" ", "-"), name, **(values | more))  # type: ignore[arg-type]


async def add(store: SqlStore, shop: Business, *new: NewSegment) -> list[Segment]:
    async with store.write(shop) as unit:
        return [await unit.segments.add(one, unit.instant) for one in new]


async def names(
    store: SqlStore,
    shop: Business,
    where: SegmentFilter,
    sort: SegmentSort = SegmentSort.NAME,
    reverse: bool = False,
) -> list[str]:
    async with store.read(shop) as unit:
        page = await unit.segments.load_page(PageRequest(), where, sort, reverse)
        assert len(page.items) == await unit.segments.count(where)
    return [segment.name for segment in page.items]


async def test_a_definition_is_kept_exactly(store: SqlStore, shop: Business) -> None:
    criteria = SegmentCriteria(Decimal("1000.50"), None, 5, None, 0, None, 0.5, None, None, 30, ("GOLD", "Ö"))
    new = named(
        "High value",
        description="Who buys most",
        kind=SegmentKind.AUTOMATIC,
        is_dynamic=True,
        is_rfm=True,
        definition=Definition([RULES, {"==": [{"var": "name"}, "日本"]}], criteria, RfmConfig("344", "555")),
        schedule="0 3 * * *",
        created_by="anna",
    )

    (made,) = await add(store, shop, new)

    async with store.read(shop) as unit:
        assert await unit.segments.find_by_ids([made.id, 99]) == {made.id: made}
    assert made.definition == new.definition
    assert (made.version, made.member_count, made.created_at) == (1, 0, made.defined_at)


async def test_a_definition_of_nothing_is_kept_as_nothing(store: SqlStore, shop: Business) -> None:
    (made,) = await add(store, shop, named("By hand"))

    async with store.read(shop) as unit:
        kept = (await unit.segments.find_by_ids([made.id]))[made.id]
    assert kept == made
    assert kept.definition.empty


async def test_segments_are_ordered_by_folded_name(store: SqlStore, shop: Business) -> None:
    await add(store, shop, *(named(name) for name in ("beta", "Äpfel", "ALPHA", "Gamma")))

    assert await names(store, shop, SegmentFilter()) == ["ALPHA", "beta", "Gamma", "Äpfel"]
    assert await names(store, shop, SegmentFilter(), reverse=True) == ["Äpfel", "Gamma", "beta", "ALPHA"]
    async with store.read(shop) as unit:
        assert [one.name for one in await unit.segments.load_all()] == ["ALPHA", "beta", "Gamma", "Äpfel"]


async def test_segments_never_calculated_come_last(store: SqlStore, shop: Business, clock: SetClock) -> None:
    never, late, early = await add(store, shop, named("Never"), named("Late"), named("Early"))
    async with store.write(shop) as unit:
        await unit.segments.change(replace(late, last_calculated=clock.now))
        await unit.segments.change(replace(early, last_calculated=clock.now - timedelta(days=1)))

    by_run = await names(store, shop, SegmentFilter(), SegmentSort.LAST_CALCULATED)
    turned = await names(store, shop, SegmentFilter(), SegmentSort.LAST_CALCULATED, reverse=True)

    assert by_run == ["Early", "Late", "Never"]
    assert turned == ["Never", "Late", "Early"]
    assert never.last_calculated is None


@pytest.mark.parametrize("sort", list(SegmentSort))
@pytest.mark.parametrize("reverse", [False, True])
async def test_pages_both_ways_have_no_gap_and_no_duplicate(
    store: SqlStore, shop: Business, sort: SegmentSort, reverse: bool
) -> None:
    await add(store, shop, *(named(f"Segment {number * 7 % 11:02d}") for number in range(11)))
    whole = await names(store, shop, SegmentFilter(), sort, reverse)
    forward: list[str] = []
    backward: list[str] = []

    async with store.read(shop) as unit:
        after, more = None, True
        while more:
            page = await unit.segments.load_page(PageRequest(4, after=after), SegmentFilter(), sort, reverse)
            forward += [one.name for one in page.items]
            after, more = page.positions[-1], page.has_next
        before, more = None, True
        while more:
            request = PageRequest(4, backward=True, before=before)
            page = await unit.segments.load_page(request, SegmentFilter(), sort, reverse)
            backward = [one.name for one in page.items] + backward
            before, more = page.positions[0], page.has_previous

    assert len(set(whole)) == 11
    assert forward == backward == whole


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("gold", ["Gold Members", "The Golden"]),
        ("GOLD M", ["Gold Members"]),
        ("  gold   m ", ["Gold Members"]),
        ("the-", ["The Golden"]),
        ("members", ["Gold Members"]),
        ("embers", []),
        ("%", []),
        ("_", []),
        ("STRASSE", ["Große Straße"]),
        ("\0", []),
        ("\ud800", []),
        ("", ["Gold Members", "Große Straße", "The Golden"]),
        (" ", ["Gold Members", "Große Straße", "The Golden"]),
    ],
)
async def test_search_is_the_beginning_of_the_name_of_a_word_of_it_or_of_the_key(
    store: SqlStore, shop: Business, search: str, found: list[str]
) -> None:
    await add(store, shop, *(named(name) for name in ("Gold Members", "The Golden", "Große Straße")))

    assert await names(store, shop, SegmentFilter(search)) == found


async def test_every_part_of_a_filter_must_hold(store: SqlStore, shop: Business) -> None:
    automatic = {"kind": SegmentKind.AUTOMATIC, "definition": Definition(RULES)}
    await add(
        store,
        shop,
        named("Hand"),
        named("Plain", **automatic),
        named("Ranked", is_rfm=True, **automatic),
        named("Following", is_rfm=True, is_dynamic=True, **automatic),
    )

    assert await names(store, shop, SegmentFilter(kind=SegmentKind.MANUAL)) == ["Hand"]
    assert await names(store, shop, SegmentFilter(kind=SegmentKind.AUTOMATIC, is_rfm=False)) == ["Plain"]
    assert await names(store, shop, SegmentFilter(is_rfm=True)) == ["Following", "Ranked"]
    assert await names(store, shop, SegmentFilter("r", is_rfm=True, is_dynamic=False)) == ["Ranked"]
    async with store.read(shop) as unit:
        assert [one.name for one in await unit.segments.load_all(automatic=True)] == ["Following", "Plain", "Ranked"]


async def test_a_deleted_segment_is_seen_only_where_it_is_asked_for(store: SqlStore, shop: Business) -> None:
    gone, kept = await add(store, shop, named("Gone"), named("Kept"))
    async with store.write(shop) as unit:
        deleted = replace(gone, deleted_at=unit.instant)
        await unit.segments.change(deleted)
        again = await unit.segments.add(named("GONE"), unit.instant)

    async with store.read(shop) as unit:
        assert await unit.segments.find_by_ids([gone.id, kept.id]) == {kept.id: kept}
        assert await unit.segments.find_by_ids([gone.id], deleted=True) == {gone.id: deleted}
        assert await unit.segments.find_by_keys(["gone", "kept", "\0"]) == {"gone": again, "kept": kept}
        assert await unit.segments.get(gone.id) is None
        assert await unit.segments.get(kept.id) == kept
    assert await names(store, shop, SegmentFilter()) == ["GONE", "Kept"]
    assert again.id not in (gone.id, kept.id)


async def test_segments_of_another_business_do_not_exist(store: SqlStore, shop: Business, services: Services) -> None:
    other = await services.businesses.create("other", None, "UTC", "EUR")
    (mine,) = await add(store, shop, named("Mine"))

    async with store.read(other) as unit:
        assert await unit.segments.load_all() == []
        assert await unit.segments.find_by_ids([mine.id], deleted=True) == {}
        assert await unit.segments.find_by_keys(["mine"]) == {}
        assert await unit.segments.get(mine.id) is None
        assert await unit.segments.count(SegmentFilter()) == 0
    async with store.write(other) as unit:
        await unit.segments.change(replace(mine, name="Stolen"))
    assert await names(store, shop, SegmentFilter()) == ["Mine"]
