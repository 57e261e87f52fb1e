"""Members of a MANUAL segment from a file of customers, of which every row is counted once: it changed something, it
was so already, or nobody has its id."""

from dataclasses import dataclass
from pathlib import Path

import typer

from domain.errors import InvalidInput
from domain.imports.columns import count_noun
from domain.model import Business
from domain.segments.member_lists import MembersFile
from domain.segments.memberships import Memberships
from domain.store import Naming
from gql.cli.actions.bars import make_progress_bar
from gql.cli.actions.worker import Worker
from gql.cli.output import clean_line
from gql.cli.session import ACTOR, Session
from gql.composition import open_rows

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


async def assign_members(
    file: MembersFile, memberships: Memberships, business: Business, key: str, entering: bool
) -> AssignmentCounts:
    """Change the members and count the rows; those without a readable id are counted as unknown."""
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
        for line, name, readable in file.read_names():
            counts.read += 1
            if not readable:
                counts.count_unknown(line, name)
                continue
            if name in batch:
                counts.already += 1
            batch.setdefault(name, line)
            if len(batch) >= BATCH:
                await flush()
                bar.update(task, completed=counts.read)
        if batch:
            await flush()
    if counts.read == 0:
        raise InvalidInput(f"No data found in {file.source.name}.")
    return counts


async def change_members(session: Session, key: str, file: Path, business: str | None, *, entering: bool) -> None:
    """Put the customers of a file in or take them out, and say what became of the rows."""
    worker = Worker.of(session, await session.choose(business))
    newest = await worker.find_newest()
    await session.find_segment(worker.business, key)
    rows = MembersFile.of(open_rows(file), (Naming.EXTERNAL_ID,))
    counts = await assign_members(rows, session.services.memberships, worker.business, key, entering)
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


async def set_members(session: Session, key: str, file: Path, business: str | None, *, skip_unknown: bool) -> None:
    """Let the segment have exactly the customers of a file, and say what became of the rows."""
    worker = Worker.of(session, await session.choose(business))
    newest = await worker.find_newest()
    await session.find_segment(worker.business, key)
    rows = MembersFile.of(open_rows(file))
    with make_progress_bar() as bar:
        task = bar.add_task("reading", total=None)
        done = await session.services.member_lists.set_from_file(
            worker.business,
            key,
            rows,
            ACTOR,
            skip_unknown=skip_unknown,
            progress=lambda read: bar.update(task, completed=read),
        )
    typer.echo(
        f"{clean_line(file.name)}: {count_noun(done.read, 'row')} read: {done.assigned:,} put in, "
        f"{done.removed:,} taken out, {done.unchanged:,} unchanged, {done.unknown:,} unknown."
    )
    for line, text in done.unknown_rows:
        typer.echo(f"Unknown: line {line}: {clean_line(text)}", err=True)
    if done.assigned or done.removed:
        await worker.report_dependents(newest)
