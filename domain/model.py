"""The nouns of the business as frozen values. Entities leave the store as these; rows never do. Money is an integer in
minor units of the business's currency (`domain.money` turns it into Decimal), instants are aware UTC datetimes, days
are `date.toordinal()` numbers in the business's time zone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any


class PurchaseStatus(StrEnum):
    """How far an order got. The order here is the order of precedence where rows of one order differ."""

    COMPLETED = "COMPLETED"
    PARTIAL = "PARTIAL"
    PENDING = "PENDING"
    REFUNDED = "REFUNDED"
    CANCELLED = "CANCELLED"


STATUS_ORDER = tuple(PurchaseStatus)
QUALIFYING = (PurchaseStatus.COMPLETED, PurchaseStatus.PARTIAL)


class Permission(StrEnum):
    """What a token allows: view for every read, edit for every write."""

    VIEW = "customers:view"
    EDIT = "customers:edit"


class SegmentKind(StrEnum):
    """How a segment gets its members: from its definition, or by hand."""

    AUTOMATIC = "AUTOMATIC"
    MANUAL = "MANUAL"


class SegmentSort(StrEnum):
    """What a list of segments is ordered by."""

    NAME = "NAME"
    CREATED_AT = "CREATED_AT"
    LAST_CALCULATED = "LAST_CALCULATED"
    MEMBER_COUNT = "MEMBER_COUNT"


class CustomerSort(StrEnum):
    """What a list of customers is ordered by."""

    EXTERNAL_ID = "EXTERNAL_ID"
    NAME = "NAME"
    TOTAL_REVENUE = "TOTAL_REVENUE"
    ORDER_COUNT = "ORDER_COUNT"
    LAST_PURCHASE_AT = "LAST_PURCHASE_AT"


@dataclass(frozen=True, slots=True)
class BusinessSettings:
    """The settings in effect: windows in days, what the server does by itself, where files go. `stored` is all that
    differs from the defaults, as JSON has it and as it is written back: also thresholds and forms of imports, which
    their rooms read, and names that this program does not know."""

    rfm_days: int = 365
    inactive_days: int = 90
    follow_purchases: bool = True
    output_dir: str | None = None
    output_filename: str = "customer_segmentation.json"
    classify_every: str | None = None
    scheduled_reports: Sequence[Mapping[str, object]] = field(default=(), hash=False)
    # Compared and not hashed, as JSON cannot be: what rooms understand of it is kept by the settings as a whole.
    stored: Mapping[str, object] = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, stored: Mapping[str, object]) -> "BusinessSettings":
        """What is stored, and defaults for what is absent."""
        own: dict[str, Any] = {name: value for name, value in stored.items() if name in OWN_SETTINGS}
        return cls(**own, stored=stored)


OWN_SETTINGS = frozenset(one.name for one in fields(BusinessSettings)) - {"stored"}


class AttributeKind(StrEnum):
    """What the values of an attribute are; an instant is also given as a date, which is its local midnight."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    INSTANT = "instant"


AttributeValue = str | Decimal | bool | datetime


@dataclass(frozen=True, slots=True)
class AttributeKinds:
    """The attributes that a business knows, by name, of customers and of purchases."""

    customer: Mapping[str, AttributeKind] = field(default_factory=dict, hash=False)
    purchase: Mapping[str, AttributeKind] = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, stored: Mapping[str, Mapping[str, str]]) -> "AttributeKinds":
        """What `as_json` wrote down."""
        own = {owner: {name: AttributeKind(kind) for name, kind in kinds.items()} for owner, kinds in stored.items()}
        return cls(**own)

    def as_json(self) -> dict[str, dict[str, str]]:
        """The kinds by owner and name."""
        return {"customer": dict(self.customer), "purchase": dict(self.purchase)}


NO_ATTRIBUTES = AttributeKinds()


@dataclass(slots=True)
class Freshness:
    """How new what one request reads must be where a replica may answer: of at least that change, which grows with what
    is read; once the store itself had to answer, all that follows is `from_store`."""

    change_number: int
    from_store: bool = False


@dataclass(frozen=True, slots=True)
class Business:
    """The tenant: every row belongs to one. `last_instant` is that of the newest write when it was read; `as_of` the
    one that read units answer questions about members for, None being the present. `secret` keys the digests that ids
    are made of. Only with `freshness` may a replica answer."""

    id: int
    key: str
    name: str
    currency: str
    time_zone: str
    settings: BusinessSettings
    settings_version: int
    data_version: int
    change_number: int
    history_from: datetime | None = None
    last_instant: datetime | None = None
    as_of: datetime | None = None
    secret: str = field(default="", repr=False)
    attributes: AttributeKinds = NO_ATTRIBUTES
    freshness: Freshness | None = field(default=None, compare=False, repr=False)

    def allow_replica(self) -> "Business":
        """The same for one request that only reads: a replica that is as new may answer."""
        return replace(self, freshness=Freshness(self.change_number))

    def freeze_at(self, at: datetime | None = None) -> "Business":
        """The same at one moment, that of its newest write or a given one: whatever is read with it then tells of the
        same members, as every later write has a later instant."""
        return replace(self, as_of=at or self.last_instant)


