"""The table of docs/sources.md that compares pandas, DuckDB and this program on twenty hard inputs: every cell of it is
found out here anew. The question is that of a shop, the revenue by customer and local day; the right answer stands
beside each input and was computed by hand. Nobody is told anything but the names of the columns, and this program the
zone and currency of the business. A remedy that a refusal names is applied, and counts only where it leads to the right
answer."""

import shlex
import sqlite3
import warnings
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from domain.model import LAST_QUALIFYING
from domain.money import find_exponent, to_decimal
from tests.cli.conftest import Segments
from tests.drivers.documents import ROOT, table_rows

DOCUMENT, HEADING = "docs/sources.md", "Compared with pandas and DuckDB"
HEADER = "customer_id,order_id,purchase_date,amount"
SHOPIFY = "Name,Email,Financial Status,Currency,Total,Created at,Lineitem quantity,Lineitem name,Refunded Amount,Vendor"
RIGHT, WRONG, NO_NUMBER = "right", "**wrong**", "no number"
REFUSED, WITH_REMEDY, WARNED = "refused", "refused, with the remedy", "warned, with the remedy"
AMOUNTS = """SELECT c.external_id, p.local_day, SUM(p.amount) FROM purchase p JOIN customer c ON c.id = p.customer_id
    WHERE p.status <= ? GROUP BY 1, 2"""
QUERY = """SELECT "{customer}", CAST("{day}" AS DATE), sum({amount}) FROM read_csv_auto(?{options}) GROUP BY ALL"""
CASTS, ENCODING = "explicit type casts", "encoding='UTF-16'"
"""Remedies that refusals of DuckDB name."""

Answer = Mapping[tuple[str, str], Decimal | str]
"""Revenue in major units by customer and local day; a text where a sum is no number."""


@dataclass(frozen=True)
class Input:
    """A file, and the right answer: customer, local day, revenue. `remedy` is what is to be given after a refusal,
    `said` the words in which the refusal names it, and `mended` the file where another one is to be made."""

    content: str
    right: Sequence[tuple[str, str, str]]
    remedy: tuple[str, ...] = ()
    said: str = ""
    mended: str | None = None
    encoding: str = "utf-8"
    time_zone: str = "UTC"
    currency: str = "EUR"
    columns: tuple[str, str, str] = ("customer_id", "purchase_date", "amount")

    @property
    def answer(self) -> Answer:
        return {(customer, day): Decimal(revenue) for customer, day, revenue in self.right}

    def write(self, folder: Path) -> Path:
        path = folder / "orders.csv"
        path.write_bytes(self.content.encode(self.encoding))
        return path


def write_lines(*lines: str) -> str:
    return "\n".join(lines) + "\n"


