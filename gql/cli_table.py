"""How lists come out of commands: as a table or as JSON. What other commands take, such as a key, is never cut, however
narrow the terminal; instants are in UTC and say so."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from domain.errors import InvalidInput

FORMATS = ("table", "json")
FormatOption = Annotated[str, typer.Option("--format", help="table or json")]
FOLDED_WIDTH = 12
UNBOUNDED = 100_000


def check_format(format: str) -> None:
    """InvalidInput where there is no such form."""
    if format not in FORMATS:
        raise InvalidInput(f"--format must be one of: {', '.join(FORMATS)}")


def minute(at: datetime) -> str:
    """The instant for people, to the minute."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}Z"


def stamp(at: datetime | None) -> str | None:
    """The instant for programs, to the second."""
    return None if at is None else f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z"


def print_table(table: Table, folded: str) -> None:
    """Print a table of which only the column `folded` may go on below. A row is a line where nobody looks at it."""
    table.pad_edge = False
    for column in table.columns:
        column.no_wrap = column.header != folded
        if not column.no_wrap:
            column.overflow, column.min_width = "fold", FOLDED_WIDTH
    console = Console(highlight=False)
    needed = Measurement.get(console, console.options.update(max_width=UNBOUNDED), table)
    console.width = max(console.width, needed.minimum if console.is_terminal else needed.maximum)
    console.print(table)


def print_json(documents: Sequence[object]) -> None:
    """Print them as one list."""
    typer.echo(json.dumps(documents, ensure_ascii=False, indent=2))
