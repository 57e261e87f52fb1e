"""Plain rows of a file checked and typed column by column, where the text comes from, without a row of them in Python.
Ids, amounts and times are taken by strict patterns; what few different cells say, by the very reader of rows, which is
asked once for each. A row of which a cell is anything else is read by that reader alone, so that both ways give the
same."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from domain.imports.columns import RowFault
from domain.imports.dates import DateFault
from domain.imports.reader import AMOUNT_TERMS, TEXTS, RowReader, TextCache, read_rows
from domain.imports.rows import Batch, PlainText, RejectedRow, StagedColumns
from persistence.imports.scratch import Scratch, write_source, write_text
from persistence.sources.headers import NO_QUOTE, make_reader

FIELDS = {"customer_id", "order_id", "purchase_date", "amount", "status", "quantity", "currency", *TEXTS}
MOST_WORDS = 50
"""Different statuses and currencies of one portion that are looked at."""
MOST_DOUBTFUL = 0.5
"""Of a portion; where more are, looking at columns first costs more than it spares."""
TIMED = r"(19[7-9]\d|2\d{3})-\d{2}-\d{2}[T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.(\d{3}|\d{6}))?)?Z?"
"""A time whose hour is looked up once, whatever the zone; what stands after the hour is added to it."""
HOUR_MICROS = 3_600_000_000
PLAIN_ID = """regexp_full_match({0}, '[0-9A-Za-z_:/#-]+') AND length({0}) <= 1000
    AND NOT regexp_matches({0}, '^(?i:n[uao/]|gu|#n/|-|[0-9]+e[0-9-])')"""
"""As `domain.identifiers.are_plain_ids` has it."""
CELLS = """CREATE OR REPLACE TABLE cell AS SELECT * EXCLUDE (timed), epoch_us(timed) AS stamp,
    epoch_us(timed) // {hour} * 2 + CAST(ends_with(purchase_date, 'Z') AS BIGINT) AS hour
    FROM (SELECT *, CASE WHEN {timed} THEN try_cast(purchase_date AS TIMESTAMP) END AS timed
    FROM (SELECT row_number() OVER () + ? - 1 AS line, {cells} FROM {source}))"""
NEW_HOURS = """SELECT hour, any_value(left(purchase_date, 13)) FROM cell ANTI JOIN known_hour USING (hour)
    WHERE hour IS NOT NULL GROUP BY hour"""
OTHER_DATES = "SELECT DISTINCT purchase_date FROM cell WHERE hour IS NULL AND purchase_date IS NOT NULL"
HOUR = {"hour": "BIGINT", "base": "BIGINT", "day": "BIGINT"}
MOMENT = {"purchase_date": "VARCHAR", "base": "BIGINT", "day": "BIGINT"}
DOUBTFUL = """SELECT line FROM cell WHERE line NOT IN (SELECT line FROM staged WHERE line BETWEEN ? AND ?)
    ORDER BY line"""
PORTION = 500
"""Doubtful rows that are read at a time."""
ODD = {"field": "VARCHAR", "cell": "VARCHAR"}


def fits(reader: RowReader) -> bool:
    """Whether rows of such a source can be plain at all."""
    form, places = reader.form, reader.columns.places
    amounts = form.amount_form.allow_own_signs(reader.currency)
    return (
        places.keys() <= FIELDS
        and "order_id" in places
        and reader.terms == AMOUNT_TERMS
        and reader.decimals <= 3
        and amounts.plain
        and not amounts.trailing
        and not (reader.typed or reader.mixed or form.of_orders)
        and form.orders is None
        and form.order_id_scope is None
    )


class PlainReader:
    """Stages the plain rows of one source, of which it remembers the hours; the others are read by `reader`, and go to
    `reject` where they are refused. `is_worth_it` as long as few are."""

    def __init__(self, reader: RowReader, reject: Callable[[RejectedRow], None]) -> None:
        self.reader = reader
        self.reject = reject
        self.is_worth_it = True
        self.is_prepared = False
        # Not the reader's own: it notices what it had to clean of the rows that it accepts.
        self.texts = {of: TextCache(what) for of, what in TEXTS.items() if of in reader.columns.places}

    def stage(self, scratch: Scratch, text: PlainText) -> tuple[int, Iterator[StagedColumns]]:
        """Stage the rows that are sound in every column: how many, and the others as the reader has them."""
        self._load_cells(scratch, text)
        staged = scratch.change(self._write_insert(scratch))
        if staged == text.rows:
            return staged, iter(())
        self.is_worth_it = text.rows - staged <= MOST_DOUBTFUL * text.rows
        between = (text.line, text.line + text.rows - 1)
        lines = [line for (line,) in scratch.read(DOUBTFUL, between)]
        return staged, read_rows(self._read_cells(text, lines), self.reader, self.reject)

    def _read_cells(self, text: PlainText, lines: list[int]) -> Iterator[Batch]:
        all_lines = text.text.split("\n")
        for first in range(0, len(lines), PORTION):
            some = lines[first : first + PORTION]
            texts = (all_lines[line - text.line] for line in some)
            yield Batch(some, list(make_reader(texts, text.delimiter, text.quote)), True)

    def _load_cells(self, scratch: Scratch, text: PlainText) -> None:
        """The cells of our columns, with the line and what is looked up of a date."""
        path = scratch.keep_text("plain.csv", text.text)
        columns = {f"c{place}": "VARCHAR" for place in range(self.reader.columns.width)}
        quote = "" if text.quote == NO_QUOTE else text.quote
        source = write_source(path, columns, delimiter=text.delimiter, quote=quote)
        places = self.reader.columns.places
        cells = ", ".join(f"c{place} AS {of}" for of, place in places.items())
        timed = "false" if self.reader.dates.forms else f"regexp_full_match(purchase_date, '{TIMED}')"
        cells = CELLS.format(hour=HOUR_MICROS, timed=timed, cells=cells, source=source)
        scratch.execute(cells, (text.line,))

    def _write_insert(self, scratch: Scratch) -> str:
        """The statement that stages what is sound; what its cells say has been looked up."""
        reader, places = self.reader, self.reader.columns.places
        moments = self._load_moments(scratch)
        odd = list(self._find_odd_texts(scratch))
        scratch.create("odd", ODD)
        scratch.load("odd", ODD, odd)
        fraction = rf"(\.[0-9]{{1,{reader.decimals}}})?" if reader.decimals else ""
        sound = [
            PLAIN_ID.format("customer_id"),
            PLAIN_ID.format("order_id"),
            f"regexp_full_match(amount, '-?[0-9]{{1,12}}{fraction}')",
            *(f"NOT EXISTS (FROM odd WHERE field = '{of}' AND cell = {of})" for of in {field for field, _ in odd}),
        ]
        status = "0"
        if "status" in places:
            status = self._write_words(scratch, "status", reader.statuses)
            sound.append(f"{status} IS NOT NULL")
        if "currency" in places:
            sound.append(f"{self._write_words(scratch, 'currency', reader.currencies)} IS NOT NULL")
        quantity = "NULL"
        if "quantity" in places:
            sound.append(r"(quantity IS NULL OR regexp_full_match(quantity, '[0-9]{1,6}(\.[0-9]{1,6})?'))")
            quantity = "CAST(try_cast(quantity AS DECIMAL(18, 6)) * 1000000 AS BIGINT)"
        amount = f"CAST(try_cast(amount AS DECIMAL(18, {reader.decimals})) * {10**reader.decimals} AS BIGINT)"
        texts = [of if of in places else "NULL" for of in TEXTS]
        ids = [
            f"{write_text(prefix or '')} || {name}" if prefix else name
            for prefix, name in (
                (reader.form.order_id_prefix, "order_id"),
                (reader.form.customer_id_prefix, "customer_id"),
            )
        ]
        said = ("line", *ids, "instant", "day", status, amount, *texts, quantity, "NULL")
        return f"INSERT INTO staged SELECT {', '.join(said)} FROM ({moments}) WHERE {' AND '.join(sound)}"

    def _load_moments(self, scratch: Scratch) -> str:
        """The cells with the instants and days of those whose date can be read."""
        dates = self.reader.dates
        if not self.is_prepared:
            scratch.create("known_hour", HOUR)
            self.is_prepared = True
        hours = [
            (hour, *pair)
            for hour, text in scratch.read(NEW_HOURS)
            if (pair := read_hour(dates.utc_hours if hour % 2 else dates.local_hours, text)) is not None
        ]
        scratch.load("known_hour", HOUR, hours)
        moments = [f"SELECT *, base + stamp % {HOUR_MICROS} AS instant FROM cell JOIN known_hour USING (hour)"]
        others = scratch.read(OTHER_DATES)
        if others:
            scratch.create("moment", MOMENT)
            scratch.load("moment", MOMENT, self._read_dates(cell for (cell,) in others))
            moments.append("SELECT *, base AS instant FROM cell JOIN moment USING (purchase_date)")
        return " UNION ALL BY NAME ".join(moments)

    def _read_dates(self, cells: Iterable[str]) -> Iterator[tuple[str, int, int]]:
        for cell in cells:
            with suppress(DateFault):
                yield cell, *self.reader.dates(cell)

    def _find_odd_texts(self, scratch: Scratch) -> Iterator[tuple[str, str]]:
        """Texts that are not kept as they stand there."""
        for of, known in self.texts.items():
            for (cell,) in scratch.read(f"SELECT DISTINCT {of} FROM cell WHERE {of} <> ''"):
                try:
                    kept = known[cell]
                except RowFault:
                    kept = None
                if kept != cell:
                    yield of, cell

    def _write_words(self, scratch: Scratch, of: str, known: Mapping[str, int]) -> str:
        """What the words of a column mean, null for one that is refused."""
        words = scratch.read(f"SELECT DISTINCT coalesce({of}, '') FROM cell LIMIT {MOST_WORDS}")
        cases = []
        for (word,) in words:
            try:
                cases.append(f"WHEN {write_text(word)} THEN {known[word]}")
            except RowFault:
                continue
        return f"CASE coalesce({of}, '') {' '.join(cases)} END" if cases else "NULL"


def read_hour(hours: Mapping[str, tuple[int, int]], text: str) -> tuple[int, int] | None:
    """When it begins, and its day; None where times within it differ in more than their minutes."""
    try:
        return hours[text]
    except LookupError:
        return None


@dataclass(frozen=True, slots=True)
class PlainRows:
    """Rows that are staged from their text, and who does it."""

    text: PlainText
    reader: PlainReader
