"""How a source is written, as plain data: what a caller says, where it says nothing what a saved format or a preset
says, and where they say nothing what the business has settled under `import`. What is said nowhere has the plain
meaning and is never guessed. KEYS is the one list of all that can be said; files of formats, settings, options of
commands and parameters of uploads are read by it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import combinations
from types import MappingProxyType
from typing import Any

from domain.calendar import load_zone
from domain.errors import FieldProblem, InvalidInput, Sentence
from domain.imports.amounts import DECIMALS, THOUSANDS, AmountForm
from domain.imports.columns import FIELDS, find_field
from domain.imports.dates import SAMPLE, DateForm
from domain.imports.sources import FileForm
from domain.model import BusinessSettings, PurchaseStatus

LINE, ORDER = "line", "order"
"""Whose amount stands in a row: its own, or that of its whole order."""
AMOUNTS = (LINE, ORDER)
ROW, CUSTOMER_DAY, CUSTOMER_INSTANT = "row", "customer_day", "customer_instant"
MADE_ORDERS = (ROW, CUSTOMER_DAY, CUSTOMER_INSTANT)
"""What is an order where a source has no order ids."""
SCOPES = ("customer", "storefront", "year")
"""Within what an order id is unique, where it is not in the business."""
NEGATIVES = ("minus", "brackets", "trailing")
EACH = "each"
LEFT_OUT = "-"
ANY_TEXT = "*"
"""Stands for every text that says something in a table of words."""
SECTION = "import"
LONGEST_TEXT, MOST_ENTRIES, MOST_LINES, LONGEST_NAME = 200, 200, 1000, 60
NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
TERM_FIELDS = ("amount", "quantity", "unit_price", "discount", "tax", "shipping", "tip", "fee", "refunded")
TERM = re.compile(r"\s*([+-])?\s*([a-z_]+)(?:\s*\*\s*([a-z_]+))?")


@dataclass(frozen=True, slots=True)
class Key:
    """One thing that can be said: its kind (text, flag, number, list or table), in words what it says, and how a value
    is checked and put in its plain form; ValueError has the rest of a sentence that begins with the key. `choices` are
    all that a text may be, where they can be listed, and `bounds` those of a number."""

    kind: str
    words: str
    read: Callable[[Any], Any]
    choices: tuple[str, ...] = ()
    bounds: tuple[int, int] | None = None


def _text(*allowed: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_TEXT:
            raise ValueError(f"must be a text of 1 to {LONGEST_TEXT} characters")
        if allowed and value not in allowed:
            raise ValueError(f"must be one of: {', '.join(allowed)}, not {value[:40]}")
        return value

    return read


def _choose(words: str, *allowed: str) -> Key:
    return Key("text", words, _text(*allowed), allowed)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _positions(value: Any) -> tuple[str, ...]:
    names = [name for one in _list(value) for name in one.split(",")]
    found = [name if name == LEFT_OUT else find_field(name) for name in names]
    if None in found:
        wrong = names[found.index(None)][:40]
        raise ValueError(f"must name fields or {LEFT_OUT}, not {wrong!r}: the fields are {', '.join(FIELDS)}")
    return tuple(name for name in found if name is not None)


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_LINES:
        raise ValueError(f"must be a whole number between 0 and {MOST_LINES}")
    return value


def _list(value: Any) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(one, str) and one.strip() for one in texts):
        raise ValueError("must be a list of texts")
    if len(texts) > MOST_ENTRIES:
        raise ValueError(f"must have at most {MOST_ENTRIES} entries")
    return tuple(texts)


def _table(meant: str, read: Callable[[str, Any], Any]) -> Callable[[Any], Mapping[str, Any]]:
    def read_table(value: Any) -> Mapping[str, Any]:
        if not isinstance(value, Mapping) or not all(isinstance(name, str) and name.strip() for name in value):
            raise ValueError(f"must say {meant}")
        if len(value) > MOST_ENTRIES:
            raise ValueError(f"must have at most {MOST_ENTRIES} entries")
        return {name: read(name, one) for name, one in value.items()}

    return read_table


def _columns(value: Any) -> Mapping[str, str]:
    stated = _table("COLUMN = FIELD for each column", lambda _, of: of)(value)
    found = {column: find_field(of) if isinstance(of, str) else None for column, of in stated.items()}
    unknown = [column[:40] for column, of in found.items() if of is None]
    if unknown:
        raise ValueError(f"must give {', '.join(unknown)} one of the fields {', '.join(FIELDS)} or attribute:NAME")
    return {column: of for column, of in found.items() if of is not None}


def read_status(word: str, status: Any) -> str:
    """The status that a word means, by its name in any letter case."""
    name = str(status).upper()
    if name not in PurchaseStatus.__members__:
        names = ", ".join(PurchaseStatus.__members__)
        raise ValueError(f"{word[:40]}={str(status)[:40]}: a status is one of {names}")
    return name


def _words(column: str, value: Any) -> Mapping[str, str]:
    return {clean_word(word): one for word, one in _table("WORD = STATUS", read_status)(value).items()}


def _zone(word: str, zone: Any) -> str:
    return _iana(zone)


def _iana(value: Any) -> str:
    try:
        return load_zone(_text()(value)).key
    except InvalidInput as error:
        raise ValueError(f"must be an IANA name such as Asia/Colombo, not {str(value)[:40]!r}") from error


def _formula(value: Any) -> str:
    parse_formula(_text()(value))
    return str(value)


def _dates(value: Any) -> tuple[str, ...]:
    forms = _list(value)
    read = [DateForm(form) for form in forms]
    for one, other in combinations(read, 2):
        check_forms_agree(one, other)
    return forms


def _delimiter(value: Any) -> str:
    text = {"tab": "\t", "\\t": "\t", "space": " "}.get(value, value) if isinstance(value, str) else ""
    if text != "whitespace" and (len(text) != 1 or text.isalnum() or text in '"\r\n'):
        raise ValueError("must be one character such as ; or |, or tab or whitespace")
    return str(text)


def _quote(value: Any) -> str:
    if value != "none" and (not isinstance(value, str) or len(value) != 1 or value.isalnum() or value.isspace()):
        raise ValueError("must be one character such as \" or ', or none")
    return str(value)


def _sign(value: Any) -> str:
    return AmountForm.of(None, None, _text()(value)).sign


def _decimal(value: Any) -> str:
    if value not in DECIMALS:
        raise ValueError("must be . or ,")
    return str(value)


def _thousands(value: Any) -> str:
    text = " " if value == "space" else value
    if text not in THOUSANDS:
        raise ValueError("must be , . ' or space")
    return str(text)


KEYS: Mapping[str, Key] = {
    "columns": Key("table", "Which column is which field.", _columns),
    "date_format": Key("list", "Form of the dates, such as %d/%m/%Y; also excel, epoch, epoch_ms.", _dates),
    "preset": Key("text", "Preset that the rest builds on, such as shopify.", _text()),
    "amount": _choose("Whose amount a row carries: line or order.", *AMOUNTS),
    "decimal": Key("text", "Sign before decimals: . or ,", _decimal, DECIMALS),
    "thousands": Key("text", "Sign between thousands: , . ' or space.", _thousands),
    "currency_sign": Key("text", "Sign of the currency, such as € or Rs.", _sign),
    "sheet": Key("text", "Sheet of a workbook; the first where absent.", _text()),
    "encoding": Key("text", "Encoding of the text, such as windows-1252; UTF-8 where absent.", _text()),
    "skip_lines": Key("number", "Lines before the header.", _number, bounds=(0, MOST_LINES)),
    "delimiter": Key("text", "What separates cells: a character, tab or whitespace.", _delimiter),
    "quote": Key("text", "What encloses cells, or none.", _quote),
    "columns_by_position": Key("list", "Fields of a file without a header, - for a column to leave out.", _positions),
    "fill_down": Key("flag", "Empty cells say what the row above says, as merged cells do.", _flag),
    "negative": _choose("How amounts below zero are written: minus, brackets or trailing.", *NEGATIVES),
    "round": Key("flag", "Round decimals beyond the currency's, half-even.", _flag),
    "file_time_zone": Key("text", "Zone of the times that name none, such as America/New_York.", _iana),
    "zones": Key("table", "Words of the column time_zone and the zones they mean.", _table("WORD = ZONE", _zone)),
    "ignore": Key("list", "Columns that are left out on purpose.", _list),
    "statuses": Key("table", "Words of the status column and what they mean.", lambda value: _words("", value)),
    "status_columns": Key(
        "table", "Words of further columns that decide the status; * is any text.", _table("COLUMN = words", _words)
    ),
    "nothing": Key(
        "table", "Values that say nothing in a field.", _table("FIELD = values", lambda _, value: _list(value))
    ),
    "amount_formula": Key("text", "Terms of the amount, such as quantity * unit_price - discount.", _formula),
    "absent_amount": _choose("What an absent amount is: reject or zero.", "reject", "zero"),
    "orders": _choose("What is an order without ids: row, customer_day or customer_instant.", *MADE_ORDERS),
    "order_id_scope": _choose("Within what order ids are unique: customer, storefront or year.", *SCOPES),
    "order_id_prefix": Key("text", "Put before every order id.", _text()),
    "customer_id_prefix": Key("text", "Put before every customer id.", _text()),
    "guests": _choose("Orders without a customer: reject, or each is a customer of its own.", "reject", EACH),
    "append_lines": Key("flag", "Add the rows of an order that is known to its lines.", _flag),
}
"""What can be said of a source, by name."""
STATED_AS = {"columns": "map", "statuses": "status"}
"""Tables that options state by an entry each."""
OPTIONS: Mapping[str, Key] = {
    STATED_AS.get(name, name): key for name, key in KEYS.items() if key.kind != "table" or name in STATED_AS
}
"""What options of commands and parameters of uploads say, by their names."""


@dataclass(frozen=True, slots=True)
class SourceFormat:
    """What is known of a source beforehand: an attribute for each of KEYS, None or empty where nothing is said. `name`
    is that of a saved format which the rest builds on; `kept_columns` are those of the settings, which hold where the
    source has such columns."""

    name: str | None = None
    preset: str | None = None
    encoding: str | None = None
    skip_lines: int | None = None
    delimiter: str | None = None
    quote: str | None = None
    sheet: str | None = None
    columns_by_position: tuple[str, ...] = ()
    fill_down: bool | None = None
    decimal: str | None = None
    thousands: str | None = None
    currency_sign: str | None = None
    negative: str | None = None
    round: bool | None = None
    date_format: tuple[str, ...] = ()
    file_time_zone: str | None = None
    zones: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    statuses: Mapping[str, str] = field(default_factory=dict)
    status_columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    nothing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    amount: str | None = None
    amount_formula: str | None = None
    absent_amount: str | None = None
    orders: str | None = None
    order_id_scope: str | None = None
    order_id_prefix: str | None = None
    customer_id_prefix: str | None = None
    guests: str | None = None
    append_lines: bool | None = None
    kept_columns: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "SourceFormat":
        """The format that a document states, checked as a whole; InvalidInput carries every fault."""
        made = cls.read_keys(document)
        made.check_agreement()
        return made

    @classmethod
    def read_keys(cls, document: Mapping[str, Any], called: Mapping[str, str] = MappingProxyType({})) -> "SourceFormat":
        """What each key says, faults naming keys by what they are `called`. Whether all agree shows when what else is
        said of the source is there, too."""
        problems: list[FieldProblem] = []
        values: dict[str, Any] = {}
        for name, value in document.items():
            key = KEYS.get(name)
            if key is None:
                message = f"A format has no {name[:40]!r}. There are: {', '.join(KEYS)}"
                problems.append(FieldProblem((name[:40],), message))
                continue
            try:
                values[name] = key.read(value)
            except ValueError as error:
                shown = called.get(name, name)
                problems.append(FieldProblem((shown,), Sentence(f"{{{shown}}} {{}}", error)))
            except InvalidInput as error:
                problems += [FieldProblem((name,), one.message) for one in error.problems]
        if problems:
            raise InvalidInput.of(problems)
        return cls(**values)

    @classmethod
    def read_options(cls, stated: Mapping[str, Sequence[str]], name: str | None = None) -> "SourceFormat":
        """The format that options state, each by the texts that were given for it; `name` is that of a saved one,
        with which, and with the settings, they have to agree."""
        document: dict[str, Any] = {}
        for option, texts in stated.items():
            key = OPTIONS[option]
            if key.kind == "table":
                document[_KEY_OF.get(option, option)] = _read_pairs(option, texts)
            elif key.kind == "list":
                document[option] = list(texts)
            elif len(set(texts)) > 1:
                raise InvalidInput(Sentence(f"{{{option}}} must be given once"), (option,))
            else:
                document[option] = _read_text_of(key.kind, texts[0])
        return replace(cls.read_keys(document, STATED_AS), name=name)

    def to_document(self) -> dict[str, Any]:
        """What is said, as plain values for files and JSON."""
        said = {name: getattr(self, name) for name in KEYS}
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in said.items()}
        return {name: _to_plain(value) for name, value in plain.items() if value not in (None, [], {})}

    def check_agreement(self) -> None:
        """InvalidInput where two things that are said contradict each other."""
        _ = self.amount_form
        if self.orders is not None and self.order_id_scope is not None:
            message = Sentence("{order_id_scope} is for files with order ids, {orders} for those without")
            raise InvalidInput(message, ("order_id_scope",))

    def build_on(self, other: "SourceFormat") -> "SourceFormat":
        """These words, and where they say nothing those of the other. Tables are joined, own entries first; a field
        that has a column here has none there."""
        mine: dict[str, Any] = {}
        for one in fields(self):
            own, others = getattr(self, one.name), getattr(other, one.name)
            if one.name in ("columns", "kept_columns"):
                taken = set(own.values())
                mine[one.name] = own | {name: of for name, of in others.items() if of not in taken and name not in own}
            elif isinstance(own, Mapping):
                mine[one.name] = {**others, **own}
            elif one.name == "ignore":
                mine[one.name] = tuple(dict.fromkeys((*own, *others)))
            else:
                mine[one.name] = others if own is None or own == () else own
        return SourceFormat(**mine)

    @property
    def file_form(self) -> FileForm:
        """How a file of it is written."""
        return FileForm(
            encoding=self.encoding,
            skip_lines=self.skip_lines,
            delimiter=self.delimiter,
            quote=self.quote,
            sheet=self.sheet,
            decimal=self.amount_form.decimal,
            fill_merged=bool(self.fill_down),
            header=self.columns_by_position,
        )

    def build_on_settings(self, settings: BusinessSettings) -> "SourceFormat":
        """These words, and what they leave open as the business has settled it."""
        section = settings.stored.get(SECTION)
        if not isinstance(section, Mapping):
            return self
        said = {name: value for name, value in section.items() if name in KEYS and name != "columns"}
        columns = section.get("columns")
        kept = {str(column): str(of) for column, of in columns.items()} if isinstance(columns, Mapping) else {}
        settled = replace(SourceFormat.read_keys(said), name=section.get("format"), kept_columns=kept)
        return self.build_on(settled)

    @property
    def amount_form(self) -> AmountForm:
        """How amounts are written; InvalidInput where its signs cannot be told apart."""
        form = AmountForm.of(self.decimal, self.thousands, self.currency_sign)
        return replace(form, rounded=bool(self.round), trailing=self.negative == "trailing")

    @property
    def of_orders(self) -> bool:
        """Whether rows carry the amount of their order."""
        return self.amount == ORDER

    @property
    def unsaid(self) -> bool:
        """Whether nothing is said at all."""
        return self == SourceFormat()


def _to_plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _to_plain(one) for name, one in value.items()}
    return list(value) if isinstance(value, tuple) else value


_KEY_OF = {option: name for name, option in STATED_AS.items()}


def _read_pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.rpartition("=")
        if not (name and equals and value):
            meant = "COLUMN=FIELD" if option == "map" else "WORD=STATUS"
            raise InvalidInput(Sentence(f"{{{option}}} must be {meant}, not {{}}", text[:60]), (option,))
        pairs[name] = value
    return pairs


def _read_text_of(kind: str, text: str) -> Any:
    """The value that a text states; one that it cannot be stays a text, which is then refused."""
    if kind == "flag":
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
    return int(text) if kind == "number" and text.isascii() and text.isdigit() else text


@dataclass(frozen=True, slots=True)
class Term:
    """A term of an amount: the fields that are multiplied, and whether it is added or taken off."""

    fields: tuple[str, ...]
    added: bool


def parse_formula(text: str) -> tuple[Term, ...]:
    """The terms of a formula such as `quantity * unit_price - discount`; ValueError says what cannot be."""
    terms: list[Term] = []
    at = 0
    while at < len(text.rstrip()):
        match = TERM.match(text, at)
        if match is None or (match[1] is None and terms):
            raise ValueError("must be a sum such as quantity * unit_price - discount + tax")
        named = tuple(name for name in (match[2], match[3]) if name)
        unknown = [name for name in named if name not in TERM_FIELDS]
        if unknown:
            raise ValueError(f"has no {unknown[0][:40]!r}: its terms are {', '.join(TERM_FIELDS)}")
        if len(named) == 2 and set(named) != {"quantity", "unit_price"}:
            raise ValueError("multiplies only quantity * unit_price")
        if len(named) == 1 and named[0] == "quantity":
            raise ValueError("must multiply quantity with unit_price")
        terms.append(Term(named, match[1] != "-"))
        at = match.end()
    if not any(term.added for term in terms):
        raise ValueError("must have a term that is added")
    return tuple(terms)


def check_forms_agree(one: DateForm, other: DateForm) -> None:
    """ValueError where a date of one form can be read as another day by the other."""
    day = SAMPLE.replace(month=3, day=4)
    try:
        if other(day.strftime(one.form)).date() == day.date():
            return
    except ValueError:
        return
    raise ValueError(f"{one.form} and {other.form} read the same text as different days: give one of them")


def check_format_name(name: str) -> str:
    """The name of a saved format; InvalidInput where it cannot be one."""
    if not NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        message = f"name must be 1 to {LONGEST_NAME} lower-case letters, digits, - and _, and not {name[:60]!r}"
        raise InvalidInput(message, ("name",))
    return name


def clean_word(text: str) -> str:
    """A status word as words are compared: lower case, with _ for blanks and dashes."""
    return text.strip().lower().replace(" ", "_").replace("-", "_")
