"""The server and its demo shop from the command line."""

from dataclasses import replace
from typing import Annotated

import typer

from gql.cli.session import Session, command, make_app

serve_app = make_app()


@serve_app.command()
def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; PORT or 8000 where absent.", min=0, max=65535)
    ] = None,
    workers: Annotated[int, typer.Option(help="Number of processes.", min=1, max=64)] = 1,
    demo: Annotated[bool, typer.Option("--demo", help="Fill an empty store with the demo shop.")] = False,
) -> None:
    """Serve the GraphQL API. Example: segments serve --demo"""
    from gql.auth import require_secret
    from gql.cli.actions.serving import serve_on, take_address
    from gql.composition import translate_folder_errors

    port = context.obj.port if port is None else port
    settings = replace(context.obj, host=host, demo=demo, port=port, workers=workers)
    with translate_folder_errors():
        settings = require_secret(settings, demo=demo)
    with take_address(settings) as listener:
        serve_on(listener, settings)


@serve_app.command()
@command
async def demo(session: Session) -> None:
    """Fill the store with the demo shop, unless it is there. Example: segments demo"""
    from gql.cli.actions.bars import show_steps
    from gql.cli.actions.demo import fill_demo

    with show_steps(lines=True) as report:
        done = await fill_demo(session.store, report=report)
    typer.echo(done)
