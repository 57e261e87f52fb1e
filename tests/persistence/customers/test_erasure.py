"""Erasure: the names go from everywhere, the figures stay, and whoever was erased is refused when it comes again."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Select, select, update

from domain.audit import compute_digest as digest_of
from domain.errors import InvalidInput
from domain.imports.model import NewImport
from domain.imports.rows import RejectedRow
from domain.model import Actor, Business, NewCustomer
from domain.pages import PageRequest
from domain.segments.model import Definition, MembershipSource, NewSegment, SegmentKind
from domain.store import CustomerFilter, CustomerSort, MemberList
from gql.composition import Services
from persistence import erasure as erased_names
from persistence.database.engines import Database
from persistence.erasure import compute_digest
from persistence.store import SqlStore
from persistence.tables.businesses import business
from persistence.tables.customers import customer, customer_term
from persistence.tables.imports import import_reject, purchase_before, purchase_import
from persistence.tables.jobs import job
from persistence.tables.metadata import metadata
from persistence.tables.purchases import purchase as purchases
from persistence.tables.requests import audit_event
from tests.conftest import SetClock
from tests.drivers.files import HEADER, Importer
from tests.persistence.conftest import everybody, record_of
from tests.shops.factories import import_file, purchase

pytestmark = pytest.mark.anyio
ACTOR = Actor("test")
DETAILS = select(audit_event.c.detail)


@pytest.fixture
async def store(database: Database, clock: SetClock, services: Services, shop: Business, tmp_path: Path) -> SqlStore:
    """Zoë and Ada with purchases, both in the segment 1; Zoë's name in a reject and in an event."""
    file = tmp_path / "orders.csv"
    file.write_text(f"{HEADER}\nzoe-1,1,2024-06-01,10\nada-1,2,2024-06-01,5\nzoe-1,3,never,1\n")
    import_file(database, shop, clock, file)
    people = [NewCustomer("zoe-1", "Zoë", "zoe@example.com", "GOLD"), NewCustomer("ada-1", "Ada")]
    await services.customers.upsert(shop, people, ACTOR)
    made = SqlStore(database, clock)
    async with made.write(shop) as unit:
        new = NewSegment("s", "S", None, SegmentKind.MANUAL, False, False, Definition(), None, None)
        segment = await unit.segments.add(new, unit.instant)
        known = await unit.customers.find_known(["zoe-1", "ada-1"])
        ids = [key for key, _ in known.values()]
        await unit.memberships.add(segment.id, ids, unit.instant, MembershipSource.MANUAL, None)
        await unit.audit(Actor("test"), "note", None, {"who": ["Zoë", "Ada"], "is": {"old": "zoe-1"}})
    return made


async def erase(services: Services, shop: Business, name: str) -> int:
    key = (await record_of(services, shop, name)).customer.id
    await services.erasure.erase(shop, key, ACTOR)
    return key


async def asked(store: SqlStore, shop: Business, statement: Select[Any]) -> list[Any]:
    """The rows, or the values of the one column."""
    async with store.read(shop) as unit:
        rows = (await unit.connection.execute(statement)).all()
    return [row[0] if len(row) == 1 else tuple(row) for row in rows]


async def test_names_go_from_every_table_and_figures_stay(store: SqlStore, services: Services, shop: Business) -> None:
    key = await erase(services, shop, "zoe-1")

    record = (await services.read(shop, lambda unit: unit.customers.find_by_ids([key])))[key]
    assert (record.customer.external_id, record.customer.name, record.customer.email) == ("[erased]", None, None)
    assert (record.customer.erased, record.totals.order_count, record.totals.revenue) == (True, 1, 1000)
    rows = [str(row) for table in metadata.sorted_tables for row in await asked(store, shop, select(table))]
    assert [row for row in rows if any(name in row for name in ("Zoë", "zoe@example.com", "zoë", "zoe-1"))] == []
    assert {"who": ["[erased]", "Ada"], "is": {"old": "[erased]"}} in await asked(store, shop, DETAILS)
    assert await rejected(store, shop) == ["[erased]"]
    assert await asked(store, shop, select(customer_term.c.term).where(customer_term.c.customer_id == key)) == []
    assert await everybody(services, shop, CustomerSort.NAME, where=CustomerFilter("zoe")) == []


