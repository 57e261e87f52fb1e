"""A rule tree as one boolean expression over `customer` joined with `customer_metrics`, never null, on both databases:
it can stand in any statement over them, restricted to any customers, and many can stand in one. What compares a missing
value is false, so a negation is a plain NOT and a rule and its negation split the population; a value is null where it
is missing; operands are printed in written order and calculated as doubles. SQLite's parser gives up on about thirty
nested expressions, so what lies too deep becomes a one-row table that the expression above reads, and so does a long
expression that is used again."""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import singledispatchmethod
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    Boolean,
    ColumnElement,
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
    literal_column,
    null,
    select,
    true,
)
from sqlalchemy import types as sqltypes

from domain.calendar import read_instant, to_micros
from domain.errors import InvalidRule, RuleProblem, RuleProblemCode
from domain.rules import tree
from domain.rules.context import RuleContext
from domain.rules.evaluator import HALF
from domain.rules.tree import Collection, Condition, Literal, Op, Value, Variable, get_kind, may_be_missing, walk
from domain.rules.variables import ATTRIBUTE, LINES, OF_EVERY_STATUS, Kind
from persistence.customers import JOINED
from persistence.database import dialects as sql
from persistence.database.dialects import Expression, FalseIfNull, NotDistinct, bind_double, to_double
from persistence.rules.variables import COMPARE, DERIVED, Variables
from persistence.tables.customers import customer, customer_metrics
from persistence.tables.purchases import OF_PURCHASE, is_bought, purchase, purchase_line

# Levels that are printed inside each other; what is itself a long expression counts for several.
LEVELS, HEAVY = 6, 4
# No stored text is as long.
FARTHEST = 10**9
TYPES: Mapping[Kind, sqltypes.TypeEngine[Any]] = {
    Kind.BOOLEAN: Boolean(),
    Kind.NUMBER: Double(),
    Kind.TEXT: Text(),
    Kind.INSTANT: BigInteger(),
}
COMBINE: Mapping[Op, Callable[..., Expression]] = {
    Op.PLUS: sql.Plus,
    Op.MINUS: sql.Minus,
    Op.TIMES: sql.Times,
    Op.MODULO: sql.Remainder,
    Op.SMALLEST: sql.Least,
    Op.LARGEST: sql.Greatest,
}
MIRRORED = {Op.LESS: Op.MORE, Op.AT_MOST: Op.AT_LEAST, Op.MORE: Op.LESS, Op.AT_LEAST: Op.AT_MOST}
Lookup = Callable[[str], Condition | Expression]
"""How a rule's reference to a stored segment is answered: with a condition over `customer`, or with its tree."""


def refuse_segment(key: str) -> Condition | Expression:
    """A lookup for rules that use no stored segments."""
    message = f"There is no segment with the key {key}."
    raise InvalidRule([RuleProblem("", message, None, RuleProblemCode.UNKNOWN_VARIABLE)])


