"""The ids by which a shop knows its customers and orders: what spreadsheets did to them is undone, or refused where it
cannot be. One function for every way in and for every lookup, so that what came in is found again."""

import re
from collections.abc import Sequence

from domain.errors import FieldProblem, Sentence, find_text_problems
from domain.formulas import unprotect_text
from domain.texts import compose_text, find_unseen

PLACEHOLDERS = frozenset({"null", "nan", "none", "\\n", "n/a", "#n/a", "-", "guest"})
"""What stands for no id, in any letter case."""
MAXIMUM_ID = 1000
FORMULA = re.compile(r'="(.*)"', re.DOTALL)
FLOAT = re.compile(r"([0-9]+)\.0+")
SCIENTIFIC = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?e[+-]?[0-9]+", re.IGNORECASE)
ROUNDED = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+e[+-]?|e\+)[0-9]+", re.IGNORECASE)
"""Scientific notation that no shop gives as an id: with a fraction, or with a sign."""
SHORTEST = re.compile(r"([1-9])(?:\.([0-9]{1,14}))?e\+([0-9]{2})")
"""A whole number as statistics programs write it, with every digit that it has; spreadsheets write E and round."""
EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
UNUSUAL = re.compile(r"[^0-9A-Za-z_:/#\n-]")
DOUBTFUL = re.compile(r"^(?:n[uao/]|gu|#n/|-|[0-9]+e[0-9-]|$)", re.MULTILINE | re.IGNORECASE)
"""What ids that are one to a line must not hold to be taken as they are."""


class IdFault(ValueError):
    """Why an id is refused."""


def normalise_id(text: str, what: str = "the id", *, order: bool = False) -> str:
    """The id as it is kept and looked for, empty where none is there; IdFault says what is wrong with it. Ids of orders
    are never in scientific notation, those of customers not where digits were lost."""
    bare = compose_text(text.strip())
    while (plain := _unwrap(bare)) != bare:
        bare = plain
    if len(bare) > 1 and bare[0] == "'" and bare[1].isdigit():
        bare = bare[1:].strip()
    if bare.casefold() in PLACEHOLDERS:
        return ""
    if (match := SHORTEST.fullmatch(bare)) is not None and len(match[2] or "") <= int(match[3]) < 15:
        return f"{match[1]}{match[2] or ''}".ljust(int(match[3]) + 1, "0")
    if (SCIENTIFIC if order else ROUNDED).fullmatch(bare):
        raise IdFault(f"{what} {bare[:40]!r} is in scientific notation: digits may be lost. Export ids as text")
    if (match := FLOAT.fullmatch(bare)) is not None:
        return match[1]
    if (unseen := find_unseen(bare)) is not None:
        raise IdFault(f"{what} holds a control character or a mark of direction, {unseen}")
    if len(bare) > MAXIMUM_ID:
        raise IdFault(f"{what} is longer than {MAXIMUM_ID} characters")
    return bare.lower() if "@" in bare and EMAIL.fullmatch(bare) else bare


def _unwrap(text: str) -> str:
    """The text without what a file for spreadsheets put around it once."""
    match = FORMULA.fullmatch(text)
    return unprotect_text(text if match is None else match[1].replace('""', '"')).strip()


def are_plain_ids(ids: Sequence[str]) -> bool:
    """Whether these ids, trimmed, are kept as they are: nearly all are, and looking at all at once costs little."""
    joined = "\n".join(ids)
    plain = joined.isascii() and UNUSUAL.search(joined) is None and DOUBTFUL.search(joined) is None
    return plain and max(map(len, ids), default=0) <= MAXIMUM_ID


def describe_absent_id(field: str) -> Sentence:
    """What is said of an input whose id says nothing."""
    return Sentence(f"{{{field}}} must be an id; blank and words such as NULL, N/A or guest are none")


def read_id(text: str, field: tuple[str, ...], *, order: bool = False) -> tuple[str, list[FieldProblem]]:
    """The id of an input as it is kept, and what is wrong with it."""
    try:
        key = normalise_id(text, "", order=order)
    except IdFault as fault:
        wrong = FieldProblem(field, Sentence(f"{{{field[-1]}}}{{}}", fault))
        return "", find_text_problems(field, text) or [wrong]
    return key, [] if key else [FieldProblem(field, describe_absent_id(field[-1]), "BLANK")]


def find_id(text: str, *, order: bool = False) -> str:
    """The id to look for; of one that is refused nothing is known, and it is looked for as it is."""
    try:
        return normalise_id(text, order=order)
    except IdFault:
        return text