async def test_memberships_end_and_the_past_stays(store: SqlStore, services: Services, shop: Business) -> None:
    async with store.write(shop) as unit:
        before = unit.instant
    key = await erase(services, shop, "zoe-1")

    async with store.read(shop) as unit:
        assert (await unit.segments.find_by_ids([1]))[1].member_count == 1
        now = await unit.members.load_page(MemberList(1), PageRequest())
        then = await unit.members.load_page(MemberList(1, before), PageRequest())
    assert [record.customer.external_id for record, _ in now.items] == ["ada-1"]
    assert {record.customer.id: record.customer.external_id for record, _ in then.items}[key] == "[erased]"
    assert len(then.items) == 2


@pytest.mark.parametrize("looked_up", [2_000, 0])
async def test_whoever_was_erased_is_refused_when_it_comes_again(
    looked_up: int,
    store: SqlStore,
    database: Database,
    services: Services,
    shop: Business,
    clock: SetClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await erase(services, shop, "zoe-1")
    monkeypatch.setattr(erased_names, "PORTION", looked_up)
    file = tmp_path / "again.csv"
    file.write_text(f"{HEADER}\nzoe-1,1,2024-06-01,10\nzoe-1,9,2024-06-01,10\nnew-1,8,2024-06-01,1\n")

    rejects: list = []  # type: ignore[type-arg]
    summary = import_file(database, shop, clock, file, rejects)

    assert (summary.created, summary.rejected) == (1, 2)
    assert {row.reason for row in rejects} == {"the customer was erased"}
    for write in (
        services.customers.upsert(shop, [NewCustomer("zoe-1", "Zoë")], ACTOR),
        services.purchases.record(shop, [purchase("zoe-1", "7", "2024-06-02", 100)], ACTOR),
    ):
        with pytest.raises(InvalidInput) as caught:
            await write
        assert [problem.code for problem in caught.value.problems] == ["ERASED"]
    assert len(await asked(store, shop, select(customer.c.id))) == 3


async def test_attributes_of_purchases_go_also_where_an_import_would_bring_them_back(
    store: SqlStore, services: Services, shop: Business, importer: Importer
) -> None:
    said = {"attributes": {"note": "for Zoë"}}
    items = [purchase(f"{name}-1", f"{name}-9", "2024-06-01", 100, **said) for name in ("zoe", "ada")]
    await services.purchases.record(shop, items, ACTOR)
    importer.lines("zoe-1,zoe-9,2024-06-01,1.00", "ada-1,ada-9,2024-06-01,1.00")
    await services.purchases.record(shop, items, ACTOR)
    attributes = [select(table.c.attributes).order_by(table.c.customer_id) for table in (purchases, purchase_before)]
    note = '{"note":"for Zoë"}'
    stored = [[each for each in await asked(store, shop, statement) if each] for statement in attributes]
    assert stored == [[note, note], [note, note]]

    await erase(services, shop, "zoe-1")

    stored = [[each for each in await asked(store, shop, statement) if each] for statement in attributes]
    assert stored == [[note], [note]]


async def test_erasing_again_changes_nothing(store: SqlStore, services: Services, shop: Business) -> None:
    key = await erase(services, shop, "zoe-1")
    before = await asked(store, shop, select(customer))

    await services.erasure.erase(shop, key, ACTOR)

    assert await asked(store, shop, select(customer)) == before


async def rejected(store: SqlStore, shop: Business) -> list[str]:
    column = import_reject.c
    return await asked(store, shop, select(column.text).order_by(column.import_id, column.line))


async def test_rejects_go_however_the_cell_was_written_and_others_stay(
    store: SqlStore, services: Services, shop: Business, importer: Importer
) -> None:
    importer.lines(
        " zoe-1 ,11,never,1", "\tzoe-1,12,never,1", "ada-1,13,never,1", "zoe-10,14,never,1", "x,zoe@example.com,never,1"
    )

    await erase(services, shop, "zoe-1")

    others = ["ada-1,13,never,1", "zoe-10,14,never,1"]
    assert await rejected(store, shop) == [*["[erased]"] * 3, *others, "[erased]"]


async def test_a_later_import_brings_no_name_of_the_erased_back(
    store: SqlStore, services: Services, shop: Business, importer: Importer
) -> None:
    await services.customers.upsert(shop, [NewCustomer("one, two")], ACTOR)
    await erase(services, shop, "zoe-1")
    await erase(services, shop, "one, two")

    summary = importer.lines(
        "zoe-1,21,2024-06-01,1", " zoe-1 ,22,never,1", "ada-1,23,never,1", '"one, two",24,never,1', "zoe-1,25"
    )

    assert summary.rejected == 5
    assert (await rejected(store, shop))[1:] == ["[erased]", "[erased]", "ada-1,23,never,1", "[erased]", "[erased]"]
    assert importer.rejected[0] == (2, "the customer was erased", "zoe-1,21,2024-06-01,1")


async def test_who_is_erased_while_an_import_ends_is_not_kept_in_its_rejects(
    store: SqlStore, services: Services, shop: Business, database: Database, clock: SetClock, tmp_path: Path
) -> None:
    await erase(services, shop, "ada-1")
    waiting: list[str] = []

    class Told(list[RejectedRow]):
        """Hears of the rows after the orders were merged, before the import ends."""

        def append(self, row: RejectedRow) -> None:
            waiting.append("zoe-1")

    def now() -> datetime:
        # Asked before the lock is waited for, when the rejects were looked at already.
        while waiting:
            with database.bulk.begin() as connection:
                key = connection.execute(select(business.c.erasure_key)).scalar_one()
                gone = {"external_id": compute_digest(key, "zoe-1"), "erased": True}
                mine = customer.c.external_id == waiting.pop()
                connection.execute(update(customer).where(mine).values(**gone))
        return clock.now

    (tmp_path / "more.csv").write_text(f"{HEADER}\nzoe-1,21,never,1\nnew-1,22,never,1\n")
    import_file(database, shop, now, tmp_path / "more.csv", Told())

    assert (await rejected(store, shop))[1:] == ["[erased]", "new-1,22,never,1"]


async def test_names_go_from_within_the_texts_of_the_audit_trail(
    store: SqlStore, services: Services, shop: Business
) -> None:
    detail = {
        "name": {"old": "For zoe-1", "new": "Zoë and Ada (zoe@example.com)."},
        "rules": [{"in": ["zoe-1", {"var": "external_id"}]}, {"==": [{"var": "email"}, "not.zoe@example.com"]}],
        "description": "not zoe-1-b, zoe-10 or 2-zoe-1",
        "count": 1,
    }
    async with store.write(shop) as unit:
        await unit.audit(Actor("test"), "updateSegment", None, detail)

    await erase(services, shop, "zoe-1")

    found = await asked(store, shop, DETAILS.where(audit_event.c.action == "updateSegment"))
    assert found == [
        {
            "name": {"old": "For [erased]", "new": "[erased] and Ada ([erased])."},
            "rules": [
                {"in": ["[erased]", {"var": "external_id"}]},
                {"==": [{"var": "email"}, "not.zoe@example.com"]},
            ],
            "description": "not zoe-1-b, zoe-10 or 2-zoe-1",
            "count": 1,
        }
    ]


async def test_ids_go_from_what_writes_say_they_touched_and_digests_stay(
    store: SqlStore, services: Services, shop: Business
) -> None:
    others = [f"c-{number:02d}" for number in range(20)]
    await services.purchases.record(shop, [purchase("zoe-1", "9", "2024-06-01", 5)], ACTOR)
    await services.customers.upsert(shop, [NewCustomer(name) for name in (*others, "zoe-1")], ACTOR)
    async with store.read(shop) as unit:
        (segment,) = await unit.segments.load_all()
    await services.memberships.assign_named(shop, segment.key, ["zoe-1", "ada-1"], ACTOR)

    await erase(services, shop, "zoe-1")

    actions = ("recordPurchases", "upsertCustomers", "assignSegment")
    told = DETAILS.where(audit_event.c.action.in_(actions)).order_by(audit_event.c.id)
    _, recorded, upserted, assigned = await asked(store, shop, told)
    assert (recorded["orders"], recorded["customers"]) == (["9"], ["[erased]"])
    assert upserted["customers"] == {"count": 21, "sha256": digest_of(sorted([*others, "zoe-1"]))}
    assert assigned["customers"] == ["ada-1", "[erased]"]
    whole = str(await asked(store, shop, DETAILS))
    assert "zoe-1" not in whole


async def test_an_id_of_a_few_digits_stays_a_number_within_a_text(
    store: SqlStore, services: Services, shop: Business
) -> None:
    await services.customers.upsert(shop, [NewCustomer("90"), NewCustomer("100090")], Actor("test"))
    detail = {"about": ["90", "100090"], "description": "90 days or more, like 100090"}
    async with store.write(shop) as unit:
        await unit.audit(Actor("test"), "updateSegment", None, detail)

    await erase(services, shop, "90")
    await erase(services, shop, "100090")

    found = await asked(store, shop, DETAILS.where(audit_event.c.action == "updateSegment"))
    assert found == [{"about": ["[erased]", "[erased]"], "description": "90 days or more, like [erased]"}]


async def test_more_texts_than_are_read_at_a_time_all_lose_the_name(
    store: SqlStore, services: Services, shop: Business, importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erased_names, "PORTION", 2)
    importer.lines(*(f"zoe-1,{number},never,1" for number in range(5)), "zoe-10,9,never,1")
    async with store.write(shop) as unit:
        await unit.audit(Actor("test"), "zoe-1 itself", None, {"about": "zoe-1"})
    for number in range(5):
        async with store.write(shop) as unit:
            await unit.audit(Actor("test"), f"note {number}", None, {"about": "zoe-1"})

    await erase(services, shop, "zoe-1")

    assert await rejected(store, shop) == ["[erased]"] * 6 + ["zoe-10,9,never,1"]
    assert (await asked(store, shop, DETAILS)).count({"about": "[erased]"}) == 6


@pytest.mark.parametrize(
    ("called", "left"),
    [
        ("Orders of Zoë Perera.csv", "Orders of [erased].csv"),
        ("zoë_perera-2024.xlsx", "[erased]-2024.xlsx"),
        ("ZOE\u0308 PERERA.csv.gz", "[erased].csv.gz"),
        ("from zoe@example.com.csv", "from [erased].csv"),
        ("zoe-example-com.json", "[erased].json"),
        ("march_zoe-1.csv", "march_[erased].csv"),
        ("zoe-10 and 2zoe-1.csv", "zoe-10 and 2zoe-1.csv"),
    ],
)
async def test_names_go_from_the_names_of_files(
    store: SqlStore, services: Services, shop: Business, called: str, left: str
) -> None:
    await services.customers.upsert(shop, [NewCustomer("zoe-1", "Zoë Perera", "zoe@example.com")], ACTOR)
    options = {"file": "folder", "name": called, "delimiter": ";"}
    queued = await services.imports.queue(shop, NewImport(called, options, "somebody", None, None), None)
    async with store.write(shop) as unit:
        said = update(job).where(job.c.id == queued.id).values(error_message=f"No data found in {called}.")
        await unit.connection.execute(said)

    await erase(services, shop, "zoe-1")

    own = purchase_import.c.id == queued.id
    assert await asked(store, shop, select(purchase_import.c.source, purchase_import.c.options).where(own)) == [
        (left, {**options, "name": left})
    ]
    events = await asked(store, shop, DETAILS.where(audit_event.c.action == "uploadPurchases"))
    assert events == [{"source": left, "import": queued.id}]
    assert await asked(store, shop, select(job.c.error_message).where(job.c.id == queued.id)) == [
        f"No data found in {left}."
    ]


async def test_an_unknown_customer_cannot_be_erased(store: SqlStore, services: Services, shop: Business) -> None:
    with pytest.raises(InvalidInput) as caught:
        await services.erasure.erase(shop, 99, ACTOR)

    assert [(problem.field, problem.code) for problem in caught.value.problems] == [(("customer_id",), "NOT_FOUND")]
