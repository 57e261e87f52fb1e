"""The thresholds of a customer's own scores as a client meets them: the whole shop's, exact on both databases."""

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from tests.drivers.face import Face
from tests.shops.reported_shop import AS_OF, CUSTOMERS

pytestmark = [pytest.mark.anyio, pytest.mark.read_only]
SCORES = """query S($first: Int! = 250) { customers(first: $first) { nodes { externalId
  rfm { recency frequency monetary thresholds { metric score from to sentence } } } } }"""


async def ask(face: Face, query: str = SCORES, **variables: object) -> dict[str, Any]:
    nodes = (await face.data(query, variables))["customers"]["nodes"]
    return {node["externalId"]: node["rfm"] for node in nodes}


async def test_every_customer_lies_within_the_thresholds_of_its_own_scores(reported: Face) -> None:
    today = reported.clock.now.date()
    found = await ask(reported)

    assert found.keys() == CUSTOMERS.keys()
    for name, rfm in found.items():
        age, orders, spend, *_ = CUSTOMERS[name]
        own = ((today - AS_OF).days + age, orders, Decimal(spend) / 100)
        assert [each["metric"] for each in rfm["thresholds"]] == ["RECENCY", "FREQUENCY", "MONETARY"]
        assert [each["score"] for each in rfm["thresholds"]] == [rfm["recency"], rfm["frequency"], rfm["monetary"]]
        for value, each in zip(own, rfm["thresholds"], strict=True):
            assert each["from"] is None or Decimal(each["from"]) <= value
            assert each["to"] is None or value <= Decimal(each["to"])
    assert found["Ada"]["thresholds"] == [
        {
            "metric": "RECENCY",
            "score": 5,
            "from": "0",
            "to": "72",
            "sentence": "R5 up to 72 days since the last purchase",
        },
        {"metric": "FREQUENCY", "score": 5, "from": "6", "to": None, "sentence": "F5 from 6 orders"},
        {"metric": "MONETARY", "score": 5, "from": "400.01", "to": None, "sentence": "M5 from 400.01 EUR"},
    ]
    assert [each["sentence"] for each in found["Dee"]["thresholds"]][1:] == [
        "F3 with 3 orders",
        "M3 from 80.01 to 150 EUR",
    ]


async def test_the_scale_has_every_score_once_and_meets_without_gap_or_overlap(reported: Face) -> None:
    found = await ask(reported, SCORES.replace("thresholds {", "scale {"))

    (scale,) = {str(rfm["scale"]): rfm["scale"] for rfm in found.values()}.values()
    for metric in ("RECENCY", "FREQUENCY", "MONETARY"):
        steps = [each for each in scale if each["metric"] == metric]
        assert [each["score"] for each in steps] == sorted({each["score"] for each in steps})
        # A higher score of recency is fewer days, of the others more.
        rising = steps[::-1] if metric == "RECENCY" else steps
        assert rising[-1]["to"] is None
        step = Decimal("0.01") if metric == "MONETARY" else 1
        for one, next_one in pairwise(rising):
            assert Decimal(one["to"]) + step == Decimal(next_one["from"])
    own = {each["sentence"] for rfm in (await ask(reported)).values() for each in rfm["thresholds"]}
    assert own <= {each["sentence"] for each in scale}


async def test_thresholds_cost_no_statement_more_whatever_the_page(reported: Face) -> None:
    bare = SCORES.replace("thresholds { metric score from to sentence }", "score")
    await ask(reported)

    counts = []
    scale = SCORES.replace("thresholds {", "scale {")
    for query, first in ((bare, 250), (SCORES, 250), (SCORES, 1), (scale, 250)):
        seen = reported.statements()
        await ask(reported, query, first=first)
        counts.append(len(seen))

    assert len(set(counts)) == 1