@dataclass(frozen=True, slots=True)
class Storefront:
    """A place where the business sells."""

    id: int
    key: str
    name: str


ERASED_TEXT = "[erased]"
"""What is shown in place of what was erased."""


@dataclass(frozen=True, slots=True)
class Customer:
    """A buyer, known by `external_id`, which is unique in the business. One who was merged into another is only in the
    history."""

    id: int
    external_id: str
    name: str | None
    email: str | None
    loyalty_level: str | None
    registered_at: datetime | None
    erased: bool
    phone: str | None = None
    country: str | None = None
    city: str | None = None
    merged_into: int | None = None


@dataclass(frozen=True, slots=True)
class CustomerTotals:
    """The kept totals of one customer's qualifying purchases; revenue in minor units."""

    order_count: int
    revenue: int
    first_at: datetime | None
    last_at: datetime | None
    first_day: int | None
    last_day: int | None
    registered_day: int | None


@dataclass(frozen=True, slots=True)
class PurchaseLine:
    """One line of an order; amount in minor units, negative for a refund line; quantity in millionths."""

    category: str | None
    amount: int
    status: PurchaseStatus
    product: str | None = None
    sku: str | None = None
    quantity: int | None = None

    @property
    def bought(self) -> bool:
        """Whether the line was bought, where its purchase qualifies."""
        return self.status in QUALIFYING and self.amount >= 0


@dataclass(frozen=True, slots=True)
class Purchase:
    """One order; amount in minor units."""

    id: int
    customer_id: int
    external_id: str
    purchased_at: datetime
    status: PurchaseStatus
    amount: int
    storefront_id: int | None
    channel: str | None
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NewPurchase:
    """An order as a caller states it; amounts in minor units, values of attributes as those of customers."""

    customer_external_id: str
    external_id: str
    purchased_at: datetime
    amount: int
    status: PurchaseStatus
    storefront_key: str | None
    channel: str | None
    lines: tuple[PurchaseLine, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict, hash=False)


PROFILE_TEXTS = ("name", "email", "phone", "country", "city", "loyalty_level")
PROFILE = (*PROFILE_TEXTS, "registered_at")
"""What is kept of a customer beside id and attributes; each may be missing."""


@dataclass(frozen=True, slots=True)
class NewCustomer:
    """A customer as a caller states it; fields that are not in `given` keep what is stored. Of the attributes those
    named change, None clearing one; their values are JSON, or already of their kind."""

    external_id: str
    name: str | None = None
    email: str | None = None
    loyalty_level: str | None = None
    registered_at: datetime | None = None
    given: frozenset[str] = frozenset(PROFILE)
    phone: str | None = None
    country: str | None = None
    city: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class WriteCounts:
    """What a bulk write did, item by item."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0


MAXIMUM_TOKEN_NAME = 200
"""Characters of what a token names: its subject, its business, itself."""


def is_token_name(text: object) -> bool:
    """Whether a token can name that."""
    return isinstance(text, str) and 0 < len(text) <= MAXIMUM_TOKEN_NAME and text.isprintable()


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks: the token's subject, the key of its business, and what it permits."""

    subject: str
    business: str
    permissions: frozenset[str]
    issued_at: datetime
    expires_at: datetime
    token_id: str | None = None


@dataclass(frozen=True, slots=True)
class Revocation:
    """Tokens of one business that are worth nothing any more: the one of that id; or those issued before the instant,
    of the subject or, where it is None, of everybody."""

    token_id: str | None
    subject: str | None
    issued_before: datetime | None


@dataclass(frozen=True, slots=True)
class Window:
    """Exactly `days` local dates ending with `as_of`, which is included."""

    as_of: date
    days: int

    @property
    def last_day(self) -> int:
        """Day number of the window's last date."""
        return self.as_of.toordinal()

    @property
    def first_day(self) -> int:
        """Day number of the window's first date; may lie before the calendar's first day."""
        return self.as_of.toordinal() - self.days + 1

    @property
    def first(self) -> date:
        """The window's first date, as far as the calendar goes."""
        return date.fromordinal(max(self.first_day, 1))

    @property
    def previous(self) -> "Window | None":
        """The window of the same length just before; None where that lies before the calendar."""
        return Window(date.fromordinal(self.first_day - 1), self.days) if self.first_day > 1 else None


AuditTarget = tuple[str, int]
"""Kind and id of what was changed, such as ("Segment", 3)."""


class AuditOutcome(StrEnum):
    """How it ended, what the audit log tells of."""

    DONE = "DONE"
    REFUSED = "REFUSED"
    DENIED = "DENIED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One write, file or refused attempt, as the audit log holds it."""

    id: int
    at: datetime
    actor: str
    action: str
    outcome: AuditOutcome
    request_id: str | None
    subject: AuditTarget | None
    detail: Mapping[str, object] | None


LAST_QUALIFYING = 1
"""The rank of PARTIAL: rows of this status and below count."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who writes: a subject, the request it came with, and the Idempotency-Key of that, where it has one."""

    name: str
    request_id: str | None = None
    key: str | None = None
