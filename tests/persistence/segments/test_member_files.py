"""Files of members say, cell by cell, what entities say of the same members: those are read and measured one by one, as
pages show them, and written here by the plainest means."""

import csv
import io
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from openpyxl import load_workbook
from sqlalchemy import text

from domain.calendar import format_instant
from domain.formulas import protect_text
from domain.model import Actor, Business, NewCustomer, NewPurchase, PurchaseStatus
from domain.money import find_exponent, to_decimal
from domain.pages import PageRequest
from domain.segments import member_export
from domain.segments.member_export import FURTHER_COLUMNS, MEMBER_COLUMNS, MemberExport
from domain.segments.model import Segment, SegmentKind
from domain.segments.validation import Draft
from domain.store import MemberList
from gql.composition import Services, make_writers
from gql.settings import Settings
from persistence.database.engines import Database
from tests.conftest import SetClock
from tests.persistence.conftest import buy, merge, statements

pytestmark = pytest.mark.anyio
ACTOR = Actor("test")
NAMES = (
    "Ann",
    "=1+1",
    " -2",
    "Élan; =1",
    "",
    '"Q"',
    "#N/A",
    "<r><t>x</t></r>",
    "<r>",
    "a; -b",
    "001",
    "_x0041_",
    "'",
    "&",
)
HELD: tuple[Mapping[str, Any], ...] = (
    {"note": "=1", "size": "38.50", "agreed": True, "since": "2024-03-01T09:30:15.250Z"},
    {"note": "#REF!", "size": "12345678901234567890", "agreed": False, "since": "1850-01-01"},
    {"size": "-0.000001"},
    {"size": "7.00", "since": "9990-12-01"},
    {},
)
COLUMNS = (*MEMBER_COLUMNS, *FURTHER_COLUMNS, *(f"attributes.{name}" for name in ("note", "size", "agreed", "since")))


def list_customers() -> list[NewCustomer]:
    return [
        NewCustomer(
            f"C{place:02}",
            name=name,
            email=f"{place}@shop.example" if place % 3 else None,
            loyalty_level=("gold", None)[place % 2],
            phone=("+94 11", None)[place % 2],
            country=("LK", "@SUM(A1)", None)[place % 3],
            city=(None, "－Ｘ")[place % 2],
            attributes=HELD[place % len(HELD)],
        )
        for place, name in enumerate(NAMES * 2, 1)
    ]


def list_purchases(now: datetime) -> list[NewPurchase]:
    """Within the window of scores, before it, on both sides, on its first day, and ones that do not count."""
    return [
        NewPurchase(
            f"C{buyer:02}",
            f"O{buyer}-{age}",
            now - timedelta(days=age, seconds=buyer, microseconds=buyer % 2),
            buyer * 3 + age,
            PurchaseStatus.CANCELLED if buyer == 5 else PurchaseStatus.COMPLETED,
            None,
            None,
            (),
        )
        for buyer in range(1, 26)
        for age in ((3,), (500,), (3, 500), (364, 10), (365, 364), (7, 7 + buyer, 600), (0, 100, 200))[buyer % 7]
    ]


@pytest.fixture
async def filled(database: Database, services: Services, clock: SetClock, request: pytest.FixtureRequest) -> Business:
    """A business in a zone and a currency with members of every kind in its only segment."""
    zone, currency = request.param
    made = await services.businesses.create("files", None, zone, currency)
    await services.customers.upsert(made, list_customers(), ACTOR)
    made = await buy(services, made, list_purchases(clock.now))
    segment, _ = await services.segments.create(made, Draft("=V<i>P; é", SegmentKind.MANUAL, key="vip"), ACTOR)
    await services.memberships.assign(made, segment.id, list(range(1, 20)), ACTOR)
    clock.now += timedelta(days=1)
    await services.memberships.remove(made, segment.id, [4, 9], ACTOR)
    await services.memberships.assign(made, segment.id, [4, 27, 28], ACTOR)
    with database.bulk.begin() as connection:
        # As from long ago.
        connection.execute(text("UPDATE membership SET entered_at = -3000000000000001 WHERE customer_id IN (2, 3)"))
        connection.execute(
            text("UPDATE membership SET source = customer_id % 3 WHERE business_id = :id"), {"id": made.id}
        )
    return await services.businesses.open("files")


async def list_expected(services: Services, export: MemberExport) -> list[list[Any]]:
    """The cells of each member, made of entities."""
    business = export.business
    async with services.store.read(business) as unit:
        page = await unit.members.load_page(MemberList(export.segment.id, export.as_of), PageRequest(100))
        held = await unit.customers.load_attributes([record.customer.id for record, _ in page.items])
    scores = await services.customers.compute_scores(
        business, {record.customer.id: record.totals for record, _ in page.items}
    )
    rows = []
    for record, membership in page.items:
        if record.customer.erased:
            continue
        one, totals, score = record.customer, record.totals, scores[record.customer.id]
        said = {
            **{name: getattr(one, name) for name in ("name", "email", "loyalty_level", *FURTHER_COLUMNS)},
            **{f"attributes.{name}": value for name, value in held[one.id].items()},
            "customer_id": one.external_id,
            "segment": export.segment.name,
            "assigned_at": membership.entered_at,
            "source": membership.source.value,
            "order_count": totals.order_count,
            "total_revenue": to_decimal(totals.revenue, find_exponent(business.currency)),
            "last_purchase_at": totals.last_at,
            "rfm_segment": None if score is None else score.digits,
        }
        rows.append([said.get(name) for name in export.columns])
    return rows


