"""Lists of members sent as files over plain HTTP: exactly the named customers are members afterwards, or nothing is
changed and the answer says whom nobody knows."""

import io
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import openpyxl
import pytest
from starlette.requests import ClientDisconnect

from domain.imports.sources import FILE_TYPES
from domain.model import Actor, NewCustomer
from domain.segments.model import Definition, SegmentKind
from domain.segments.validation import Draft
from gql.http import imports
from gql.schema.types.ids import encode
from persistence.database.engines import Database
from tests.conftest import SetClock, sqlite_alone
from tests.drivers.face import Face
from tests.drivers.uploading import CSV, Place, placing

pytestmark = pytest.mark.anyio
ACTOR = Actor("test")
XLSX = next(one.media_types[0] for one in FILE_TYPES if ".xlsx" in one.endings)


@pytest.fixture
async def place(database: Database, clock: SetClock, tmp_path: Path) -> AsyncIterator[Place]:
    """A shop of twelve customers with the segments `vip`, by hand, and `rich`."""
    async with placing(database, clock, tmp_path) as made:
        services = made.face.services
        shop = await services.businesses.open("shop")
        people = [NewCustomer(f"C{n}", None, f"c{n}@x.com", given=frozenset({"email"})) for n in range(1, 13)]
        await services.customers.upsert(shop, people, ACTOR)
        await services.segments.create(shop, Draft("VIP", SegmentKind.MANUAL), ACTOR)
        rule = Definition({">": [{"var": "order_count"}, 1]})
        await services.segments.create(shop, Draft("Rich", definition=rule), ACTOR)
        await services.memberships.assign(shop, 1, [1, 2], ACTOR)
        yield made


async def put(
    face: Face, body: str | bytes, query: str = "", which: str = "vip", token: str | None = None, **headers: str
) -> httpx.Response:
    content = body.encode() if isinstance(body, str) else body
    given = {**CSV, **face.bearer(token), **headers}
    return await face.client.put(f"/segments/{which}/members{query}", content=content, headers=given)


async def members(face: Face) -> list[str]:
    found = await face.data('{ segment(key: "vip") { members { nodes { externalId } } } }')
    return [node["externalId"] for node in found["segment"]["members"]["nodes"]]


async def test_exactly_the_customers_of_the_file_are_members_afterwards(place: Place) -> None:
    answer = await put(place.face, "name,customer_id\nx,C2\ny,C3\nz,C3\n", which=encode("Segment", 1, 1))
    again = await put(place.face, "customer_id\nC3\nC2\n")
    log = await place.face.data('{ segment(key: "vip") { changes { nodes { kind source customer { externalId } } } } }')
    events = await place.face.data("{ auditEvents(first: 2) { nodes { action outcome } } }")

    assert (answer.status_code, answer.json()) == (
        200,
        {
            "segment": {"id": encode("Segment", 1, 1), "key": "vip"},
            "rowsRead": 3,
            "assigned": 1,
            "removed": 1,
            "unchanged": 1,
            "unknown": 0,
            "unknownRows": [],
        },
    )
    assert {name: again.json()[name] for name in ("assigned", "removed", "unchanged")} == {
        "assigned": 0,
        "removed": 0,
        "unchanged": 2,
    }
    assert await members(place.face) == ["C2", "C3"]
    assert [tuple(node.values()) for node in log["segment"]["changes"]["nodes"][2:]] == [
        ("LEFT", "MANUAL", {"externalId": "C1"}),
        ("ENTERED", "IMPORT", {"externalId": "C3"}),
    ]
    assert events["auditEvents"]["nodes"] == [{"action": "setSegmentMembers", "outcome": "DONE"}] * 2
    assert place.files == []


@sqlite_alone
@pytest.mark.parametrize("header", ["customer_id", "External ID"])
async def test_the_shops_ids_go_before_e_mails(place: Place, header: str) -> None:
    answer = await put(place.face, f"email,{header}\nc9@x.com,C5\n")

    assert answer.json()["assigned"] == 1
    assert await members(place.face) == ["C5"]


