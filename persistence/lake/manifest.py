"""What a columnar copy is, as its manifest says: of which store and business, which change it ends with, and of which
files it consists. A manifest and its files are never changed: another generation has a manifest of its own."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from domain.calendar import from_micros

FORMAT = 2
"""Raised with every change of what the files hold; a copy of another format is as good as none."""
PURCHASE, LINE, METRICS, REPLACED = "purchase", "purchase_line", "customer_metrics", "replaced"
CUSTOMER = "customer"
COLUMNS: Mapping[str, tuple[str, ...]] = {
    PURCHASE: ("customer_id", "id", "local_day", "amount", "storefront_id", "channel"),
    LINE: ("customer_id", "purchase_id", "category"),
    METRICS: ("customer_id", "order_count", "revenue", "first_day", "last_day"),
    CUSTOMER: ("id",),
    REPLACED: ("customer_id",),
}
"""What the files of each table hold: counted purchases, their bought lines, the totals of all customers, those who were
neither erased nor merged, and those whom a delta says anew. No name of anybody, and no id that the shop gave."""
OWNER = {CUSTOMER: "id"}
"""The column that says which customer a row is of, where it is not `customer_id`."""
CONSTANT: Mapping[str, Mapping[str, int | str]] = {
    PURCHASE: {"counted": 1},
    LINE: {"amount": 0, "status": 0},
    METRICS: {},
    CUSTOMER: {"erased": "false", "merged_into": "CAST(NULL AS BIGINT)"},
}
"""What is the same in every row, as far as conditions of the store's statements look at it."""
TEXTS = frozenset({"channel", "category"})


GONE, UNREADABLE, SLOW = "gone", "not readable now", "too slow"
"""Why none answers: files of it are not there any more; they are, but something is amiss with the disk or on the way,
which may pass; the statement took longer than it may."""


class NoCopy(Exception):
    """The copy cannot answer; the message says why, in few words of which there are few."""


@dataclass(frozen=True, slots=True)
class Part:
    """A set of files in one state of the store: after the change of that number, which took place at that instant, in
    microseconds since 1970. `files` are names by table; each holds a span of customers, by local day."""

    change_number: int
    instant: int
    customers: int
    purchases: int
    files: Mapping[str, tuple[str, ...]]

    @property
    def written_at(self) -> datetime:
        """The instant."""
        return from_micros(self.instant)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One generation: the base, and where there is one the delta, which says every customer anew who was touched since
    the base, read instead of what the base says of them."""

    store: str
    epoch: str
    business: int
    generation: str
    base: Part
    delta: Part | None = None

    @property
    def newest(self) -> Part:
        """The part that says up to which change the copy is true."""
        return self.delta or self.base

    @property
    def parts(self) -> dict[str, Part]:
        """Those that there are, by what they are called."""
        return {"base": self.base} if self.delta is None else {"base": self.base, "delta": self.delta}

    @property
    def files(self) -> frozenset[str]:
        """The names of all."""
        return frozenset(name for part in self.parts.values() for names in part.files.values() for name in names)

    def write(self) -> bytes:
        """As it is kept."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1).encode()

    @classmethod
    def read(cls, content: bytes) -> "Manifest":
        """Of what is kept; NoCopy where it is of another format, or none at all."""
        try:
            document = json.loads(content)
            if document.pop("format") != FORMAT:
                raise NoCopy("another version")
            parts = {name: document.pop(name) for name in ("base", "delta")}
            base = _read_part(parts["base"])
            return cls(**document, base=base, delta=None if parts["delta"] is None else _read_part(parts["delta"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise NoCopy("damaged") from error


def _read_part(document: Mapping[str, Any]) -> Part:
    files = {table: tuple(names) for table, names in document["files"].items()}
    return Part(**{**document, "files": files})


def name_manifest(generation: str) -> str:
    """The name of its file."""
    return f"{generation}.manifest.json"