INPUTS = {
    "UTF-16, as Excel writes Unicode text": Input(
        write_lines(HEADER, "Müller,1,2024-03-01,10.00", "C2,2,2024-03-02,11.00").replace(",", "\t"),
        [("Müller", "2024-03-01", "10.00"), ("C2", "2024-03-02", "11.00")],
        encoding="utf-16",
    ),
    "Windows-1252": Input(
        write_lines(HEADER, "Müller,1,2024-03-01,10.00", "José,2,2024-03-02,11.00"),
        [("Müller", "2024-03-01", "10.00"), ("José", "2024-03-02", "11.00")],
        remedy=("--encoding", "windows-1252"),
        encoding="windows-1252",
    ),
    "titles and blank lines before the header": Input(
        write_lines(
            "", "Sales of the shop", "March 2024", "", HEADER, "C1,1,2024-03-01,10.00", "C2,2,2024-03-02,11.00"
        ),
        [("C1", "2024-03-01", "10.00"), ("C2", "2024-03-02", "11.00")],
    ),
    "`sep=;` and amounts such as `1.234,50`": Input(
        write_lines("sep=;", HEADER.replace(",", ";"), "C1;1;2024-03-01;1.234,50", "C2;2;2024-03-02;99,00"),
        [("C1", "2024-03-01", "1234.50"), ("C2", "2024-03-02", "99.00")],
        remedy=("--decimal", ",", "--thousands", "."),
    ),
    "`$30.00` and, below zero, `($12.50)`": Input(
        write_lines(HEADER, "C1,1,2024-03-01,$30.00", "C1,1,2024-03-01,($12.50)", "C2,2,2024-03-02,$11.00"),
        [("C1", "2024-03-01", "17.50"), ("C2", "2024-03-02", "11.00")],
        remedy=("--currency-sign", "$"),
        currency="USD",
    ),
    "three decimals, `16.448`": Input(
        write_lines(HEADER, "C1,1,2024-03-01,16.448", "C2,2,2024-03-02,272.736"),
        [("C1", "2024-03-01", "16.45"), ("C2", "2024-03-02", "272.74")],
        remedy=("--round",),
    ),
    "`03/04/2024`, the day first": Input(
        write_lines(HEADER, "C1,1,03/04/2024,10.00", "C2,2,05/04/2024,11.00"),
        [("C1", "2024-04-03", "10.00"), ("C2", "2024-04-05", "11.00")],
        remedy=("--date-format", "%d/%m/%Y"),
    ),
    "Excel's numbers of days, `45352`": Input(
        write_lines(HEADER, "C1,1,45352,10.00", "C2,2,45353,11.00"),
        [("C1", "2024-03-01", "10.00"), ("C2", "2024-03-02", "11.00")],
        remedy=("--date-format", "excel"),
    ),
    "`2024-03-01 22:30:00 UTC`, of a shop in Colombo": Input(
        write_lines(HEADER, "C1,1,2024-03-01 22:30:00 UTC,10.00", "C2,2,2024-03-02 01:00:00 UTC,11.00"),
        [("C1", "2024-03-02", "10.00"), ("C2", "2024-03-02", "11.00")],
        time_zone="Asia/Colombo",
    ),
    "customers `00123` and `123`": Input(
        write_lines(HEADER, "00123,1,2024-03-01,10.00", "123,2,2024-03-01,11.00"),
        [("00123", "2024-03-01", "10.00"), ("123", "2024-03-01", "11.00")],
    ),
    '`="00123"` beside `00123`, `17850.0` beside `17850`': Input(
        write_lines(
            HEADER,
            '="00123",1,2024-03-01,10.00',
            "00123,2,2024-03-01,11.00",
            "17850.0,3,2024-03-02,12.00",
            "17850,4,2024-03-02,13.00",
        ),
        [("00123", "2024-03-01", "21.00"), ("17850", "2024-03-02", "25.00")],
    ),
    "two customers, both `9.47712E+10` by now": Input(
        write_lines(HEADER, "9.47712E+10,1,2024-03-01,10.00", "9.47712E+10,2,2024-03-01,11.00"),
        [("94771234567", "2024-03-01", "10.00"), ("94771234568", "2024-03-01", "11.00")],
        said="Export ids as text",
        mended=write_lines(HEADER, "94771234567,1,2024-03-01,10.00", "94771234568,2,2024-03-01,11.00"),
    ),
    "`NULL`, `nan`, `-` and `guest` in place of customers": Input(
        write_lines(
            HEADER,
            "C1,1,2024-03-01,10.00",
            "NULL,2,2024-03-01,11.00",
            "nan,3,2024-03-01,12.00",
            "-,4,2024-03-01,13.00",
            "guest,5,2024-03-01,14.00",
        ),
        [("C1", "2024-03-01", "10.00")],
    ),
    "Shopify: a refund, and an e-mail in two letter cases": Input(
        write_lines(
            SHOPIFY,
            "#1,Ann@x.com,partially_refunded,USD,100.00,2024-03-01 10:00:00 +0000,1,Mug,34.50,V",
            "#1,Ann@x.com,,,,2024-03-01 10:00:00 +0000,2,Cup,,V",
            "#2,ann@x.com,paid,USD,50.00,2024-03-01 11:00:00 +0000,1,Cap,0.00,V",
        ),
        [("ann@x.com", "2024-03-01", "115.50")],
        currency="USD",
        columns=("Email", "Created at", "Total"),
    ),
    "the order's total on each of its lines": Input(
        write_lines(
            f"{HEADER},category",
            "C1,1,2024-03-01,30.00,Mugs",
            "C1,1,2024-03-01,30.00,Caps",
            "C2,2,2024-03-02,11.00,Mugs",
            "C2,2,2024-03-02,11.00,Pens",
            "C2,3,2024-03-02,5.00,Pens",
        ),
        [("C1", "2024-03-01", "30.00"), ("C2", "2024-03-02", "16.00")],
        remedy=("--amount", "order"),
    ),
    "cancelled, returned and closed orders": Input(
        write_lines(
            f"{HEADER},Order Status",
            "C1,1,2024-03-01,10.00,Cancelled",
            "C1,2,2024-03-01,11.00,Completed",
            "C2,3,2024-03-02,12.00,Refunded",
            "C2,4,2024-03-02,13.00,Closed",
        ),
        [("C1", "2024-03-01", "11.00"), ("C2", "2024-03-02", "13.00")],
        remedy=("--status", "closed=COMPLETED"),
    ),
    "a row in another currency": Input(
        write_lines(
            f"{HEADER},currency",
            "C1,1,2024-03-01,10.00,EUR",
            "C1,2,2024-03-01,1100.00,JPY",
            "C2,3,2024-03-02,12.00,EUR",
        ),
        [("C1", "2024-03-01", "10.00"), ("C2", "2024-03-02", "12.00")],
    ),
    "two columns `amount`, before and after the discount": Input(
        write_lines(f"{HEADER},amount", "C1,1,2024-03-01,12.00,10.00", "C2,2,2024-03-02,15.00,11.00"),
        [("C1", "2024-03-01", "10.00"), ("C2", "2024-03-02", "11.00")],
        remedy=("--map", "amount#2=amount"),
        said="2 amount#2 (10.00, 11.00)",
    ),
    'a stray `"` that swallows rows until the next': Input(
        write_lines(
            f"{HEADER},category",
            'C1,1,2024-03-01,10.00,"Deluxe',
            "C2,2,2024-03-02,11.00,Mugs",
            'C3,3,2024-03-03,12.00,Extra"',
            "C4,4,2024-03-04,13.00,Pens",
        ),
        [(f"C{day}", f"2024-03-0{day}", f"{9 + day}.00") for day in range(1, 5)],
        remedy=("--quote", "none"),
    ),
    "a `,` more in each row than in the header": Input(
        write_lines(HEADER, "C1,1,2024-03-01,10.00,", "C2,2,2024-03-02,11.00,"),
        [("C1", "2024-03-01", "10.00"), ("C2", "2024-03-02", "11.00")],
    ),
}


