"""A rule tree as one boolean expression over `customer` joined with `customer_metrics`, never null, on both databases.
Purchases are looked at through EXISTS and scalar subqueries of the one customer, so an expression can stand in any
statement, restricted to any customers, and many can stand in one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any as Anything

from sqlalchemy import (
    CTE,
    BigInteger,
    Double,
    FromClause,
    Select,
    Text,
    bindparam,
    case,
    cast,
    false,
    func,
    literal,
    null,
    select,
    true,
)

from domain.calendar import read_instant, to_micros
from domain.errors import InvalidRule, RuleProblem
from domain.rule_context import RuleContext
from domain.rule_evaluation import HALF
from domain.rule_variables import Kind
from domain.rules import (
    All,
    Any,
    Arithmetic,
    Between,
    Choice,
    Collection,
    Comparison,
    Condition,
    Contains,
    Either,
    Equality,
    Fallback,
    InSegment,
    Joined,
    Literal,
    Missing,
    Node,
    Not,
    OneOf,
    Op,
    Part,
    Quantified,
    Quantity,
    Reduction,
    Truth,
    Value,
    Variable,
    kind_of,
    may_be_missing,
)
from persistence import rule_sql_constructs as sql
from persistence.customers import JOINED
from persistence.rule_sql_constructs import Expression, constant, number
from persistence.rule_sql_thresholds import threshold
from persistence.rule_sql_variables import DERIVED, OF_LINE, Variables
from persistence.tables import customer, customer_metrics, purchase, purchase_line

Lookup = Callable[[str], Node | Expression]
"""How a rule's reference to a stored segment is answered: with a condition over `customer`, or with its tree."""
COMBINE: Mapping[Op, Callable[..., Expression]] = {
    Op.PLUS: sql.Plus,
    Op.MINUS: sql.Minus,
    Op.TIMES: sql.Times,
    Op.REST: sql.Remainder,
    Op.SMALLEST: sql.Smallest,
    Op.LARGEST: sql.Largest,
}
ORDER: Mapping[Op, Callable[..., Expression]] = {
    Op.LESS: sql.Less,
    Op.AT_MOST: sql.AtMost,
    Op.MORE: sql.More,
    Op.AT_LEAST: sql.AtLeast,
}
# Levels that are printed inside each other before the deeper ones become columns of a one-row table (sql.Let).
LAYER = 6
FARTHEST = 10**9


def no_segments(key: str) -> Node | Expression:
    """A lookup for rules that use no stored segments."""
    raise InvalidRule([RuleProblem("", f"There is no segment with the key {key}.")])


