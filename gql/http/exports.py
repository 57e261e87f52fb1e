"""Files over plain HTTP: reports and members of segments, for whoever holds a token or a signed link. A wrong parameter
is answered with 400 and the documented body, everything else with `detail`; a file that the client has already is not
made again.

Answers of /exports: bodies of refusals, and the headers that every file has. A file is private, is asked for anew
each time, and costs nothing where it is still the same.

Where files that take a processor for a while are made: beside the requests, and only so many at once.
"""

import asyncio
import hashlib
import json
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from domain.errors import DomainError, Forbidden, InvalidInput, NotFound, Unavailable
from domain.model import Business, Permission, Storefront, Viewer
from domain.reports.document import ReportAsked
from domain.segments.member_export import MemberExport
from gql.auth import UNAUTHENTICATED_MESSAGE, Unauthenticated
from gql.composition import Services, Writers
from gql.http.endpoint import Endpoint, logged, refused, wrong_input
from gql.http.graphql import Authenticate, while_connected, within
from gql.parameters import (
    MEMBER_FORMATS,
    REPORT_FORMATS,
    SIGNATURE,
    ReportParameters,
    member_columns,
    report_parameters,
)
from gql.schema.types.ids import numbers_of
from gql.signed_links import ExportLinks

MEDIA = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f"*/:<>?\\|%\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+')
LONGEST_NAME = 150
VERSION = 2
"""Grows with every change of what the files of the same data look like."""


class Pieces(StreamingResponse):
    """A body in pieces; whatever makes them is ended with the answer, also where the client goes."""

    def __init__(self, pieces: AsyncGenerator[bytes, None], headers: Mapping[str, str], held: AsyncExitStack) -> None:
        super().__init__(pieces, headers=headers)
        self.pieces, self.held = pieces, held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the pieces."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self.pieces.aclose()
            await self.held.aclose()


def entity_tag(*parts: object) -> str:
    """The tag of a file, made of all that decides what stands in it. A weak one: two files of the same data may differ
    in the time of their making."""
    text = json.dumps([VERSION, *map(str, parts)])
    return f'W/"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def is_unchanged(request: Request, tag: str) -> bool:
    """Whether the client says that it has the file with this tag."""
    said = ",".join(request.headers.getlist("if-none-match"))
    tags = {part.strip().removeprefix("W/") for part in said.split(",")}
    return "*" in tags or tag.removeprefix("W/") in tags


def file_headers(tag: str, ending: str, name: str | None, plain: str) -> dict[str, str]:
    """Headers of a file; with a name it is one to be saved, `plain` being the name for those who read ASCII only."""
    headers = {
        "Content-Type": MEDIA[ending],
        "Cache-Control": "private, no-cache",
        "ETag": tag,
        "Vary": "Authorization",
    }
    if name is not None:
        headers["Content-Disposition"] = disposition(f"{safe_name(name)}.{ending}", f"{plain}.{ending}")
    return headers


def headers_alone(headers: Mapping[str, str]) -> Response:
    """The answer to HEAD: what GET has, but for a length that only the making of the file would tell."""
    answer = Response(headers=headers)
    del answer.headers["content-length"]
    return answer


def disposition(name: str, plain: str) -> str:
    """Content-Disposition as RFC 6266 has it: the name in any script, after one in ASCII."""
    if name.isascii():
        return f'attachment; filename="{name}"'
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def safe_name(name: str) -> str:
    """The name without what a path, a header or the direction of writing could be changed with."""
    return UNSAFE.sub(" ", name).strip(" .").lstrip("-")[:LONGEST_NAME].strip() or "export"


T = TypeVar("T")
AT_ONCE = 2
BUSY = "Too many files are being made, or this one takes too long. Try again in a moment."


