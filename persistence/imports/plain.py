"""Plain rows of a file checked and typed column by column, where the text comes from, without a row of them in Python.
Ids, amounts and times are taken by strict patterns; what few different cells say, by the very reader of rows, which is
asked once for each. A row of which a cell is anything else is read by that reader alone, so that both ways give the
same."""

from collections.abc import Callable, Iterator, Mapping
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
TIMED = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:[0-5]\d(:[0-5]\d(\.(\d{3}|\d{6}))?)?Z?"
"""An hour, for which the zone is asked once, and what stands after it."""
HOUR_MARK = "!"
"""Before an hour and its zone, which are looked up instead of the whole cell."""
PLAIN_ID = """regexp_full_match({0}, '[0-9A-Za-z_:/#-]+') AND length({0}) <= 1000
    AND NOT regexp_matches({0}, '^(?i:n[uao/]|gu|#n/|-|[0-9]+e[0-9-])')"""
"""As `domain.identifiers.are_plain_ids` has it."""
KEY = f"""CASE WHEN timed THEN '{HOUR_MARK}' || left(purchase_date, 13) || CASE WHEN ends_with(purchase_date, 'Z')
    THEN 'Z' ELSE '' END ELSE purchase_date END"""
TAIL = """CASE WHEN timed THEN (try_cast(substr(purchase_date, 15, 2) AS BIGINT) * 60
    + CASE WHEN substr(purchase_date, 17, 1) = ':' THEN try_cast(substr(purchase_date, 18, 2) AS BIGINT) ELSE 0 END)
    * 1000000 + CASE WHEN substr(purchase_date, 20, 1) = '.'
    THEN try_cast(rpad(rtrim(substr(purchase_date, 21), 'Z'), 6, '0') AS BIGINT) ELSE 0 END ELSE 0 END"""
MOMENT = {"key": "VARCHAR", "base": "BIGINT", "day": "BIGINT"}
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
    """Stages the plain rows of one source; the others are read by `reader`, and go to `reject` where they are refused.
    `is_worth_it` as long as few are."""

    def __init__(self, reader: RowReader, reject: Callable[[RejectedRow], None]) -> None:
        self.reader = reader
        self.reject = reject
        self.is_worth_it = True
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
        scratch.execute(
            f"""CREATE OR REPLACE TABLE cell AS SELECT *, {KEY} AS key, {TAIL} AS tail FROM
            (SELECT *, coalesce({timed}, false) AS timed FROM
            (SELECT row_number() OVER () + ? - 1 AS line, {cells} FROM {source}))""",
            (text.line,),
        )

    def _write_insert(self, scratch: Scratch) -> str:
        """The statement that stages what is sound; what its cells say has been looked up."""
        reader, places = self.reader, self.reader.columns.places
        scratch.create("moment", MOMENT)
        scratch.load("moment", MOMENT, self._read_moments(scratch))
        scratch.create("odd", ODD)
        scratch.load("odd", ODD, self._find_odd_texts(scratch))
        fraction = rf"(\.[0-9]{{1,{reader.decimals}}})?" if reader.decimals else ""
        sound = [
            PLAIN_ID.format("trim(customer_id)"),
            PLAIN_ID.format("trim(order_id)"),
            f"regexp_full_match(amount, '-?[0-9]{{1,12}}{fraction}')",
            *(f"NOT EXISTS (FROM odd WHERE field = '{of}' AND cell = {of})" for of in self.texts),
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
        texts = [f"nullif({of}, '')" if of in places else "NULL" for of in TEXTS]
        ids = [
            f"{write_text(prefix or '')} || {name}" if prefix else name
            for prefix, name in (
                (reader.form.order_id_prefix, "trim(order_id)"),
                (reader.form.customer_id_prefix, "trim(customer_id)"),
            )
        ]
        said = ("line", *ids, "base + tail", "day", status, amount, *texts, quantity, "NULL")
        return (
            f"INSERT INTO staged SELECT {', '.join(said)} FROM cell JOIN moment USING (key) WHERE {' AND '.join(sound)}"
        )

    def _read_moments(self, scratch: Scratch) -> Iterator[tuple[str, int, int]]:
        """When the hours begin, and the dates that are no hour with minutes; without those that cannot be read."""
        dates = self.reader.dates
        for (key,) in scratch.read("SELECT DISTINCT key FROM cell WHERE key IS NOT NULL"):
            try:
                if key[0] == HOUR_MARK:
                    base, day = (dates.utc_hours if key[-1] == "Z" else dates.local_hours)[key[1:14]]
                else:
                    base, day = dates(key)
            except (LookupError, DateFault):
                continue
            yield key, base, day

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


@dataclass(frozen=True, slots=True)
class PlainRows:
    """Rows that are staged from their text, and who does it."""

    text: PlainText
    reader: PlainReader
