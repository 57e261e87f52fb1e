"""How lists come out of commands: as a table or as JSON. What other commands take, such as a key, is never cut, however
narrow the terminal; instants are in UTC and say so.

Text of others in the terminal: shown as it is, without markup, and without control characters, which could steer the
terminal.

What is doubtful about an import: in the terminal what was found, as JSON every check, with the orders that stand
out.
"""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from domain.errors import InvalidInput
from domain.imports.quality import CHECKS, Quality
from domain.money import exponent, to_decimal

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


CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def plain(text: str | None) -> str:
    """The text on one line."""
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", text or "")


def cell(text: str | None) -> Text:
    """The text as a cell of a table."""
    return Text(plain(text))


MORE = "…"


def print_quality(quality: Quality, currency: str) -> None:
    """A row for each kind of doubt that was found; nothing where there is none."""
    table = Table("check", "found", "", box=None)
    table.columns[1].justify = "right"
    for name, count in quality.counts.items():
        if count:
            table.add_row(CHECKS[name], f"{count:,}", cell(named(quality, currency) if name == "outliers" else ""))
    if table.row_count:
        Console(highlight=False).print(table)


def named(quality: Quality, currency: str) -> str:
    """The orders that stand out, with their amounts."""
    decimals = exponent(currency)
    shown = [f"{one.order_id} ({to_decimal(one.amount, decimals):,f})" for one in quality.named]
    return ", ".join([*shown, *([MORE] if len(shown) < quality.outliers else [])])


def quality_document(quality: Quality | None, currency: str) -> dict[str, Any] | None:
    """The same as JSON: every count, and amounts as text in the business's currency."""
    if quality is None:
        return None
    decimals = exponent(currency)
    largest = [{"order_id": one.order_id, "amount": str(to_decimal(one.amount, decimals))} for one in quality.named]
    above = None if quality.fence is None else str(to_decimal(quality.fence, decimals))
    return {**quality.counts, "outliers_above": above, "largest_outliers": largest}
