"""What the services need from the outside, as Protocols; persistence implements them. Units are short: one service
call each; a read unit sees one state of the store, a write unit holds the business's only write transaction."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeVar

from domain.calendar import DayRanges, Span
from domain.classification.groups import Cell, LabelSums
from domain.classification.labels import ClassificationFacts, ClassificationSettings, ClassificationSpan
from domain.classification.rfm import Cuts
from domain.classifiers import ClassifiedBatch, Classifiers
from domain.errors import FieldProblem
from domain.model import (
    Business,
    Customer,
    CustomerTotals,
    NewCustomer,
    NewPurchase,
    Purchase,
    PurchaseLine,
    Storefront,
    WriteCounts,
)
from domain.pages import Page, PageRequest
from domain.rules.tree import Condition

T = TypeVar("T")


class Cache(Protocol):
    """Keeps what is dear to compute. Keys hold the business and its data version, so nothing outlives a write."""

    async def get_or_make(self, key: str, make: Callable[[], Awaitable[T]]) -> T:
        """The kept value, or a new one; concurrent misses of one key compute once."""
        ...


class CustomerSort(StrEnum):
    """What a list of customers is ordered by."""

    EXTERNAL_ID = "EXTERNAL_ID"
    NAME = "NAME"
    TOTAL_REVENUE = "TOTAL_REVENUE"
    ORDER_COUNT = "ORDER_COUNT"
    LAST_PURCHASE_AT = "LAST_PURCHASE_AT"


@dataclass(frozen=True, slots=True)
class CustomerFilter:
    """Which customers; every given part must hold. `search` is a prefix, casefolded here; the customer is a member of
    every one of `segment_ids`; `cuts` are the kept ones, for a rule that ranks."""

    search: str | None = None
    loyalty_levels: tuple[str, ...] | None = None
    segment_ids: tuple[int, ...] = ()
    rule: Condition | None = None
    cuts: Cuts | None = None


@dataclass(frozen=True, slots=True)
class CustomerRecord:
    """A customer with the kept totals."""

    customer: Customer
    totals: CustomerTotals


@dataclass(frozen=True, slots=True)
class WindowTotals:
    """One customer in one window: orders, spend in minor units, day number of the last purchase."""

    orders: int
    spend: int
    last_day: int


@dataclass(frozen=True, slots=True)
class PurchaseRecord:
    """A purchase with its storefront."""

    purchase: Purchase
    storefront: Storefront | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one item of a bulk write cannot be: its index and a code of the rejection."""

    index: int
    code: str


class Customers(Protocol):
    """Customers of one business."""

    async def page(
        self, request: PageRequest, where: CustomerFilter, sort: CustomerSort, reverse: bool
    ) -> Page[CustomerRecord]: ...
    async def count(self, where: CustomerFilter) -> int: ...
    async def by_ids(self, ids: Sequence[int]) -> Mapping[int, CustomerRecord]: ...
    async def by_external_id(self, external_id: str) -> CustomerRecord | None: ...
    async def levels(self) -> list[str]: ...
    async def known(self, external_ids: Sequence[str]) -> set[str]: ...
    async def upsert(self, items: Sequence[NewCustomer], time_zone: str) -> tuple[WriteCounts, list[Refusal]]: ...


class Purchases(Protocol):
    """Purchases of one business."""

    async def pages(self, customers: Sequence[int], request: PageRequest) -> Mapping[int, Page[PurchaseRecord]]: ...
    async def counts(self, customers: Sequence[int]) -> Mapping[int, int]: ...
    async def by_keys(self, keys: Sequence[tuple[int, int]]) -> Mapping[tuple[int, int], PurchaseRecord]: ...
    async def lines(self, keys: Sequence[tuple[int, int]]) -> Mapping[tuple[int, int], list[PurchaseLine]]: ...
    async def storefronts(self) -> list[Storefront]: ...
    async def storefronts_by_ids(self, ids: Sequence[int]) -> Mapping[int, Storefront]: ...
    async def storefront_by_key(self, key: str) -> Storefront | None: ...
    async def record(
        self, items: Sequence[NewPurchase], time_zone: str, now: datetime
    ) -> tuple[WriteCounts, list[Refusal]]: ...
    async def any(self) -> bool: ...
    async def delete(self, external_ids: Sequence[str]) -> int: ...
    async def settle(self, now: datetime) -> int: ...
    async def move_days(self, time_zone: str) -> None: ...


