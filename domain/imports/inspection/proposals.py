"""What is proposed for a file that was looked at. Each proposal that could change money or days is a doubt with its
choices, one of them the default; two readings are two choices. A proposal is part of a format, so that what is answered
is told from then on. It is long because each decision stands on those before, and the class that makes them is one."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from domain.calendar import format_day
from domain.errors import InvalidInput
from domain.identifiers import SCIENTIFIC
from domain.imports.amounts import OWN, SIGNS, make_amount_reader
from domain.imports.columns import count_noun, normalise_header
from domain.imports.dates import ABSENT, DateReader, find_readings
from domain.imports.formats import (
    CUSTOMER_DAY,
    CUSTOMER_INSTANT,
    EACH,
    LEFT_OUT,
    ROW,
    SourceFormat,
    clean_word,
)
from domain.imports.header import Found, find_columns
from domain.imports.inspection import likeness
from domain.imports.inspection.readings import (
    ISO_FORMS,
    cover,
    find_day,
    get_first,
    is_read,
    join_forms,
    order_readings,
    read_days,
)
from domain.imports.inspection.sample import Sample, is_absent
from domain.imports.reader import STATUS_WORDS
from domain.model import STATUS_ORDER
from domain.money import find_exponent, is_currency, to_decimal

MOST_CHOICES, MOST_TEXTS = 5, 2000
Readings = Mapping[tuple[int | None, ...], Mapping[str, Any]]
"""What amounts may be, in minor units, and what has to be said so that they are."""
SURE, PROPOSED, DOUBTFUL = "sure", "proposed", "doubtful"
AMOUNT_FORMS: tuple[Mapping[str, Any], ...] = (
    {},
    {"decimal": "."},
    {"thousands": ","},
    {"decimal": ","},
    {"decimal": ",", "thousands": "."},
    {"thousands": "'"},
    {"thousands": " "},
    {"decimal": ",", "thousands": " "},
)
"""How amounts are usually written, the plainest first."""
SIGN = re.compile(r"[^\W\d_]{0,4} ?[^\w\s/:=%#\"'@&;,|\\]?[^\W\d_]{0,4}(?<=.)")
"""What may be the sign or code of a currency: letters, or one sign among them."""
SIGN_ENDS = "0123456789.,'()+-\u2212\u2013 \u00a0\u202f\u2009"
POSITIONS = "columns_by_position"
LAST, SMALLEST = 10_000, 0.005
REPEATED = 0.8
"""The share of orders with several rows from which on something holds of them."""
PRICE_DECIMALS = 6
MONEY_FIELDS = ("unit_price", "amount", "refunded", "discount", "tax", "shipping")
PARTS = {"discount": "-", "tax": "+", "shipping": "+"}
FITS: Mapping[str, Callable[[Sequence[str]], bool]] = {
    "amount": likeness.holds_numbers,
    "unit_price": likeness.holds_numbers,
    "refunded": likeness.holds_numbers,
    **dict.fromkeys(PARTS, likeness.holds_numbers),
    "quantity": likeness.holds_quantities,
    "currency": likeness.holds_currencies,
    "time_zone": likeness.holds_zones,
    "purchase_time": likeness.holds_clocks,
}
BY_VALUES: Mapping[str, Callable[[Sequence[str]], bool]] = {
    "purchase_date": likeness.holds_dates,
    "amount": likeness.holds_decimals,
    "customer_id": likeness.holds_emails,
    "currency": likeness.holds_currencies,
}
"""By what a column is known whose name says nothing."""
ASKED = ("purchase_date", "amount", "customer_id", "order_id")
"""Fields of which several candidates are a doubt."""
LINES = ("product", "sku", "category", "storefront", "channel")
CAN_BE = {"amount": "the amount", "customer_id": "the customer", "order_id": "the order", "purchase_date": "the date"}


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer: in words, and what it says as entries of a format."""

    words: str
    says: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Doubt:
    """A question with its choices, one of which is taken where nobody answers. `key` names it."""

    key: str
    question: str
    choices: tuple[Choice, ...]
    default: int = 0


@dataclass(frozen=True, slots=True)
class ColumnGuess:
    """A column: different values of it, the field that it is or may be, and whether that is sure, proposed or
    doubtful."""

    name: str
    values: tuple[str, ...]
    field: str | None
    certainty: str | None


