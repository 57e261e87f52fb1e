"""Every command explains itself: what it does, each option, and an example that is a command of this program."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.core import TyperGroup
from typer.main import get_command

from gql.cli.main import app
from tests.cli.conftest import Segments

SOURCE = (
    "--map --date-format --preset --amount --decimal --thousands --currency-sign --sheet --source-format --time-zone "
    "--currency"
)
OPTIONS = {
    "serve": "--host --port --workers --demo",
    "import": f"--business {SOURCE} --source --database --collection --whole --dry-run --rejects --format",
    "inspect": "--business --map --date-format --time-zone --currency --format",
    "import-customers": "--business --time-zone --currency --map --sheet --source-format --rejects --format",
    "formats list": "--business --format",
    "formats show": "--business",
    "formats save": "--business --map --date-format --preset --decimal --orders --append-lines",
    "formats delete": "--business",
    "imports list": "--business --first --format",
    "imports show": "--business --format",
    "imports undo": "--business --format",
    "classify": f"--business --source --csv-path --database --collection --check-freshness --force --as-of --output "
    f"--every {SOURCE} --format",
    "watch": f"--business --output --settle {SOURCE}",
    "report": "--business --method --days --as-of --storefront --segment-name --segment-code --scheme --format "
    "--output",
    "customers": "--business --search --sort --reverse --first",
    "customers show": "--business",
    "customers merge": "--business",
    "recalculate": "--business",
    "status": "--business --format",
    "history compact": "--before --archive --business",
    "token": "--business --subject --permission --expires --show-id",
    "token revoke": "--subject --before --business",
    "export members": "--business --format --columns --output",
    "businesses list": "",
    "businesses create": "--name --time-zone --currency",
    "businesses set": "--name --time-zone --currency",
    "db upgrade": "",
    "db check": "",
    "backup": "--force",
    "restore": "--keep",
    "lake status": "",
    "lake renew": "--business --whole",
    "segment list": "--business --search --kind --sort --reverse --first --format",
    "segment show": "--business --format",
    "segment create": "--business",
    "segment update": "--business --clear",
    "segment delete": "--business",
    "segment create-standard": "--business --scheme",
    "segment assign": "--business",
    "segment remove": "--business",
    "segment set": "--business --skip-unknown",
    "segment duplicate": "--business",
    "segment freeze": "--business --as-of",
    "settings apply": "--check --business",
    "settings show": "--format --business",
    "schema": "--check",
    "demo": "",
    "verify": "",
}


@pytest.mark.parametrize("command", OPTIONS)
def test_help_says_what_the_command_does_and_shows_an_example(segments: Segments, command: str) -> None:
    shown = segments.run(*command.split(), "--help")

    text = " ".join(shown.out.split())
    example = re.search(rf"[a-z]\w+[^.]*\. Example: segments {command}\b", text)
    assert example is not None, text
    missing = [option for option in OPTIONS[command].split() if not re.search(rf"{option}\b", text)]
    assert missing == []


def test_the_list_of_commands_is_complete(segments: Segments) -> None:
    shown = segments.run("--help").out

    listed = re.findall(r"^  ([a-z][a-z-]*)  ", shown, re.MULTILINE)

    assert sorted(listed) == sorted({command.split()[0] for command in OPTIONS})
    assert sorted(every_command(get_command(app))) == sorted(OPTIONS)


def test_no_line_of_a_list_of_commands_is_cut(segments: Segments) -> None:
    groups = {command.split()[0] for command in OPTIONS if " " in command}

    shown = "".join(segments.run(*group.split(), "--help").out for group in ("", *groups))
    assert re.findall(r"^  .*\.\.\.$", shown, re.MULTILINE) == []


def every_command(command: Any, *path: str) -> Iterator[str]:
    """The commands of the program, those of its groups among them, as they are typed."""
    if isinstance(command, TyperGroup):
        context = typer.Context(command)
        if command.invoke_without_command:
            yield " ".join(path)
        for name in command.list_commands(context):
            yield from every_command(command.get_command(context, name), *path, name)
    else:
        yield " ".join(path)


def test_help_reads_no_store(bare: Segments) -> None:
    bare.run("report", "--help")

    assert not bare.data.exists()


@pytest.mark.parametrize("group", ["", "businesses", "db"])
def test_without_a_command_the_help_is_shown_and_the_exit_code_is_2(segments: Segments, group: str) -> None:
    ended = segments(*group.split())

    assert ended.code == 2
    assert "Usage: segments" in ended.out + ended.err
    assert "Error" not in ended.err


def test_the_examples_of_the_help_are_taken_by_the_parser(segments: Segments) -> None:
    assert segments.run("businesses", "create", "shop", "--time-zone", "Asia/Colombo", "--currency", "LKR")
    assert segments.run("businesses", "set", "shop", "--name", "The Shop")
    assert segments.run("businesses", "list").lines[1].split() == ["shop", "The", "Shop", "Asia/Colombo", "LKR"]
    assert segments.run("report", "--days", "90", "--format", "json")
    assert segments.run("customers", "--sort", "TOTAL_REVENUE", "--reverse", "--first", "10")
