"""What a group of a report is, whatever the method: its words and its code; codes are unique in a method, names only in
a dimension. Groups by value: with p the share of customers who spent strictly less, High Value has p >= 0.8 and Low
Value p < 0.2, exactly the customers of the highest and the lowest monetary score, so whole numbers decide. Groups by
behaviour: each dimension covers the population once; categories and channels come from the data, the other labels are
always there."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Cell:
    """All customers of one score: how many, their orders, spend in minor units, sum of ages in days."""

    recency: int
    frequency: int
    monetary: int
    customers: int
    orders: int
    spend: int
    ages: int


@dataclass(frozen=True, slots=True)
class LabelSums:
    """All customers of one label of a dimension: how many, their orders, spend in minor units, sum of ages in days."""

    dimension: str
    label: str
    customers: int
    orders: int
    spend: int
    ages: int


class Method(StrEnum):
    """How customers are grouped."""

    RFM = "RFM"
    VALUE = "VALUE"
    BEHAVIOR = "BEHAVIOR"


class Meaning(StrEnum):
    """What it says of a business that customers are in a group: more of the good is better, more of those to be
    watched, or of the bad, is worse; of the neutral it is neither."""

    GOOD = "good"
    WATCH = "watch"
    BAD = "bad"
    NEUTRAL = "neutral"


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
    meaning: Meaning = Meaning.NEUTRAL


DIMENSION = "value"


def _make_value_kind(name: str, description: str, profile: str, *actions: str) -> GroupKind:
    code = name.removesuffix(" Value").upper()
    meaning = Meaning.GOOD if code == "HIGH" else Meaning.NEUTRAL
    return GroupKind(name, code, description, profile, actions, None, DIMENSION, meaning)


VALUES: tuple[GroupKind, ...] = (
    _make_value_kind(
        "High Value",
        "Spend more than four fifths of the customers",
        "Carry the revenue, worth personal care",
        "Offer VIP service and perks",
        "Give early access to new collections",
        "Ask for referrals and reviews",
    ),
    _make_value_kind(
        "Medium Value",
        "Spend like most customers",
        "Steady spend with room to grow",
        "Cross-sell complementary products",
        "Offer bundles just above the usual order",
        "Show the next loyalty level and what it brings",
    ),
    _make_value_kind(
        "Low Value",
        "Spend less than four fifths of the customers",
        "Small or single orders",
        "Introduce the most popular items",
        "Offer a small discount on the next purchase",
        "Keep to channels that cost little",
    ),
)


def find_value_group(monetary: int) -> GroupKind:
    """The group of a monetary score, 1 to 5."""
    return VALUES[0] if monetary == 5 else VALUES[2] if monetary == 1 else VALUES[1]


CATEGORY, CHANNEL, SEASON = "category", "channel", "season"
DIMENSIONS = (CATEGORY, CHANNEL, SEASON)
DOMINANT_PERCENT = 70
FESTIVE_PERCENT = 80
MIXED, OMNICHANNEL, UNKNOWN, FESTIVE, YEAR_ROUND = "Mixed", "Omnichannel", "Unknown", "Festive", "Year-round"


def _make_behavior_kind(dimension: str, name: str, description: str, profile: str, *actions: str) -> GroupKind:
    return GroupKind(name, f"{dimension.upper()}:{name}", description, profile, actions, None, dimension)


FIXED: tuple[GroupKind, ...] = (
    _make_behavior_kind(
        CATEGORY,
        MIXED,
        "Buy across categories",
        f"No category has {DOMINANT_PERCENT} % of the lines",
        "Recommend from the whole range",
        "Offer bundles across categories",
        "Ask for preferences to learn more",
    ),
    _make_behavior_kind(
        CHANNEL,
        OMNICHANNEL,
        "Buy in more than one channel",
        "Not all purchases in one channel",
        "Keep offers the same in every channel",
        "Offer to order online and collect in store",
        "Learn which channel starts a purchase",
    ),
    _make_behavior_kind(
        CHANNEL,
        UNKNOWN,
        "No channel is recorded",
        "None of the purchases says its channel",
        "Record the channel with every purchase",
        "Ask where customers prefer to buy",
        "Use channels that reach everybody",
    ),
    _make_behavior_kind(
        SEASON,
        FESTIVE,
        "Buy in festive periods",
        f"At least {FESTIVE_PERCENT} % of the purchases in festive periods",
        "Start festive campaigns early",
        "Offer gift sets and gift cards",
        "Give a reason to come back between the festivals",
    ),
    _make_behavior_kind(
        SEASON,
        YEAR_ROUND,
        "Buy throughout the year",
        f"Less than {FESTIVE_PERCENT} % of the purchases in festive periods",
        "Keep a steady rhythm of news",
        "Offer subscriptions and reminders to reorder",
        "Invite to festive offers as an extra",
    ),
)
_FIXED = {(kind.dimension, kind.name): kind for kind in FIXED}


def find_behavior_group(dimension: str, label: str) -> GroupKind:
    """The group of a label in a dimension."""
    fixed = _FIXED.get((dimension, label))
    if fixed is not None:
        return fixed
    if dimension == CATEGORY:
        return _make_behavior_kind(
            CATEGORY,
            label,
            f"Prefer {label}",
            f"At least {DOMINANT_PERCENT} % of the lines in {label}",
            f"Show what is new in {label}",
            f"Recommend what goes with {label}",
            f"Offer early access to sales in {label}",
        )
    return _make_behavior_kind(
        CHANNEL,
        label,
        f"Buy by the channel {label}",
        f"All purchases by the channel {label}",
        f"Offer what is only to be had by the channel {label}",
        f"Make buying by the channel {label} easier",
        "Introduce another channel with a first-order offer",
    )
