"""Formats that a business keeps: saved anew, listed, deleted, in use; what of a source they say beside the settings and
what was given; and that ids which are made are the same twice and of one business."""

from pathlib import Path

import pytest
from sqlalchemy import text

from domain.errors import InvalidInput, NotFound
from domain.imports.formats import SourceFormat
from domain.imports.presets import PURCHASES, load_presets
from domain.imports.saved_formats import MOST_FORMATS
from domain.model import Actor, Business
from domain.pages import PageRequest
from gql.composition import Services
from persistence.database.engines import Database
from persistence.sources.opening import open_purchases, settle_format
from tests.conftest import SetClock

pytestmark = pytest.mark.anyio
ADA = Actor("ada", "request")


async def names(services: Services, business: Business) -> list[str]:
    """Of the business's own formats."""
    return [one.name for one in await services.formats.load_all(business) if not one.is_preset]


async def refused(services: Services, business: Business, name: str, document: object) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as error:
        await services.formats.save(business, name, document, ADA)
    return [(one.code, one.message) for one in error.value.problems]


async def test_a_format_is_saved_and_saved_anew_and_is_gone(
    services: Services, shop: Business, clock: SetClock
) -> None:
    made = await services.formats.save(shop, "till", {"decimal": ",", "date_format": "%d.%m.%Y"}, ADA)
    await services.formats.save(shop, "pos", {"sheet": "Sales"}, ADA)
    anew = await services.formats.save(shop, "till", {"decimal": "."}, ADA)
    listed = await services.formats.load_all(shop)
    found = await services.formats.find(shop, "till")
    await services.formats.delete(shop, "pos", ADA)

    assert made.document == {"decimal": ",", "date_format": ["%d.%m.%Y"]}
    assert made.updated_at is not None and anew.updated_at is not None and made.updated_at < anew.updated_at
    usable = [name for name, one in load_presets().items() if one.refusal is None]
    assert [one.name for one in listed] == ["pos", "till", *usable]
    assert found == anew
    assert found.document == {"decimal": "."}
    assert await names(services, shop) == ["till"]


async def test_each_write_is_audited_and_leaves_the_data_version(services: Services, shop: Business) -> None:
    await services.formats.save(shop, "till", {"decimal": ","}, ADA)
    await services.formats.save(shop, "till", {"decimal": "."}, ADA)
    await services.formats.delete(shop, "till", ADA)

    after = await services.businesses.open("shop")
    events = await services.read(shop, lambda unit: unit.audits.load_page(PageRequest(9)))
    assert (after.data_version, after.change_number) == (shop.data_version, shop.change_number + 3)
    assert [(one.actor, one.action, one.detail) for one in events.items] == [
        ("ada", "deleteSourceFormat", {"name": "till"}),
        ("ada", "saveSourceFormat", {"name": "till", "created": False}),
        ("ada", "saveSourceFormat", {"name": "till", "created": True}),
    ]


async def test_what_cannot_be_saved_changes_nothing(services: Services, shop: Business) -> None:
    assert await refused(services, shop, "Till", {"decimal": ","}) == [
        ("INVALID", "name must be 1 to 60 lower-case letters, digits, - and _, and not 'Till'")
    ]
    assert await refused(services, shop, "shopify", {"decimal": ","}) == [
        ("TAKEN", "name must not be that of a preset, as shopify is")
    ]
    assert await refused(services, shop, "till", {"decimal": ";"}) == [("INVALID", "decimal must be . or ,")]
    assert await names(services, shop) == []
    assert (await services.businesses.open("shop")).change_number == shop.change_number


async def test_a_business_keeps_a_hundred_of_its_own(services: Services, shop: Business) -> None:
    other = await services.businesses.create("other", None, "UTC", "EUR")
    for number in range(MOST_FORMATS):
        await services.formats.save(shop, f"f{number}", {"decimal": ","}, ADA)

    assert await refused(services, shop, "one-more", {"decimal": ","}) == [
        ("LIMIT_REACHED", "A business can keep 100 formats: delete one that is not needed")
    ]
    await services.formats.save(shop, "f7", {"decimal": "."}, ADA)
    await services.formats.save(other, "one-more", {"decimal": ","}, ADA)
    assert await names(services, other) == ["one-more"]
    with pytest.raises(NotFound):
        await services.formats.find(other, "f7")


