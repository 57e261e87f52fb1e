"""Segments in files: JSON or TOML with the fields of the API's inputs, checked by the schema itself, so that both ways
in say the same."""

import json
import re
import tomllib
from collections.abc import Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from graphql import GraphQLError, GraphQLInputType
from graphql.utilities import coerce_input_value, validate_input_value

from domain.errors import FieldProblem, InvalidInput
from domain.segments.model import Segment
from domain.segments.segments import definition_json
from gql.schema.errors import known_values
from gql.schema.inputs import CreateSegmentInput, RfmConfigInput, SegmentCriteriaInput, UpdateSegmentInput
from gql.schema.schema import make_schema
from gql.settings import Settings

MAXIMUM_BYTES = 1024 * 1024
NESTED: Mapping[str, type[SegmentCriteriaInput] | type[RfmConfigInput]] = {
    "criteria": SegmentCriteriaInput,
    "rfm_config": RfmConfigInput,
}


def read_new(file: Path) -> CreateSegmentInput:
    """The new segment that a file states; InvalidInput says what is wrong with it."""
    return CreateSegmentInput(**_arguments(file, _read(file), "CreateSegmentInput"))


def read_change(file: Path | None, clear: list[str]) -> UpdateSegmentInput:
    """What is to change, as a file states it, and the fields to clear, which TOML cannot state."""
    stated = {} if file is None else _read(file)
    place = file or Path("--clear")
    twice = [name for name in ("id", *clear) if name in stated]
    if twice:
        raise InvalidInput(f"{place} must not hold {twice[0]}: the command line says it")
    values = {**stated, **dict.fromkeys(clear), "id": "-"}
    return UpdateSegmentInput(**_arguments(place, values, "UpdateSegmentInput"))


def as_stated(segment: Segment) -> dict[str, object]:
    """The segment with the fields of CreateSegmentInput that have a value, so that it can be read again."""
    values = {
        "name": segment.name,
        "key": segment.key,
        "description": segment.description,
        "kind": segment.kind.value,
        "isDynamic": segment.is_dynamic,
        "isRfm": segment.is_rfm,
        **definition_json(segment.definition),
        "schedule": segment.schedule,
    }
    return {name: value for name, value in values.items() if value is not None}


def _read(file: Path) -> dict[str, Any]:
    if file.suffix not in (".json", ".toml"):
        raise InvalidInput(f"{file} must be a .json or a .toml file")
    content = file.read_bytes()
    if len(content) > MAXIMUM_BYTES:
        raise InvalidInput(f"{file} must be at most 1 MiB")
    try:
        text = content.decode("utf-8-sig")
        found = json.loads(text) if file.suffix == ".json" else _plain(tomllib.loads(text))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{file} is not readable {file.suffix[1:].upper()}: {error}") from error
    if not isinstance(found, dict):
        raise InvalidInput(f"{file} must hold one segment: an object with a name")
    return found


def _plain(value: object) -> Any:
    """TOML's own dates are the ISO texts that rules compare with."""
    if isinstance(value, dict):
        return {name: _plain(held) for name, held in value.items()}
    if isinstance(value, list):
        return [_plain(held) for held in value]
    return value.isoformat() if isinstance(value, datetime | date | time) else value


def _arguments(file: Path, values: dict[str, Any], kind: str) -> dict[str, Any]:
    """The values by the names that the input's class has for them."""
    schema = make_schema(Settings())
    expected: Any = schema._schema.type_map[kind]
    problems: list[FieldProblem] = []

    def note(error: GraphQLError, path: list[str | int]) -> None:
        said = re.split(r",? [Ff]ound: ", error.message)[0] + known_values(error.message, schema)
        place = ".".join(map(str, path))
        problems.append(FieldProblem((), f"{file}: {place}: {said}" if place else f"{file}: {said}"))

    checked: GraphQLInputType = expected
    validate_input_value(values, checked, note)
    if problems:
        raise InvalidInput.of(problems)
    named = _snake(coerce_input_value(values, checked))
    for name, made in NESTED.items():
        if named.get(name) is not None:
            named[name] = made(**_snake(named[name]))
    return named


def _snake(values: Mapping[str, Any]) -> dict[str, Any]:
    return {re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", name): value for name, value in values.items()}