@dataclass(slots=True)
class Workshop:
    """Places to work at; whoever waits longer than `seconds` is refused."""

    seconds: float
    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place, for as long as the block lasts."""
        try:
            await asyncio.wait_for(self._places.acquire(), self.seconds)
        except TimeoutError as error:
            raise Unavailable(BUSY) from error
        try:
            yield
        finally:
            self._places.release()

    async def make(self, work: Callable[[], T]) -> T:
        """What the work makes, in a thread. A thread cannot be stopped: its place is free when it ends, also where
        nobody waits for it any more."""
        try:
            async with asyncio.timeout(self.seconds):
                await self._places.acquire()
                making = asyncio.ensure_future(asyncio.to_thread(work))
                making.add_done_callback(self._done)
                return await asyncio.shield(making)
        except TimeoutError as error:
            raise Unavailable(BUSY) from error

    def _done(self, made: "asyncio.Future[T]") -> None:
        self._places.release()
        # Whoever waited may be gone when it fails.
        if not made.cancelled():
            made.exception()


log = logging.getLogger("segments")
REPORT_PATH = "/exports/segmentation."
OLDER_PATH = "/api/reports/customers/segmentation"
HEAVY = frozenset({"pdf", "xlsx"})


@dataclass(frozen=True, slots=True)
class Downloads:
    """Answers /exports."""

    services: Services
    authenticate: Authenticate
    links: ExportLinks
    writers: Writers
    workshop: Workshop
    seconds: float

    def routes(self) -> list[Route]:
        """Where it answers."""

        async def report(request: Request) -> Response:
            return await self.answer(request, self.report)

        async def older(request: Request) -> Response:
            return await self.answer(request, self.older)

        async def members(request: Request) -> Response:
            return await self.answer(request, self.members)

        return [
            Route("/exports/segmentation.{ending}", Endpoint(report)),
            Route("/exports/segments/{id}/members.{ending}", Endpoint(members)),
            Route(OLDER_PATH, Endpoint(older)),
            Route(f"{OLDER_PATH}/", Endpoint(older)),
        ]

    async def answer(self, request: Request, make: Callable[[Request, Business], Awaitable[Response]]) -> Response:
        """One request, one line in the log."""
        return await logged(request, "export", self._answered(request, make))

    async def _answered(self, request: Request, make: Callable[[Request, Business], Awaitable[Response]]) -> Response:
        if request.method not in ("GET", "HEAD"):
            return refused(405, "Use GET or HEAD.", {"Allow": "GET, HEAD"})
        try:
            viewer = await self._viewer(request)
            if Permission.VIEW.value not in viewer.permissions:
                raise Forbidden(f"This needs the permission {Permission.VIEW.value}.")
            business = await self.services.businesses.open(viewer.business)
            return await within(self.seconds, while_connected(request, make(request, business)))
        except Unauthenticated as error:
            return refused(401, error.message, {"WWW-Authenticate": "Bearer"})
        except Forbidden as error:
            return refused(403, error.message)
        except NotFound as error:
            return refused(404, error.message)
        except Unavailable as error:
            return refused(503, error.message, {"Retry-After": "5"})
        except TimeoutError:
            return refused(503, f"The file took longer than {self.seconds:g} seconds.", {"Retry-After": "5"})
        except DomainError as error:
            return wrong_input(error.message)

    async def _viewer(self, request: Request) -> Viewer:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            return await self.authenticate(token.strip())
        query = request.query_params.multi_items()
        if any(name == SIGNATURE for name, _ in query):
            return self.links.check(request.url.path, query)
        raise Unauthenticated(UNAUTHENTICATED_MESSAGE)

    async def report(self, request: Request, business: Business) -> Response:
        """The report as the file that the path names."""
        parameters = report_parameters(request.query_params.multi_items())
        ending = request.path_params["ending"]
        if ending not in REPORT_FORMATS:
            raise NotFound(f"A report ends in one of: {', '.join(REPORT_FORMATS)}.")
        if parameters.format not in (None, ending):
            raise InvalidInput(f"export_format must be {ending} here, or be left out")
        return await self._report(request, business, parameters, ending, saved=True)

    async def older(self, request: Request, business: Business) -> Response:
        """The report under its older address: JSON, or the file of `export_format`."""
        parameters = report_parameters(request.query_params.multi_items())
        ending = parameters.format or "json"
        return await self._report(request, business, parameters, ending, saved=parameters.format is not None)

    async def _report(
        self, request: Request, business: Business, parameters: ReportParameters, ending: str, *, saved: bool
    ) -> Response:
        asked = await self.asked(business, parameters)
        report = await self.services.report_files.report(business, asked)
        last = report.window.as_of
        what = (business.id, business.data_version, asked, last, saved)
        tag = entity_tag("report", ending, *what)
        name = f"{business.name} {report.method.value.lower()} {last} {report.window.days} days"
        plain = f"{business.key}-{report.method.value.lower()}-{last}-{report.window.days}-days"
        headers = file_headers(tag, ending, name if saved else None, plain)
        if is_unchanged(request, tag):
            return _unchanged(headers)
        if request.method == "HEAD":
            return headers_alone(headers)
        document = await self.services.report_files.document(business, asked)
        write = self.writers.reports[ending]
        body = await self.workshop.make(lambda: write(document)) if ending in HEAVY else write(document)
        return Response(body, headers=headers)

    async def asked(self, business: Business, parameters: ReportParameters) -> ReportAsked:
        """The report that the parameters mean; InvalidInput where the business has no such storefront."""
        return ReportAsked(
            parameters.method,
            parameters.days,
            parameters.as_of,
            None if parameters.storefront is None else await self._storefront(business, parameters.storefront),
            parameters.scheme,
            parameters.name,
            parameters.code,
        )

    async def _storefront(self, business: Business, said: str) -> Storefront:
        storefronts = await self.services.purchases.storefronts(business)
        numbers = numbers_of(said, "Storefront", business.id, 1)
        for one in storefronts:
            if one.key == said or (numbers is not None and one.id == numbers[0]):
                return one
        raise InvalidInput("storefront must be the key or the id of a storefront of this business", ("storefront",))

    async def members(self, request: Request, business: Business) -> Response:
        """The members of a segment, page by page."""
        ending = request.path_params["ending"]
        if ending not in MEMBER_FORMATS:
            raise NotFound(f"Members end in one of: {', '.join(MEMBER_FORMATS)}.")
        columns = member_columns(request.query_params.multi_items())
        numbers = numbers_of(request.path_params["id"], "Segment", business.id, 1)
        files = self.services.member_files
        export = await files.open(business, None if numbers is None else numbers[0], columns)
        today = self.services.customers.today(business)
        tag = entity_tag("members", ending, business.id, business.change_number, export.segment.id, columns, today)
        headers = file_headers(tag, ending, f"{export.segment.name} members {today}", f"{export.segment.key}-{today}")
        if is_unchanged(request, tag):
            return _unchanged(headers)
        if request.method == "HEAD":
            return headers_alone(headers)
        held = AsyncExitStack()
        if ending in HEAVY:
            await held.enter_async_context(self.workshop.place())
        return Pieces(self._pieces(export, ending), headers, held)

    async def _pieces(self, export: MemberExport, ending: str) -> AsyncGenerator[bytes, None]:
        pages = self.services.member_files.pages(export)
        written = self.writers.members[ending](export, pages)
        async with aclosing(pages), aclosing(written):
            async for piece in written:
                yield piece


def _unchanged(headers: Mapping[str, str]) -> Response:
    kept = {name: value for name, value in headers.items() if name not in ("Content-Type", "Content-Disposition")}
    return Response(status_code=304, headers=kept)
