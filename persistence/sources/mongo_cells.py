"""Documents as rows: what stands at a path of a document becomes the text of a cell, exactly, or the reason why it
cannot be read. Nothing of a document is evaluated."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from bson import Decimal128, ObjectId

DEFAULTS = {"customer.id": "customer_id", "product.category": "category"}
"""Where fields stand that have no column of their name."""
NAME_PATH = "customer.name"
OPTIONAL = ("status", "currency", "storefront", "channel")
"""What only some documents may have; it is looked for in all."""
KINDS = {dict: "an object", list: "a list", bool: "true or false", bytes: "binary data"}
DEEPEST = 8


class CellFault(ValueError):
    """Why a value cannot be a cell."""


def cell(value: Any, decimal: str = ".") -> str:
    """The value as text; CellFault where it has no plain form."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        raise CellFault("is true or false")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise CellFault("is not a finite number")
        # Fifteen digits are what a binary fraction holds; those beyond are noise.
        return f"{Decimal(format(value, '.15g')):f}".replace(".", decimal)
    if isinstance(value, Decimal128):
        exact = value.to_decimal()
        if not exact.is_finite() or abs(exact.adjusted()) > 60:
            raise CellFault("is not a finite number")
        return f"{exact:f}".replace(".", decimal)
    if isinstance(value, datetime):
        at = value.astimezone(UTC) if value.tzinfo else value
        return f"{at.replace(tzinfo=None).isoformat()}Z"
    if isinstance(value, ObjectId | UUID):
        return str(value)
    raise CellFault(f"is {KINDS.get(type(value), f'of the type {type(value).__name__}')}")


def at_path(document: Mapping[str, Any], path: Sequence[str]) -> Any:
    """What stands at the path, None where nothing does; a whole number is a place in a list."""
    found: Any = document
    for part in path:
        if isinstance(found, Mapping):
            found = found.get(part)
        elif isinstance(found, list) and part.isdecimal():
            found = found[int(part)] if int(part) < len(found) else None
        elif found is None:
            return None
        else:
            raise CellFault(f"stands in what is {KINDS.get(type(found), 'no object')}")
    return found


def paths(document: Mapping[str, Any], before: str = "", depth: int = 1) -> list[str]:
    """Every path of a document that ends in a value."""
    found = []
    for name, value in document.items():
        if isinstance(value, Mapping) and depth < DEEPEST:
            found += paths(value, f"{before}{name}.", depth + 1)
        else:
            found.append(f"{before}{name}")
    return found


def row(document: Mapping[str, Any], header: Sequence[Sequence[str] | None], decimal: str) -> tuple[list[str], str]:
    """The cells at these paths, empty where there is none, and what could not be read, empty where all could."""
    cells, faults = [], []
    for path in header:
        try:
            cells.append("" if path is None else cell(at_path(document, path), decimal))
        except CellFault as fault:
            cells.append("")
            faults.append(f"{'.'.join(path or ())} {fault}")
    return cells, "; ".join(faults)


def key_text(key: Any) -> str:
    """The `_id` of a document for people to read."""
    try:
        return cell(key)
    except CellFault:
        return repr(key)[:200]


def name_of(document: Mapping[str, Any], path: Sequence[str]) -> tuple[str, str] | None:
    """The customer's id, which stands at the path, and name; None where either is missing."""
    try:
        customer = cell(at_path(document, path)).strip()
        name = cell(at_path(document, NAME_PATH.split("."))).strip()
    except CellFault:
        return None
    return (customer, name) if customer and name and encodes(customer + name) else None


def date_at(document: Mapping[str, Any], path: str) -> datetime | None:
    """The date at the path, None where something else or nothing stands there."""
    try:
        found = at_path(document, path.split("."))
    except CellFault:
        return None
    if not isinstance(found, datetime):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def any_date(documents: Sequence[Mapping[str, Any]], path: str) -> bool:
    """Whether one of them has a date there."""
    return any(date_at(document, path) is not None for document in documents)


def encodes(text: str) -> bool:
    """Whether it is text as UTF-8 can write it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
