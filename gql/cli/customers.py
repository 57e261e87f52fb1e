"""Customers on the command line: their own file into the store, in batches that each commit whole, a list of them, and
what makes one of two. A row that is refused is named with its line and reason, and reading goes on."""

from pathlib import Path
from typing import Annotated

import typer

from domain.errors import NotFound, name_fields, to_option_name
from domain.imports.columns import count_noun
from domain.imports.formats import SourceFormat
from domain.model import CustomerSort
from gql.cli.imports import CurrencyOption, RejectsOption, ZoneOption, with_format_options
from gql.cli.output import FormatOption, check_file, clean_line
from gql.cli.session import ACTOR, BusinessOption, Session, command, make_app

customers_app = make_app()
listed_app = make_app()


@customers_app.command()
@with_format_options
@command
async def import_customers(
    session: Session,
    *,
    file: Annotated[Path, typer.Argument(help="File of customers.", callback=check_file)],
    business: BusinessOption = None,
    options: SourceFormat,
    time_zone: ZoneOption = None,
    currency: CurrencyOption = None,
    rejects: RejectsOption = None,
    format: FormatOption = "table",
) -> None:
    """Import customers. Example: segments import-customers customers.csv --business shop"""
    from domain.imports.rows import RejectedRow
    from gql.cli.actions.bars import make_progress_bar
    from gql.cli.actions.imported import Rejects, name_ignored_columns, print_import

    businesses, rejected = session.services.businesses, Rejects(rejects)
    chosen = await businesses.plan_for_import(session.settings.business, business, time_zone, currency)
    source = session.store.open_customers(file, chosen, options, to_option_name)
    rejected.check(file)
    if not chosen.id:
        chosen = await businesses.create_planned(chosen)
    name_ignored_columns(source.ignored)
    refused: list[RejectedRow] = []
    with make_progress_bar() as bar:
        task = bar.add_task("reading", total=None)
        summary = await source.import_into(
            session.services.customers, chosen, refused.append, lambda count: bar.update(task, completed=count)
        )
    for note in source.notes:
        typer.echo(name_fields(note, to_option_name), err=True)
    with rejected.open_writer(source.file.header, source.file.read_rows) as reject:
        for row in sorted(refused):
            reject(row)
    print_import(source.file.name, summary, chosen, format)
    rejected.name_first()
    summary.check()


@listed_app.callback(invoke_without_command=True)
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
    """List customers, show one, or merge two. Example: segments customers --sort TOTAL_REVENUE --reverse --first 10"""
    if context.invoked_subcommand is None:
        with Session(context.obj) as session:
            session.run(list_customers(session, business, search, sort, reverse, first))
    elif business is not None:
        raise typer.BadParameter(f"--business stands after {context.invoked_subcommand}")


async def list_customers(
    session: Session, business: str | None, search: str | None, sort: CustomerSort, reverse: bool, first: int
) -> None:
    """Print the first of them in the order asked for."""
    from domain.calendar import load_zone, to_local_date
    from domain.pages import PageRequest
    from domain.store import CustomerFilter
    from gql.cli.actions.terminal import Fit, print_rows

    chosen, service = await session.choose(business), session.services.customers
    async with session.services.store.read(chosen) as unit:
        page = await unit.customers.load_page(PageRequest(first), CustomerFilter(search), sort, reverse)
    rows = []
    for record in page.items:
        totals, customer = record.totals, record.customer
        last = "" if totals.last_at is None else str(to_local_date(totals.last_at, load_zone(chosen.time_zone)))
        revenue = f"{service.to_revenue(chosen, totals):,}"
        texts = (customer.external_id, customer.name, customer.loyalty_level)
        rows.append((*texts, f"{totals.order_count:,}", revenue, last))
    texts_fit = {"customer": Fit.WHOLE, "name": Fit.NAME, "level": Fit.NAME}
    print_rows(
        {**texts_fit, "orders": Fit.FIGURE, f"revenue {chosen.currency}": Fit.FIGURE, "last purchase": Fit.WHOLE}, rows
    )


@listed_app.command(name="show")
@command
async def show_customer(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="CUSTOMER", help="Customer id of the shop.")],
    business: BusinessOption = None,
) -> None:
    """Show the scores of a customer, and what they take in this shop. Example: segments customers show C-4"""
    from domain.classification.rfm import RfmScheme, find_group
    from domain.identifiers import find_id

    chosen, service = await session.choose(business), session.services.customers
    key = find_id(name)
    async with session.services.store.read(chosen) as unit:
        record = await unit.customers.find_by_external_id(key)
    if record is None:
        raise NotFound(f"There is no customer with the id {clean_line(key)} in the business {chosen.key}.")
    totals, customer = record.totals, record.customer
    typer.echo(" ".join(filter(None, (clean_line(customer.external_id), clean_line(customer.name)))))
    revenue = f"{chosen.currency} {service.to_revenue(chosen, totals):,}"
    typer.echo(f"{count_noun(totals.order_count, 'order')}, {revenue} in all")
    score = (await service.compute_scores(chosen, {customer.id: totals}))[customer.id]
    if score is None:
        typer.echo("No scores: no purchase counts.")
        return
    eight, eleven = (find_group(score, scheme).name for scheme in RfmScheme)
    typer.echo(f"Score {score.digits} over {chosen.settings.rfm_days:,} days: {eight}, of eleven segments {eleven}")
    for threshold in (await service.load_thresholds(chosen, [score]))[score]:
        typer.echo(f"  {threshold.sentence}")


@listed_app.command(name="merge")
@command
async def merge_customers(
    session: Session,
    source: Annotated[str, typer.Argument(metavar="FROM", help="Customer id of the one who goes.")],
    target: Annotated[str, typer.Argument(metavar="INTO", help="Customer id of the one who stays.")],
    business: BusinessOption = None,
) -> None:
    """Merge a customer into another, for good. Example: segments customers merge C-17 C-4"""
    from gql.cli.actions.worker import follow_import

    chosen = await session.choose(business)
    merged = await session.services.merging.merge_named(chosen, source, target, ACTOR)
    fields = ", ".join(name.replace("_", " ") for name in merged.fields) or "nothing missing"
    moved, begun = count_noun(merged.purchases, "purchase"), count_noun(merged.begun, "membership")
    ended = count_noun(merged.ended, "membership")
    typer.echo(
        f"{clean_line(source)} is another name of {clean_line(merged.customer.customer.external_id)} now: "
        f"{moved} and {begun} moved, {ended} ended; taken over: {fields}."
    )
    await follow_import(session, chosen)
