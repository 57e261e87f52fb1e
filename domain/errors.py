"""The failures that a caller can mend, one type each, here and nowhere else; everything else is a fault of the server.
`code` is stable and documented, the sentence may improve; it names fields by gaps, which every face fills with what it
calls them.

DomainError
├── InvalidInput      a value is out of its bounds or unreadable: names the field and what would be right
├── InvalidRule       a rule cannot be understood: each problem with its path in the rule
├── NotFound          nothing of that id is visible to the caller
├── Forbidden         the caller lacks the permission
├── Conflict          somebody else was faster
├── AlreadyTaken      a name or key that must be unique is in use
├── AlreadyRunning    a run of the segment is active
├── NotCancellable    the job has ended already
├── TooManyImports    so many imports of the business wait already that another one is refused
├── AllRejected       not one row of a source could be imported
├── ImportEnded       somebody ended the import that was worked on
├── ImportStopped     the process that works on the import is about to end
├── UndoRefused       something has changed since the import
├── HistoryCompacted  what is asked for needs memberships that were removed
├── KeyReused         an Idempotency-Key came before with another request
├── KeyInUse          the request that came first with an Idempotency-Key is at work
└── Unavailable       the store cannot answer now; trying again later may help
    ├── StoreDamaged   what the store holds cannot be read; a backup helps
    └── StoreUpgraded  another version of the program upgraded the store meanwhile; restarting this one helps
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from string import Formatter
from typing import Any

from domain.texts import compose_text, find_unseen

Names = Callable[[str], str]
"""What a face calls a field: `date_format` is `dateFormat` in GraphQL and `--date-format` on the command line."""


def to_option_name(field: str) -> str:
    """What a field is called on the command line, such as `--date-format`."""
    return f"--{field.replace('_', '-')}"


class Sentence(str):
    """A sentence about fields, or a pointer to one: `{date_format}` in the template stands for the field of that name,
    `{}` for the next value. As text it has the plain names."""

    template: str
    values: tuple[object, ...]

    def __new__(cls, template: str, *values: object) -> "Sentence":
        sentence = super().__new__(cls, Formatter().vformat(template, values, _Gaps(str)))
        sentence.template, sentence.values = template, values
        return sentence

    def with_names(self, names: Names) -> str:
        """The sentence in the words of a face."""
        return Formatter().vformat(self.template, self.values, _Gaps(names))


class _Gaps(dict[str, str]):
    def __init__(self, names: Names) -> None:
        super().__init__()
        self.names = names

    def __missing__(self, field: str) -> str:
        return self.names(field)


def name_fields(message: str, names: Names) -> str:
    """The message in the words of a face; one that names no field is as it is."""
    return message.with_names(names) if isinstance(message, Sentence) else message


class DomainError(Exception):
    """A failure with a sentence that a caller can act on; `code` is stable, the message may improve."""

    code = "BAD_USER_INPUT"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing wrong with one input: `field` is the path to it in plain names, e.g. ("input", "3", "external_id");
    `path` is the place inside a rule, where the input is one."""

    field: tuple[str, ...]
    message: str
    code: str = "INVALID"
    path: str | None = None


class InvalidInput(DomainError):
    """One or more inputs are wrong; nothing was changed."""

    def __init__(self, message: str, field: tuple[str, ...] = (), code: str = "INVALID") -> None:
        super().__init__(message)
        self.problems: tuple[FieldProblem, ...] = (FieldProblem(field, message, code),)

    @classmethod
    def of(cls, problems: list[FieldProblem]) -> "InvalidInput":
        """Several problems at once; the message is the first one's."""
        error = cls(problems[0].message)
        error.problems = tuple(problems)
        return error


class RuleProblemCode(StrEnum):
    """What kind of thing there is to say of a rule; the last three keep nobody from using it."""

    INVALID_RULE = "INVALID_RULE"
    UNKNOWN_VARIABLE = "UNKNOWN_VARIABLE"
    UNKNOWN_OPERATOR = "UNKNOWN_OPERATOR"
    TYPE_MISMATCH = "TYPE_MISMATCH"
    CIRCULAR_REFERENCE = "CIRCULAR_REFERENCE"
    LIMIT_REACHED = "LIMIT_REACHED"
    NOBODY_MATCHES = "NOBODY_MATCHES"
    EVERYBODY_MATCHES = "EVERYBODY_MATCHES"
    NEVER_CALCULATED = "NEVER_CALCULATED"


@dataclass(frozen=True, slots=True)
class RuleProblem:
    """One thing wrong inside a rule: `path` is a JSON pointer into it, `suggestion` the likely name if close."""

    path: str
    message: str
    suggestion: str | None = None
    code: RuleProblemCode = RuleProblemCode.INVALID_RULE


