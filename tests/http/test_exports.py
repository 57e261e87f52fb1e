"""Reports and members as files over plain HTTP, with a token."""

import csv
import io
import json
from decimal import Decimal
from typing import Any

import pypdfium2
import pytest
from openpyxl import load_workbook

from domain.model import Actor, NewCustomer
from domain.reports.document import ReportFiles
from gql.composition import make_writers
from gql.file_formats import MEMBER_FORMATS, REPORT_FORMATS
from gql.settings import Settings
from tests.drivers.face import Face
from tests.shops.factories import line, purchase
from tests.shops.segmented_shop import fill

pytestmark = pytest.mark.anyio
ACTOR = Actor("test")
REPORT = "/exports/segmentation"
OLDER = "/api/reports/customers/segmentation/"


async def small_shop(face: Face) -> None:
    """A bought twice for 100.50 in all, B once for 40; a storefront each."""
    business = await face.services.businesses.open("shop")
    bought = [
        purchase("A", "1", "2024-06-10", 5_050, storefront_key="main", lines=(line("Kids", 100),)),
        purchase("A", "2", "2024-06-14", 5_000, storefront_key="main"),
        purchase("B", "3", "2024-04-01", 4_000, storefront_key="side"),
    ]
    await face.services.purchases.record(business, bought, ACTOR)


async def get(face: Face, path: str, **headers: str) -> Any:
    return await face.client.get(path, headers={**face.bearer(), **headers})


def test_every_format_has_its_writer() -> None:
    writers = make_writers(Settings())

    assert list(writers.reports) == list(REPORT_FORMATS)
    assert list(writers.members) == list(MEMBER_FORMATS)


async def test_json_is_exactly_the_documented_response(both: Face) -> None:
    await small_shop(both)

    answer = await get(both, f"{REPORT}.json?method=rfm&days=90&segment_name=loyal%20customers")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    body = json.loads(answer.text, parse_float=Decimal)
    data = body["data"]
    assert data["unclassified"]["segment_code"] == "OTHER"
    further = {name: data.pop(name) for name in list(data)[6:]}
    assert further == {
        "fastest_growing_change": None,
        "sentences": [
            "Most revenue: Loyal Customers, 100.50 EUR, 71.5 % of the total, from 1 customer.",
            "Largest group: Loyal Customers, 1 customer, 50.0 % of all.",
            "Needs attention: Hibernating, 1 customer who spent 40.00 EUR. First step: Deep discount win-back.",
        ],
        "order_count": 3,
        "average_order_value": Decimal("46.83"),
        "previous": None,
        "dimensions": [
            {
                "dimension": "rfm",
                "customer_count": 2,
                "order_count": 3,
                "total_revenue": Decimal("140.50"),
                "average_order_value": Decimal("46.83"),
                "segments": [
                    {
                        "segment_name": "Loyal Customers",
                        "segment_code": "R4F4M4",
                        "customer_count": 1,
                        "customer_share": Decimal("0.5"),
                        "order_count": 2,
                        "total_revenue": Decimal("100.50"),
                        "revenue_share": Decimal(repr(100.5 / 140.5)),
                        "previous_customer_count": None,
                        "previous_order_count": None,
                        "previous_total_revenue": None,
                    }
                ],
            }
        ],
        "cells": [
            {
                "recency": recency,
                "frequency": score,
                "monetary": score,
                "segment_name": name,
                "customer_count": 1,
                "order_count": orders,
                "total_revenue": Decimal(revenue),
            }
            for recency, score, name, orders, revenue in (
                (1, 1, "Hibernating", 1, "40.00"),
                (5, 3, "Loyal Customers", 2, "100.50"),
            )
        ],
    }
    assert body == {
        "success": True,
        "data": {
            "method": "rfm",
            "insights": {
                "highest_revenue_segment": "Loyal Customers",
                "largest_segment": "Loyal Customers",
                "fastest_growing_segment": None,
                "needs_attention": "Hibernating",
            },
            "customer_count": 2,
            "total_revenue": Decimal("140.50"),
            "segments": [
                {
                    "segment_name": "Loyal Customers",
                    "segment_code": "R4F4M4",
                    "description": "Consistent, reliable purchasers",
                    "customer_count": 1,
                    "total_revenue": Decimal("100.50"),
                    "average_order_value": Decimal("50.25"),
                    "recency_score": 4,
                    "frequency_score": 4,
                    "monetary_score": 4,
                    "characteristics": {
                        "avg_days_since_last_purchase": 1,
                        "avg_purchase_frequency": 2,
                        "avg_total_spend": Decimal("100.50"),
                    },
                    "recommended_actions": [
                        "Cross-sell complementary products",
                        "Provide exclusive deals",
                        "Gather feedback for product development",
                    ],
                }
            ],
            "unclassified": data["unclassified"],
        },
    }