class RuleSql:
    """Compiles the rules of one business at one instant; segments that are answered by their tree are shared."""

    def __init__(self, context: RuleContext, segments: Lookup = no_segments) -> None:
        self.context = context
        self.variables = Variables(context)
        self.segments = segments
        self._shared: dict[str, CTE] = {}
        self._open: list[str] = []
        self._level = 0
        self._layers = 0
        self._name = ""
        self._kept: list[Expression] = []
        self._list: str | None = None

    def condition(self, tree: Condition) -> Expression:
        """Whether the rule holds for the row of `customer`."""
        return self._whole(tree, self._holds)

    def _whole(self, node: Node, compile: Callable[[Anything], Expression]) -> Expression:
        outer = self._level, self._name, self._kept
        self._layers += 1
        self._level, self._name, self._kept = 0, f"_l{self._layers}", []
        body = compile(node)
        if self._kept:
            body = sql.Let(sql.word(self._name), body, *self._kept)
        self._level, self._name, self._kept = outer
        return body

    def _below(self, node: Node, compile: Callable[[Anything], Expression]) -> Expression:
        """One level down: printed here, or, where that is too deep, as a column of the layer."""
        heavy = isinstance(node, Variable) and node.name in DERIVED and self._list is None
        if self._level < (2 if heavy else LAYER) or isinstance(node, Literal) or (
            isinstance(node, Variable) and not heavy
        ):  # fmt: skip
            self._level += 1
            found = compile(node)
            self._level -= 1
            return found
        column = sql.word(f"{self._name}.c{len(self._kept)}")
        self._kept.append(null())
        self._kept[int(column.text.rpartition("c")[2])] = self._whole(node, compile)  # type: ignore[attr-defined]
        return column

    def _value(self, node: Node) -> Expression:
        return self._below(node, self._valued)

    def _test(self, node: Node) -> Expression:
        return self._below(node, self._holds)

    def _valued(self, node: Node) -> Expression:
        match node:
            case Literal(value=None, kind=kind):
                return null()
            case Literal(value=bool(value)):
                return true() if value else false()
            case Literal(value=float(value)):
                return constant(value)
            case Literal(value=str(text), kind=Kind.INSTANT):
                micros = to_micros(read_instant(text, self.context.zone))
                return bindparam(None, micros, type_=BigInteger, unique=True)
            case Literal(value=str(text)):
                return bindparam(None, text, type_=Text, unique=True)
            case Variable(name=name):
                return self._column(name)
            case Fallback(variable=variable, other=other):
                return func.coalesce(self._value(variable), self._value(other))
            case Arithmetic(op=op, operands=operands):
                return self._calculated(op, operands)
            case Joined(operands=operands):
                return sql.Append(*(self._value(operand) for operand in operands))
            case Part(text=text, start=start, length=length):
                return _part(self._value(text), start, length)
            case Choice(branches=branches, otherwise=otherwise):
                chosen = [(self._test(test), self._typed(value)) for test, value in branches]
                return case(*chosen, else_=self._typed(otherwise))
            case Either(conjunction=conjunction, operands=(*firsts, last)):
                tests = [self._full(each) for each in firsts]
                stops = [sql.Negation(test) if conjunction else test for test in tests]
                values = [self._typed(each) for each in firsts]
                return case(*zip(stops, values, strict=True), else_=self._typed(last))
            case Reduction(collection=collection, addend=addend):
                return self._reduced(collection, addend)
            case _:
                return self._holds(node)

    def _typed(self, node: Node) -> Expression:
        # PostgreSQL takes a bare null in a CASE for text.
        return self._value(node)

    def _column(self, name: str) -> Expression:
        return self.variables.customer(name) if self._list is None else self.variables.element(name, self._list)

    def _calculated(self, op: Op, operands: Sequence[Value]) -> Expression:
        values = [self._double(operand) for operand in operands]
        if op is Op.MINUS and len(values) == 1:
            return sql.Times(constant(-1.0), values[0])
        if op is Op.DIVIDED:
            return sql.Over(values[0], func.nullif(values[1], constant(0.0)))
        return COMBINE[op](*values)

    def _double(self, node: Node) -> Expression:
        return cast(null(), Double) if isinstance(node, Literal) and node.value is None else self._value(node)

    def _holds(self, node: Node) -> Expression:
        match node:
            case Literal(value=value):
                return true() if value else false()
            case All(operands=operands):
                return sql.And(*(self._test(operand) for operand in operands))
            case Any(operands=operands):
                return sql.Or(*(self._test(operand) for operand in operands))
            case Not(operand=operand):
                return sql.Negation(self._test(operand))
            case Choice(branches=branches, otherwise=otherwise):
                chosen = [(self._test(test), self._test(value)) for test, value in branches]
                return case(*chosen, else_=self._test(otherwise))
            case Truth(operand=value):
                return self._full(value)
            case Comparison(op=op, left=left, right=right):
                return self._compared(op, left, right)
            case Between(op=op, low=low, middle=middle, high=high):
                return sql.And(self._compared(op, low, middle), self._compared(op, middle, high))
            case Equality(left=left, right=right, negated=negated):
                same = self._same(left, right)
                return sql.Negation(same) if negated else same
            case OneOf(value=value, options=options):
                return self._one_of(value, options)
            case Contains(needle=needle, text=text):
                found = sql.Holds(self._text(text), self._text(needle))
                return self._known(found, needle, text)
            case InSegment(key=key):
                return self._member(key)
            case Missing(variables=variables, need=need):
                return self._missing(variables, need)
            case Quantified(quantity=quantity, collection=collection, condition=condition):
                return self._quantified(quantity, collection, condition)
            case _:
                raise TypeError(f"{type(node).__name__} is no condition")

    def _known(self, expression: Expression, *operands: Node) -> Expression:
        return sql.Known(expression) if any(may_be_missing(operand) for operand in operands) else expression

    def _text(self, node: Node) -> Expression:
        return cast(null(), Text) if isinstance(node, Literal) and node.value is None else self._value(node)

    def _full(self, node: Value) -> Expression:
        if isinstance(node, Literal):
            return true() if node.value else false()
        value = self._value(node)
        match kind_of(node):
            case Kind.NUMBER:
                return self._known(sql.Negation(sql.Equal(value, constant(0.0))), node)
            case Kind.TEXT:
                return self._known(sql.Negation(sql.Equal(value, literal(""))), node)
            case Kind.BOOLEAN:
                return self._known(value, node)
            case _:
                return sql.Negation(sql.Same(value, null()))

    def _compared(self, op: Op, left: Value, right: Value) -> Expression:
        if kind_of(left) is Kind.NOTHING or kind_of(right) is Kind.NOTHING:
            return false()
        found = threshold(op, left, right, lambda name: self.variables.whole(name, self._list))
        if found is None:
            first = self._value(left)
            ordered = sql.ByCodePoint(first) if kind_of(left) is Kind.TEXT else first
            found = ORDER[op](ordered, self._value(right))
        return self._known(found, left, right)

    def _same(self, left: Value, right: Value) -> Expression:
        if may_be_missing(left) and may_be_missing(right):
            return sql.Same(self._value(left), self._value(right))
        return self._known(sql.Equal(self._value(left), self._value(right)), left, right)

    def _one_of(self, value: Value, options: Sequence[Value]) -> Expression:
        plain = [each for each in options if isinstance(each, Literal) and each.value is not None]
        rest = [each for each in options if each not in plain]
        found = [self._same(value, each) for each in rest]
        if plain and kind_of(value) is not Kind.NOTHING:
            # In brackets of its own as an operand, and false where the value is missing.
            found.append(sql.Known(self._value(value).in_([self._valued(each) for each in plain])))
        return sql.Or(*found) if len(found) > 1 else found[0] if found else false()

    def _missing(self, variables: Sequence[Variable], need: int | None) -> Expression:
        gone = [self._empty(each) for each in variables]
        if not gone:
            return false()
        any_gone = sql.Or(*gone)
        if need is None or need > len(gone):
            return any_gone
        there: list[Expression] = [case((each, 0), else_=1) for each in gone]
        return sql.And(any_gone, sql.Less(sql.Plus(*there), literal(need)))

    def _empty(self, variable: Variable) -> Expression:
        column = self._value(variable)
        if variable.kind is Kind.TEXT:
            return sql.Equal(func.coalesce(column, ""), literal(""))
        return sql.Same(column, null())

    def _member(self, key: str) -> Expression:
        answer = self.segments(key)
        if isinstance(answer, Expression):
            return answer
        if key in self._open:
            way = " uses ".join([*self._open[self._open.index(key) :], key])
            message = f"Segments must not use each other in a circle: {way}."
            raise InvalidRule([RuleProblem("", message, None, "CIRCULAR_REFERENCE")])
        if key not in self._shared:
            self._open.append(key)
            held = self._whole(answer, self._holds)
            self._open.pop()
            ids = select(customer.c.id).select_from(JOINED)
            ids = ids.where(customer.c.business_id == self.context.business.id, held)
            self._shared[key] = ids.cte(f"_segment_{len(self._shared)}")
        return sql.Known(customer.c.id.in_(select(self._shared[key].c.id)))

    def _elements(self, collection: Collection, what: Expression) -> Select[Anything]:
        source: FromClause = purchase
        if collection.name == "purchases.lines":
            source = purchase.join(purchase_line, OF_LINE)
        mine = [purchase.c.business_id == self.context.business.id, purchase.c.customer_id == customer.c.id]
        if collection.name == "all_purchases":
            mine.append(purchase.c.purchased_at <= to_micros(self.context.now))
        else:
            mine.append(purchase.c.counted == 1)
        found = select(what).select_from(source).where(*mine).correlate(customer, customer_metrics)
        for test in collection.filters:
            found = found.where(self._inside(collection, test))
        return found

    def _inside(self, collection: Collection, test: Condition) -> Expression:
        outer, self._list = self._list, collection.name
        held = self._whole(test, self._holds)
        self._list = outer
        return held

    def _quantified(self, quantity: Quantity, collection: Collection, test: Condition) -> Expression:
        held = self._inside(collection, test)
        found = self._elements(collection, literal(1))
        if quantity is Quantity.ALL:
            # Over nothing it does not hold.
            return sql.And(found.exists(), sql.Negation(found.where(sql.Negation(held)).exists()))
        some = found.where(held).exists()
        return sql.Negation(some) if quantity is Quantity.NONE else some

    def _reduced(self, collection: Collection, addend: Variable | None) -> Expression:
        if addend is None:
            return number(self._elements(collection, func.count()).scalar_subquery())
        whole = self.variables.whole(addend.name, collection.name)
        if whole is None:
            raise TypeError(f"{addend.name} cannot be summed")
        each: Expression = whole.column
        if whole.origin is not None:
            each = sql.Minus(literal(whole.origin), each)
        high = sql.Over(each, literal(HALF))
        low = sql.Minus(each, sql.Times(literal(HALF), high))
        sums = [number(func.coalesce(func.sum(part), 0)) for part in (high, low)]
        summed = sql.Plus(sql.Times(sums[0], constant(float(HALF))), sums[1])
        return self._elements(collection, sql.Over(summed, constant(whole.scale))).scalar_subquery()


def _part(text: Expression, start: int, length: int | None) -> Expression:
    if start:
        count = literal(min(abs(start), FARTHEST))
        text = sql.Tail(text, count) if start < 0 else func.substr(text, literal(min(start, FARTHEST) + 1))
    if length is None:
        return text
    count = literal(min(abs(length), FARTHEST))
    return sql.Shortened(text, count) if length < 0 else func.substr(text, literal(1), count)


def matching(context: RuleContext, expressions: Mapping[str, Expression]) -> Select[Anything]:
    """Ids of customers with one boolean column a rule; restrict it by `customer.c.id`."""
    columns = [expression.label(name) for name, expression in expressions.items()]
    statement = select(customer.c.id, *columns).select_from(JOINED)
    return statement.where(customer.c.business_id == context.business.id)


def members(
    context: RuleContext, expression: Expression, low: int | None = None, high: int | None = None
) -> Select[Anything]:
    """Ids of the customers for whom the rule holds, from `low` to `high`, both included, where they are given."""
    statement = (
        select(customer.c.id).select_from(JOINED).where(customer.c.business_id == context.business.id, expression)
    )
    if low is not None:
        statement = statement.where(customer.c.id >= low)
    return statement if high is None else statement.where(customer.c.id <= high)
