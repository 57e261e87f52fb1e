"""Any JSON at all, most of it made of the words of the language. Little of it is a rule, and that little is odd."""

from hypothesis import strategies as st

from domain.rules.parser import CONDITION_OPERATORS, VALUE_OPERATORS
from domain.rules.variables import LISTS
from tests.shops.rule_strategies import CATALOGUE

WORDS = (*sorted({*VALUE_OPERATORS, *CONDITION_OPERATORS}), "filter", "map", "merge", "log", "not", "", "__class__")
INNER = {inner for info in LISTS.values() for inner in info.variables}
NAMES = (
    *(*CATALOGUE.variables, *LISTS, *sorted(INNER), "segments"),
    *("current.amount", "accumulator", "", "current", "2024-01-01"),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**18), 10**18),
    st.floats(),
    st.sampled_from((0, 1, 2, -1, 0.5)),
    st.sampled_from(NAMES),
    st.text(max_size=6),
)
VARIABLES = st.builds(lambda name: {"var": name}, st.sampled_from(NAMES))
ANYTHING = st.recursive(
    st.one_of(SCALARS, VARIABLES, VARIABLES),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(WORDS), inner, min_size=1, max_size=1),
        st.dictionaries(st.sampled_from(WORDS), st.lists(inner, min_size=1, max_size=3), min_size=1, max_size=1),
        st.dictionaries(st.text(max_size=3), inner, max_size=2),
    ),
    max_leaves=12,
)
