"""What stands in a document as the text of a cell: exact, or the reason why not."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import bson
import pytest
from bson import Decimal128, Int64, ObjectId, Regex

from domain.errors import InvalidInput
from persistence.sources.mongo_connection import LENIENT, read_hosts
from persistence.sources.mongodb import CellFault, build_row, format_cell, get_value_at, list_paths


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((None, ""), ("Ada", "Ada"), (7, "7"), (Int64(2**62), "4611686018427387904")),
        *((12.5, "12.5"), (0.1 + 0.2, "0.3"), (1e21, "1000000000000000000000")),
        (Decimal128("12345678901234567890.01"), "12345678901234567890.01"),
        (Decimal128(Decimal("1E+3")), "1000"),
        (datetime(2024, 3, 1, 9, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))), "2024-03-01T04:00:00Z"),
        (datetime(2024, 3, 1, 9, 30, 0, 250_000, tzinfo=UTC), "2024-03-01T09:30:00.250000Z"),
        (ObjectId("65e1a0b0c0d0e0f001020304"), "65e1a0b0c0d0e0f001020304"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    ],
)
def test_values_become_text_exactly(value: object, text: str) -> None:
    assert format_cell(value) == text


def test_decimals_are_written_with_the_sign_that_texts_have() -> None:
    assert format_cell(12.5, ",") == "12,5"
    assert format_cell(Decimal128("12.50"), ",") == "12,50"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (True, "is true or false"),
        *((value, "is not a finite number") for value in (float("nan"), float("inf"))),
        *((Decimal128(text), "is not a finite number") for text in ("NaN", "1E+6000")),
        *(({}, "is an object"), ([1], "is a list"), (b"x", "is binary data")),
        (Regex("a"), "is of the type Regex"),
    ],
)
def test_what_has_no_plain_form_is_refused(value: object, reason: str) -> None:
    with pytest.raises(CellFault, match=f"^{reason}$"):
        format_cell(value)


def test_paths_lead_through_objects_and_lists() -> None:
    document = {"a": {"b": [{"c": 1}, {"c": 2}]}, "d": None, "e": "text"}

    assert get_value_at(document, ("a", "b", "1", "c")) == 2
    assert get_value_at(document, ("a", "b", "9", "c")) is None
    assert get_value_at(document, ("d", "x")) is None
    with pytest.raises(CellFault, match="stands in what is no object"):
        get_value_at(document, ("e", "x"))
    with pytest.raises(CellFault, match="stands in what is a list"):
        get_value_at(document, ("a", "b", "c"))


def test_every_path_of_a_document_is_a_column() -> None:
    document = {"_id": 1, "customer": {"id": 2, "name": 3}, "lines": [{"x": 1}]}
    assert list_paths(document) == ["_id", "customer.id", "customer.name", "lines"]


def test_a_row_names_every_field_that_cannot_be_read() -> None:
    cells, faults = build_row({"a": True, "b": {"c": [1]}, "d": 5}, [["a"], ["b", "c"], None, ["d"]], ".")

    assert cells == ["", "", "", "5"]
    assert faults == "a is true or false; b.c is a list"


def test_a_text_that_is_not_utf_8_and_a_date_beyond_the_years_cost_their_document_only() -> None:
    raw = bson.encode({"name": "xx", "date": datetime(2024, 1, 1, tzinfo=UTC)}).replace(b"xx", b"\xff\xfe")
    at = raw.index(b"date\0") + 5
    far = raw[:at] + (2**62).to_bytes(8, "little") + raw[at + 8 :]

    found = bson.decode(far, LENIENT)

    assert format_cell(found["name"]) == "\udcff\udcfe"
    with pytest.raises(CellFault, match="is of the type DatetimeMS"):
        format_cell(found["date"])


@pytest.mark.parametrize(
    ("uri", "hosts"),
    [
        ("mongodb://ada:hunter2@db1.test:27018,db2.test/shop?replicaSet=r", "db1.test:27018, db2.test:27017"),
        ("mongodb+srv://ada:hunter2@cluster.test/?retryWrites=true", "cluster.test"),
        ("mongodb+srv://cluster.test?x=1", "cluster.test"),
        ("mongodb+srv://ada:hun/ter?2@cluster.test/", "cluster.test"),
    ],
)
def test_messages_name_the_hosts_of_a_connection_string_and_nothing_else(uri: str, hosts: str) -> None:
    assert read_hosts(uri) == hosts


@pytest.mark.parametrize("uri", ["mongodb+srv://ada:hunter2@", "mongodb+srv://ada:hunter2", "mongodb+srv://"])
def test_what_names_no_host_is_refused_without_a_secret(uri: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be read") as refused:
        read_hosts(uri)

    assert "hunter2" not in refused.value.message