@dataclass(frozen=True, slots=True)
class StatusGuess:
    """A word of the status column: in how many rows it stands, what it means, and whether that is sure."""

    word: str
    count: int
    status: str | None
    certainty: str


def add_said(form: SourceFormat, says: Mapping[str, Any]) -> SourceFormat:
    """The format with more entries; those of tables and lists are joined."""
    document = form.to_document()
    for name, value in says.items():
        if isinstance(value, Mapping):
            document[name] = {**document.get(name, {}), **value}
        elif name == "ignore":
            document[name] = [*document.get(name, []), *value]
        else:
            document[name] = value
    return replace(SourceFormat.read_keys(document), name=form.name)


def guess_currency(sample: Sample) -> str | None:
    """The currency that most of a file says: a column of codes, a header such as total_amount_lkr, or a sign."""
    for place, name in enumerate(sample.header):
        values = sample.get_values(place)
        if likeness.rank_name(name, "currency") is not None and likeness.holds_currencies(values):
            return Counter(text.upper() for text in values if is_currency(text.upper())).most_common(1)[0][0]
        code = normalise_header(name)[-3:].upper()
        if normalise_header(name).startswith("totalamount") and is_currency(code):
            return code
    signs: Counter[str] = Counter()
    for place in range(len(sample.header)):
        values = sample.get_values(place)
        if likeness.holds_numbers(values):
            signs.update(sign for text in values if (sign := find_sign(text)))
    if not signs:
        return None
    sign = signs.most_common(1)[0][0]
    first = ("USD", "EUR", "GBP", "JPY", "LKR", "INR", *SIGNS)
    return next((code for code in first if sign.upper() == code or sign in SIGNS[code]), None)


def ask_positions(sample: Sample) -> Doubt | None:
    """The doubt about a file whose header looks like its first row, by what its columns hold; None of any other."""
    header = [text.strip() for text in sample.header]
    named = any(likeness.rank_name(text, of) is not None for text in header for of in likeness.SIMPLE)
    if named or not any(likeness.holds_dates([text]) for text in header):
        return None
    columns = [[text, *sample.get_values(place)] for place, text in enumerate(header)]
    positions = [LEFT_OUT] * len(columns)
    tests: tuple[tuple[str, Callable[[Sequence[str]], bool]], ...] = (
        ("purchase_date", likeness.holds_dates),
        ("amount", likeness.holds_decimals),
        ("customer_id", likeness.holds_emails),
        ("order_id", lambda values: likeness.holds_quantities(values) and len(set(values)) > 1),
        ("customer_id", any),
        ("order_id", any),
    )
    for of, test in tests:
        places = [place for place, values in enumerate(columns) if positions[place] == LEFT_OUT and test(values)]
        if places and of not in positions:
            # Totals stand after what they are made of.
            positions[places[-1] if of == "amount" else places[0]] = of
    choices = (
        Choice(f"no: its columns are {', '.join(positions)}", {POSITIONS: positions}),
        Choice("yes", {}),
    )
    return Doubt(POSITIONS, f"Is the row {', '.join(header)[:80]} a header?", choices)


def find_sign(text: str) -> str:
    """What stands beside the digits of an amount, empty where nothing does."""
    bare = text.strip(SIGN_ENDS)
    if SIGN.fullmatch(bare) is None:
        return ""
    return f"{bare}." if bare and f"{bare}." in text and bare.isalpha() else bare


