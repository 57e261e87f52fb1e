"""What a client is told of a failure, with every field named as in the schema. Expected failures keep their sentence
and code; surprises are masked, logged once under the request's id, and the id is in the answer. Nothing of a document
or its variables is logged."""

import logging
import re
from traceback import walk_tb
from typing import Any

from graphql import GraphQLEnumType, GraphQLError, GraphQLSyntaxError
from graphql.validation.validate import ValidationAbortedError
from strawberry.utils.str_converters import to_camel_case

from domain.errors import DomainError, InvalidInput, InvalidRule, name_fields

log = logging.getLogger("segments")
MAXIMUM_ERRORS = 5
MAXIMUM_MESSAGE = 500
MAXIMUM_PROBLEMS = 50
"""Of one error that a query tells: as many as there are settings."""
OURS, BENEATH = ("gql.", "domain.", "persistence."), "persistence.database."
"""Our modules, and those of them through which all others ask."""
SUGGESTION = re.compile(r"\s*Did you mean .*", re.DOTALL)
"""What the library adds to a message of names that are not there: those that are."""


def name_path(field: tuple[str, ...]) -> list[str]:
    """The path to an input in the names of the schema; keys of `settings` and names of attributes are what they are."""
    own = next((place for place, name in enumerate(field) if name in ("settings", "attributes")), len(field))
    return [*(to_camel_case(name) for name in field[:own]), *field[own:]]


def name_text(text: str) -> str:
    """The sentence, or the pointer to a field, in the names of the schema."""
    return name_fields(text, to_camel_case)


def is_surprise(error: GraphQLError) -> bool:
    """Whether the failure is the server's."""
    original = error.original_error
    return original is not None and not isinstance(original, DomainError | GraphQLError)


def log_surprise(error: BaseException, request_id: str) -> None:
    """Its kind, the place in the code and the method of ours that asked for it, such as that of a repository whose
    statement failed; never its words: they may hold addresses, secrets and customers' data."""
    frames = list(walk_tb(error.__traceback__))
    place = f"{frames[-1][0].f_code.co_filename}:{frames[-1][1]}" if frames else "?"
    ours = [
        f"{module}.{frame.f_code.co_qualname}:{line}"
        for frame, line in frames
        if (module := str(frame.f_globals.get("__name__"))).startswith(OURS) and not module.startswith(BENEATH)
    ]
    asking = ours[-1] if ours else "?"
    log.error("unexpected error id=%s kind=%s at=%s by=%s", request_id, type(error).__name__, place, asking)


def build_internal_error(request_id: str) -> dict[str, Any]:
    """What a client is told of a surprise."""
    message = f"Internal error. Quote the request id {request_id}."
    return {"message": message, "extensions": {"code": "INTERNAL", "requestId": request_id}}


def build_refusal(message: str, code: str) -> dict[str, Any]:
    """An error of the request as a whole."""
    return {"message": message[:MAXIMUM_MESSAGE], "extensions": {"code": code}}


def format_error(error: GraphQLError, request_id: str, schema: Any) -> dict[str, Any]:
    original = error.original_error
    if is_surprise(error):
        shown = build_internal_error(request_id)
    elif isinstance(original, DomainError):
        shown = build_refusal(name_text(original.message), original.code)
        if isinstance(original, InvalidInput) and original.problems[0].field:
            shown["extensions"]["field"] = name_path(original.problems[0].field)
        if isinstance(original, InvalidInput) and len(original.problems) > 1:
            shown["extensions"]["problems"] = [
                {"field": name_path(problem.field), "message": name_text(problem.message)[:MAXIMUM_MESSAGE]}
                for problem in original.problems[:MAXIMUM_PROBLEMS]
            ]
        if isinstance(original, InvalidRule):
            names = ("path", "code", "message", "suggestion")
            shown["extensions"]["problems"] = [
                {name: getattr(problem, name) for name in names} for problem in original.problems
            ]
    else:
        exhausted = isinstance(error, GraphQLSyntaxError) and "Parsing aborted" in error.message
        tangled = isinstance(error, ValidationAbortedError)
        message = "The document repeats too many fields." if tangled else error.message
        shown = build_refusal(message, "LIMIT_EXCEEDED" if exhausted or tangled else "BAD_USER_INPUT")
        if schema.tells_names:
            shown["message"] += list_enum_values(message, schema)
        else:
            shown["message"] = SUGGESTION.sub("", shown["message"])
        shown["extensions"].update(error.extensions or {})
    if error.locations:
        shown["locations"] = [{"line": place.line, "column": place.column} for place in error.locations[:5]]
    if error.path:
        shown["path"] = error.path
    return shown


def list_enum_values(message: str, schema: Any) -> str:
    """The values of the enum that a message complains about."""
    if "enum" not in message:
        return ""
    for name, kind in schema._schema.type_map.items():
        if isinstance(kind, GraphQLEnumType) and f"'{name}' enum" in message:
            return f" Its values are: {', '.join(kind.values)}."
    return ""
