"""Global ids: opaque text of type, business and numbers. One of another business is worth as much as one that nothing
has, and is refused in the same words."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import NamedTuple

import strawberry
from strawberry import ID

from domain.errors import build_unknown_id
from domain.model import AuditTarget, Business

CONTENT = re.compile(r"([A-Za-z]{1,40}):([0-9]{1,18}(?:\.[0-9]{1,18}){0,3})")
NAMES = {"Recalculation": "job", "PurchaseImport": "job"}
"""What a refusal calls an object; others go by the name of their type."""


class GlobalId(NamedTuple):
    """A type of the schema, and the numbers of an object of it; the first is the business's."""

    kind: str
    numbers: tuple[int, ...]


def encode(kind: str, *numbers: int) -> ID:
    """The global id of the type's item; the first number is the business's."""
    text = f"{kind}:{'.'.join(map(str, numbers))}"
    return ID(base64.urlsafe_b64encode(text.encode()).decode().rstrip("="))


def decode(value: str) -> GlobalId | None:
    """What the id stands for; None for anything that this server would not make."""
    if len(value) > 200:
        return None
    try:
        text = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return None
    content = CONTENT.fullmatch(text)
    if content is None:
        return None
    id = GlobalId(content[1], tuple(int(part) for part in content[2].split(".")))
    # Written otherwise, with zeros before or bits to spare, it is no id of ours: one thing has one id.
    return id if encode(id.kind, *id.numbers) == value else None


def decode_own(value: str, business: Business) -> GlobalId | None:
    """The same without the business's number; None where the id is another business's."""
    id = decode(value)
    return None if id is None or id.numbers[0] != business.id else GlobalId(id.kind, id.numbers[1:])


def match(value: str, kind: str, business: Business) -> int | None:
    """The number behind the business's own id; None where it is of another type or another business."""
    id = decode_own(value, business)
    return id.numbers[0] if id is not None and id.kind == kind and len(id.numbers) == 1 else None


def expect(value: str, kind: str, business: Business, *field: str) -> int:
    """The same, but refused where `match` says None; `field` is the path to the input that holds the id."""
    number = match(value, kind, business)
    if number is None:
        raise build_unknown_id(NAMES.get(kind, kind.lower()), *field)
    return number


def find_target(arguments: Mapping[str, object], business: Business) -> AuditTarget | None:
    """The one thing of the business that arguments of a field or an address name by its id, be it there or not; None
    where they name none or several."""
    values = [*arguments.values(), getattr(arguments.get("input"), "id", None)]
    named = {decode_own(value, business) for value in values if isinstance(value, str)} - {None}
    only = named.pop() if len(named) == 1 else None
    return None if only is None or len(only.numbers) != 1 else (only.kind, only.numbers[0])


@strawberry.interface(description="Anything that has a global id and can be fetched again by `node`.")
class Node:
    id: strawberry.ID = strawberry.field(description="Global id of the object; opaque, unique and lasting.")
