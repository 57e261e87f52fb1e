"""Imports that are taken back over the API: asked for by a mutation, done by whoever works for the store."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from domain.errors import ImportStopped
from domain.model import Actor
from domain.pages import PageRequest
from persistence.database.engines import Database
from persistence.imports.undo import ImportUndo
from tests.conftest import SetClock
from tests.drivers.store_image import assert_sound
from tests.drivers.uploading import HEADER, ROWS, Place, placing

pytestmark = pytest.mark.anyio

UNDO = """mutation U($id: ID!) { undoImport(id: $id) {
  purchaseImport { status undoneAt undo { ordersRemoved } } userErrors { field message code } } }"""
STATE = """query S($id: ID!) { job(id: $id) { status ... on PurchaseImport { undoneAt undo {
  begunAt ordersRemoved ordersRestored ordersLeft customersRemoved customersKept storefrontsRemoved } } }
  customers { totalCount } auditEvents { nodes { action outcome detail } } }"""
NONE = {
    "ordersRestored": 0,
    "ordersLeft": 0,
    "customersRemoved": 0,
    "customersKept": 0,
    "storefrontsRemoved": 0,
    "ordersRemoved": 0,
}


@pytest.fixture
async def place(database: Database, clock: SetClock, tmp_path: Path) -> AsyncIterator[Place]:
    async with placing(database, clock, tmp_path) as made:
        yield made


async def bring(place: Place, rows: str = ROWS) -> str:
    """Import the rows; the id of the import."""
    number: str = (await place.send(rows)).json()["id"]
    await place.import_waiting()
    return number


async def undo(place: Place, number: str) -> Any:
    return (await place.face.data(UNDO, {"id": number}))["undoImport"]


async def state(place: Place, number: str) -> Any:
    return await place.face.data(STATE, {"id": number})


async def test_an_import_is_taken_back_by_who_works_for_the_store(
    place: Place, database: Database, clock: SetClock
) -> None:
    number = await bring(place)

    asked = await undo(place, number)
    before = await state(place, number)
    await place.import_waiting()

    assert asked["userErrors"] == []
    assert asked["purchaseImport"] == {"status": "SUCCEEDED", "undoneAt": None, "undo": {"ordersRemoved": 0}}
    assert before["customers"]["totalCount"] == 30
    after = await state(place, number)
    begun = after["job"]["undo"].pop("begunAt")
    assert begun is not None
    assert after["job"]["undoneAt"] is not None
    assert after["job"]["undo"] == {**NONE, "ordersRemoved": 30, "customersRemoved": 30}
    assert after["customers"]["totalCount"] == 0
    told = [one["detail"] for one in after["auditEvents"]["nodes"] if one["action"] == "undoImport"]
    assert [one.get("removed") for one in told] == [30, None]
    await assert_sound(database, await place.face.services.businesses.open("shop"), clock)


async def test_nothing_is_taken_back_where_orders_were_changed_since(place: Place) -> None:
    number = await bring(place)
    await bring(place, f"{HEADER}\nC1,O1,2024-03-02,99.00,Tea\n")

    refused = await undo(place, number)
    await place.import_waiting()

    assert refused["purchaseImport"] is None
    (problem,) = refused["userErrors"]
    assert problem["code"] == "CONFLICT"
    assert "1 orders were changed since: O1" in problem["message"]
    after = await state(place, number)
    assert after["job"]["undo"] is None
    assert after["customers"]["totalCount"] == 30


async def test_an_import_is_taken_back_once_and_not_before_it_has_ended(place: Place) -> None:
    waiting = (await place.send()).json()["id"]
    early = await undo(place, waiting)
    await place.import_waiting()
    await undo(place, waiting)
    again = await undo(place, waiting)
    await place.import_waiting()

    late = await undo(place, waiting)

    assert [one["code"] for one in early["userErrors"]] == ["CONFLICT"]
    # Asked for twice while it is at work, it is done once.
    assert again["userErrors"] == []
    assert [one["code"] for one in late["userErrors"]] == ["CONFLICT"]
    assert "was taken back already" in late["userErrors"][0]["message"]


async def test_an_undo_that_nobody_goes_on_with_or_that_fails_keeps_no_other_one(
    place: Place, database: Database, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    died, failing, good = [await bring(place, f"{HEADER}\n{name},{name},2024-03-01,9,Tea\n") for name in "ABC"]
    business = await place.face.services.businesses.open("shop")
    async with place.worker.store.read(business) as unit:
        numbers = sorted(one.id for one in (await unit.imports.load_page(PageRequest(3))).items)
    take_back = ImportUndo._take_back

    def stop(*_: object) -> None:
        raise ImportStopped("segments imports undo was killed.")

    def fail(undo: ImportUndo, *given: Any) -> None:
        if undo.import_id == numbers[1]:
            raise RuntimeError("trouble with this one")
        take_back(undo, *given)

    with pytest.raises(ImportStopped):
        ImportUndo(database, business, clock, numbers[0]).run(Actor("console"), stop)
    monkeypatch.setattr(ImportUndo, "_take_back", fail)
    for number in (failing, good):
        await undo(place, number)
    await place.import_waiting()

    ended = [(await state(place, number))["job"]["undoneAt"] is not None for number in (died, failing, good)]
    assert ended == [False, False, True]


async def test_what_a_server_that_ends_had_begun_the_next_one_ends(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = await bring(place)
    await undo(place, number)

    def stop(*_: object) -> None:
        raise ImportStopped("The server ends.")

    with monkeypatch.context() as patched:
        patched.setattr(ImportUndo, "_finish", stop)
        await place.import_waiting()
    between = await state(place, number)
    await place.import_waiting()

    assert between["job"]["undoneAt"] is None
    after = await state(place, number)
    assert after["job"]["undoneAt"] is not None
    assert after["job"]["undo"]["ordersRemoved"] == 30
