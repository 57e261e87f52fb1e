"""What a rule may use: every variable of a customer, of a purchase and of a purchase line, with its kind, unit, meaning
and an example. The catalogue is the only list of names; what is not in it is refused."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from domain.model import AttributeKinds


class Kind(StrEnum):
    """What a value is. NOTHING is the literal null."""

    BOOLEAN = "boolean"
    NUMBER = "number"
    TEXT = "text"
    INSTANT = "instant"
    NOTHING = "nothing"


MONEY, DAYS, ORDERS = "money", "days", "orders"


@dataclass(frozen=True, slots=True)
class VariableInfo:
    """One variable. `phrase` is what sentences call it; a value that cannot be missing is not `nullable`."""

    name: str
    kind: Kind
    description: str
    phrase: str
    example: object
    unit: str | None = None
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class ListInfo:
    """A list whose elements a rule may look at, and what each has; `phrase` and `plural` are what sentences say."""

    name: str
    description: str
    phrase: str
    plural: str
    example: object
    variables: Mapping[str, VariableInfo]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The names of one language: variables of the customer, lists with their elements, and the list of segment keys."""

    variables: Mapping[str, VariableInfo]
    lists: Mapping[str, ListInfo] = field(default_factory=dict)
    memberships: str | None = None


N, T, AT, B = Kind.NUMBER, Kind.TEXT, Kind.INSTANT, Kind.BOOLEAN


def _index_by_name(*infos: VariableInfo) -> dict[str, VariableInfo]:
    return {info.name: info for info in infos}


