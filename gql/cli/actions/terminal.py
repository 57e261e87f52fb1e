"""Tables and prose on the terminal. Widths are cells of the terminal and not letters, of which some take two and some
none. What other commands take, such as a key, and figures are never cut, and text of others is shown without markup."""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import zip_longest

import typer
from rich.cells import cell_len, set_cell_size

from gql.cli.output import clean_line

LEAST, LONGEST_WORD, LARGEST = 10, 24, 1 << 30
"""Cells that are left of a column which is cut; of a word that is not broken; more than there are."""
PAIR_INDENT = 13
GAPS = (2, 1)
"""Blanks between columns, fewer where there is no room."""


class Fit(StrEnum):
    """What becomes of a column where the terminal is narrow."""

    WHOLE = "whole"
    FIGURE = "figure"
    NAME = "name"
    PROSE = "prose"
    BAR = "bar"


YIELDING = (Fit.NAME, Fit.PROSE)


def find_width() -> int | None:
    """Cells of a line, as COLUMNS or the terminal says; None where nobody looks, and nothing is cut."""
    stated = os.environ.get("COLUMNS", "")
    if stated.isascii() and stated.isdigit() and int(stated):
        return int(stated)
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def print_rows(columns: Mapping[str, Fit], rows: Sequence[Sequence[str | None]], *, err: bool = False) -> None:
    """Print rows under the names of their columns, with `err` on standard error."""
    for line in lay_out(columns, rows, find_width()):
        typer.echo(line, err=err)


def print_prose(text: str) -> None:
    """Print a sentence, which goes on below where the terminal is narrow."""
    for line in wrap_prose(text, find_width()):
        typer.echo(line)


def print_pairs(pairs: Iterable[tuple[str, str]]) -> None:
    """Print names and values below each other. Prose goes on below where the terminal is narrow."""
    width = find_width()
    for name, value in pairs:
        room = None if width is None else max(LEAST, width - PAIR_INDENT)
        for begins, line in zip_longest([name], wrap_prose(value, room), fillvalue=""):
            typer.echo(f"{begins:<{PAIR_INDENT}}{line}".rstrip())


def wrap_prose(text: str, width: int | None) -> list[str]:
    """The lines of a sentence of at most so many cells."""
    return [clean_line(text)] if width is None else break_cell(clean_line(text), Fit.PROSE, width)


def lay_out(columns: Mapping[str, Fit], rows: Sequence[Sequence[str | None]], width: int | None) -> Iterator[str]:
    """The lines of a table of at most so many cells. Names are cut and prose goes on below; where that is not enough,
    bars are left out, and then each row is lines of names and values."""
    cells = [[clean_line(text) for text in row] for row in rows]
    widest = [max(map(cell_len, column)) for column in zip(columns, *cells, strict=True)]
    fits = list(columns.values())
    least = [find_least(fit, column) for fit, column in zip(fits, zip(columns, *cells, strict=True), strict=True)]
    plain = [place for place, fit in enumerate(fits) if fit is not Fit.BAR]
    for places in (range(len(fits)), plain):
        for gap in GAPS:
            room = None if width is None else width - gap * (len(places) - 1)
            widths = fit_columns([widest[place] for place in places], [least[place] for place in places], room)
            if widths is not None:
                for row in (list(columns), *cells):
                    shown = [(row[place], fits[place], cut) for place, cut in zip(places, widths, strict=True)]
                    yield from join_cells(shown, gap)
                return
    indent = max(map(cell_len, columns)) + 2
    for row in cells:
        for name, fit, value in zip(columns, fits, row, strict=True):
            if value and fit is not Fit.BAR:
                room = max(LEAST, (width or 0) - indent)
                lines = break_cell(value, Fit.PROSE, room) if fit in YIELDING else [value]
                for begins, line in zip_longest([f"{name}:"], lines, fillvalue=""):
                    yield f"{begins:<{indent}}{line}".rstrip()
        yield ""


def join_cells(cells: Sequence[tuple[str, Fit, int]], gap: int) -> Iterator[str]:
    """The lines of a row of cells, each with its width."""
    broken = [break_cell(*cell) for cell in cells]
    for parts in zip_longest(*broken, fillvalue=""):
        padded = [pad_cell(text, fit, width) for text, (_, fit, width) in zip(parts, cells, strict=True)]
        yield (" " * gap).join(padded).rstrip()


def find_least(fit: Fit, cells: Sequence[str]) -> int:
    """To how many cells a column may shrink: what is cut to a few, prose to its longest word."""
    if fit is Fit.PROSE:
        return min(LONGEST_WORD, max((cell_len(word) for cell in cells for word in cell.split()), default=0))
    return LEAST if fit is Fit.NAME else LARGEST


def fit_columns(widest: Sequence[int], least: Sequence[int], room: int | None) -> list[int] | None:
    """Cells of each column, the widest of those that may be narrower giving first; None where there is no room."""
    widths = list(widest)
    while room is not None and sum(widths) > room:
        yielding = [place for place, width in enumerate(widths) if width > least[place]]
        if not yielding:
            return None
        widths[max(yielding, key=widths.__getitem__)] -= 1
    return widths


def break_cell(text: str, fit: Fit, width: int) -> list[str]:
    """The lines of a cell of that width."""
    if cell_len(text) <= width or fit not in YIELDING:
        return [text]
    if fit is Fit.PROSE:
        from rich.console import Console
        from rich.text import Text

        return [line.plain.rstrip() for line in Text(text).wrap(Console(width=width), width, overflow="fold")]
    return [set_cell_size(text, width - 1).rstrip() + "…"]


def pad_cell(text: str, fit: Fit, width: int) -> str:
    """The text with blanks up to the width, before a figure and after all else."""
    blanks = " " * (width - cell_len(text))
    return blanks + text if fit is Fit.FIGURE else text + blanks
