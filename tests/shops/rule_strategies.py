"""Random rules that are well typed, over every operator, variable and list. Literals lie where the customers of the
tests lie, so that many rules select some of them and not all."""

from typing import Any

from hypothesis import strategies as st

from domain.rules.variables import LISTS, Kind, build_catalogue
from tests.shops.rule_population import (
    ATTRIBUTES,
    CATEGORIES,
    CHANNELS,
    CITIES,
    COLOURS,
    COUNTRIES,
    EMAILS,
    LEVELS,
    LISTED,
    NAMES,
    PHONES,
    PRODUCTS,
    SEGMENTS,
    SKUS,
    STOREFRONTS,
)

Json = Any
NEAR: dict[str, tuple[float, ...]] = {
    "order_count": (0, 1, 2, 3, 5, 9, 100),
    "total_revenue": (0, 50, 300, 700.5, 1500, 4000),
    "average_order_value": (0, 20, 90.75, 200, 400),
    "days_since_last_purchase": (0, 10, 40, 90, 200, 400),
    "purchase_frequency": (0, 0.1, 0.25, 0.5, 1, 3),
    "tenure_days": (0, 100, 300, 500, 900),
    "recency_score": (1, 2, 3, 4, 5),
    "frequency_score": (1, 2, 3, 4, 5),
    "monetary_score": (1, 2, 3, 4, 5),
    "attributes.size": (-1.5, 0, 0.1, 7, 38, 999999999999999.999999),
    "attributes.unused": (0, 1),
    "amount": (-5, 0, 0.99, 50, 120.25, 200, 600),
    "days_ago": (0, 7, 30, 90, 180, 365, 700),
    "quantity": (-1, 0, 0.000001, 0.25, 1, 2, 3.333333, 999_999_999.999999),
}
TEXTS: dict[str, tuple[str | None, ...]] = {
    "external_id": ("C000", "C020", "C050", "C080", "many", "nothing"),
    "name": NAMES,
    "email": EMAILS,
    "phone": PHONES,
    "country": COUNTRIES,
    "city": CITIES,
    "loyalty_level": LEVELS,
    "attributes.colour": COLOURS,
    "rfm_segment": ("111", "155", "244", "333", "511", "555"),
    "rfm_segment_name": ("Champions", "Loyal Customers", "At Risk", "Hibernating", "Unclassified"),
    "purchase_frequency_label": ("New", "Loyal", "Lapsed", "Seasonal", "Regular"),
    "spending_label": ("High Value", "Medium Value", "Low Value"),
    "category_label": ("Kids", "Mens", "Family", "Mixed"),
    "storefront": STOREFRONTS,
    "channel": CHANNELS,
    "status": ("COMPLETED", "PARTIAL", "PENDING", "REFUNDED"),
    "category": CATEGORIES,
    "product": PRODUCTS,
    "sku": SKUS,
}
DATES = (
    "2021-01-01",
    "2023-06-30",
    "2023-11-05T01:30:00",
    "2024-01-01",
    "2024-03-10T02:30",
    "2024-05-01T10:00:00+05:30",
)
CATALOGUE = build_catalogue(ATTRIBUTES)
SCOPES = {"": CATALOGUE.variables} | {name: info.variables for name, info in LISTS.items()}
"""What can be seen where a part of a rule stands: in a list, or outside of all, which is ''."""
ORDER = st.sampled_from(("<", "<=", ">", ">="))
SAME = st.sampled_from(("==", "===", "!=", "!=="))
ODD_NUMBERS = st.sampled_from((0, 1, -1, 0.1, 2, 3, 7.5, 100, 1e15, 1e-15, -12.25))
ODD_TEXTS = st.sampled_from(("", "a", "i", "Kids", "web", "COMPLETED", "\U0001d4b3", "ß", "zz", "%", "0"))
LETTERS = st.sampled_from((*"aeilmnorEILNOR1", "C0", "le", "ed"))
POSITIONS = st.sampled_from((0, 1, 2, -1, -2, 5, -7, 100, -100))


def var(name: str) -> Json:
    """The variable of that name."""
    return {"var": name}


