"""What a group of a report is, whatever the method: its words and its code. Codes are unique in a method, names only in
a dimension."""

from dataclasses import dataclass
from enum import StrEnum


class Method(StrEnum):
    """How customers are grouped."""

    RFM = "RFM"
    VALUE = "VALUE"
    BEHAVIOR = "BEHAVIOR"


@dataclass(frozen=True, slots=True)
class GroupKind:
    """A named group of a report: never to be mixed up with a stored segment. `dimension` is what it divides the
    customers by; `scores` are the digits of an RFM code."""

    name: str
    code: str
    description: str
    profile: str | None
    actions: tuple[str, ...]
    scores: tuple[int, int, int] | None
    dimension: str
