"""Classifiers of one's own over the API: "VIP" from ten purchases on, as SQL and as a function, as a dimension and in
place of a built-in label."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from gql.settings import Settings
from persistence.database.engines import Database
from tests.conftest import SetClock
from tests.drivers.face import SECRET, Face, facing
from tests.shops.classifiers import FOLLOWING_FUNCTION, INSTEAD_FUNCTION, INSTEAD_SQL, VIP_FUNCTION, VIP_SQL, install

pytestmark = pytest.mark.anyio
RECORD = "mutation R($input: [PurchaseInput!]!) { recordPurchases(input: $input) { created userErrors { message } } }"
LABELS = """{ customers { nodes { externalId
  classification { frequency spending category labels { dimension label } } } } }"""
STATISTICS = "query S($asOf: Date) { classificationStatistics(asOf: $asOf) { dimension label customerCount share } }"
ORDERS = {"Ada": 12, "Ben": 10, "Cy": 9, "Dee": 1}
# What each database refuses only when it meets a customer.
FAILING = {"sqlite": "json_extract(customer_id, '$') > 0", "postgresql": "1 / (order_count - 9) > 0"}


@pytest.fixture
def facing_with(
    database: Database, clock: SetClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Any]:
    """The application beside which a module with the classifier `vip` is installed."""

    @asynccontextmanager
    async def make(module: str) -> AsyncIterator[Face]:
        install(monkeypatch, tmp_path / "installed", module, vip="vip")
        async with facing(database, clock, Settings(jwt_secret=SECRET)) as face:
            first = date(2024, 6, 1)
            items = [
                {
                    "customerExternalId": name,
                    "externalId": f"{name}-{number}",
                    "purchasedAt": str(first - timedelta(days=number)),
                    "amount": "10.25",
                    "lines": [{"category": "Tea", "amount": "10.25"}],
                }
                for name, orders in ORDERS.items()
                for number in range(orders)
            ]
            done = (await face.data(RECORD, {"input": items}))["recordPurchases"]
            assert done == {"created": 32, "userErrors": []}
            await face.data('mutation { upsertCustomers(input: [{externalId: "Nobody"}]) { created } }')
            yield face

    return make


async def labels(face: Face) -> dict[str, dict[str, Any]]:
    nodes = (await face.data(LABELS))["customers"]["nodes"]
    return {node["externalId"]: node["classification"] for node in nodes}


async def counts(face: Face, dimension: str, as_of: str | None = None) -> dict[str, tuple[int, float]]:
    rows = (await face.data(STATISTICS, {"asOf": as_of}))["classificationStatistics"]
    return {row["label"]: (row["customerCount"], row["share"]) for row in rows if row["dimension"] == dimension}


@pytest.mark.parametrize("module", [VIP_SQL, VIP_FUNCTION], ids=["sql", "function"])
async def test_a_classifier_adds_a_dimension(facing_with: Callable[[str], Any], module: str) -> None:
    async with facing_with(module) as face:
        found = await labels(face)

        vip = [{"dimension": "loyalty", "label": "VIP"}]
        shown = {name: each["labels"] for name, each in found.items()}
        assert shown == {"Ada": vip, "Ben": vip, "Cy": [], "Dee": [], "Nobody": []}
        assert [found[name]["frequency"] for name in ("Ada", "Cy", "Dee", "Nobody")] == ["Loyal", "Loyal", "New", None]
        assert {each["spending"] for each in found.values()} == {"Low Value", None}
        assert await counts(face, "loyalty") == {"VIP": (2, 0.5)}
        assert await counts(face, "loyalty", "2024-05-31") == {"VIP": (1, 1 / 3)}
        assert await counts(face, "loyalty", "2024-05-20") == {}
        assert (await counts(face, "spending"))["Low Value"] == (4, 1.0)


@pytest.mark.parametrize("module", [INSTEAD_SQL, INSTEAD_FUNCTION], ids=["sql", "function"])
async def test_where_a_classifier_answers_nothing_the_built_in_label_stands(
    facing_with: Callable[[str], Any], module: str
) -> None:
    async with facing_with(module) as face:
        found = await labels(face)

        spending = {name: each["spending"] for name, each in found.items()}
        assert spending == {"Ada": "VIP", "Ben": "VIP", "Cy": "Low Value", "Dee": "Low Value", "Nobody": None}
        assert all(each["labels"] == [] for each in found.values())
        half, none = (2, 0.5), (0, 0.0)
        shown = await counts(face, "spending")
        assert shown == {"VIP": half, "Low Value": half, "High Value": none, "Medium Value": none}
        assert (await counts(face, "frequency"))["Loyal"] == (3, 0.75)


async def test_what_a_classifier_says_of_more_than_the_store_is_asked_anew(
    facing_with: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with facing_with(FOLLOWING_FUNCTION) as face:
        seen = []
        for label in ("One", "Two"):
            monkeypatch.setenv("LABEL", label)
            seen.append([(await labels(face))["Ada"]["labels"][0]["label"], *await counts(face, "loyalty")])

    assert seen == [["One", "One"], ["Two", "Two"]]


async def test_a_page_costs_as_many_statements_whatever_its_size(facing_with: Callable[[str], Any]) -> None:
    async with facing_with(VIP_SQL) as face:
        seen = face.statements()

        await face.data(LABELS.replace("customers", "customers(first: 1)"))
        one = len(seen)
        await face.data(LABELS)

        assert len(seen) == 2 * one


@pytest.mark.parametrize(
    "module",
    [
        VIP_SQL.replace("order_count >= 10", "FAILING"),
        VIP_FUNCTION.replace("order_count", "no_such_column"),
        VIP_FUNCTION.replace('return ["VIP"', 'return ["VIP"] + ["VIP"'),
        VIP_FUNCTION.replace('"VIP" if', "7 if"),
    ],
    ids=["failing expression", "unknown column", "too many answers", "no text"],
)
async def test_a_classifier_that_fails_leaves_the_built_in_labels(
    facing_with: Callable[[str], Any], database: Database, module: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with facing_with(module.replace("FAILING", FAILING[database.dialect])) as face:
        found = await labels(face)
        counted = await counts(face, "loyalty")

    frequency = {name: each["frequency"] for name, each in found.items()}
    assert frequency == {"Ada": "Loyal", "Ben": "Loyal", "Cy": "Loyal", "Dee": "New", "Nobody": None}
    assert all(each["labels"] == [] for each in found.values())
    assert counted == {}
    assert "built-in labels stand" in caplog.text
    assert "vip" in caplog.text