def of_kind(scope: str, kind: Kind) -> st.SearchStrategy[str]:
    """Names of the variables of a kind, each as likely."""
    return st.sampled_from(sorted(name for name, info in SCOPES[scope].items() if info.kind is kind))


@st.composite
def numbers(draw: st.DrawFn, scope: str, deep: int) -> Json:
    """An expression that is a number."""
    if deep <= 0 or draw(st.integers(0, 2)) == 0:
        name = draw(of_kind(scope, Kind.NUMBER))
        shape = draw(st.integers(0, 5))
        if shape == 0:
            return draw(ODD_NUMBERS)
        return {"var": [name, draw(ODD_NUMBERS)]} if shape == 1 else var(name)
    below = numbers(scope, deep - 1)
    shape = draw(st.integers(0, 8))
    if shape <= 3:
        op = draw(st.sampled_from(("+", "*", "min", "max")))
        return {op: draw(st.lists(below, min_size=1, max_size=3))}
    if shape <= 5:
        return {draw(st.sampled_from(("-", "/", "%"))): [draw(below), draw(below)]}
    if shape == 6 and not scope:
        return draw(reductions())
    if shape == 7:
        return {draw(st.sampled_from(("and", "or"))): [draw(below), draw(below)]}
    if shape == 8:
        return {"-": draw(below)}
    return {draw(st.sampled_from(("if", "?:"))): [draw(conditions(scope, deep - 1)), draw(below), draw(below)]}


@st.composite
def texts(draw: st.DrawFn, scope: str, deep: int) -> Json:
    """An expression that is a text."""
    if deep <= 0 or draw(st.integers(0, 2)) == 0:
        name = draw(of_kind(scope, Kind.TEXT))
        shape = draw(st.integers(0, 5))
        if shape == 0:
            return draw(ODD_TEXTS)
        return {"var": [name, draw(ODD_TEXTS)]} if shape == 1 else var(name)
    below = texts(scope, deep - 1)
    shape = draw(st.integers(0, 4))
    if shape == 0:
        return {"cat": [*draw(st.lists(below, min_size=1, max_size=2)), draw(st.sampled_from((7, "-")))]}
    if shape == 1:
        return {"substr": [draw(below), draw(POSITIONS)]}
    if shape == 2:
        return {"substr": [draw(below), draw(POSITIONS), draw(POSITIONS)]}
    if shape == 3:
        return {draw(st.sampled_from(("and", "or"))): [draw(below), draw(below)]}
    return {"if": [draw(conditions(scope, deep - 1)), draw(below), draw(st.one_of(below, st.none()))]}


@st.composite
def instants(draw: st.DrawFn, scope: str, deep: int) -> Json:
    """An expression that is an instant."""
    name = draw(of_kind(scope, Kind.INSTANT))
    shape = draw(st.integers(0, 4)) if deep > 0 else 0
    if shape == 3:
        return {"var": [name, draw(st.sampled_from(DATES))]}
    if shape == 4:
        return {"if": [draw(conditions(scope, deep - 1)), var(name), draw(instants(scope, deep - 1))]}
    return var(name)


def list_names() -> st.SearchStrategy[str]:
    """Each as likely."""
    return st.sampled_from(sorted(filter(None, SCOPES)))


@st.composite
def reductions(draw: st.DrawFn) -> Json:
    """A count or a sum over a list, most often under a condition."""
    name = draw(list_names())
    listed: Json = var(name)
    for _ in range(draw(st.integers(0, 2))):
        listed = {"filter": [listed, draw(conditions(name, 1))]}
    numbers = [var(f"current.{number}") for number in sorted(LISTS[name].variables) if number in NEAR]
    addend = draw(st.sampled_from([1, *numbers]))
    operands = [var("accumulator"), addend]
    return {"reduce": [listed, {"+": operands if draw(st.booleans()) else operands[::-1]}, 0]}


@st.composite
def quantities(draw: st.DrawFn) -> Json:
    """Some, all or none of a list, or the list itself as a condition."""
    name = draw(list_names())
    listed: Json = var(name)
    if draw(st.integers(0, 3)) == 0:
        listed = {"filter": [listed, draw(conditions(name, 1))]}
    op = draw(st.sampled_from(("some", "all", "none", "some", "all", "none", "")))
    return {op: [listed, draw(conditions(name, 2))]} if op else listed


