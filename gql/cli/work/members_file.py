"""Members of a MANUAL segment from a file of customers, of which every row is counted once: it changed something, it
was so already, or nobody has its id."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import typer

from domain.errors import InvalidInput
from domain.formulas import unprotect_text
from domain.imports.columns import (
    ALIASES,
    RowFault,
    check_encoding,
    check_text,
    count_noun,
    describe_columns,
    format_row,
    normalise_header,
)
from domain.imports.rows import PurchaseSource
from domain.model import Business
from domain.segments.memberships import Memberships
from gql.cli.output import clean_line
from gql.cli.session import ACTOR, Session
from gql.cli.work.terminal import make_progress_bar
from gql.cli.work.worker import Worker
from gql.composition import open_csv

BATCH = 5_000


@dataclass(slots=True)
class AssignmentCounts:
    """What became of the rows, and the first one that nobody has."""

    read: int = 0
    changed: int = 0
    already: int = 0
    unknown: int = 0
    first: tuple[int, str] | None = None

    def count_unknown(self, line: int, text: str) -> None:
        """A row whose customer nobody is."""
        self.unknown += 1
        if self.first is None or line < self.first[0]:
            self.first = line, text


@dataclass(frozen=True, slots=True)
class MembersFile:
    """A file whose header names the customers."""

    source: PurchaseSource
    place: int

    @classmethod
    def read(cls, file: Path) -> "MembersFile":
        """Look at the header before anything is written."""
        source = open_csv(file)
        for place, name in enumerate(source.header):
            if normalise_header(name) in ALIASES["customer_id"]:
                return cls(source, place)
        raise InvalidInput(f"Missing required columns: customer_id. Columns seen: {describe_columns(source.header)}.")

    def read_names(self, counts: AssignmentCounts) -> Iterator[tuple[int, str]]:
        """Line and customer id of each row; those without a readable one are counted as unknown."""
        for line, cells in self.source.read_rows():
            counts.read += 1
            try:
                if len(cells) <= self.place:
                    raise RowFault("the row is too short")
                check_encoding(cells)
                name = check_text(unprotect_text(cells[self.place].strip()), "customer_id")
                if not name:
                    raise RowFault("no customer")
            except RowFault:
                counts.count_unknown(line, format_row(cells))
                continue
            yield line, name

    async def assign_members(
        self, memberships: Memberships, business: Business, key: str, entering: bool
    ) -> AssignmentCounts:
        """Change the members and count the rows."""
        counts = AssignmentCounts()
        batch: dict[str, int] = {}

        async def flush() -> None:
            done = await memberships.assign_named(business, key, list(batch), ACTOR, entering=entering)
            counts.changed += done.changed
            counts.already += done.already
            for name in done.unknown:
                counts.count_unknown(batch[name], name)
            batch.clear()

        with make_progress_bar() as bar:
            task = bar.add_task("reading", total=None)
            for line, name in self.read_names(counts):
                if name in batch:
                    counts.already += 1
                batch.setdefault(name, line)
                if len(batch) >= BATCH:
                    await flush()
                    bar.update(task, completed=counts.read)
            if batch:
                await flush()
        if counts.read == 0:
            raise InvalidInput(f"No data found in {self.source.name}.")
        return counts


async def change_members(session: Session, key: str, file: Path, business: str | None, *, entering: bool) -> None:
    """Put the customers of a file in or take them out, and say what became of the rows."""
    worker = Worker.of(session, await session.choose(business))
    newest = await worker.find_newest()
    await session.find_segment(worker.business, key)
    counts = await MembersFile.read(file).assign_members(session.services.memberships, worker.business, key, entering)
    done, so = ("put in", "already in") if entering else ("taken out", "not in")
    matched = counts.changed + counts.already
    typer.echo(
        f"{clean_line(file.name)}: {count_noun(counts.read, 'row')} read: {matched:,} matched "
        f"({counts.changed:,} {done}, {counts.already:,} {so}), {counts.unknown:,} unknown."
    )
    if counts.first is not None:
        line, text = counts.first
        typer.echo(f"First unknown: line {line}: {clean_line(text)}", err=True)
    if counts.changed:
        await worker.report_dependents(newest)
