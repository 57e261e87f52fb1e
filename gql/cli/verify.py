"""`segments verify`: one line a check, and the exit code 1 at the first that fails."""

import typer

from gql.cli.session import make_app

verify_app = make_app()


@verify_app.command()
def verify() -> None:
    """Check the arithmetic without a store. Example: segments verify"""
    from gql.cli.actions.verification import verify_all

    for name, passed in verify_all():
        typer.echo(f"{'ok' if passed else 'FAILED'}  {name}")
        if not passed:
            raise typer.Exit(1)
