"""Files sent over plain HTTP: of purchases, which wait as imports, and lists of members of segments. The body goes to a
file under the data folder as it comes, never whole into memory. The header of a file of purchases is looked at, and the
answer is the id of its import; a list is answered when it is done. What breaks off leaves no file."""

import asyncio
import hashlib
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from domain.errors import InvalidInput, TooManyImports, Unavailable, build_unknown_id, name_fields
from domain.imports.formats import SourceFormat
from domain.imports.inspection.inspection import Inspection, build_command
from domain.imports.model import NewImport, PurchaseImport
from domain.imports.rows import PurchaseSource
from domain.imports.sources import FILE_TYPES, FileForm, ReceivedPath, build_kept_name
from domain.model import Actor, Business, Permission, Viewer
from domain.segments.member_lists import ListSummary, MembersFile
from gql.auth import read_bearer_token
from gql.composition import Services
from gql.http.endpoint import Endpoints, HttpError, make_error_response, make_json_response
from gql.http.exports import clean_name
from gql.http.idempotency import read_key
from gql.http.throttling import MINIMUM_COST, Admission, Throttle
from gql.parameters import UploadParameters, read_list_parameters, read_upload_parameters, to_parameter_name
from gql.schema.types.ids import encode, match

PATH = "/imports/purchases"
INSPECTION_PATH = "/imports/inspect"
DECLINED = "declined"
"""The parameter that names a doubt which was answered by saying nothing."""
MEMBERS_PATH = "/segments/{id}/members"
ENDINGS = {media: one.endings[0] for one in FILE_TYPES for media in one.media_types}
"""How the name of a file ends by its Content-Type."""
ENCODINGS = ("", "identity", "gzip")
UPLOAD_COST = 1_000
"""What a file costs its caller, in objects, whether it is imported or looked at."""
AT_ONCE = 4
"""Uploads of one business that may be on their way at once."""
PIECE = 1 << 20
RETRY_SECONDS = 30
LONGEST_LENGTH = 18
"""Digits of the length of a body; more say the same."""
CheckFile = Callable[[Path, Business, SourceFormat], object]
"""Looks at the header of a file; InvalidInput says what is wrong with it."""


