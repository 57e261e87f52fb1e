"""What a rule says of a customer: missing values, numbers, texts and instants, with exact answers. The statements in
the database agree with this on random rules elsewhere."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from domain.calendar import read_instant, to_micros
from domain.rules.evaluator import CustomerFacts, Element, holds
from domain.rules.parser import parse_rule

ZONE = ZoneInfo("America/New_York")
LINES = [Element({"amount": 19.99, "category": "Kids"}, {"amount": 1999}, {"amount": 100.0})] * 3
NOBODY = CustomerFacts(
    {
        "total_revenue": 0.0, "order_count": 0.0, "average_order_value": None, "days_since_last_purchase": None,
        "purchase_frequency": 0.0, "tenure_days": 10.0, "name": "Zoë", "email": "", "loyalty_level": None,
        "registered_at": to_micros(read_instant("2024-03-10T05:00:00Z", ZONE)), "last_purchase_at": None,
        "erased": False,
    },
    {"purchases": [], "purchases.lines": LINES},
    ZONE,
)  # fmt: skip
V = {name: {"var": name} for name in NOBODY.values}
AGE, AVERAGE, NAME, LEVEL = (
    V[name] for name in ("days_since_last_purchase", "average_order_value", "name", "loyalty_level")
)
SUM = {"reduce": [{"var": "purchases.lines"}, {"+": [{"var": "accumulator"}, {"var": "current.amount"}]}, 0]}
TRUE: list[Any] = [
    # Missing values
    {"==": [AGE, None]}, {"!=": [AGE, 5]}, {"==": [AGE, AVERAGE]}, {"!": [{"<": [AGE, 30]}]}, {"!": [{">=": [AGE, 0]}]},
    {"!": [AGE]}, {"in": [LEVEL, ["GOLD", None]]}, {"!": [{"in": [LEVEL, ["GOLD"]]}]}, {"!": [{"in": [LEVEL, "GOLD"]}]},
    {"==": [{"+": [AGE, 1]}, None]}, {"==": [{"max": [AGE, 1]}, None]}, {"==": [{"cat": [LEVEL, "x"]}, None]},
    {"==": [{"substr": [LEVEL, 0]}, None]}, {"==": [{"var": ["days_since_last_purchase", 7]}, 7]},
    {"==": [{"/": [1, V["order_count"]]}, None]}, {"==": [{"%": [1, 0]}, None]},
    {"missing": "email"}, {"missing": ["name", "loyalty_level"]}, {"missing_some": [2, ["name", "email"]]},
    # Numbers
    {"==": [{"+": [0.1, 0.2]}, 0.30000000000000004]}, {"!=": [{"+": [0.1, 0.2]}, 0.3]},
    {"==": [{"%": [-7.5, 2]}, -1.5]}, {"==": [{"%": [7, -2]}, 1]}, {"==": [{"-": [V["tenure_days"]]}, -10]},
    {"<": [1, V["tenure_days"], 11]},
    {">": [{"+": [{"-": [1e15, 1e15]}, 1]}, {"-": [{"+": [1e15, 0.01]}, 1e15]}]},
    # Texts
    {"<": ["Zoe", NAME]}, {">": ["\U0001d4b3", "\uff3a"]}, {"in": ["oë", NAME]}, {"!": [{"in": ["zo", NAME]}]},
    {"==": [{"substr": [NAME, -2]}, "oë"]}, {"==": [{"substr": [NAME, 1, -1]}, "o"]}, {"in": ["", NAME]},
    {"==": [{"cat": [NAME, 7, "!"]}, "Zoë7!"]}, {"==": [{"substr": [NAME, -9, 1]}, "Z"]}, {"!": [V["email"]]},
    # Instants: the clock goes forward on 10 March
    {"<=": ["2024-03-10", V["registered_at"], "2024-03-10"]}, {"==": [V["registered_at"], "2024-03-10T00:00"]},
    {"<": [V["registered_at"], "2024-03-11"]}, {"==": [V["registered_at"], "2024-03-10T06:00:00+01:00"]},
    {"!": [{"<": [V["last_purchase_at"], "2030-01-01"]}]},
    # Lists
    {"none": [{"var": "purchases"}, True]}, {"!": [{"all": [{"var": "purchases"}, True]}]},
    {"!": [{"var": "purchases"}]}, {"all": [{"var": "purchases.lines"}, {"==": [{"var": "category"}, "Kids"]}]},
    {"==": [SUM, 59.97]},
    {"==": [{"reduce": [{"var": "purchases"}, {"+": [1, {"var": "accumulator"}]}, 0]}, 0]}, {"or": [[], [0]]},
    # Choices
    {"==": [{"if": [AGE, 1, NAME, 2, 3]}, 2]}, {"==": [{"or": [LEVEL, "none"]}, "none"]},
    {"==": [{"and": [NAME, "x"]}, "x"]}, {"if": [V["erased"], False, True]}, {"and": [NAME, 1, True]},
]  # fmt: skip


@pytest.mark.parametrize("rule", TRUE, ids=str)
def test_the_rule_holds_and_its_negation_does_not(rule: Any) -> None:
    assert holds(parse_rule(rule), NOBODY)
    assert not holds(parse_rule({"!": [rule]}), NOBODY)