class RuleCompiler:
    """Compiles the rules of one statement; segments that are answered by their tree stand in it once each. `bounds` are
    those of the ids of the customers that it looks at, where it says so."""

    def __init__(
        self,
        context: RuleContext,
        segments: Lookup = refuse_segment,
        bounds: tuple[ColumnElement[int], ColumnElement[int]] | None = None,
    ) -> None:
        self.context = context
        self.bounds = bounds
        self.segments = segments
        self.variables = Variables(context)
        # The list whose elements are looked at; None for the customer.
        self._list: str | None = None
        self._level = 0
        self._scalars: list[tuple[str, Expression]] = []
        self._scalar_count = 0
        # Variables that are used again, each with its one-row table once it has one.
        self._repeated: dict[str, str | None] = {}
        self._segment_tables: dict[str, CTE] = {}
        self._open_segments: list[str] = []

    def compile_condition(self, node: Condition) -> Expression:
        """Whether the condition holds, with the one-row tables that it reads."""
        outer = self._level, self._scalars, self._repeated
        used = Counter(each.name for each in walk(node) if isinstance(each, Variable) and self._is_derived(each))
        self._level, self._scalars = 0, []
        self._repeated = {name: None for name, times in used.items() if times > 1}
        body = self.visit(node)
        if self._scalars:
            body = sql.WithScalars(
                body, *(value for _, value in self._scalars), names=[name for name, _ in self._scalars]
            )
        self._level, self._scalars, self._repeated = outer
        return body

    def compile_operand(self, node: Value) -> Expression:
        """What stands below the node that is visited; in a one-row table where it is too deep or used again."""
        weight, outer = self._measure_weight(node), self._level
        if isinstance(node, Variable) and self._is_derived(node) and node.name in self._repeated:
            name = self._repeated[node.name] or self._add_scalar(self.visit(node))
            self._repeated[node.name] = name
            return literal_column(f"(SELECT c FROM {name})")
        deep = bool(weight) and outer + weight > LEVELS
        self._level = weight if deep else outer + weight
        expression = self.visit(node)
        self._level = outer
        return literal_column(f"(SELECT c FROM {self._add_scalar(expression)})") if deep else expression

    def cast_operand(self, node: Value, kind: Kind) -> Expression:
        """An operand of that kind; PostgreSQL must be told of which type a null is."""
        return cast(null(), TYPES[kind]) if get_kind(node) is Kind.NOTHING else self.compile_operand(node)

    def _add_scalar(self, value: Expression) -> str:
        # What lies below the value was added before it, so each table is printed after those that it reads.
        name = f"_k{self._scalar_count}"
        self._scalar_count += 1
        self._scalars.append((name, value))
        return name

    def _is_derived(self, variable: Variable) -> bool:
        return self._list is None and (variable.name in DERIVED or variable.name.startswith(ATTRIBUTE))

    def _measure_weight(self, node: Value) -> int:
        match node:
            case Variable():
                return HEAVY if self._is_derived(node) else 0
            case Literal():
                return 0
            case tree.Arithmetic(op=Op.MODULO) | tree.Choice() | tree.ShortCircuit():
                return HEAVY
            case tree.Aggregate() | tree.Quantified():
                return HEAVY
            case _:
                return 1

    @singledispatchmethod
    def visit(self, node: Value) -> Expression:
        """The expression of one node; that of a condition is never null."""
        raise TypeError(f"{type(node).__name__} is no node of a rule")

    @visit.register
    def visit_literal(self, node: Literal) -> Expression:
        match node.value:
            case None:
                return null()
            case bool(value):
                return true() if value else false()
            case float(value):
                return bind_double(value)
            case str(text) if node.kind is Kind.INSTANT:
                micros = to_micros(read_instant(text, self.context.zone))
                return bindparam(None, micros, type_=BigInteger, unique=True)
            case text:
                return bindparam(None, text, type_=Text, unique=True)

    @visit.register
    def visit_variable(self, node: Variable) -> Expression:
        if self._list is None:
            return self.variables.express_customer_variable(node.name, node.kind)
        return self.variables.express_element_variable(node.name, self._list)

    @visit.register
    def visit_default(self, node: tree.Default) -> Expression:
        return func.coalesce(self.compile_operand(node.variable), self.compile_operand(node.other))

    @visit.register
    def visit_arithmetic(self, node: tree.Arithmetic) -> Expression:
        values = [self.cast_operand(operand, Kind.NUMBER) for operand in node.operands]
        if node.op is Op.MINUS and len(values) == 1:
            return sql.Times(bind_double(-1.0), values[0])
        if node.op is Op.DIVIDED:
            return sql.Divide(values[0], func.nullif(values[1], bind_double(0.0)))
        return COMBINE[node.op](*values)

    @visit.register
    def visit_concat(self, node: tree.Concat) -> Expression:
        return sql.bundle(sql.Append, [self.cast_operand(operand, Kind.TEXT) for operand in node.operands])

    @visit.register
    def visit_substring(self, node: tree.Substring) -> Expression:
        text, start, length = self.cast_operand(node.text, Kind.TEXT), node.start, node.length
        if start:
            count = literal(min(abs(start), FARTHEST))
            text = sql.Tail(text, count) if start < 0 else func.substr(text, literal(min(start, FARTHEST) + 1))
        if length is None:
            return text
        count = literal(min(abs(length), FARTHEST))
        return sql.Shortened(text, count) if length < 0 else func.substr(text, literal(1), count)

    @visit.register
    def visit_choice(self, node: tree.Choice) -> Expression:
        if node.kind is Kind.NOTHING:
            return null()
        branches = [(self.compile_operand(test), self.compile_operand(value)) for test, value in node.branches]
        return case(*branches, else_=self.compile_operand(node.otherwise))

    @visit.register
    def visit_short_circuit(self, node: tree.ShortCircuit) -> Expression:
        if node.kind is Kind.NOTHING:
            return null()
        *firsts, last = node.operands
        tests = [self._is_full(each) for each in firsts]
        stops = [sql.Negation(test) if node.conjunction else test for test in tests]
        return case(*zip(stops, map(self.compile_operand, firsts), strict=True), else_=self.compile_operand(last))

    @visit.register
    def visit_aggregate(self, node: tree.Aggregate) -> Expression:
        collection, addend = node.collection, node.addend
        if addend is None:
            return to_double(self._select_elements(collection, func.count()).scalar_subquery())
        whole = self.variables.get_whole_column(addend.name, collection.name)
        if whole is None:
            raise TypeError(f"{addend.name} cannot be summed")
        each: Expression = whole.column
        if whole.origin is not None:
            each = sql.Minus(literal(whole.origin), each)
        # A sum is taken of high and low halves, as by the row evaluator, so that it cannot overflow.
        high = sql.Divide(each, literal(HALF))
        low = sql.Minus(each, sql.Times(literal(HALF), high))
        sums = [to_double(func.coalesce(func.sum(part), 0)) for part in (high, low)]
        summed = sql.Divide(sql.Plus(sql.Times(sums[0], bind_double(float(HALF))), sums[1]), bind_double(whole.scale))
        if addend.nullable:
            summed = case((func.count() == func.count(whole.column), summed))
        return self._select_elements(collection, summed).scalar_subquery()

    @visit.register
    def visit_all_of(self, node: tree.AllOf) -> Expression:
        return sql.bundle(sql.And, [self.compile_operand(operand) for operand in node.operands])

    @visit.register
    def visit_any_of(self, node: tree.AnyOf) -> Expression:
        return sql.bundle(sql.Or, [self.compile_operand(operand) for operand in node.operands])

    @visit.register
    def visit_not(self, node: tree.Not) -> Expression:
        return sql.Negation(self.compile_operand(node.operand))

    @visit.register
    def visit_truth(self, node: tree.Truth) -> Expression:
        return self._is_full(node.operand)

    @visit.register
    def visit_comparison(self, node: tree.Comparison) -> Expression:
        return self._compare(node.op, node.left, node.right)

    @visit.register
    def visit_between(self, node: tree.Between) -> Expression:
        return sql.And(self._compare(node.op, node.low, node.middle), self._compare(node.op, node.middle, node.high))

    @visit.register
    def visit_equality(self, node: tree.Equality) -> Expression:
        same = self._compare_equal(node.left, node.right)
        return sql.Negation(same) if node.negated else same

    @visit.register
    def visit_one_of(self, node: tree.OneOf) -> Expression:
        plain = [each for each in node.options if isinstance(each, Literal) and each.value is not None]
        rest = [each for each in node.options if not (isinstance(each, Literal) and each.value is not None)]
        tests = [self._compare_equal(node.value, each) for each in rest]
        if plain and get_kind(node.value) is not Kind.NOTHING:
            # In brackets of its own as an operand, and false where the value is missing.
            tests.append(FalseIfNull(self.compile_operand(node.value).in_([self.visit(each) for each in plain])))
        return sql.bundle(sql.Or, tests) if tests else false()

    @visit.register
    def visit_contains(self, node: tree.Contains) -> Expression:
        texts = (self.cast_operand(each, Kind.TEXT) for each in (node.text, node.needle))
        return _treat_missing_as_false(sql.ContainsText(*texts), node.needle, node.text)

    @visit.register
    def visit_in_segment(self, node: tree.InSegment) -> Expression:
        key = node.key
        if key not in self._segment_tables:
            answer = self.segments(key)
            if isinstance(answer, ColumnElement):
                return answer
            self._segment_tables[key] = self._select_members(key, answer)
        return FalseIfNull(customer.c.id.in_(select(self._segment_tables[key].c.id)))

    @visit.register
    def visit_missing(self, node: tree.Missing) -> Expression:
        gone = [self._is_empty(each) for each in node.variables]
        if not gone:
            return false()
        any_gone = sql.bundle(sql.Or, gone)
        if node.need is None or node.need > len(gone):
            return any_gone
        there: list[Expression] = [case((each, 0), else_=1) for each in gone]
        return sql.And(any_gone, sql.Less(sql.bundle(sql.Plus, there), literal(node.need)))

    @visit.register
    def visit_quantified(self, node: tree.Quantified) -> Expression:
        test = self._compile_element_test(node.collection.name, node.condition)
        elements = self._select_elements(node.collection, literal(1))
        if node.quantity is tree.Quantity.ALL:
            # Over nothing it does not hold.
            return sql.And(elements.exists(), sql.Negation(elements.where(sql.Negation(test)).exists()))
        some = elements.where(test).exists()
        return sql.Negation(some) if node.quantity is tree.Quantity.NONE else some

    def _is_full(self, node: Value) -> Expression:
        """Whether the value is there and not empty."""
        if isinstance(node, Literal):
            return true() if node.value else false()
        match get_kind(node):
            case Kind.NOTHING:
                return false()
            case Kind.NUMBER:
                return _treat_missing_as_false(
                    sql.Negation(sql.Equal(self.compile_operand(node), bind_double(0.0))), node
                )
            case Kind.TEXT:
                return _treat_missing_as_false(sql.Negation(sql.Equal(self.compile_operand(node), literal(""))), node)
            case Kind.BOOLEAN:
                return _treat_missing_as_false(self.compile_operand(node), node)
            case _:
                return sql.Negation(NotDistinct(self.compile_operand(node), null()))

    def _is_empty(self, variable: Variable) -> Expression:
        """Whether the variable is missing or an empty text."""
        column = self.compile_operand(variable)
        if variable.kind is Kind.TEXT:
            return sql.Equal(func.coalesce(column, ""), literal(""))
        return NotDistinct(column, null())

    def _compare(self, op: Op, left: Value, right: Value) -> Expression:
        """The order of two values; false where one is missing."""
        if get_kind(left) is Kind.NOTHING or get_kind(right) is Kind.NOTHING:
            return false()
        comparison = self._compare_column(op, left, right)
        if comparison is None:
            first = self.compile_operand(left)
            ordered = sql.ByCodePoint(first) if get_kind(left) is Kind.TEXT else first
            comparison = COMPARE[op](ordered, self.compile_operand(right))
        return _treat_missing_as_false(comparison, left, right)

    def _compare_column(self, op: Op, left: Value, right: Value) -> Expression | None:
        """A comparison that an index can answer; None where the two are not a whole variable and a number."""
        match left, right:
            case Variable(name=name), Literal(value=float(limit)):
                pass
            case Literal(value=float(limit)), Variable(name=name):
                op = MIRRORED[op]
            case _:
                return None
        whole = self.variables.get_whole_column(name, self._list)
        return None if whole is None else whole.compare(op, limit)

    def _compare_equal(self, left: Value, right: Value) -> Expression:
        """The same value, or both missing."""
        if may_be_missing(left) and may_be_missing(right):
            return NotDistinct(self.compile_operand(left), self.compile_operand(right))
        return _treat_missing_as_false(sql.Equal(self.compile_operand(left), self.compile_operand(right)), left, right)

    def _compile_element_test(self, name: str, test: Condition) -> Expression:
        outer, self._list = self._list, name
        condition = self.compile_condition(test)
        self._list = outer
        return condition

    def _select_elements(self, collection: Collection, what: Expression) -> Select[Any]:
        """The customer's purchases or lines that satisfy the filters."""
        source: FromClause = purchase
        if collection.name in LINES:
            source = purchase.join(purchase_line, OF_PURCHASE)
        mine = [purchase.c.business_id == self.context.business.id, purchase.c.customer_id == customer.c.id]
        if self.bounds is not None:
            mine.append(purchase.c.customer_id.between(*self.bounds))
        if collection.name in OF_EVERY_STATUS:
            mine.append(purchase.c.purchased_at <= to_micros(self.context.now))
        else:
            mine.append(purchase.c.counted == 1)
            if collection.name in LINES:
                mine.append(is_bought())
        filters = [self._compile_element_test(collection.name, test) for test in collection.filters]
        statement = select(what).select_from(source).where(*mine, *filters)
        return statement.correlate(customer, customer_metrics)

    def _select_members(self, key: str, condition: Condition) -> CTE:
        """The customers of a segment that is answered by its tree."""
        if key in self._open_segments:
            way = " uses ".join([*self._open_segments[self._open_segments.index(key) :], key])
            message = f"Segments must not use each other in a circle: {way}."
            raise InvalidRule([RuleProblem("", message, None, RuleProblemCode.CIRCULAR_REFERENCE)])
        self._open_segments.append(key)
        statement = select_members(self.context, self.compile_condition(condition))
        self._open_segments.pop()
        return statement.cte(f"_segment_{len(self._segment_tables)}")


def _treat_missing_as_false(condition: Expression, *operands: Value) -> Expression:
    return FalseIfNull(condition) if any(may_be_missing(operand) for operand in operands) else condition


def select_matching(context: RuleContext, conditions: Mapping[str, Expression]) -> Select[Any]:
    """Ids of customers with one boolean column a rule; restrict it by `customer.c.id`."""
    columns = [condition.label(name) for name, condition in conditions.items()]
    statement = select(customer.c.id, *columns).select_from(JOINED)
    return statement.where(customer.c.business_id == context.business.id)


def select_members(
    context: RuleContext, condition: Expression, low: int | None = None, high: int | None = None
) -> Select[Any]:
    """Ids of the customers for whom the rule holds, from `low` to `high`, both included, where they are given."""
    mine = customer.c.business_id == context.business.id
    statement = select(customer.c.id).select_from(JOINED).where(mine, condition)
    if low is not None:
        statement = statement.where(customer.c.id >= low)
    return statement if high is None else statement.where(customer.c.id <= high)
