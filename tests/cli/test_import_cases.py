"""Small files of shops that were once read wrongly, beside the project, each with the command that its note gives and
the amounts and instants that are right."""

import re
import shlex
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from domain.calendar import from_micros
from tests.cli.conftest import MAKE, Segments, write_lines
from tests.conftest import find_shared

ORDERS = "SELECT external_id, amount, purchased_at FROM purchase WHERE counted = 1 ORDER BY external_id"
DAY = "2024-03-01T00:00:00+00:00"
NEXT = "2024-03-02T00:00:00+00:00"
RIGHT = {
    "f01-shopify-refund-thousands": [
        ("#1", 23450, "2024-03-01T15:00:00+00:00"),
        ("#2", 20000, "2024-03-01T15:00:00+00:00"),
    ],
    "f03-woo-refund-decimal-comma": [
        ("501", 100000, "2024-03-01T10:00:00+00:00"),
        ("502", 7000, "2024-03-01T10:00:00+00:00"),
    ],
    "f08-date-with-UTC-word": [("1", 1000, "2024-03-01T22:30:00+00:00"), ("2", 1000, "2024-03-02T01:00:00+00:00")],
    "f09-order-status-column": [("3", 1000, DAY)],
    "f10-amazon-order-status": [("111-1", 2000, "2024-03-01T08:04:21+00:00")],
    "f11-magento-status-words": [("000000001", 5900, "2024-03-01T09:30:12+00:00")],
    "f12-placeholder-customers": [("8", 100, NEXT)],
    "f14-emails-letter-case": [
        ("#1", 10000, "2024-03-01T15:00:00+00:00"),
        ("#2", 5000, "2024-03-02T15:00:00+00:00"),
    ],
    "f18-float-ids": [("536365", 1000, DAY), ("536366", 1100, NEXT)],
    "f19-excel-protected-ids": [("0001", 1000, DAY), ("0002", 1000, DAY)],
    "f23-first-line-blank": [("1", 1000, DAY)],
    "f24-ebay-report": [("24-1", 90597, "2024-07-25T00:00:00+00:00"), ("24-2", 997, "2024-07-26T00:00:00+00:00")],
    "f25-preamble": [("1", 1000, DAY)],
    "f27-utf16": [("1", 1000, DAY), ("2", 1100, NEXT)],
    "f28-cp1252": [("1", 1000, DAY), ("2", 1100, NEXT)],
    "f29-cells-after-header": [("1", 1000, DAY), ("2", 1100, NEXT)],
    "f30-three-decimals": [("1", 1645, DAY), ("2", 27274, DAY)],
    "f33-merged-cells": [("1", 1600, DAY), ("2", 700, NEXT)],
    "f34-brackets": [("2", 1000, DAY)],
    "f39-unclosed-quote": [("1", 1000, DAY), ("4", 1300, "2024-03-04T00:00:00+00:00")],
}
"""Id, amount in minor units and instant of the orders that qualify."""
REMEDIES = {
    "f28-cp1252": ["--encoding", "windows-1252"],
    "f30-three-decimals": ["--round"],
    "f33-merged-cells": ["--fill-down"],
}
"""What the file alone does not say, and what its refusal or its rejects ask for."""
ONE_CUSTOMER = {"f14-emails-letter-case": "ann@x.com", "f18-float-ids": "17850", "f19-excel-protected-ids": "00123"}


ENDINGS = {"f10-amazon-order-status": "tsv", "f33-merged-cells": "xlsx"}


def find_case(case: str) -> tuple[Path, list[str]]:
    """The file of a case, and the command that its note gives for it, without what the note has in brackets."""
    file = find_shared("cases", "imports", f"{case}.{ENDINGS.get(case, 'csv')}")
    note = find_shared("cases", "imports", f"{case}.txt").read_text().splitlines()[0]
    _, command, _, *options = shlex.split(re.sub(r"\[[^]]*\]", "", note))
    return file, [command, str(file), *options]


@pytest.mark.parametrize("case", RIGHT)
def test_the_file_is_read_as_its_note_says(case: str, segments: Segments) -> None:
    _, told = find_case(case)

    segments.run(*told, *REMEDIES.get(case, []))

    with closing(sqlite3.connect(segments.data / "segments.sqlite")) as store:
        found = [(order, amount, from_micros(at).isoformat()) for order, amount, at in store.execute(ORDERS)]
        customers = [one for (one,) in store.execute("SELECT external_id FROM customer")]
    assert found == RIGHT[case]
    assert case not in ONE_CUSTOMER or customers == [ONE_CUSTOMER[case]]


@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        ("f21-same-header-twice", "2 columns are named date: say which one is meant with --map date#1=FIELD"),
        ("f28-cp1252", "f28-cp1252.csv is not UTF-8; it may be windows-1252 ('Müller')"),
        ("f32-no-order-id", "Missing required columns: order_id."),
    ],
)
def test_what_can_only_be_guessed_is_refused_with_the_remedy(case: str, sentence: str, segments: Segments) -> None:
    _, told = find_case(case)

    ended = segments(*told)

    assert ended.code == 1
    assert ended.err.startswith(f"Error: {sentence}")


@pytest.mark.parametrize(
    ("case", "found"),
    [("f36-shopify-customers-id", ("123", "Ann J")), ("f37-customers-blank-first-line", ("C1", "Ann"))],
)
def test_a_file_of_customers_is_read_as_its_note_says(case: str, found: tuple[str, str], segments: Segments) -> None:
    _, told = find_case(case)

    segments.run(*told)

    with closing(sqlite3.connect(segments.data / "segments.sqlite")) as store:
        assert list(store.execute("SELECT external_id, name FROM customer")) == [found]


def test_a_list_of_members_is_read_by_a_spreadsheet_as_it_is_meant(segments: Segments, tmp_path: Path) -> None:
    people = find_shared("cases", "imports", "f35-members-csv-excel.csv")
    vip = write_lines(tmp_path / "vip.json", '{"name": "VIP", "kind": "MANUAL"}')
    everybody = write_lines(tmp_path / "members.csv", "customer_id", "00042", "1E5")
    ada = write_lines(tmp_path / "ada.json", '{"name": "Ada", "kind": "MANUAL"}')
    plain = write_lines(tmp_path / "plain.csv", "customer_id", "1E5")
    segments.run("import-customers", people, *MAKE)
    for segment, members in ((vip, everybody), (ada, plain)):
        segments.run("segment", "create", segment)
        segments.run("segment", "assign", segment.stem, members)

    for name in ("vip", "ada"):
        segments.run("export", "members", name, "--output", tmp_path / f"{name}.csv")

    assert (tmp_path / "vip.csv").read_bytes().startswith(b"\xef\xbb\xbfcustomer_id,")
    assert (tmp_path / "ada.csv").read_bytes().startswith(b"customer_id,")
