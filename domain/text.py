"""Sentences for refusals of single items of a bulk write; one place, so that they read alike everywhere."""

from domain.errors import FieldProblem
from domain.ports import Refusal

SENTENCES = {
    "FOREIGN": ("INVALID", "externalId belongs to another customer's purchase"),
    "ERASED": ("ERASED", "this customer was erased"),
}


def problem_of(field: str, refusal: Refusal) -> FieldProblem:
    """The user error of one refused item."""
    code, sentence = SENTENCES[refusal.code]
    return FieldProblem(("input", str(refusal.index), field), sentence, code)
