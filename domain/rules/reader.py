"""Reading JSONLogic from the outside in: literals, operators and lists become nodes of one kind each, and what is wrong
is noted with its path while reading goes on. A refused part becomes null, which fits everywhere, so that one fault is
reported once."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from zoneinfo import ZoneInfo

from domain.calendar import read_instant
from domain.errors import RuleProblem, RuleProblemCode
from domain.rules.limits import build_pointer
from domain.rules.tree import (
    ALWAYS,
    CONDITIONS,
    NEVER,
    NULL,
    Choice,
    Collection,
    Condition,
    Literal,
    Quantified,
    Quantity,
    Truth,
    Value,
    Variable,
    get_kind,
)
from domain.rules.variables import ATTRIBUTE, Catalogue, Kind, VariableInfo

KINDS = {
    Kind.BOOLEAN: "true or false",
    Kind.NUMBER: "a number",
    Kind.TEXT: "a text",
    Kind.INSTANT: "a date or timestamp",
    Kind.NOTHING: "null",
}
ALIASES = {"=": "==", "<>": "!=", "=>": ">=", "=<": "<=", "&&": "and", "||": "or", "not": "!", "contains": "in"}
ALIASES |= {"any": "some", "every": "all", "exists": "some", "else": "if", "case": "if", "between": "<=", "mod": "%"}
UNSUPPORTED = {
    "map": "lists cannot be changed; count or sum with reduce over a filter",
    "merge": "lists appear only in `in` and as truth values",
    "filter": "a filter stands only inside some, all, none or reduce, or where a condition stands",
    "log": "a rule only answers; it writes nothing",
    "method": "a rule cannot call methods",
    "preserve": "lists and objects are not values of a rule",
}
UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Scope:
    """The variables that can be seen where a node stands: the customer's, or those of a list's elements."""

    variables: Mapping[str, VariableInfo]
    element: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One operator with its arguments, which may stand in a list."""

    operator: str
    arguments: list[object]
    path: str
    listed: bool
    scope: Scope

    def build_path(self, index: int) -> str:
        return (
            self.path + build_pointer(self.operator, index) if self.listed else self.path + build_pointer(self.operator)
        )


def find_instant_problem(text: str) -> str | None:
    """Why a text is not an instant of a rule, whatever the zone."""
    try:
        year = read_instant(text, UTC).year
    except ValueError:
        year = 0
    return None if 1 < year < 9999 else f"{text[:40]!r} is not an ISO date or timestamp such as 2024-03-01"