@pytest.mark.parametrize("name", INPUTS)
def test_each_reader_does_what_the_table_says(name: str, segments: Segments, tmp_path: Path) -> None:
    one = INPUTS[name]
    file = one.write(tmp_path)

    found = [judge_pandas(one, file), judge_duckdb(one, file), judge_segments(one, file, segments)]

    assert {row[0]: row[1:] for row in table_rows(DOCUMENT, HEADING)}[name] == found
    assert found[-1] in (RIGHT, WITH_REMEDY, WARNED)


def test_the_table_has_every_input_and_the_text_the_versions() -> None:
    text = (ROOT / DOCUMENT).read_text(encoding="utf-8").split(f"## {HEADING}\n")[1]

    assert [row[0] for row in table_rows(DOCUMENT, HEADING)] == list(INPUTS)
    assert len(INPUTS) == 20
    assert f"pandas {pd.__version__} and DuckDB {duckdb.__version__}" in text.split("|")[0].replace("\n", " ")


def judge_pandas(one: Input, file: Path) -> str:
    """What a script says that reads the file and asks for the sums."""
    customer, day, amount = one.columns
    try:
        with warnings.catch_warnings():
            # A word of doubt would be one that is to be seen here.
            warnings.simplefilter("error")
            frame = pd.read_csv(file)
            frame["day"] = pd.to_datetime(frame[day]).dt.date
            rows = frame.groupby([customer, "day"])[amount].sum().items()
            return judge(one, [(*key, value) for key, value in rows])
    except (ValueError, KeyError):
        return REFUSED


