"""Files sent to be looked at: the answer says what is proposed and what is doubtful, and nothing is kept."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from persistence.database.engines import Database
from tests.conftest import SetClock
from tests.drivers.uploading import CSV, Place, placing

pytestmark = pytest.mark.anyio
GERMAN = 'Bestellnummer;Bestelldatum;Kunde;Betrag;Status\nB1;31.03.2024;Ada;"1.234,50";bezahlt\n'


@pytest.fixture
async def place(database: Database, clock: SetClock, tmp_path: Path) -> AsyncIterator[Place]:
    async with placing(database, clock, tmp_path) as made:
        yield made


async def send(
    place: Place, body: str | bytes = GERMAN, query: str = "", token: str | None = None, **headers: str
) -> httpx.Response:
    content = body.encode() if isinstance(body, str) else body
    given = {**CSV, **place.face.bearer(token), **headers}
    return await place.face.client.post(f"/imports/inspect{query}", content=content, headers=given)


async def test_a_file_is_looked_at_and_what_is_proposed_imports_it(place: Place) -> None:
    answer = await send(place, query="?name=march.csv")
    document = answer.json()
    form = document["format"]
    query = "&".join(
        [
            *(f"map={column}={of}" for column, of in form["columns"].items()),
            *(f"date_format={one.replace('%', '%25')}" for one in form["date_format"]),
            *(f"status={word}={status}" for word, status in form["statuses"].items()),
            *(f"{name}={form[name]}" for name in ("decimal", "thousands")),
        ]
    )
    nothing = (await place.face.data("{ imports { totalCount } customers { totalCount } }"), place.files)
    sent = await place.send(GERMAN, f"?{query}")
    await place.import_waiting()
    told = await place.told(sent.json()["id"])

    assert answer.status_code == 200
    assert (document["source"], document["delimiter"], document["header_line"]) == ("march.csv", ";", 1)
    assert form == {
        "date_format": ["%d.%m.%Y"],
        "columns": {
            "Bestellnummer": "order_id",
            "Bestelldatum": "purchase_date",
            "Kunde": "customer_id",
            "Betrag": "amount",
        },
        "statuses": {"bezahlt": "COMPLETED"},
        "decimal": ",",
        "thousands": ".",
    }
    assert {name: document["result"][name] for name in ("customers", "orders", "amount")} == {
        "customers": 1,
        "orders": 1,
        "amount": "1234.50",
    }
    assert nothing == ({"imports": {"totalCount": 0}, "customers": {"totalCount": 0}}, [])
    assert (told["status"], told["created"], told["rejected"]) == ("SUCCEEDED", 1, 0)


async def test_a_doubt_that_is_settled_by_saying_nothing_is_none(place: Place) -> None:
    body = "customer_id,order_id,date,amount,status\nAda,1,2024-03-01,5.00,ok\nBen,2,2024-03-01,6.00,closed\n"

    asked = (await send(place, body, "?name=my orders.csv")).json()
    settled = (await send(place, body, "?name=my orders.csv&declined=statuses.closed")).json()
    uploaded = await place.send(body, "?declined=statuses.closed")

    assert "statuses.closed" in [one["key"] for one in asked["doubts"]]
    assert "statuses.closed" not in [one["key"] for one in settled["doubts"]]
    assert "closed" not in settled["format"].get("statuses", {})
    assert settled["command"].startswith("segments import 'my orders.csv' --business shop")
    assert uploaded.status_code == 400


async def test_what_is_said_of_the_file_counts_and_fields_have_the_names_of_parameters(place: Place) -> None:
    body = "customer_id,order_id,date,amount\nMüller,1,03/04/2024,5.00\n".encode("cp1252")

    document = (await send(place, body, "?date_format=%25m/%25d/%25Y")).json()

    assert [one["key"] for one in document["doubts"]] == ["encoding"]
    assert document["format"] == {"encoding": "windows-1252", "date_format": ["%m/%d/%Y"]}
    assert document["result"]["first_day"] == "2024-03-04"


@pytest.mark.parametrize(
    ("changed", "status", "detail"),
    [
        ({"token": ""}, 401, "Authentication credentials were not provided."),
        ({"token": "view"}, 403, "This needs the permission customers:edit."),
        ({"Content-Type": "text/html"}, 415, "Content-Type must be one of: text/csv, application/csv, "),
        ({"body": b"x" * 20_001}, 413, "A file may have at most 20000 bytes (SEGMENTS_UPLOAD_BYTES)."),
        ({"body": b""}, 400, "No data found in upload.csv."),
        ({"query": "?map=price=amount"}, 400, "map price=amount: the file has no column price."),
        ({"query": "?preset=nobodys"}, 400, "preset must be one of: "),
    ],
)
async def test_what_cannot_be_looked_at_is_said_and_leaves_no_file(
    place: Place, changed: dict[str, Any], status: int, detail: str
) -> None:
    tokens = {"view": place.face.token("customers:view")}
    if "token" in changed:
        changed = {**changed, "token": tokens.get(changed["token"], changed["token"])}

    answer = await send(place, **changed)

    assert (answer.status_code, list(answer.json())) == (status, ["detail"])
    assert answer.json()["detail"].startswith(detail)
    assert place.files == []


async def test_a_format_that_is_not_there_is_named_as_the_query_has_it(place: Place) -> None:
    answer = await send(place, query="?format=till")

    assert (answer.status_code, answer.json()) == (
        400,
        {"detail": "format must be the name of a saved format, not till. There are: none yet."},
    )


async def test_what_is_no_text_in_a_file_is_shown_by_a_mark(place: Place) -> None:
    rows = "customer_id,order_id,date,amount\nA,1,2024-05-01,10\n"
    answer = await send(place, rows, **{"Content-Type": "text/csv;charset=utf-16"})

    assert answer.status_code < 500
    assert "\N{REPLACEMENT CHARACTER}" in answer.text