async def test_the_older_address_and_names_answer_the_same(face: Face) -> None:
    await small_shop(face)

    new = await get(face, f"{REPORT}.json?method=value&days=30&storefront=main&as_of=2024-06-15")
    old = await get(face, f"{OLDER}?segmentation_method=value&days=30&storefront_id=main&as_of=2024-06-15")
    file = await get(face, f"{OLDER}?segmentation_method=VALUE&days=30&export_format=csv")
    bare = await get(face, OLDER.rstrip("/"))

    assert old.json() == new.json()
    assert old.json()["data"]["customer_count"] == 1
    assert "content-disposition" not in old.headers
    assert file.headers["content-type"] == "text/csv; charset=utf-8"
    assert file.headers["content-disposition"] == 'attachment; filename="shop value 2024-06-15 30 days.csv"'
    assert bare.json()["data"]["method"] == "rfm"


async def test_a_storefront_is_named_by_its_key_or_its_id(face: Face) -> None:
    await small_shop(face)
    found = (await face.data("{ storefronts { id key } }"))["storefronts"]

    counts = {
        one["key"]: [
            (await get(face, f"{REPORT}.json?storefront={name}")).json()["data"]["total_revenue"]
            for name in (one["id"], one["key"])
        ]
        for one in found
    }

    assert counts == {"main": [100.5, 100.5], "side": [40.0, 40.0]}


async def test_csv_format(both: Face) -> None:
    await small_shop(both)

    answer = await get(both, f"{REPORT}.csv")

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.reader(io.StringIO(answer.text, newline="")))
    assert len({len(row) for row in rows}) == 1
    named = {row[0]: row[1] for row in rows}
    assert named["Customer segmentation report"] == "shop"
    assert named["Revenue"] == "140.50"
    assert named["Insights"] == ""
    assert named["Largest segment"] == "Loyal Customers"
    head = next(place for place, row in enumerate(rows) if row[0] == "dimension")
    table = [dict(zip(rows[head], row, strict=True)) for row in rows[head + 1 :]]
    assert [row["segment_name"] for row in table][-1] == "Unclassified"
    assert sum(int(row["customer_count"]) for row in table) == 2
    assert sum(Decimal(row["total_revenue"]) for row in table) == Decimal("140.50")


async def test_a_table_for_other_programs_is_csv_alone(both: Face) -> None:
    await small_shop(both)

    answer = await get(both, f"{REPORT}.csv?layout=table")
    refused = [await get(both, f"{REPORT}.{ending}?layout=table") for ending in ("json", "pdf", "xlsx")]
    unknown = await get(both, f"{REPORT}.csv?layout=wide")

    rows = list(csv.DictReader(io.StringIO(answer.text, newline=""), strict=True))
    assert len(rows) == 9
    assert {(row["first_day"], row["last_day"], row["currency"]) for row in rows} == {
        ("2024-03-18", "2024-06-15", "EUR")
    }
    assert sum(Decimal(row["total_revenue"]) for row in rows) == Decimal("140.50")
    assert answer.headers["etag"] != (await get(both, f"{REPORT}.csv")).headers["etag"]
    assert [one.status_code for one in (*refused, unknown)] == [400] * 4
    assert refused[0].json()["error"] == "layout table is for csv, not json"
    assert unknown.json()["error"] == "layout must be one of: document, table"


