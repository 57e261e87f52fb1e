"""Which column of a file is which field, and what one row says or why it is refused."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.calendar import to_micros
from domain.errors import InvalidInput
from domain.formulas import unprotect_text
from domain.imports.columns import Columns, RowFault, format_row
from domain.imports.formats import SourceFormat
from domain.imports.header import resolve_purchases
from domain.imports.reader import RowReader, read_rows
from domain.imports.rows import Batch, StagedRow

REQUIRED = ["customer_id", "order_id", "date", "amount"]


def pairs(mapping: dict[str, str]) -> list[str]:
    return [f"{column}={field}" for column, field in mapping.items()]


def resolved(header: list[str], **mapping: str) -> dict[str, str]:
    """The header that each field is read from."""
    columns = resolve_purchases(header, SourceFormat.read_options({"map": pairs(mapping)}), "EUR").columns
    return {field: header[place] for field, place in columns.places.items()}


HEADERS = {
    "customer_id": ["customer_id", "Customer ID", "CUSTOMERID", "customer", "client_id", " Client Id "],
    "order_id": ["order_id", "Purchase ID", "invoice_no", "InvoiceNo", "INVOICE NO"],
    "amount": ["amount", "Total_Amount", "total amount", "total_amount_EUR", "Total Amount eur"],
    "category": ["category", "Product_Category"],
}


@pytest.mark.parametrize(("field", "name"), [(field, name) for field, names in HEADERS.items() for name in names])
def test_headers_of_a_field(field: str, name: str) -> None:
    header = [name if usual == field else usual for usual in (*REQUIRED, "category")]

    assert resolved(header)[field] == name


def test_the_first_present_of_the_date_columns_wins_wherever_it_stands() -> None:
    names = ["timestamp", "purchased_at", "purchase_date", "order_date", "date"]

    for place, name in enumerate(names):
        header = ["customer_id", "order_id", "amount", *reversed(names[place:])]
        assert resolved(header)["purchase_date"] == name


def test_unknown_columns_are_ignored_and_named() -> None:
    columns = resolve_purchases([*REQUIRED, " Colour", "", "Order Date"], SourceFormat(), "EUR").columns

    assert columns.ignored == ("date", "Colour", "")
    assert columns.places["purchase_date"] == 6


def test_an_amount_in_another_currency_is_refused_before_any_row_is_read() -> None:
    with pytest.raises(InvalidInput, match=r"^The amounts are in USD \(Total_Amount_usd\), the business has EUR\.$"):
        resolved(["customer_id", "order_id", "date", "Total_Amount_usd"])


def test_the_column_of_the_businesss_currency_is_taken_where_there_are_several() -> None:
    header = ["customer_id", "order_id", "date", "total_amount_usd", "total_amount_eur"]

    assert resolved(header)["amount"] == "total_amount_eur"


def test_total_amount_with_three_letters_that_are_no_currency_is_an_unknown_column() -> None:
    with pytest.raises(InvalidInput, match=r"^Missing required columns: amount\. Columns seen: "):
        resolved(["customer_id", "order_id", "date", "total_amount_net"])


def test_the_sentence_for_missing_columns_lists_those_seen() -> None:
    with pytest.raises(InvalidInput) as refused:
        resolved(["Customer", "Order", "When", "amount"])

    assert refused.value.message == (
        "Missing required columns: order_id, purchase_date. Columns seen: Customer, Order, When, amount. "
        "Use map COLUMN=order_id."
    )


def test_of_a_long_header_the_beginning_is_told() -> None:
    with pytest.raises(InvalidInput) as refused:
        resolved(["x" * 41, "y" * 40, *(f"c{place}" for place in range(1998))])

    seen = f"{'x' * 40}…, {'y' * 40}, {', '.join(f'c{place}' for place in range(18))} and 1,980 more"
    assert f"Columns seen: {seen}. Use" in refused.value.message


def test_a_mapped_column_is_read_as_the_field_it_is_mapped_to_and_nothing_else() -> None:
    header = ["customer", "client_id", "order_id", "date", "amount", "gross"]

    found = resolved(header, customer="category", gross="amount")

    mapped = {"category": "customer", "amount": "gross"}
    assert found == {"customer_id": "client_id", "order_id": "order_id", "purchase_date": "date", **mapped}


@pytest.mark.parametrize(
    ("column", "field", "sentence"),
    [
        ("nowhere", "amount", "map nowhere=amount: the file has no column nowhere"),
        (
            "date",
            "colour",
            "map must give date one of the fields customer_id, order_id, purchase_date, amount, category",
        ),
    ],
)
def test_mappings_that_cannot_be_say_what_can(column: str, field: str, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=f"^{sentence}"):
        resolved(REQUIRED, **{column: field})


FIELDS = "customer_id order_id purchase_date amount category storefront channel status currency"
COLUMNS = Columns({field: place for place, field in enumerate(FIELDS.split())}, (), 9)
ZONES = ["UTC", "Asia/Colombo", "Asia/Kathmandu", "America/New_York", "Pacific/Apia", "Africa/Monrovia"]
GOOD = ["C1", "O1", "2024-03-01T10:00:00Z", "12.50", "Tea", "Main", "web", "paid", "eur"]


def read(*cells: str, date_format: str | None = None) -> StagedRow:
    form = SourceFormat(date_format=() if date_format is None else (date_format,))
    return RowReader(COLUMNS, "EUR", "Asia/Colombo", form).read_row(7, cells)


def changed(place: int, cell: str) -> list[str]:
    return [*GOOD[:place], cell, *GOOD[place + 1 :]]


def test_a_row_is_read_with_its_own_line_number_and_local_day() -> None:
    instant = datetime(2024, 3, 1, 20, 0, tzinfo=UTC)

    row = read(*changed(2, "2024-03-01T20:00:00Z"))

    assert row == StagedRow(7, "O1", "C1", to_micros(instant), 738947, 0, 1250, "Tea", "Main", "web")
    assert datetime.fromordinal(738947).date().isoformat() == "2024-03-02"


@pytest.mark.parametrize(
    ("word", "rank"),
    [
        *[(word, 0) for word in ("", "completed", "Paid", " FULFILLED ")],
        *[(word, 1) for word in ("partial", "partially_paid", "Partially Paid")],
        ("pending", 2),
        *[(word, 3) for word in ("refunded", "Returned")],
        *[(word, 4) for word in ("cancelled", "canceled", "VOIDED")],
    ],
)
def test_status_words(word: str, rank: int) -> None:
    assert read(*changed(7, word)).status == rank


@pytest.mark.parametrize(
    ("place", "cell", "reason"),
    [
        (0, "", "no customer"),
        (0, "   ", "no customer"),
        (0, "c" * 1001, "the customer id is longer than 1000 characters"),
        (1, "\t", "no order id"),
        (1, "o" * 1001, "the order id is longer than 1000 characters"),
        (2, "", "the date is absent"),
        (2, "yesterday", r"the date 'yesterday' is not ISO 8601 \(or give date_format\)"),
        (2, "2023-02-29", "the date '2023-02-29' is not ISO 8601"),
        (3, "", "the amount is absent"),
        *[(3, text, f"the amount '{text}' must be a number such as 12.50") for text in ("ten", "inf", "1e400")],
        *[(3, text, "the amount is absent") for text in ("NaN", "NULL", "-")],
        (3, "1.500", "the amount '1.500' may be 1500"),
        (3, "1.005", "the amount '1.005' must have at most 2 decimals"),
        (3, "1000000000000000", "must have at most 15 digits before the point"),
        (4, "c" * 1001, "the category is longer than 1000 characters"),
        (5, "s" * 1001, "the storefront is longer than 1000 characters"),
        (6, "w" * 1001, "the channel is longer than 1000 characters"),
        (7, "lost", "unknown status 'lost'"),
        (8, "USD", "the currency is USD, the business's is EUR"),
        (4, "Te\0a", "the row holds a NUL character"),
        (4, b"Th\xe9".decode("utf-8", "surrogateescape"), "the row is not UTF-8 text"),
    ],
)
def test_why_a_row_is_refused(place: int, cell: str, reason: str) -> None:
    with pytest.raises(RowFault, match=f"^{reason}" if place != 3 else reason):
        read(*changed(place, cell))


def test_rows_of_another_width_than_the_header_are_refused() -> None:
    for cells in (GOOD[:-1], [*GOOD, "more"], ["C1"]):
        with pytest.raises(RowFault, match=rf"^the row has {len(cells)} cells?, the header has 9$"):
            read(*cells)


def test_other_forms_of_date_are_read_by_their_format() -> None:
    assert read(*changed(2, "01/03/2024 09:30"), date_format="%d/%m/%Y %H:%M").at == to_micros(
        datetime(2024, 3, 1, 4, 0, tzinfo=UTC)
    )
    with pytest.raises(RowFault, match=r"^the date '2024-03-01' is not %d/%m/%Y$"):
        read(*changed(2, "2024-03-01"), date_format="%d/%m/%Y")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        *[(f"'{formula}", formula) for formula in ("=1+1", "+94", "-x", "@me")],
        *[(text, text) for text in ("'t Hof", "'", "'5")],
        ("''=1", "'=1"),
    ],
)
def test_one_leading_apostrophe_before_a_formula_sign_is_taken_off(text: str, meant: str) -> None:
    assert unprotect_text(text) == meant
    assert read(*changed(4, text)).category == meant


@given(st.lists(st.text(), max_size=12))
def test_no_row_breaks_the_reader(cells: list[str]) -> None:
    try:
        row = read(*cells)
    except RowFault as fault:
        assert str(fault)
    else:
        assert row.line == 7


ANY_CELL = st.binary(max_size=40).map(lambda cell: cell.decode("utf-8", "surrogateescape")) | st.text(st.characters())


@given(st.lists(ANY_CELL, max_size=5))
@example(["\ud800"])
def test_the_text_of_a_row_can_always_be_shown_and_kept(cells: list[str]) -> None:
    text = format_row(cells)

    assert "\0" not in text
    assert text.encode().decode() == text


CELLS = [
    ["C1", " C2 ", "'-C3", "", "ජයන්ත", "c" * 1001],
    ["O1", "O 2", "'t Hof", "\t", "😀"],
    ["2024-03-01T10:00:00Z", "2024-03-01", "2024-03-31T00:15:30", "2024-03-01 09:30:00.250",
     "2024-03-01T10:00:00+05:30", " 2024-03-01 ", "2023-02-29", "20240301T10", "2024-03-01T24:00", ""],
    ["12.50", " 7 ", "-3.20", "0", "1.005", "ten", ""],
    ["Tea", "", " '=1+1", "c" * 1001],
    ["Main", ""],
    ["web", " "],
    ["paid", "Partially Paid", "returned", "lost", ""],
    ["", "eur", "USD"],
]  # fmt: skip
ROW = st.tuples(*(st.sampled_from(cells) for cells in CELLS)).map(list)
SOUND = st.tuples(*(st.sampled_from(cells[:2]) for cells in CELLS)).map(list)


@given(st.lists(SOUND | ROW | st.just([]) | st.just(["C1"]), min_size=1, max_size=8), st.sampled_from(ZONES))
def test_rows_checked_together_are_what_they_are_one_by_one(rows: list[list[str]], time_zone: str) -> None:
    lines = range(2, 2 + len(rows))
    columns = RowReader(COLUMNS, "EUR", time_zone)
    together, apart = ([], []), ([], [])

    for clean, (accepted, rejected) in ((True, together), (False, apart)):
        for staged in read_rows([Batch(lines, rows, clean)], columns, rejected.append):
            accepted += zip(*staged, strict=True)

    assert together == apart
    one_by_one = RowReader(COLUMNS, "EUR", time_zone)
    assert [row for row in zip(lines, rows, strict=True) if row[1]] == sorted(
        [(row[0], rows[row[0] - 2]) for row in apart[0]] + [(row.line, rows[row.line - 2]) for row in apart[1]]
    )
    assert [tuple(one_by_one.read_row(row[0], rows[row[0] - 2])) for row in together[0]] == together[0]


@pytest.mark.parametrize("rows", [1, 2])
def test_a_row_in_another_currency_is_counted_once_however_many_are_read_with_it(rows: int) -> None:
    columns = resolve_purchases([*REQUIRED, "currency"], SourceFormat(), "EUR").columns
    reader = RowReader(columns, "EUR", "UTC")
    foreign = ["Ada", "O1", "2024-01-01", "3.50", "USD"]
    batch = Batch(range(2, 2 + rows), [foreign, ["Ada", "O2", "2024-01-01", "1", "EUR"]][:rows], True)

    list(read_rows([batch], reader, lambda row: None))

    assert reader.describe_doubts() == ["1 row in USD, 3.50 in all, cannot be read in EUR."]
