"""`segments schema`: the GraphQL schema of this program as text."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from domain.errors import InvalidInput
from gql.schema.schema import sdl

schema_app = typer.Typer()


@schema_app.command()
def schema(
    check: Annotated[Path | None, typer.Option(help="Compare with this file instead of printing.")] = None,
) -> None:
    """Print the GraphQL schema. Example: segments schema > schema.graphql"""
    text = sdl()
    if check is None:
        sys.stdout.write(text)
    elif not check.is_file() or check.read_text() != text:
        raise InvalidInput(f"{check} is not the schema of this program. Run: segments schema > {check}")
