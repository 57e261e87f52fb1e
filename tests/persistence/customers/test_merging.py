"""Merging customers: everything of the one is the other's from then on, by whichever id it comes, and the past stays
what it was."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from domain.errors import InvalidInput, NotFound
from domain.model import Actor, Business, NewCustomer
from domain.pages import PageRequest
from domain.segments.model import ChangeKind, ChangeList, MembershipSource
from domain.store import CustomerFilter, MemberList
from gql.composition import Services
from persistence.database.engines import Database
from persistence.labels.labels import LabelStore, keep
from persistence.tables.customers import customer, customer_term
from persistence.tables.imports import import_reject
from persistence.tables.jobs import customer_label
from persistence.tables.metadata import metadata
from persistence.tables.requests import audit_event
from persistence.unit import Unit
from tests.conftest import SetClock
from tests.drivers.files import HEADER, Importer, counts
from tests.drivers.interrupted import before_writing
from tests.drivers.store_image import assert_sound, image
from tests.drivers.working import Working
from tests.persistence.conftest import bought, merge, names, record_of
from tests.shops.factories import line, purchase

pytestmark = pytest.mark.anyio
ACTOR = Actor("tester")
DAY = "2024-06-01"


@pytest.fixture
async def two(services: Services, shop: Business) -> tuple[int, int]:
    """A with an order of 10 and one of 5, whose name is known, and B with one of 20, whose e-mail is; their numbers."""
    await services.purchases.record(
        shop,
        [
            purchase("A", "O1", DAY, 1000, lines=(line("Tea", 700), line("Cake", 300))),
            purchase("A", "O2", "2024-06-02", 500),
            purchase("B", "O3", "2024-05-01", 2000),
        ],
        ACTOR,
    )
    since = datetime(2020, 2, 3, tzinfo=UTC)
    people = [NewCustomer("A", "Ada Lovelace", "old@example.com", None, since), NewCustomer("B", email="b@example.com")]
    await services.customers.upsert(shop, people, ACTOR)
    known = await services.read(shop, lambda unit: unit.customers.find_known(["A", "B"]))
    return known["A"][0], known["B"][0]


async def test_purchases_and_what_is_missing_go_to_the_one_who_stays(
    two: tuple[int, int], database: Database, services: Services, shop: Business, clock: SetClock
) -> None:
    done = await merge(services, shop, "A", "B")

    kept = await record_of(services, shop, "B")
    assert done.customer == kept
    assert (done.fields, done.purchases, done.ended, done.begun) == (("name", "registered_at"), 3 - 1, 0, 0)
    assert (kept.customer.name, kept.customer.email) == ("Ada Lovelace", "b@example.com")
    assert (kept.customer.registered_at, kept.totals.registered_day) == (
        datetime(2020, 2, 3, tzinfo=UTC),
        datetime(2020, 2, 3).toordinal(),
    )
    assert (kept.totals.order_count, kept.totals.revenue) == (3, 3500)
    assert kept.totals.first_at == datetime(2024, 5, 1, tzinfo=UTC)
    assert await bought(services, shop, "B") == {"O1": 1000, "O2": 500, "O3": 2000}
    assert image(database, shop).lines["O1"] == [(1, "Tea", 700, "COMPLETED"), (2, "Cake", 300, "COMPLETED")]
    await assert_sound(database, shop, clock)


async def test_there_is_one_customer_who_is_found_by_both_ids(
    two: tuple[int, int], services: Services, shop: Business
) -> None:
    await merge(services, shop, "A", "B")

    first, second = two
    assert await names(services, shop) == ["B"]
    assert await services.read(shop, lambda unit: unit.customers.count(CustomerFilter())) == 1
    assert await services.read(shop, lambda unit: unit.rules.count_population()) == 1
    assert (await record_of(services, shop, "A")).customer.id == second
    assert await services.read(shop, lambda unit: unit.customers.find_known(["A", "B"])) == {
        "A": (second, False),
        "B": (second, False),
    }
    assert list(await services.read(shop, lambda unit: unit.customers.find_by_ids([first, second]))) == [second]


async def test_a_report_counts_one_customer(two: tuple[int, int], services: Services, shop: Business) -> None:
    before = await services.reporting.make_report(await services.businesses.open("shop"))
    await merge(services, shop, "A", "B")

    after = await services.reporting.make_report(await services.businesses.open("shop"))

    def sizes(report: Any) -> tuple[int, int]:
        return sum(group.customers for group in report.everyone), sum(group.revenue for group in report.everyone)

    assert (sizes(before), sizes(after)) == ((2, 3500), (1, 3500))


async def test_a_search_for_the_other_id_finds_the_customer_whatever_is_written_later(
    two: tuple[int, int], database: Database, services: Services, shop: Business
) -> None:
    async def found(search: str) -> list[str]:
        return await names(services, shop, CustomerFilter(search))

    # The other id is also the first name, which goes.
    await services.customers.upsert(shop, [NewCustomer("B", "A b", given=frozenset({"name"}))], ACTOR)
    await merge(services, shop, "A", "B")
    merged = [await found("a"), await found("ada"), await found("old@"), await found("b@")]
    await services.customers.upsert(shop, [NewCustomer("A", "Zoë", given=frozenset({"name"}))], ACTOR)

    assert merged == [["B"], [], [], ["B"]]
    assert [await found("a"), await found("zoë"), await found("b")] == [["B"]] * 3
    with database.bulk.connect() as connection:
        terms = connection.execute(select(customer_term.c.term, customer_term.c.customer_id)).all()
    assert sorted(terms) == [(term, two[1]) for term in ("a", "b", "b@example.com", "zoë")]


async def test_who_is_merged_on_is_known_by_every_id(two: tuple[int, int], services: Services, shop: Business) -> None:
    await services.customers.upsert(shop, [NewCustomer("C", "Cy")], ACTOR)

    await merge(services, shop, "A", "B")
    done = await merge(services, shop, "B", "C")

    assert (done.purchases, done.fields) == (3, ("email", "registered_at"))
    assert [(await record_of(services, shop, name)).customer.external_id for name in "ABC"] == ["C", "C", "C"]
    assert await names(services, shop) == ["C"]
    assert [await names(services, shop, CustomerFilter(search)) for search in ("a", "b", "c")] == [["C"]] * 3


async def test_what_cannot_be_merged_is_said_and_nothing_is_changed(
    two: tuple[int, int], database: Database, services: Services, shop: Business
) -> None:
    first, _ = two
    await services.customers.upsert(shop, [NewCustomer("C"), NewCustomer("D")], ACTOR)
    third, fourth = [(await record_of(services, shop, name)).customer.id for name in "CD"]
    await merge(services, shop, "C", "B")
    await services.erasure.erase(shop, fourth, ACTOR)
    before = content(database)

    async def refused(source: int, target: int) -> list[tuple[tuple[str, ...], str, str]]:
        with pytest.raises(InvalidInput) as raised:
            await services.merging.merge(shop, source, target, ACTOR)
        return [(problem.field, problem.code, problem.message) for problem in raised.value.problems]

    unknown, merged = "There is no customer with this id.", "must not name a customer who was merged into another one"
    same = "into_id must be another customer than from_id"
    assert await refused(first, first) == [(("into_id",), "INVALID", same)]
    assert await refused(99, first) == [(("from_id",), "NOT_FOUND", unknown)]
    assert await refused(99, 98) == [(("from_id",), "NOT_FOUND", unknown), (("into_id",), "NOT_FOUND", unknown)]
    assert await refused(third, first) == [(("from_id",), "CONFLICT", f"from_id {merged} already")]
    assert await refused(first, third) == [(("into_id",), "CONFLICT", f"into_id {merged} already")]
    gone = "must not name a customer who was erased"
    assert await refused(fourth, first) == [(("from_id",), "ERASED", f"from_id {gone}")]
    assert await refused(first, fourth) == [(("into_id",), "ERASED", f"into_id {gone}")]
    with pytest.raises(InvalidInput, match=r"^C and B are the same customer already$"):
        await merge(services, shop, "C", "B")
    with pytest.raises(InvalidInput, match=r"^B and B must be two customers$"):
        await merge(services, shop, "B", "B")
    with pytest.raises(NotFound, match=r"^There is no customer with the id D in the business shop\.$"):
        await merge(services, shop, "D", "B")
    assert content(database) == before


def content(database: Database) -> dict[str, list[str]]:
    """Every row of the store."""
    with database.bulk.connect() as connection:
        return {table.name: sorted(map(str, connection.execute(select(table)))) for table in metadata.sorted_tables}


async def test_ids_are_read_as_everywhere(two: tuple[int, int], services: Services, shop: Business) -> None:
    await services.customers.upsert(shop, [NewCustomer("17850")], ACTOR)

    with pytest.raises(InvalidInput, match=r"^the customer id '1\.23E\+05' is in scientific notation"):
        await merge(services, shop, "1.23E+05", "B")
    await merge(services, shop, " 17850.0", '="B"')

    assert (await record_of(services, shop, "17850")).customer.external_id == "B"


async def test_a_merge_that_fails_at_its_end_leaves_nothing(
    two: tuple[int, int], database: Database, services: Services, shop: Business, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content(database)

    async def fail(*rest: object, **more: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(Unit, "audit", fail)
    with pytest.raises(RuntimeError):
        await merge(services, shop, "A", "B")

    assert content(database) == before


async def test_a_merge_is_one_event_with_both_ids(
    two: tuple[int, int], database: Database, services: Services, shop: Business
) -> None:
    await merge(services, shop, "A", "B")

    with database.bulk.connect() as connection:
        event = connection.execute(select(audit_event).order_by(audit_event.c.id.desc())).first()
    assert event is not None
    assert (event.action, event.actor, event.subject_kind, event.subject_id) == (
        "mergeCustomers",
        "tester",
        "Customer",
        two[1],
    )
    assert event.detail == {
        "from": two[0],
        "into": two[1],
        "purchases": 2,
        "fields": ["name", "registered_at"],
        "membershipsEnded": 0,
        "membershipsBegun": 0,
    }


async def test_manual_memberships_go_on_and_the_past_stays_with_the_one_who_went(
    two: tuple[int, int], database: Database, services: Services, shop: Business, clock: SetClock
) -> None:
    working = Working.of(database, clock, shop)
    vip, both, big = await working.by_hand("vip"), await working.by_hand("both"), await working.segment("big", OVER_12)
    await services.memberships.assign(shop, both.id, list(two), ACTOR)
    await services.memberships.assign_named(shop, "vip", ["A"], ACTOR)
    await working.worker.run_once(shop)
    past = (await services.memberships.remove(shop, both.id, [two[0]], ACTOR))[0].seen_at
    await services.memberships.assign(shop, both.id, [two[0]], ACTOR)
    before = [await working.members(segment) for segment in (vip, both, big)]

    done = await merge(services, shop, "A", "B")

    after = [await working.members(segment) for segment in (vip, both, big)]
    assert (before, after) == ([["A"], ["A", "B"], ["A", "B"]], [["B"], ["B"], ["B"]])
    assert (done.ended, done.begun) == (3, 1)
    assert past is not None
    async with working.store.read(shop) as unit:
        page = (await unit.history.load_change_pages([(ChangeList(customer_id=two[1]), PageRequest(50))]))[0]
        few = (await unit.history.load_change_pages([(ChangeList(customer_id=two[1]), PageRequest(2))]))[0]
        count = await unit.history.count_changes([ChangeList(customer_id=two[1]), ChangeList(customer_id=two[0])])
        then = await unit.members.load_page(MemberList(both.id, past - timedelta(microseconds=1)), PageRequest())
        sizes = await unit.history.count_past_members([(both.id, past - timedelta(microseconds=1)), (both.id, past)])
        begun = (await unit.memberships.find_open_memberships([two[1]]))[two[1]]
    told = [(change.segment_id, change.customer_id, change.kind) for change in page.items]
    left, entered = ChangeKind.LEFT, ChangeKind.ENTERED
    first, second = two
    assert told == [
        (both.id, first, entered),
        (both.id, second, entered),
        (vip.id, first, entered),
        (big.id, first, entered),
        (big.id, second, entered),
        (both.id, first, left),
        (both.id, first, entered),
        (vip.id, first, left),
        (vip.id, second, entered),
        (both.id, first, left),
        (big.id, first, left),
    ]
    assert list(few.items) == list(page.items[:2])
    assert few.has_next
    assert count == [11, 8]
    assert len({change.at for change in page.items[-4:]}) == 1
    assert [record.customer.external_id for record, _ in then.items] == ["A", "B"]
    assert sizes == [2, 1]
    sources = {each.segment_id: (each.source, each.entered_by) for each in begun}
    assert sources[vip.id] == (MembershipSource.IMPORT, "tester")
    assert sources[both.id] == (MembershipSource.MANUAL, "tester")


OVER_12 = {">": [{"var": "total_revenue"}, 12]}


async def test_dynamic_memberships_follow(
    two: tuple[int, int], database: Database, services: Services, shop: Business, clock: SetClock
) -> None:
    working = Working.of(database, clock, shop)
    biggest = await working.segment("biggest", {">": [{"var": "total_revenue"}, 30]})
    small = await working.segment("small", {"<": [{"var": "total_revenue"}, 30]})
    for segment in (biggest, small):
        await working.calculate(segment)
    before = [await working.members(segment) for segment in (biggest, small)]

    await merge(services, shop, "A", "B")
    await working.worker.run_once(shop)

    assert before == [[], ["A", "B"]]
    assert [await working.members(segment) for segment in (biggest, small)] == [["B"], []]


async def test_a_run_that_saw_the_customer_before_does_not_bring_it_back(
    two: tuple[int, int],
    database: Database,
    services: Services,
    shop: Business,
    clock: SetClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    working = Working.of(database, clock, shop)
    segment = await working.segment("all", {">": [{"var": "total_revenue"}, 0]})
    before_writing(monkeypatch, lambda: merge(services, shop, "A", "B"))

    await working.calculate(segment)

    assert await working.members(segment) == ["B"]


async def test_labels_follow(two: tuple[int, int], database: Database, services: Services, clock: SetClock) -> None:
    def labels() -> list[list[str | None]]:
        with LabelStore(database, 1, clock).decide_labels() as decided:
            rows = [list(row) for row in decided.load_rows()]
            keep(decided)
        return rows

    before = labels()
    await merge(services, await services.businesses.open("shop"), "A", "B")

    after = labels()

    assert [row[:2] for row in before] == [["A", "Regular"], ["B", "New"]]
    assert [row[:2] for row in after] == [["B", "Regular"]]
    with database.bulk.connect() as connection:
        assert connection.execute(select(customer_label.c.customer_id)).scalars().all() == [two[1]]


async def test_whatever_comes_under_the_other_id_is_of_the_customer(
    two: tuple[int, int], importer: Importer, database: Database, services: Services, shop: Business, clock: SetClock
) -> None:
    await merge(services, shop, "A", "B")
    rows = (
        "A,O1,2024-06-01,10,Tea",
        "A,O4,2024-06-03,1,",
        "B,O5,2024-06-04,2,",
        "A,O6,2024-06-05,3,",
        "C,O7,2024-06-05,3,",
    )

    first = importer.lines(*rows, header=f"{HEADER},category")
    again = importer.lines(*rows, header=f"{HEADER},category")
    fresh = importer.lines("B,O8,2024-06-04,2", "A,O9,2024-06-05,3")
    taken = importer.lines("A,O7,2024-06-05,3")
    stated = await services.purchases.record(
        shop,
        [purchase("A", "O10", DAY, 50), purchase("B", "O11", DAY, 50), purchase("A", "O3", "2024-05-01", 2000)],
        ACTOR,
    )

    assert [counts(summary) for summary in (first, again, fresh, taken)] == [
        (4, 1, 0, 0),
        (0, 0, 5, 0),
        (2, 0, 0, 0),
        (0, 0, 0, 1),
    ]
    assert (stated.created, stated.updated, stated.unchanged) == (2, 0, 1)
    known, new = {"O1": 1000, "O2": 500, "O3": 2000}, {"O4": 100, "O5": 200, "O6": 300, "O8": 200, "O9": 300}
    assert await bought(services, shop, "B") == {**known, **new, "O10": 50, "O11": 50}
    assert await names(services, shop) == ["B", "C"]
    await assert_sound(database, shop, clock)


async def test_a_first_import_of_both_ids_makes_one_customers_orders(
    importer: Importer, services: Services, shop: Business
) -> None:
    await services.customers.upsert(shop, [NewCustomer("A"), NewCustomer("B")], ACTOR)
    await merge(services, shop, "A", "B")

    # The store holds no purchase yet, so every order is written without a search.
    summary = importer.lines("A,O1,2024-06-01,10", "B,O2,2024-06-01,5")

    assert counts(summary) == (2, 0, 0, 0)
    assert await bought(services, shop, "A") == {"O1": 1000, "O2": 500}


async def test_two_names_of_one_customer_in_one_write_are_written_one_after_the_other(
    two: tuple[int, int], services: Services, shop: Business
) -> None:
    await merge(services, shop, "A", "B")

    written = await services.customers.upsert(
        shop,
        [
            NewCustomer("A", "Zoë", given=frozenset({"name"})),
            NewCustomer("B", loyalty_level="GOLD", given=frozenset({"loyalty_level"})),
            NewCustomer("C", "Cy"),
        ],
        ACTOR,
    )

    kept = (await record_of(services, shop, "B")).customer
    assert (written.created, written.updated) == (1, 2)
    assert (kept.name, kept.email, kept.loyalty_level) == ("Zoë", "b@example.com", "GOLD")
    assert await names(services, shop, CustomerFilter("zoë")) == ["B"]
    assert await names(services, shop, CustomerFilter("ada")) == []


async def test_a_file_of_members_may_name_the_customer_by_the_other_id(
    two: tuple[int, int], database: Database, services: Services, shop: Business, clock: SetClock
) -> None:
    working = Working.of(database, clock, shop)
    vip = await working.by_hand("vip")
    await merge(services, shop, "A", "B")

    put = await services.memberships.assign_named(shop, "vip", ["A", "B", "X"], ACTOR)
    members = await working.members(vip)
    taken = await services.memberships.assign_named(shop, "vip", ["A"], ACTOR, entering=False)

    assert (put.changed, put.unknown, members) == (1, ("X",), ["B"])
    assert (taken.changed, await working.members(vip)) == (1, [])


async def test_erasure_takes_every_name_away_and_each_is_refused_when_it_comes_again(
    two: tuple[int, int], importer: Importer, database: Database, services: Services, shop: Business
) -> None:
    importer.lines("A,O9,never,1", "B,O8,never,1", "C,O7,never,1")
    await services.customers.upsert(shop, [NewCustomer("C", "Cy")], ACTOR)
    await merge(services, shop, "A", "B")
    await merge(services, shop, "B", "C")
    third = (await record_of(services, shop, "C")).customer.id

    await services.erasure.erase(shop, third, ACTOR)

    with database.bulk.connect() as connection:
        kept = connection.execute(select(customer.c.external_id, customer.c.name, customer.c.email, customer.c.erased))
        assert {(row[0][:7], *row[1:]) for row in kept} == {("erased:", None, None, True)}
        assert connection.execute(select(customer_term.c.term)).all() == []
        assert connection.execute(select(import_reject.c.text)).scalars().all() == ["[erased]"] * 3
        details = str(connection.execute(select(audit_event.c.detail)).all())
    assert not any(name in details for name in ("Ada", "example.com"))
    importer.lines("A,O1,2024-06-01,10", "B,O5,2024-06-01,1", "C,O6,2024-06-01,1")
    assert [reason for _, reason, _ in importer.rejected] == ["the customer was erased"] * 3
    for name in "ABC":
        with pytest.raises(InvalidInput, match=r"^this customer was erased$"):
            await services.customers.upsert(shop, [NewCustomer(name)], ACTOR)
        with pytest.raises(InvalidInput, match=r"^this customer was erased$"):
            await services.purchases.record(shop, [purchase(name, "N", DAY, 1)], ACTOR)
    assert await names(services, shop) == []
