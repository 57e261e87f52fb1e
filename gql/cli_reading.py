"""The commands that show what the store says: the report and the customers."""

from typing import Annotated

import typer

from domain.store import CustomerSort
from gql.cli_customers import print_customers
from gql.cli_export import OutputOption
from gql.cli_report import Wanted, print_report
from gql.cli_run import BusinessOption, run
from gql.services import Services
from persistence.database.engines import Database

reading_app = typer.Typer()


@reading_app.command()
def report(
    context: typer.Context,
    business: BusinessOption = None,
    method: Annotated[str, typer.Option(help="rfm, value or behavior")] = "rfm",
    days: Annotated[int, typer.Option(help="Length of the window in days, 1 to 9999.")] = 90,
    as_of: Annotated[
        str | None, typer.Option(help="Last day of the window, such as 2024-03-01; today if absent.")
    ] = None,
    storefront: Annotated[str | None, typer.Option(help="Key of a storefront.")] = None,
    segment_name: Annotated[str | None, typer.Option(help="Only this group.")] = None,
    segment_code: Annotated[str | None, typer.Option(help="Only the group of this code.")] = None,
    scheme: Annotated[str, typer.Option(help="eight or eleven")] = "eight",
    format: Annotated[
        str | None, typer.Option(help="table, csv, xlsx, pdf or json; the ending of the file where absent, else table.")
    ] = None,
    output: OutputOption = None,
) -> None:
    """Print or write the segmentation report. Example: segments report --days 90 --output report.pdf"""
    wanted = Wanted(method, days, as_of, storefront, segment_name, segment_code, scheme, format, output)

    async def work(services: Services, database: Database) -> None:
        chosen = await services.businesses.choose(business, context.obj.business)
        await print_report(context.obj, services, chosen, wanted)

    run(context.obj, work)


@reading_app.command()
def customers(
    context: typer.Context,
    business: BusinessOption = None,
    search: Annotated[str | None, typer.Option(help="Beginning of id, name, email or a word of the name.")] = None,
    sort: Annotated[
        CustomerSort, typer.Option(help="What to order by.", case_sensitive=False)
    ] = CustomerSort.EXTERNAL_ID,
    reverse: Annotated[bool, typer.Option("--reverse", help="Turn the order round.")] = False,
    first: Annotated[int, typer.Option(help="How many, 1 to 250.", min=1, max=250)] = 20,
) -> None:
    """List customers. Example: segments customers --sort TOTAL_REVENUE --reverse --first 10"""

    async def work(services: Services, database: Database) -> None:
        chosen = await services.businesses.choose(business, context.obj.business)
        await print_customers(services.customers, chosen, search, sort, reverse, first)

    run(context.obj, work)
