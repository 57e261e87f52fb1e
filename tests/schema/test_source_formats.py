"""Formats of sources over the API: saved as stated, faults under their keys, and only for their business."""

from typing import Any

import pytest

from domain.imports.presets import load_presets
from tests.drivers.face import Face

pytestmark = pytest.mark.anyio
LIST = "{ sourceFormats { name settings preset updatedAt } }"
ERRORS = "userErrors { field code message }"
SAVE = f"""mutation S($name: String!, $settings: JSON!) {{
  saveSourceFormat(name: $name, settings: $settings) {{
    sourceFormat {{ name settings preset updatedAt }} {ERRORS} }} }}"""
DELETE = f"mutation D($name: String!) {{ deleteSourceFormat(name: $name) {{ deletedName {ERRORS} }} }}"


async def save(face: Face, name: str, settings: object) -> dict[str, Any]:
    return dict((await face.data(SAVE, {"name": name, "settings": settings}))["saveSourceFormat"])


async def test_a_format_is_saved_listed_before_the_presets_and_deleted(both: Face) -> None:
    stated = {"columns": {"Beleg": "order_id"}, "date_format": ["%d.%m.%Y"], "round": True}

    saved = await save(both, "till", stated)
    listed = (await both.data(LIST))["sourceFormats"]
    others = (await both.data(LIST, token=both.token(business="other")))["sourceFormats"]
    gone = (await both.data(DELETE, {"name": "till"}))["deleteSourceFormat"]

    assert saved["userErrors"] == []
    assert saved["sourceFormat"] == {
        "name": "till",
        "settings": stated,
        "preset": False,
        "updatedAt": listed[0]["updatedAt"],
    }
    assert listed[0] == saved["sourceFormat"]
    shopify = next(one for one in listed if one["name"] == "shopify")
    assert (shopify["preset"], shopify["updatedAt"]) == (True, None)
    assert shopify["settings"] == load_presets()["shopify"].format.to_document()
    assert others == listed[1:]
    assert gone == {"deletedName": "till", "userErrors": []}
    assert (await both.data(LIST))["sourceFormats"] == others


async def test_faults_are_user_errors_under_the_keys_of_the_document(face: Face) -> None:
    wrong = await save(face, "till", {"date_format": "%d", "decimal": ";"})
    named = await save(face, "My Till", {"decimal": ","})
    taken = await save(face, "shopify", {"decimal": ","})
    text = await save(face, "till", '{"decimal": ","}')
    absent = (await face.data(DELETE, {"name": "pos"}))["deleteSourceFormat"]

    assert wrong["sourceFormat"] is None
    assert [one["field"] for one in wrong["userErrors"]] == [["settings", "date_format"], ["settings", "decimal"]]
    assert wrong["userErrors"][0]["message"].startswith("date_format must name year, month and day")
    assert [(one["field"], one["code"]) for one in named["userErrors"]] == [(["name"], "INVALID")]
    assert [(one["field"], one["code"]) for one in taken["userErrors"]] == [(["name"], "TAKEN")]
    assert text["sourceFormat"]["settings"] == {"decimal": ","}
    assert absent["deletedName"] is None
    assert absent["userErrors"] == [
        {
            "field": ["name"],
            "code": "NOT_FOUND",
            "message": "name must be the name of a saved format, not pos. There are: till.",
        }
    ]
