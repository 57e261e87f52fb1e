"""What rows of purchases say of their customers: it reaches those who are in the store after the import, changes only
what is stated, and refuses no purchase."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from domain.imports.formats import SourceFormat
from domain.imports.rows import Batch
from domain.model import PROFILE_TEXTS, Actor, Business, NewCustomer
from gql.composition import Services
from persistence.database.engines import Database
from persistence.imports.importer import PurchaseImporter
from persistence.sources.opening import open_purchases
from tests.conftest import SetClock
from tests.persistence.conftest import everybody, merge, record_of

pytestmark = pytest.mark.anyio
ACTOR = Actor("tester")
HEADER = "customer_id,order_id,date,amount,who,mail,tel,land,town"
COLUMNS = {"who": "name", "mail": "email", "tel": "phone", "land": "country", "town": "city"}
Bring = Callable[..., Awaitable[list[str]]]


@pytest.fixture
def bring(database: Database, services: Services, shop: Business, tmp_path: Path, clock: SetClock) -> Bring:
    """Import these lines as the command line does; the warnings."""

    async def bring(
        *lines: str, header: str = HEADER, columns: Mapping[str, str] = COLUMNS, **said: object
    ) -> list[str]:
        path = tmp_path / "orders.csv"
        path.write_text("\n".join((header, *lines, "")))
        opened = open_purchases(path, shop, SourceFormat.read({"columns": columns, **said}), database=database)
        PurchaseImporter(database, shop, clock).run(opened.name, opened.read_rows, opened.read_texts, actor="tester")
        await opened.finish(services.customers, shop)
        return opened.warnings

    return bring


async def profile(services: Services, shop: Business, name: str) -> list[str | None]:
    """What is known of the customer."""
    customer = (await record_of(services, shop, name)).customer
    return [getattr(customer, of) for of in PROFILE_TEXTS]


async def test_the_last_row_that_says_something_counts_field_by_field(
    bring: Bring, services: Services, shop: Business
) -> None:
    await bring(
        "A,1,2024-03-01,5,Ada,ada@x.test,0711,DE,Ulm",
        "B,2,2024-03-01,5,Ben,,,,",
        "A,3,2024-03-02,5,Ada L,,,,Bonn",
        "A,4,2024-03-03,5,N/A, ,\\N,-,",
        "A,5,2024-03-04,5,Ada,,,,",
        "A,6,2024-03-05,5,Ada L,,,,",
    )

    assert await profile(services, shop, "A") == ["Ada L", "ada@x.test", "0711", "DE", "Bonn", None]
    assert await profile(services, shop, "B") == ["Ben", None, None, None, None, None]


async def test_only_what_is_stated_changes(bring: Bring, services: Services, shop: Business) -> None:
    known = NewCustomer("A", name="Ada", email="x@x.test", phone="1", country="LK", city="Galle", loyalty_level="gold")
    await services.customers.upsert(shop, [known], ACTOR)

    await bring("A,1,2024-03-01,5,,new@x.test,,,")
    kept = await profile(services, shop, "A")
    header = "customer_id,order_id,date,amount,level"
    await bring("A,1,2024-03-01,5,best", header=header, columns={"level": "loyalty_level"})

    assert kept == ["Ada", "new@x.test", "1", "LK", "Galle", "gold"]
    assert await profile(services, shop, "A") == ["Ada", "new@x.test", "1", "LK", "Galle", "best"]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
async def test_the_last_word_counts_however_rows_fall_into_batches(
    database: Database, shop: Business, tmp_path: Path, size: int
) -> None:
    said = ["Ada", "", "Ada L", "Ada", "Ada", "Ada L", "Ada", ""]
    path = tmp_path / "orders.csv"
    path.write_text("\n".join((HEADER, *(f"A,{n},2024-03-01,5,{one},,,," for n, one in enumerate(said)), "")))
    opened = open_purchases(path, shop, SourceFormat.read({"columns": COLUMNS}))
    (whole,) = opened.source.read_batches()
    parts = [
        Batch(whole.lines[start : start + size], whole.rows[start : start + size], True)
        for start in range(0, len(said), size)
    ]
    assert opened.profiles is not None

    list(opened.profiles.watch(parts, opened.make_reader()))

    assert list(opened.profiles.profiles) == [("A", {"name": "Ada"})]


async def test_first_and_last_names_are_joined(bring: Bring, services: Services, shop: Business) -> None:
    await bring(
        "A,1,2024-03-01,5,Ada,Lovelace",
        "B,2,2024-03-01,5,,Ross",
        header="customer_id,order_id,date,amount,First Name,Last Name",
        columns={"First Name": "first_name", "Last Name": "last_name"},
    )

    assert [one.customer.name for one in await everybody(services, shop)] == ["Ada Lovelace", "Ross"]


async def test_ids_are_those_of_the_purchases_and_nobody_else_is_made(
    bring: Bring, services: Services, shop: Business
) -> None:
    await bring(
        "ADA@X.test,1,2024-03-01,5,Ada,,,,",
        '"=""007""",2,2024-03-01,5,Ben,,,,',
        "17.0,3,2024-03-01,5,Cy,,,,",
        "none,4,2024-03-01,5,Nobody,,,,",
        "D,5,2024-03-01,x,Dee,,,,",
        customer_id_prefix="till:",
    )

    customers = [(one.customer.external_id, one.customer.name) for one in await everybody(services, shop)]
    assert customers == [("till:007", "Ben"), ("till:17", "Cy"), ("till:ada@x.test", "Ada")]


