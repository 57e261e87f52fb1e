"""A rule tree as one boolean expression over `customer` joined with `customer_metrics`, never null, on both databases.
It can stand in any statement over them, restricted to any customers, and many can stand in one.

How deep a statement is printed. SQLite's parser gives up on about thirty nested expressions, so a deep rule is
printed in shallow pieces: what lies too deep becomes a one-row table that the expression above reads, and so does a
long expression that is used again.

The expressions of conditions. None is ever null: what compares a missing value is false, so that a negation is a
plain NOT and a rule and its negation split the population.

The expressions of values: literals, variables, calculations and choices, null where the value is missing. Operands
are printed in written order and calculated as doubles.

Purchases and their lines as rules look at them: through EXISTS and scalar subqueries of the one customer, so that an
expression can stand in any statement, restricted to any customers.

Comparing a whole column with a number without calculating on every row: the number becomes the whole threshold from
which the comparison holds, found by bisection over the same doubles, so that an index on the column can be used.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
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
from domain.errors import InvalidRule, RuleProblem
from domain.rules.context import RuleContext
from domain.rules.evaluator import HALF, ORDERS
from domain.rules.tree import (
    Aggregate,
    AllOf,
    AnyOf,
    Arithmetic,
    Between,
    Choice,
    Collection,
    Comparison,
    Concat,
    Condition,
    Contains,
    Default,
    Equality,
    InSegment,
    Literal,
    Missing,
    Node,
    Not,
    OneOf,
    Op,
    Quantified,
    Quantity,
    ShortCircuit,
    Substring,
    Truth,
    Value,
    Variable,
    kind_of,
    may_be_missing,
    walk,
)
from domain.rules.variables import LINES, OF_EVERY_STATUS, Kind
from persistence.customers import JOINED
from persistence.database import dialects as sql
from persistence.database.dialects import (
    AtLeast,
    AtMost,
    ByCodePoint,
    Expression,
    Holds,
    Known,
    Less,
    Let,
    More,
    Shortened,
    Tail,
    constant,
    number,
)
from persistence.rules.variables import DERIVED, Variables, Whole
from persistence.tables import OF_PURCHASE, bought, customer, customer_metrics, purchase, purchase_line

# Levels that are printed inside each other; what is itself a long expression counts for several.
LEVELS, HEAVY = 6, 4
TYPES: Mapping[Kind, sqltypes.TypeEngine[Any]] = {
    Kind.BOOLEAN: Boolean(),
    Kind.NUMBER: Double(),
    Kind.TEXT: Text(),
    Kind.INSTANT: sqltypes.BigInteger(),
}


class Layers(ABC):
    """The state of one compilation; `list` is the list whose elements are looked at, None for the customer."""

    def __init__(self, context: RuleContext) -> None:
        self.context = context
        self.variables = Variables(context)
        self.list: str | None = None
        self._level = 0
        self._names = 0
        self._kept: list[tuple[str, Expression]] = []
        self._once: dict[str, str | None] = {}

    @abstractmethod
    def print_value(self, node: Node) -> Expression:
        """The expression of a value."""

    @abstractmethod
    def print_test(self, node: Node) -> Expression:
        """The expression of a condition, never null."""

    def value(self, node: Node) -> Expression:
        """An operand that is a value."""
        return self._below(node, self.print_value)

    def test(self, node: Node) -> Expression:
        """An operand that is a condition."""
        return self._below(node, self.print_test)

    def typed(self, node: Node, kind: Kind) -> Expression:
        """An operand of that kind; PostgreSQL must be told of which type a null is."""
        return cast(null(), TYPES[kind]) if kind_of(node) is Kind.NOTHING else self.value(node)

    def whole(self, node: Node) -> Expression:
        """A condition with layers of its own."""
        return self._whole(node, self.print_test)

    def inside(self, name: str, test: Node) -> Expression:
        """A condition on an element of the list."""
        outer, self.list = self.list, name
        held = self.whole(test)
        self.list = outer
        return held

    def column(self, name: str) -> Expression:
        """A variable of what is looked at."""
        return self.variables.customer(name) if self.list is None else self.variables.element(name, self.list)

    def _whole(self, node: Node, printed: Callable[[Node], Expression]) -> Expression:
        outer = self._level, self._kept, self._once
        used = Counter(each.name for each in walk(node) if isinstance(each, Variable) and self._derived(each))
        self._level, self._kept = 0, []
        self._once = {name: None for name, times in used.items() if times > 1}
        body = printed(node)
        if self._kept:
            body = Let(body, *(value for _, value in self._kept), names=[name for name, _ in self._kept])
        self._level, self._kept, self._once = outer
        return body

    def _below(self, node: Node, printed: Callable[[Node], Expression]) -> Expression:
        weight, outer = self._weight(node), self._level
        if isinstance(node, Variable) and self._derived(node) and node.name in self._once:
            if self._once[node.name] is None:
                self._once[node.name] = self._keep(printed(node))
            return literal_column(f"(SELECT c FROM {self._once[node.name]})")
        if not weight or outer + weight <= LEVELS:
            self._level = outer + weight
            found = printed(node)
            self._level = outer
            return found
        self._level = weight
        value = printed(node)
        self._level = outer
        return literal_column(f"(SELECT c FROM {self._keep(value)})")

    def _keep(self, value: Expression) -> str:
        # What lies below the value was kept before it, so each is printed after those that it reads.
        name = f"_k{self._names}"
        self._names += 1
        self._kept.append((name, value))
        return name

    def _derived(self, variable: Variable) -> bool:
        return self.list is None and variable.name in DERIVED

    def _weight(self, node: Node) -> int:
        match node:
            case Variable():
                return HEAVY if self._derived(node) else 0
            case Literal():
                return 0
            case Arithmetic(op=Op.MODULO) | Choice() | ShortCircuit() | Aggregate() | Quantified():
                return HEAVY
            case _:
                return 1


def quantified(layers: Layers, quantity: Quantity, collection: Collection, test: Condition) -> Expression:
    """Whether some, all or none of the elements satisfy the condition."""
    held = layers.inside(collection.name, test)
    found = _elements(layers, collection, literal(1))
    if quantity is Quantity.ALL:
        # Over nothing it does not hold.
        return sql.And(found.exists(), sql.Negation(found.where(sql.Negation(held)).exists()))
    some = found.where(held).exists()
    return sql.Negation(some) if quantity is Quantity.NONE else some


def reduced(layers: Layers, collection: Collection, addend: Variable | None) -> Expression:
    """How many elements there are, or the sum of a number of theirs, taken of high and low halves."""
    if addend is None:
        return number(_elements(layers, collection, func.count()).scalar_subquery())
    whole = layers.variables.whole(addend.name, collection.name)
    if whole is None:
        raise TypeError(f"{addend.name} cannot be summed")
    each: Expression = whole.column
    if whole.origin is not None:
        each = sql.Minus(literal(whole.origin), each)
    high = sql.Over(each, literal(HALF))
    low = sql.Minus(each, sql.Times(literal(HALF), high))
    sums = [number(func.coalesce(func.sum(part), 0)) for part in (high, low)]
    summed = sql.Plus(sql.Times(sums[0], constant(float(HALF))), sums[1])
    return _elements(layers, collection, sql.Over(summed, constant(whole.scale))).scalar_subquery()


def _elements(layers: Layers, collection: Collection, what: Expression) -> Select[Any]:
    source: FromClause = purchase
    if collection.name in LINES:
        source = purchase.join(purchase_line, OF_PURCHASE)
    mine = [purchase.c.business_id == layers.context.business.id, purchase.c.customer_id == customer.c.id]
    if collection.name in OF_EVERY_STATUS:
        mine.append(purchase.c.purchased_at <= to_micros(layers.context.now))
    else:
        mine.append(purchase.c.counted == 1)
        if collection.name in LINES:
            mine.append(bought())
    found = select(what).select_from(source).where(*mine).correlate(customer, customer_metrics)
    for test in collection.filters:
        found = found.where(layers.inside(collection.name, test))
    return found


COMBINE: Mapping[Op, Callable[..., Expression]] = {
    Op.PLUS: sql.Plus,
    Op.MINUS: sql.Minus,
    Op.TIMES: sql.Times,
    Op.MODULO: sql.Remainder,
    Op.SMALLEST: sql.Smallest,
    Op.LARGEST: sql.Largest,
}
# No stored text is as long.
FARTHEST = 10**9


def print_value(layers: Layers, node: Node) -> Expression:
    """The value; conditions among values are printed by the caller."""
    if kind_of(node) is Kind.NOTHING:
        return null()
    match node:
        case Literal():
            return print_literal(layers, node)
        case Variable(name=name):
            return layers.column(name)
        case Default(variable=variable, other=other):
            return func.coalesce(layers.value(variable), layers.value(other))
        case Arithmetic(op=op, operands=operands):
            return _calculated(layers, op, operands)
        case Concat(operands=operands):
            return sql.bundled(sql.Append, [layers.typed(operand, Kind.TEXT) for operand in operands])
        case Substring(text=text, start=start, length=length):
            return _part(layers.typed(text, Kind.TEXT), start, length)
        case Choice(branches=branches, otherwise=otherwise):
            chosen = [(layers.test(test), layers.value(value)) for test, value in branches]
            return case(*chosen, else_=layers.value(otherwise))
        case ShortCircuit(conjunction=conjunction, operands=(*firsts, last)):
            tests = [full(layers, each) for each in firsts]
            stops = [sql.Negation(test) if conjunction else test for test in tests]
            return case(*zip(stops, map(layers.value, firsts), strict=True), else_=layers.value(last))
        case Aggregate(collection=collection, addend=addend):
            return reduced(layers, collection, addend)
        case _:
            return layers.print_test(node)


def print_literal(layers: Layers, node: Literal) -> Expression:
    """A bound constant."""
    match node.value:
        case None:
            return null()
        case bool(value):
            return true() if value else false()
        case float(value):
            return constant(value)
        case str(text) if node.kind is Kind.INSTANT:
            micros = to_micros(read_instant(text, layers.context.zone))
            return bindparam(None, micros, type_=BigInteger, unique=True)
        case text:
            return bindparam(None, text, type_=Text, unique=True)


def known(expression: Expression, *operands: Node) -> Expression:
    """The condition, or false where an operand is missing."""
    return sql.Known(expression) if any(may_be_missing(operand) for operand in operands) else expression


def full(layers: Layers, node: Value) -> Expression:
    """Whether the value is there and not empty."""
    if isinstance(node, Literal):
        return true() if node.value else false()
    match kind_of(node):
        case Kind.NOTHING:
            return false()
        case Kind.NUMBER:
            return known(sql.Negation(sql.Equal(layers.value(node), constant(0.0))), node)
        case Kind.TEXT:
            return known(sql.Negation(sql.Equal(layers.value(node), literal(""))), node)
        case Kind.BOOLEAN:
            return known(layers.value(node), node)
        case _:
            return sql.Negation(sql.Same(layers.value(node), null()))


def _calculated(layers: Layers, op: Op, operands: Sequence[Value]) -> Expression:
    values = [layers.typed(operand, Kind.NUMBER) for operand in operands]
    if op is Op.MINUS and len(values) == 1:
        return sql.Times(constant(-1.0), values[0])
    if op is Op.DIVIDED:
        return sql.Over(values[0], func.nullif(values[1], constant(0.0)))
    return COMBINE[op](*values)


def _part(text: Expression, start: int, length: int | None) -> Expression:
    if start:
        count = literal(min(abs(start), FARTHEST))
        text = Tail(text, count) if start < 0 else func.substr(text, literal(min(start, FARTHEST) + 1))
    if length is None:
        return text
    count = literal(min(abs(length), FARTHEST))
    return Shortened(text, count) if length < 0 else func.substr(text, literal(1), count)


MIRRORED = {Op.LESS: Op.MORE, Op.AT_MOST: Op.AT_LEAST, Op.MORE: Op.LESS, Op.AT_LEAST: Op.AT_MOST}
LOWEST, HIGHEST = -(2**62), 2**62


def threshold(op: Op, left: Node, right: Node, whole: Callable[[str], Whole | None]) -> Expression | None:
    """The comparison on the column itself; None where the two are not a whole variable and a number."""
    match left, right:
        case Variable(name=name), Literal(value=float(limit)):
            pass
        case Literal(value=float(limit)), Variable(name=name):
            op = MIRRORED[op]
        case _:
            return None
    column = whole(name)
    return None if column is None else _on_column(op, column, limit)


def _on_column(op: Op, whole: Whole, limit: float) -> Expression:
    rising = op in (Op.MORE, Op.AT_LEAST)
    compare = ORDERS[op]

    def holds(value: int) -> bool:
        return compare(float(value) / whole.scale, limit)

    # The lowest value for which it holds (rising), or for which it no longer does.
    low, high = LOWEST, HIGHEST
    while low < high:
        middle = (low + high) // 2
        if holds(middle) == rising:
            high = middle
        else:
            low = middle + 1
    if whole.origin is None:
        return (AtLeast if rising else Less)(whole.column, _bound(low))
    return (AtMost if rising else More)(whole.column, _bound(whole.origin - low))


def _bound(value: int) -> Expression:
    return bindparam(None, value, type_=BigInteger, unique=True)


ORDER: Mapping[Op, Callable[..., Expression]] = {
    Op.LESS: sql.Less,
    Op.AT_MOST: sql.AtMost,
    Op.MORE: sql.More,
    Op.AT_LEAST: sql.AtLeast,
}


def print_test(layers: Layers, node: Node, member: Callable[[str], Expression]) -> Expression:
    """Whether the condition holds; `member` answers for a stored segment."""
    match node:
        case Literal(value=value):
            return true() if value else false()
        case AllOf(operands=operands):
            return sql.bundled(sql.And, [layers.test(operand) for operand in operands])
        case AnyOf(operands=operands):
            return sql.bundled(sql.Or, [layers.test(operand) for operand in operands])
        case Not(operand=operand):
            return sql.Negation(layers.test(operand))
        case Choice(branches=branches, otherwise=otherwise):
            chosen = [(layers.test(test), layers.test(value)) for test, value in branches]
            return case(*chosen, else_=layers.test(otherwise))
        case Truth(operand=value):
            return full(layers, value)
        case Comparison(op=op, left=left, right=right):
            return _compared(layers, op, left, right)
        case Between(op=op, low=low, middle=middle, high=high):
            return sql.And(_compared(layers, op, low, middle), _compared(layers, op, middle, high))
        case Equality(left=left, right=right, negated=negated):
            same = _same(layers, left, right)
            return sql.Negation(same) if negated else same
        case OneOf(value=value, options=options):
            return _one_of(layers, value, options)
        case Contains(needle=needle, text=text):
            found = Holds(layers.typed(text, Kind.TEXT), layers.typed(needle, Kind.TEXT))
            return known(found, needle, text)
        case InSegment(key=key):
            return member(key)
        case Missing(variables=variables, need=need):
            return _missing(layers, variables, need)
        case Quantified(quantity=quantity, collection=collection, condition=condition):
            return quantified(layers, quantity, collection, condition)
        case _:
            raise TypeError(f"{type(node).__name__} is no condition")


def _compared(layers: Layers, op: Op, left: Value, right: Value) -> Expression:
    if kind_of(left) is Kind.NOTHING or kind_of(right) is Kind.NOTHING:
        return false()
    found = threshold(op, left, right, lambda name: layers.variables.whole(name, layers.list))
    if found is None:
        first = layers.value(left)
        ordered = ByCodePoint(first) if kind_of(left) is Kind.TEXT else first
        found = ORDER[op](ordered, layers.value(right))
    return known(found, left, right)


def _same(layers: Layers, left: Value, right: Value) -> Expression:
    if may_be_missing(left) and may_be_missing(right):
        return sql.Same(layers.value(left), layers.value(right))
    return known(sql.Equal(layers.value(left), layers.value(right)), left, right)


def _one_of(layers: Layers, value: Value, options: Sequence[Value]) -> Expression:
    plain = [each for each in options if isinstance(each, Literal) and each.value is not None]
    rest = [each for each in options if not (isinstance(each, Literal) and each.value is not None)]
    found = [_same(layers, value, each) for each in rest]
    if plain and kind_of(value) is not Kind.NOTHING:
        # In brackets of its own as an operand, and false where the value is missing.
        found.append(sql.Known(layers.value(value).in_([print_literal(layers, each) for each in plain])))
    return sql.bundled(sql.Or, found) if found else false()


def _missing(layers: Layers, variables: Sequence[Variable], need: int | None) -> Expression:
    gone = [_empty(layers, each) for each in variables]
    if not gone:
        return false()
    any_gone = sql.bundled(sql.Or, gone)
    if need is None or need > len(gone):
        return any_gone
    there: list[Expression] = [case((each, 0), else_=1) for each in gone]
    return sql.And(any_gone, sql.Less(sql.bundled(sql.Plus, there), literal(need)))


def _empty(layers: Layers, variable: Variable) -> Expression:
    column = layers.value(variable)
    if variable.kind is Kind.TEXT:
        return sql.Equal(func.coalesce(column, ""), literal(""))
    return sql.Same(column, null())


Lookup = Callable[[str], Condition | Expression]
"""How a rule's reference to a stored segment is answered: with a condition over `customer`, or with its tree."""


