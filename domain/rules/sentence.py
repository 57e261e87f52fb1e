"""A rule in words. Different trees never give the same sentence: every part that could be read in two ways stands in
brackets, texts stand in quotation marks, and what a number counts follows from what it stands beside."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from domain.rules import tree
from domain.rules.tree import Op
from domain.rules.variables import CATALOGUE, DAYS, MONEY, Catalogue, Kind, VariableInfo, describe_attribute

PLAIN_INSTANT = re.compile(r"[0-9TW:+.Z-]+")
ORDERS: Mapping[Kind, Mapping[Op, str]] = {
    Kind.NUMBER: {
        Op.LESS: "less than",
        Op.AT_MOST: "at most",
        Op.MORE: "more than",
        Op.AT_LEAST: "at least",
    },
    Kind.INSTANT: {
        Op.LESS: "before",
        Op.AT_MOST: "at or before",
        Op.MORE: "after",
        Op.AT_LEAST: "at or after",
    },
    Kind.TEXT: {
        Op.LESS: "sorted before",
        Op.AT_MOST: "sorted at or before",
        Op.MORE: "sorted after",
        Op.AT_LEAST: "sorted at or after",
    },
}
RANGES = {
    Op.LESS: "strictly between {} and {}",
    Op.AT_MOST: "between {} and {}",
    Op.MORE: "below {} and above {}",
    Op.AT_LEAST: "from {} down to {}",
}
AGES = {
    Op.LESS: "fewer than {} days ago",
    Op.AT_MOST: "{} or fewer days ago",
    Op.MORE: "more than {} days ago",
    Op.AT_LEAST: "{} or more days ago",
}
AGED = {"days_since_last_purchase": "the last purchase was", "days_ago": "it was"}
BETWEEN_OPERANDS = {
    Op.PLUS: " plus ",
    Op.MINUS: " minus ",
    Op.TIMES: " times ",
    Op.DIVIDED: " divided by ",
}
FULL = {Kind.NUMBER: "there and not 0", Kind.TEXT: "there and not blank", Kind.BOOLEAN: "so", Kind.INSTANT: "there"}


def write_sentence(condition: tree.Condition, currency: str, catalogue: Catalogue = CATALOGUE) -> str:
    """The rule in words."""
    return SentenceWriter(catalogue, currency, catalogue.variables).write_condition(condition)


def format_number(value: float) -> str:
    """The shortest decimal that is this double, with thousands apart."""
    whole, _, rest = f"{Decimal(repr(value)):,f}".partition(".")
    return f"{whole}.{rest}" if rest.strip("0") else whole


def quote(text: str) -> str:
    """A text in quotation marks, those inside it marked."""
    return "“" + text.replace("\\", "\\\\").replace("“", "\\“").replace("”", "\\”") + "”"


@dataclass(frozen=True, slots=True)
class SentenceWriter:
    """Says the parts of a rule where these variables can be seen."""

    catalogue: Catalogue
    currency: str
    scope: Mapping[str, VariableInfo]

    def write_condition(self, node: tree.Value) -> str:
        """A condition; in brackets where it stands beside others and could be read in two ways."""
        match node:
            case tree.AllOf(operands=operands):
                return " and ".join(self.write_beside(operand) for operand in operands)
            case tree.AnyOf(operands=operands):
                return " or ".join(self.write_beside(operand) for operand in operands)
            case tree.Not(operand=operand):
                return f"not ({self.write_condition(operand)})"
            case tree.Choice(branches=branches, otherwise=otherwise):
                tests = [f"{self.write_beside(value)} if {self.write_beside(test)}" for test, value in branches]
                return ", else ".join([*tests, self.write_beside(otherwise)])
            case tree.Literal(value=value):
                return "always" if value else "never"
            case _:
                return self._write_leaf(node)

    def write_beside(self, node: tree.Value) -> str:
        """The condition as one of several."""
        text = self.write_condition(node)
        return f"({text})" if isinstance(node, tree.AllOf | tree.AnyOf | tree.Not | tree.Choice) else text

    def _write_leaf(self, node: tree.Value) -> str:
        match node:
            case tree.Truth(operand=operand):
                return f"{self.write_value(operand)} is {FULL.get(tree.get_kind(operand), 'anything')}"
            case tree.Comparison(op=op, left=tree.Variable(name=name), right=tree.Literal(value=float(days))) if (
                name in AGED
            ):
                return f"{AGED[name]} {AGES[op].format(format_number(days))}"
            case tree.Equality(
                left=tree.Variable(name=name), right=tree.Literal(value=float(days)), negated=negated
            ) if name in AGED:
                return f"{AGED[name]} {'not ' if negated else ''}exactly {format_number(days)} days ago"
            case tree.Comparison(op=op, left=left, right=right):
                first, second = self._write_values((left, right))
                kind = next((kind for kind in map(tree.get_kind, (left, right)) if kind in ORDERS), Kind.NUMBER)
                return f"{first} is {ORDERS[kind][op]} {second}"
            case tree.Between(op=op, low=low, middle=middle, high=high):
                first, second, third = self._write_values((low, middle, high))
                return f"{second} is {RANGES[op].format(first, third)}"
            case tree.Equality(left=left, right=right, negated=negated):
                first, second = self._write_values((left, right))
                return f"{first} is {'not ' if negated else ''}{second}"
            case tree.OneOf(value=value, options=options):
                first, *rest = self._write_values((value, *options))
                return f"{first} is one of {', '.join(rest) or 'nothing'}"
            case tree.Contains(needle=needle, text=text):
                return f"{self.write_value(text)} contains {self.write_value(needle)}"
            case tree.InSegment(key=key):
                return f"the customer belongs to {quote(key)}"
            case tree.Missing(variables=variables, need=need):
                named = ", ".join(self.write_value(variable) for variable in variables) or "nothing"
                few = "not all" if need is None else f"fewer than {need} and not all"
                return f"{few} of these are there and not blank: {named}"
            case tree.Quantified(quantity=quantity, collection=collection, condition=condition):
                return self._write_quantity(quantity, collection, condition)
            case _:
                raise TypeError(f"{type(node).__name__} is no condition")

    def _write_quantity(self, quantity: tree.Quantity, collection: tree.Collection, condition: tree.Condition) -> str:
        inside = self._enter_collection(collection)
        elements = self._write_collection(collection, self.catalogue.lists[collection.name].phrase)
        which = "" if condition == tree.ALWAYS else f" for which {inside.write_beside(condition)}"
        match quantity:
            case tree.Quantity.SOME:
                return f"there is at least one {elements}{which}"
            case tree.Quantity.NONE:
                return f"there is no {elements}{which}"
            case _:
                return f"there is at least one {elements} and for each {inside.write_beside(condition)}"

    def _enter_collection(self, collection: tree.Collection) -> "SentenceWriter":
        return SentenceWriter(self.catalogue, self.currency, self.catalogue.lists[collection.name].variables)

    def _write_collection(self, collection: tree.Collection, noun: str) -> str:
        inside = self._enter_collection(collection)
        return noun + "".join(f" where {inside.write_beside(test)}" for test in collection.filters)

    def _write_values(self, nodes: Sequence[tree.Value]) -> list[str]:
        """Values beside each other: numbers are said in the unit of the first that has one."""
        unit = next((unit for unit in map(self.find_unit, nodes) if unit is not None), None)
        return [self.write_value(node, unit) for node in nodes]

    def _describe_variable(self, variable: tree.Variable) -> VariableInfo:
        # What it is called says the name of an attribute; nobody need know which the business has.
        return self.scope.get(variable.name) or describe_attribute(variable.name, variable.kind)

    def find_unit(self, node: tree.Value) -> str | None:
        """What a number counts; None where that cannot be said."""
        match node:
            case tree.Variable():
                return self._describe_variable(node).unit
            case tree.Default(variable=variable):
                return self.find_unit(variable)
            case tree.Aggregate(collection=collection, addend=tree.Variable(name=name)):
                return self._enter_collection(collection).scope[name].unit
            case _:
                return None

    def write_value(self, node: tree.Value, unit: str | None = None) -> str:
        """A value, in brackets where it is made of several."""
        match node:
            case tree.Literal():
                return self._write_literal(node, unit)
            case tree.Variable():
                return self._describe_variable(node).phrase
            case tree.Aggregate(collection=tree.Collection(filters=())):
                return self._write_calculation(node)
            case _ if isinstance(node, tree.CONDITIONS):
                return f"({self.write_condition(node)})"
            case _:
                return f"({self._write_calculation(node)})"

    def _write_literal(self, node: tree.Literal, unit: str | None) -> str:
        match node.value:
            case None:
                return "missing"
            case bool(value):
                return "yes" if value else "no"
            case float(value):
                number = format_number(value)
                return f"{self.currency} {number}" if unit == MONEY else f"{number} days" if unit == DAYS else number
            case text if node.kind is Kind.INSTANT and PLAIN_INSTANT.fullmatch(text):
                return text
            case text:
                return f"the time {quote(text)}" if node.kind is Kind.INSTANT else quote(text)

    def _write_calculation(self, node: tree.Value) -> str:
        match node:
            case tree.Default(variable=variable, other=other):
                return " or else ".join(self._write_values((variable, other)))
            case tree.Arithmetic(op=op, operands=operands):
                return self._write_arithmetic(op, [self.write_value(operand) for operand in operands])
            case tree.Concat(operands=operands):
                return " followed by ".join(self.write_value(operand) for operand in operands)
            case tree.Substring(text=text, start=start, length=length):
                where = f"the last {-start} characters" if start < 0 else f"what follows the first {start} characters"
                limit = "" if length is None else f", without its last {-length}" if length < 0 else f", up to {length}"
                return f"{where} of {self.write_value(text)}{limit}"
            case tree.Choice(branches=branches, otherwise=otherwise):
                parts = [f"{self.write_value(value)} if {self.write_beside(test)}" for test, value in branches]
                return ", else ".join([*parts, self.write_value(otherwise)])
            case tree.ShortCircuit(conjunction=conjunction, operands=operands):
                which = "empty" if conjunction else "not empty"
                return f"the first that is {which} or else the last of {', '.join(map(self.write_value, operands))}"
            case tree.Aggregate(collection=collection, addend=addend):
                elements = self._write_collection(collection, self.catalogue.lists[collection.name].plural)
                if addend is None:
                    return f"the number of {elements}"
                noun = self._enter_collection(collection).scope[addend.name].phrase.removeprefix("its ")
                return f"the total {noun} of {elements}"
            case _:
                raise TypeError(f"{type(node).__name__} is no value")

    def _write_arithmetic(self, op: Op, operands: list[str]) -> str:
        match op:
            case Op.MINUS if len(operands) == 1:
                return f"the negative of {operands[0]}"
            case Op.MODULO:
                return f"the remainder of {operands[0]} divided by {operands[1]}"
            case Op.SMALLEST | Op.LARGEST:
                return f"the {'smallest' if op is Op.SMALLEST else 'largest'} of {', '.join(operands)}"
            case _:
                return BETWEEN_OPERANDS[op].join(operands)
