"""A quote that is never closed would swallow all rows after it, so the file is refused with the line that the row
begins on."""

from pathlib import Path

import pytest

from domain.errors import InvalidInput
from persistence.sources.csv import BATCH, CsvSource

HEADER = "customer_id,order_id,date,amount"
ROW = "C1,O1,2024-03-01,10"
LINES = [f"C{n},P{n},2024-03-01,{n}" for n in range(30_000)]
OPEN = 'C1,"O2,2024-03-01,5'


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        ([HEADER, 'C1,O1,2024-03-01,"5', ROW, ROW], 2),
        ([HEADER, ROW, OPEN], 3),
        ([HEADER, ROW, '"'], 3),
        ([HEADER, '"'], 2),
        (['"'], 1),
        ([HEADER, ROW, 'C1,O2,2024-03-01,5"', 'C1,O3,2024-03-01,"'], 4),
        ([HEADER, ROW, 'C1,"O', '2",2024-03-01,5', OPEN, ROW], 5),
        ([HEADER, *LINES[: BATCH - 1], OPEN], BATCH + 1),
        ([HEADER, *LINES[:BATCH], OPEN], BATCH + 2),
        ([HEADER, *LINES[: BATCH + 200], OPEN, *LINES[700:]], BATCH + 202),
        ([HEADER.replace("order", '"order'), ROW], 1),
        ([HEADER.replace("order", '"order'), *LINES, *LINES], 1),
        ([HEADER, ROW, OPEN, *LINES, *LINES], 3),
        ([HEADER, *LINES[: BATCH + 200], 'C1,"', 'O2",2024-03-01,5', OPEN, *LINES, *LINES], BATCH + 204),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", ""], ids=["unix", "windows", "old mac", "no last end"])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_an_open_quote_is_told_with_its_line(
    lines: list[str], place: int, end: str, delimiter: str, tmp_path: Path
) -> None:
    content = (end or "\n").join(lines).replace(",", delimiter) + end
    path = tmp_path / "orders.csv"
    path.write_bytes(content.encode())

    with pytest.raises(InvalidInput) as refused:
        list(CsvSource(path).batches())

    how = "not closed within 1048576 characters" if len(content) > 1 << 20 else "never closed"
    assert str(refused.value) == f"orders.csv, line {place}: a quote is opened and {how}."


@pytest.mark.parametrize("content", [b"\x7fELF\x02\x01\x01\0\0\0a\n", b"a,b\x03\xff,c\nd", bytes(range(14, 200))])
def test_a_file_of_another_kind_is_told_apart(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_bytes(content)

    with pytest.raises(InvalidInput, match=r"^orders\.csv is not a text file; give a CSV file\.$"):
        CsvSource(path)


@pytest.mark.parametrize("count", [0, 1, BATCH - 1, BATCH, BATCH + 1, 2 * BATCH])
@pytest.mark.parametrize("end", ["\n", ""])
def test_every_row_of_a_sound_file_is_read_to_the_last(count: int, end: str, tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("\n".join([HEADER, *LINES[:count]]) + end)
    quoted = tmp_path / "quoted.csv"
    quoted.write_text("\n".join([HEADER, *LINES[:count], 'C9,"O ""9""",2024-03-01,"5"']) + end)

    rows = list(CsvSource(path).rows())

    assert rows == [(line, text.split(",")) for line, text in enumerate(LINES[:count], 2)]
    assert list(CsvSource(quoted).rows()) == [*rows, (count + 2, ["C9", 'O "9"', "2024-03-01", "5"])]