def no_segments(key: str) -> Condition | Expression:
    """A lookup for rules that use no stored segments."""
    raise InvalidRule([RuleProblem("", f"There is no segment with the key {key}.")])


class RuleSql(Layers):
    """Compiles the rules of one statement; segments that are answered by their tree stand in it once each."""

    def __init__(self, context: RuleContext, segments: Lookup = no_segments) -> None:
        super().__init__(context)
        self.segments = segments
        self._shared: dict[str, CTE] = {}
        self._open: list[str] = []

    def condition(self, tree: Condition) -> Expression:
        """Whether the rule holds for the row of `customer`."""
        return self.whole(tree)

    def print_value(self, node: Node) -> Expression:
        """The expression of a value."""
        return print_value(self, node)

    def print_test(self, node: Node) -> Expression:
        """The expression of a condition, never null."""
        return print_test(self, node, self._member)

    def _member(self, key: str) -> Expression:
        if key not in self._shared:
            answer = self.segments(key)
            if isinstance(answer, ColumnElement):
                return answer
            self._shared[key] = self._customers_of(key, answer)
        return Known(customer.c.id.in_(select(self._shared[key].c.id)))

    def _customers_of(self, key: str, tree: Condition) -> CTE:
        if key in self._open:
            way = " uses ".join([*self._open[self._open.index(key) :], key])
            message = f"Segments must not use each other in a circle: {way}."
            raise InvalidRule([RuleProblem("", message, None, "CIRCULAR_REFERENCE")])
        self._open.append(key)
        held = self.whole(tree)
        self._open.pop()
        ids = select(customer.c.id).select_from(JOINED).where(customer.c.business_id == self.context.business.id, held)
        return ids.cte(f"_segment_{len(self._shared)}")


def matching(context: RuleContext, expressions: Mapping[str, Expression]) -> Select[Any]:
    """Ids of customers with one boolean column a rule; restrict it by `customer.c.id`."""
    columns = [expression.label(name) for name, expression in expressions.items()]
    statement = select(customer.c.id, *columns).select_from(JOINED)
    return statement.where(customer.c.business_id == context.business.id)


def members(
    context: RuleContext, expression: Expression, low: int | None = None, high: int | None = None
) -> Select[Any]:
    """Ids of the customers for whom the rule holds, from `low` to `high`, both included, where they are given."""
    mine = customer.c.business_id == context.business.id
    statement = select(customer.c.id).select_from(JOINED).where(mine, expression)
    if low is not None:
        statement = statement.where(customer.c.id >= low)
    return statement if high is None else statement.where(customer.c.id <= high)
