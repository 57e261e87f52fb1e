"""`segments watch`: a file or a folder of files is imported and classified whenever it has changed and nobody writes it
any more."""

from pathlib import Path
from typing import Annotated

import typer

from domain.errors import InvalidInput
from domain.imports.columns import count_noun
from domain.imports.formats import SourceFormat
from gql.cli.imports import CurrencyOption, ZoneOption, with_format_options
from gql.cli.output import clean_line
from gql.cli.session import BusinessOption, make_app
from gql.settings import Settings

watch_app = make_app()


@watch_app.command()
@with_format_options
def watch(
    context: typer.Context,
    *,
    path: Annotated[Path, typer.Argument(help="File of purchases, or a folder of such files.")],
    business: BusinessOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Folder for the labels; the business's where absent.")
    ] = None,
    settle: Annotated[
        float, typer.Option("--settle", help="Seconds without a change until a file is read.", min=0.1, max=3600)
    ] = 2.0,
    options: SourceFormat,
    time_zone: ZoneOption = None,
    currency: CurrencyOption = None,
) -> None:
    """Import and classify whenever a file changes. Example: segments watch orders.csv --business shop"""
    from gql.cli.work.watching import Watcher, keep_watch, stop_on_signals, watch_alone
    from gql.segmentation import run_segmentation

    settings: Settings = context.obj
    if not (path.is_dir() or path.absolute().parent.is_dir()):
        raise InvalidInput(f"The folder of {path} is not there, so nothing in it can be watched")

    def classify(file: Path) -> str:
        result = run_segmentation(
            "csv",
            file,
            business=business,
            output=output,
            check_freshness=True,
            options=options,
            time_zone=time_zone,
            currency=currency,
            settings=settings,
        )
        metadata = result["metadata"]
        if metadata["skipped"]:
            return f"{file.name} has not changed since it was classified."
        rejected = f", {count_noun(metadata['rejected'], 'row')} rejected" if metadata["rejected"] else ""
        customers = f"{metadata['total_customers']:,} customers classified{rejected}"
        return f"{file.name}: {customers}: {result['output_file']}"

    with watch_alone(settings, path), stop_on_signals() as stop:
        typer.echo(f"Watching {clean_line(str(path))}. A signal ends it.")
        keep_watch(Watcher(path, settle, classify), stop)
        typer.echo("Ended.")
