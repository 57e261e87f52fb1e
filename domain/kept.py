"""What is dear to compute and therefore kept for a while, and how an answer says where it came from."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Kept:
    """A value, whether it was there already, and how old it is in seconds."""

    value: Any
    hit: bool
    age: float


class KeptReports(Protocol):
    """Keeps reports by a key that holds the data version. Values are what JSON can hold."""

    async def get_or_make(self, key: str, make: Callable[[], Awaitable[Any]]) -> Kept:
        """The kept value, or a new one; of all workers that share the store one computes it."""
        ...
