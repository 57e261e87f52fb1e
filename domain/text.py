"""What is said of single items of a bulk write; one place, so that refusals read alike everywhere."""

from domain.errors import FieldProblem
from domain.ports import Refusal

MAXIMUM_TEXT = 1000
SENTENCES = {
    "FOREIGN": ("INVALID", "externalId belongs to another customer's purchase"),
    "ERASED": ("ERASED", "this customer was erased"),
}


def problem_of(field: str, refusal: Refusal) -> FieldProblem:
    """The user error of one refused item."""
    code, sentence = SENTENCES[refusal.code]
    return FieldProblem(("input", str(refusal.index), field), sentence, code)


def text_problems(field: tuple[str, ...], value: str | None, maximum: int = MAXIMUM_TEXT) -> list[FieldProblem]:
    """Why the text cannot be kept: too long, or holding what a database cannot store."""
    if value is None:
        return []
    name, problems = field[-1], []
    if len(value) > maximum:
        problems.append(FieldProblem(field, f"{name} must be at most {maximum} characters", "TOO_LONG"))
    if "\0" in value:
        problems.append(FieldProblem(field, f"{name} must not hold a NUL character"))
    if any("\ud800" <= character <= "\udfff" for character in value):
        problems.append(FieldProblem(field, f"{name} must hold whole characters, not half of a surrogate pair"))
    return problems


def folded(text: str) -> str:
    """The text as it is compared where letter case and spacing do not count."""
    return " ".join(text.casefold().split())