async def test_a_format_that_a_setting_names_is_there_and_stays(services: Services, shop: Business) -> None:
    with pytest.raises(InvalidInput) as absent:
        await services.business_changes.set_settings("shop", {"import": {"format": "till"}}, ADA)
    with pytest.raises(InvalidInput):
        await services.business_changes.plan_settings("shop", {"import": {"format": "till"}})
    await services.formats.save(shop, "till", {"decimal": ","}, ADA)
    await services.business_changes.set_settings("shop", {"import": {"format": "till"}}, ADA)
    with pytest.raises(InvalidInput) as used:
        await services.formats.delete(shop, "till", ADA)
    await services.business_changes.set_settings("shop", {"import": {"format": None}}, ADA)
    await services.formats.delete(shop, "till", ADA)
    with pytest.raises(InvalidInput) as gone:
        await services.formats.delete(shop, "till", ADA)

    message = "import.format must be the name of a saved format, not till. There are: none yet."
    assert [(one.field, one.message) for one in absent.value.problems] == [(("settings", "import.format"), message)]
    assert [(one.code, one.message) for one in used.value.problems] == [
        ("IN_USE", "till is what the setting import.format names: change that first")
    ]
    assert gone.value.problems[0].code == "NOT_FOUND"


async def test_what_is_given_wins_over_a_format_and_that_over_the_settings(
    services: Services, shop: Business, database: Database
) -> None:
    await services.formats.save(shop, "till", {"date_format": "%Y%m%d", "sheet": "Till", "decimal": "."}, ADA)
    await services.formats.save(shop, "books", {"date_format": "%y/%m/%d", "preset": "magento"}, ADA)
    settled = {"format": "books", "date_format": "%d/%m/%Y", "decimal": ",", "thousands": ".", "encoding": "utf-16"}
    business, _ = await services.business_changes.set_settings("shop", {"import": settled}, ADA)

    def settle(**given: object) -> SourceFormat:
        name = given.pop("format", None)
        form = SourceFormat.read(given)
        return settle_format(SourceFormat(**{**vars_of(form), "name": name}), business, database, PURCHASES)

    by_settings, by_name, mixed = settle(), settle(format="till"), settle(format="till", sheet="Sales")
    by_preset = settle(preset="etsy")
    assert (by_settings.name, by_settings.preset, by_settings.date_format) == ("books", "magento", ("%d/%m/%Y",))
    assert (by_name.name, by_name.preset, by_name.date_format) == ("till", None, ("%Y%m%d",))
    # A point before decimals is none between thousands, whatever the settings say.
    assert (by_name.sheet, by_name.decimal, by_name.thousands, by_name.encoding) == ("Till", ".", None, "utf-16")
    assert (mixed.sheet, mixed.date_format) == ("Sales", ("%Y%m%d",))
    assert (by_preset.name, by_preset.date_format) == (None, load_presets()["etsy"].format.date_format)


def vars_of(form: SourceFormat) -> dict[str, object]:
    return {name: getattr(form, name) for name in SourceFormat.__slots__}


async def test_a_setting_that_names_no_format_any_more_is_said_to_be_that(
    services: Services, shop: Business, database: Database
) -> None:
    with database.bulk.begin() as connection:
        connection.execute(text("""UPDATE business SET settings = '{"import": {"format": "gone"}}'"""))
    business = await services.businesses.open("shop")

    with pytest.raises(InvalidInput) as refusal:
        settle_format(SourceFormat(), business, database, PURCHASES)

    assert refusal.value.message == (
        "The setting import.format must be the name of a saved format, not gone. There are: none yet."
    )


async def test_made_ids_are_equal_twice_and_differ_between_businesses(
    services: Services, shop: Business, database: Database, tmp_path: Path
) -> None:
    other = await services.businesses.create("other", None, "UTC", "EUR")
    path = tmp_path / "orders.csv"
    path.write_text("customer_id,date,amount\nAda,2024-03-01,5\nAda,2024-03-01,5\nBen,2024-03-02,7\n")

    def made(business: Business, orders: str) -> list[str]:
        rows = open_purchases(path, business, SourceFormat.read({"orders": orders}), database=database).read_rows(print)
        return [order for portion in rows for order in portion.order_id]

    again = await services.businesses.open("shop")
    for orders, count in (("row", 3), ("customer_day", 2), ("customer_instant", 2)):
        assert made(shop, orders) == made(again, orders)
        assert len(set(made(shop, orders))) == count
        assert set(made(shop, orders)).isdisjoint(made(other, orders))
    assert len(shop.secret) == len(other.secret) == 64
    assert shop.secret not in repr(shop)
