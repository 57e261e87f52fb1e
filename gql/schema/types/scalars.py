"""Scalars of the schema. The stock ones accept NaN, Infinity and numbers of any size; these accept what the business
can keep, and say what would be right."""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NewType

import strawberry
from graphql import (
    FloatValueNode,
    GraphQLError,
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
    ValueNode,
    value_from_ast_untyped,
)
from strawberry.types.scalar import ScalarDefinition

from domain.json_text import BadJson, read_fraction, read_json, read_whole

JSON = NewType("JSON", object)
NUMBER = re.compile(r"[+-]?([0-9]{1,15}(\.[0-9]{0,20})?|\.[0-9]{1,20})")
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def parse_decimal(value: object) -> Decimal:
    """A string or a JSON number, finite, at most 15 digits before the point."""
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError
        text = value if isinstance(value, str) else format(Decimal(str(value)), "f")
        if NUMBER.fullmatch(text) is None:
            raise ValueError
        return Decimal(text)
    except (ValueError, InvalidOperation) as error:
        raise GraphQLError(
            'A Decimal must be a plain number such as "12.50", at most 15 digits before the point.'
        ) from error


def parse_date(value: object) -> date:
    """An ISO date."""
    try:
        if not isinstance(value, str) or DAY.fullmatch(value) is None:
            raise ValueError
        return date.fromisoformat(value)
    except ValueError as error:
        raise GraphQLError('A Date must be an ISO 8601 date such as "2024-03-01".') from error


def parse_instant(value: object) -> datetime:
    """An ISO timestamp; without an offset it is local time of the business."""
    try:
        if not isinstance(value, str) or len(value) > 40 or not value.isascii() or DAY.match(value) is None:
            raise ValueError
        return datetime.fromisoformat(value)
    except ValueError as error:
        raise GraphQLError('A DateTime must be an ISO 8601 timestamp such as "2024-03-01T09:30:00Z".') from error


def parse_json(value: object) -> object:
    """A JSON value, or a string that holds JSON text."""
    if not isinstance(value, str):
        return value
    try:
        content: object = read_json(value)
        return content
    except BadJson as error:
        raise GraphQLError(str(error)) from error
    except ValueError as error:
        raise GraphQLError("A JSON value must come as a variable, or as a string that holds JSON text.") from error


def read_literal(node: ValueNode, variables: Mapping[str, Any] | None = None) -> object:
    """The value that stands in the document, with numbers as JSON's are read; the library's own way loses digits."""
    match node:
        case IntValueNode():
            return read_whole(node.value)
        case FloatValueNode():
            return read_fraction(node.value)
        case ListValueNode():
            return [read_literal(item, variables) for item in node.values]
        case ObjectValueNode():
            return {field.name.value: read_literal(field.value, variables) for field in node.fields}
        case _:
            value: object = value_from_ast_untyped(node, dict(variables or {}))
            return value


def _parse_literal(parse: Callable[[object], object]) -> Callable[..., object]:
    """What reads the same from a document."""

    def read(node: ValueNode, variables: Mapping[str, Any] | None = None) -> object:
        try:
            return parse(read_literal(node, variables))
        except BadJson as error:
            raise GraphQLError(str(error)) from error

    return read


def _define(**options: Any) -> ScalarDefinition:
    definition: ScalarDefinition = strawberry.scalar(**options)
    return definition


def build_scalar_map() -> dict[object, ScalarDefinition]:
    """Python type to scalar, for the schema's configuration."""
    return {
        Decimal: _define(
            name="Decimal",
            description="An exact decimal number, written as a string.",
            serialize=lambda value: format(value, "f"),
            parse_value=parse_decimal,
            parse_literal=_parse_literal(parse_decimal),
        ),
        date: _define(
            name="Date",
            description="A calendar day in ISO 8601, in the business's time zone.",
            serialize=lambda value: value.isoformat(),
            parse_value=parse_date,
        ),
        datetime: _define(
            name="DateTime",
            description="A timestamp in ISO 8601. Without an offset it is read as local time of the business.",
            serialize=lambda value: value.isoformat().replace("+00:00", "Z"),
            parse_value=parse_instant,
        ),
        JSON: _define(
            name="JSON",
            description="Any JSON value, as a variable or as a string that holds JSON text.",
            serialize=lambda value: value,
            parse_value=parse_json,
            parse_literal=_parse_literal(parse_json),
        ),
    }
