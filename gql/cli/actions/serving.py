"""The server as the command line starts it. The address is taken before anything is said, so that a port in use is a
sentence; every worker process is handed its settings, secrets too, and never reads them again."""

import gc
import socket
from datetime import timedelta
from functools import partial

import typer
import uvicorn
from starlette.applications import Starlette

from domain.demo.shop import KEY
from domain.errors import InvalidInput
from domain.model import Permission
from gql.app import create_app
from gql.auth import find_signing_secret, issue_token
from gql.cli.actions.bars import show_steps
from gql.cli.actions.demo import fill_demo
from gql.cli.session import Session
from gql.composition import make_lake, open_store, read_system_clock
from gql.counters import share_counters
from gql.http.processes import REQUEST_SECONDS, Workers, raise_file_limit, serve_alone
from gql.http.uvicorn_protocol import PatientProtocol
from gql.logs import set_up
from gql.settings import Settings
from gql.tracing import TRACING

BACKLOG = 2048
COLLECT_AFTER = (100_000, 50, 100)
"""When a server looks for garbage. Answers are made of many small things that go by themselves: to look as often as
Python does by itself is what makes many callers dear, by a half to nearly twice."""


def serve_on(listener: socket.socket, settings: Settings) -> None:
    """Make the store ready, say where it is served, and serve until the end."""
    key = prepare_store(settings)
    name = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"http://{name}:{listener.getsockname()[1]}"
    typer.echo(f"Console:   {address}/\nGraphiQL:  {address}/graphql")
    if key is not None and find_signing_secret(settings)[1]:
        typer.echo(f"Token:     {make_token(settings, key)}")
    config = uvicorn.Config(
        partial(make_application, settings, key),
        factory=True,
        http=PatientProtocol,
        workers=settings.workers,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        # As many are accepted at once, and each is an open file before a place is found for it.
        backlog=min(BACKLOG, raise_file_limit() // 4),
        ws_max_size=1 << 20,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=REQUEST_SECONDS,
    )
    if settings.workers > 1:
        set_up(settings.log_level, settings.log_format)
        with share_counters():
            supervisor = Workers(config, listener)
            supervisor.run()
        began = not supervisor.failed
    else:
        began = serve_alone(config, listener)
    if not began:
        raise typer.Exit(3)


def make_application(settings: Settings, key: str | None) -> Starlette:
    """What a process serves; `key` is the business of the explorer's ready token."""
    set_up(settings.log_level, settings.log_format)
    TRACING.begin()
    application = create_app(settings, read_system_clock, None if key is None else partial(make_token, settings, key))
    # Requests leave garbage, other than a command that ends; what is loaded by now is not looked through each time.
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    return application


def prepare_store(settings: Settings) -> str | None:
    """The store made ready; in demo mode an empty one is filled. The key of the business that a ready token is for."""
    # Said before anything is served, and once.
    make_lake(settings)
    if not settings.demo:
        open_store(settings).close()
        return None
    with Session(settings) as session:
        return session.run(_prepare_demo(session))


async def _prepare_demo(session: Session) -> str | None:
    keys = [business.key for business in await session.services.businesses.load_all()]
    if not keys or keys == [KEY]:
        with show_steps(lines=True) as report:
            await fill_demo(session.store, report=report)
        return KEY
    for wanted in (session.settings.business, KEY):
        if wanted in keys:
            return wanted
    return keys[0] if len(keys) == 1 else None


def make_token(settings: Settings, key: str) -> str:
    """A token that may do everything in the business."""
    key_id, secret = find_signing_secret(settings)
    return issue_token(
        secret,
        subject="demo",
        business=key,
        permissions=[permission.value for permission in Permission],
        lifetime=timedelta(hours=min(settings.token_lifetime_hours, 24)),
        now=read_system_clock(),
        key_id=key_id,
    )


def take_address(settings: Settings) -> socket.socket:
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
