"""What every command says alike: formats, JSON, instants, text of others. Instants are in the zone of the shop for
people and in UTC for programs, and text of others is shown without control characters, which could steer the terminal.
Nothing here takes long to load, as a help text waits for it; tables are in `work/terminal.py`, bars beside it."""

import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from domain.calendar import load_zone
from domain.errors import InvalidInput

FORMATS = ("table", "json")


def offer(known: Iterable[str]) -> Callable[[str], list[str]]:
    """What a shell offers for an option that takes one of these."""

    def complete(incomplete: str) -> list[str]:
        return [one for one in known if one.startswith(incomplete)]

    return complete


def check_format(format: str) -> str:
    """The format; InvalidInput where there is no such one."""
    if format not in FORMATS:
        raise InvalidInput(f"--format must be one of: {', '.join(FORMATS)}")
    return format


FormatOption = Annotated[
    str, typer.Option("--format", help="table or json", callback=check_format, autocompletion=offer(FORMATS))
]


def format_minute(at: datetime, zone: str) -> str:
    """The instant for people, to the minute, in that zone, which is said beside it or once by `name_zone`."""
    return f"{at.astimezone(load_zone(zone)):%Y-%m-%d %H:%M}"


def name_zone(zone: str) -> None:
    """Say once in which zone the times of a table are."""
    typer.echo(f"Times are in {zone}.")


def format_second(at: datetime | None) -> str | None:
    """The instant for programs, to the second."""
    return None if at is None else f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z"


PIPE = Path("-")
"""Stands for standard input."""
LONGEST_SHOWN = 255


def check_file(path: Path | None) -> Path | None:
    """The file; InvalidInput where none is there. Whether it may be read, the option parser has found out."""
    if path is None or path == PIPE:
        return path
    shown = str(path)[:LONGEST_SHOWN]
    try:
        is_there, is_folder = path.exists(), path.is_dir()
    except OSError:
        # No file system takes such a name.
        is_there = is_folder = False
    if not is_there:
        raise InvalidInput(f"No such file: {shown}")
    if is_folder:
        raise InvalidInput(f"{shown} is a folder, and a file is wanted")
    return path


def print_json(document: object) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2))


CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def clean_line(text: str | None) -> str:
    """The text on one line."""
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", text or "")
