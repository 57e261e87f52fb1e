"""Which column of a purchases file is which field: decided once, from the header, before any row is read."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.errors import InvalidInput
from domain.import_text import columns_seen, row_text
from domain.money import is_currency

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


@dataclass(frozen=True, slots=True)
class Columns:
    """Where each field stands in a row; None where the file has no such column."""

    places: Mapping[str, int]
    ignored: tuple[str, ...]
    width: int


def normalised(header: str) -> str:
    """A header without letter case, spaces and underscores."""
    return header.strip().lower().replace(" ", "").replace("_", "")


def resolve_columns(header: Sequence[str], mapping: Mapping[str, str], currency: str) -> Columns:
    """Find every field's column; InvalidInput says what is missing, mapped twice or in another currency."""
    names = [normalised(name) for name in header]
    places: dict[str, int] = {}
    for column, field in mapping.items():
        target = next(
            (name for name, known in ALIASES.items() if normalised(field) in (normalised(name), *known)), None
        )
        if target is None:
            raise InvalidInput(f"--map {column}={field}: the fields are {', '.join(ALIASES)}", ("map",))
        if normalised(column) not in names:
            raise InvalidInput(f"--map {column}={field}: the file has no column {column}", ("map",))
        places[target] = names.index(normalised(column))
    mapped = set(places.values())
    free = [name if place not in mapped else "" for place, name in enumerate(names)]
    for field, known in ALIASES.items():
        if field not in places:
            place = next((free.index(alias) for alias in known if alias in free), None)
            if place is not None:
                places[field] = place
    if "amount" not in places:
        found = {name[-3:].upper(): place for place, name in enumerate(free) if AMOUNT_IN.fullmatch(name)}
        others = [code for code in found if is_currency(code)]
        if currency in found:
            places["amount"] = found[currency]
        elif others:
            column = header[found[others[0]]].strip()
            raise InvalidInput(f"The amounts are in {others[0]} ({column}), the business has {currency}.")
    missing = [field for field in REQUIRED if field not in places]
    if missing:
        raise InvalidInput(
            f"Missing required columns: {', '.join(missing)}. Columns seen: {columns_seen(header)}. "
            f"Use --map COLUMN={missing[0]}."
        )
    used = set(places.values())
    ignored = tuple(row_text([name.strip()]) for place, name in enumerate(header) if place not in used)
    return Columns(places, ignored, len(header))
