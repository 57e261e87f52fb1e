"""Files on the command line, by the same writers as over HTTP. A file is there whole or not at all; text may go to
standard output, what is no text never does."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Annotated

import typer

from domain.errors import InvalidInput
from domain.segments.member_export import checked_columns
from gql.app import make_writers
from gql.cli_run import BusinessOption, run
from gql.cli_segment import found
from gql.export_parameters import MEMBER_FORMATS
from gql.services import Services
from persistence.database.engines import Database

export_app = typer.Typer(no_args_is_help=True, help="Files of what is stored.")
BINARY = ("xlsx", "pdf")
OutputOption = Annotated[Path | None, typer.Option("--output", help="File to write; standard output where absent.")]


@export_app.command()
def members(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="Key of the segment.")],
    business: BusinessOption = None,
    format: Annotated[
        str | None, typer.Option(help="csv, xlsx or json; the ending of the file where absent, else csv.")
    ] = None,
    columns: Annotated[str | None, typer.Option(help="Columns in their order, separated by commas.")] = None,
    output: OutputOption = None,
) -> None:
    """Write the members of a segment. Example: segments export members vip --format csv --output vip.csv"""
    form = chosen_format(format, output, MEMBER_FORMATS, "csv")
    names = checked_columns([name.strip() for name in (columns or "").split(",") if name.strip()])

    async def work(services: Services, database: Database) -> None:
        meant = await services.businesses.choose(business, context.obj.business)
        segment = await found(services, meant, key)
        files = services.member_files
        export = await files.open(meant, segment.id, names)
        await put(make_writers(context.obj).members[form](export, files.pages(export)), output)

    run(context.obj, work)


def chosen_format(given: str | None, output: Path | None, known: tuple[str, ...], default: str) -> str:
    """The format that is meant; InvalidInput lists those there are, and asks for a file where one is needed."""
    ending = "" if output is None else output.suffix[1:].lower()
    form = given.lower() if given is not None else ending if ending in known else default
    if form not in known:
        raise InvalidInput(f"--format must be one of: {', '.join(known)}")
    if form in BINARY and output is None:
        raise InvalidInput(f"--output must name the file for --format {form}")
    return form


async def put(pieces: AsyncIterator[bytes], output: Path | None) -> None:
    """Write the pieces one by one."""
    if output is None:
        async for piece in pieces:
            typer.echo(piece, nl=False)
        return
    with whole_file(output) as file:
        async for piece in pieces:
            file.write(piece)


def put_whole(body: bytes, output: Path | None) -> None:
    """Write all of it."""
    if output is None:
        typer.echo(body, nl=False)
        return
    with whole_file(output) as file:
        file.write(body)


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes its name when it is finished; what stood there before stays until then."""
    try:
        file = NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False)  # noqa: SIM115
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}") from error
    try:
        with file:
            yield file
        # As any file that is made here, not as private as a temporary one.
        mask = os.umask(0)
        os.umask(mask)
        Path(file.name).chmod(0o666 & ~mask)
        Path(file.name).replace(path)
    except OSError as error:
        Path(file.name).unlink(missing_ok=True)
        raise InvalidInput(f"{path} cannot be written: {error.strerror}") from error
    except BaseException:
        Path(file.name).unlink(missing_ok=True)
        raise
