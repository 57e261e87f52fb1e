"""What is doubtful about a file, asked on a terminal: nothing is asked that was said, and nothing is taken that is not
shown. Where nobody is there to ask, the refusal stands, with the table after it."""

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.prompt import Confirm, IntPrompt, Prompt

from domain.calendar import load_zone
from domain.errors import AllRejected, DomainError, InvalidInput, name_fields, to_option_name
from domain.imports.formats import SourceFormat
from domain.imports.inspection.inspection import Inspection
from domain.imports.inspection.proposals import Doubt, add_said
from domain.imports.model import ImportSummary
from domain.imports.saved_formats import check_new_name
from domain.model import Business, BusinessSettings
from domain.money import find_exponent
from gql.cli.actions.bars import RECEIVING, make_cell, make_progress_bar, show_import_progress
from gql.cli.inspection.table import print_inspection, write_inspection
from gql.cli.output import PIPE
from gql.cli.session import Session

PIPED = "standard-input"
PIECE = 1 << 20
KEY, ZONE, CURRENCY = "my-shop", "UTC", "EUR"
"""Stand for what nobody has said of a business."""


@contextmanager
def hold_pipe(file: Path) -> Iterator[Path]:
    """The file; where it is `-`, standard input as a file, which is removed afterwards. It is never held in memory."""
    if file != PIPE:
        yield file
        return
    with TemporaryDirectory(prefix="segments-") as folder:
        path = Path(folder) / PIPED
        with path.open("xb") as held, make_progress_bar() as bar:
            task = bar.add_task(RECEIVING, total=None)
            while piece := sys.stdin.buffer.read(PIECE):
                held.write(piece)
                bar.update(task, advance=len(piece))
        yield path


def plan_inspection(
    session: Session, key: str | None, time_zone: str | None, currency: str | None
) -> tuple[Business, tuple[str, ...]]:
    """The business that is meant, and what of it is assumed, since a file can be looked at before there is any."""
    businesses = session.services.businesses
    known = {one.key for one in session.run(businesses.load_all())}
    stated = {"time_zone": time_zone, "currency": currency}
    if key in known or (key is None and known) or (key is not None and None not in stated.values()):
        return session.run(businesses.plan_for_import(session.settings.business, key, time_zone, currency)), ()
    load_zone(time_zone or ZONE)
    find_exponent(currency or CURRENCY)
    assumed = tuple(name for name, value in {"business": key, **stated}.items() if value is None)
    name = key or KEY
    return Business(0, name, name, currency or CURRENCY, time_zone or ZONE, BusinessSettings(), 1, 0, 0), assumed


def inspect_file(
    session: Session, file: Path, business: Business, options: SourceFormat, assumed: tuple[str, ...] = (), **how: Any
) -> Inspection:
    """The inspection of a file, with a bar while it lasts."""
    with show_import_progress() as progress:
        return session.store.inspect_purchases(
            file, business, options, to_option_name, assumed=assumed, progress=progress, **how
        )


def settle_doubts(
    session: Session, file: Path, shown: str, business: Business, options: SourceFormat, error: InvalidInput, asks: bool
) -> tuple[SourceFormat, str | None]:
    """What is said of a file that was refused, once its doubts are answered, and the name under which that is to be
    kept. Where nobody is there to ask, the refusal stands, with the table after it. `shown` is the file as it was
    named, which is not where standard input is held."""
    try:
        found = inspect_file(session, file, business, options)
    except InvalidInput:
        raise error from None
    if found.refusal is not None:
        # There is no way yet, and the first sentence says what to do.
        raise error
    if not (asks and sys.stdin.isatty() and sys.stdout.isatty()):
        _add_table(error, found, shown)
        raise error
    console = Console(highlight=False)
    print_inspection(found, shown)

    def look(form: SourceFormat, **how: Any) -> Inspection:
        return inspect_file(session, file, business, form, **how)

    try:
        found = ask_doubts(found, options, look, console)
        if found.refusal is not None or not Confirm.ask("Import it so?", console=console, default=True):
            raise error
        return found.form, ask_name(console) if found.form.name is None else None
    except EOFError:
        raise error from None


def check_summary(
    session: Session, file: Path, shown: str, business: Business, options: SourceFormat, summary: ImportSummary
) -> None:
    """AllRejected where every row of the file was, with the table after it where something more is to be said."""
    try:
        summary.check()
    except AllRejected as error:
        try:
            found = inspect_file(session, file, business, options)
        except InvalidInput:
            raise error from None
        if found.form != options and found.refusal is None and found.tally is not None and found.tally.accepted:
            _add_table(error, found, shown)
        raise


def _add_table(error: DomainError, found: Inspection, shown: str) -> None:
    lines = "\n".join(write_inspection(found, shown, shutil.get_terminal_size().columns))
    error.add_note(f"The file could be imported so:\n{lines.rstrip()}")


def ask_doubts(
    found: Inspection, options: SourceFormat, look: Callable[..., Inspection], console: Console
) -> Inspection:
    """The inspection after all its doubts were answered; another answer than the proposed one may raise others."""
    answered: set[str] = set()
    declined: set[str] = set()
    changed = False
    while (doubt := next((one for one in found.doubts if one.key not in answered), None)) is not None:
        answered.add(doubt.key)
        answer = ask(doubt, console)
        options = add_said(options, doubt.choices[answer].says)
        if not doubt.choices[answer].says:
            declined.add(doubt.key)
        if answer != doubt.default:
            changed = True
            found = look(options, known=found.sample, declined=declined, count=False)
    if changed:
        found = look(options, declined=declined)
        print_inspection(found, found.facts.name)
    return found


def ask(doubt: Doubt, console: Console) -> int:
    """The place of the choice that is made."""
    console.print(make_cell(name_fields(doubt.question, to_option_name)))
    for place, choice in enumerate(doubt.choices, 1):
        console.print(make_cell(f"  {place} {choice.words}"))
    numbers = [str(place) for place in range(1, len(doubt.choices) + 1)]
    return IntPrompt.ask("Choice", console=console, choices=numbers, default=doubt.default + 1) - 1


def ask_name(console: Console) -> str | None:
    """The name under which the format is to be kept; None where it is not."""
    while name := Prompt.ask("Keep this as a format of the name (empty for no)", console=console, default="").strip():
        try:
            return check_new_name(name)
        except InvalidInput as error:
            console.print(make_cell(name_fields(error.message, str)))
    return None
