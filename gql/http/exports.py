"""Files over plain HTTP: reports and members of segments, for whoever holds a token or a signed link. A file is
private, is asked for anew each time, and is not made again where the client has it already; files that take a processor
for a while are made beside the requests, and only so many at once."""

import asyncio
import hashlib
import json
import re
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from domain.errors import InvalidInput, NotFound, Unavailable
from domain.model import Actor, Business, Permission, Storefront, Viewer
from domain.reports.document import TRENDED, ReportRequest
from domain.segments.member_export import MemberExport
from gql.auth import Unauthenticated, read_bearer_token
from gql.composition import Services, Writers
from gql.file_formats import FILE_FORMATS, MEMBER_FORMATS, REPORT_FORMATS
from gql.http.endpoint import Endpoints, HttpError, Make, make_json_response
from gql.http.graphql import Confirm
from gql.http.middleware import run_with_deadline, while_connected
from gql.http.throttling import Admission, Throttle, recognise
from gql.parameters import (
    LINK_PARAMETERS,
    SIGNATURE,
    ReportParameters,
    check_layout,
    read_member_columns,
    read_report_parameters,
)
from gql.schema.types.ids import find_target, match
from gql.signed_links import ExportLinks

T = TypeVar("T")
OLDER_PATH = "/api/reports/customers/segmentation"
METHODS = ("GET", "HEAD")
RETRY_SECONDS = 5
REPORT_COST, MEMBERS_COST = 100, 1_000
"""What a file costs its caller, in objects."""
AT_ONCE = 2
"""Binary files that are made at once in a process."""
FILES_AT_ONCE = 16
"""Files of members of one business that a process sends at once."""
BUSY = "Too many files are being made, or this one takes too long. Try again in a moment."
UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f"*/:<>?\\|%\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+')
LONGEST_NAME = 150
VERSION = 5
"""Grows with every change of what the files of the same data look like."""


@dataclass(slots=True)
class RenderPool:
    """Slots for the making of binary files; Unavailable for whoever waits longer than `seconds`."""

    seconds: float
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    @asynccontextmanager
    async def acquire_slot(self) -> AsyncIterator[None]:
        """A slot, for as long as the block lasts."""
        try:
            await asyncio.wait_for(self._slots.acquire(), self.seconds)
        except TimeoutError as error:
            raise Unavailable(BUSY) from error
        try:
            yield
        finally:
            self._slots.release()

    async def run(self, work: Callable[[], T]) -> T:
        """The result of the work, done in a thread. A thread cannot be stopped: its slot is free when it ends, also
        where nobody waits for it any more."""
        try:
            async with asyncio.timeout(self.seconds):
                await self._slots.acquire()
                running = asyncio.ensure_future(asyncio.to_thread(work))
                running.add_done_callback(self._release)
                return await asyncio.shield(running)
        except TimeoutError as error:
            raise Unavailable(BUSY) from error

    def _release(self, ended: "asyncio.Future[T]") -> None:
        self._slots.release()
        # Whoever waited may be gone when it fails.
        if not ended.cancelled():
            ended.exception()


class FileStream(StreamingResponse):
    """A file in pieces; whatever makes them is ended with the answer, also where the client goes."""

    def __init__(self, pieces: AsyncGenerator[bytes, None], headers: Mapping[str, str], held: AsyncExitStack) -> None:
        super().__init__(pieces, headers=headers)
        self.pieces, self.held = pieces, held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the pieces, then give back what was held for them."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self.close()

    async def close(self) -> None:
        """Give back what was held; also where it is not sent at all."""
        await self.pieces.aclose()
        await self.held.aclose()


def compute_entity_tag(*parts: object) -> str:
    """The tag of a file, made of all that decides what stands in it. A weak one: two files of the same data may differ
    in the time of their making."""
    text = json.dumps([VERSION, *map(str, parts)])
    return f'W/"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def build_file_headers(tag: str, ending: str, name: str | None, plain: str) -> dict[str, str]:
    """Headers of a file; with a name it is one to be saved, `plain` being the name for those who read ASCII only."""
    headers = {
        "Content-Type": FILE_FORMATS[ending].media_type,
        "Cache-Control": "private, no-cache",
        "ETag": tag,
        "Vary": "Authorization",
    }
    if name is not None:
        headers["Content-Disposition"] = build_disposition(f"{clean_name(name)}.{ending}", f"{plain}.{ending}")
    return headers


