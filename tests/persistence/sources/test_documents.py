"""Files of JSON: an object is a row, the lines that an order lists are rows of their own, and numbers are exact."""

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from domain.errors import InvalidInput
from domain.imports.formats import SourceFormat
from domain.imports.sources import FileForm
from persistence.sources.documents import DocumentSource
from persistence.sources.opening import open_file, open_purchases
from tests.conftest import measure_memory
from tests.drivers.opened_sources import read, shop

ONE = {"customer_id": "C1", "order_id": 1, "date": "2024-03-01", "amount": 10.5}
TWO = {"customer_id": "C2", "order_id": "2", "date": "2024-03-02T10:00:00Z", "amount": "3", "category": "Tea"}
ROWS = [("1", "C1", 0, 1050, None), ("2", "C2", 0, 300, "Tea")]


def written(folder: Path, text: str, encoding: str = "utf-8", name: str = "orders.json") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding, "surrogateescape"))
    return path


def find_rows(path: Path, **options: Any) -> list[tuple[object, ...]]:
    rows, rejected = read(open_purchases(path, shop(), SourceFormat(**options)))
    assert rejected == []
    return rows


@pytest.mark.parametrize(
    "text",
    [
        f"{json.dumps(ONE)}\n{json.dumps(TWO)}\n",
        f"\n{json.dumps(ONE)}\r\n\r\n{json.dumps(TWO)}",
        f"{json.dumps(ONE, indent=2)}\n{json.dumps(TWO, indent=2)}",
        json.dumps([ONE, TWO]),
        json.dumps([ONE, TWO], indent=4),
        json.dumps({"orders": [ONE, TWO], "next": None}),
        f"  [\n{json.dumps(ONE)}\n,{json.dumps(TWO)}]  \n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_lines_and_lists_of_objects_are_orders(text: str, encoding: str, tmp_path: Path) -> None:
    assert find_rows(written(tmp_path, text, encoding)) == ROWS


def test_packed_files_are_read_whatever_their_name(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_bytes(gzip.compress(json.dumps([ONE, TWO]).encode()))

    assert find_rows(path) == ROWS


@pytest.mark.parametrize("name", ["lines", "items", "line_items", "lineItems"])
def test_an_order_that_lists_its_lines_is_a_row_for_each(name: str, tmp_path: Path) -> None:
    order = {"id": 7, "customer": {"id": "C1", "address": {"city": "Kandy"}}, "created": "2024-03-01"}
    lines = [{"price": 5, "product": {"category": "Tea"}}, {"price": 6.25, "product": {"category": "Rum"}}]
    path = written(tmp_path, json.dumps([{**order, name: lines}, {**order, "id": 8, name: [], "total": 1}]))
    mapping = {
        "id": "order_id",
        "customer.id": "customer_id",
        "created": "purchase_date",
        f"{name}.price": "amount",
        f"{name}.product.category": "category",
    }

    source = open_file(path)
    rows, rejected = read(open_purchases(path, shop(), SourceFormat(columns=mapping)))

    assert source.header == [
        *("id", "customer.id", "customer.address.city", "created"),
        *(f"{name}.price", f"{name}.product.category", name, "total"),
    ]
    assert rows == [("7", "C1", 0, 500, "Tea"), ("7", "C1", 0, 625, "Rum")]
    assert [(row.line, row.reason) for row in rejected] == [(3, "the amount is absent")]


def test_numbers_are_exact_and_a_point_is_a_point(tmp_path: Path) -> None:
    text = '[{"a": 0.1, "b": 12345678901234567890123456789, "c": 1.10, "d": 1E2, "e": 1e99999999, "f": true, "g": [1]}]'

    ((_, cells),) = open_file(written(tmp_path, text)).read_rows()
    comma = written(tmp_path, json.dumps({**ONE, "amount": 1234.5}))

    assert cells == ["0.1", "12345678901234567890123456789", "1.10", "100", "1E+99999999", "TRUE", "[1]"]
    assert Decimal(cells[2]) == Decimal("1.10")
    assert find_rows(comma, decimal=",", thousands=".") == [("1", "C1", 0, 123450, None)]


def test_a_field_that_comes_late_is_a_column_too(tmp_path: Path) -> None:
    text = f"{json.dumps(ONE)}\n" * 20_000 + json.dumps({**TWO, "storefront": "web"})

    assert open_file(written(tmp_path, text)).header == [*ONE, "category", "storefront"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[]", r"^No data found in orders\.json\.$"),
        ("[{}]", r"^No data found in orders\.json\.$"),
        (json.dumps(ONE) + "\n17\n", r"^orders\.json, line 2: this is no object of names and values\.$"),
        ('[{"a": 1},\n{"a": }]', r"^orders\.json, line 2: this is not JSON, or an object too large.*Expecting value"),
        ('[{"a": NaN}]', r"^orders\.json, line 1: this is not JSON.*NaN is no number"),
        ('[{"a": 1}', r"^orders\.json, line 1: the list does not end\.$"),
        ('{"orders": [{"a": 1}]}\n{"orders": []}', r"^orders\.json, line 1: something follows the list\.$"),
        ('[{"a": 1}]\n[', r"^orders\.json, line 1: something follows the list\.$"),
        ('{"a": "' + "x" * 9_000_000 + '"}', r"^orders\.json, line 1: this is not JSON, or an object too large"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", r"^orders\.json, line 1: this is not JSON, or an object too"),
        (json.dumps({f"c{n}": 1 for n in range(1001)}), r"^orders\.json has more than 1,000 columns"),
    ],
)
def test_what_is_no_list_of_orders_is_said_with_its_line(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        open_file(written(tmp_path, text))


def test_bytes_that_are_no_text_reject_their_row(tmp_path: Path) -> None:
    names = [{**ONE, "customer_id": name, "order_id": n} for n, name in enumerate(("Zoë", "Zoé", "X\udcff"))]
    text = "\n".join(json.dumps(one, ensure_ascii=False) for one in names)

    rows, rejected = read(open_purchases(written(tmp_path, text), shop(), SourceFormat()))

    assert [row[1] for row in rows] == ["Zoë", "Zoé"]
    assert [row.line for row in rejected] == [3]
    assert rejected[0].reason.startswith("the row is not UTF-8 text")


def test_what_stands_beside_the_list_is_told(tmp_path: Path) -> None:
    source = open_file(written(tmp_path, json.dumps({"orders": [ONE], "refunds": [{"id": 1}], "page": 2})))

    assert list(source.read_rows()) == [(1, ["C1", "1", "2024-03-01", "10.5"])]
    assert source.notes == ["Read the list orders; left out: refunds, page."]


def test_another_encoding_is_told_and_read(tmp_path: Path) -> None:
    path = written(tmp_path, json.dumps([{**ONE, "customer_id": "Müller"}], ensure_ascii=False), "cp1252")

    with pytest.raises(InvalidInput, match=r"it may be windows-1252"):
        open_file(path)

    assert next(open_file(path, FileForm(encoding="windows-1252")).read_rows())[1][0] == "Müller"


@pytest.mark.slow
def test_memory_does_not_grow_with_a_list(tmp_path: Path) -> None:
    path = written(tmp_path, json.dumps([{**ONE, "order_id": n, "note": "x" * 200} for n in range(60_000)]))

    with measure_memory() as most:
        source = DocumentSource(path)
        count = sum(len(batch.rows) for batch in source.read_batches())

    assert (count, source.position) == (60_000, path.stat().st_size)
    assert most[0] < 8 << 20


@pytest.mark.parametrize("header", ["[Order ID],[Customer]", "{id},name", '"{""a""}",b'])
def test_brackets_alone_do_not_make_a_file_json(header: str, tmp_path: Path) -> None:
    assert open_file(written(tmp_path, f"{header}\n1,2\n")).delimiter == ","


ORDER_OF_LINES = (
    '[{"customer": "C1", "order_id": 1, "date": "2024-03-01", %s'
    '"line_items": [{"sku": "A", "quantity": 2%s}, {"sku": "B", "quantity": 1%s}]}]'
)


@pytest.mark.parametrize(
    ("own", "first", "second", "amounts"),
    [
        ('"amount": 4.10, ', "", "", [410, 0]),
        ("", ', "amount": 3', ', "amount": 1.1', [300, 110]),
        ("", ', "unit_price": 1.5', ', "unit_price": 1.1', [300, 110]),
    ],
)
def test_an_order_s_amount_counts_once_and_its_lines_say_what_they_say(
    own: str, first: str, second: str, amounts: list[int], tmp_path: Path
) -> None:
    file = tmp_path / "orders.json"
    file.write_text(ORDER_OF_LINES % (own, first, second))

    opened = open_purchases(file, shop(), SourceFormat())

    (portion,) = opened.read_rows(lambda row: None)
    assert list(portion.amount) == amounts
    assert (list(portion.sku), list(portion.quantity)) == (["A", "B"], [2_000_000, 1_000_000])