@st.composite
def plain(draw: st.DrawFn, scope: str) -> Json:
    """One variable against literals that lie among the customers' values."""
    name = draw(st.sampled_from(sorted(SCOPES[scope])))
    kind = SCOPES[scope][name].kind
    shape = draw(st.integers(0, 5))
    if kind is Kind.BOOLEAN:
        return {draw(SAME): [var(name), draw(st.booleans())]}
    near = NEAR.get(name) or TEXTS.get(name) or DATES
    values = st.sampled_from([each for each in near if each is not None])
    if shape == 0:
        return {draw(SAME): [var(name), draw(st.one_of(values, st.none()))]}
    if shape == 1:
        low, high = sorted((draw(values), draw(values)))
        return {draw(st.sampled_from(("<", "<="))): [low, var(name), high]}
    if shape == 2:
        return {"missing": name} if draw(st.booleans()) else {"!!": var(name)}
    if shape == 3 and kind is not Kind.INSTANT:
        return {"in": [var(name), draw(st.lists(st.one_of(values, values, st.none()), min_size=1, max_size=4))]}
    pair = [var(name), draw(values)]
    return {draw(ORDER): pair if draw(st.booleans()) else pair[::-1]}


COMPARED = ((numbers, Kind.NUMBER), (numbers, Kind.NUMBER), (texts, Kind.TEXT), (instants, Kind.INSTANT))


@st.composite
def comparisons(draw: st.DrawFn, scope: str, deep: int) -> Json:
    """Calculated values against each other."""
    kinds = {info.kind for info in SCOPES[scope].values()}
    made = [each for each, kind in COMPARED if kind in kinds]
    values = draw(st.sampled_from(made))(scope, deep)
    shape = draw(st.integers(0, 8))
    if shape == 8:
        places = draw(st.lists(POSITIONS, min_size=1, max_size=2))
        return {"in": [draw(LETTERS), {"substr": [var(draw(of_kind(scope, Kind.TEXT))), *places]}]}
    if shape == 0:
        return {draw(ORDER): [draw(values), draw(values), draw(values)]}
    if shape == 1:
        return {draw(SAME): [draw(values), draw(st.one_of(values, st.none()))]}
    if shape == 2:
        return {"in": [draw(values), draw(st.lists(values, min_size=1, max_size=3))]}
    if shape == 3:
        return {"in": [draw(texts(scope, 1)), draw(texts(scope, deep))]}
    if shape == 4:
        return draw(values)
    return {draw(ORDER): [draw(values), draw(values)]}


@st.composite
def conditions(draw: st.DrawFn, scope: str, deep: int) -> Json:
    """An expression that is asked whether it holds."""
    if deep <= 0:
        return draw(plain(scope))
    below = conditions(scope, deep - 1)
    shape = draw(st.integers(0, 12 if not scope else 10))
    if shape <= 2:
        return draw(plain(scope))
    if shape <= 4:
        return draw(comparisons(scope, deep))
    if shape <= 6:
        return {draw(st.sampled_from(("and", "or"))): draw(st.lists(below, min_size=1, max_size=3))}
    if shape == 7:
        return {draw(st.sampled_from(("!", "!!"))): [draw(below)]}
    if shape == 8:
        return {"if": [draw(below), draw(below), draw(below), draw(below)][: draw(st.integers(2, 4))]}
    if shape == 9:
        names = draw(st.lists(st.sampled_from(sorted(SCOPES[scope])), min_size=1, max_size=4))
        need = draw(st.integers(0, 4))
        return {"missing_some": [need, names]} if draw(st.booleans()) else {"missing": names}
    if shape == 10:
        return draw(st.sampled_from(([], [0], True, 0, "", {"==": [{"<": [1, 2]}, True]})))
    if shape == 11:
        return {"in": [draw(st.sampled_from([*sorted(SEGMENTS), LISTED])), var("segments")]}
    return draw(quantities())


def rules() -> st.SearchStrategy[Json]:
    """A whole rule: one object, or a list of them."""
    one = conditions("", 3).filter(lambda rule: isinstance(rule, dict))
    return st.one_of(one, one, one, st.lists(one, min_size=1, max_size=3))