def is_whole(name: str, value: Decimal) -> bool:
    return name.startswith("attributes.") and value == value.to_integral_value() and abs(value) < 2**53


def write_plainly(name: str, value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case datetime():
            return format_instant(value)
        case Decimal():
            return str(int(value)) if is_whole(name, value) else format(value, "f")
        case str():
            return protect_text(value)
        case _:
            return str(value)


def to_sheet_value(value: Any, zone: ZoneInfo) -> Any:
    match value:
        case datetime():
            local = value.astimezone(zone).replace(tzinfo=None)
            if local.year < 1900:
                return local.isoformat(" ")
            # Sheets count days, with fractions of a millisecond or so.
            return (
                local
                - timedelta(microseconds=local.microsecond)
                + timedelta(milliseconds=round(local.microsecond, -3) / 1000)
            )
        case Decimal():
            return pytest.approx(float(value), rel=1e-15)
        case _:
            return value or None if isinstance(value, str) else value


async def write(services: Services, export: MemberExport, form: str) -> bytes:
    pages: AsyncGenerator[Any, None] = services.member_files.load_pages(export)
    return b"".join([piece async for piece in make_writers(Settings()).members[form](export, pages)])


ZONES = [("Asia/Colombo", "KWD"), ("America/St_Johns", "JPY")]


@pytest.mark.parametrize("filled", ZONES, ids=["ahead", "behind"], indirect=True)
async def test_every_format_says_what_entities_say(
    services: Services, filled: Business, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member_export, "PAGE", 6)
    export = await services.member_files.open(filled, 1, COLUMNS)
    await merge(services, filled, "C07", "C08")
    await services.erasure.erase(filled, 3, ACTOR)
    expected = await list_expected(services, export)

    rows = list(csv.reader(io.StringIO((await write(services, export, "csv")).decode("utf-8-sig"), newline="")))
    members = json.loads(await write(services, export, "json"), parse_float=Decimal)["members"]
    sheet = load_workbook(io.BytesIO(await write(services, export, "xlsx"))).active

    assert len(expected) == 19
    assert rows == [
        list(COLUMNS),
        *([write_plainly(*cell) for cell in zip(COLUMNS, row, strict=True)] for row in expected),
    ]
    texts = [[format_instant(cell) if isinstance(cell, datetime) else cell for cell in row] for row in expected]
    assert members == [dict(zip(COLUMNS, row, strict=True)) for row in texts]
    zone = ZoneInfo(filled.time_zone)
    shown = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=2)]
    for row, cells in zip(expected, shown, strict=True):
        # What would be read as a code for a character is written so that it is none.
        cells[1] = "_x0041_" if cells[1] == "_x005F_x0041_" else cells[1]
        assert cells == [to_sheet_value(value, zone) for value in row]


@pytest.mark.parametrize("filled", [("UTC", "EUR")], ids=["utc"], indirect=True)
async def test_any_columns_in_any_order_are_the_same_cells(services: Services, filled: Business) -> None:
    async def read(*columns: str) -> list[list[str]]:
        body = await write(services, await services.member_files.open(filled, 1, columns), "csv")
        return list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")))

    whole = await read(*COLUMNS)

    for chosen in (*((name,) for name in COLUMNS), COLUMNS[::-1], COLUMNS[::3]):
        places = [COLUMNS.index(name) for name in chosen]
        assert await read(*chosen) == [[row[place] for place in places] for row in whole]


@pytest.mark.parametrize("filled", [("UTC", "EUR")], ids=["utc"], indirect=True)
async def test_a_page_is_one_statement_whatever_the_columns(
    database: Database, services: Services, filled: Business, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = await services.member_files.open(filled, 1, COLUMNS)
    await services.customers.find_measure(filled)

    async def count(size: int) -> int:
        monkeypatch.setattr(member_export, "PAGE", size)
        with statements(database) as seen:
            pages = [page async for page in services.member_files.load_pages(export)]
        reads = [statement for statement in seen if statement.startswith("SELECT")]
        assert len(reads) == len(pages)
        return len(reads)

    assert (await count(1_000), await count(8)) == (1, 3)


async def test_a_workbook_keeps_what_looks_like_something_else(services: Services, shop: Business) -> None:
    names = ["=1+1", "#N/A", "007", "<r>;=1</r>"]
    await services.customers.upsert(
        shop, [NewCustomer(f"C{place}", name=name) for place, name in enumerate(names)], ACTOR
    )
    segment: Segment
    segment, _ = await services.segments.create(shop, Draft("All", SegmentKind.MANUAL), ACTOR)
    await services.memberships.assign(shop, segment.id, [1, 2, 3, 4], ACTOR)

    body = await write(services, await services.member_files.open(shop, segment.id, ["name"]), "xlsx")

    cells: Sequence[Any] = load_workbook(io.BytesIO(body)).active["A"][1:]
    assert [cell.value for cell in cells] == names
    assert {cell.data_type for cell in cells} == {"s"}
    assert [bool(cell.quotePrefix) for cell in cells] == [True, True, False, True]