async def test_a_file_without_its_trend_is_not_kept_by_the_client(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    await small_shop(face)
    whole = await get(face, f"{REPORT}.pdf?method=behavior")
    make = ReportFiles.make_document

    async def hurry(files: ReportFiles, *asked: Any, **how: Any) -> Any:
        return await make(files, *asked, **{**how, "patience": 0})

    monkeypatch.setattr(ReportFiles, "make_document", hurry)
    hurried = await get(face, f"{REPORT}.pdf?method=value")

    assert "Trend" in "".join(page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(whole.content))
    assert "Trend" not in "".join(
        page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(hurried.content)
    )
    assert ("etag" in whole.headers, "etag" in hurried.headers) == (True, False)


async def test_pdf_format(both: Face) -> None:
    await small_shop(both)

    answer = await get(both, f"{REPORT}.pdf")

    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"] == 'attachment; filename="shop rfm 2024-06-15 90 days.pdf"'
    opened = pypdfium2.PdfDocument(answer.content)
    pages = [page.get_textpage().get_text_range() for page in opened]
    assert [f"Page {number} of {len(pages)}" in page for number, page in enumerate(pages, 1)] == [True] * len(pages)
    text = " ".join(" ".join(pages).split())
    assert "18 March 2024 to 15 June 2024" in text
    for name in ("Champions", "Loyal Customers", "Hibernating", "Unclassified", "Cross-sell complementary products"):
        assert name in text
    for number in ("140.50", "100.50", "40.00", "50.25", "71.5 %"):
        assert number in text


@pytest.mark.parametrize("method", ["rfm", "value", "behavior"])
async def test_every_method_is_a_file_of_every_kind(face: Face, method: str) -> None:
    await small_shop(face)

    answers = {form: await get(face, f"{REPORT}.{form}?method={method}") for form in ("csv", "xlsx", "pdf", "json")}

    assert {form: answer.status_code for form, answer in answers.items()} == dict.fromkeys(answers, 200)
    assert answers["pdf"].content.startswith(b"%PDF-")
    assert load_workbook(io.BytesIO(answers["xlsx"].content)).sheetnames[0] == "Summary"
    assert answers["json"].json()["data"]["method"] == method


async def test_authentication(face: Face) -> None:
    ids = await fill(face)
    paths = [f"{REPORT}.csv", OLDER, f"/exports/segments/{ids['vip']}/members.csv"]

    for path in paths:
        none = await face.client.get(path)
        wrong = await face.client.get(path, headers=face.bearer("nonsense"))
        bare = await face.client.get(path, headers=face.bearer(face.token("customers:edit")))
        right = await face.client.get(path, headers=face.bearer(face.token("customers:view")))

        assert (none.status_code, none.json()) == (401, {"detail": "Authentication credentials were not provided."})
        assert none.headers["www-authenticate"] == "Bearer"
        assert (wrong.status_code, wrong.json()) == (401, {"detail": "Invalid token."})
        assert (bare.status_code, bare.json()) == (403, {"detail": "This needs the permission customers:view."})
        assert right.status_code == 200


@pytest.mark.read_only
async def test_invalid_method(face: Face) -> None:
    for query in ("method=cohort", "segmentation_method=cohort"):
        answer = await get(face, f"{REPORT}.json?{query}")

        error = "Invalid segmentation_method. Must be one of: rfm, value, behavior"
        assert (answer.status_code, answer.json()) == (400, {"success": False, "error": error})


@pytest.mark.read_only
@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("days=0", "days must be between 1 and 9999"),
        ("days=ten", "days must be between 1 and 9999"),
        ("as_of=15/06/2024", "as_of must be an ISO 8601 date, such as 2024-03-01"),
        ("scheme=nine", "scheme must be one of: eight, eleven"),
        ("storefront=nowhere", "storefront must be the key or the id of a storefront of this business"),
        ("method=rfm&method=value", "method must be given once"),
        ("method=rfm&segmentation_method=value", "method must be given once"),
        ("segment_name=Whales&method=value", "segment_name must be one of: High Value, Medium Value, Low Value"),
        ("segment_code=R9&scheme=eleven", None),
        ("export_format=csv", "export_format must be json here, or be left out"),
        ("export_format=doc", "Invalid export_format. Must be one of: csv, xlsx, pdf, json"),
        ("dyas=30", None),
    ],
)
async def test_a_wrong_parameter_is_named(face: Face, query: str, error: str | None) -> None:
    answer = await get(face, f"{REPORT}.json?{query}")

    said = answer.json()["error"]
    assert (answer.status_code, answer.json()) == (400, {"success": False, "error": said})
    if error is None:
        assert query.partition("=")[0] in said
    else:
        assert said == error


async def test_caching_headers(face: Face) -> None:
    ids = await fill(face)

    for path in (f"{REPORT}.csv?days=30", f"/exports/segments/{ids['vip']}/members.csv"):
        first = await get(face, path)
        tag = first.headers["etag"]
        head = await face.client.head(path, headers=face.bearer())
        same = await get(face, path, **{"If-None-Match": f'"other", {tag}'})
        strong = await get(face, path, **{"If-None-Match": tag.removeprefix("W/")})
        stranger = await face.client.get(path, headers={"If-None-Match": tag})

        assert first.headers["cache-control"] == "private, no-cache"
        assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", tag)
        # A length of nothing would be that of an empty file.
        assert "content-length" not in head.headers
        assert head.headers["content-type"] == first.headers["content-type"]
        assert head.headers["content-disposition"] == first.headers["content-disposition"]
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
        assert strong.status_code == 304
        assert stranger.status_code == 401


async def test_a_tag_changes_with_the_data_and_with_the_parameters(face: Face) -> None:
    await small_shop(face)
    paths = [f"{REPORT}.{query}" for query in ("csv", "json", "csv?days=30", "csv?method=value", "csv?storefront=main")]
    paths.append(f"{REPORT}.csv?segment_name=Champions")
    tags = [(await get(face, path)).headers["etag"] for path in paths]
    business = await face.services.businesses.open("shop")

    await face.services.customers.upsert(business, [NewCustomer("Z", "Zoe")], ACTOR)
    later = await get(face, paths[0], **{"If-None-Match": tags[0]})

    assert len(set(tags)) == len(tags)
    assert later.status_code == 200
    assert later.headers["etag"] not in tags


async def test_names_of_files_are_safe_in_every_script(face: Face) -> None:
    await fill(face)
    business = await face.services.businesses.open("shop")
    name = 'متجر "/../\r\nX: 1 ‮gpj'
    # As a store may hold it from before such names were refused.
    async with face.services.store.write(business) as unit:
        await unit.save_settings({"name": name})

    answer = await get(face, f"{REPORT}.pdf")

    assert business.key == "shop"
    said = answer.headers["content-disposition"]
    assert said.startswith("attachment; filename=\"shop-rfm-2024-06-15-90-days.pdf\"; filename*=UTF-8''%D9%85")
    assert "\r" not in said
    assert "%2F" not in said
    assert "%E2%80%AE" not in said
