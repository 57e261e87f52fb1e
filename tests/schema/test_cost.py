"""What an answer is counted as: one for each object of a list and what fields cost beside, once for each that was
computed, however a document writes it."""

from typing import Any

import pytest
from graphql import parse

from gql.schema.cost import count_objects

CUSTOMERS = {"customers": {"nodes": [{"id": "1", "metrics": {"orderCount": 1}}, {"id": "2", "metrics": None}]}}


@pytest.mark.parametrize(
    ("document", "data", "cost"),
    [
        ("{ viewer { subject } }", {"viewer": {"subject": "a"}}, 0),
        ("{ customer(id: 1) { id } }", {"customer": None}, 0),
        ("{ customers { nodes { id metrics { orderCount } } } }", CUSTOMERS, 3),
        ("{ customers { totalCount } }", {"customers": {"totalCount": 5}}, 10),
        ("{ customers { edges { node { id } } } }", {"customers": {"edges": [{"node": {"id": "1"}}] * 4}}, 4),
        ("{ a: segmentationReport { x } b: segmentationReport { x } }", {"a": {"x": 1}, "b": {"x": 1}}, 200),
        (
            "{ segmentationReport { x } ...F } fragment F on Query { segmentationReport { y } }",
            {"segmentationReport": {}},
            100,
        ),
        (
            "{ ...F ...F } fragment F on Query { customers { nodes { id } ...G } } fragment G on C { nodes { m } }",
            CUSTOMERS,
            2,
        ),
        (
            "{ nodes { ... on Customer { metrics { o } } ... on Segment { totalCount } } }",
            {"nodes": [None, {"metrics": {}}]},
            3,
        ),
        ("{ memberIds }", {"memberIds": ["1"] * 1_000}, 100),
        ("{ segmentationTrend { date } }", {"segmentationTrend": [{"date": "2024-06-15"}] * 30}, 330),
        ("{ memberIds }", {"memberIds": ["1"] * 35}, 3),
        ("{ sizeSeries { date } }", {"sizeSeries": [{}] * 5}, 105),
        ("{ s { nodes { m { nodes { id } } } } }", {"s": {"nodes": [{"m": {"nodes": [{}] * 3}}] * 5}}, 20),
        ("query A { totalCount } query B { rfm { x } }", {"rfm": {"x": 1}}, 1),
    ],
)
def test_what_an_answer_came_to(document: str, data: dict[str, Any], cost: int) -> None:
    assert count_objects(parse(document), "B" if "query B" in document else None, data) == cost


def test_a_fragment_that_doubles_is_counted_as_often_as_it_was_computed() -> None:
    fragments = [f"fragment F{n} on Q {{ a {{ ...F{n + 1} }} ...F{n + 1} }}" for n in range(30)]
    document = parse("{ ...F0 } " + " ".join(fragments) + " fragment F30 on Q { totalCount }")

    assert count_objects(document, None, {"totalCount": 1, "a": {"totalCount": 1, "a": {"totalCount": 1}}}) == 30