class Proposer:
    """Makes proposals for one sample. `told` is what is said so far, `settle` gives it with what stands behind it:
    a preset, a saved format, the settings. Doubts of the keys that were `declined` were answered by saying nothing."""

    def __init__(
        self,
        sample: Sample,
        told: SourceFormat,
        settle: Callable[[SourceFormat], SourceFormat],
        currency: str,
        declined: Collection[str] = (),
    ) -> None:
        self.sample = sample
        self.told = told
        self.settle = settle
        self.form = settle(told)
        self.currency = currency
        self.declined = declined
        self.doubts: list[Doubt] = []
        self.findings: list[str] = []
        self.guessed: dict[int, str] = {}
        """Places whose field is proposed, and how sure that is."""
        self.statuses: list[StatusGuess] = []
        self.dates: dict[str, Any] = {}
        self.found = self._find()

    def propose(self) -> None:
        """Decide one thing after the other, since each stands on those before."""
        self._propose_columns()
        self._propose_filling()
        self._propose_statuses()
        self._propose_dates()
        self._propose_amounts()
        self._propose_orders()
        self._propose_guests()

    def list_columns(self) -> list[ColumnGuess]:
        """All columns with their fields."""
        fields = {place: of for of, places in self.found.fields.items() for place in places}
        return [
            ColumnGuess(
                name.strip(),
                self.sample.show_values(place),
                fields.get(place),
                self.guessed.get(place, SURE) if place in fields else None,
            )
            for place, name in enumerate(self.sample.header)
        ]

    def _find(self) -> Found:
        return find_columns(self.sample.header, self.form, self.currency, self.sample.rows)

    def _add(self, says: Mapping[str, Any]) -> None:
        self.told = add_said(self.told, says)
        self.form = self.settle(self.told)
        self.found = self._find()

    def _ask(self, key: str, question: str, choices: Iterable[Choice], default: int = 0) -> None:
        """A doubt, answered by its default until somebody answers it."""
        if key in self.declined:
            return
        doubt = Doubt(key, question, tuple(choices), default)
        self.doubts.append(doubt)
        self._add(doubt.choices[default].says)

    def _name(self, place: int) -> str:
        """How an option names the column: NAME, or NAME#2 where there are several of the name."""
        names = [normalise_header(name) for name in self.sample.header]
        name = self.sample.header[place].strip()
        if names.count(names[place]) == 1:
            return name
        return f"{name}#{names[: place + 1].count(names[place])}"

    def _map(self, place: int, of: str) -> Choice:
        values = ", ".join(self.sample.show_values(place)) or "empty"
        return Choice(f"{self._name(place)} ({values})", {"columns": {self._name(place): of}})

    # Columns

    def _propose_columns(self) -> None:
        for of, places in self.found.twice.items():
            question = f"{len(places)} columns are named {self.sample.header[places[0]].strip()}. Which is the {of}?"
            self._ask(f"columns.{of}", question, [self._map(place, of) for place in places])
            self.guessed[places[0]] = DOUBTFUL
        self._propose_date_column()
        self._propose_status_column()
        self._propose_field("currency")
        self._propose_field("order_id")
        self._propose_money()
        self._propose_field("customer_id")
        self._propose_field("time_zone")
        for of in LINES:
            self._propose_field(of)
        self._propose_doubtful()

    def _has(self, of: str) -> bool:
        return of in self.found.fields

    def _list_candidates(self, of: str) -> list[tuple[int, bool]]:
        """Columns that may be the field, the likelier first, and whether their names say so."""
        fits = FITS.get(of, self._fits_text)
        named, valued = [], []
        for place in self.found.free:
            name, values = self.sample.header[place], self.sample.get_values(place)
            rank = likeness.rank_name(name, of)
            if rank is not None and self._fits(of, fits, values):
                named.append((rank, place))
            elif rank is None and self._is_by_values(of, name, values):
                valued.append(place)
        if of == "amount" and named:
            likely = (
                place for place in valued if likeness.MONEY_NAME.search(likeness.simplify(self.sample.header[place]))
            )
            named += [(LAST, place) for place in likely]
        return [(place, True) for _, place in sorted(named)] or [(place, False) for place in valued]

    def _is_by_values(self, of: str, name: str, values: Sequence[str]) -> bool:
        if of not in BY_VALUES or not BY_VALUES[of](values):
            return False
        # Dates are known whatever their name says.
        return of == "purchase_date" or not self._is_other(name, of)

    def _is_other(self, name: str, of: str) -> bool:
        """Whether the name is that of another field."""
        return any(likeness.rank_name(name, other) is not None for other in likeness.SIMPLE if other != of)

    def _fits(self, of: str, fits: Callable[[Sequence[str]], bool], values: Sequence[str]) -> bool:
        if of == "purchase_date":
            return likeness.holds_dates(values) or any(map(find_readings, values[:20]))
        if of in ("customer_id", "order_id"):
            return any(values) and not likeness.holds_dates(values) and not likeness.holds_decimals(values)
        return fits(values)

    def _fits_text(self, values: Sequence[str]) -> bool:
        return any(values)

    def _propose_field(self, of: str) -> None:
        if self._has(of):
            return
        candidates = self._list_candidates(of)
        if not candidates:
            return
        place, by_name = candidates[0]
        asked = of in ASKED and (len(candidates) > 1 or not by_name)
        self.guessed[place] = DOUBTFUL if asked else PROPOSED
        if not asked:
            self._add(self._map(place, of).says)
            return
        choices = [self._map(one, of) for one, _ in candidates[:MOST_CHOICES]]
        if not by_name:
            choices.append(Choice("none of them", {}))
        self._ask(f"columns.{of}", f"Which column is {CAN_BE[of]}?", choices)

    def _propose_date_column(self) -> None:
        self._propose_field("purchase_date")
        date = self.found.fields.get("purchase_date")
        if date is None or self._has("purchase_time"):
            return
        values = self.sample.get_values(date[0])
        if any(":" in text for text in values):
            return
        self._propose_field("purchase_time")

    def _propose_status_column(self) -> None:
        if self._has("status") or self.form.status_columns:
            return
        places = [*self.found.statuses, *self._list_worded()]
        places.sort(key=self._rank_status)
        if not places:
            return
        self.guessed[places[0]] = PROPOSED if len(places) == 1 else DOUBTFUL
        if len(places) == 1:
            self._add(self._map(places[0], "status").says)
            return
        self._ask("columns.status", "Which column is the status?", [self._map(place, "status") for place in places])

    def _rank_status(self, place: int) -> tuple[bool, int]:
        name = self.sample.header[place]
        rank = likeness.rank_name(name, "status")
        return likeness.LESS_LIKELY.search(likeness.simplify(name)) is not None, LAST if rank is None else rank

    def _list_worded(self) -> Iterator[int]:
        """Columns that are named like a status, and mostly hold words of one."""
        for place in self.found.free:
            words = [text for text in self.sample.get_values(place) if text]
            known = sum(1 for word in words if clean_word(word) in STATUS_WORDS or likeness.guess_status(word))
            named = likeness.rank_name(self.sample.header[place], "status") is not None
            if named and place not in self.found.statuses and words and 2 * known >= len(words):
                yield place

    def _propose_money(self) -> None:
        """The amount, or what it is made of."""
        if self.form.amount_formula is not None:
            return
        if not self._has("amount") and not (self._has("quantity") and self._has("unit_price")):
            named = [place for place, by_name in self._list_candidates("amount") if by_name]
            pieces = self._has("unit_price") or any(by_name for _, by_name in self._list_candidates("unit_price"))
            if named or not pieces:
                self._propose_field("amount")
        if self._has("amount"):
            self._propose_field("quantity")
            place = self.found.fields["amount"][0]
            if place in self.guessed and likeness.BEFORE_PARTS.search(likeness.simplify(self.sample.header[place])):
                self._propose_formula("amount")
            return
        self._propose_field("unit_price")
        self._propose_field("quantity")
        prices = self.found.fields.get("unit_price")
        if prices is not None and not self._has("quantity"):
            del_says = {"columns": {self._name(prices[0]): "amount"}}
            question = "There is a price and no quantity. Is the price what was paid?"
            self.guessed[prices[0]] = DOUBTFUL
            self._ask("columns.amount", question, [Choice("yes", del_says), Choice("no", {})])
        elif prices is not None:
            self._propose_formula("quantity * unit_price")

    def _propose_formula(self, begins: str) -> None:
        """What is added to and taken off what a formula begins with."""
        parts: dict[str, int] = {}
        for of in PARTS:
            candidates = [place for place, by_name in self._list_candidates(of) if by_name]
            if candidates and of not in self.found.fields and any(self._read_numbers(candidates[0])):
                parts[of] = candidates[0]
        if not parts:
            return
        formula = begins + "".join(f" {PARTS[of]} {of}" for of in parts)
        columns = {self._name(place): of for of, place in parts.items()}
        shares = "discount" in parts and all(abs(one) < 1 for one in self._read_numbers(parts["discount"]))
        choices = [
            Choice(formula, {"amount_formula": formula, "columns": columns}),
            Choice(f"{begins} alone", {"amount_formula": begins}),
        ]
        self.guessed |= dict.fromkeys(parts.values(), DOUBTFUL)
        self._ask("amount_formula", "What did the buyer pay in a row?", choices, int(shares))

    def _read_numbers(self, place: int) -> Iterator[float]:
        return filter(None, map(_read_number, self.sample.get_values(place)[:MOST_TEXTS]))

    def _propose_doubtful(self) -> None:
        """Columns that would refuse the file until something is said of them."""
        for place, of in self.found.doubtful:
            if of in self.found.fields:
                continue
            values, name = self.sample.get_values(place), self._name(place)
            fits = FITS.get(of, self._fits_text)(values)
            ignored = Choice("leave it out", {"ignore": [self.sample.header[place].strip()]})
            if not any(values) or not fits:
                self._add(ignored.says)
                self.findings.append(f"The column {name} looks like a {of} by its name, not by its values: left out.")
                continue
            self.guessed[place] = DOUBTFUL
            question = f"Nothing says what the column {name} means."
            self._ask(f"columns.{of}", question, [replace(self._map(place, of), words=f"it is the {of}"), ignored])

    def _propose_filling(self) -> None:
        """Cells that are merged, or written on the first of several rows alone."""
        if self.form.fill_down is not None or self.form.of_orders:
            return
        places = [self.found.fields[of][0] for of in ("order_id", "customer_id", "purchase_date") if self._has(of)]
        amounts = [place for of in ("amount", "unit_price") for place in self.found.fields.get(of, ())]
        rows = [cells for cells in self.sample.rows[: self.sample.first] if any(cells[place] for place in amounts)]
        totals = sum(map(likeness.is_totals_row, rows))
        bare = sum(1 for cells in rows if not any(cells[place].strip() for place in places)) - totals
        if not self.sample.merged and (not places or 10 * bare < len(rows) or bare <= 0):
            return
        many = count_noun(self.sample.merged or bare, "row")
        choices = [
            Choice("as in the row above", {"fill_down": True}),
            Choice("nothing: such rows are rejected", {"fill_down": False}),
        ]
        self._ask("fill_down", f"{many} have merged or empty cells. What do these say?", choices)

    # Words

    def _propose_statuses(self) -> None:
        places = self.found.fields.get("status", ())
        counts: Counter[str] = Counter()
        for place in places[:1]:
            words = self.sample.words.get(place) or Counter(self.sample.get_values(place))
            for word, count in words.items():
                counts[clean_word(word)] += count
        known = {**STATUS_WORDS, **{clean_word(word): status for word, status in self.form.statuses.items()}}
        for word, count in counts.most_common():
            if word in known:
                self.statuses.append(StatusGuess(word, count, known[word], SURE))
                continue
            guess = likeness.guess_status(word)
            names = [status.value for status in STATUS_ORDER]
            ordered = [guess, *(name for name in names if name != guess)] if guess else names
            choices = [Choice(name, {"statuses": {word: name}}) for name in ordered]
            left = Choice("leave it: such orders are rejected", {})
            choices = [*choices, left] if guess else [left, *choices]
            question = f"What does the status {word!r} mean, which stands in {count_noun(count, 'row')}?"
            self.statuses.append(StatusGuess(word, count, guess, PROPOSED if guess else DOUBTFUL))
            self._ask(f"statuses.{word}", question, choices)

    # Dates

    def _get_dates(self) -> list[str]:
        """Different texts of dates, in the order of the rows."""
        places = self.found.fields.get("purchase_date", ())
        if not places:
            return []
        values = self.sample.get_values(places[0])
        for place in self.found.fields.get("purchase_time", ())[:1]:
            clocks = self.sample.get_values(place)
            values = [f"{day} {clock}".strip() for day, clock in zip(values, clocks, strict=True)]
        return [text for text in dict.fromkeys(values) if text.lower() not in ABSENT][:MOST_TEXTS]

    def _propose_dates(self) -> None:
        texts = self._get_dates()
        self.dates = {"values": texts[:3], "forms": list(self.form.date_format), "readings": {}}
        if self.form.date_format or not texts:
            return
        reader = DateReader("UTC", None)
        plain = [text for text in texts if is_read(reader, text)]
        others = [text for text in texts if text not in set(plain)]
        if not others:
            self.dates["forms"] = ["ISO 8601"]
            return
        forms = list(dict.fromkeys(form for text in others for form in find_readings(text)))
        forms += ISO_FORMS if plain else ()
        days = {form: days for form in forms if (days := read_days(form, texts))}
        readings = order_readings(join_forms(days), self.currency)
        self.dates["readings"] = {
            " or ".join(reading): [format_day(found[0].date()) for found in [get_first(reading, days)]]
            for reading in readings
        }
        if not readings:
            self.findings.append(f"Dates such as {others[0][:40]!r} cannot be read in any form that is known here.")
            return
        best = readings[0]
        covered = cover(best, days)
        shown = next(
            (
                text
                for text in others
                if len({day.date() for one in readings if (day := find_day(one, days, text))}) > 1
            ),
            next((text for text in others if text in covered), others[0]),
        )
        choices = [
            Choice(
                f"{' or '.join(reading)}: {shown[:40]!r} is {format_day(day.date()) if day else 'not read'}",
                {"date_format": list(reading)},
            )
            for reading in readings[:MOST_CHOICES]
            for day in [find_day(reading, days, shown)]
        ]
        missed = [text for text in texts if text not in covered and find_readings(text)]
        question = "In which form are the dates written?"
        if missed and len(readings) > 1:
            line = self._find_line(missed[0])
            question += f" From line {line:,} on some are of another than the first, such as {missed[0][:40]!r}."
            self.findings.append(f"From line {line:,} on dates are written otherwise, such as {missed[0][:40]!r}.")
        if len(choices) > 1:
            self._ask("date_format", question, choices)
        else:
            self._add(choices[0].says)
        self.dates["forms"] = list(self.form.date_format)

    def _find_line(self, text: str) -> int:
        place = self.found.fields["purchase_date"][0]
        day = text.split(" ")[0]
        return next(
            line
            for line, cells in zip(self.sample.lines, self.sample.rows, strict=True)
            if cells[place].strip() == text or cells[place].strip() == day
        )

    # Amounts

    def _get_amounts(self) -> dict[str, int]:
        """Different texts of amounts, each with the decimals that it may have: a price of one piece may have more than
        the currency."""
        decimals = find_exponent(self.currency)
        texts: dict[str, int] = {}
        for of in MONEY_FIELDS:
            for place in self.found.fields.get(of, ()):
                values = (text for text in self.sample.get_values(place) if text.lower() not in ABSENT)
                texts |= dict.fromkeys(values, PRICE_DECIMALS if of == "unit_price" else decimals)
        return dict(list(texts.items())[: 2 * MOST_TEXTS])

    def _propose_amounts(self) -> None:
        texts = self._get_amounts()
        if not texts:
            return
        own = self._propose_sign(texts)
        base = {"currency_sign": own} if own is not None else {}
        if any(re.fullmatch(r"[^-]*\d[^-]*-", text) for text in texts) and self.form.negative is None:
            base["negative"] = "trailing"
        readings: dict[tuple[int | None, ...], Mapping[str, Any]] = {}
        for form in AMOUNT_FORMS:
            if any(getattr(self.form, name) is not None for name in form):
                continue
            for rounded in ({}, {"round": True}) if self.form.round is None else ({},):
                says = {**base, **form, **rounded}
                values = self._read_amounts(texts, says)
                if values is not None:
                    readings.setdefault(values, says)
        most = max((sum(one is not None for one in values) for values in readings), default=0)
        best = {values: says for values, says in readings.items() if most and values.count(None) == len(texts) - most}
        if not best:
            self._add(base)
            return
        if len(best) == 1:
            self._add(next(iter(best.values())))
            return
        self._ask_amounts(texts, best)

    def _ask_amounts(self, decimals_of: Mapping[str, int], best: Readings) -> None:
        columns, texts = list(best), list(decimals_of)
        place = next(place for place in range(len(texts)) if len({values[place] for values in columns}) > 1)
        decimals = decimals_of[texts[place]]
        choices = []
        for values, says in best.items():
            value = values[place]
            shown = "not read" if value is None else f"{to_decimal(value, decimals):,}"
            choices.append(Choice(f"{texts[place]!r} is {shown}", says or {"decimal": "."}))
        doubtful = [text.strip(")- ") for text in texts if re.search(r"\d[.,]\d{3}\D*$", text)]
        zeros = sum(1 for text in doubtful if re.search(r"0\D*$", text))
        groups = not decimals or 2 * zeros > len(doubtful) or any("," in text for text in doubtful)
        default = next((at for at, one in enumerate(choices) if ("thousands" in one.says) == groups), 0)
        self._ask("amount", "How are the amounts written?", choices, default)

    def _read_amounts(self, texts: Mapping[str, int], says: Mapping[str, Any]) -> tuple[int | None, ...] | None:
        """The texts in minor units, None for those that cannot be read; None where the form contradicts itself."""
        try:
            form = add_said(self.form, says).amount_form.allow_own_signs(self.currency)
        except InvalidInput:
            return None
        readers = {decimals: make_amount_reader(decimals, form) for decimals in set(texts.values())}
        return tuple(_read_amount(text, readers[decimals]) for text, decimals in texts.items())

    def _propose_sign(self, texts: Iterable[str]) -> str | None:
        """The sign beside the amounts that has to be said; where there are those of several currencies, it is told how
        much stands beside each."""
        signs = Counter(sign for text in texts if (sign := find_sign(text)))
        if not signs:
            return None
        own = {self.currency, *SIGNS.get(self.currency, ())}
        if self.form.currency_sign is not None:
            if self.form.currency_sign == OWN:
                self._tell_currencies([sign for sign in signs if sign not in own])
            return None
        usual = [sign for sign in signs if sign in own]
        foreign = [sign for sign in signs if sign not in own]
        if usual and foreign:
            self._tell_currencies(foreign)
        if len(usual) > 1:
            return OWN
        if usual:
            return usual[0]
        sign = signs.most_common(1)[0][0]
        if len(signs) > 1:
            self._tell_currencies([one for one in signs if one != sign])
        if any(sign in some or sign.upper() == code for code, some in SIGNS.items()):
            question = f"Amounts have the sign {sign}, and the business has {self.currency}."
            choices = [
                Choice(f"they are in {self.currency} all the same", {"currency_sign": sign}),
                Choice("they are not: such rows are rejected", {}),
            ]
            self._ask("currency_sign", question, choices)
            return None
        return sign

    def _tell_currencies(self, signs: Sequence[str]) -> None:
        place = next((self.found.fields[of][0] for of in ("amount", "unit_price") if self._has(of)), None)
        if place is None:
            return
        for sign in signs:
            texts = [text for text in self.sample.get_values(place) if find_sign(text) == sign]
            form = replace(self.form.amount_form, sign=sign, signs=(sign,), told=True)
            decimals = find_exponent(self.currency)
            read = make_amount_reader(decimals, form)
            shown = to_decimal(sum(_read_amount(text, read) or 0 for text in texts), decimals)
            self.findings.append(
                f"{count_noun(len(texts), 'row')} of the sample in {sign}, {shown} in all, cannot be read in "
                f"{self.currency}: such rows are rejected."
            )

    # Orders

    def _propose_orders(self) -> None:
        if not self._has("order_id"):
            self._propose_made_orders()
            return
        rows = self.sample.rows[: self.sample.first]
        place = self.found.fields["order_id"][0]
        orders: dict[str, list[Sequence[str]]] = defaultdict(list)
        for cells in rows:
            if not is_absent(cells[place]):
                orders[cells[place].strip()].append(cells)
        damaged = [order for order in orders if SCIENTIFIC.fullmatch(order)]
        if damaged:
            many = count_noun(len(damaged), "order id")
            self.findings.append(f"{many} such as {damaged[0]} lost digits to a spreadsheet. Export ids as text.")
        several = [cells for cells in orders.values() if len(cells) > 1]
        if several:
            self._propose_whose_amount(several)
            self._propose_scope(orders)

    def _propose_made_orders(self) -> None:
        if self.form.orders is not None or not self._has("purchase_date"):
            return
        timed = any(":" in text for text in self._get_dates())
        words = {
            CUSTOMER_INSTANT: "what a customer bought at one time is an order",
            CUSTOMER_DAY: "what a customer bought on one day is an order",
            ROW: "each row is an order",
        }
        made = [CUSTOMER_INSTANT, CUSTOMER_DAY, ROW] if timed else [CUSTOMER_DAY, ROW]
        choices = [Choice(words[one], {"orders": one}) for one in made]
        for place in self.found.free[:MOST_CHOICES]:
            values = [text for text in self.sample.get_values(place) if text]
            if values and len(set(values)) * 2 > len(values) and not likeness.holds_decimals(values):
                choices.append(self._map(place, "order_id"))
        self._ask("orders", "No column is known as the order's id. What is an order?", choices[: MOST_CHOICES + 1])

    def _propose_whose_amount(self, several: Sequence[Sequence[Sequence[str]]]) -> None:
        places = self.found.fields.get("amount")
        if places is None or self.form.amount is not None or self.form.amount_formula is not None:
            return
        amounts = [[cells[places[0]].strip() for cells in rows] for rows in several]
        blank = sum(1 for some in amounts if some[0] and not any(some[1:]))
        same = sum(1 for some in amounts if len(set(filter(None, some))) == 1)
        if same + blank < REPEATED * len(amounts) or (same == 0 and blank == 0):
            return
        name = likeness.simplify(self.sample.header[places[0]])
        named = "order" in name or "grand" in name
        of_order = blank > 0 or named or len(several) > 2 or self._is_sum(several, places[0])
        choices = [
            Choice("each row carries the amount of its whole order, which counts once", {"amount": "order"}),
            Choice("each row carries its own amount, and they add up", {"amount": "line"}),
        ]
        many = count_noun(len(several), "order")
        question = f"Of {many} with several rows most have one amount on each. Whose is it?"
        self._ask("amount_of", question, choices, int(not of_order))

    def _is_sum(self, several: Sequence[Sequence[Sequence[str]]], amount: int) -> bool:
        """Whether the amounts of orders with several rows are sums of another column, or of quantity times price."""
        others = [place for place in range(len(self.sample.header)) if place != amount]
        names = self.sample.header
        parts = [place for place in others if likeness.holds_decimals(self.sample.get_values(place))]
        counts = [place for place in others if likeness.rank_name(names[place], "quantity") is not None]
        for pair in (*((part,) for part in parts), *product(parts, counts)):
            sums = [sum(math.prod(_read_number(cells[one]) for one in pair) for cells in rows) for rows in several]
            right = [_read_number(rows[0][amount]) for rows in several]
            equal = sum(1 for one, other in zip(sums, right, strict=True) if other and abs(one - other) < SMALLEST)
            if equal >= REPEATED * len(several):
                return True
        return False

    def _propose_scope(self, orders: Mapping[str, Sequence[Sequence[str]]]) -> None:
        places = self.found.fields.get("customer_id")
        if places is None or self.form.order_id_scope is not None:
            return
        shared = {order: rows for order, rows in orders.items() if len(_get_ids(rows, places[0])) > 1}
        if 10 * len(shared) < len(orders):
            return
        scopes: list[str] = []
        storefront = self.found.fields.get("storefront")
        if storefront is not None and all(_part(rows, storefront[0], places[0]) for rows in shared.values()):
            scopes.append("storefront")
        date = self.found.fields.get("purchase_date")
        if date is not None and all(_part(rows, date[0], places[0], _find_year) for rows in shared.values()):
            scopes.append("year")
        choices = [Choice(f"within a {scope}", {"order_id_scope": scope}) for scope in (*scopes, "customer")]
        choices.append(Choice("in the whole file: rows of another customer are rejected", {}))
        many = count_noun(len(shared), "order id")
        question = f"{many} of the sample have several customers. Within what are order ids unique?"
        self._ask("order_id_scope", question, choices)

    def _propose_guests(self) -> None:
        places = self.found.fields.get("customer_id")
        orders = self.found.fields.get("order_id")
        if places is None or orders is None or self.form.guests is not None or self.form.of_orders:
            return
        totals = set(self.sample.totals)
        absent = sum(
            1
            for line, cells in zip(self.sample.lines, self.sample.rows, strict=True)
            if all(is_absent(cells[place]) for place in places) and not is_absent(cells[orders[0]])
            if line not in totals
        )
        if absent:
            choices = [
                Choice("reject them: they are in no report", {"guests": "reject"}),
                Choice("each is a customer of its own", {"guests": EACH}),
            ]
            self._ask("guests", f"{count_noun(absent, 'row')} of the sample name no customer.", choices)


def _read_number(text: str) -> float:
    """About what an amount of any form is, 0 where nobody can tell; it only weighs what is proposed."""
    digits = re.sub(r"[^\d,.]", "", text)
    part = re.search(r"[.,](\d{1,2})$", digits)
    whole = re.sub(r"\D", "", digits[: part.start()] if part else digits)
    return float(f"{whole or 0}.{part[1] if part else 0}")


def _read_amount(text: str, read: Callable[[str], int]) -> int | None:
    try:
        return read(text)
    except ValueError:
        return None


def _get_ids(rows: Iterable[Sequence[str]], place: int) -> set[str]:
    return {cells[place].strip() for cells in rows if not is_absent(cells[place])}


def _find_year(text: str) -> str:
    match = re.search(r"(?<!\d)\d{4}(?!\d)", text)
    return match[0] if match else ""


def _part(rows: Sequence[Sequence[str]], by: int, customer: int, read: Callable[[str], str] = str.strip) -> bool:
    """Whether rows that agree in one column have one customer."""
    parts: dict[str, list[Sequence[str]]] = defaultdict(list)
    for cells in rows:
        parts[read(cells[by])].append(cells)
    return all(len(_get_ids(some, customer)) < 2 for some in parts.values())
