"""Settings of a business over the API: shown with defaults, changed as a whole, seen at once wherever they decide."""

import asyncio
import io
from base64 import b64encode
from typing import Any

import pytest
from PIL import Image

from domain.businesses.settings import SECTIONS, SETTINGS, read_effective
from domain.imports.presets import PURCHASES, load_presets
from tests.drivers.face import Face
from tests.drivers.segment_client import events

pytestmark = pytest.mark.anyio
SHOWN = "{ viewer { business { settings settingsVersion } } }"
CHANGE = """mutation U($settings: JSON!, $expectedVersion: Int) {
  updateBusinessSettings(settings: $settings, expectedVersion: $expectedVersion) {
    business { settings settingsVersion } userErrors { field code message path } } }"""
RECORD = "mutation R($input: [PurchaseInput!]!) { recordPurchases(input: $input) { created userErrors { message } } }"
LABELS = "{ customer(externalId: %s) { classification { frequency spending category } } }"
STATISTICS = "{ classificationStatistics { dimension label customerCount } }"
PREVIEW = "query P($rule: SegmentDefinitionInput!) { segmentPreview(definition: $rule) { matchCount } }"
REPORT = """{ segmentationReport(method: BEHAVIOR) {
  segments { segmentName customerCount dimension } } }"""


async def shown(face: Face, business: str = "shop") -> tuple[dict[str, Any], int]:
    found = (await face.data(SHOWN, token=face.token(business=business)))["viewer"]["business"]
    return found["settings"], found["settingsVersion"]


async def change(face: Face, settings: object, version: int | None = None) -> dict[str, Any]:
    variables = {"settings": settings, "expectedVersion": version}
    return dict((await face.data(CHANGE, variables))["updateBusinessSettings"])


async def done(face: Face, settings: object) -> dict[str, Any]:
    payload = await change(face, settings)
    assert payload["userErrors"] == []
    return dict(payload["business"])


async def wrong(face: Face, settings: object, version: int | None = None) -> list[tuple[list[str] | None, str, str]]:
    payload = await change(face, settings, version)
    assert payload["business"] is None
    return [(one["field"], one["code"], one["message"]) for one in payload["userErrors"]]


async def details(face: Face) -> list[Any]:
    """What the audit log says has changed by each call that changed settings."""
    told = [detail for _, action, detail in await events(face) if action == "updateBusinessSettings"]
    return [detail["changed"] for detail in told if detail.get("changed")]


async def bought(face: Face, customer: str, *days: str, amount: int = 100) -> None:
    lines = [{"category": "Tea", "amount": amount}]
    one = {"customerExternalId": customer, "amount": amount, "lines": lines}
    items = [{**one, "externalId": f"{customer}-{day}", "purchasedAt": day} for day in days]
    assert (await face.data(RECORD, {"input": items}))["recordPurchases"]["userErrors"] == []


async def labels(face: Face, customer: str) -> tuple[str, str, str]:
    found = (await face.data(LABELS % f'"{customer}"'))["customer"]["classification"]
    return found["frequency"], found["spending"], found["category"]


async def matching(face: Face, variable: str, label: str) -> int:
    rules = {"==": [{"var": variable}, label]}
    return int((await face.data(PREVIEW, {"rule": {"rules": rules}}))["segmentPreview"]["matchCount"])


async def counted(face: Face, label: str) -> int:
    rows = (await face.data(STATISTICS))["classificationStatistics"]
    return sum(row["customerCount"] for row in rows if row["label"] == label)


@pytest.mark.read_only
async def test_settings_are_shown_with_their_defaults(face: Face) -> None:
    settings, version = await shown(face)

    assert version == 1
    assert settings == read_effective({})
    assert settings["high_average_order"] == 15000
    assert settings["frequency_order"] == ["NEW", "LOYAL", "LAPSED", "SEASONAL"]
    assert settings["festive_periods"] == [{"from": "04-01", "to": "04-20"}, {"from": "12-01", "to": "12-31"}]
    assert settings["import"]["preset"] is None


DETAILS = """{ viewer { business { settingDetails {
  name description type accepts unit minimum maximum choices value default serverOnly } } } }"""