def judge_duckdb(one: Input, file: Path) -> str:
    """The same of a query; where it is refused, what its sentence advises is tried."""
    customer, day, amount = one.columns
    parts = {"customer": customer, "day": day, "amount": f'"{amount}"', "options": ""}
    with duckdb.connect() as connection:
        # The zone of a server, whatever that of the machine.
        connection.execute("SET TimeZone = 'UTC'")
        try:
            return judge(one, connection.execute(QUERY.format(**parts), [str(file)]).fetchall())
        except duckdb.Error as error:
            refusal = str(error)
        if CASTS in refusal:
            parts["amount"] = f'CAST("{amount}" AS DECIMAL(18, 2))'
        elif ENCODING in refusal:
            parts["options"] = f", {ENCODING}"
        try:
            rows = connection.execute(QUERY.format(**parts), [str(file)]).fetchall()
        except duckdb.Error:
            return REFUSED
        return WITH_REMEDY if judge(one, rows) == RIGHT else REFUSED


def judge(one: Input, rows: Sequence[tuple[Any, Any, Any]]) -> str:
    """Whether these rows of customer, day and sum are the right answer, but for the kind of the id and what rounding
    to the currency takes off."""
    answer = {(to_text(customer), str(day)): to_revenue(sum_, one.currency) for customer, day, sum_ in rows}
    if answer == one.answer:
        return RIGHT
    return NO_NUMBER if any(isinstance(sum_, str) for _, _, sum_ in rows) else WRONG


def to_text(customer: Any) -> str:
    """The id, a whole number without its point."""
    return str(int(customer)) if isinstance(customer, float) and customer.is_integer() else str(customer)


def to_revenue(value: Any, currency: str) -> Decimal | str:
    if isinstance(value, str):
        return value
    return Decimal(str(value)).quantize(Decimal(1).scaleb(-find_exponent(currency)))


def judge_segments(one: Input, file: Path, segments: Segments) -> str:
    """What comes in by the plain command, and, where it is not the right answer, by the remedy that it names."""
    business = ("--business", "shop", "--time-zone", one.time_zone, "--currency", one.currency)
    first = segments("import", file, *business)
    if first.code == 0 and read_answer(segments, one.currency) == one.answer:
        return RIGHT
    if (one.said or shlex.join(one.remedy)) not in first.err:
        return WRONG if first.code == 0 and " 0 rejected." in first.out else REFUSED
    if one.mended is not None:
        file.write_text(one.mended, encoding="utf-8")
    segments.run("import", file, *business, *one.remedy)
    if read_answer(segments, one.currency) != one.answer:
        return WRONG
    return WARNED if first.code == 0 and " 0 rejected." in first.out else WITH_REMEDY


def read_answer(segments: Segments, currency: str) -> Answer:
    """The revenue of the store."""
    with closing(sqlite3.connect(segments.data / "segments.sqlite")) as store:
        return {
            (customer, date.fromordinal(day).isoformat()): to_decimal(amount, find_exponent(currency))
            for customer, day, amount in store.execute(AMOUNTS, (LAST_QUALIFYING,))
        }