def answer_without_body(request: Request, headers: Mapping[str, str]) -> Response | None:
    """304 where the client says that it has the file with this tag; the headers alone for HEAD, but for a length that
    only the making of the file would tell; None where the file must be made."""
    known = ",".join(request.headers.getlist("if-none-match"))
    tags = {part.strip().removeprefix("W/") for part in known.split(",")}
    if "*" in tags or headers["ETag"].removeprefix("W/") in tags:
        bodiless = {
            name: value for name, value in headers.items() if name not in ("Content-Type", "Content-Disposition")
        }
        return Response(status_code=304, headers=bodiless)
    if request.method == "HEAD":
        response = Response(headers=headers)
        del response.headers["content-length"]
        return response
    return None


def build_disposition(name: str, plain: str) -> str:
    """Content-Disposition as RFC 6266 has it: the name in any script, after one in ASCII."""
    if name.isascii():
        return f'attachment; filename="{name}"'
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def clean_name(name: str) -> str:
    """The name without what a path, a header or the direction of writing could be changed with."""
    return UNSAFE.sub(" ", name).strip(" .").lstrip("-")[:LONGEST_NAME].strip() or "export"


@dataclass(frozen=True, slots=True)
class Downloads:
    """Answers /exports, and the older address of the report; `sending` counts the files of members of a business that
    are on their way."""

    services: Services
    admission: Admission
    confirm: Confirm
    throttle: Throttle
    links: ExportLinks
    writers: Writers
    pool: RenderPool
    seconds: float
    sending: Counter[int] = field(default_factory=Counter)

    def make_routes(self) -> list[Route]:
        endpoints = Endpoints(
            "export", self._authenticate, self.services, _answer_wrong_input, RETRY_SECONDS, self.throttle
        )
        report, older, members = (
            endpoints.make_endpoint(action, METHODS, Permission.VIEW, self._tell(action, self._limit_time(make)), cost)
            for action, make, cost in (
                ("downloadReport", self.answer_report, REPORT_COST),
                ("downloadReport", self.answer_older_report, REPORT_COST),
                ("downloadMembers", self.answer_members, MEMBERS_COST),
            )
        )
        return [
            Route("/exports/segmentation.{ending}", report),
            Route("/exports/segments/{id}/members.{ending}", members),
            Route(OLDER_PATH, older),
            Route(f"{OLDER_PATH}/", older),
        ]

    async def _authenticate(self, request: Request) -> Viewer:
        """By the token where there is one, else by the signature of the link."""
        try:
            token = read_bearer_token(request.headers)
        except Unauthenticated:
            if SIGNATURE not in request.query_params:
                raise
            viewer = self.links.check(request.scope["path"], request.query_params.multi_items())
            await self.confirm(viewer)
            recognise(request, viewer.business)
            return viewer
        return await self.admission.admit(request, token)

    def _limit_time(self, make: Callable[[Request, Business], Awaitable[Response]]) -> Make:
        async def respond(request: Request, viewer: Viewer, business: Business) -> Response:
            try:
                return await run_with_deadline(self.seconds, while_connected(request, make(request, business)))
            except TimeoutError as error:
                raise Unavailable(f"The file took longer than {self.seconds:g} seconds.") from error

        return respond

    def _tell(self, action: str, make: Make) -> Make:
        """The same, but no file is given out that the audit log does not have: Unavailable where it cannot be told."""

        async def respond(request: Request, viewer: Viewer, business: Business) -> Response:
            response = await make(request, viewer, business)
            if request.method == "GET" and response.status_code == 200:
                asked = {name: text for name, text in request.query_params.items() if name not in LINK_PARAMETERS}
                detail = {"format": request.path_params.get("ending", "json"), **asked}
                try:
                    await self.services.store.audit(
                        business.id,
                        Actor(viewer.subject, request.state.request_id),
                        action,
                        find_target(request.path_params, business),
                        {**detail, "link": SIGNATURE in request.query_params},
                    )
                except BaseException:
                    if isinstance(response, FileStream):
                        await response.close()
                    raise
            return response

        return respond

    async def answer_report(self, request: Request, business: Business) -> Response:
        """The report as the file that the path names."""
        parameters = read_report_parameters(request.query_params.multi_items())
        ending = request.path_params["ending"]
        if ending not in REPORT_FORMATS:
            raise NotFound(f"A report ends in one of: {', '.join(REPORT_FORMATS)}.")
        if parameters.format not in (None, ending):
            raise InvalidInput(f"export_format must be {ending} here, or be left out")
        return await self._answer_report(request, business, parameters, ending, saved=True)

    async def answer_older_report(self, request: Request, business: Business) -> Response:
        """The report under its older address: JSON, or the file of `export_format`."""
        parameters = read_report_parameters(request.query_params.multi_items())
        ending = parameters.format or "json"
        return await self._answer_report(request, business, parameters, ending, saved=parameters.format is not None)

    async def _answer_report(
        self, request: Request, business: Business, parameters: ReportParameters, ending: str, *, saved: bool
    ) -> Response:
        check_layout(parameters.layout, ending)
        asked = await self._read_report_request(business, parameters)
        report = await self.services.report_files.make_report(business, asked)
        last = report.window.as_of
        tag = compute_entity_tag("report", ending, business.id, business.data_version, asked, last, saved)
        name = f"{business.name} {report.method.value.lower()} {last} {report.window.days} days"
        plain = f"{business.key}-{report.method.value.lower()}-{last}-{report.window.days}-days"
        headers = build_file_headers(tag, ending, name if saved else None, plain)
        response = answer_without_body(request, headers)
        if response is None:
            # The trend may take a part of the time that the file has.
            shown, patience = ending in TRENDED, self.seconds / 3
            document = await self.services.report_files.make_document(business, asked, trend=shown, patience=patience)
            write = self.writers.reports[ending]
            body = await self.pool.run(lambda: write(document)) if FILE_FORMATS[ending].binary else write(document)
            if document.unfinished:
                # Whoever asks again is to have the rest of it.
                del headers["ETag"]
            response = Response(body, headers=headers)
        return response

    async def _read_report_request(self, business: Business, parameters: ReportParameters) -> ReportRequest:
        """The report that the parameters mean; InvalidInput where the business has no such storefront."""
        return ReportRequest(
            parameters.method,
            parameters.days,
            parameters.as_of,
            None if parameters.storefront is None else await self._find_storefront(business, parameters.storefront),
            parameters.scheme,
            parameters.name,
            parameters.code,
            parameters.layout,
        )

    async def _find_storefront(self, business: Business, key_or_id: str) -> Storefront:
        storefronts = await self.services.read(business, lambda unit: unit.purchases.load_storefronts())
        number = match(key_or_id, "Storefront", business)
        for storefront in storefronts:
            if storefront.key == key_or_id or storefront.id == number:
                return storefront
        raise InvalidInput("storefront must be the key or the id of a storefront of this business", ("storefront",))

    async def answer_members(self, request: Request, business: Business) -> Response:
        """The members of a segment, page by page."""
        ending = request.path_params["ending"]
        if ending not in MEMBER_FORMATS:
            raise NotFound(f"Members end in one of: {', '.join(MEMBER_FORMATS)}.")
        columns = read_member_columns(request.query_params.multi_items())
        number = match(request.path_params["id"], "Segment", business)
        files = self.services.member_files
        export = await files.open(business, number, columns)
        today = self.services.customers.find_today(business)
        tag = compute_entity_tag(
            "members", ending, business.id, business.change_number, export.segment.id, columns, today
        )
        headers = build_file_headers(
            tag, ending, f"{export.segment.name} members {today}", f"{export.segment.key}-{today}"
        )
        response = answer_without_body(request, headers)
        if response is None:
            async with AsyncExitStack() as held:
                held.enter_context(self._count_sending(business))
                if FILE_FORMATS[ending].binary:
                    await held.enter_async_context(self.pool.acquire_slot())
                response = FileStream(self._write_members(export, ending), headers, held.pop_all())
        return response

    @contextmanager
    def _count_sending(self, business: Business) -> Iterator[None]:
        """While the block lasts one file more of the business is being sent; HttpError where there are enough."""
        if self.sending[business.id] >= FILES_AT_ONCE:
            message = f"{FILES_AT_ONCE} files of members of this business are being sent already. Try again later."
            raise HttpError(429, message, headers={"Retry-After": str(RETRY_SECONDS)})
        self.sending[business.id] += 1
        try:
            yield
        finally:
            self.sending[business.id] -= 1

    async def _write_members(self, export: MemberExport, ending: str) -> AsyncGenerator[bytes, None]:
        pages = self.services.member_files.load_pages(export)
        written = self.writers.members[ending](export, pages)
        async with aclosing(pages), aclosing(written):
            async for piece in written:
                yield piece


def _answer_wrong_input(message: str) -> Response:
    return make_json_response({"success": False, "error": message}, 400)
