"""The server and its demo shop from the command line. The address is taken before anything is said, so that a port in
use is a sentence; every worker process is handed its settings, secrets too, and never reads them again."""

import socket
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Annotated

import typer
import uvicorn
from starlette.applications import Starlette

from domain.demo import KEY
from domain.errors import InvalidInput
from domain.model import Permission
from gql.app import create_app
from gql.auth import issue_token, require_secret
from gql.cli_demo import fill_demo
from gql.cli_opening import no_folder, opened
from gql.cli_run import run
from gql.clock import system_clock
from gql.http.processes import REQUEST_SECONDS, Workers, serve_alone
from gql.http.uvicorn_protocol import PatientProtocol
from gql.logs import set_up
from gql.services import Services
from gql.settings import Settings
from persistence.database.engines import Database

serve_app = typer.Typer()


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
    settings = replace(context.obj, host=host, demo=demo, port=context.obj.port if port is None else port)
    try:
        settings = require_secret(settings, demo=demo)
    except OSError as error:
        raise no_folder(error) from error
    with listening(settings) as listener:
        serve_on(listener, settings, workers)


def serve_on(listener: socket.socket, settings: Settings, workers: int) -> None:
    """Make the store ready, say where it is served, and serve until the end."""
    key = prepared(settings)
    name = f"[{settings.host}]" if ":" in settings.host else settings.host
    typer.echo(f"GraphiQL:  http://{name}:{listener.getsockname()[1]}/graphql")
    if key is not None and settings.jwt_secret:
        typer.echo(f"Token:     {token_for(settings, key)}")
    config = uvicorn.Config(
        partial(application, settings, key),
        factory=True,
        http=PatientProtocol,
        workers=workers,
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=1000,
        ws_max_size=1 << 20,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=REQUEST_SECONDS,
    )
    if workers > 1:
        set_up(settings.log_level)
        supervisor = Workers(config, listener)
        supervisor.run()
        began = not supervisor.failed
    else:
        began = serve_alone(config, listener)
    if not began:
        raise typer.Exit(3)


@serve_app.command()
def demo(context: typer.Context) -> None:
    """Fill the store with the demo shop, unless it is there. Example: segments demo"""

    async def work(services: Services, database: Database) -> None:
        typer.echo(await fill_demo(services, database))

    run(context.obj, work)


def application(settings: Settings, key: str | None) -> Starlette:
    """What a process serves; `key` is the business of the explorer's ready token."""
    set_up(settings.log_level)
    return create_app(settings, system_clock, None if key is None else partial(token_for, settings, key))


def prepared(settings: Settings) -> str | None:
    """The store made ready; in demo mode an empty one is filled. The key of the business that a ready token is for."""

    async def work(services: Services, database: Database) -> str | None:
        keys = [business.key for business in await services.businesses.all()]
        if not keys or keys == [KEY]:
            await fill_demo(services, database)
            return KEY
        for wanted in (settings.business, KEY):
            if wanted in keys:
                return wanted
        return keys[0] if len(keys) == 1 else None

    if settings.demo:
        return run(settings, work)
    opened(settings).bulk.dispose()
    return None


def token_for(settings: Settings, key: str) -> str:
    """A token that may do everything in the business."""
    return issue_token(
        settings.jwt_secret,
        subject="demo",
        business=key,
        permissions=[permission.value for permission in Permission],
        lifetime=timedelta(hours=min(settings.token_lifetime_hours, 24)),
        now=system_clock(),
    )


def listening(settings: Settings) -> socket.socket:
    """The address, taken; InvalidInput where it cannot be had."""
    try:
        family, *_, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidInput(
            f"Cannot listen on {settings.host} port {settings.port}: {reason}. Give another --host or --port."
        ) from error
    listener.set_inheritable(True)
    return listener
