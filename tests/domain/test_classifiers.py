"""What a classifier must be before a database is asked, and how the answers of functions become labels."""

from collections.abc import Callable

import pytest

from domain.classifiers import BUILT_IN, COLUMNS, Answers, ClassifiedBatch, Classifier, Classifiers, Columns


@pytest.mark.parametrize(
    ("classifier", "said"),
    [
        (Classifier("x", "d", sql="(SELECT 1)"), "without 'SELECT'"),
        (Classifier("x", "d", sql="rank() over (order by today)"), "without 'over'"),
        (Classifier("x", "d", sql="frequency; DROP TABLE customer"), "without ';'"),
        (Classifier("x", "d", sql="frequency -- "), "without '--'"),
        (Classifier("x", "d", sql=" "), "its sql must be an expression of 1 to 20000 characters"),
        (Classifier("x", "d"), "it must have either sql or a function"),
        (Classifier("x", "d", sql="frequency", function=lambda columns: []), "it must have either sql or a function"),
        (Classifier("X y", "d", sql="frequency"), "its name must be 1 to 40 lower-case letters, digits or _"),
        (Classifier("x", "order_count", sql="frequency"), "its dimension must not have the name of the column"),
    ],
)
def test_a_classifier_says_what_is_wrong_with_it(classifier: Classifier, said: str) -> None:
    fault = classifier.find_fault()

    assert fault is not None
    assert said in fault


@pytest.mark.parametrize("sql", ["frequency", "CASE WHEN category = 'over; select --' THEN 'x' END", "trim(category)"])
def test_an_expression_over_columns_has_no_fault(sql: str) -> None:
    assert Classifier("x", "d", sql=sql).find_fault() is None


def batch(size: int, **answers: Answers) -> ClassifiedBatch:
    columns = {name: [name if name in BUILT_IN else 1] * size for name in COLUMNS}
    return ClassifiedBatch(range(size), columns, answers)


def decided(function: Callable[[Columns], Answers], dimension: str, size: int = 2) -> list[str | None]:
    return Classifiers((Classifier("x", dimension, function=function),)).decide_labels(batch(size))[dimension]


def test_the_answers_of_a_function_go_before_the_built_in_labels() -> None:
    assert decided(lambda columns: ["VIP", None], "spending") == ["VIP", "spending"]
    assert decided(lambda columns: ["VIP", None], "loyalty") == ["VIP", None]


def test_blank_answers_are_none_and_long_ones_are_cut() -> None:
    assert decided(lambda columns: ["  ", "x" * 300], "spending") == ["spending", "x" * 200]


def test_a_function_cannot_change_what_others_see() -> None:
    def spoil(columns: Columns) -> Answers:
        columns["frequency"].clear()  # type: ignore[attr-defined]
        return ["a", "b"]

    found = Classifiers((Classifier("x", "d", function=spoil),)).decide_labels(batch(2))

    assert found["frequency"] == ["frequency", "frequency"]


def test_answers_of_the_store_and_of_functions_stand_side_by_side() -> None:
    every = (Classifier("a", "category", sql="1"), Classifier("b", "size", function=lambda columns: ["Big"]))

    found = Classifiers(every).decide_labels(batch(1, category=["Mine"]))

    assert found == {"frequency": ["frequency"], "spending": ["spending"], "category": ["Mine"], "size": ["Big"]}