async def test_each_setting_says_what_it_is_what_it_may_be_and_what_it_is_now(both: Face) -> None:
    await done(both, {"lapsed_days": 120, "import": {"decimal": ","}, "high_lifetime": "200000.50"})

    found = (await both.data(DETAILS))["viewer"]["business"]["settingDetails"]

    assert [one["name"] for one in found] == [one.name for one in SETTINGS]
    by_name = {one["name"]: one for one in found}
    assert by_name["lapsed_days"] == {
        "name": "lapsed_days",
        "description": "days without an order, today included, after which a customer is Lapsed",
        "type": "WHOLE_NUMBER",
        "accepts": "whole number, 1 to 9999",
        "unit": "days",
        "minimum": 1,
        "maximum": 9999,
        "choices": [],
        "value": 120,
        "default": 90,
        "serverOnly": False,
    }
    values = {name: one["value"] for name, one in by_name.items()}
    assert (values["import.decimal"], values["high_lifetime"], values["brand.logo"]) == (",", 200000.5, None)
    assert by_name["import.decimal"]["choices"] == [".", ","]
    assert by_name["frequency_order"]["choices"] == by_name["frequency_order"]["default"]
    assert [one["name"] for one in found if one["serverOnly"]] == ["output_dir", "output_filename"]
    settings, _ = await shown(both)
    nested = {name: value for name, value in settings.items() if name not in SECTIONS}
    assert {name: value for name, value in values.items() if "." not in name} == nested


async def test_what_is_given_changes_and_the_rest_keeps(both: Face) -> None:
    await done(both, {"lapsed_days": 120, "import": {"decimal": ","}})

    business = await done(both, {"high_lifetime": "200000.50", "import": {"thousands": "."}})

    expected = {**read_effective({}), "lapsed_days": 120, "high_lifetime": 200000.5}
    expected["import"] = {**read_effective({})["import"], "decimal": ",", "thousands": "."}  # type: ignore[dict-item]
    assert business == {"settings": expected, "settingsVersion": 3}
    assert await shown(both) == (expected, 3)
    assert await shown(both, "other") == (read_effective({}), 1)


async def test_a_logo_is_kept_whole_and_told_of_in_a_line(both: Face) -> None:
    file = io.BytesIO()
    Image.new("RGB", (120, 40)).save(file, "jpeg")
    logo = b64encode(file.getvalue()).decode()

    settings = (await done(both, {"brand": {"logo": logo, "colour": "#1A5FB4"}}))["settings"]

    assert settings["brand"] == {"logo": logo, "colour": "#1a5fb4", "currency": None}
    told = {"old": None, "new": f"JPG picture, 120 x 40 pixels, {len(file.getvalue()):,} bytes"}
    assert (await details(both))[0]["brand.logo"] == told
    wrong_logo = await wrong(both, {"brand": {"logo": "logo.png"}})
    fault = "brand.logo must be the bytes of a PNG or JPEG picture in base64"
    assert wrong_logo == [(["settings", "brand.logo"], "INVALID", fault)]


async def test_null_goes_back_to_the_default(both: Face) -> None:
    await done(both, {"lapsed_days": 120, "loyal_orders": 7, "import": {"decimal": ",", "preset": "shopify"}})

    business = await done(both, {"lapsed_days": None, "import": None})

    assert business == {"settings": {**read_effective({}), "loyal_orders": 7}, "settingsVersion": 3}


async def test_settings_that_are_as_they_were_change_nothing(both: Face) -> None:
    await done(both, {"lapsed_days": 120})
    before = await both.services.businesses.open("shop")

    business = await done(both, {"lapsed_days": 120, "loyal_orders": 5, "high_lifetime": None, "import": {}})

    after = await both.services.businesses.open("shop")
    assert business["settingsVersion"] == 2
    assert (after.data_version, after.settings.stored) == (before.data_version, {"lapsed_days": 120})
    assert len(await details(both)) == 1