class Reports(Protocol):
    """Windows of purchases, aggregated in the store."""

    async def cells(self, span: Span) -> list[Cell]: ...
    async def labels(self, span: Span, festive: DayRanges) -> list[LabelSums]: ...
    async def any_purchase(self, span: Span) -> bool: ...
    async def cuts(self, span: Span) -> Cuts: ...
    async def window_totals(self, customers: Sequence[int], span: Span) -> Mapping[int, WindowTotals]: ...
    async def customers_of(
        self, span: Span, cuts: Cuts, scores: Sequence[tuple[int, int, int]], request: PageRequest
    ) -> Page[CustomerRecord]: ...
    async def classification_facts(
        self, customers: Sequence[int] | None, span: ClassificationSpan
    ) -> Mapping[int, ClassificationFacts]: ...
    async def day_bounds(self) -> tuple[int, int] | None: ...
    async def wrong_totals(self) -> int: ...


class Classified(Protocol):
    """Customers of one business as classifiers of one's own see them."""

    def batches(
        self,
        span: ClassificationSpan,
        settings: ClassificationSettings,
        decimals: int,
        classifiers: Classifiers,
        customers: Sequence[int] | None = None,
    ) -> AsyncIterator[ClassifiedBatch]: ...
    async def counts(
        self, span: ClassificationSpan, settings: ClassificationSettings, decimals: int, classifiers: Classifiers
    ) -> list[tuple[str, str, int]]: ...


class ReadUnit(Protocol):
    """One state of one business."""

    @property
    def business(self) -> Business: ...
    @property
    def customers(self) -> Customers: ...
    @property
    def purchases(self) -> Purchases: ...
    @property
    def reports(self) -> Reports: ...
    @property
    def classified(self) -> Classified: ...


class WriteUnit(ReadUnit, Protocol):
    """The one write transaction of a business: its change number is raised, its instant never goes back."""

    @property
    def instant(self) -> datetime:
        """When this unit's changes are said to happen."""
        ...

    async def data_changed(self) -> None:
        """Purchases, customers or settings changed: the change number becomes the data version."""
        ...

    async def audit(self, event: "AuditEvent") -> None:
        """Keep who did what, in this transaction."""
        ...

    async def save_settings(self, changes: Mapping[str, object]) -> None:
        """Change columns of the business itself."""
        ...


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Who did what to whom and how it ended; `detail` holds counts and ids, never secrets. `subject` is the kind and
    the id of what was changed, where that is one thing."""

    actor: str
    action: str
    outcome: str = "DONE"
    request_id: str | None = None
    detail: Mapping[str, object] = field(default_factory=dict)
    subject: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Actor:
    """Who writes: a subject, and the request it came with."""

    name: str
    request_id: str | None = None


class Store(Protocol):
    """Every business's data."""

    def read(self, business: Business) -> AbstractAsyncContextManager[ReadUnit]: ...
    def write(self, business: Business) -> AbstractAsyncContextManager[WriteUnit]: ...
    async def businesses(self) -> list[Business]: ...
    async def business(self, key: str) -> tuple[Business, bool] | None:
        """The business, and whether purchases of it wait to be counted because their instant has passed."""
        ...

    async def create_business(self, business: Business, now: datetime) -> Business: ...
    async def ready(self) -> bool: ...


SENTENCES = {
    "FOREIGN": ("INVALID", "externalId belongs to another customer's purchase"),
    "ERASED": ("ERASED", "this customer was erased"),
}


def problem_of(field: str, refusal: Refusal) -> FieldProblem:
    """The user error of one refused item."""
    code, sentence = SENTENCES[refusal.code]
    return FieldProblem(("input", str(refusal.index), field), sentence, code)
