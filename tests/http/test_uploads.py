"""Purchases sent as a file: kept as they come, imported beside the requests, followed as a run; line I3 of the
reliability requirements."""

import asyncio
import gzip
import os
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from domain.calendar import to_micros
from domain.errors import ImportEnded
from domain.jobs.model import ATTEMPTS, LEASE_SECONDS, JobKind
from domain.model import Actor
from domain.pages import PageRequest
from domain.store import Agenda
from persistence.database.engines import Database
from persistence.database.failures import FULL
from persistence.imports import importer, uploads
from persistence.imports.customers_file import ProfileNotes
from persistence.imports.staging import ArrangedOrders
from persistence.sources.opening import OpenedPurchases
from tests.conftest import SetClock, sqlite_alone
from tests.drivers.full_disk import full_disk
from tests.drivers.server import wait_until
from tests.drivers.sockets import live, receive, subscribe
from tests.drivers.uploading import IMPORT, ROWS, Place, placing

pytestmark = pytest.mark.anyio

FOLLOW_ENDS = "subscription($id: ID!) { jobProgress(id: $id) { status finishedAt error { code } } }"
NOTHING = Agenda(False, False, False, None, frozenset())


@pytest.fixture
async def place(database: Database, clock: SetClock, tmp_path: Path) -> AsyncIterator[Place]:
    async with placing(database, clock, tmp_path) as made:
        yield made


async def test_customers_get_what_an_uploaded_file_says_of_them(place: Place) -> None:
    rows = (
        "customer_id,order_id,date,amount,who,land\nA,1,2024-03-01,5,Ada,DE\nB,2,2024-03-01,5,,\n,3,2024-03-01,5,C,\n"
    )
    sent = await place.send(rows, "?map=who=name&map=land=country")

    await place.import_waiting()

    assert (await place.told(sent.json()["id"]))["status"] == "SUCCEEDED"
    data = await place.face.data("{ customers { nodes { externalId name country } } }")
    assert data["customers"]["nodes"] == [
        {"externalId": "A", "name": "Ada", "country": "DE"},
        {"externalId": "B", "name": None, "country": None},
    ]