@pytest.mark.read_only
async def test_every_fault_is_named_and_nothing_is_changed(both: Face) -> None:
    settings = {"high_lifetime": "much", "lapsed_days": 0, "family_percent": 90, "lapsed_day": 3, "loyal_orders": 9}
    settings |= {"import": {"preset": "magneto", "decimal": ";"}, "classify_every": "daily"}

    faults = await wrong(both, settings)

    known = load_presets().values()
    presets = [one.name for one in known if one.about == PURCHASES and one.refusal is None]
    cron = "must be five cron fields such as `15 2 * * *`: minute, hour, day, month, weekday"
    assert faults == [
        (["settings", name], "INVALID", f"{name} {fault}")
        for name, fault in (
            ("high_lifetime", "must be an amount such as 15000"),
            ("lapsed_days", "must be between 1 and 9999"),
            ("lapsed_day", "is no setting. Is lapsed_days meant?"),
            ("import.preset", f"must be one of: {', '.join(presets)}, not magneto"),
            ("import.decimal", "must be . or ,"),
            ("classify_every", cron),
            ("family_percent", "must be at most dominant_percent"),
        )
    ]
    assert await shown(both) == (read_effective({}), 1)
    assert await details(both) == []


async def test_a_change_for_a_version_that_is_gone_is_a_conflict(both: Face) -> None:
    await done(both, {"lapsed_days": 120})

    stale = await wrong(both, {"lapsed_days": 150}, 1)
    current = await change(both, {"lapsed_days": 150}, 2)

    said = "expectedVersion is 1, but the settings have version 2 now"
    assert stale == [(["expectedVersion"], "CONFLICT", said)]
    assert (current["business"]["settings"]["lapsed_days"], current["business"]["settingsVersion"]) == (150, 3)


async def test_of_two_editors_who_saw_the_same_version_one_is_refused(both: Face) -> None:
    asked = [change(both, {"lapsed_days": days}, 1) for days in (100, 110, 120, 130)]

    payloads = await asyncio.gather(*asked)

    codes = sorted(error["code"] for payload in payloads for error in payload["userErrors"])
    (done,) = [payload["business"] for payload in payloads if not payload["userErrors"]]
    assert codes == ["CONFLICT"] * 3
    assert await shown(both) == (done["settings"], 2)
    assert len(await details(both)) == 1


@pytest.mark.read_only
@pytest.mark.parametrize("settings", ["[]", '"lapsed_days"', "3"])
async def test_settings_are_an_object(face: Face, settings: str) -> None:
    said = 'settings must be an object such as {"lapsed_days": 120}'

    assert await wrong(face, settings) == [(["settings"], "INVALID", said)]


@pytest.mark.read_only
async def test_half_of_a_character_is_refused(face: Face) -> None:
    refused = await face.post(CHANGE, {"settings": r'{"\ud800": 1}'})

    assert refused.status_code == 400
    said = "Texts must be Unicode: an escape stands for half of a character."
    assert refused.json()["errors"][0]["message"].endswith(said)


@pytest.mark.read_only
async def test_the_connection_of_mongodb_and_places_of_the_server_are_set_on_the_server(face: Face) -> None:
    settings = {"mongodb": {"password": "hunter2"}, "output_dir": "/etc", "output_filename": "passwd.json"}

    faults = await wrong(face, settings)

    assert [(field, code) for field, code, _ in faults] == [(["settings", name], "INVALID") for name in settings]
    assert all("segments settings apply FILE" in message for *_, message in faults)
    assert "hunter2" not in str(faults)


async def test_the_names_of_the_reference_configuration_are_understood(face: Face) -> None:
    amounts = {"high_aov_threshold": 500, "high_lifetime_threshold": 9000.5, "low_lifetime_threshold": 100}

    business = await done(face, {**amounts, "dominant_threshold": 0.65, "family_threshold": 0.25})

    names = ("high_average_order", "high_lifetime", "low_lifetime", "dominant_percent", "family_percent")
    assert [business["settings"][name] for name in names] == [500, 9000.5, 100, 65, 25]


async def test_a_change_is_in_the_audit_log_with_old_and_new_values(both: Face) -> None:
    await done(both, {"lapsed_days": 120, "import": {"preset": "shopify"}})

    changed = {"lapsed_days": {"old": 90, "new": 120}, "import.preset": {"old": None, "new": "shopify"}}
    assert await details(both) == [changed]


async def test_a_changed_threshold_shows_at_once_in_labels_statistics_and_rules(both: Face) -> None:
    await bought(both, "A", "2024-06-01", "2024-06-02", amount=6000)
    counts = await counted(both, "High Value"), await matching(both, "spending_label", "High Value")
    before = await labels(both, "A"), *counts

    await done(both, {"high_average_order": 5000, "loyal_orders": 2, "dominant_percent": 100})

    assert before == (("Regular", "Medium Value", "Tea"), 0, 0)
    assert await labels(both, "A") == ("Loyal", "High Value", "Tea")
    assert (await counted(both, "High Value"), await counted(both, "Loyal")) == (1, 1)
    assert await matching(both, "spending_label", "High Value") == 1
    assert await matching(both, "purchase_frequency_label", "Loyal") == 1


