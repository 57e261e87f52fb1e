"""What a client is told of a failure. Expected failures keep their sentence and code; surprises are masked, logged
once under the request's id, and the id is in the answer. Nothing of a document or its variables is logged."""

import logging
from typing import Any

import strawberry
from graphql import GraphQLEnumType, GraphQLError
from strawberry.types import ExecutionContext

from domain.errors import DomainError, InvalidInput

log = logging.getLogger("segments")
MAXIMUM_ERRORS = 5
UNAUTHENTICATED_MESSAGE = "Authentication credentials were not provided."


class Unauthenticated(DomainError):
    """There is no token, or none that holds."""

    code = "UNAUTHENTICATED"


class LimitExceeded(DomainError):
    """The document asks for more than a server gives at once."""

    code = "LIMIT_EXCEEDED"


class ApiSchema(strawberry.Schema):
    """The schema with our own log of errors: code, operation and request id, nothing else."""

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Surprises with their place in our code; expected failures not at all."""
        for error in errors:
            original = error.original_error
            if original is not None and not isinstance(original, DomainError | GraphQLError):
                frame = original.__traceback__
                while frame is not None and frame.tb_next is not None:
                    frame = frame.tb_next
                place = f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame is not None else "?"
                log.error("unexpected error kind=%s at=%s", type(original).__name__, place)


def formatted(error: GraphQLError, request_id: str, schema: Any) -> dict[str, Any]:
    """The error as clients see it."""
    original = error.original_error
    shown: dict[str, Any] = {"message": error.message}
    if error.locations:
        shown["locations"] = [{"line": place.line, "column": place.column} for place in error.locations]
    if error.path:
        shown["path"] = error.path
    if isinstance(original, DomainError):
        extensions: dict[str, Any] = {"code": original.code}
        if isinstance(original, InvalidInput) and original.problems[0].field:
            extensions["field"] = list(original.problems[0].field)
    elif original is not None and not isinstance(original, GraphQLError):
        shown["message"] = f"Internal error. Quote the request id {request_id}."
        extensions = {"code": "INTERNAL", "requestId": request_id}
    else:
        extensions = {"code": "BAD_USER_INPUT", **(error.extensions or {})}
        shown["message"] = error.message[:500] + known_values(error.message, schema)
    shown["extensions"] = extensions
    return shown


def known_values(message: str, schema: Any) -> str:
    """The values of the enum that a message complains about."""
    if "enum" not in message:
        return ""
    for name, kind in schema._schema.type_map.items():
        if isinstance(kind, GraphQLEnumType) and f"'{name}' enum" in message:
            return f" Its values are: {', '.join(kind.values)}."
    return ""
