"""`segments watch`: a file or a folder of files is imported and classified whenever it has changed and nobody writes it
any more."""

from pathlib import Path
from typing import Annotated

import typer

from domain.calendar import load_zone
from domain.errors import InvalidInput, to_option_name
from domain.imports.formats import SourceFormat
from gql.cli.imports import CurrencyOption, ZoneOption, with_format_options
from gql.cli.output import check_file, clean_line
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
    from gql.cli.actions.watching import Watcher, describe_run, keep_watch, stop_on_signals, watch_alone
    from gql.segmentation import Segmenter

    settings: Settings = context.obj
    if not path.is_dir():
        if not path.absolute().parent.is_dir():
            raise InvalidInput(f"No such file: {path}, and no folder in which it could appear")
        if path.exists():
            check_file(path)

    def prepare(file: Path) -> Segmenter:
        return Segmenter(
            settings,
            file,
            business=business,
            output=output,
            options=options,
            time_zone=time_zone,
            currency=currency,
            names=to_option_name,
        )

    def classify(file: Path) -> list[str]:
        return describe_run(file.name, prepare(file).run(check_freshness=True))

    with watch_alone(settings, path), stop_on_signals() as stop:
        zone = prepare(path).find_zone()
        typer.echo(f"Watching {clean_line(str(path))}. Times are in {zone}. A signal ends it.")
        keep_watch(Watcher(path, settle, classify, load_zone(zone)), stop)
        typer.echo("Ended.")