async def test_a_changed_festive_period_shows_at_once_everywhere(both: Face) -> None:
    await bought(both, "A", "2024-05-20", "2024-05-21")
    before = await labels(both, "A"), (await both.data(REPORT))["segmentationReport"]

    await done(both, {"festive_periods": [{"from": "05-15", "to": "05-25"}]})

    assert before[0][0] == "Regular"
    assert (await labels(both, "A"))[0] == "Seasonal"
    assert (await counted(both, "Seasonal"), await counted(both, "Regular")) == (1, 0)
    assert await matching(both, "purchase_frequency_label", "Seasonal") == 1
    report = (await both.data(REPORT))["segmentationReport"]["segments"]
    assert before[1] != {"segments": report}
    assert next(one for one in report if one["segmentName"] == "Festive")["customerCount"] == 1


async def test_the_order_of_labels_shows_at_once(both: Face) -> None:
    await bought(both, "A", "2024-01-10")
    before = (await labels(both, "A"))[0]

    await done(both, {"frequency_order": ["Lapsed", "New", "Loyal", "Seasonal"]})

    assert (before, (await labels(both, "A"))[0]) == ("New", "Lapsed")
    assert await matching(both, "purchase_frequency_label", "Lapsed") == 1
    assert await counted(both, "Lapsed") == 1


SUPPOSED = """query S($settings: JSON, $asOf: Date) {
  classificationStatistics(settings: $settings, asOf: $asOf) { dimension label customerCount share } }"""


async def supposed(face: Face, settings: object, as_of: str | None = None) -> Any:
    return (await face.data(SUPPOSED, {"settings": settings, "asOf": as_of}))["classificationStatistics"]


async def test_statistics_under_supposed_settings_are_those_of_the_same_settings_saved(both: Face) -> None:
    await bought(both, "often", *(f"2024-0{month}-10" for month in range(1, 6)))
    await bought(both, "once", "2024-05-01", amount=20_000)
    await bought(both, "lapsed", "2023-01-01", "2023-02-01")
    await done(both, {"loyal_orders": 9, "lapsed_days": 60})
    for stated in (
        {"loyal_orders": 3},
        {"lapsed_days": 9999, "frequency_order": ["LAPSED", "NEW", "LOYAL", "SEASONAL"]},
        {"high_aov_threshold": "30000", "loyal_orders": None},
        {"festive_periods": [{"from": "01-01", "to": "12-31"}], "festive_percent": 100},
    ):
        for as_of in (None, "2024-03-31"):
            before = await shown(both), await supposed(both, None, as_of)
            told = await supposed(both, stated, as_of)
            assert (await shown(both), await supposed(both, {}, as_of)) == before
            await done(both, stated)
            assert told == await supposed(both, None, as_of), (stated, as_of)
            assert as_of or told != before[1]
            await done(both, {**dict.fromkeys(stated), "loyal_orders": 9, "lapsed_days": 60})


@pytest.mark.read_only
async def test_supposed_settings_are_refused_as_those_that_are_saved(both: Face) -> None:
    for stated in ({"lapsed_days": 0}, {"lapsed_day": 3}, {"family_percent": 90}, {"output_dir": "x"}, 5):
        error = (await both.post(SUPPOSED, {"settings": stated})).json()["errors"][0]
        ((field, _, message),) = await wrong(both, stated)
        assert error["message"] == message
        assert error["extensions"] == {"code": "BAD_USER_INPUT", "field": field}


@pytest.mark.read_only
async def test_a_query_tells_everything_that_is_wrong_with_supposed_settings(both: Face) -> None:
    stated = {"lapsed_days": 0, "lapsed_day": 3, "loyal_orders": 3}

    extensions = (await both.post(SUPPOSED, {"settings": stated})).json()["errors"][0]["extensions"]

    expected = [{"field": field, "message": message} for field, _, message in await wrong(both, stated)]
    assert [one["field"][1] for one in expected] == ["lapsed_days", "lapsed_day"]
    assert (extensions["problems"], extensions["field"]) == (expected, expected[0]["field"])
