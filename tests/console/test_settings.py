"""Settings in the console: what each is comes from the API, what a change would do is seen before it is saved, and two
who change the same see both values."""

import io
from pathlib import Path

import pytest
from PIL import Image

from tests.drivers.browser import Page
from tests.drivers.console import Console, Shop, check_accessibility

pytestmark = [pytest.mark.tools, pytest.mark.anyio]
SECTIONS = ("", "/festive", "/schedules", "/sources?format=shopify", "/shop", "/tokens", "/audit", "/all")
SETTINGS = "{ viewer { business { settings settingsVersion } } }"
CHANGE = """mutation C($settings: JSON!) {
  updateBusinessSettings(settings: $settings) { userErrors { message } } }"""


async def read(shop: Shop, name: str) -> object:
    settings = (await shop.query(SETTINGS))["viewer"]["business"]["settings"]
    for part in name.split("."):
        settings = settings[part]
    return settings


async def labels(page: Page) -> dict[str, list[str]]:
    """The rows of the first table of labels by their name: now, and then with the change, or the share."""
    return {label: rest for label, *rest in (await page.rows(".effect table"))[1:]}


async def enter(page: Page, selector: str, value: str) -> None:
    """In a control that the browser draws itself, as a calendar, in its form of the value."""
    event = "one.dispatchEvent(new Event('input', { bubbles: true }))"
    await page.evaluate(f"(one => {{ one.value = '{value}'; {event}; }})(document.querySelector(\"{selector}\"))")


async def test_a_shop_with_nothing_in_it_has_thresholds_too(console: Console, empty_shop: Shop) -> None:
    page = await console.open(empty_shop, "/settings")

    assert "Nobody has bought yet" in await page.text(".effect")
    assert (await labels(page))["New"][0] == "0"


async def test_what_a_threshold_does_is_seen_before_it_is_saved(console: Console, own_demo: Shop) -> None:
    page = await console.open(own_demo, "/settings")
    now = await labels(page)

    await page.fill("Lapsed days", "400")
    await page.wait_text("Lapsed −", "form [role=status]")

    then = await labels(page)
    assert then["Lapsed"][0] == now["Lapsed"][0]
    assert int(then["Lapsed"][1].replace(",", "")) < int(then["Lapsed"][0].replace(",", ""))
    assert then["Lapsed"][2].startswith("▼")
    assert await read(own_demo, "lapsed_days") == 90
    await page.click("Save")
    await page.wait_text("Saved: Lapsed days.", "main")
    await page.settle()
    assert await read(own_demo, "lapsed_days") == 400
    assert (await labels(page))["Lapsed"][0] == then["Lapsed"][1]
    await page.click("Back to the default of Lapsed days")
    await page.click("Save")
    await page.wait_for("!document.querySelector('.setting .quiet:not([hidden])')")
    await page.settle()
    assert await labels(page) == now
    assert await read(own_demo, "lapsed_days") == 90


