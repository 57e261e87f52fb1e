"""Files that are not taken: what is wrong is said, and nothing of them stays. The line of the reliability requirements
about bodies of imports."""

import gzip
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from starlette.requests import ClientDisconnect

from persistence.database.engines import open_database
from tests.conftest import SetClock
from tests.drivers.uploading import ROWS, Place, placing

pytestmark = pytest.mark.anyio


@pytest.fixture
async def place(migrated: Path, clock: SetClock, tmp_path: Path) -> AsyncIterator[Place]:
    shutil.copy(migrated, tmp_path / "store.sqlite")
    database = open_database(f"sqlite:///{tmp_path}/store.sqlite")
    async with placing(database, clock, tmp_path) as made:
        yield made
    await database.close()


@pytest.mark.parametrize(
    ("changed", "status", "detail"),
    [
        ({"token": ""}, 401, "Authentication credentials were not provided."),
        ({"token": "view"}, 403, "This needs the permission customers:edit."),
        ({"token": "nobody"}, 404, "There is no business with the key nobody."),
        ({"Content-Type": "text/html"}, 415, "Content-Type must be one of: text/csv, application/csv, "),
        ({"Content-Type": "text/csv; charset=klingon"}, 400, "encoding must be one of: utf-8, utf-16, "),
        ({"Content-Encoding": "br"}, 415, "Content-Encoding must be gzip, or be left out"),
        ({"body": b"x" * 20_001}, 413, "A file may have at most 20000 bytes (SEGMENTS_UPLOAD_BYTES)."),
        ({"body": b""}, 400, "No data found in upload.csv."),
        ({"body": "a,b\n1,2\n"}, 400, "Missing required columns: customer_id"),
        ({"query": f"?name={'x' * 201}"}, 400, "name must have at most 200 characters"),
        ({"query": f"?format={'x' * 201}"}, 400, "format must have at most 200 characters"),
        ({"query": f"?format={'x' * 200}"}, 400, "format must be the name of a saved format, not xxx"),
        ({"query": f"?{'x' * 5000}=1"}, 400, "There is no parameter 'xxx"),
        ({"query": "?form=x"}, 400, "There is no parameter 'form'. There are: map, date_format, "),
        ({"query": "?map=x"}, 400, "map must be COLUMN=FIELD, not x"),
        ({"query": "?date_format=%25d"}, 400, "date_format must name year, month and day"),
        ({"query": "?date_format=%25Y+%25Y"}, 400, "date_format must hold %Y once"),
        ({"query": "?date_format=%25c+%25Y"}, 400, "date_format must name year, month and day"),
        ({"Idempotency-Key": "x" * 256}, 400, "Idempotency-Key must be 1 to 255 printable ASCII characters"),
    ],
)
async def test_what_is_refused_is_said_and_leaves_no_file(
    place: Place, changed: dict[str, Any], status: int, detail: str
) -> None:
    tokens = {"view": place.face.token("customers:view"), "nobody": place.face.token(business="nobody")}
    if "token" in changed:
        changed = {**changed, "token": tokens.get(changed["token"], changed["token"])}

    answer = await place.send(**changed)

    assert (answer.status_code, list(answer.json())) == (status, ["detail"])
    assert answer.json()["detail"].startswith(detail)
    assert place.files == []
    assert (await place.face.data("{ imports { totalCount } }"))["imports"]["totalCount"] == 0


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("🍵" * 150, "file.csv"),
        (f"{'é' * 140}.csv.gz", "file.csv.gz"),
        (f"{'x' * 190}.CSV", "file.csv"),
        ("march.sh", "file.csv"),
        ("../../etc/passwd", "file.csv"),
        (".", "file.csv"),
    ],
)
async def test_a_file_is_kept_under_a_name_of_ours_and_called_what_its_sender_calls_it(
    place: Place, name: str, kept: str
) -> None:
    sent = await place.send(query=f"?name={quote(name)}")
    files = place.files
    told = await place.told(sent.json()["id"])
    empty = await place.send("", query=f"?name={quote(name)}")
    await place.import_waiting()

    assert (sent.status_code, files) == (202, [kept])
    assert (await place.told(sent.json()["id"]))["status"] == "SUCCEEDED"
    assert empty.json() == {"detail": f"No data found in {told['source']}."}


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


async def test_what_waits_is_bounded_and_can_be_cancelled(place: Place) -> None:
    sent = [await place.send() for _ in range(21)]
    number = sent[0].json()["id"]
    cancel = "mutation C($id: ID!) { cancelJob(id: $id) { job { status error { code } } userErrors { code } } }"
    cancelled = await place.face.data(cancel, {"id": number})
    again = await place.face.data(cancel, {"id": number})

    assert [one.status_code for one in sent] == [202] * 20 + [429]
    assert sent[-1].headers["retry-after"] == "30"
    assert cancelled["cancelJob"] == {"job": {"status": "CANCELLED", "error": {"code": "CANCELLED"}}, "userErrors": []}
    assert again["cancelJob"] == {"job": None, "userErrors": [{"code": "NOT_CANCELLABLE"}]}


async def test_a_file_that_turns_out_bad_fails_with_a_sentence(place: Place) -> None:
    packed = gzip.compress(ROWS.encode() * 400)
    sent = await place.send(packed[:-10], **{"Content-Type": "application/gzip"})
    await place.import_waiting()
    told = await place.told(sent.json()["id"])

    assert told["status"] == "FAILED"
    assert told["error"]["code"] == "INVALID_FILE"
    assert told["error"]["message"].startswith("upload.csv.gz is damaged after line")
    assert place.files == []
