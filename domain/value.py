"""Groups by spend in the window. With p the share of customers who spent strictly less, High Value has p >= 0.8 and Low
Value p < 0.2: exactly the customers of the highest and the lowest monetary score, so whole numbers decide."""

from domain.group_kind import GroupKind

DIMENSION = "value"


def _kind(name: str, description: str, profile: str, *actions: str) -> GroupKind:
    code = name.removesuffix(" Value").upper()
    return GroupKind(name, code, description, profile, actions, None, DIMENSION)


VALUES: tuple[GroupKind, ...] = (
    _kind(
        "High Value",
        "Spend more than four fifths of the customers",
        "Carry the revenue, worth personal care",
        "Offer VIP service and perks",
        "Give early access to new collections",
        "Ask for referrals and reviews",
    ),
    _kind(
        "Medium Value",
        "Spend like most customers",
        "Steady spend with room to grow",
        "Cross-sell complementary products",
        "Offer bundles just above the usual order",
        "Show the next loyalty level and what it brings",
    ),
    _kind(
        "Low Value",
        "Spend less than four fifths of the customers",
        "Small or single orders",
        "Introduce the most popular items",
        "Offer a small discount on the next purchase",
        "Keep to channels that cost little",
    ),
)


def value_of(monetary: int) -> GroupKind:
    """The group of a monetary score, 1 to 5."""
    return VALUES[0] if monetary == 5 else VALUES[2] if monetary == 1 else VALUES[1]
