"""The `segments` command: a command is loaded when it is asked for, so that none waits for, or holds, what only the
others need. Every failure is one clear sentence a fault and an exit code, never a traceback: 1 is a refusal, 2 a wrong
command line, 70 a fault of the program, 130 an interruption."""

import gc
import logging
import os
import re
import sys
from dataclasses import replace
from importlib import import_module
from io import TextIOWrapper
from traceback import extract_tb
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from domain.errors import DomainError, FieldProblem, InvalidInput, Unavailable, name_fields, to_option_name
from gql.cli.output import clean_line
from gql.logs import set_up
from gql.settings import Settings

# What the option parser says of numbers, in plain words.
PLAINER = {
    "Value error, ": "",
    "Input should be a valid integer, unable to parse string as an integer": "it must be a whole number",
    "Input should be a valid number, unable to parse string as a number": "it must be a number",
    "Input should be greater than or equal to": "it must be at least",
    "Input should be less than or equal to": "it must be at most",
}
UNREADABLE = re.compile(r"path '(.+)' is not readable", re.IGNORECASE)
REFUSED, WRONG_USE, FAULT, INTERRUPTED = 1, 2, 70, 130
DISTRIBUTION = "segments-server"
COLLECT_AFTER = (50_000, 3, 2)
"""Objects that are made and kept until garbage is looked for among the youngest, and how often until it is among older
ones: loading comes to less, and what runs long keeps little."""


def describe_failure(error: BaseException) -> tuple[list[str], int]:
    """Sentences for people, and the exit code."""
    sentences, code = _describe_failure(error)
    return [sentence if sentence.endswith((".", "?")) else f"{sentence}." for sentence in sentences], code


def _describe_failure(error: BaseException) -> tuple[list[str], int]:
    usage = getattr(error, "format_message", None)
    if usage is not None:
        if unreadable := UNREADABLE.search(str(usage())):
            return [f"{unreadable[1]} cannot be read: permission denied"], REFUSED
        return [_describe_wrong_use(" ".join(str(usage()).split()))], WRONG_USE
    if isinstance(error, InvalidInput):
        return list(dict.fromkeys(_describe_problem(problem) for problem in error.problems)), REFUSED
    if isinstance(error, Unavailable):
        return [_with_reason(error.message, error.__cause__)], REFUSED
    if isinstance(error, DomainError):
        return [error.message], REFUSED
    if isinstance(error, KeyboardInterrupt):
        return ["Interrupted. What was written stays whole; run the command again to go on"], INTERRUPTED
    if isinstance(error, UnicodeEncodeError):
        return ["A name or value on the command line is not UTF-8 text"], REFUSED
    if _read_reason(error):
        return [_with_reason("The store cannot be used", error)], REFUSED
    if isinstance(error, FileNotFoundError) and error.filename is not None:
        return [f"No such file: {error.filename}"], REFUSED
    if isinstance(error, OSError) and error.strerror is not None:
        return [f"{error.filename or 'The system'}: {error.strerror}"], REFUSED
    where = " < ".join(f"{frame.filename}:{frame.lineno}" for frame in reversed(extract_tb(error.__traceback__)))
    logging.getLogger("segments").debug("%s at %s", type(error).__name__, where)
    return [f"The program failed ({type(error).__name__}). Run it again with -v before the command for more"], FAULT


def _describe_wrong_use(message: str) -> str:
    for wordy, short in PLAINER.items():
        message = message.replace(wordy, short)
    if message.split(": ")[-1].rstrip(".") in ("-v", "--verbose"):
        return "-v stands before the command: segments -v report"
    return f"{message.rstrip('.')}. --help shows how it is used"


def _describe_problem(problem: FieldProblem) -> str:
    """The sentence; where the problem is inside a rule, its path in front."""
    message = name_fields(problem.message, to_option_name)
    return f"{problem.field[-1]}{problem.path}: {message}" if problem.path else message


