"""The segments of the demo shop: one of every kind of definition, and one by hand."""

from decimal import Decimal

from domain.criteria import RfmConfig, SegmentCriteria
from domain.segment_checks import Draft
from domain.segment_model import Definition, SegmentKind

VIP = "vip"
VIP_CHANGES = ((0, "put in", range(1, 13)), (21, "put in", range(40, 44)), (42, "take out", range(3, 6)))
"""Days since the history began, what was done then, and to which customers by their numbers."""

DRAFTS = (
    Draft(
        "Big spenders",
        description="More than LKR 150,000 in all.",
        definition=Definition(rules={">": [{"var": "total_revenue"}, 150_000]}),
    ),
    Draft(
        "High value",
        description="A good name with the shop, and worth it.",
        definition=Definition(
            criteria=SegmentCriteria(
                min_lifetime_value=Decimal(100_000), min_orders=5, loyalty_levels=("GOLD", "PLATINUM")
            )
        ),
    ),
    Draft(
        "At risk",
        description="Came now and then, and has not come for a quarter.",
        definition=Definition(criteria=SegmentCriteria(min_days_since_last_purchase=90, max_purchase_frequency=0.5)),
    ),
    Draft(
        "New",
        description="Here for a month at most.",
        definition=Definition(criteria=SegmentCriteria(max_tenure_days=30, min_orders=1)),
    ),
    Draft(
        "Best customers",
        description="Recent, frequent and valuable, by their scores.",
        definition=Definition(rfm_config=RfmConfig("444", "555")),
    ),
    Draft(
        "Kids of late",
        description="Bought for children in the last half year.",
        definition=Definition(
            rules={
                "some": [
                    {"var": "purchases.lines"},
                    {"and": [{"==": [{"var": "category"}, "Kids"]}, {"<": [{"var": "days_ago"}, 180]}]},
                ]
            }
        ),
    ),
    Draft(
        "Big spenders who stay away",
        description="A segment of another one; calculated when it is asked for.",
        is_dynamic=False,
        definition=Definition(
            rules=[
                {"in": ["big-spenders", {"var": "segments"}]},
                {">=": [{"var": "days_since_last_purchase"}, 60]},
            ]
        ),
    ),
    Draft("VIP", kind=SegmentKind.MANUAL, key=VIP, description="Chosen by the manager."),
)
