"""The fields that a column of a source can be, and text cells: what is taken off, what is refused, and how a row is
shown to people."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from domain.errors import Sentence
from domain.formulas import unprotect_text

MAXIMUM_TEXT = 1000
MAXIMUM_CELLS = 1000
"""Columns that a source may have; of a row that is longer one cell more is kept."""
SEEN_NAMES, SEEN_LETTERS = 20, 40
"""How much of a header is told where it is not the right one."""
NO_BYTES = re.compile("[\ud800-\udc7f\udd00-\udfff]")
"""Halves of characters, as JSON may escape them, that stand for no byte which could not be read."""


class RowFault(ValueError):
    """Why a row is refused."""


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
    text = NO_BYTES.sub("\N{REPLACEMENT CHARACTER}", separator.join(cells)[:MAXIMUM_TEXT])
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


def split_row(text: str) -> Iterator[str]:
    """What may be a cell of such a row: a cell may hold the separator, up to twice here."""
    parts = text.split(",")
    for many in (1, 2, 3):
        for place in range(len(parts) - many + 1):
            yield unprotect_text(",".join(parts[place : place + many]).strip())


def describe_columns(header: Sequence[str]) -> str:
    """The header for a sentence, where nothing or other than what was looked for is in it."""
    names = [name.strip() for name in header]
    shown = [name if len(name) <= SEEN_LETTERS else f"{name[:SEEN_LETTERS]}…" for name in names[:SEEN_NAMES]]
    more = len(names) - len(shown)
    return format_row(shown, ", ") + (f" and {more:,} more" if more else "")


def describe_cleaned(fields: Iterable[str]) -> str:
    """What is told where texts held what cannot be seen, and which are kept without it."""
    return f"Control characters and marks of direction were taken out of {', '.join(fields)}."


def count_noun(number: int, noun: str) -> str:
    """Such as `1 row` and `2,000 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


ALIASES: Mapping[str, tuple[str, ...]] = {
    "customer_id": ("customerid", "customer", "clientid"),
    "order_id": ("orderid", "purchaseid", "invoiceno"),
    "purchase_date": ("timestamp", "purchasedat", "purchasedate", "orderdate", "date"),
    "amount": ("amount", "totalamount"),
    "category": ("category", "productcategory"),
    "product": ("product",),
    "sku": ("sku",),
    "quantity": ("quantity",),
    "unit_price": ("unitprice",),
    "storefront": ("storefront",),
    "storefront_name": ("storefrontname",),
    "channel": ("channel",),
    "status": ("status",),
    "currency": ("currency",),
    # No header is taken for these: they must be mapped, as presets do.
    "purchase_time": (),
    "time_zone": (),
    "refunded": (),
    "refunded_order_id": (),
    "discount": (),
    "tax": (),
    "shipping": (),
    "tip": (),
    "fee": (),
}
"""The fields of a purchase, and the headers that are taken for them, as headers are compared."""
CUSTOMER_ALIASES: Mapping[str, tuple[str, ...]] = {
    "customer_id": ALIASES["customer_id"],
    "name": ("name",),
    "first_name": ("firstname",),
    "last_name": ("lastname",),
    "email": ("email",),
    "phone": ("phone",),
    "country": ("country",),
    "city": ("city",),
    "loyalty_level": ("loyaltylevel",),
    "registered_at": ("registeredat",),
}
"""The same of a customer."""
LINES = ("lines", "items", "lineitems")
"""What documents call the list of an order's lines, as headers are compared."""
FIELDS = tuple(dict.fromkeys((*ALIASES, *CUSTOMER_ALIASES)))
PROFILE_FIELDS = ("name", "first_name", "last_name", "email", "phone", "country", "city", "loyalty_level")
"""What rows of purchases may say of their customers, where they are told to: no header is taken for these."""
PURCHASE_FIELDS = (*ALIASES, *PROFILE_FIELDS)
ATTRIBUTE = "attribute:"
"""Before the name of an attribute, as which a column is kept that is no field."""
ATTRIBUTE_KINDS = ("text", "number", "boolean", "instant")
ATTRIBUTE_FIELD = re.compile(rf"{ATTRIBUTE}([\w-]{{1,64}})(?::({'|'.join(ATTRIBUTE_KINDS)}))?")
REJECT_COLUMNS = ("reject_line", "reject_reason", "reject_order")
"""What a file of rejects has beside the columns of its source: the row's line there, why it was rejected (empty for a
row that was not, of an order of which another was) and the order's id where it is known."""
REJECT_LINE, _, REJECT_ORDER = REJECT_COLUMNS


@dataclass(frozen=True, slots=True)
class Columns:
    """Where each field stands in a row; absent where the file has no such column. `ignored` columns are no field."""

    places: Mapping[str, int]
    ignored: tuple[str, ...]
    width: int


def normalise_header(header: str) -> str:
    """A header without letter case, spaces, dashes and underscores."""
    return header.strip().lower().replace(" ", "").replace("_", "").replace("-", "")


def find_field(text: str) -> str | None:
    """The field of that name or alias, or the attribute; None where there is none."""
    if (match := ATTRIBUTE_FIELD.fullmatch(text)) is not None:
        return match[0]
    name = normalise_header(text)
    for aliases in (ALIASES, CUSTOMER_ALIASES):
        for field, known in aliases.items():
            if name in (normalise_header(field), *known):
                return field
    return None
