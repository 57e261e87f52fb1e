"""RFM scores and the named groups of both schemes: tables and integer arithmetic; no floating point decides a score.
R = 5 - floor(5*age/days). F and M = 1 + floor(5*less/n), where `less` counts the customers with a strictly smaller
value; equivalently 1 + the number of cut values smaller than the value, cut k being the sorted value at position
ceil(k*n/5). Equal customers therefore always score equally. A score is one more than how many of four conditions hold;
these are written once, for numbers and for the columns of a statement, which compare alike.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from domain.calendar import Span
from domain.classification.groups import GroupKind, Meaning
from domain.model import Business


class RfmScheme(StrEnum):
    """Which set of named groups."""

    EIGHT_SEGMENT = "EIGHT_SEGMENT"
    ELEVEN_SEGMENT = "ELEVEN_SEGMENT"


@dataclass(frozen=True, slots=True)
class RfmClass(GroupKind):
    """A named group of the RFM report."""

    dimension: str = "rfm"


@dataclass(frozen=True, slots=True)
class Score:
    """Recency, frequency and monetary, each 1 to 5."""

    recency: int
    frequency: int
    monetary: int

    @property
    def digits(self) -> str:
        """The three digits, such as "555"."""
        return f"{self.recency}{self.frequency}{self.monetary}"


class Metric(StrEnum):
    """What one of the three scores is of."""

    RECENCY = "RECENCY"
    FREQUENCY = "FREQUENCY"
    MONETARY = "MONETARY"


Bounds = tuple[int | None, int | None]
"""The lowest and the highest value that has a score, both included; None where there is no such bound."""


@dataclass(frozen=True, slots=True)
class Quintiles:
    """The four cut values of orders and of spend in one window, with the size of its population."""

    orders: tuple[int, ...]
    spend: tuple[int, ...]
    population: int


WATCHED = ("Need Attention", "Needs Attention", "Almost Lost")
LOST = ("At Risk", "Hibernating", "Previously Loyal", "Dormant")


def _find_meaning(name: str) -> Meaning:
    """Whoever cools is to be watched, whoever stopped is lost, and all others that have a name are wanted."""
    return Meaning.WATCH if name in WATCHED else Meaning.BAD if name in LOST else Meaning.GOOD


def _make_eight(name: str, code: str, description: str, profile: str, *actions: str) -> RfmClass:
    scores = (int(code[1]), int(code[3]), int(code[5]))
    return RfmClass(name, code, description, profile, actions, scores, meaning=_find_meaning(name))


def _make_eleven(name: str, description: str, *actions: str) -> RfmClass:
    code = name.upper().replace(" ", "_")
    return RfmClass(name, code, description, None, actions, None, meaning=_find_meaning(name))


EIGHT: tuple[RfmClass, ...] = (
    _make_eight(
        "Champions",
        "R5F5M5",
        "Recent, frequent, high spenders",
        "Best customers, high value, highly engaged",
        "Offer VIP loyalty perks",
        "Invite to referral programs",
        "Early access to new collections",
    ),
    _make_eight(
        "Loyal Customers",
        "R4F4M4",
        "Consistent, reliable purchasers",
        "Regular high-value customers",
        "Cross-sell complementary products",
        "Provide exclusive deals",
        "Gather feedback for product development",
    ),
    _make_eight(
        "Potential Loyalists",
        "R4F2M3",
        "Recent customers with growth potential",
        "Growing engagement, medium to high value",
        "Onboarding nurture campaigns",
        "Educational content series",
        "Limited-time incentives",
    ),
    _make_eight(
        "Promising",
        "R3F2M2",
        "Moderate engagement, can be developed",
        "Moderate activity, development opportunity",
        "Encourage repeat purchases",
        "Highlight popular items",
        "Moderate discount offers",
    ),
    _make_eight(
        "At Risk",
        "R2F2M3",
        "Previously loyal but recent activity dipping",
        "Was valuable, now declining",
        "Send win-back offers",
        "Trigger churn prevention drip",
        "Survey to understand drop-off",
    ),
    _make_eight(
        "Need Attention",
        "R2F3M3",
        "Valuable customers showing warning signs",
        "Regular customers with warning signs",
        "Personalized re-engagement emails",
        "Loyalty program reminders",
        "Special occasion outreach",
    ),
    _make_eight(
        "New Customers",
        "R5F1M1",
        "Recently acquired, low frequency",
        "Very recent first-time buyers",
        "Welcome series automation",
        "First-purchase follow-up",
        "Product recommendations",
    ),
    _make_eight(
        "Hibernating",
        "R1F1M2",
        "Low engagement across all metrics",
        "Inactive, low engagement",
        "Deep discount win-back",
        "Re-activation campaign",
        "Sunset messaging if unresponsive",
    ),
)
EIGHT_BOXES = (
    ((4, 5), (4, 5), (4, 5)),
    ((3, 5), (3, 5), (3, 5)),
    ((4, 5), (2, 3), (2, 5)),
    ((3, 3), (2, 2), (2, 3)),
    ((1, 2), (2, 5), (3, 5)),
    ((1, 2), (3, 5), (2, 2)),
    ((4, 5), (1, 1), (1, 5)),
    ((1, 2), (1, 2), (1, 2)),
)
"""The lowest and the highest recency, frequency and monetary score of each of EIGHT; the first box that fits counts."""
UNCLASSIFIED = RfmClass(
    "Unclassified",
    "OTHER",
    "Matches none of the named groups",
    None,
    ("Review the customers", "Compare with the eleven-segment scheme", "Refine with a rule segment"),
    None,
)
ELEVEN: tuple[RfmClass, ...] = (
    _make_eleven("Champions", "Best and most recent", "VIP perks", "Referrals", "Early access"),
    _make_eleven("Loyal", "Buy often and well", "Cross-sell", "Exclusive deals", "Ask for feedback"),
    _make_eleven("Active", "Recent and regular", "Loyalty programme", "Bundles", "Personal recommendations"),
    _make_eleven("New", "Just arrived", "Welcome series", "First-purchase follow-up", "Recommendations"),
    _make_eleven("Promising", "Recent but light", "Repeat-purchase incentives", "Popular items", "Small discounts"),
    _make_eleven("Needs Attention", "Middling and cooling", "Personal offers", "Reminders", "Special occasions"),
    _make_eleven("Almost Lost", "Light and cooling", "Win-back offer", "Survey", "Limited-time deal"),
    _make_eleven("Previously Loyal", "Were the best and stopped", "Personal contact", "Win-back gift", "Ask why"),
    _make_eleven("At Risk", "Were regular and stopped", "Win-back offers", "Churn prevention", "Survey"),
    _make_eleven("Dormant", "Long gone", "Deep discount", "Re-activation campaign", "Sunset"),
)
# Names by recency and the band of (F+M)/2: high from 4, mid from 2.5, low.
ELEVEN_BY_RECENCY = {
    5: ("Champions", "Active", "New"),
    4: ("Loyal", "Active", "Promising"),
    3: ("Loyal", "Needs Attention", "Almost Lost"),
    2: ("Previously Loyal", "At Risk", "Dormant"),
    1: ("Previously Loyal", "At Risk", "Dormant"),
}
_ELEVEN_BY_NAME = {group.name: group for group in ELEVEN}
CUTS = range(1, 5)
"""The four bounds between five scores, k each."""
GROWING = {
    RfmScheme.EIGHT_SEGMENT: ("Potential Loyalists", "Promising", "New Customers"),
    RfmScheme.ELEVEN_SEGMENT: ("Active", "Promising", "New"),
}
WORRYING = {
    RfmScheme.EIGHT_SEGMENT: ("At Risk", "Need Attention", "Hibernating"),
    RfmScheme.ELEVEN_SEGMENT: ("Needs Attention", "At Risk", "Almost Lost"),
}


def list_scheme_groups(scheme: RfmScheme) -> tuple[RfmClass, ...]:
    """The named groups of the scheme, in table order, without Unclassified."""
    return EIGHT if scheme is RfmScheme.EIGHT_SEGMENT else ELEVEN


def find_group(score: Score, scheme: RfmScheme) -> RfmClass:
    """The group that the scheme gives a score; UNCLASSIFIED where the eight-segment scheme names none."""
    if scheme is RfmScheme.EIGHT_SEGMENT:
        return find_eight_segment_group(score.recency, score.frequency, score.monetary)
    return find_eleven_segment_group(score.recency, score.frequency, score.monetary)


@cache
def find_eight_segment_group(r: int, f: int, m: int) -> RfmClass:
    """The first group in the table's order whose box holds the scores."""
    for group, box in zip(EIGHT, EIGHT_BOXES, strict=True):
        if all(low <= score <= high for score, (low, high) in zip((r, f, m), box, strict=True)):
            return group
    return UNCLASSIFIED


