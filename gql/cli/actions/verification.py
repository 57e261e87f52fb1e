"""What `segments verify` checks: the arithmetic, the response and the parameters without a store. Each compares what
the program does with what is written down here."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from functools import partial

from domain.calendar import check_days
from domain.classification.groups import Cell, Method
from domain.classification.rfm import (
    EIGHT,
    UNCLASSIFIED,
    RfmScheme,
    Score,
    compute_cut_values,
    find_eight_segment_group,
    find_eleven_segment_group,
    score_rank,
    score_recency,
)
from domain.errors import InvalidInput
from domain.model import Business, BusinessSettings, Window
from domain.reports.document import build_document
from domain.reports.insights import find_insights
from domain.reports.report import Report, choose_groups, group_cells
from domain.reports.reporting import build_report_key
from gql.composition import make_writers
from gql.file_formats import REPORT_FORMATS
from gql.parameters import METHODS, SCHEMES
from gql.settings import Settings

CELLS = [(r, f, m) for r in range(1, 6) for f in range(1, 6) for m in range(1, 6)]
# Name, code, and how many of the 125 cells it has.
GROUPS = [
    ("Champions", "R5F5M5", 8),
    ("Loyal Customers", "R4F4M4", 19),
    ("Potential Loyalists", "R4F2M3", 10),
    ("Promising", "R3F2M2", 2),
    ("At Risk", "R2F2M3", 24),
    ("Need Attention", "R2F3M3", 6),
    ("New Customers", "R5F1M1", 10),
    ("Hibernating", "R1F1M2", 8),
]
ELEVEN = {
    "Champions": 6,
    "Active": 26,
    "New": 6,
    "Loyal": 12,
    "Promising": 6,
    "Needs Attention": 13,
    "Almost Lost": 6,
    "Previously Loyal": 12,
    "At Risk": 26,
    "Dormant": 12,
}
# Ten customers of 90 days: age, orders, spend; score, name in the one scheme and in the other.
CUSTOMERS = {
    "Ada": (2, 9, 900, "555", "Champions", "Champions"),
    "Ben": (20, 7, 400, "454", "Champions", "Loyal"),
    "Cy": (40, 5, 300, "344", "Loyal Customers", "Loyal"),
    "Dee": (5, 3, 150, "533", "Loyal Customers", "Active"),
    "Eli": (60, 3, 150, "233", "At Risk", "At Risk"),
    "Fay": (10, 2, 80, "522", "Potential Loyalists", "New"),
    "Gus": (85, 2, 500, "125", "At Risk", "At Risk"),
    "Hal": (1, 1, 50, "511", "New Customers", "New"),
    "Ida": (50, 1, 50, "311", "Unclassified", "Almost Lost"),
    "Jo": (80, 1, 20, "111", "Hibernating", "Dormant"),
}
SHAPE = {
    "segment_name": str,
    "segment_code": str,
    "description": str,
    "customer_count": int,
    "total_revenue": float,
    "average_order_value": float | None,
    "recency_score": int,
    "frequency_score": int,
    "monetary_score": int,
    "characteristics": dict,
    "recommended_actions": list,
}


def verify_all() -> Iterator[tuple[str, bool]]:
    """What is checked, and whether it holds."""
    sizes = Counter(find_eight_segment_group(*cell).name for cell in CELLS)
    listed = [(group.name, group.code, sizes[group.name]) for group in EIGHT]
    yield "the eight groups: names, codes, order, cells", listed == GROUPS
    yield "the 125 cells: 87 in a group, 38 unclassified", sizes.total() == 125 and sizes[UNCLASSIFIED.name] == 38
    yield (
        "the eleven-segment scheme: all 125 cells",
        Counter(find_eleven_segment_group(*cell).name for cell in CELLS) == ELEVEN,
    )
    orders = compute_cut_values(sorted(row[1] for row in CUSTOMERS.values()))
    spend = compute_cut_values(sorted(row[2] for row in CUSTOMERS.values()))
    scores = {
        name: Score(score_recency(row[0], 90), score_rank(row[1], orders), score_rank(row[2], spend))
        for name, row in CUSTOMERS.items()
    }
    digits = {name: score.digits for name, score in scores.items()}
    yield "scoring of ten customers, ties included", digits == {name: row[3] for name, row in CUSTOMERS.items()}
    triples = {name: (score.recency, score.frequency, score.monetary) for name, score in scores.items()}
    named = {
        name: (find_eight_segment_group(*cell).name, find_eleven_segment_group(*cell).name)
        for name, cell in triples.items()
    }
    yield "naming of ten customers, both schemes", named == {name: row[4:] for name, row in CUSTOMERS.items()}

    report = _report()
    shop = Business(7, "shop", "Shop", "EUR", "UTC", BusinessSettings(), 1, 42, 43)
    writers = make_writers(Settings()).reports
    answer = json.loads(writers["json"](build_document(shop, None, report, None)))
    data = answer["data"]
    keys = ["method", "insights", "customer_count", "total_revenue", "segments", "unclassified"]
    shaped = list(data)[: len(keys)] == keys and all(
        list(row) == list(SHAPE) and all(isinstance(row[name], kind) for name, kind in SHAPE.items())
        for row in data["segments"]
    )
    yield "the response: keys, types, eight groups", shaped and len(data["segments"]) == 8
    parts = [*data["segments"], data["unclassified"]]
    sums = sum(part["customer_count"] for part in parts), sum(part["total_revenue"] for part in parts)
    yield "the groups and the unclassified add up", sums == (data["customer_count"], data["total_revenue"]) == (3, 9.1)
    rising = find_insights(report, report)
    insights = (rising.highest_revenue, rising.largest, rising.fastest_growing, rising.needs_attention)
    yield "insights", insights == ("Champions", "Champions", None, None)
    yield f"formats: table, {', '.join(REPORT_FORMATS)}", list(writers) == list(REPORT_FORMATS)

    key = build_report_key(shop, report.window, Method.RFM, 3, RfmScheme.EIGHT_SEGMENT)
    wanted = "customer_segmentation:7:2023-11-03:2024-01-31:rfm:3:eight_segment:42"
    yield "the cache key: business, window, method, storefront, scheme, data version", key == wanted
    yield (
        "parameters: methods, schemes",
        METHODS == ("rfm", "value", "behavior") and list(SCHEMES) == ["eight", "eleven"],
    )
    bounds = [check_days(days) for days in (1, 90, 9999)]
    outside = all(_is_refused(partial(check_days, days)) for days in (0, -1, 10_000))
    yield "parameters: days from 1 to 9999", bounds == [1, 90, 9999] and outside
    known = (*EIGHT, UNCLASSIFIED)
    picked = choose_groups(known, "at risk", None), choose_groups(known, None, "other")
    unknown = _is_refused(partial(choose_groups, known, "Dormant", None))
    yield (
        "parameters: names and codes of groups",
        picked == (frozenset({"R2F2M3"}), frozenset({"OTHER"})) and unknown,
    )


def _is_refused(call: Callable[[], object]) -> bool:
    try:
        call()
    except InvalidInput:
        return True
    return False


def _report() -> Report:
    cells = [Cell(5, 5, 5, 2, 9, 900, 3), Cell(4, 5, 1, 1, 4, 10, 20)]
    named, other = group_cells(cells, RfmScheme.EIGHT_SEGMENT)
    window, now = Window(date(2024, 1, 31), 90), datetime(2024, 1, 31, tzinfo=UTC)
    return Report(Method.RFM, RfmScheme.EIGHT_SEGMENT, window, None, 2, named, other, now)
