"""Purchases sent as a file: kept as they come, imported beside the requests, followed as a run; line I3 and the lines
about bodies of the reliability requirements."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import ClientDisconnect

from gql.app import open_upload
from gql.settings import Settings
from persistence.database import Database
from persistence.upload_work import UploadWork
from tests.api.conftest import SECRET, Face, facing
from tests.api.sockets import live, received, subscribe
from tests.conftest import SetClock

pytestmark = pytest.mark.anyio
CSV = {"Content-Type": "text/csv"}
HEADER = "customer_id,order_id,date,amount,category"
ROWS = "\n".join((HEADER, *(f"C{n},O{n},2024-03-01,{n + 1}.00,Tea" for n in range(30)), ",x,2024-03-01,1,Tea", ""))
IMPORT = """query I($id: ID!) { node(id: $id) { ... on PurchaseImport {
  status source rowsRead created updated unchanged rejected progress { fraction phase } error { code message }
  quality { unknownCategories outliers largestOutliers { orderId amount } } undoneAt
  rejects { nodes { line text reason } totalCount } } } }"""


@dataclass
class Place:
    """The application, and the worker beside it, which works only when it is told to."""

    face: Face
    work: UploadWork
    folder: Path

    async def send(self, body: Any = ROWS, query: str = "", token: str | None = None, **headers: str) -> httpx.Response:
        content = body.encode() if isinstance(body, str) else body
        given = {**CSV, **self.face.bearer(token), **headers}
        return await self.face.client.post(f"/imports/purchases{query}", content=content, headers=given)

    async def worked(self) -> None:
        """Let everything that waits be imported."""
        await self.work.once()
        await asyncio.gather(*self.work._running.values())

    async def told(self, number: str) -> Any:
        return (await self.face.data(IMPORT, {"id": number}))["node"]

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.rglob("*") if path.is_file())


@pytest.fixture
async def place(database: Database, clock: SetClock, tmp_path: Path) -> AsyncIterator[Place]:
    settings = Settings(jwt_secret=SECRET, data=tmp_path, upload_bytes=20_000)
    async with facing(database, clock, settings) as face:
        folder = tmp_path / "imports"
        work = UploadWork(database, clock, face.services.imports, folder, open_upload, lambda: None)
        yield Place(face, work, folder)
        await work.stop(5)


async def test_a_file_waits_is_imported_and_goes(place: Place) -> None:
    sent = await place.send(query="?name=march.csv")
    number = sent.json()["id"]
    waiting, kept = await place.told(number), place.files
    await place.worked()
    done = await place.told(number)

    assert (sent.status_code, sent.headers["location"]) == (202, f"/imports/purchases/{number}")
    assert (waiting["status"], waiting["source"], kept) == ("QUEUED", "march.csv", ["march.csv"])
    assert done == {
        "status": "SUCCEEDED",
        "source": "march.csv",
        "rowsRead": 31,
        "created": 30,
        "updated": 0,
        "unchanged": 0,
        "rejected": 1,
        "progress": {"fraction": 1.0, "phase": "finished"},
        "error": None,
        "quality": {"unknownCategories": 0, "outliers": 0, "largestOutliers": []},
        "undoneAt": None,
        "rejects": {
            "nodes": [{"line": 32, "text": ",x,2024-03-01,1,Tea", "reason": "no customer"}],
            "totalCount": 1,
        },
    }
    assert list(place.folder.iterdir()) == []
    data = await place.face.data("{ customers { totalCount } imports { totalCount nodes { id } } }")
    assert data == {"customers": {"totalCount": 30}, "imports": {"totalCount": 1, "nodes": [{"id": number}]}}


async def test_gzip_and_the_options_of_the_command_line_are_understood(place: Place) -> None:
    packed = gzip.compress(b"who;no;when;sum\nAda;1;31/03/2024;1.234,50\n")
    query = "?map=who%3Dcustomer_id&map=no%3Dorder_id&map=when%3Dpurchase_date&map=sum%3Damount"
    more = "&date_format=%25d/%25m/%25Y&decimal=,&thousands=."

    sent = await place.send(packed, query + more, **{"Content-Type": "application/gzip"})
    await place.worked()

    assert sent.status_code == 202, sent.text
    found = await place.face.data("{ customers { nodes { externalId metrics { totalRevenue } } } }")
    assert found["customers"]["nodes"] == [{"externalId": "Ada", "metrics": {"totalRevenue": "1234.50"}}]


@pytest.mark.parametrize(
    ("changed", "status", "detail"),
    [
        ({"token": ""}, 401, "Authentication credentials were not provided."),
        ({"token": "view"}, 403, "This needs the permission customers:edit."),
        ({"token": "nobody"}, 404, "There is no business with the key nobody."),
        ({"Content-Type": "application/json"}, 415, "Content-Type must be one of: text/csv, application/csv, "),
        ({"Content-Encoding": "br"}, 415, "Content-Encoding must be gzip, or be left out"),
        ({"body": b"x" * 20_001}, 413, "A file may have at most 20000 bytes (SEGMENTS_UPLOAD_BYTES)."),
        ({"body": b""}, 400, "No data found in upload.csv."),
        ({"body": "a,b\n1,2\n"}, 400, "Missing required columns: customer_id"),
        ({"query": "?form=x"}, 400, "There is no parameter 'form'. There are: map, date_format, "),
        ({"query": "?map=x"}, 400, "map must be COLUMN=FIELD, not x"),
        ({"query": "?date_format=%25d"}, 400, "date_format must name year, month and day"),
        ({"Idempotency-Key": "x" * 201}, 400, "Idempotency-Key must be 1 to 200 printable ASCII characters"),
    ],
)
async def test_what_is_refused_is_said_and_leaves_no_file(
    place: Place, changed: dict[str, Any], status: int, detail: str
) -> None:
    tokens = {
        "view": place.face.token("customers:view"),
        "nobody": place.face.token(business="nobody"),
    }
    if "token" in changed:
        changed = {**changed, "token": tokens.get(changed["token"], changed["token"])}

    answer = await place.send(**changed)

    assert (answer.status_code, list(answer.json())) == (status, ["detail"])
    assert answer.json()["detail"].startswith(detail)
    assert place.files == []
    assert (await place.face.data("{ imports { totalCount } }"))["imports"]["totalCount"] == 0


async def test_other_methods_are_refused_with_those_there_are(place: Place) -> None:
    answer = await place.face.client.get("/imports/purchases", headers=place.face.bearer())

    assert (answer.status_code, answer.headers["allow"], answer.json()) == (405, "POST", {"detail": "Use POST."})


async def test_a_body_that_breaks_off_or_has_no_end_leaves_no_file(place: Place) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield ROWS[:100].encode()
        raise ClientDisconnect

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 5_000

    gone = await place.send(broken())
    too_long = await place.send(endless())

    assert (gone.status_code, too_long.status_code) == (499, 413)
    assert place.files == []


async def test_the_same_request_has_one_effect_and_another_with_its_key_is_refused(place: Place) -> None:
    key = {"Idempotency-Key": "once"}

    first, again = await place.send(**key), await place.send(**key)
    await place.worked()
    later, other = await place.send(**key), await place.send(ROWS + "C,x,2024-03-01,5,Tea\n", **key)

    assert first.json() == again.json() == later.json()
    assert (other.status_code, other.json()) == (409, {"detail": "The Idempotency-Key was used for another upload."})
    assert place.files == []
    assert (await place.face.data("{ imports { totalCount } }"))["imports"]["totalCount"] == 1


async def test_what_waits_is_bounded_and_can_be_cancelled(place: Place) -> None:
    sent = [await place.send() for _ in range(21)]
    number = sent[0].json()["id"]
    cancel = "mutation C($id: ID!) { cancelJob(id: $id) { job { status error { code } } userErrors { code } } }"
    cancelled = await place.face.data(cancel, {"id": number})
    again = await place.face.data(cancel, {"id": number})

    assert [one.status_code for one in sent] == [202] * 20 + [429]
    assert sent[-1].headers["retry-after"] == "30"
    assert cancelled["cancelJob"] == {
        "job": {"status": "CANCELLED", "error": {"code": "CANCELLED"}},
        "userErrors": [],
    }
    assert again["cancelJob"] == {"job": None, "userErrors": [{"code": "NOT_CANCELLABLE"}]}


async def test_a_file_that_turns_out_bad_fails_with_a_sentence(place: Place) -> None:
    packed = gzip.compress(ROWS.encode() * 400)
    sent = await place.send(packed[:-10], **{"Content-Type": "application/gzip"})
    await place.worked()
    told = await place.told(sent.json()["id"])

    assert told["status"] == "FAILED"
    assert told["error"]["code"] == "INVALID_FILE"
    assert told["error"]["message"].startswith("upload.csv.gz is damaged after line")
    assert place.files == []


async def test_a_process_that_died_is_followed_by_one_that_goes_on(place: Place, clock: SetClock) -> None:
    number = (await place.send()).json()["id"]
    shop = await place.face.services.businesses.open("shop")
    store = place.face.services.imports.store
    async with store.read(shop) as unit:
        (waits,) = await unit.imports.active()
    async with store.write(shop) as unit:
        assert await unit.imports.take(waits.id, "dead", waits.options or {}, clock(), unit.instant)

    await place.worked()
    held = await place.told(number)
    clock.now += timedelta(seconds=40)
    await place.worked()
    done = await place.told(number)

    assert (held["status"], done["status"], done["created"]) == ("RUNNING", "SUCCEEDED", 30)


async def test_an_import_whose_process_and_file_are_gone_is_marked_as_failed(place: Place, clock: SetClock) -> None:
    number = (await place.send()).json()["id"]
    for path in place.folder.rglob("*.csv"):
        path.unlink()

    clock.now += timedelta(seconds=29)
    await place.worked()
    waiting = await place.told(number)
    clock.now += timedelta(seconds=2)
    await place.worked()
    failed = await place.told(number)

    assert waiting["status"] == "QUEUED"
    assert (failed["status"], failed["error"]) == (
        "FAILED",
        {
            "code": "ABANDONED",
            "message": "The process that worked on it ended. Import the file again: nothing is written twice.",
        },
    )


async def test_a_server_that_ends_lets_the_import_wait_for_the_next(place: Place) -> None:
    number = (await place.send()).json()["id"]
    place.work.stopping = True
    await place.worked()
    stopped, kept = await place.told(number), place.files
    place.work.stopping = False
    await place.worked()

    assert (stopped["status"], kept) == ("QUEUED", ["upload.csv"])
    assert (await place.told(number))["status"] == "SUCCEEDED"


async def test_jobprogress_follows_an_import_to_its_end(place: Place) -> None:
    number = (await place.send()).json()["id"]
    document = f'subscription {{ jobProgress(id: "{number}") {{ __typename status }} }}'

    async with live(place.face.app) as server, server.initiated(place.face.token()) as client:
        await subscribe(client, "1", document)
        first = (await received(client, 5))["payload"]["data"]["jobProgress"]
        last = first
        while last["status"] != "SUCCEEDED":
            last = (await received(client, 10))["payload"]["data"]["jobProgress"]

    assert first["__typename"] == "PurchaseImport"


async def test_the_state_of_an_import_is_told_to_its_own_business_only(place: Place) -> None:
    number = (await place.send()).json()["id"]
    path = f"/imports/purchases/{number}"

    own = await place.face.client.get(path, headers=place.face.bearer())
    foreign = await place.face.client.get(path, headers=place.face.bearer(place.face.token(business="other")))
    none = await place.face.client.get("/imports/purchases/x", headers=place.face.bearer())
    node = await place.face.data(IMPORT, {"id": number}, place.face.token(business="other"))

    assert (own.status_code, own.json()["status"], own.json()["id"]) == (200, "QUEUED", number)
    assert foreign.status_code == none.status_code == 404
    assert foreign.json() == none.json() == {"detail": "There is no import with this id."}
    assert node["node"] is None


async def test_a_page_of_imports_with_their_rejects_costs_the_same_for_one_and_for_many(place: Place) -> None:
    query = "{ imports { nodes { id rejects(first: 5) { nodes { line } } } } }"
    counts = []
    for _ in range(2):
        for name in ("a", "b", "c"):
            await place.send(query=f"?name={name}.csv")
            await place.worked()
        seen = place.face.statements()
        await place.face.data(query)
        counts.append(len(seen))

    assert counts[0] == counts[1]