def find_eleven_segment_group(r: int, f: int, m: int) -> RfmClass:
    """Covers all 125 cells: recency and the band of f + m, doubled to stay whole."""
    band = 0 if f + m >= 8 else 1 if f + m >= 5 else 2
    return _ELEVEN_BY_NAME[ELEVEN_BY_RECENCY[r][band]]


def build_rfm_span(business: Business, today: int) -> Span:
    """The window of a customer's own scores: the business's `rfm_days` up to today."""
    return Span(today - business.settings.rfm_days + 1, today)


def score_recency(age: int, days: int) -> int:
    """Score of an age in days, 0 to days - 1, in a window of `days`: a fifth of the window each."""
    return 1 + build_recency_conditions(-age, 0, days).count(True)


def build_recency_conditions(day: Any, last_day: Any, days: int) -> list[Any]:
    """For k = 1…4, whether a day of the `days` up to `last_day` scores more than k."""
    return [day >= floor for floor in compute_recency_floors(last_day, days)]


def compute_recency_floors(last_day: Any, days: int) -> tuple[Any, Any, Any, Any]:
    """For k = 1…4, the earliest day number whose score is more than k: 5*age < (5-k)*days, solved for the day."""
    return tuple(last_day - ((5 - k) * days - 1) // 5 for k in CUTS)


def compute_cut_values(ascending: Sequence[int]) -> tuple[int, ...]:
    """The four cut values of a sorted population; none where it is empty."""
    n = len(ascending)
    return tuple(ascending[compute_cut_place(k, n) - 1] for k in CUTS) if n else ()


def compute_cut_place(k: int, n: Any) -> Any:
    """The position of cut k among n sorted values, counted from 1: ceil(k*n/5)."""
    return (k * n + 4) // 5


def reaches_cut(k: int, count: Any, n: Any) -> Any:
    """Whether so many of n are k fifths or more: of positions, whether it is that of cut k or a later one; of the
    number of smaller values, whether the score is more than k. The same as compute_cut_place, without a division."""
    return 5 * count >= k * n


def score_rank(value: int, quintiles: Sequence[int]) -> int:
    """1 + the number of cut values smaller than the value."""
    return 1 + build_rank_conditions(value, quintiles).count(True)


def build_rank_conditions(value: Any, quintiles: Iterable[Any]) -> list[Any]:
    """Of each cut value, whether it is smaller than the value."""
    return [value > cut for cut in quintiles]


def find_recency_bounds(score: int, days: int) -> Bounds:
    """The ages in days that have the score in a window of `days`. Whoever bought only before it scores 1, so that there
    is no age too old."""
    oldest = [-floor for floor in compute_recency_floors(0, days)]
    return oldest[score - 1] + 1 if score < 5 else 0, oldest[score - 2] if score > 1 else None


def find_rank_bounds(score: int, quintiles: Sequence[int]) -> Bounds:
    """The values that have the score, which somebody has: of other scores the cut values may leave none. There are no
    bounds without cut values."""
    if not quintiles:
        return None, None
    return quintiles[score - 2] + 1 if score > 1 else None, quintiles[score - 1] if score < 5 else None
