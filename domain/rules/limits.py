"""How large a rule may be: what is given (levels, nodes, bytes), the numbers it can reach, the statement it becomes.
Everything is decided before a rule is saved, so that no rule that was accepted fails or runs away later."""

import json
import math
from dataclasses import dataclass

from domain.errors import InvalidRule, RuleProblem, RuleProblemCode
from domain.rules.tree import (
    Aggregate,
    Arithmetic,
    Between,
    Choice,
    Default,
    Literal,
    Node,
    OneOf,
    Op,
    ShortCircuit,
    Value,
    Variable,
    list_children,
)

MAXIMUM_LEVELS = 32
MAXIMUM_NODES = 1000
MAXIMUM_BYTES = 64 * 1024
MAXIMUM_TEXT_BYTES = 1024
SMALLEST_LITERAL, LARGEST_LITERAL = 1e-15, 1e15
MAXIMUM_EXPONENT = 300
# A statement may repeat an operand (the middle of a between, a value in `and`): so much it may grow.
MAXIMUM_WEIGHT = 4000
# SQLite refuses expressions deeper than 1,000; a sum of n terms in written order is n deep.
MAXIMUM_HEIGHT = 900


def build_pointer(*parts: object) -> str:
    """One step or more of a JSON pointer."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def read_json(text: str) -> object:
    """The JSON of a text; InvalidRule says what is wrong with it."""
    if len(text) > MAXIMUM_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAXIMUM_BYTES:
        raise InvalidRule([_make_limit_problem("", "A rule must have at most 64 KiB.")])
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        message = "A rule must be JSON: one JSONLogic object, or a list of them."
        raise InvalidRule([RuleProblem("", message)]) from error


def _refuse_constant(name: str) -> float:
    raise ValueError(name)


def _make_limit_problem(path: str, message: str) -> RuleProblem:
    return RuleProblem(path, message, None, RuleProblemCode.LIMIT_REACHED)


def find_size_problem(raw: object) -> RuleProblem | None:
    """What is too large about a rule as it was given; walks without recursion, and stops at the first."""
    nodes = 0
    waiting: list[tuple[object, int, str, bool]] = [(raw, 0, "", True)]
    while waiting:
        value, level, path, arguments = waiting.pop()
        if isinstance(value, dict):
            level += 1
            nodes += 1
            if not value and not path:
                return RuleProblem(path, "A rule must hold at least one condition.")
            if len(value) != 1:
                return RuleProblem(path, "An object in a rule must hold exactly one operator, such as var.")
            for key, inner in value.items():
                if problem := find_text_problem(key, path):
                    return problem
                waiting.append((inner, level, path + build_pointer(key), True))
        elif isinstance(value, list):
            level += 0 if arguments else 1
            nodes += 0 if arguments else 1
            if len(value) > MAXIMUM_NODES:
                return _make_limit_problem(path, f"A rule must have at most {MAXIMUM_NODES:,} nodes.")
            waiting += [
                (inner, level, path + build_pointer(at), False) for at, inner in reversed(list(enumerate(value)))
            ]
        else:
            nodes += 0 if path.endswith("/var") else 1
            if isinstance(value, str) and (problem := find_text_problem(value, path)):
                return problem
            if isinstance(value, int | float) and (problem := find_number_problem(value, path)):
                return problem
        if level > MAXIMUM_LEVELS:
            return _make_limit_problem(path, f"A rule must have at most {MAXIMUM_LEVELS} levels.")
        if nodes > MAXIMUM_NODES:
            return _make_limit_problem(path, f"A rule must have at most {MAXIMUM_NODES:,} nodes.")
    if len(json.dumps(raw, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass")) > MAXIMUM_BYTES:
        return _make_limit_problem("", "A rule must have at most 64 KiB.")
    return None


def find_text_problem(text: str, path: str) -> RuleProblem | None:
    """What keeps a text from being used: too long, or not to be stored as UTF-8."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return RuleProblem(path, "A text must be valid Unicode, without half surrogate pairs.")
    if size > MAXIMUM_TEXT_BYTES:
        return _make_limit_problem(path, f"A text must have at most {MAXIMUM_TEXT_BYTES:,} bytes.")
    if "\0" in text:
        return RuleProblem(path, "A text must not hold a NUL character.")
    return None