CUSTOMER = _index_by_name(
    VariableInfo("external_id", T, "Customer id of the shop.", "the shop's id", "C-1001", nullable=False),
    VariableInfo("name", T, "Name of the customer.", "what the customer is called", "Nimal Perera"),
    VariableInfo("email", T, "Email address of the customer.", "the mail address", "nimal@example.com"),
    VariableInfo("phone", T, "Phone number of the customer.", "the number to call", "+94 77 123 4567"),
    VariableInfo("country", T, "Country of the customer, as the shop states it.", "the land of residence", "LK"),
    VariableInfo("city", T, "City of the customer.", "the town of residence", "Colombo"),
    VariableInfo("loyalty_level", T, "Loyalty level, as the shop states it.", "the loyalty level", "GOLD"),
    VariableInfo("registered_at", AT, "When the customer registered.", "the registration", "2024-01-31"),
    VariableInfo("erased", B, "Whether the customer was erased.", "the mark of erasure", False, nullable=False),
    VariableInfo("order_count", N, "Number of qualifying purchases.", "the number of orders", 5, ORDERS, False),
    VariableInfo("total_revenue", N, "Sum of all qualifying purchases.", "total revenue", 1000, MONEY, False),
    VariableInfo("average_order_value", N, "Total revenue divided by orders.", "the average order value", 250, MONEY),
    VariableInfo("first_purchase_at", AT, "When the first purchase was.", "the first purchase", "2023-04-01"),
    VariableInfo("last_purchase_at", AT, "When the last purchase was.", "the last purchase", "2024-05-31T18:00:00Z"),
    VariableInfo(
        "days_since_last_purchase",
        N,
        "Local dates from the last purchase to today.",
        "the last purchase's age",
        90,
        DAYS,
    ),
    VariableInfo(
        "purchase_frequency",
        N,
        "Purchases per 30 days from the first one to now, over at least 30 days.",
        "the purchase frequency",
        0.5,
        "orders per 30 days",
        False,
    ),
    VariableInfo("tenure_days", N, "Days since the registration or else the first purchase.", "tenure", 30, DAYS),
    VariableInfo("rfm_segment", T, "The three RFM scores together.", "the RFM score", "555"),
    VariableInfo("rfm_segment_name", T, "Name of the RFM group of eight, or Unclassified.", "the RFM group", "At Risk"),
    VariableInfo("recency_score", N, "Recency score, 5 is most recent.", "the recency score", 4, "score 1 to 5"),
    VariableInfo("frequency_score", N, "Frequency score, 5 is most orders.", "the frequency score", 4, "score 1 to 5"),
    VariableInfo("monetary_score", N, "Monetary score, 5 is most spend.", "the monetary score", 4, "score 1 to 5"),
    VariableInfo(
        "purchase_frequency_label", T, "New, Loyal, Lapsed, Seasonal or Regular.", "the buying pattern", "Loyal"
    ),
    VariableInfo("spending_label", T, "High, Medium or Low Value.", "the spending level", "High Value"),
    VariableInfo("category_label", T, "The category that dominates, Family or Mixed.", "the favourite", "Kids"),
)
RANKED = frozenset({"rfm_segment", "rfm_segment_name", "recency_score", "frequency_score", "monetary_score"})
"""The variables for which what one customer does can change what another has."""
_STATUS = VariableInfo(
    "status", T, "COMPLETED, PARTIAL, PENDING, REFUNDED or CANCELLED.", "the order's state", "COMPLETED", None, False
)
PURCHASE = _index_by_name(
    VariableInfo("amount", N, "Amount of the purchase.", "its value", 500, MONEY, False),
    VariableInfo("days_ago", N, "Local dates from the purchase to today.", "its age", 30, DAYS, False),
    VariableInfo("purchased_at", AT, "When the purchase was.", "its time", "2024-05-31", nullable=False),
    VariableInfo("storefront", T, "Key of the storefront.", "the shop it came through", "colombo"),
    VariableInfo("channel", T, "Channel of the purchase.", "the way it was ordered", "web"),
    _STATUS,
)
LINES = ("purchases.lines", "all_purchases.lines")
OF_EVERY_STATUS = ("all_purchases", "all_purchases.lines")
LINE = PURCHASE | _index_by_name(
    VariableInfo("amount", N, "Amount of the line, below 0 for a refund line.", "its value", 120, MONEY, False),
    replace(_STATUS, description="Status of the line: its own, else its order's.", phrase="its state"),
    VariableInfo("category", T, "Category of the line.", "its kind of goods", "Kids"),
    VariableInfo("product", T, "Product of the line, as the shop names it.", "its article", "Sarong, blue"),
    VariableInfo("sku", T, "Stock-keeping unit of the line.", "its article number", "SAR-BLU-M"),
    VariableInfo("quantity", N, "Quantity of the line.", "its number of pieces", 2),
)
_SOME = {"some": [{"var": "purchases"}, {"<": [{"var": "days_ago"}, 30]}]}
LISTS = {
    info.name: info
    for info in (
        ListInfo(
            "purchases",
            "Qualifying purchases: completed or partial.",
            "qualifying order",
            "qualifying orders",
            _SOME,
            PURCHASE,
        ),
        ListInfo(
            "all_purchases",
            "Purchases of every status up to now.",
            "order of any state",
            "orders of any state",
            {"none": [{"var": "all_purchases"}, {"==": [{"var": "status"}, "REFUNDED"]}]},
            PURCHASE,
        ),
        ListInfo(
            "purchases.lines",
            "Bought lines of the qualifying purchases: their own status qualifies, their amount is not below 0.",
            "line of a qualifying order",
            "lines of qualifying orders",
            {"some": [{"var": "purchases.lines"}, {"==": [{"var": "category"}, "Kids"]}]},
            LINE,
        ),
        ListInfo(
            "all_purchases.lines",
            "All lines of purchases of every status up to now.",
            "line of an order of any state",
            "lines of orders of any state",
            {"some": [{"var": "all_purchases.lines"}, {"==": [{"var": "status"}, "CANCELLED"]}]},
            LINE,
        ),
    )
}
CATALOGUE = Catalogue(CUSTOMER, LISTS, "segments")
ATTRIBUTE = "attributes."
"""What stands before the name of an attribute."""
EXAMPLES = {T: "blue", N: 42, B: True, AT: "2024-01-31"}


def describe_attribute(name: str, kind: Kind) -> VariableInfo:
    """The variable of an attribute, whose name in rules is given; it may be missing."""
    own = name.removeprefix(ATTRIBUTE)
    return VariableInfo(name, kind, "Attribute that the business named.", f"the attribute “{own}”", EXAMPLES[kind])


def build_catalogue(attributes: AttributeKinds) -> Catalogue:
    """What the rules of a business with these attributes may use."""
    if not attributes.customer:
        return CATALOGUE
    named = ((f"{ATTRIBUTE}{name}", Kind(kind.value)) for name, kind in sorted(attributes.customer.items()))
    return replace(CATALOGUE, variables=CUSTOMER | _index_by_name(*(describe_attribute(*each) for each in named)))
