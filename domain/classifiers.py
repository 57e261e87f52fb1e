"""Classifiers of one's own: each adds a dimension of labels or replaces a built-in one, by a SQL expression over the
documented columns or by a function over columns in batches. Where one answers nothing the built-in label stands."""

import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

log = logging.getLogger("segments")
BUILT_IN = ("frequency", "spending", "category")
COLUMNS: Mapping[str, str] = {
    "customer_id": "customer id of the shop, text",
    "order_count": "number of qualifying purchases, at least 1",
    "total_revenue": "their sum in the currency",
    "average_order_value": "their mean, rounded half-even to the minor unit",
    "first_purchase_day": "day number of the first one",
    "last_purchase_day": "day number of the last one",
    "recent_orders": "how many fall into the last `loyal_months` calendar months",
    "festive_orders": "how many fall into festive periods",
    "today": "day number of the day as of which labels are decided",
    "frequency": "built-in label of frequency",
    "spending": "built-in label of spending",
    "category": "built-in label of category",
}
"""What a classifier looks at: one row for each customer with a qualifying purchase up to the day."""
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
LONGEST_SQL = 20_000
LONGEST_LABEL = 200
TEXTS = re.compile(r"'[^']*'")
WHOLE_TABLE = re.compile(r"\b(select|over)\b|;|--|/\*", re.IGNORECASE)

Columns = Mapping[str, Sequence[Any]]
"""Column name to its values, all of one length; amounts are Decimal, day numbers are those of `date.toordinal()`."""
Answers = Sequence[str | None]
Function = Callable[[Columns], Answers]


class ClassifierFailed(Exception):
    """An expression could not be computed for one of the customers."""


@dataclass(frozen=True, slots=True)
class Classifier:
    """One classifier: `dimension` is frequency, spending or category, which it replaces where it answers, or a name of
    its own. Either `sql` or `function` is given."""

    name: str
    dimension: str
    sql: str | None = None
    function: Function | None = None

    def find_fault(self) -> str | None:
        """Why it cannot be used, as the rest of a sentence."""
        for what in ("name", "dimension"):
            if not isinstance(getattr(self, what), str) or NAME.fullmatch(getattr(self, what)) is None:
                return f"its {what} must be 1 to 40 lower-case letters, digits or _, beginning with a letter"
        if self.dimension == "purchase_frequency":
            return "its dimension must be frequency, which files call purchase_frequency"
        if self.dimension in COLUMNS and self.dimension not in BUILT_IN:
            return f"its dimension must not have the name of the column {self.dimension}"
        if (self.sql is None) == (self.function is None):
            return "it must have either sql or a function"
        if self.function is not None:
            return None if callable(self.function) else "its function must be callable"
        if not isinstance(self.sql, str) or not 0 < len(self.sql.strip()) <= LONGEST_SQL:
            return f"its sql must be an expression of 1 to {LONGEST_SQL} characters"
        match = WHOLE_TABLE.search(TEXTS.sub("''", self.sql))
        if match is not None:
            return f"its sql must be one expression over one customer's columns, without {match[0]!r}"
        return None


@dataclass(frozen=True, slots=True)
class ClassifiedBatch:
    """Customers as a classifier sees them, and what the SQL ones among the classifiers answered, by dimension."""

    ids: Sequence[int]
    columns: Columns
    answers: Mapping[str, Answers]


@dataclass(frozen=True, slots=True)
class Classifiers:
    """Those that are installed and can be used, at most one a dimension, by name."""

    every: tuple[Classifier, ...] = ()

    @property
    def sql(self) -> tuple[Classifier, ...]:
        """Those that the store answers."""
        return tuple(one for one in self.every if one.sql is not None)

    @property
    def functions(self) -> tuple[Classifier, ...]:
        """Those that are called."""
        return tuple(one for one in self.every if one.function is not None)

    @property
    def added(self) -> tuple[str, ...]:
        """Dimensions that are not built in, by name."""
        return tuple(sorted(one.dimension for one in self.every if one.dimension not in BUILT_IN))

    @property
    def dimensions(self) -> tuple[str, ...]:
        """All dimensions, the built-in ones first."""
        return (*BUILT_IN, *self.added)

    @property
    def mark(self) -> str:
        """What changes with what they say, as far as it can be seen: a function is known by where it stands."""
        parts = [[one.name, one.dimension, one.sql or _describe_place(one.function)] for one in self.every]
        return sha256(json.dumps(parts).encode()).hexdigest()

    def without_sql(self) -> "Classifiers":
        """The same where the store cannot answer."""
        return Classifiers(self.functions)

    def decide_labels(self, batch: ClassifiedBatch) -> dict[str, list[str | None]]:
        """The labels of each customer of the batch, by dimension. Calls the functions, so not on the event loop."""
        answers = {name: list(answer) for name, answer in batch.answers.items()}
        for one in self.functions:
            answers[one.dimension] = _call_classifier(one, batch)
        nothing: list[str | None] = [None] * len(batch.ids)
        labels = {}
        for dimension in self.dimensions:
            answer = answers.get(dimension, nothing)
            standing = batch.columns[dimension] if dimension in BUILT_IN else nothing
            labels[dimension] = [label or built_in for label, built_in in zip(answer, standing, strict=True)]
        return labels


def _describe_place(function: object) -> str:
    kind = function if hasattr(function, "__qualname__") else type(function)
    return f"{getattr(kind, '__module__', '')}:{getattr(kind, '__qualname__', '')}"


def _call_classifier(classifier: Classifier, batch: ClassifiedBatch) -> list[str | None]:
    """Its answers; none at all, and a word in the log, where it fails: a label that stands is better than no answer."""
    assert classifier.function is not None
    try:
        answers = list(classifier.function({name: list(values) for name, values in batch.columns.items()}))
    except Exception as error:
        log.warning("classifier %s failed with %s; built-in labels stand", classifier.name, type(error).__name__)
        return [None] * len(batch.ids)
    if len(answers) != len(batch.ids):
        message = "classifier %s answered %d of %d customers; built-in labels stand"
        log.warning(message, classifier.name, len(answers), len(batch.ids))
        return [None] * len(batch.ids)
    if any(label is not None and not isinstance(label, str) for label in answers):
        log.warning("classifier %s answered what is no text; built-in labels stand there", classifier.name)
    return [_clean_label(label) for label in answers]


def _clean_label(label: object) -> str | None:
    return (label.strip()[:LONGEST_LABEL] or None) if isinstance(label, str) else None