def _read_reason(error: BaseException | None) -> str:
    """The first line of what the database said; what follows may hold data."""
    message = str(getattr(error, "orig", None) or "").strip()
    return message.splitlines()[0].rstrip(".") if message else ""


def _with_reason(message: str, cause: BaseException | None) -> str:
    reason = _read_reason(cause)
    return f"{message.rstrip('.')}: {reason}" if reason else message


PLACES = {
    "serve": "gql.cli.serve:serve_app",
    "demo": "gql.cli.serve:serve_app",
    "import": "gql.cli.imports:import_app",
    "inspect": "gql.cli.imports:import_app",
    "import-customers": "gql.cli.customers:customers_app",
    "formats": "gql.cli.formats:formats_app",
    "imports": "gql.cli.imports:imports_app",
    "watch": "gql.cli.watch:watch_app",
    "classify": "gql.cli.classify:classify_app",
    "recalculate": "gql.cli.recalculate:recalculate_app",
    "status": "gql.cli.recalculate:recalculate_app",
    "history": "gql.cli.store:history_app",
    "export": "gql.cli.reports:export_app",
    "businesses": "gql.cli.store:businesses_app",
    "db": "gql.cli.store:db_app",
    "backup": "gql.cli.store:copies_app",
    "restore": "gql.cli.store:copies_app",
    "lake": "gql.cli.store:lake_app",
    "segment": "gql.cli.segments:segment_app",
    "settings": "gql.cli.settings:settings_app",
    "report": "gql.cli.reports:report_app",
    "customers": "gql.cli.customers:listed_app",
    "token": "gql.cli.tokens:token_app",
    "schema": "gql.cli.store:schema_app",
    "verify": "gql.cli.verify:verify_app",
}
"""Where each command is: a command of that application, or the application itself as a group."""


class Commands(TyperGroup):
    """The commands by their names."""

    def list_commands(self, ctx: Any) -> list[str]:
        """As they are listed in the help."""
        return list(PLACES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, loaded; None where there is none of this name."""
        if cmd_name not in PLACES:
            return None
        module, _, name = PLACES[cmd_name].partition(":")
        group = get_group(getattr(import_module(module), name))
        if cmd_name in group.commands:
            return group.commands[cmd_name]
        group.name = cmd_name
        return group


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="The customer-segmentation server.",
)


def main() -> None:
    """The entry point: sentences for every failure, and quiet where nobody reads on."""
    # What is loaded stays: to look through it for garbage again and again is a third of the time it takes.
    usual = gc.get_threshold()
    gc.set_threshold(*COLLECT_AFTER)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        code = app(prog_name="segments", standalone_mode=False)
        if code == INTERRUPTED:
            # The option parser makes an exit code of it and says nothing.
            raise KeyboardInterrupt
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except (Exception, KeyboardInterrupt) as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            # A group without a command: its message is the help.
            typer.echo(str(error), err=True)
            sys.exit(WRONG_USE)
        sentences, code = describe_failure(error)
        for sentence in sentences:
            typer.echo(f"Error: {clean_line(sentence)}", err=True)
        for note in getattr(error, "__notes__", ()):
            typer.echo(f"\n{note}", err=True)
    finally:
        gc.set_threshold(*usual)
    sys.exit(code if isinstance(code, int) else 0)


def show_version(wanted: bool) -> None:
    """Say which program this is, and what it runs on."""
    if wanted:
        from importlib.metadata import version
        from platform import python_version
        from sqlite3 import sqlite_version

        typer.echo(f"segments {version(DISTRIBUTION)} (Python {python_version()}, SQLite {sqlite_version})")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", help="Say which version this is.", callback=show_version, is_eager=True),
    ] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Show statements with their durations.")] = False,
) -> None:
    """Settings come from the environment: PORT and SEGMENTS_*."""
    settings = Settings.from_environment()
    if verbose:
        settings = replace(settings, log_level="DEBUG")
    set_up(settings.log_level, settings.log_format)
    context.obj = settings
