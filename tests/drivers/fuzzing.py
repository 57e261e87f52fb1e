"""Calls that a stranger could make, generated from the schema: every argument of every field, with values of its type
that are usual, at an edge or odd, and now and then of no type at all."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    OperationType,
    get_named_type,
    is_composite_type,
    is_required_argument,
    is_required_input_field,
)
from hypothesis import strategies as st

WHOLE = st.sampled_from([0, 1, 2, 5, 90, 250, 251, 9999, 10_000, -1, 2**31 - 1, 2**31, -(2**31), 2**63, 10**30, 250.0])
REAL = st.sampled_from([0.0, -0.0, 0.1, 1.5, -1.5, 1e-300, 5e-324, 1e300, 90071992547409.93, 1e15]) | st.floats()
TEXTS = (
    # Known to the shop, or words of ours.
    *("Ada", "Ben", "Ada-0", "web", "Colombo", "GOLD", "Champions", "CHAMPIONS", "R5F5M5", "555", "344", "name"),
    # What readers of texts fall over.
    *("", " ", "\0", "a\0b", "\u202ex", "\u200b", "e\u0301", "\ufeff", "\r\nSet-Cookie: a=b", "=1+1", "'", '"', "\\"),
    *(
        "%_\\",
        "٣",
        "NaN",
        "null",
        "-",
        "x" * 300,
        "x" * 5000,
        "é" * 1001,
        "\U0001f600",
        "ﬀ",
        "ß",
        "İ",
        "\x1b[31m",
        "{}",
    ),
    # Forms of dates, and schedules.
    *("%Y %Y", "%Y-%m-%d", "%c %Y", "%d/%m/%y", "%%", "%", "%Z", "%\0", "%d%m%Y%H%M%z", "%G-%V-%u", "excel", "epoch"),
    *("15 2 * * *", "* * 30 2 *", "*/0 * * * *", "0-99999999 * * * *", "1-5/2 * L * *", "@daily", "* * * * 7#9"),
)
TEXT = st.sampled_from(TEXTS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
DATES = ("2024-04-20", "0001-01-01", "9999-12-31", "2024-02-30", "2024-W10-1", "20240420", "٢٠٢٤-٠٣-٠١", "", "today")
INSTANTS = (
    *("2024-04-20T10:00:00Z", "2024-04-20T10:00:00", "2024-04-20", "0001-01-01T00:00:00+14:00", "2024-04-20T24:00:00Z"),
    *("9999-12-31T23:59:59-12:00", "2024-04-20T10:00:00.1234567Z", "2024-04-20T10:00:00+99:00", "x", ""),
)
AMOUNTS = ("10", "12.50", "0", "-1", "0.001", "999999999999999.99", "1e3", "NaN", "Infinity", "٣", "", " 1", "1_000")
VARIABLES = (
    "total_revenue",
    "order_count",
    "segments",
    "rfm_segment",
    "purchases",
    "loyalty_level",
    "days_ago",
    "amount",
)
OPERATORS = (
    *(
        "var",
        "==",
        "!=",
        "<",
        ">",
        "and",
        "or",
        "!",
        "!!",
        "in",
        "if",
        "+",
        "-",
        "*",
        "/",
        "%",
        "min",
        "max",
        "cat",
        "log",
    ),
    *("log", "substr", "missing", "missing_some", "some", "all", "none", "reduce", "filter", "map", "merge"),
)
SETTINGS = (
    *(
        "rfm_days",
        "time_zone",
        "currency",
        "high_lifetime",
        "lapsed_days",
        "festive_periods",
        "import",
        "mongodb",
        "name",
    ),
    *("name", "dominant_percent", "classify_every", "frequency_order"),
)
LEAF = st.none() | st.booleans() | WHOLE | REAL | TEXT
ONE_VARIABLE = st.builds(lambda name: {"var": name}, st.sampled_from(VARIABLES))
RULE = st.recursive(
    LEAF | ONE_VARIABLE,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(OPERATORS), inner | st.lists(inner, max_size=3), min_size=1, max_size=1)
    ),
    max_leaves=8,
)
SETTING = st.dictionaries(
    st.sampled_from(SETTINGS) | TEXT,
    LEAF | st.lists(TEXT, max_size=3) | st.dictionaries(TEXT, TEXT, max_size=2),
    max_size=3,
)
ANYTHING = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
SCALARS = {
    "Int": WHOLE,
    "Float": REAL,
    "Boolean": st.booleans(),
    "String": TEXT,
    "Decimal": st.sampled_from(AMOUNTS) | REAL | WHOLE,
    "Date": st.sampled_from(DATES),
    "DateTime": st.sampled_from(INSTANTS),
    "JSON": RULE | SETTING | ANYTHING | st.builds(json.dumps, ANYTHING),
}


def refuse(name: str) -> NoReturn:
    """For numbers that strict JSON does not have."""
    raise AssertionError(f"{name} is not JSON")


@dataclass(frozen=True)
class Call:
    """One operation with its variables."""

    document: str
    variables: dict[str, Any]

    @property
    def body(self) -> bytes:
        """As a client sends it; NaN and infinities go as some clients write them."""
        return json.dumps({"query": self.document, "variables": self.variables}).encode()


@dataclass(frozen=True)
class Caller:
    """Makes calls of one schema; `ids` are those of objects that are there."""

    schema: GraphQLSchema
    ids: Sequence[str]

    def calls(self, operation: str, name: str) -> st.SearchStrategy[Call]:
        """Calls of a root field with any of its arguments, and of some fields of what it answers with any of theirs."""
        root = self.schema.get_root_type(OperationType(operation))
        assert root is not None

        @st.composite
        def build(draw: st.DrawFn) -> Call:
            writer = _Writer(self, draw)
            call = writer.write_field(name, root.fields[name], 3)
            head = f"({', '.join(writer.declared)})" if writer.declared else ""
            return Call(f"{operation} Fuzzed{head} {{ {call} }}", writer.variables)

        return build()

    def values(self, kind: GraphQLInputType) -> st.SearchStrategy[Any]:
        """Values of the type, and rarely of no type at all."""
        return st.one_of(*[self._fitting(kind)] * 15, ANYTHING)

    def _fitting(self, kind: GraphQLInputType) -> st.SearchStrategy[Any]:
        if isinstance(kind, GraphQLNonNull):
            return self._fitting(kind.of_type)
        if isinstance(kind, GraphQLList):
            return st.lists(self.values(kind.of_type), max_size=3)
        if isinstance(kind, GraphQLEnumType):
            return st.sampled_from(sorted(kind.values))
        if isinstance(kind, GraphQLInputObjectType):
            parts = {name: self.values(one.type) for name, one in kind.fields.items()}
            needed = {name: parts.pop(name) for name, one in kind.fields.items() if is_required_input_field(one)}
            return st.fixed_dictionaries(needed, optional=parts)
        if kind.name == "ID":
            return st.sampled_from(list(self.ids)) | st.sampled_from(["", "x", "====", "\0", f"{self.ids[0]}="])
        return SCALARS[kind.name]


@dataclass
class _Writer:
    """Writes one document; every argument is a variable, which it collects."""

    caller: Caller
    draw: st.DrawFn
    variables: dict[str, Any] = field(default_factory=dict)
    declared: list[str] = field(default_factory=list)

    def write_field(self, name: str, asked: GraphQLField, depth: int) -> str:
        passed = []
        for key, argument in asked.args.items():
            if is_required_argument(argument) or self.draw(st.booleans()):
                variable = f"v{len(self.variables)}"
                self.variables[variable] = self.draw(self.caller.values(argument.type))
                self.declared.append(f"${variable}: {argument.type}")
                passed.append(f"{key}: ${variable}")
        arguments = f"({', '.join(passed)})" if passed else ""
        return f"{name}{arguments}{self.write_selection(get_named_type(asked.type), depth)}"

    def write_selection(self, kind: GraphQLNamedType, depth: int) -> str:
        """Every leaf, and some of what has fields of its own."""
        if not isinstance(kind, GraphQLObjectType):
            return " { __typename }" if is_composite_type(kind) else ""
        leaves = {name for name, one in kind.fields.items() if not is_composite_type(get_named_type(one.type))}
        others = sorted(kind.fields.keys() - leaves) if depth else []
        chosen = self.draw(st.sets(st.sampled_from(others), max_size=2)) if others else set()
        always = {"nodes", "userErrors", "problems"} & set(others)
        parts = [self.write_field(name, kind.fields[name], depth - 1) for name in sorted(leaves | chosen | always)]
        return f" {{ {' '.join(parts or ['__typename'])} }}"