async def test_what_is_not_saved_is_not_left_without_a_question(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/settings/schedules")
    await page.fill("Classify every", "0 5 * * *")

    await page.click("Tokens")
    await page.click("Cancel", within="dialog")
    assert (await page.address()).endswith("/settings/schedules")
    assert await page.value("#set-classify_every") == "0 5 * * *"
    await page.click("Tokens")
    await page.click("Leave without saving", within="dialog")
    await page.wait_text("Making tokens")


async def test_what_is_wrong_is_said_at_its_field_and_nothing_is_saved(console: Console, own_demo: Shop) -> None:
    page = await console.open(own_demo, "/settings")

    await page.fill("Loyal orders", "0")
    await page.fill("Dominant percent", "20")
    await page.click("Save")

    await page.wait_text("loyal_orders must be between 1 and 1000")
    await page.wait_text("family_percent must be at most dominant_percent")
    wrong = await page.texts(".setting:has([aria-invalid]) label")
    assert wrong == ["Loyal orders", "Family percent"]
    assert await read(own_demo, "loyal_orders") == 5


async def test_two_who_change_the_same_see_both_values(console: Console, own_demo: Shop) -> None:
    page = await console.open(own_demo, "/settings")
    await own_demo.query(CHANGE, settings={"loyal_orders": 7})

    await page.fill("Loyal orders", "9")
    await page.click("Save")
    await page.wait_text("Somebody else has changed the settings")

    await page.settle()
    await check_accessibility(page)
    assert (await page.rows("form table"))[1] == ["Loyal orders", "5 orders", "7 orders", "9 orders"]
    assert await read(own_demo, "loyal_orders") == 7
    await page.click("Save mine over it")
    await page.wait_text("Saved: Loyal orders.", "main")
    assert await read(own_demo, "loyal_orders") == 9
    await own_demo.query(CHANGE, settings={"loyal_orders": 11})
    await page.fill("Loyal orders", "3")
    await page.click("Save")
    await page.click("Take theirs")
    await page.wait_gone("Somebody else has changed the settings")
    assert await page.value("#set-loyal_orders") == "11"


async def test_who_may_only_look_sees_values_and_no_controls(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/settings", token=demo.token("customers:view"))

    for section in SECTIONS:
        await page.evaluate(f"location.hash = '/settings{section}'")
        await page.settle()

        assert await page.evaluate("document.querySelectorAll('main :is(input, select, textarea, button)').length") == 0
        if section != "/all":
            assert "customers:edit" in await page.text("main")


@pytest.mark.slow
async def test_festive_periods_are_added_changed_and_removed(console: Console, own_demo: Shop) -> None:
    page = await console.open(own_demo, "/settings/festive")
    assert "51 days of 2026 are festive" in await page.text("main")

    await page.click("Remove this period")
    await page.wait_text("31 days of 2026 are festive")
    await page.choose("How often", "Once")
    await enter(page, "[aria-label='Day to'][type=date]", "2026-12-24")
    await page.click("Add a period")
    await page.wait_text("30 days of 2026 are festive")
    await page.click("Save")

    await page.wait_text("Saved: Festive periods.", "main")
    yearly, once = {"from": "01-01", "to": "01-06"}, {"from": "2026-12-01", "to": "2026-12-24"}
    assert await read(own_demo, "festive_periods") == [yearly, once]


@pytest.mark.slow
async def test_a_preset_is_copied_changed_and_deleted_again(console: Console, own_demo: Shop) -> None:
    page = await console.open(own_demo, "/settings/sources")
    await page.click("cdnow", selector="a")
    await page.wait_text("Format cdnow")

    await page.fill("What it says, as JSON", '{"date_format": ["%Q"]}')
    await page.click("Save a copy")
    await page.wait_text("date_format", ".field .failed:not(:empty)")
    await page.fill("What it says, as JSON", '{"date_format": ["%d/%m/%Y"]}')
    await page.click("Save a copy")
    await page.wait_text("The format my-cdnow is saved.", "main")
    assert (await page.address()).endswith("#/settings/sources?format=my-cdnow")
    await page.click("Delete")
    await page.click("Delete", within="dialog")
    await page.wait_text("The format my-cdnow is gone.", "main")
    assert "The shop has saved no format yet" in await page.text("main")


async def test_what_holds_for_every_file_is_set_by_the_kind_of_control_that_it_needs(
    console: Console, own_demo: Shop
) -> None:
    page = await console.open(own_demo, "/settings/sources?format=shopify")
    await page.click("Show 31 settings")
    await check_accessibility(page)

    await page.choose("Decimal", ",")
    await page.choose("Fill down", "yes")
    await page.fill("Skip lines", "2")
    await page.fill("Date format", "%d/%m/%Y\n%Y-%m-%d")
    await page.fill("Columns", '{"Buyer": "customer_id"}')
    await page.click(selector="details .primary")

    await page.wait_text("Saved: Columns, Date format, Decimal, Skip lines, Fill down.", "main")
    settings = await read(own_demo, "import")
    assert isinstance(settings, dict)
    assert {name: value for name, value in settings.items() if value is not None} == {
        "columns": {"Buyer": "customer_id"},
        "date_format": ["%d/%m/%Y", "%Y-%m-%d"],
        "decimal": ",",
        "skip_lines": 2,
        "fill_down": True,
    }


async def test_the_brand_has_a_logo_and_says_how_its_colour_reads(
    console: Console, own_demo: Shop, tmp_path: Path
) -> None:
    file = io.BytesIO()
    Image.new("RGB", (120, 40), "#7b1fa2").save(file, "png")
    (tmp_path / "logo.png").write_bytes(file.getvalue())
    page = await console.open(own_demo, "/settings/shop")

    await page.set_files("input[type=file]", tmp_path / "logo.png")
    await page.wait_for("document.querySelector('.logo img')?.naturalWidth === 120")
    await enter(page, "input[type=color]", "#ffcc00")
    await page.wait_text("too light for letters")
    await page.fill("Currency", "Rs")
    await page.click("Save")
    await page.wait_text("Saved: Logo, Colour, Currency.", "main")
    assert await page.evaluate("document.querySelector('.logo img').naturalWidth") == 120
    assert (await read(own_demo, "brand.colour"), await read(own_demo, "brand.currency")) == ("#ffcc00", "Rs")
    await page.fill("Name of kandy", "Kandy, the lake")
    await page.press("Enter")
    await page.wait_text("kandy is called Kandy, the lake now.", "main")


@pytest.mark.slow
async def test_a_report_on_a_schedule_is_added(console: Console, own_demo: Shop) -> None:
    page = await console.open(own_demo, "/settings/schedules")

    await page.click("Add a report")
    await check_accessibility(page)
    await page.fill("Name", "monthly")
    await page.fill("Times (five cron fields)", "0 6 1 * *")
    await page.choose("Method", "Value")
    await page.click(selector="form:has(.entry) .primary")

    await page.wait_text("Saved: Scheduled reports.", "main")
    plain = {"name": "monthly", "format": "pdf", "every": "0 6 1 * *"}
    assert await read(own_demo, "scheduled_reports") == [{**plain, "method": "value", "days": 90, "scheme": "eight"}]


async def test_revoking_ones_own_tokens_is_told_of_and_ends_the_session(console: Console, own_demo: Shop) -> None:
    page = await console.open(own_demo, "/settings/tokens", token=own_demo.token(subject="ann", age_hours=0.5))

    await page.fill("Subject", "ann")
    await page.click("Revoke …")
    await page.wait_text("Your own token is likely among them", "dialog")
    assert "All tokens of ann" in await page.text("dialog")
    await page.click("Revoke", within="dialog")

    await page.wait_text("Your session has ended", "dialog")
    page.complaints.clear()


async def test_the_log_tells_who_did_what_and_of_one_thing_alone(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/settings/audit?action=importPurchases")
    assert (await page.rows("main table"))[1][1:3] == ["test", "Import purchases"]

    await page.click("Show everything")
    await page.settle()
    await page.click("history of VIP")
    await page.settle()

    rows = (await page.rows("main table"))[1:]
    assert {about.split()[0] for _, _, _, about, _ in rows} == {"VIP"}
    assert rows[-1][2] == "Create segment"
    await page.click(selector="summary")
    assert await page.text("main details[open] dl")


async def test_the_log_is_asked_by_whom_and_how_it_ended(console: Console, demo: Shop) -> None:
    page = await console.open(demo, "/settings/audit")

    await page.click("Create segment")
    await page.settle()
    rows = (await page.rows("main table"))[1:]
    assert {what.removesuffix(" Refused") for _, _, what, _, _ in rows} == {"Create segment"}
    assert "Only “Create segment”." in await page.text("main")
    await page.choose("How it ended", "Denied")
    await page.wait_text("Nothing of that kind was done yet.", "main")
    await page.click("Show everything")
    await page.settle()

    assert await page.value("#choice-outcome") == "DENIED"
