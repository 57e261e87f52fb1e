"""Storefronts as managers call them: named by imports while they are called by their keys, and by hand for good."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from domain.imports.formats import SourceFormat
from domain.model import Actor
from persistence.imports.importer import PurchaseImporter
from persistence.sources.opening import open_purchases
from tests.conftest import SetClock
from tests.drivers.face import Face
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
ALL = "{ storefronts { id key name } }"
RENAME = """mutation R($id: ID!, $name: String!) { updateStorefront(id: $id, name: $name) {
  storefront { key name } userErrors { field code message } } }"""
HEADER = "customer_id,order_id,date,amount,storefront,storefront_name\n"


async def shown(face: Face) -> dict[str, str]:
    return {each["key"]: each["name"] for each in (await face.data(ALL))["storefronts"]}


async def rename(face: Face, key: str, name: str) -> Any:
    (chosen,) = [each["id"] for each in (await face.data(ALL))["storefronts"] if each["key"] == key]
    return (await face.data(RENAME, {"id": chosen, "name": name}))["updateStorefront"]


async def load(face: Face, clock: SetClock, folder: Path, *rows: str) -> list[str]:
    """Import a file of these rows; what was warned of."""
    file = folder / "orders.csv"
    file.write_text(HEADER + "\n".join(rows) + "\n", encoding="utf-8")
    business = await face.services.businesses.open("shop")
    opened = open_purchases(file, business, SourceFormat(), str, face.database)
    importer = PurchaseImporter(face.database, business, clock)
    await asyncio.to_thread(importer.run, opened.name, opened.read_rows, opened.read_texts, actor="test")
    await opened.finish(face.services.customers, business)
    return opened.warnings


async def test_a_storefront_is_called_as_its_manager_says(both: Face) -> None:
    business = await both.services.businesses.open("shop")
    bought = purchase("A", "1", "2024-05-01", 1, storefront_key="k")
    await both.services.purchases.record(business, [bought], Actor("test"))
    assert await shown(both) == {"k": "k"}

    answer = await rename(both, "k", "  Kandy, Hill Street ")

    assert answer == {"storefront": {"key": "k", "name": "Kandy, Hill Street"}, "userErrors": []}
    assert await shown(both) == {"k": "Kandy, Hill Street"}
    for name, code, message in (
        (" ", "BLANK", "name must not be blank"),
        ("x" * 256, "TOO_LONG", "name must be at most 255 characters"),
        ("a\u202eb", "INVALID", "name must not hold control characters or marks of direction, such as U+202E"),
    ):
        wrong = await rename(both, "k", name)
        assert wrong == {"storefront": None, "userErrors": [{"field": ["name"], "code": code, "message": message}]}
    assert await shown(both) == {"k": "Kandy, Hill Street"}


async def test_files_name_storefronts_that_have_no_name_yet(both: Face, clock: SetClock, tmp_path: Path) -> None:
    await load(both, clock, tmp_path, "A,1,2024-05-01,5,k,", "A,2,2024-05-01,5,c,")
    assert await shown(both) == {"c": "c", "k": "k"}
    await rename(both, "k", "By hand")

    rows = ("A,3,2024-05-02,5,k,Kandy", "A,4,2024-05-02,5,c,Colombo", "A,5,2024-05-02,5,c,Another", "B,x,never,5,n,New")
    await load(both, clock, tmp_path, *rows)

    assert await shown(both) == {"c": "Colombo", "k": "By hand"}
    before = (await both.services.businesses.open("shop")).change_number
    await load(both, clock, tmp_path, *rows)
    await load(both, clock, tmp_path, "A,6,2024-05-03,5,c,Later name")
    assert await shown(both) == {"c": "Colombo", "k": "By hand"}
    assert (await both.services.businesses.open("shop")).change_number > before


async def test_a_name_that_cannot_be_kept_refuses_no_purchase(face: Face, clock: SetClock, tmp_path: Path) -> None:
    warnings = await load(face, clock, tmp_path, f"A,1,2024-05-01,5,k,{'x' * 1001}", "A,2,2024-05-01,5,c,Co\u202elombo")

    assert await shown(face) == {"c": "Colombo", "k": "k"}
    assert warnings == [
        "Not all names of storefronts can be kept: the name of a storefront is longer than 1000 characters",
        "Control characters and marks of direction were taken out of storefront_name.",
    ]
