"""Everything that a rule may use, as those who build rules are told of it: one line a variable, in the order of the
catalogue."""

from dataclasses import dataclass
from enum import StrEnum

from domain.model import NO_ATTRIBUTES, AttributeKinds
from domain.rules.operators import OF_LISTS, OF_MEMBERSHIPS, list_operators
from domain.rules.variables import ATTRIBUTE, CATALOGUE, LISTS, MONEY, RANKED, Kind, VariableInfo, build_catalogue

RuleValue = str | float | bool
"""What a variable can be."""
MAXIMUM_VALUES = 200
"""Values of a variable that are told."""
CHOSEN = RANKED | {
    "country",
    "city",
    "loyalty_level",
    "purchase_frequency_label",
    "spending_label",
    "category_label",
    "storefront",
    "channel",
    "status",
    "category",
    "product",
    "sku",
}
"""Variables whose values are chosen from those that occur; of the others any may be."""


class RuleVariableType(StrEnum):
    """What kind of values a variable has."""

    BOOLEAN = "BOOLEAN"
    NUMBER = "NUMBER"
    TEXT = "TEXT"
    INSTANT = "INSTANT"
    LIST = "LIST"


@dataclass(frozen=True, slots=True)
class RuleVariable:
    """A variable or a list; names of elements stand after their list, as in `purchases[].amount`. `operators` are those
    that take it; where it is `chosen` there are values to choose from."""

    name: str
    type: RuleVariableType
    description: str
    unit: str | None
    example: object
    operators: tuple[str, ...]
    chosen: bool = False


MEMBERSHIPS = RuleVariable(
    str(CATALOGUE.memberships),
    RuleVariableType.LIST,
    'Keys of the stored segments that the customer is a member of; only as {"in": [key, {"var": "segments"}]}.',
    None,
    {"in": ["vip", {"var": "segments"}]},
    OF_MEMBERSHIPS,
    True,
)


def list_rule_variables(currency: str, attributes: AttributeKinds = NO_ATTRIBUTES) -> list[RuleVariable]:
    """Everything that a rule may use, money in the business's currency."""
    listed = [_describe_variable(None, info, currency) for info in build_catalogue(attributes).variables.values()]
    listed.append(MEMBERSHIPS)
    for each in LISTS.values():
        listed.append(RuleVariable(each.name, RuleVariableType.LIST, each.description, None, each.example, OF_LISTS))
        listed += [_describe_variable(each.name, info, currency) for info in each.variables.values()]
    return listed


def name_element(collection: str, name: str) -> str:
    """What the variable of a list's element is called beside those of the customer."""
    return f"{collection}[].{name}"


def _describe_variable(collection: str | None, info: VariableInfo, currency: str) -> RuleVariable:
    return RuleVariable(
        info.name if collection is None else name_element(collection, info.name),
        RuleVariableType[info.kind.name],
        info.description,
        currency if info.unit == MONEY else info.unit,
        info.example,
        list_operators(info.kind, element=collection is not None),
        info.name in CHOSEN or (info.name.startswith(ATTRIBUTE) and info.kind is not Kind.INSTANT),
    )