async def test_an_upload_has_not_succeeded_before_its_customers_are_written(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    write = ProfileNotes.write

    async def end_once(self: ProfileNotes, *given: Any) -> int:
        seen.append((await place.told(sent.json()["id"]))["status"])
        if len(seen) == 1:
            # As the loop does when the server ends.
            raise asyncio.CancelledError
        return await write(self, *given)

    monkeypatch.setattr(ProfileNotes, "write", end_once)
    sent = await place.send("customer_id,order_id,date,amount,who\nA,1,2024-03-01,5,Ada\n", "?map=who=name")

    await place.import_waiting()

    assert seen == ["RUNNING", "RUNNING"]
    assert (await place.told(sent.json()["id"]))["status"] == "SUCCEEDED"
    assert await place.face.data("{ customers { nodes { name } } }") == {"customers": {"nodes": [{"name": "Ada"}]}}


async def test_a_file_waits_is_imported_and_goes(place: Place) -> None:
    sent = await place.send(query="?name=march.csv")
    number = sent.json()["id"]
    waiting, kept = await place.told(number), place.files
    await place.import_waiting()
    done = await place.told(number)

    assert (sent.status_code, sent.headers["location"]) == (202, f"/imports/purchases/{number}")
    assert (waiting["status"], waiting["source"], kept) == ("QUEUED", "march.csv", ["file.csv"])
    state = {"status": "SUCCEEDED", "source": "march.csv", "error": None, "undoneAt": None}
    counts = {"rowsRead": 31, "created": 30, "updated": 0, "unchanged": 0, "rejected": 1}
    assert done == {
        **state,
        **counts,
        "progress": {"fraction": 1.0, "phase": "finished"},
        "quality": {"unknownCategories": 0, "outliers": 0, "largestOutliers": []},
        "rejects": {"nodes": [{"line": 32, "text": ",x,2024-03-01,1,Tea", "reason": "no customer"}], "totalCount": 1},
    }
    assert list(place.folder.iterdir()) == []
    data = await place.face.data("{ customers { totalCount } imports { totalCount nodes { id } } }")
    assert data == {"customers": {"totalCount": 30}, "imports": {"totalCount": 1, "nodes": [{"id": number}]}}


async def test_a_file_of_which_every_row_is_rejected_has_failed_and_says_why(place: Place) -> None:
    body = (
        "customer_id,order_id,date,amount\nC1,1,2024-03-01,x\nC1,1,2024-03-01,5\nC1,2,2024-03-01,y\n,3,2024-03-01,5\n"
    )
    number = (await place.send(body)).json()["id"]
    await place.import_waiting()

    told = await place.told(number)
    state = await place.face.client.get(f"/imports/purchases/{number}", headers=place.face.bearer())
    reasons = "rejectReasons { reason count firstLine remedy }"
    query = f"query I($id: ID!, $reason: String) {{ node(id: $id) {{ ... on PurchaseImport {{ {reasons} "
    query += "rejects(first: 1, reason: $reason) { nodes { line } totalCount pageInfo { hasNextPage } } } } }"
    number_reason = "the amount '…' must be a number such as 12.50"
    listed = (await place.face.data(query, {"id": number, "reason": number_reason}))["node"]

    sentence = f"All 4 rows were rejected, 2 of them for this reason: {number_reason}."
    assert (told["status"], told["rejected"], told["rowsRead"]) == ("FAILED", 4, 4)
    assert told["error"] == {"code": "ALL_REJECTED", "message": sentence}
    assert (state.json()["status"], state.json()["error"]) == ("FAILED", told["error"])
    assert told["rejects"]["totalCount"] == 4
    signs = "decimal, thousands and currency_sign"
    other = "another row of this order is rejected"
    assert listed["rejectReasons"] == [
        {
            "reason": number_reason,
            "count": 2,
            "firstLine": 2,
            "remedy": f"Write the amount as 12.50, or say its signs by {signs}.",
        },
        {"reason": other, "count": 1, "firstLine": 3, "remedy": "Mend the other row; this one needs nothing."},
        {"reason": "no customer", "count": 1, "firstLine": 5, "remedy": "Give the row its customer."},
    ]
    assert listed["rejects"] == {"nodes": [{"line": 2}], "totalCount": 2, "pageInfo": {"hasNextPage": True}}
    assert place.files == []


async def test_a_file_is_added_to_the_orders_that_are_there_where_it_is_said(place: Place) -> None:
    header = "customer_id,order_id,date,amount\n"
    bodies = [(header + "C1,1,2024-03-01,5\n", ""), *[(header + "C1,1,2024-03-01,2.50\n", "?append_lines=true")] * 2]
    sent = []
    for body, query in bodies:
        sent.append((await place.send(body, query)).json()["id"])
        await place.import_waiting()

    told = [await place.told(number) for number in sent]
    refused = await place.send(bodies[0][0], "?append_lines=perhaps")

    assert [(one["created"], one["updated"], one["unchanged"]) for one in told] == [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    found = await place.face.data("{ customers { nodes { metrics { totalRevenue orderCount } } } }")
    assert found["customers"]["nodes"] == [{"metrics": {"totalRevenue": "7.50", "orderCount": 1}}]
    assert (refused.status_code, refused.json()) == (400, {"detail": "append_lines must be true or false"})


@sqlite_alone
@pytest.mark.parametrize(
    ("kind", "query", "encoding"),
    [
        ("text/csv; charset=windows-1252", "", "cp1252"),
        ('text/csv; header=present; Charset="ISO-8859-1"', "", "cp1252"),
        ("text/csv; charset=utf-8", "?encoding=windows-1250", "cp1250"),
        ("text/csv; charset=windows-1252", "?encoding=windows-1250", "cp1250"),
        ("text/csv; charset=utf-8", "", "utf-16"),
        ("text/tab-separated-values", "", "utf-8"),
    ],
)
async def test_the_charset_is_the_encoding_unless_the_query_says_one(
    kind: str, query: str, encoding: str, place: Place
) -> None:
    body = "customer_id,order_id,date,amount\nMüller-Łódź,1,2024-03-01,5\n"
    name = "Müller" if encoding == "cp1252" else "Müller-Łódź"

    sent = await place.send(body.replace("Müller-Łódź", name).encode(encoding), query, **{"Content-Type": kind})
    await place.import_waiting()

    assert sent.status_code == 202, sent.text
    found = await place.face.data("{ customers { nodes { externalId } } }")
    assert found["customers"]["nodes"] == [{"externalId": name}]


@sqlite_alone
async def test_orders_as_json_are_understood(place: Place) -> None:
    body = '[{"customer_id": "Ada", "order_id": 1, "date": "2024-03-01", "items": [{"amount": 5}, {"amount": 2.5}]}]'

    sent = await place.send(body, "?map=items.amount%3Damount", **{"Content-Type": "application/json"})
    await place.import_waiting()

    assert sent.status_code == 202, sent.text
    found = await place.face.data("{ customers { nodes { externalId metrics { totalRevenue } } } }")
    assert found["customers"]["nodes"] == [{"externalId": "Ada", "metrics": {"totalRevenue": "7.50"}}]


@sqlite_alone
async def test_gzip_and_the_options_of_the_command_line_are_understood(place: Place) -> None:
    packed = gzip.compress(b"who;no;when;sum\nAda;1;31/03/2024;1.234,50\n")
    query = "?map=who%3Dcustomer_id&map=no%3Dorder_id&map=when%3Dpurchase_date&map=sum%3Damount"
    more = "&date_format=%25d/%25m/%25Y&decimal=,&thousands=."

    sent = await place.send(packed, query + more, **{"Content-Type": "application/gzip"})
    await place.import_waiting()

    assert sent.status_code == 202, sent.text
    found = await place.face.data("{ customers { nodes { externalId metrics { totalRevenue } } } }")
    assert found["customers"]["nodes"] == [{"externalId": "Ada", "metrics": {"totalRevenue": "1234.50"}}]


async def test_the_same_request_has_one_effect_and_another_with_its_key_is_refused(place: Place) -> None:
    key = {"Idempotency-Key": "once"}

    first, again = await place.send(**key), await place.send(**key)
    await place.import_waiting()
    later, other = await place.send(**key), await place.send(ROWS + "C,x,2024-03-01,5,Tea\n", **key)

    assert first.json() == again.json() == later.json()
    assert (other.status_code, other.json()) == (409, {"detail": "The Idempotency-Key was used for another upload."})
    assert place.files == []
    assert (await place.face.data("{ imports { totalCount } }"))["imports"]["totalCount"] == 1


async def begun_by_the_dead(place: Place) -> None:
    """Every upload that waits is held by a process that does not go on."""
    shop = await place.face.services.businesses.open("shop")
    async with place.face.services.imports.store.write(shop) as unit:
        for waits in await unit.imports.load_active():
            assert await unit.imports.acquire(waits.id, "dead", unit.instant)


async def test_a_process_that_died_is_followed_by_one_that_goes_on(place: Place, clock: SetClock) -> None:
    number = (await place.send()).json()["id"]
    await begun_by_the_dead(place)

    await place.import_waiting()
    held = await place.told(number)
    clock.now += timedelta(seconds=40)
    await place.import_waiting()
    done = await place.told(number)

    assert (held["status"], done["status"], done["created"]) == ("RUNNING", "SUCCEEDED", 30)


class SteppingClock(SetClock):
    """A clock that goes on by so much at each look."""

    step = timedelta(0)

    def __call__(self) -> datetime:
        self.now += self.step
        return self.now


async def test_an_upload_whose_lease_expires_while_others_are_looked_at_is_not_given_up(
    place: Place, clock: SetClock
) -> None:
    """All places are taken, and between the look for what waits and the one for what died its lease runs out."""
    numbers = [(await place.send(query=f"?name={name}.csv")).json()["id"] for name in ("a", "b", "c")]
    shop, imports = await place.face.services.businesses.open("shop"), place.face.services.imports
    async with imports.store.write(shop) as unit:
        for waits, owner in zip(await unit.imports.load_active(), ("dead", "busy", "busy"), strict=True):
            assert await unit.imports.acquire(waits.id, owner, unit.instant)
    ticking = SteppingClock(clock.now + timedelta(seconds=LEASE_SECONDS - 0.5))
    ticking.step = timedelta(seconds=0.2)
    handler = replace(place.handler, clock=ticking, imports=replace(imports, clock=ticking), _running=set())
    alive = "UPDATE job SET heartbeat_at = :now WHERE owner = 'busy'"
    with place.face.database.bulk.begin() as connection:
        connection.execute(text(alive), {"now": to_micros(ticking.now)})

    for _ in range(4):
        agenda = replace(NOTHING, waiting=frozenset({JobKind.IMPORT}))
        await handler.prepare(shop, agenda)
        assert not await handler.run_next(shop)
    states = [(await place.told(number))["status"] for number in numbers]
    clock.now += timedelta(seconds=2 * LEASE_SECONDS)
    await place.import_waiting()

    assert states == ["QUEUED", "RUNNING", "RUNNING"]
    assert [(await place.told(number))["status"] for number in numbers] == ["SUCCEEDED"] * 3


async def test_an_upload_that_this_process_works_on_silently_is_not_given_up(place: Place, clock: SetClock) -> None:
    number = (await place.send()).json()["id"]
    shop = await place.face.services.businesses.open("shop")
    await begun_by_the_dead(place)
    (running,) = await place.handler._load_active(shop)
    place.handler._running.add((shop.id, running.id))
    clock.now += timedelta(seconds=2 * LEASE_SECONDS)

    await place.handler.prepare(shop, replace(NOTHING, waiting=frozenset({JobKind.IMPORT})))

    assert (await place.told(number))["status"] == "RUNNING"


async def test_whoever_lost_an_upload_leaves_its_file_to_whoever_has_it(
    place: Place, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = (await place.send()).json()["id"]
    shop = await place.face.services.businesses.open("shop")

    def lose(connection: Connection, *_: object) -> ArrangedOrders:
        taken = "UPDATE job SET owner = 'another', attempts = attempts + 1"
        with place.face.database.bulk.begin() as other:
            other.execute(text(taken))
        raise ImportEnded("The import was taken over by another process.")

    with monkeypatch.context() as patch:
        patch.setattr(importer, "arrange", lose)
        assert await place.handler.run_next(shop)
    left = (await place.told(number))["status"], place.files
    clock.now += timedelta(seconds=2 * LEASE_SECONDS)
    await place.import_waiting()

    assert left == ("RUNNING", ["file.csv"])
    assert (await place.told(number))["status"] == "SUCCEEDED"


async def test_r10_an_upload_waits_while_the_disk_is_full_and_succeeds_once_it_is_not(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "plan_pauses", lambda: iter([0.05] * 400))
    number = (await place.send()).json()["id"]

    async def waits() -> bool:
        return bool((await place.told(number))["progress"]["phase"] == "waiting")

    async with full_disk(place.face.database, "purchase"):
        working = asyncio.create_task(place.import_waiting())
        await wait_until(waits)
    await working

    told = await place.told(number)
    assert (told["status"], told["created"], told["error"]) == ("SUCCEEDED", 30, None)
    assert place.files == []


async def test_r10_an_upload_that_waited_too_long_fails_with_the_disk_as_its_reason(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "plan_pauses", lambda: iter([0.01]))
    number = (await place.send()).json()["id"]

    async with full_disk(place.face.database, "purchase"):
        await place.import_waiting()

    told = await place.told(number)
    assert (told["status"], told["error"]) == ("FAILED", {"code": "UNAVAILABLE", "message": FULL})


async def test_an_import_whose_process_and_file_are_gone_is_marked_as_failed(place: Place, clock: SetClock) -> None:
    number = (await place.send()).json()["id"]
    for path in place.folder.rglob("*.csv"):
        path.unlink()

    clock.now += timedelta(seconds=29)
    await place.import_waiting()
    waiting = await place.told(number)
    async with live(place.face.app) as server, server.initiate(place.face.token()) as client:
        await subscribe(client, "1", FOLLOW_ENDS, {"id": number})
        followed = [await receive(client)]
        clock.now += timedelta(seconds=2)
        await place.import_waiting()
        followed.append(await receive(client))
    failed = await place.told(number)
    ended = await place.face.data(
        "query($id: ID!) { job(id: $id) { status finishedAt error { code } } }", {"id": number}
    )

    assert waiting["status"] == "QUEUED"
    sentence = "The process that worked on it ended. Import the file again: nothing is written twice."
    assert (failed["status"], failed["error"]) == ("FAILED", {"code": "ABANDONED", "message": sentence})
    assert [one["payload"]["data"]["jobProgress"]["status"] for one in followed] == ["QUEUED", "FAILED"]
    assert followed[1]["payload"]["data"]["jobProgress"] == ended["job"]


async def test_a_server_that_ends_lets_the_import_wait_for_the_next(place: Place) -> None:
    number = (await place.send()).json()["id"]
    shop = await place.face.services.businesses.open("shop")
    place.handler.stopping = True
    stopped = []
    # More often than a file is begun whose process dies.
    for _ in range(ATTEMPTS + 1):
        assert await place.handler.run_next(shop)
        stopped.append(((await place.told(number))["status"], place.files))
    place.handler.stopping = False
    await place.import_waiting()

    assert stopped == [("QUEUED", ["file.csv"])] * (ATTEMPTS + 1)
    assert (await place.told(number))["status"] == "SUCCEEDED"


async def test_an_import_that_does_not_come_to_the_end_of_a_write_in_time_is_left_to_the_next_server(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = (await place.send()).json()["id"]
    begun, reading = threading.Event(), threading.Event()

    def slow(*given: Any) -> OpenedPurchases:
        begun.set()
        assert reading.wait(20)
        return place.handler.open(*given)

    monkeypatch.setattr(uploads, "END_SECONDS", 0.1)
    before = asyncio.all_tasks()
    handler = replace(place.handler, open=slow, _running=set())
    server = asyncio.create_task(replace(place.worker, handlers=(handler,)).run_forever())
    assert await asyncio.to_thread(begun.wait, 20)
    server.cancel()
    await asyncio.wait({server}, timeout=5)
    left, kept = await place.told(number), place.files
    reading.set()
    await asyncio.wait(asyncio.all_tasks() - before)
    after = await place.told(number), place.files
    await place.import_waiting()

    assert (left["status"], kept) == ("QUEUED", ["file.csv"])
    assert after == (left, kept)
    assert (await place.told(number))["created"] == 30


@sqlite_alone
async def test_jobprogress_follows_an_import_to_its_end(place: Place) -> None:
    number = (await place.send()).json()["id"]
    document = f'subscription {{ jobProgress(id: "{number}") {{ __typename status }} }}'

    async with live(place.face.app) as server, server.initiate(place.face.token()) as client:
        await subscribe(client, "1", document)
        first = (await receive(client, 5))["payload"]["data"]["jobProgress"]
        last = first
        while last["status"] != "SUCCEEDED":
            last = (await receive(client, 10))["payload"]["data"]["jobProgress"]

    assert first["__typename"] == "PurchaseImport"


async def test_the_state_of_an_import_is_told_to_its_own_business_only(place: Place) -> None:
    number = (await place.send()).json()["id"]
    path = f"/imports/purchases/{number}"

    own = await place.face.client.get(path, headers=place.face.bearer())
    foreign = await place.face.client.get(path, headers=place.face.bearer(place.face.token(business="other")))
    none = await place.face.client.get("/imports/purchases/x", headers=place.face.bearer())
    other = place.face.token(business="other")
    node = await place.face.data(IMPORT, {"id": number}, other)
    job = await place.face.data(f'{{ job(id: "{number}") {{ __typename status }} }}')
    foreign_job = await place.face.data(f'{{ job(id: "{number}") {{ id }} imports {{ totalCount }} }}', token=other)
    cancel = f'mutation {{ cancelJob(id: "{number}") {{ job {{ id }} userErrors {{ code message }} }} }}'
    cancelled = (await place.face.data(cancel, token=other))["cancelJob"]

    assert (own.status_code, own.json()["status"], own.json()["id"]) == (200, "QUEUED", number)
    assert foreign.status_code == none.status_code == 404
    assert foreign.json() == none.json() == {"detail": "There is no import with this id."}
    assert node["node"] is None
    assert job == {"job": {"__typename": "PurchaseImport", "status": "QUEUED"}}
    assert foreign_job == {"job": None, "imports": {"totalCount": 0}}
    assert cancelled["job"] is None
    assert cancelled["userErrors"] == [{"code": "NOT_FOUND", "message": "There is no job with this id."}]


async def test_a_page_of_imports_with_their_rejects_costs_the_same_for_one_and_for_many(place: Place) -> None:
    fields = "rejectReasons { reason } rejects(first: 5) { nodes { line } }"
    query = f'{{ imports {{ nodes {{ id {fields} x: rejects(reason: "no customer") {{ totalCount }} }} }} }}'
    counts = []
    for _ in range(2):
        for name in ("a", "b", "c"):
            await place.send(query=f"?name={name}.csv")
            await place.import_waiting()
        seen = place.face.statements()
        await place.face.data(query)
        counts.append(len(seen))

    assert counts[0] == counts[1]


async def test_two_files_of_a_business_are_imported_at_once_and_a_third_waits(place: Place) -> None:
    numbers = [(await place.send(query=f"?name={name}.csv")).json()["id"] for name in ("a", "b", "c")]
    shop, imports = await place.face.services.businesses.open("shop"), place.face.services.imports
    begun, reading = threading.Semaphore(0), threading.Event()

    def slow(*given: Any) -> OpenedPurchases:
        begun.release()
        assert reading.wait(20)
        return place.handler.open(*given)

    handler = replace(place.handler, open=slow, _running=set())
    server = asyncio.create_task(replace(place.worker, handlers=(handler,)).run_forever())
    for _ in range(2):
        assert await asyncio.to_thread(begun.acquire, timeout=20)
    third = await asyncio.to_thread(begun.acquire, timeout=1.5)
    at_once = [(await place.told(number))["status"] for number in numbers]
    reading.set()
    async with imports.store.read(shop) as unit:
        page = await unit.imports.load_page(PageRequest(10))
    async with asyncio.timeout(30):
        for one in page.items:
            async for _ in imports.follow(shop, one.id):
                pass
    states = [(await place.told(number))["status"] for number in numbers]
    server.cancel()
    await asyncio.wait({server}, timeout=5)

    assert not third
    assert at_once == ["RUNNING", "RUNNING", "QUEUED"]
    assert states == ["SUCCEEDED"] * 3
    assert place.files == []


async def test_uploads_whose_process_died_wait_for_a_place_where_their_files_are(place: Place, clock: SetClock) -> None:
    numbers = [(await place.send(query=f"?name={name}.csv")).json()["id"] for name in ("a", "b", "c")]
    shop = await place.face.services.businesses.open("shop")
    await begun_by_the_dead(place)

    clock.now += timedelta(seconds=40)
    await place.handler.prepare(shop, await place.worker.store.load_agenda(shop, clock()))
    waiting = [(await place.told(number))["status"] for number in numbers]
    await place.import_waiting()

    assert waiting == ["QUEUED"] * 3
    assert [(await place.told(number))["status"] for number in numbers] == ["SUCCEEDED"] * 3


@sqlite_alone
async def test_what_broke_off_goes_with_time_and_what_waits_stays(place: Place, clock: SetClock) -> None:
    await place.send()
    for name, age in (("broken", 400), ("coming", 10)):
        folder = place.folder / name
        folder.mkdir()
        (folder / "orders.csv").write_text("half")
        for path in (folder / "orders.csv", folder):
            os.utime(path, (time.time() - age,) * 2)

    await place.handler.prepare(await place.face.services.businesses.open("shop"), NOTHING)

    assert sorted(path.name for path in place.folder.iterdir() if len(path.name) < 10) == ["coming"]
    assert place.files == ["file.csv", "orders.csv"]


async def test_a_file_is_read_by_a_saved_format_as_it_is_when_it_is_read(place: Place) -> None:
    formats, actor = place.face.services.formats, Actor("ada")
    shop = await place.face.services.businesses.open("shop")
    columns = {"Kunde": "customer_id", "Beleg": "order_id", "Datum": "date", "Betrag": "amount"}
    body = "Kunde,Beleg,Datum,Betrag\nAda,1,03/04/2024,5\n"
    await formats.save(shop, "till", {"columns": columns, "date_format": "%d/%m/%Y"}, actor)

    unknown = await place.send(body, query="?format=cash")
    first, older = await place.send(body, query="?format=till"), await place.send(body, query="?source_format=till")
    await place.import_waiting()
    day = '{ customer(externalId: "Ada") { purchases { nodes { purchasedAt } } } }'
    before = (await place.face.data(day))["customer"]["purchases"]["nodes"]
    later = await place.send(body, query="?format=till")
    await formats.save(shop, "till", {"columns": columns, "date_format": "%m/%d/%Y"}, actor)
    await place.import_waiting()
    after = (await place.face.data(day))["customer"]["purchases"]["nodes"]
    dear = body.replace(",5\n", ',"1.234,50"\n')
    await formats.save(shop, "pos", {"columns": columns, "date_format": "%m/%d/%Y", "decimal": ","}, actor)
    more = await place.send(dear, query="?format=pos&thousands=.")
    await place.import_waiting()
    lost = await place.send(body, query="?format=till")
    await formats.delete(shop, "till", actor)
    await place.import_waiting()

    assert (unknown.status_code, unknown.json()) == (
        400,
        {"detail": "format must be the name of a saved format, not cash. There are: till."},
    )
    assert {one.status_code for one in (first, older, later, lost)} == {202}
    assert before == [{"purchasedAt": "2024-04-03T00:00:00Z"}]
    assert after == [{"purchasedAt": "2024-03-04T00:00:00Z"}]
    told = await place.told(more.json()["id"])
    assert (told["status"], told["updated"]) == ("SUCCEEDED", 1)
    failed = await place.told(lost.json()["id"])
    assert (failed["status"], failed["error"]["message"]) == (
        "FAILED",
        "format must be the name of a saved format, not till. There are: pos.",
    )
    assert place.files == []
