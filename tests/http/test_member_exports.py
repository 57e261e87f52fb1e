"""Members of a segment as files over plain HTTP: what is known of each, chosen columns, empty files."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncGenerator
from decimal import Decimal

import pytest
from openpyxl import load_workbook

from domain.segments.member_export import MemberExport, MemberFiles
from domain.store import MemberPage
from gql.http import exports
from tests.drivers.face import Face
from tests.http.test_exports import REPORT, get
from tests.shops.segmented_shop import fill

pytestmark = pytest.mark.anyio
MEMBERS = """customer_id,name,email,loyalty_level,segment,assigned_at,source,order_count,total_revenue,\
last_purchase_at,rfm_segment"""


async def test_members_are_listed_with_what_is_known_of_them(both: Face) -> None:
    ids = await fill(both)

    answer = await get(both, f"/exports/segments/{ids['vip']}/members.csv")

    lines = answer.text.splitlines()
    assert lines[0] == MEMBERS
    assert len(lines) == 4
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [row["customer_id"] for row in rows] == ["C01", "C02", "C06"]
    sixth = rows[2]
    assert sixth["assigned_at"].endswith("Z")
    assert {name: sixth[name] for name in MEMBERS.split(",") if name != "assigned_at"} == {
        "customer_id": "C06",
        "name": "Name 6",
        "email": "",
        "loyalty_level": "",
        "segment": "Vip",
        "source": "MANUAL",
        "order_count": "5",
        "total_revenue": "7500.00",
        "last_purchase_at": "2024-06-10T00:00:00Z",
        "rfm_segment": sixth["rfm_segment"],
    }
    assert len(sixth["rfm_segment"]) == 3
    assert rows[0]["rfm_segment"] == ""


async def test_columns_are_chosen_and_stand_in_the_order_asked_for(face: Face) -> None:
    ids = await fill(face)
    path = f"/exports/segments/{ids['vip']}/members"

    chosen = await get(face, f"{path}.json?columns=total_revenue,customer_id")
    sheet = await get(face, f"{path}.xlsx?columns=name,total_revenue,last_purchase_at")
    wrong = await get(face, f"{path}.csv?columns=name,password")

    assert json.loads(chosen.text, parse_float=Decimal)["members"] == [
        {"total_revenue": 0, "customer_id": "C01"},
        {"total_revenue": 500, "customer_id": "C02"},
        {"total_revenue": 7500, "customer_id": "C06"},
    ]
    rows = [[cell.value for cell in row] for row in load_workbook(io.BytesIO(sheet.content)).active]
    assert rows[0] == ["name", "total_revenue", "last_purchase_at"]
    assert [row[:2] for row in rows[1:]] == [["Name 1", 0], ["Name 2", 500], ["Name 6", 7500]]
    assert wrong.status_code == 400
    assert "columns must be of: customer_id, name" in wrong.json()["error"]


async def test_an_empty_segment_and_an_empty_report_are_files_too(both: Face) -> None:
    ids = await fill(both)

    csvs = await get(both, f"/exports/segments/{ids['spenders']}/members.csv")
    rows = await get(both, f"/exports/segments/{ids['spenders']}/members.json")
    books = await get(both, f"/exports/segments/{ids['spenders']}/members.xlsx")
    empty = [await get(both, f"{REPORT}.{form}?as_of=1990-01-01") for form in ("csv", "xlsx", "pdf", "json")]

    assert csvs.text.splitlines() == [MEMBERS]
    assert rows.json()["members"] == []
    assert load_workbook(io.BytesIO(books.content)).active.max_row == 1
    assert [answer.status_code for answer in empty] == [200] * 4
    assert empty[3].json()["data"]["customer_count"] == 0


async def test_e3_a_business_has_only_so_many_files_on_their_way(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    ids, go = await fill(face), asyncio.Event()
    path = f"/exports/segments/{ids['vip']}/members.csv"
    load = MemberFiles.load_pages

    async def wait(self: MemberFiles, export: MemberExport) -> AsyncGenerator[MemberPage, None]:
        await go.wait()
        async for page in load(self, export):
            yield page

    monkeypatch.setattr(MemberFiles, "load_pages", wait)
    monkeypatch.setattr(exports, "FILES_AT_ONCE", 2)
    asked = [asyncio.create_task(get(face, path)) for _ in range(3)]
    done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
    refused = [task.result() for task in done]
    # HEAD sends nothing, and is not counted.
    told = await face.client.head(path, headers=face.bearer())
    go.set()
    answers = await asyncio.gather(*asked)
    again = await get(face, path)

    assert [(one.status_code, one.headers["retry-after"]) for one in refused] == [(429, "5")]
    assert "2 files of members of this business" in refused[0].json()["detail"]
    assert sorted(one.status_code for one in answers) == [200, 200, 429]
    assert (told.status_code, again.status_code) == (200, 200)


async def test_e3_a_file_that_is_given_up_counts_no_more(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = await fill(face)
    path = f"/exports/segments/{ids['vip']}/members.csv"
    load, begun = MemberFiles.load_pages, asyncio.Event()

    async def hang(self: MemberFiles, export: MemberExport) -> AsyncGenerator[MemberPage, None]:
        begun.set()
        await asyncio.Event().wait()
        yield []

    monkeypatch.setattr(exports, "FILES_AT_ONCE", 1)
    monkeypatch.setattr(MemberFiles, "load_pages", hang)
    given_up = asyncio.create_task(get(face, path))
    await begun.wait()
    given_up.cancel()
    await asyncio.wait([given_up])
    monkeypatch.setattr(MemberFiles, "load_pages", load)

    assert (await get(face, path)).status_code == 200
