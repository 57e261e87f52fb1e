"""The report as CSV: rectangular, exact, readable by programs and by spreadsheets, and no name runs as a formula."""

import asyncio
import csv
import io
from collections.abc import AsyncGenerator
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.formulas import protect_text
from domain.reports.document import Layout, ReportDocument
from domain.reports.insights import Insights
from domain.store import MemberPage
from persistence.exports.csv import COLUMNS, render_report_csv, write_members_csv
from tests.shops.report_documents import EIGHT_ROWS, categories, document, eight_segments, group, member_export

MARK = b"\xef\xbb\xbf"
SUM = "All customers"
AMOUNTS = ("total_revenue", "average_order_value", "avg_total_spend", "previous_total_revenue")


def rows(made: ReportDocument) -> list[list[str]]:
    text = render_report_csv(made).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def table(made: ReportDocument) -> list[dict[str, str]]:
    found = rows(made)
    head = found.index(list(COLUMNS))
    named = (dict(zip(COLUMNS, row, strict=True)) for row in found[head + 1 :])
    return [row for row in named if row["segment_name"] not in ("", SUM)]


def test_every_row_has_the_same_number_of_cells_and_ends_as_the_rfc_says() -> None:
    body = render_report_csv(eight_segments())

    assert {len(row) for row in rows(eight_segments())} == {len(COLUMNS)}
    assert body.endswith(b"\r\n")
    assert body.count(b"\n") == body.count(b"\r\n")


def test_the_table_holds_every_number_of_the_document() -> None:
    made = eight_segments()

    found = table(made)

    assert [row["segment_name"] for row in found] == [each.name for each in made.rows]
    assert found[0] == {
        "dimension": "rfm",
        "segment_name": "Champions",
        "segment_code": "R5F5M5",
        "description": "Recent, frequent, high spenders",
        "customer_count": "124",
        "customer_share": "0.124",
        "previous_customer_count": "118",
        "previous_order_count": "1062",
        "previous_total_revenue": "141033.31",
        "order_count": "1116",
        "total_revenue": "148204.50",
        "revenue_share": repr(14_820_450 / 35_321_338),
        "average_order_value": "132.80",
        "recency_score": "",
        "frequency_score": "",
        "monetary_score": "",
        "avg_days_since_last_purchase": "8.0",
        "avg_purchase_frequency": "9.0",
        "avg_total_spend": "1195.20",
        "recommended_actions": "Offer VIP loyalty perks; Invite to referral programs; Early access to new collections",
    }
    assert sum(Decimal(row["total_revenue"]) for row in found) == made.totals.revenue
    assert sum(int(row["customer_count"]) for row in found) == made.totals.customers


def test_dimensions_stand_one_after_the_other_in_one_order() -> None:
    made = categories(("Tea", "Milk"))
    mixed = replace(made, groups=(made.groups[4], made.groups[0], made.groups[2], made.groups[5], *made.groups[1:4:2]))

    found = table(mixed)

    assert [row["dimension"] for row in found] == ["category", "category", "channel", "channel", "season", "season"]
    assert [row["segment_name"] for row in found[:2]] == ["Tea", "Milk"]


def test_each_of_several_dimensions_has_its_own_sum() -> None:
    made = categories(("Tea", "Milk"))

    found = rows(made)

    sums = [dict(zip(COLUMNS, row, strict=True)) for row in found if row[1] == SUM]
    totals = made.totals
    assert [row["dimension"] for row in sums] == ["category", "channel", "season"]
    assert {(row["customer_count"], row["customer_share"]) for row in sums} == {(str(totals.customers), "1.0")}
    assert {(row["total_revenue"], row["revenue_share"]) for row in sums} == {(str(totals.revenue), "1.0")}
    assert all(set(found[found.index([*row.values()]) + 1]) == {""} for row in sums[:-1])
    assert SUM not in [row[1] for row in rows(eight_segments())]
    assert SUM not in [row[1] for row in rows(replace(made, filtered=True))]


def test_a_table_for_programs_has_one_header_and_a_row_a_group_that_says_its_window() -> None:
    made = replace(categories(("Tée", "Milk"), storefront="Mitte"), layout=Layout.TABLE)

    body = render_report_csv(made)

    assert not body.startswith(MARK)
    found = list(csv.DictReader(io.StringIO(body.decode(), newline=""), strict=True))
    assert [row["segment_name"] for row in found] == [group.name for group in made.rows]
    assert found[0] == {
        "first_day": "2026-07-01",
        "last_day": "2026-09-28",
        "method": "BEHAVIOR",
        "scheme": "",
        "storefront": "Mitte",
        "currency": "EUR",
        "dimension": "category",
        "segment_name": "Tée",
        "segment_code": "CATEGORY:Tée",
        "customer_count": "900",
        "customer_share": repr(900 / 1797),
        "previous_customer_count": "880",
        "previous_order_count": "978",
        "previous_total_revenue": "48888.89",
        "order_count": "1000",
        "total_revenue": "50000.00",
        "revenue_share": repr(5_000_000 / 9_984_999),
        "average_order_value": "50.00",
        "recency_score": "",
        "frequency_score": "",
        "monetary_score": "",
        "avg_days_since_last_purchase": "10.0",
        "avg_purchase_frequency": repr(1000 / 900),
        "avg_total_spend": "55.56",
    }


