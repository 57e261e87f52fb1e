"""Line T9 of the reliability requirements over plain HTTP: no file is given out that the audit log does not have, and
nobody whom the server knows is refused without an event."""

import asyncio
from typing import Any

import pytest

from domain.errors import Unavailable
from domain.model import AuditRecord
from domain.pages import PageRequest
from gql.http.exports import AT_ONCE
from gql.schema.types.ids import encode
from persistence.store import SqlStore
from tests.drivers.face import Face
from tests.shops.segmented_shop import fill

pytestmark = pytest.mark.anyio
REPORT, OLDER = "/exports/segmentation.csv", "/api/reports/customers/segmentation/"
LINK = """mutation($id: ID!) { exportSegmentMembers(segmentId: $id, format: CSV) { url } }"""
Told = tuple[str, str, str, Any]


async def newest(face: Face) -> list[AuditRecord]:
    shop = await face.services.businesses.open("shop")
    page = await face.services.read(shop, lambda unit: unit.audits.load_page(PageRequest(250)))
    return list(page.items)


async def told(face: Face, known: int) -> list[Told]:
    """Actor, action, outcome and detail of the events after so many, in their order."""
    events = reversed((await newest(face))[: -known or None])
    return [(event.actor, event.action, event.outcome.value, event.detail) for event in events]


async def test_t9_every_file_that_is_given_out_has_one_event(both: Face) -> None:
    ids = await fill(both)
    known, headers = len(await newest(both)), both.bearer(both.token("customers:view", subject="ann"))
    members = f"/exports/segments/{ids['vip']}/members"

    asked = (f"{REPORT}?days=30&as_of=2024-06-01", OLDER, f"{members}.json?columns=email,name", f"{members}.xlsx")
    answers = [await both.client.get(path, headers=headers) for path in asked]

    assert [answer.status_code for answer in answers] == [200] * 4
    assert await told(both, known) == [
        ("ann", "downloadReport", "DONE", {"format": "csv", "days": "30", "as_of": "2024-06-01", "link": False}),
        ("ann", "downloadReport", "DONE", {"format": "json", "link": False}),
        ("ann", "downloadMembers", "DONE", {"format": "json", "columns": "email,name", "link": False}),
        ("ann", "downloadMembers", "DONE", {"format": "xlsx", "link": False}),
    ]
    event = (await newest(both))[0]
    assert event.subject is not None and encode(event.subject[0], 1, event.subject[1]) == ids["vip"]
    assert event.request_id == answers[-1].headers["X-Request-Id"]


async def test_who_made_a_link_opens_it(both: Face) -> None:
    ids = await fill(both)
    known = len(await newest(both))

    made = await both.data(LINK, {"id": ids["vip"]}, both.token("customers:view", subject="ann"))
    answer = await both.client.get(made["exportSegmentMembers"]["url"])

    assert answer.status_code == 200
    (_, *made_event), opened = await told(both, known)
    assert made_event[0] == "exportSegmentMembers"
    assert made_event[2]["segment"] == "vip"
    assert opened == ("ann", "downloadMembers", "DONE", {"format": "csv", "link": True})
    assert "signature" not in str([event.detail for event in await newest(both)])


async def test_what_gives_out_nothing_has_no_event(both: Face) -> None:
    headers = both.bearer()
    tag = (await both.client.head(REPORT, headers=headers)).headers["etag"]
    same = await both.client.get(REPORT, headers={**headers, "If-None-Match": tag})
    strange = await both.client.get(REPORT)

    assert (same.status_code, strange.status_code) == (304, 401)
    assert await newest(both) == []


async def test_a_file_is_not_given_out_where_its_event_cannot_be_kept(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await fill(face)
    path, audit = f"/exports/segments/{ids['vip']}/members.xlsx", SqlStore.audit

    async def fail(*given: object, **more: object) -> None:
        raise Unavailable("The store is busy or out of reach. Try again in a moment.")

    monkeypatch.setattr(SqlStore, "audit", fail)
    # More than are made at once: each gives its place back.
    refused = [await face.client.get(path, headers=face.bearer()) for _ in range(AT_ONCE + 1)]
    report = await face.client.get(REPORT, headers=face.bearer())
    link = await face.code(LINK, {"id": ids["vip"]})
    monkeypatch.setattr(SqlStore, "audit", audit)
    async with asyncio.timeout(20):
        given = await face.client.get(path, headers=face.bearer())

    assert [answer.status_code for answer in refused] == [503] * (AT_ONCE + 1)
    assert (report.status_code, link, given.status_code) == (503, "UNAVAILABLE", 200)


async def test_who_is_refused_has_an_event(both: Face) -> None:
    ids = await fill(both)
    known, nobody = len(await newest(both)), both.bearer(both.token("other:thing"))
    viewer = both.bearer(both.token("customers:view"))
    members = f"/exports/segments/{ids['vip']}/members.csv"
    foreign = f"/exports/segments/{encode('Segment', 2, 1)}/members.csv"
    csv = {"Content-Type": "text/csv"}

    await both.client.get(REPORT, headers=nobody)
    await both.client.get(members, headers=nobody)
    await both.client.get(foreign, headers=viewer)
    await both.client.get(f"{REPORT}?days=0", headers=viewer)
    await both.client.post("/imports/purchases", content=b"x", headers={**viewer, **csv})
    await both.client.post("/imports/purchases", content=b"x", headers={**both.bearer(), "Content-Type": "text/html"})
    await both.client.post("/imports/inspect", content=b"", headers={**both.bearer(), **csv})
    await both.client.get(f"/imports/purchases/{encode('PurchaseImport', 1, 9)}", headers=viewer)

    assert [(action, outcome, detail["codes"]) for _, action, outcome, detail in await told(both, known)] == [
        ("downloadReport", "DENIED", ["FORBIDDEN"]),
        ("downloadMembers", "DENIED", ["FORBIDDEN"]),
        ("downloadMembers", "REFUSED", ["NOT_FOUND"]),
        ("downloadReport", "REFUSED", ["BAD_USER_INPUT"]),
        ("uploadPurchases", "DENIED", ["FORBIDDEN"]),
        ("uploadPurchases", "REFUSED", ["BAD_USER_INPUT"]),
        ("inspectPurchases", "REFUSED", ["BAD_USER_INPUT"]),
        ("readImport", "REFUSED", ["NOT_FOUND"]),
    ]
    subjects = [event.subject for event in reversed((await newest(both))[:8])]
    assert subjects[1] is not None and encode("Segment", 1, subjects[1][1]) == ids["vip"]
    assert subjects[2] is None
    assert subjects[7] == ("PurchaseImport", 9)


async def test_events_raise_no_change_number(both: Face) -> None:
    before = await both.services.businesses.open("shop")

    await both.client.get(REPORT, headers=both.bearer())
    await both.data('mutation { deleteSegment(id: "x") { userErrors { code } } }')
    await both.post("{ segments { totalCount } }", token=both.token("other:thing"))

    assert len(await newest(both)) == 3
    assert await both.services.businesses.open("shop") == before