def find_number_problem(value: float, path: str) -> RuleProblem | None:
    """What keeps a number from being a literal."""
    if isinstance(value, float) and not math.isfinite(value):
        return RuleProblem(path, "A number must be finite.")
    if value and not SMALLEST_LITERAL <= abs(value) <= LARGEST_LITERAL:
        return _make_limit_problem(path, "A number must be 0 or between 1e-15 and 1e15 in size.")
    return None


@dataclass(frozen=True, slots=True)
class Magnitude:
    """Decimal exponents between which a number lies where it is not 0, and one of which it is a multiple."""

    low: float
    high: float
    grain: float

    @property
    def safe(self) -> bool:
        """Whether no value can overflow or underflow a double on any database."""
        return self.low >= -MAXIMUM_EXPONENT and self.high <= MAXIMUM_EXPONENT


# A double is a multiple of its last bit.
LAST_BIT = 17.0


def _make_magnitude(low: float, high: float) -> Magnitude:
    return Magnitude(low, high, low - LAST_BIT)


def compute_magnitude(node: Value) -> Magnitude:
    """The static bounds of a number."""
    match node:
        case Literal(value=float(value)):
            size = math.log10(abs(value)) if value else 0.0
            return _make_magnitude(size, size)
        case Variable():
            return _make_magnitude(-7, 19)
        case Aggregate():
            return _make_magnitude(-7, 26)
        case Arithmetic(op=op, operands=operands):
            return _combine(op, [compute_magnitude(operand) for operand in operands])
        case Default(variable=variable, other=other):
            return _compute_hull([compute_magnitude(variable), compute_magnitude(other)])
        case Choice(branches=branches, otherwise=otherwise):
            return _compute_hull([*(compute_magnitude(value) for _, value in branches), compute_magnitude(otherwise)])
        case ShortCircuit(operands=operands):
            return _compute_hull([compute_magnitude(operand) for operand in operands])
        case _:
            return _make_magnitude(0, 0)


def _compute_hull(parts: list[Magnitude]) -> Magnitude:
    return Magnitude(
        min(part.low for part in parts), max(part.high for part in parts), min(part.grain for part in parts)
    )


def _combine(op: Op, parts: list[Magnitude]) -> Magnitude:
    hull = _compute_hull(parts)
    match op:
        case Op.PLUS | Op.MINUS if len(parts) > 1:
            # What nearly cancels leaves a multiple of the finest last bit.
            return Magnitude(hull.grain, hull.high + math.log10(len(parts)), hull.grain)
        case Op.TIMES:
            lows, highs = [part.low for part in parts], [part.high for part in parts]
            # Every product on the way counts, not only the last.
            steps = range(1, len(parts) + 1)
            return _make_magnitude(min(sum(lows[:n]) for n in steps), max(sum(highs[:n]) for n in steps))
        case Op.DIVIDED:
            return _divide(parts)
        case Op.MODULO:
            quotient = _divide(parts)
            return Magnitude(hull.grain, hull.high + 1, hull.grain) if quotient.safe else quotient
        case _:
            return hull


def _divide(parts: list[Magnitude]) -> Magnitude:
    return _make_magnitude(parts[0].low - parts[1].high, parts[0].high - parts[1].low)


def find_statement_problem(node: Value) -> RuleProblem | None:
    """What keeps a rule from becoming a statement that both databases take."""
    weight, height = _measure_extent(node)
    if weight > MAXIMUM_WEIGHT:
        return _make_limit_problem("", "The rule repeats too much: nest fewer and, or, in and three-place comparisons.")
    if height > MAXIMUM_HEIGHT:
        return _make_limit_problem("", "A sum or product has too many operands: split it, or use fewer.")
    return None


def _measure_extent(node: Node) -> tuple[int, int]:
    extents = [_measure_extent(child) for child in list_children(node)]
    weights, heights = [weight for weight, _ in extents], [height for _, height in extents]
    weight, chain = 1 + sum(weights), 0
    match node:
        case ShortCircuit():
            weight += sum(weights)
        case Between():
            weight += weights[1]
        case OneOf(options=options):
            weight += weights[0] * sum(not isinstance(option, Literal) for option in options)
        case _:
            pass
    if isinstance(node, Arithmetic) and node.op in (Op.PLUS, Op.TIMES):
        chain = len(weights)
    return weight, max(heights, default=0) + chain + 4