def test_numbers_have_no_exponent() -> None:
    tiny = replace(eight_segments().groups[0], customer_share=0.00001)

    assert table(replace(eight_segments(), groups=(tiny,)))[0]["customer_share"] == "0.00001"


@pytest.mark.parametrize(("currency", "decimals"), [("EUR", 2), ("JPY", 0), ("KWD", 3)])
@pytest.mark.parametrize("layout", Layout)
def test_every_amount_has_the_decimals_of_its_currency(currency: str, decimals: int, layout: Layout) -> None:
    whole = (953, 34_301_005)
    groups = tuple(group(name, row, whole, decimals=decimals) for name, row in zip("AB", EIGHT_ROWS, strict=False))

    made = document(groups, currency=currency, decimals=decimals, layout=layout)

    text = render_report_csv(made).decode("utf-8-sig")
    head = next(place for place, line in enumerate(text.splitlines()) if ",segment_name," in line)
    found = list(csv.DictReader(text.splitlines()[head:]))
    amounts = [row[name] for row in found for name in AMOUNTS]
    assert {len(amount.partition(".")[2]) for amount in amounts} == {decimals}
    assert all(("." in amount) == (decimals > 0) for amount in amounts)


def test_the_insights_stand_in_a_block_before_the_table() -> None:
    found = rows(eight_segments())

    start = next(place for place, row in enumerate(found) if row[0] == "Insights")
    said = {row[0]: row[1] for row in found[start + 1 : start + 5]}
    assert list(said) == ["Highest revenue segment", "Largest segment", "Fastest growing segment", "Needs attention"]
    assert list(said.values()) == ["Champions", "Loyal Customers", "New Customers", "At Risk"]
    assert set(found[start - 1]) == set(found[start + 5]) == {""}
    assert found[start + 6] == list(COLUMNS)


def test_a_report_of_ascii_has_no_mark_and_any_other_has_one() -> None:
    assert not render_report_csv(eight_segments(business="Shop")).startswith(MARK)
    assert render_report_csv(eight_segments(business="متجر")).startswith(MARK)


def test_times_are_those_of_the_business() -> None:
    named = {row[0]: row[1] for row in rows(eight_segments(time_zone="Asia/Colombo"))}

    assert named["Generated at"] == "2026-09-28T17:35:33+05:30"
    assert (named["First day"], named["Last day"], named["Days"]) == ("2026-07-01", "2026-09-28", "90")


@pytest.mark.parametrize(
    "name",
    ["=1+1", "+49 170", "-2", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", ";=1", '"=1', '=HYPERLINK("http://x","y")'],
)
def test_a_name_that_looks_like_a_formula_is_text_everywhere(name: str) -> None:
    made = categories((name, "Plain"), business=name, storefront=name, insights=Insights(name, name))

    cells = [cell for row in rows(made) for cell in row]

    assert protect_text(name) in cells
    assert name not in cells
    assert [row["segment_name"] for row in table(made)][:2] == [protect_text(name), "Plain"]


@pytest.mark.parametrize("name", ["Plain", "1-2", "a=b", "'quoted", "", " plain", "é=1", "(1)"])
def test_other_text_stays_as_it_is(name: str) -> None:
    assert protect_text(name) == name


def test_numbers_stay_numbers_also_negative_ones() -> None:
    made = eight_segments()
    lost = replace(made.groups[0], revenue=Decimal("-12.50"))

    found = table(replace(made, groups=(lost,)))

    assert found[0]["total_revenue"] == "-12.50"


@pytest.mark.parametrize(
    "names",
    [('a "quoted", name', "two\nlines", "semi;colon"), tuple(f"Category {place}" for place in range(300))],
    ids=["quotes, commas and lines", "a long tail"],
)
def test_every_name_is_listed_as_it_is(names: tuple[str, ...]) -> None:
    assert [row["segment_name"] for row in table(categories(names)) if row["dimension"] == "category"] == list(names)


def test_a_currency_without_decimals_has_none() -> None:
    whole = replace(eight_segments().groups[0], revenue=Decimal(1200), average_order=Decimal(400))

    found = table(replace(eight_segments(), currency="JPY", decimals=0, groups=(whole,)))

    assert (found[0]["total_revenue"], found[0]["average_order_value"]) == ("1200", "400")


CELLS = st.text(st.sampled_from('a1é ,;"=\r\n\t\x00'), max_size=4) | st.none()


@given(st.integers(1, 3).flatmap(lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1)))
@example([["a", "b"]])
@example([[None]])
@example([["a", "b\n"]])
@example([["a,b", "c"]])
def test_members_are_written_as_the_library_writes_them(rows: list[list[str | None]]) -> None:
    columns = ("customer_id", "name", "email")[: len(rows[0])]

    async def give() -> AsyncGenerator[MemberPage, None]:
        yield list(zip(*rows, strict=True))

    async def write() -> bytes:
        return b"".join([piece async for piece in write_members_csv(member_export(columns), give())])

    expected = io.StringIO(newline="")
    csv.writer(expected).writerows([columns, *([protect_text(cell or "") for cell in row] for row in rows)])
    assert asyncio.run(write()).decode() == expected.getvalue()
