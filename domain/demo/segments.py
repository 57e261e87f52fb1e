"""The segments of the demo shop: one of every kind of definition, one that grows, one that shrinks, and what was done
by hand to two of them, each so many days before now."""

from dataclasses import dataclass
from decimal import Decimal

from domain.demo.shop import CAMPAIGN, DEVOTED, SILENT_REGULARS, list_customers
from domain.rules.criteria import RfmConfig, SegmentCriteria
from domain.segments.model import Definition, SegmentKind
from domain.segments.validation import Draft

TOLD_DAYS = 84
"""For how long the segments have been there."""
VIP, WRITTEN_TO, QUIET, CALLED = "vip", "written-to", "quiet-regulars", "orders-by-phone"

DRAFTS = (
    Draft(
        "Big spenders",
        description="More than LKR 250,000 in all.",
        definition=Definition(rules={">": [{"var": "total_revenue"}, 250_000]}),
    ),
    Draft(
        "Best customers",
        description="Recent, frequent and valuable, by their scores.",
        definition=Definition(rfm_config=RfmConfig("444", "555")),
    ),
    Draft(
        "Loyal and of a high level",
        description="Five orders or more, worth LKR 100,000, and a card in gold or platinum.",
        definition=Definition(
            criteria=SegmentCriteria(
                min_lifetime_value=Decimal(100_000), min_orders=5, loyalty_levels=("GOLD", "PLATINUM")
            )
        ),
    ),
    Draft(
        "New this month",
        description="Here for a month at most; calculated on Monday mornings, before the week's letter is written.",
        definition=Definition(criteria=SegmentCriteria(max_tenure_days=30, min_orders=1)),
        schedule="30 6 * * 1",
    ),
    Draft(
        "Quiet regulars",
        key=QUIET,
        description="Bought often and well, and not for two months: write to them before they are gone.",
        definition=Definition(
            rules={"<=": [60, {"var": "days_since_last_purchase"}, 150]},
            criteria=SegmentCriteria(min_orders=5, min_lifetime_value=Decimal(100_000)),
        ),
    ),
    Draft(
        "Orders by phone",
        key=CALLED,
        description="Ordered by telephone in the last six weeks. Fewer do since there is the app.",
        definition=Definition(
            rules={
                "some": [
                    {"var": "purchases"},
                    {"and": [{"==": [{"var": "channel"}, "phone"]}, {"<=": [{"var": "days_ago"}, 42]}]},
                ]
            }
        ),
    ),
    Draft(
        "Kids' wear with a newsletter",
        description="Bought for children in the last half year, and reads the newsletter.",
        definition=Definition(
            rules=[
                {
                    "some": [
                        {"var": "purchases.lines"},
                        {"and": [{"==": [{"var": "category"}, "Kids"]}, {"<": [{"var": "days_ago"}, 180]}]},
                    ]
                },
                {"==": [{"var": "attributes.newsletter"}, True]},
            ]
        ),
    ),
    Draft("VIP", kind=SegmentKind.MANUAL, key=VIP, description="Chosen by the manager."),
    Draft(
        "Written to",
        kind=SegmentKind.MANUAL,
        key=WRITTEN_TO,
        description="Regulars who had fallen silent, and were sent a voucher to come back with.",
    ),
    Draft(
        "Won back",
        description="Were written to and have bought again.",
        definition=Definition(
            rules=[
                {"in": [WRITTEN_TO, {"var": "segments"}]},
                {"<": [{"var": "days_since_last_purchase"}, CAMPAIGN + 30]},
            ]
        ),
    ),
    Draft(
        "Abroad",
        description="Lives in another country; calculated when it is asked for.",
        is_dynamic=False,
        definition=Definition(rules={"!=": [{"var": "country"}, "Sri Lanka"]}),
    ),
)


@dataclass(frozen=True, slots=True)
class HandChange:
    """Customers put into a manual segment, or taken out of it, so many days before now."""

    days_ago: int
    segment: str
    customers: tuple[str, ...]
    entering: bool = True


_DEVOTED = tuple(list_customers(DEVOTED))
HAND_CHANGES = (
    HandChange(TOLD_DAYS, VIP, _DEVOTED[:12]),
    HandChange(42, VIP, _DEVOTED[20:24]),
    HandChange(CAMPAIGN, WRITTEN_TO, tuple(list_customers(SILENT_REGULARS))),
    HandChange(21, VIP, _DEVOTED[3:5], entering=False),
)
"""The oldest first."""