async def test_an_erased_customer_gets_nothing_and_a_merged_one_s_other_name_leads_to_who_is_there(
    bring: Bring, services: Services, shop: Business
) -> None:
    await bring(*(f"{one},{one},2024-03-01,5,{one},,,," for one in "ABCD"))
    await merge(services, shop, "A", "B")
    erased = (await record_of(services, shop, "C")).customer.id
    await services.erasure.erase(shop, erased, ACTOR)

    await bring("A,5,2024-03-01,5,Other,,,,", "C,6,2024-03-01,5,Back,,,,", "D,7,2024-03-01,5,Dee,,,,")

    by_name = {one.customer.external_id: one.customer.name for one in await everybody(services, shop)}
    assert (by_name["B"], by_name["D"]) == ("Other", "Dee")
    assert "Back" not in by_name.values()


async def test_what_cannot_be_kept_is_told_and_refuses_no_purchase(
    bring: Bring, services: Services, shop: Business
) -> None:
    warnings = await bring("A,1,2024-03-01,5,Ada,,4.9E+10,DE,", f"B,2,2024-03-01,5,Ben,,,,{'x' * 1001}")

    assert warnings == [
        "Not all that is said of customers can be kept: phone '4.9E+10' is in scientific notation: digits are lost. "
        "Export it as text"
    ]
    assert await profile(services, shop, "A") == ["Ada", None, None, "DE", None, None]
    assert await profile(services, shop, "B") == ["Ben", None, None, None, None, None]


async def test_a_later_line_of_an_order_and_merged_cells_lend_nobody_what_they_say(
    bring: Bring, services: Services, shop: Business
) -> None:
    await bring("A,1,2024-03-01,5,Ada,,0711,DE,", ",,,2,,,,,", "B,2,2024-03-01,5,Ben,,,,", fill_down=True)

    assert await profile(services, shop, "A") == ["Ada", None, "0711", "DE", None, None]
    assert await profile(services, shop, "B") == ["Ben", None, None, None, None, None]


async def test_a_source_is_noted_anew_each_time_it_is_read(
    database: Database, services: Services, shop: Business, tmp_path: Path
) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(f"{HEADER}\nA,1,2024-03-01,5,Ada,,,,\n")
    opened = open_purchases(path, shop, SourceFormat.read({"columns": COLUMNS}))
    plain = open_purchases(path, shop, SourceFormat())

    for _ in range(2):
        list(opened.read_rows(lambda row: None))

    assert opened.profiles is not None and plain.profiles is None
    assert list(opened.profiles.profiles) == [("A", {"name": "Ada"})]
    assert plain.columns.ignored == ("who", "mail", "tel", "land", "town")