class InvalidRule(DomainError):
    """A rule that cannot be understood; every problem that was found, in the rule's order."""

    code = "INVALID_RULE"

    def __init__(self, problems: list[RuleProblem]) -> None:
        super().__init__(problems[0].message)
        self.problems = tuple(problems)


class NotFound(DomainError):
    """Nothing of that id is visible to the caller; an id of another business looks the same."""

    code = "NOT_FOUND"


def build_unknown_id(noun: str, *field: str) -> InvalidInput | NotFound:
    """The refusal of an id that nothing of the business has: of an input, whose path is `field`, where it is one."""
    message = f"There is no {noun} with this id."
    return InvalidInput(message, field, "NOT_FOUND") if field else NotFound(message)


class Forbidden(DomainError):
    """The caller is known but lacks the permission."""

    code = "FORBIDDEN"


class Conflict(DomainError):
    """What was to be changed is no longer as the caller saw it."""

    code = "CONFLICT"


class AlreadyTaken(DomainError):
    """A name or key that must be unique is in use."""

    code = "TAKEN"


class AlreadyRunning(DomainError):
    """A run of the segment, or of all segments, is active: `job`, as the store has it."""

    code = "ALREADY_RUNNING"

    def __init__(self, job: Any, field: tuple[str, ...] = ()) -> None:
        super().__init__("The segment is being recalculated already.")
        self.job = job
        self.field = field


class NotCancellable(DomainError):
    """The job has ended already."""

    code = "NOT_CANCELLABLE"
    field = ("id",)


class TooManyImports(DomainError):
    """So many imports of the business wait already that another one is refused."""

    code = "TOO_MANY_IMPORTS"


class AllRejected(DomainError):
    """Not one row of a source could be imported; its rejects are kept."""

    code = "ALL_REJECTED"


class ImportEnded(DomainError):
    """Somebody ended the import: it was cancelled, or given up because its process was believed dead."""

    code = "CANCELLED"


class ImportStopped(DomainError):
    """The process is about to end; the import waits for the next one."""

    code = "STOPPED"


class UndoRefused(DomainError):
    """Something has changed since the import; nothing was changed now."""

    code = "CHANGED_SINCE"

    def __init__(self, import_id: int, reasons: Sequence[str]) -> None:
        listed = "; ".join(reasons)
        super().__init__(f"Import {import_id} cannot be taken back, and nothing was changed: {listed}.")


class HistoryCompacted(DomainError):
    """What is asked for needs memberships that were removed: those that ended before the horizon."""

    code = "HISTORY_COMPACTED"

    def __init__(self, horizon: datetime) -> None:
        super().__init__(f"The history before {horizon:%Y-%m-%dT%H:%M:%SZ} was compacted.")


class KeyReused(DomainError):
    """An Idempotency-Key came before with another request."""

    code = "IDEMPOTENCY_MISMATCH"


class KeyInUse(DomainError):
    """The request that came first with an Idempotency-Key is at work; nothing was changed."""

    code = "IDEMPOTENCY_IN_PROGRESS"


class Unavailable(DomainError):
    """The store cannot answer now; the same call may succeed later, where that `passes` by itself."""

    code = "UNAVAILABLE"
    passes = True


class StoreDamaged(Unavailable):
    """What the store holds cannot be read any more."""

    passes = False


class StoreUpgraded(Unavailable):
    """Another version of the program has changed the tables; this process writes nothing more."""

    passes = False


MAXIMUM_TEXT = 1000


def find_text_problems(
    field: tuple[str, ...], value: str | None, maximum: int = MAXIMUM_TEXT, *, name: bool = True
) -> list[FieldProblem]:
    """Why the text cannot be kept: too long, or holding what a database cannot store, or what cannot be seen in the
    name of something."""
    if value is None:
        return []
    gap, problems = f"{{{field[-1]}}}", []
    if len(value) > maximum:
        message = Sentence(f"{gap} must be at most {{}} characters", maximum)
        problems.append(FieldProblem(field, message, "TOO_LONG"))
    if "\0" in value:
        problems.append(FieldProblem(field, Sentence(f"{gap} must not hold a NUL character")))
    elif name and (unseen := find_unseen(value)) is not None:
        message = Sentence(f"{gap} must not hold control characters or marks of direction, such as {{}}", unseen)
        problems.append(FieldProblem(field, message))
    if any("\ud800" <= character <= "\udfff" for character in value):
        message = Sentence(f"{gap} must hold whole characters, not half of a surrogate pair")
        problems.append(FieldProblem(field, message))
    return problems


def fold_text(text: str) -> str:
    """The text as it is compared where letter case and spacing do not count."""
    return " ".join(compose_text(text).casefold().split())