@dataclass(slots=True)
class Reader:
    """Reads one rule; `problems` is empty where it was understood."""

    catalogue: Catalogue
    value_operators: Mapping[str, "ValueHandler"]
    condition_operators: Mapping[str, "ConditionHandler"]
    problems: list[RuleProblem] = field(default_factory=list)

    def report(
        self,
        path: str,
        message: str,
        suggestion: str | None = None,
        code: RuleProblemCode = RuleProblemCode.INVALID_RULE,
    ) -> Literal:
        """Note a problem; the null that stands in for the refused part."""
        more = f" Did you mean {suggestion}?" if suggestion else ""
        self.problems.append(RuleProblem(path, message + more, suggestion, code))
        return NULL

    def report_mismatch(self, path: str, message: str, suggestion: str | None = None) -> Literal:
        """Note that something is of another kind than is taken there."""
        return self.report(path, message, suggestion, RuleProblemCode.TYPE_MISMATCH)

    def report_unknown(self, path: str, message: str, suggestion: str | None = None) -> Literal:
        """Note that there is nothing of that name."""
        return self.report(path, message, suggestion, RuleProblemCode.UNKNOWN_VARIABLE)

    def read_value(self, raw: object, path: str, scope: Scope) -> Value:
        """A part whose value is used."""
        match raw:
            case None:
                return NULL
            case bool():
                return ALWAYS if raw else NEVER
            case int() | float():
                return Literal(float(raw) + 0.0, Kind.NUMBER)
            case str():
                return Literal(raw, Kind.TEXT)
            case dict():
                call = _read_call(raw, path, scope)
                handler = self.value_operators.get(call.operator) or self.condition_operators.get(call.operator)
                return self._report_unknown_operator(call) if handler is None else handler(self, call)
            case list():
                return self.report(path, "A list can only stand in `in`, or where a condition stands.")
            case _:
                return self.report(path, "A rule is made of JSON values only.")

    def read_condition(self, raw: object, path: str, scope: Scope) -> Condition:
        """A part that is only asked whether it holds."""
        match raw:
            case list():
                for index, item in enumerate(raw):
                    self.read_value(item, path + build_pointer(index), scope)
                return ALWAYS if raw else NEVER
            case {"filter": _}:
                return Quantified(Quantity.SOME, self.read_collection(raw, path, scope), ALWAYS, path)
            case dict():
                call = _read_call(raw, path, scope)
                handler = self.condition_operators.get(call.operator)
                if handler is not None:
                    condition = handler(self, call)
                    return condition if isinstance(condition, Choice) else self.make_truth(condition, path)
        return self.make_truth(self.read_value(raw, path, scope), path)

    def make_truth(self, value: Value, path: str) -> Condition:
        """The condition that a value is where it is only asked whether it holds."""
        if isinstance(value, Literal):
            return ALWAYS if value.value else NEVER
        return value if isinstance(value, CONDITIONS) else Truth(value, path)

    def _report_unknown_operator(self, call: Call) -> Literal:
        name, path, code = call.operator, call.path + build_pointer(call.operator), RuleProblemCode.UNKNOWN_OPERATOR
        if name in UNSUPPORTED:
            return self.report(path, f"The operator {name} is not supported: {UNSUPPORTED[name]}.", None, code)
        known = self.value_operators.keys() | self.condition_operators.keys()
        close = ALIASES.get(name.lower()) or find_closest_name(name.lower(), known)
        return self.report(path, f"There is no operator {name[:40]}.", close, code)

    def read_collection(self, raw: object, path: str, scope: Scope) -> Collection:
        """A list of the customer's: its name, or a filter over it."""
        nothing = Collection("")
        names = ", ".join(self.catalogue.lists)
        match raw:
            case _ if scope.element:
                self.report(path, "A list cannot be looked at inside another list's elements.")
                return nothing
            case {"var": str(name) | [str(name)]} if name in self.catalogue.lists:
                return Collection(name)
            case {"var": str(name) | [str(name)]}:
                close = find_closest_name(name, self.catalogue.lists)
                report = self.report_mismatch if name in self.catalogue.variables else self.report_unknown
                report(path + "/var", f"There is no list {name[:60]}.", close)
            case {"filter": [inner, test]}:
                below = self.read_collection(inner, path + "/filter/0", scope)
                condition = self.read_condition(test, path + "/filter/1", self.build_element_scope(below))
                return Collection(below.name, (*below.filters, condition))
            case {"filter": _}:
                self.report(path + "/filter", "filter takes a list and a condition.")
            case _:
                self.report_mismatch(path, f"This must be a list, as in {{'var': 'purchases'}}; there are {names}.")
        return nothing

    def find_variable(self, name: str, path: str, scope: Scope) -> Variable | None:
        """The variable of that name where it can be seen; None, with a problem noted, where there is none."""
        info = scope.variables.get(name)
        if info is not None:
            return Variable(name, info.kind, info.nullable, scope.element)
        catalogue = self.catalogue
        if name.startswith(ATTRIBUTE) and not scope.element:
            named = [each.removeprefix(ATTRIBUTE) for each in scope.variables if each.startswith(ATTRIBUTE)]
            own = name.removeprefix(ATTRIBUTE)
            there = f"there are: {', '.join(named)}" if named else "the business has named none yet"
            closest = find_closest_name(own, named)
            likely = f"{ATTRIBUTE}{closest}" if closest else None
            self.report_unknown(path, f"There is no attribute {own[:60] or 'without a name'}; {there}.", likely)
        elif name in catalogue.lists:
            self.report_mismatch(path, f"{name} is a list: use it in some, all, none or reduce.")
        elif name == catalogue.memberships and name is not None:
            self.report_mismatch(path, f'{name} is a list: use it as {{"in": ["key", {{"var": "{name}"}}]}}.')
        elif scope.element and name in catalogue.variables:
            visible = ", ".join(scope.variables)
            self.report_unknown(path, f"{name} cannot be seen inside a list; its elements have {visible}.")
        elif not scope.element and (listed := self._list_before(name)) is not None:
            has = self.catalogue.lists[listed].variables
            closest = find_closest_name(name.removeprefix(listed).lstrip("[]."), has)
            seen = f"each element of {listed} has {closest or ', '.join(has)}"
            where = f'inside some, all, none or reduce over {{"var": "{listed}"}}'
            self.report_unknown(path, f"There is no variable {name[:60]}: {seen}, which is seen {where}.")
        else:
            known = [*scope.variables]
            if not scope.element:
                known += [*catalogue.lists, *([catalogue.memberships] if catalogue.memberships else [])]
            close = find_closest_name(name, known)
            self.report_unknown(path, f"There is no variable {name[:60] or 'without a name'}.", close)
        return None

    def _list_before(self, name: str) -> str | None:
        lists = sorted(self.catalogue.lists, key=len, reverse=True)
        return next((each for each in lists if name.startswith((f"{each}.", f"{each}[]"))), None)

    def build_element_scope(self, collection: Collection) -> Scope:
        """What can be seen inside the list's elements."""
        info = self.catalogue.lists.get(collection.name)
        return Scope(info.variables if info else {}, True)

    def unify(self, call: Call, nodes: list[Value], paths: list[str]) -> tuple[list[Value], Kind]:
        """The nodes as values of one kind; texts beside an instant become instants. Null goes with everything."""
        kinds = [get_kind(node) for node in nodes]
        wanted = next((kind for kind in kinds if kind is not Kind.NOTHING), Kind.NOTHING)
        if Kind.INSTANT in kinds:
            nodes = [self._as_instant(node, path) for node, path in zip(nodes, paths, strict=True)]
            kinds, wanted = [get_kind(node) for node in nodes], Kind.INSTANT
        for node, kind, path in zip(nodes, kinds, paths, strict=True):
            if kind is not wanted and kind is not Kind.NOTHING:
                hint = unquote_number(node) if wanted is Kind.NUMBER else None
                message = f"takes values of one kind: {KINDS[wanted]} is wanted here, and this is {KINDS[kind]}."
                self.report_mismatch(path, f"{call.operator} {message}", hint)
                return [NULL for _ in nodes], Kind.NOTHING
        return nodes, wanted

    def _as_instant(self, node: Value, path: str) -> Value:
        if not isinstance(node, Literal) or not isinstance(node.value, str):
            return node
        problem = find_instant_problem(node.value)
        return self.report_mismatch(path, problem + ".") if problem else Literal(node.value, Kind.INSTANT)

    def require_kind(self, call: Call, node: Value, kind: Kind, index: int) -> Value:
        """The node, which must be of the kind."""
        actual = get_kind(node)
        if actual in (kind, Kind.NOTHING):
            return node
        hint = unquote_number(node) if kind is Kind.NUMBER else None
        message = f"{call.operator} takes {KINDS[kind]} here, not {KINDS[actual]}."
        return self.report_mismatch(call.build_path(index), message, hint)

    def has_arguments(self, call: Call, low: int, high: int | None = None) -> bool:
        """Whether the operator has as many arguments as it takes; `high` None for any number."""
        count = len(call.arguments)
        if low <= count <= (count if high is None else high):
            return True
        wanted = f"at least {low}" if high is None else str(low) if low == high else f"{low} to {high}"
        plural = "" if wanted.endswith(" 1") or wanted == "1" else "s"
        self.report(
            call.path + build_pointer(call.operator), f"{call.operator} takes {wanted} argument{plural}, not {count}."
        )
        return False


ValueHandler = Callable[[Reader, Call], Value]
ConditionHandler = Callable[[Reader, Call], Condition]


def _read_call(raw: dict[str, object], path: str, scope: Scope) -> Call:
    name, arguments = next(iter(raw.items()))
    given = arguments if isinstance(arguments, list) else [arguments]
    return Call(name, given, path, isinstance(arguments, list), scope)


def unquote_number(node: Value) -> str | None:
    """A text that is a number, without its quotes."""
    if not isinstance(node, Literal) or not isinstance(node.value, str):
        return None
    try:
        float(node.value)
    except ValueError:
        return None
    return f"{node.value} without quotes"


def find_closest_name(name: str, known: Iterable[str]) -> str | None:
    """The likeliest of the known names, also where the name is written in another way (totalRevenue)."""
    names, last = list(known), name.rpartition(".")[2]
    if last in names:
        return last
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).strip("_")
    for attempt in (snake.replace(" ", "_").replace("-", "_"), last):
        if matches := get_close_matches(attempt, names, 1):
            return matches[0]
    return None