OpenRows = Callable[[Path, FileForm], PurchaseSource]
"""Opens a file of rows under a header, whatever they are; InvalidInput where it cannot be read."""
InspectFile = Callable[[Path, Business, SourceFormat, Collection[str]], Inspection]
"""Looks at a whole file, but for doubts of some keys, which were answered by saying nothing; InvalidInput where it
cannot be read at all."""


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """A file that was received, in a folder of its own."""

    path: ReceivedPath
    digest: str

    def drop(self) -> None:
        """Take it away again."""
        shutil.rmtree(self.path.parent, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Uploads:
    """Answers /imports/purchases: a file of at most `maximum` bytes is received into `folder`, and its header passes
    `check` before it waits; /imports/inspect: one is received, looked at by `inspect`, and removed; and the members of
    segments: a list is received, read as `open_rows` opens it, in `turn`, and removed. `coming` counts the files of a
    business that are on their way, or being looked at."""

    services: Services
    admission: Admission
    throttle: Throttle
    folder: Path
    maximum: int
    check: CheckFile
    inspect: InspectFile
    open_rows: OpenRows
    coming: dict[int, int] = field(default_factory=dict)
    turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    def make_routes(self) -> list[Route]:
        endpoints = Endpoints(
            "import", self._authenticate, self.services, _answer_wrong_input, RETRY_SECONDS, self.throttle
        )
        make, inspect = endpoints.make_endpoint, self.answer_inspection
        set_members = make("setSegmentMembers", ("PUT",), Permission.EDIT, self.set_members, UPLOAD_COST)
        return [
            Route(MEMBERS_PATH, set_members),
            Route(PATH, make("uploadPurchases", ("POST",), Permission.EDIT, self.upload, UPLOAD_COST)),
            Route(INSPECTION_PATH, make("inspectPurchases", ("POST",), Permission.EDIT, inspect, UPLOAD_COST)),
            Route(f"{PATH}/{{id}}", make("readImport", ("GET",), Permission.VIEW, self.answer_state, MINIMUM_COST)),
        ]

    async def _authenticate(self, request: Request) -> Viewer:
        return await self.admission.admit(request, read_bearer_token(request.headers))

    async def upload(self, request: Request, viewer: Viewer, business: Business) -> Response:
        """Receive a file and let it wait."""
        parameters = read_parameters(request, request.query_params.multi_items())
        key = read_key(request.headers)
        with self._count_coming(business):
            received = await self._receive(request, parameters.name)
        try:
            queued = await self._queue(request, viewer, business, parameters, received, key)
        except BaseException:
            received.drop()
            raise
        if (queued.options or {}).get("file") != received.path.parent.name:
            received.drop()
        number = encode("PurchaseImport", business.id, queued.id)
        return make_json_response({"id": number}, 202, {"Location": f"{PATH}/{number}"})

    async def answer_inspection(self, request: Request, viewer: Viewer, business: Business) -> Response:
        """Receive a file, look at it, and keep nothing."""
        query = request.query_params.multi_items()
        parameters = read_parameters(request, [(name, value) for name, value in query if name != DECLINED])
        declined = frozenset(value for name, value in query if name == DECLINED)
        with self._count_coming(business):
            received = await self._receive(request, parameters.name)
            try:
                found = await asyncio.to_thread(self.inspect, received.path, business, parameters.form, declined)
            finally:
                await asyncio.to_thread(received.drop)
        command = build_command(found, received.path.name)
        return make_json_response({**found.to_document(to_parameter_name), "command": command})

    async def set_members(self, request: Request, viewer: Viewer, business: Business) -> Response:
        """Receive a list of customers, let exactly these be the members of a segment, and say what that came to."""
        parameters, lists = read_list_parameters(request.query_params.multi_items()), self.services.member_lists
        find_file_ending(request)
        number = match(request.path_params["id"], "Segment", business)
        which = request.path_params["id"] if number is None else number
        await lists.check(business, which)
        form, actor = FileForm(encoding=find_charset(request)), Actor(viewer.subject, request.state.request_id)
        with self._count_coming(business):
            received = await self._receive(request, parameters.name)
            try:
                file = MembersFile.of(await asyncio.to_thread(self.open_rows, received.path, form))
                # Each holds a connection of those that runs need, too.
                async with self.turn:
                    done = await lists.set_from_file(business, which, file, actor, skip_unknown=parameters.skip_unknown)
            finally:
                await asyncio.to_thread(received.drop)
        return make_json_response(build_list_document(encode("Segment", business.id, done.segment.id), done))

    @contextmanager
    def _count_coming(self, business: Business) -> Iterator[None]:
        """While the block lasts one file more of the business is on its way; TooManyImports where there are enough."""
        if self.coming.get(business.id, 0) >= AT_ONCE:
            raise TooManyImports(f"{AT_ONCE} files of this business are being received already. Try again later.")
        self.coming[business.id] = self.coming.get(business.id, 0) + 1
        try:
            yield
        finally:
            self.coming[business.id] -= 1

    async def _receive(self, request: Request, called: str | None) -> ReceivedFile:
        """The body as a file."""
        ending = find_file_ending(request)
        name = clean_name(called or f"upload{ending}")
        length = request.headers.get("content-length", "")
        self._check_size(int(length[:LONGEST_LENGTH]) if length.isascii() and length.isdigit() else 0)
        try:
            return await self._write(request, name, ending)
        except OSError as error:
            raise Unavailable("The file could not be kept: the data folder is full or cannot be written.") from error

    async def _write(self, request: Request, name: str, ending: str) -> ReceivedFile:
        """The same. Where the client goes, or sends too much, nothing stays."""
        digest, size = hashlib.sha256(), 0
        path = ReceivedPath.of(self.folder / uuid4().hex / build_kept_name(name, ending), name)
        await asyncio.to_thread(path.parent.mkdir, mode=0o700, parents=True)
        received = ReceivedFile(path, "")
        try:
            with await asyncio.to_thread(path.open, "xb") as file:
                held = bytearray()
                async for chunk in request.stream():
                    size += len(chunk)
                    self._check_size(size)
                    held += chunk
                    digest.update(chunk)
                    if len(held) >= PIECE:
                        await asyncio.to_thread(file.write, bytes(held))
                        held.clear()
                await asyncio.to_thread(file.write, bytes(held))
            if not size:
                raise InvalidInput(f"No data found in {name}.")
        except BaseException:
            received.drop()
            raise
        stated = [*request.query_params.multi_items(), ("charset", find_charset(request) or "")]
        query = "&".join(f"{name}={value}" for name, value in sorted(stated) if value or name != "charset")
        digest.update(b"\0" + query.encode("utf-8", "replace"))
        return ReceivedFile(path, digest.hexdigest())

    async def _queue(
        self,
        request: Request,
        viewer: Viewer,
        business: Business,
        parameters: UploadParameters,
        received: ReceivedFile,
        key: str | None,
    ) -> PurchaseImport:
        if key is not None:
            known = await self.services.imports.find_earlier(business, key, received.digest)
            if known is not None:
                return known
        await asyncio.to_thread(self.check, received.path, business, parameters.form)
        kept = {"file": received.path.parent.name, "kept": received.path.kept, "name": received.path.name}
        options = {**parameters.to_document(), **kept}
        new = NewImport(received.path.name, options, viewer.subject, key, received.digest)
        return await self.services.imports.queue(business, new, request.state.request_id)

    def _check_size(self, size: int) -> None:
        if size > self.maximum:
            raise HttpError(413, f"A file may have at most {self.maximum} bytes (SEGMENTS_UPLOAD_BYTES).")

    async def answer_state(self, request: Request, viewer: Viewer, business: Business) -> Response:
        """How far an import is."""
        key = request.path_params["id"]
        number = match(key, "PurchaseImport", business)
        ids = [] if number is None else [number]
        imports = await self.services.read(business, lambda unit: unit.imports.find_by_ids(ids))
        if number is None or number not in imports:
            raise build_unknown_id("import")
        return make_json_response({"id": key, **build_state_document(imports[number])})


def _answer_wrong_input(message: str) -> Response:
    return make_error_response(400, name_fields(message, to_parameter_name))


def read_parameters(request: Request, query: Sequence[tuple[str, str]]) -> UploadParameters:
    """How the file is to be read, by the query and the type of the body; HttpError where such a body is not read."""
    find_file_ending(request)
    parameters = read_upload_parameters(query)
    charset = find_charset(request)
    if charset is None or parameters.form.encoding is not None:
        return parameters
    return replace(parameters, form=replace(parameters.form, encoding=charset))


def find_file_ending(request: Request) -> str:
    """The ending of a file of the body's type; HttpError where it is not read."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ENDINGS:
        raise HttpError(415, f"Content-Type must be one of: {', '.join(ENDINGS)}")
    if request.headers.get("content-encoding", "").strip().lower() not in ENCODINGS:
        raise HttpError(415, "Content-Encoding must be gzip, or be left out")
    return ENDINGS[kind]


def find_charset(request: Request) -> str | None:
    """The encoding that the Content-Type says; None where it is UTF-8, which many clients say of anything."""
    for parameter in request.headers.get("content-type", "").split(";")[1:]:
        name, _, value = parameter.partition("=")
        charset = value.strip().strip('"')
        if name.strip().lower() == "charset" and charset and charset.lower() not in ("utf-8", "utf8"):
            return charset
    return None


def build_list_document(number: str, done: ListSummary) -> Mapping[str, object]:
    """What setting the members came to, as the body of an answer."""
    return {
        "segment": {"id": number, "key": done.segment.key},
        "rowsRead": done.read,
        "assigned": done.assigned,
        "removed": done.removed,
        "unchanged": done.unchanged,
        "unknown": done.unknown,
        "unknownRows": [{"line": line, "text": text} for line, text in done.unknown_rows],
    }


def build_state_document(one: PurchaseImport) -> Mapping[str, object]:
    """The import as the body of an answer."""
    error = None if one.error_code is None else {"code": one.error_code, "message": one.error_message}
    return {
        "source": one.source,
        "status": one.status.value,
        "progress": {"phase": one.phase, "done": one.done, "total": one.total, "fraction": one.fraction},
        "rowsRead": one.rows_read,
        "created": one.created,
        "updated": one.updated,
        "unchanged": one.unchanged,
        "rejected": one.rejected,
        "error": error,
    }