@sqlite_alone
async def test_e_mails_and_workbooks_name_customers_too(place: Place) -> None:
    book, held = openpyxl.Workbook(), io.BytesIO()
    for row in (["E-Mail"], ["C7@X.com"], ["c8@x.com "]):
        book.active.append(row)
    book.save(held)

    answer = await put(place.face, held.getvalue(), **{"Content-Type": XLSX})

    assert answer.json()["assigned"] == 2, answer.json()
    assert await members(place.face) == ["C7", "C8"]


async def test_rows_that_name_nobody_change_nothing_unless_they_are_left_out(place: Place) -> None:
    body = "customer_id\nC3\nnobody\n\nN/A\nC1\n" + "".join(f"X{n}\n" for n in range(30))
    before = await members(place.face)

    refused = await put(place.face, body)
    kept = await members(place.face)
    left_out = await put(place.face, body, "?skip_unknown=true")

    said = refused.json()["detail"]
    assert refused.status_code == 400
    assert said.startswith("32 rows name nobody, so nothing was changed: line 3: nobody; line 5: N/A; line 7: X0; ")
    assert said.endswith("; line 24: X17; …. Mend them, or leave them out by skip_unknown.")
    assert kept == before
    found = left_out.json()
    assert (found["rowsRead"], found["unknown"], found["assigned"], found["removed"]) == (34, 32, 1, 1)
    assert len(found["unknownRows"]) == 20
    assert found["unknownRows"][0] == {"line": 3, "text": "nobody"}
    assert await members(place.face) == ["C1", "C3"]


@sqlite_alone
async def test_what_is_wrong_is_said_and_nothing_is_kept(place: Place) -> None:
    face, viewer = place.face, place.face.token("customers:view")
    good = "customer_id\nC3\n"
    tried = [
        await put(face, good, which="nope"),
        await put(face, good, which=encode("Segment", 1, 99)),
        await put(face, good, which="rich"),
        await put(face, "name\nC3\n"),
        await put(face, "customer_id\n"),
        await put(face, good, "?skip_unknown=perhaps"),
        await put(face, good, "?leave=1"),
        await put(face, good, token=viewer),
        await put(face, good, **{"Content-Type": "text/html"}),
        await put(face, "customer_id\n" + "C1\n" * 10_000),
        await face.client.put("/segments/vip/members", content=good, headers=CSV),
        await face.client.post("/segments/vip/members", content=good, headers={**CSV, **face.bearer()}),
        await face.client.put("/segments/vip", content=good, headers={**CSV, **face.bearer()}),
    ]

    assert [answer.status_code for answer in tried] == [404, 404, 400, 400, 400, 400, 400, 403, 415, 413, 401, 405, 404]
    assert [answer.json()["detail"] for answer in tried[:6]] == [
        "There is no segment with the key nope.",
        "There is no segment with this id.",
        "The key must be that of a MANUAL segment; the members of Rich follow from its definition",
        "Missing required columns: customer_id or email. Columns seen: name.",
        "No data found in upload.csv.",
        "skip_unknown must be true or false",
    ]
    assert await members(face) == ["C1", "C2"]
    assert place.files == []


@sqlite_alone
async def test_a_list_that_breaks_off_changes_nothing_and_leaves_no_file(place: Place) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"customer_id\nC3\n"
        raise ClientDisconnect

    address, headers = "/segments/vip/members", {**CSV, **place.face.bearer()}
    gone = await place.face.client.put(address, content=broken(), headers=headers)

    assert gone.status_code == 499
    assert await members(place.face) == ["C1", "C2"]
    assert place.files == []


@sqlite_alone
async def test_who_has_enough_files_under_way_waits_with_a_list(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "AT_ONCE", 0)

    answer = await put(place.face, "customer_id\nC3\n")

    assert (answer.status_code, answer.headers["retry-after"]) == (429, "30")
