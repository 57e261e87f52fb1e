"""Small files of shops that were once read wrongly, beside the project, each with the command that its note gives and
the amounts and instants that are right."""

import shlex
import sqlite3
from contextlib import closing

import pytest

from domain.calendar import from_micros
from tests.cli.conftest import Segments
from tests.conftest import find_shared

ORDERS = "SELECT external_id, amount, purchased_at FROM purchase ORDER BY external_id"
DAY = "2024-03-01T00:00:00+00:00"
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
    "f34-brackets": [("2", 1000, DAY)],
}


@pytest.mark.parametrize("case", RIGHT)
def test_the_file_is_read_as_its_note_says(case: str, segments: Segments) -> None:
    file, note = find_shared("cases", "imports", f"{case}.csv"), find_shared("cases", "imports", f"{case}.txt")
    _, command, _, *options = shlex.split(note.read_text().splitlines()[0])

    segments.run(command, file, *options)

    with closing(sqlite3.connect(segments.data / "segments.sqlite")) as store:
        found = [(order, amount, from_micros(at).isoformat()) for order, amount, at in store.execute(ORDERS)]
    assert found == RIGHT[case]
