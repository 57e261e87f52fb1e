"""What mutations have in common: who may call them, that they are done once for an Idempotency-Key, and that what the
caller can mend comes back as user errors inside their own payload, never as a fault."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar, dataclass_transform

import strawberry
from strawberry.extensions import FieldExtension
from strawberry.permission import BasePermission
from strawberry.types import get_object_definition
from strawberry.types.field import StrawberryField

from domain.errors import (
    AlreadyRunning,
    AlreadyTaken,
    Conflict,
    DomainError,
    InvalidInput,
    InvalidRule,
    NotCancellable,
    NotFound,
    RuleProblemCode,
    UndoRefused,
)
from domain.model import AuditOutcome
from domain.store import Effect
from gql.schema.context import CanEdit, Context, Info
from gql.schema.errors import name_path, name_text
from gql.schema.types.enums import describe_enum
from gql.schema.types.ids import encode
from gql.schema.types.nodes import load_node, load_source_format


class UserErrorCode(StrEnum):
    """What kind of thing is wrong."""

    BLANK = "BLANK"
    TOO_LONG = "TOO_LONG"
    TAKEN = "TAKEN"
    NOT_FOUND = "NOT_FOUND"
    INVALID = "INVALID"
    INVALID_RULE = "INVALID_RULE"
    UNKNOWN_VARIABLE = "UNKNOWN_VARIABLE"
    TYPE_MISMATCH = "TYPE_MISMATCH"
    SEGMENT_IS_AUTOMATIC = "SEGMENT_IS_AUTOMATIC"
    SEGMENT_IS_MANUAL = "SEGMENT_IS_MANUAL"
    CIRCULAR_REFERENCE = "CIRCULAR_REFERENCE"
    IN_USE = "IN_USE"
    CONFLICT = "CONFLICT"
    ALREADY_RUNNING = "ALREADY_RUNNING"
    NOT_CANCELLABLE = "NOT_CANCELLABLE"
    ERASED = "ERASED"
    LIMIT_REACHED = "LIMIT_REACHED"


DESCRIBED = describe_enum(
    UserErrorCode,
    "UserErrorCode",
    "What kind of thing is wrong with an input.",
    BLANK="Something that is required is empty.",
    TOO_LONG="A text is too long.",
    TAKEN="A name or key that must be unique is in use.",
    NOT_FOUND="There is nothing of that id.",
    INVALID="A value is out of its bounds or contradicts another.",
    INVALID_RULE="A rule is not well-formed.",
    UNKNOWN_VARIABLE="A rule names a variable, a list or a segment that does not exist.",
    TYPE_MISMATCH="A rule compares things of different types.",
    SEGMENT_IS_AUTOMATIC="The members of this segment follow from its definition.",
    SEGMENT_IS_MANUAL="The members of this segment are put in by hand.",
    CIRCULAR_REFERENCE="Segments would depend on each other in a circle.",
    IN_USE="Something else depends on it.",
    CONFLICT="Somebody else changed it in the meantime.",
    ALREADY_RUNNING="It is running already.",
    NOT_CANCELLABLE="It has ended already.",
    ERASED="The customer was erased.",
    LIMIT_REACHED="There is too much of something.",
)


RULE_CODES = {
    RuleProblemCode.INVALID_RULE: UserErrorCode.INVALID_RULE,
    RuleProblemCode.UNKNOWN_OPERATOR: UserErrorCode.INVALID_RULE,
    RuleProblemCode.UNKNOWN_VARIABLE: UserErrorCode.UNKNOWN_VARIABLE,
    RuleProblemCode.TYPE_MISMATCH: UserErrorCode.TYPE_MISMATCH,
    RuleProblemCode.CIRCULAR_REFERENCE: UserErrorCode.CIRCULAR_REFERENCE,
    RuleProblemCode.LIMIT_REACHED: UserErrorCode.LIMIT_REACHED,
}
"""What a mutation calls the problems of rules that keep it from being done."""


def to_code(code: str) -> UserErrorCode:
    """The code of a problem of an input, or of a rule in it."""
    return RULE_CODES[code] if isinstance(code, RuleProblemCode) else UserErrorCode(code)


@strawberry.type(
    description="What the caller can mend. Faults of the server are top-level errors and say nothing of its insides."
)
class UserError:
    field: list[str] | None = strawberry.field(description="Path to the input that is wrong.")
    message: str = strawberry.field(description="Sentence that says what is wrong and what would be right.")
    code: UserErrorCode = strawberry.field(description="Kind of the error; stable.")
    path: str | None = strawberry.field(description="Place inside a rule, where the error is in one.", default=None)


def to_user_errors(error: DomainError) -> list[UserError]:
    """The failure as user errors; anything that the caller cannot mend is raised again."""
    if isinstance(error, InvalidInput):
        return [
            UserError(
                field=name_path(problem.field) or None,
                message=name_text(problem.message),
                code=to_code(problem.code),
                path=problem.path,
            )
            for problem in error.problems
        ]
    if isinstance(error, InvalidRule):
        field = ["input", "rules"]
        return [
            UserError(field=field, message=each.message, code=to_code(each.code), path=each.path)
            for each in error.problems
        ]
    codes: dict[type[DomainError], UserErrorCode] = {
        NotFound: UserErrorCode.NOT_FOUND,
        Conflict: UserErrorCode.CONFLICT,
        UndoRefused: UserErrorCode.CONFLICT,
        AlreadyTaken: UserErrorCode.TAKEN,
        AlreadyRunning: UserErrorCode.ALREADY_RUNNING,
        NotCancellable: UserErrorCode.NOT_CANCELLABLE,
    }
    code = codes.get(type(error))
    if code is None:
        raise error
    argument = error.field if isinstance(error, AlreadyRunning | NotCancellable) else ()
    return [UserError(field=name_path(argument) or None, message=error.message, code=code)]


async def restore_payload(payload: Any, context: Context, effect: Effect) -> Any:
    """The payload of a mutation whose answer is gone: counts and texts as they were, what it refers to as it is now."""
    types = {field.python_name: field.type for field in get_object_definition(payload, strict=True).fields}
    # Another version of the program may have named the fields otherwise.
    known = {name: value for name, value in effect.items() if name in types}
    return payload(**{name: await _restore(context, types[name], value) for name, value in known.items()})


async def _restore(context: Context, kind: Any, value: Any) -> Any:
    inner = getattr(kind, "of_type", kind)
    match value:
        case ["SourceFormat", name]:
            return await load_source_format(context, name)
        case [str(noun), *numbers]:
            if inner is strawberry.ID:
                return encode(noun, (await context.load_business()).id, *numbers)
            return await load_node(context, noun, tuple(numbers))
        case list():
            found = [await _restore(context, inner, each) for each in value]
            return [each for each in found if each is not None]
        case str() if inner is datetime:
            return datetime.fromisoformat(value)
        case _:
            return value


class AsUserErrors(FieldExtension):
    """Turns a DomainError of a mutation into the field's own payload. The audit log has every payload with user errors;
    that of a mutation without is the service's to write."""

    def apply(self, field: StrawberryField) -> None:
        """Remember the payload's type."""
        self.field = field

    async def resolve_async(
        self, next_: Callable[..., Awaitable[Any]], source: Any, info: Info, **arguments: Any
    ) -> Any:
        """The payload, or the payload with user errors. What an earlier request with the same Idempotency-Key has done
        is not done again: its payload is made of what it did."""
        claim = info.context.claim
        try:
            if claim is not None and claim.effect is not None:
                return await restore_payload(self.field.type, info.context, claim.effect)
            answer = await next_(source, info, **arguments)
        except DomainError as error:
            payload: Any = self.field.type
            answer = payload(user_errors=to_user_errors(error))
        if answer.user_errors:
            codes = [error.code.value for error in answer.user_errors]
            await info.context.add_refusal(info.field_name, arguments, AuditOutcome.REFUSED, codes)
        return answer


P = TypeVar("P", bound="Payload")


@strawberry.type
class Payload:
    """What a mutation answers; with user errors nothing was changed, and every field has its default."""

    user_errors: list[UserError] = strawberry.field(default_factory=list, description="What the caller can mend.")


@dataclass_transform(kw_only_default=True, field_specifiers=(strawberry.field,))
def payload(description: str) -> Callable[[type[P]], type[P]]:
    """Make a type of the schema of a Payload, whose user errors stand last."""

    def define(kind: type[P]) -> type[P]:
        defined = strawberry.type(kind, description=description)
        fields = get_object_definition(defined, strict=True).fields
        fields.append(fields.pop(0))
        return defined

    return define


def mutation(description: str, permission: type[BasePermission] = CanEdit) -> Any:
    """A mutation whose failures, where the caller can mend them, are its payload's."""
    return strawberry.mutation(permission_classes=[permission], extensions=[AsUserErrors()], description=description)
