"""Which column of a purchases file is which field, decided once, from the header, before any row is read; and text
cells: what is taken off, what is refused, and how a row is shown to people."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from domain.errors import InvalidInput, Sentence
from domain.money import is_currency

MAXIMUM_TEXT = 1000
MAXIMUM_CELLS = 1000
"""Columns that a source may have; of a row that is longer one cell more is kept."""
SEEN_NAMES, SEEN_LETTERS = 20, 40
"""How much of a header is told where it is not the right one."""
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class RowFault(ValueError):
    """Why a row is refused."""


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would take the text for a formula, also after blanks."""
    # Nearly every text begins so, and exports look at millions.
    if text[:1].isalnum():
        return False
    return text.startswith(FORMULA) or text.lstrip().startswith(FORMULA)


def protect_text(text: str) -> str:
    """The text for a file without types: an apostrophe before what looks like a formula."""
    return f"'{text}" if is_formula(text) else text


def unquote_text(text: str) -> str:
    """Text without the apostrophe that protects a spreadsheet from a formula."""
    return text[1:] if len(text) > 1 and text[0] == "'" and text[1] in FORMULA[:4] else text


def check_text(text: str, what: str) -> str:
    """A short text that both databases can keep; RowFault otherwise."""
    if len(text) > MAXIMUM_TEXT:
        raise RowFault(f"{what} is longer than {MAXIMUM_TEXT} characters")
    return text


def describe_wrong_width(cells: int, width: int) -> str:
    """What is wrong with a row of so many cells. Of a row that is far too long a source keeps only its beginning."""
    width_text = count_noun(cells, "cell") if cells <= MAXIMUM_CELLS else f"more than {MAXIMUM_CELLS:,} cells"
    return f"the row has {width_text}, the header has {width}"


def check_encoding(cells: Sequence[str]) -> None:
    """RowFault where the row was not UTF-8 or holds a NUL."""
    joined = "".join(cells)
    if not joined.isascii():
        try:
            joined.encode()
        except UnicodeEncodeError as error:
            raise RowFault(Sentence("the row is not UTF-8 text: mend it, or give the file's {encoding}")) from error
    if "\0" in joined:
        raise RowFault("the row holds a NUL character")


def format_row(cells: Sequence[str], separator: str = ",") -> str:
    """The row for people to read, cut where it is long; what was not UTF-8 is shown as a replacement mark."""
    text = separator.join(cells)[:MAXIMUM_TEXT]
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


def split_row(text: str) -> Iterator[str]:
    """What may be a cell of such a row: a cell may hold the separator, up to twice here."""
    parts = text.split(",")
    for many in (1, 2, 3):
        for place in range(len(parts) - many + 1):
            yield unquote_text(",".join(parts[place : place + many]).strip())


def describe_columns(header: Sequence[str]) -> str:
    """The header for a sentence, where nothing or other than what was looked for is in it."""
    names = [name.strip() for name in header]
    shown = [name if len(name) <= SEEN_LETTERS else f"{name[:SEEN_LETTERS]}…" for name in names[:SEEN_NAMES]]
    more = len(names) - len(shown)
    return format_row(shown, ", ") + (f" and {more:,} more" if more else "")


def count_noun(number: int, noun: str) -> str:
    """Such as `1 row` and `2,000 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


ALIASES: Mapping[str, tuple[str, ...]] = {
    "customer_id": ("customerid", "customer", "clientid"),
    "order_id": ("orderid", "purchaseid", "invoiceno"),
    "purchase_date": ("timestamp", "purchasedat", "purchasedate", "orderdate", "date"),
    "amount": ("amount", "totalamount"),
    "category": ("category", "productcategory"),
    "storefront": ("storefront",),
    "channel": ("channel",),
    "status": ("status",),
    "currency": ("currency",),
    # No header is taken for it: it must be mapped, as presets do.
    "refunded": (),
}
REQUIRED = ("customer_id", "order_id", "purchase_date", "amount")
AMOUNT_IN = re.compile("totalamount[a-z]{3}")
KNOWN = {name for names in ALIASES.values() for name in names}


@dataclass(frozen=True, slots=True)
class Columns:
    """Where each field stands in a row; None where the file has no such column."""

    places: Mapping[str, int]
    ignored: tuple[str, ...]
    width: int


def normalise_header(header: str) -> str:
    """A header without letter case, spaces and underscores."""
    return header.strip().lower().replace(" ", "").replace("_", "")


def rate_header(cells: Sequence[str], known: Collection[str] = ()) -> int:
    """How much a row looks like a header: how many of its names are known, or among these normalised ones."""
    names = {normalise_header(cell) for cell in cells}
    return sum(1 for name in names if name in known or name in KNOWN or AMOUNT_IN.fullmatch(name))


def find_mapped(column: str, field: str, header: Sequence[str]) -> str:
    """The field that a column is mapped to; InvalidInput where there is no such field, or no such column among the
    normalised names of the header."""
    target = next(
        (name for name, known in ALIASES.items() if normalise_header(field) in (normalise_header(name), *known)), None
    )
    if target is None:
        raise InvalidInput(Sentence("{map} {}={}: the fields are {}", column, field, ", ".join(ALIASES)), ("map",))
    if normalise_header(column) not in header:
        raise InvalidInput(Sentence("{map} {}={}: the file has no column {}", column, field, column), ("map",))
    return target


def resolve_columns(header: Sequence[str], mapping: Mapping[str, str], currency: str) -> Columns:
    """Find every field's column; InvalidInput says what is missing, mapped twice or in another currency."""
    names = [normalise_header(name) for name in header]
    places: dict[str, int] = {}
    for column, field in mapping.items():
        target = find_mapped(column, field, names)
        places[target] = names.index(normalise_header(column))
    mapped = set(places.values())
    free = [name if place not in mapped else "" for place, name in enumerate(names)]
    for field, known in ALIASES.items():
        if field not in places:
            place = next((free.index(alias) for alias in known if alias in free), None)
            if place is not None:
                places[field] = place
    if "amount" not in places:
        currencies = {name[-3:].upper(): place for place, name in enumerate(free) if AMOUNT_IN.fullmatch(name)}
        others = [code for code in currencies if is_currency(code)]
        if currency in currencies:
            places["amount"] = currencies[currency]
        elif others:
            column = header[currencies[others[0]]].strip()
            raise InvalidInput(f"The amounts are in {others[0]} ({column}), the business has {currency}.")
    missing = [field for field in REQUIRED if field not in places]
    if missing:
        template = "Missing required columns: {}. Columns seen: {}. Use {map} COLUMN={}."
        raise InvalidInput(Sentence(template, ", ".join(missing), describe_columns(header), missing[0]))
    used = set(places.values())
    ignored = tuple(format_row([name.strip()]) for place, name in enumerate(header) if place not in used)
    return Columns(places, ignored, len(header))
