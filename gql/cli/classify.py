"""`segments classify`: one run of the classification, or one at each time of a schedule, in the zone of the business.
How a run ended is its exit code: 0 done, 10 skipped, 11 done but rows were rejected, 12 failed."""

from pathlib import Path
from typing import Annotated

import typer

from domain.errors import InvalidInput, to_option_name
from domain.imports.formats import SourceFormat
from domain.imports.sources import COLLECTIONS, SOURCES, Collection, choose_place
from gql.cli.imports import (
    FILES,
    OTHERS,
    CollectionOption,
    CurrencyOption,
    DatabaseOption,
    SourceOption,
    ZoneOption,
    with_format_options,
)
from gql.cli.output import FormatOption, check_file
from gql.cli.session import BusinessOption, make_app

classify_app = make_app()


@classify_app.command()
@with_format_options
def classify(
    context: typer.Context,
    *,
    business: BusinessOption = None,
    source: SourceOption = None,
    csv_path: Annotated[Path | None, typer.Option("--csv-path", help=FILES)] = None,
    database: DatabaseOption = None,
    collection: CollectionOption = None,
    check_freshness: Annotated[
        bool, typer.Option("--check-freshness", help="Skip where the source has not changed since the last success.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Run regardless, and read all of the source again.")] = False,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="Day to decide labels for, such as 2024-03-01; today if absent.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Folder of the files; as the business has settled it if absent.")
    ] = None,
    every: Annotated[
        str | None, typer.Option("--every", help="Run at each time of five cron fields, until a signal ends it.")
    ] = None,
    options: SourceFormat,
    time_zone: ZoneOption = None,
    currency: CurrencyOption = None,
    format: FormatOption = "table",
) -> None:
    """Classify every customer. Exit codes: 0 done, 10 skipped, 11 done but rows were rejected, 12 failed. Example:
    segments classify --source csv --csv-path orders.csv --output labels"""
    from domain.calendar import check
    from domain.imports.presets import find_preset
    from gql.cli.actions.classifying import Run, classify_every, classify_once
    from gql.parameters import read_date
    from gql.segmentation import Segmenter

    meant = Collection(database, collection)
    kind = source or ("csv" if csv_path is not None else meant.source if database or collection else None)
    if kind == "csv" and csv_path is None:
        raise InvalidInput("--csv-path must name the file of --source csv", ("csv_path",))
    if kind not in COLLECTIONS and (database or collection):
        raise InvalidInput(f"--database and --collection are for --source {OTHERS}")
    if kind is None and options != SourceFormat():
        raise InvalidInput(f"Options that say how a source is written are for --source {' or '.join(SOURCES)}")
    if options.preset is not None:
        find_preset(options.preset)
    place = choose_place(kind, csv_path, meant)
    if every is None:
        check_file(csv_path)
    if output is not None and output.exists() and not output.is_dir():
        raise InvalidInput(f"--output must be a folder, and {output} is a file")
    segmenter = Segmenter(
        context.obj,
        place,
        business=business,
        output=output,
        options=options,
        time_zone=time_zone,
        currency=currency,
        names=to_option_name,
    )
    day = None if as_of is None else read_date(as_of)
    run = Run(segmenter, day, check_freshness, force, format)
    if every is None:
        raise typer.Exit(classify_once(run))
    classify_every(segmenter, run, check(every, ("--every",)))
