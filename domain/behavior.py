"""Groups by behaviour: what customers buy, where and when. Each dimension covers the population once; categories and
channels come from the data, the other labels are always there."""

from domain.group_kind import GroupKind

CATEGORY, CHANNEL, SEASON = "category", "channel", "season"
DIMENSIONS = (CATEGORY, CHANNEL, SEASON)
DOMINANT_PERCENT = 70
FESTIVE_PERCENT = 80
MIXED, OMNICHANNEL, UNKNOWN, FESTIVE, YEAR_ROUND = "Mixed", "Omnichannel", "Unknown", "Festive", "Year-round"


def _kind(dimension: str, name: str, description: str, profile: str, *actions: str) -> GroupKind:
    return GroupKind(name, f"{dimension.upper()}:{name}", description, profile, actions, None, dimension)


FIXED: tuple[GroupKind, ...] = (
    _kind(
        CATEGORY,
        MIXED,
        "Buy across categories",
        f"No category has {DOMINANT_PERCENT} % of the lines",
        "Recommend from the whole range",
        "Offer bundles across categories",
        "Ask for preferences to learn more",
    ),
    _kind(
        CHANNEL,
        OMNICHANNEL,
        "Buy in more than one channel",
        "Not all purchases in one channel",
        "Keep offers the same in every channel",
        "Offer to order online and collect in store",
        "Learn which channel starts a purchase",
    ),
    _kind(
        CHANNEL,
        UNKNOWN,
        "No channel is recorded",
        "None of the purchases says its channel",
        "Record the channel with every purchase",
        "Ask where customers prefer to buy",
        "Use channels that reach everybody",
    ),
    _kind(
        SEASON,
        FESTIVE,
        "Buy in festive periods",
        f"At least {FESTIVE_PERCENT} % of the purchases in festive periods",
        "Start festive campaigns early",
        "Offer gift sets and gift cards",
        "Give a reason to come back between the festivals",
    ),
    _kind(
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


def behavior_kind(dimension: str, label: str) -> GroupKind:
    """The group of a label in a dimension."""
    fixed = _FIXED.get((dimension, label))
    if fixed is not None:
        return fixed
    if dimension == CATEGORY:
        return _kind(
            CATEGORY,
            label,
            f"Prefer {label}",
            f"At least {DOMINANT_PERCENT} % of the lines in {label}",
            f"Show what is new in {label}",
            f"Recommend what goes with {label}",
            f"Offer early access to sales in {label}",
        )
    return _kind(
        CHANNEL,
        label,
        f"Buy by the channel {label}",
        f"All purchases by the channel {label}",
        f"Offer what is only to be had by the channel {label}",
        f"Make buying by the channel {label} easier",
        "Introduce another channel with a first-order offer",
    )
