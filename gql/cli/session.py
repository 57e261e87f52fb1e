"""What a command works with: the store, which is opened, and loaded, when it is first asked for, and the business that
is meant. The modules of commands declare them; what a command does is loaded by its body, so that no help text waits
for it."""

import inspect
from collections.abc import Callable, Coroutine
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec, TypeVar

import typer

from domain.errors import NotFound
from domain.model import Actor, Business
from gql.settings import Settings

if TYPE_CHECKING:
    from domain.jobs.progress import ProgressFeed
    from domain.segments.model import Segment
    from gql.composition import OpenStore, Services

P = ParamSpec("P")
T = TypeVar("T")
ACTOR = Actor("command line")
LOOK_SECONDS = 0.2
BusinessOption = Annotated[
    str | None,
    typer.Option("--business", help="Key of the business; the only one there is where absent, else SEGMENTS_BUSINESS."),
]


def make_app(help: str | None = None) -> typer.Typer:
    """Commands, of one group where there is a help text for them. Help is plain text: a box around it takes twice as
    long, and more memory."""
    if help is None:
        return typer.Typer(rich_markup_mode=None)
    return typer.Typer(help=help, no_args_is_help=True, rich_markup_mode=None)


class Session:
    """One command at work."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._store: OpenStore | None = None

    def __enter__(self) -> "Session":
        """Nothing is opened yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._store is not None:
            self._store.close()

    @property
    def store(self) -> "OpenStore":
        """The store with the newest tables; InvalidInput where it cannot be had."""
        if self._store is None:
            from gql.composition import open_store

            self._store = open_store(self.settings)
        return self._store

    @cached_property
    def feed(self) -> "ProgressFeed":
        """Told what there is to work on."""
        from domain.jobs.progress import ProgressFeed

        return ProgressFeed(LOOK_SECONDS)

    @cached_property
    def services(self) -> "Services":
        """The services over it, which tell the session's feed what there is to work on."""
        return self.store.make_services(self.feed)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Await the work in an event loop of its own; no connection outlives it."""
        from asyncio import run

        async def run_and_disconnect() -> T:
            try:
                return await work
            finally:
                if self._store is not None:
                    await self._store.disconnect()

        return run(run_and_disconnect())

    async def choose(self, key: str | None) -> Business:
        """The business that is meant; InvalidInput lists the keys."""
        return await self.services.businesses.choose(key, self.settings.business)

    async def find_segment(self, business: Business, key: str) -> "Segment":
        """The segment of that key; NotFound where there is none."""
        segment = await self.services.segments.find_by_key(business, key)
        if segment is None:
            raise NotFound(f"There is no segment with the key {key} in the business {business.key}.")
        return segment


def command(work: Callable[Concatenate[Session, P], Coroutine[Any, Any, T]]) -> Callable[..., T]:
    """The work as a command, whose session begins and ends with it."""

    def run(context: typer.Context, *args: P.args, **options: P.kwargs) -> T:
        with Session(context.obj) as session:
            return session.run(work(session, *args, **options))

    first, *own = inspect.signature(work).parameters.values()
    return present(run, work, [first.replace(name="context", annotation=typer.Context), *own])


def present(
    run: Callable[..., T], work: Callable[..., object], parameters: list[inspect.Parameter]
) -> Callable[..., T]:
    """`run` with the name and text of `work`, and with these parameters to whoever reads its signature."""
    run.__name__, run.__doc__ = work.__name__, work.__doc__
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run
