"""The `segments` command. Every failure is one clear sentence and a non-zero exit; nobody sees a traceback. A command
is loaded when it is asked for, so that none waits for, or holds, what only the others need."""

import os
import sys
from dataclasses import replace
from importlib import import_module
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from gql.cli_failure import INTERRUPTED, explained
from gql.cli_text import plain
from gql.logs import set_up
from gql.settings import Settings

PLACES = {
    "serve": "gql.cli_serve:serve_app",
    "demo": "gql.cli_serve:serve_app",
    "import": "gql.cli_import_commands:import_app",
    "import-customers": "gql.cli_import_commands:import_app",
    "imports": "gql.cli_imports:imports_app",
    "watch": "gql.cli_watch:watch_app",
    "classify": "gql.cli_classify:classify_app",
    "recalculate": "gql.cli_recalculate:recalculate_app",
    "status": "gql.cli_recalculate:recalculate_app",
    "history": "gql.cli_history:history_app",
    "export": "gql.cli_export:export_app",
    "businesses": "gql.cli_store:businesses_app",
    "db": "gql.cli_store:db_app",
    "segment": "gql.cli_members:segment_app",
    "settings": "gql.cli_settings:settings_app",
    "report": "gql.cli_reading:reading_app",
    "customers": "gql.cli_reading:reading_app",
    "token": "gql.cli_token:token_app",
    "schema": "gql.cli_schema:schema_app",
    "verify": "gql.cli_verify:verify_app",
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
        found = get_group(getattr(import_module(module), name))
        if cmd_name in found.commands:
            return found.commands[cmd_name]
        found.name = cmd_name
        return found


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The customer-segmentation server.",
)


def main() -> None:
    """The entry point: sentences for every failure, and quiet where nobody reads on."""
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
        sentences, code = explained(error)
        for sentence in sentences:
            typer.echo(f"Error: {plain(sentence)}", err=True)
    sys.exit(code if isinstance(code, int) else 0)


@app.callback()
def options(
    context: typer.Context,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Show statements with their durations.")] = False,
) -> None:
    """Settings come from the environment: PORT and SEGMENTS_*."""
    settings = Settings.from_environment()
    if verbose:
        settings = replace(settings, log_level="DEBUG")
    set_up(settings.log_level)
    context.obj = settings
