"""Global ids: opaque text of type, business and numbers. One of another business decodes to nothing, like one that
does not exist.

What has a global id.
"""

import base64
import binascii
import re

import strawberry
from strawberry import ID

CONTENT = re.compile(r"([A-Za-z]{1,40}):(\d{1,18}(?:\.\d{1,18}){0,3})")


def encode(kind: str, *numbers: int) -> ID:
    """The global id of the type's item; the first number is the business's."""
    text = f"{kind}:{'.'.join(str(number) for number in numbers)}"
    return ID(base64.urlsafe_b64encode(text.encode()).decode().rstrip("="))


def decode(value: str) -> tuple[str, tuple[int, ...]] | None:
    """Type and numbers; None for anything that this server did not make."""
    if len(value) > 200:
        return None
    try:
        text = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return None
    match = CONTENT.fullmatch(text)
    return None if match is None else (match[1], tuple(int(part) for part in match[2].split(".")))


def numbers_of(value: str, kind: str, business: int, count: int) -> tuple[int, ...] | None:
    """The numbers behind the business's own; None where the id is of another type or another business."""
    found = decode(value)
    if found is None or found[0] != kind or len(found[1]) != count + 1 or found[1][0] != business:
        return None
    return found[1][1:]


@strawberry.interface(description="Anything that has a global id and can be fetched again by `node`.")
class Node:
    """Anything with a global id."""

    id: strawberry.ID = strawberry.field(description="Global id of the object; opaque, unique and lasting.")
