"""Segments as files of JSON or TOML state them: the fields of the API's inputs, checked by the schema itself."""

import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, TypeVar, cast

from graphql import GraphQLError, GraphQLInputType
from graphql.utilities import coerce_input_value, validate_input_value
from strawberry.types.arguments import convert_argument

from domain.errors import FieldProblem, InvalidInput
from domain.json_text import read_fraction, read_json
from gql.schema.errors import list_enum_values, name_text
from gql.schema.inputs import CreateSegmentInput, UpdateSegmentInput
from gql.schema.schema import make_schema
from gql.settings import Settings

MAXIMUM_BYTES = 1024 * 1024
CLEARABLE = ("description", "rules", "criteria", "rfmConfig", "schedule")
Input = TypeVar("Input", CreateSegmentInput, UpdateSegmentInput)


def read_new(file: Path) -> CreateSegmentInput:
    """The new segment that a file states; InvalidInput says what is wrong with it."""
    return _read_input(file, _read(file), CreateSegmentInput)


def read_change(file: Path | None, clear: list[str]) -> UpdateSegmentInput:
    """What is to change, as a file states it, and the fields to clear, which TOML cannot state."""
    stated = {} if file is None else _read(file)
    for name in clear:
        if name not in CLEARABLE:
            raise InvalidInput(f"--clear must be one of: {', '.join(CLEARABLE)}, not {name[:40]}")
    place = file or Path("--clear")
    twice = [name for name in ("id", *clear) if name in stated]
    if twice:
        raise InvalidInput(f"{place} must not hold {twice[0]}: the command line says it")
    values = {**stated, **dict.fromkeys(clear), "id": "-"}
    return _read_input(place, values, UpdateSegmentInput)


def _read(file: Path) -> dict[str, Any]:
    if file.suffix not in (".json", ".toml"):
        raise InvalidInput(f"{file} must be a .json or a .toml file")
    content = file.read_bytes()
    if len(content) > MAXIMUM_BYTES:
        raise InvalidInput(f"{file} must be at most 1 MiB")
    try:
        text = content.decode("utf-8-sig")
        loaded = read_json(text) if file.suffix == ".json" else tomllib.loads(text, parse_float=read_fraction)
        values = _to_plain(loaded)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{file} is not readable {file.suffix[1:].upper()}: {error}") from error
    if not isinstance(values, dict):
        raise InvalidInput(f"{file} must hold one segment: an object with a name")
    return values


def _to_plain(value: object) -> Any:
    """TOML's own dates are the ISO texts that rules compare with."""
    if isinstance(value, dict):
        return {name: _to_plain(held) for name, held in value.items()}
    if isinstance(value, list):
        return [_to_plain(held) for held in value]
    return value.isoformat() if isinstance(value, datetime | date | time) else value


def _read_input(file: Path, values: dict[str, Any], kind: type[Input]) -> Input:
    """The values as the input of the API that they are."""
    schema = make_schema(Settings())
    expected: Any = schema._schema.type_map[kind.__name__]
    problems: list[FieldProblem] = []

    def note(error: GraphQLError, path: list[str | int]) -> None:
        message = re.split(r",? [Ff]ound: ", error.message)[0] + list_enum_values(error.message, schema)
        place = ".".join(map(str, path))
        problems.append(FieldProblem((), f"{file}: {place}: {message}" if place else f"{file}: {message}"))

    checked: GraphQLInputType = expected
    validate_input_value(values, checked, note)
    if problems:
        raise InvalidInput.of(problems)
    read = coerce_input_value(values, checked)
    return cast(Input, convert_argument(read, kind, schema.schema_converter.scalar_registry, schema.config))


@contextmanager
def name_fields_as_in_files() -> Iterator[None]:
    """What is wrong with a segment names its fields as its file does: as the API."""
    try:
        yield
    except InvalidInput as error:
        named = [replace(problem, message=name_text(problem.message)) for problem in error.problems]
        raise InvalidInput.of(named) from error
