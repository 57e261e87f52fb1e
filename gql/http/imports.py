"""Files of purchases sent over plain HTTP. The body goes to a file under the data folder as it comes, never whole into
memory; its header is looked at, then it waits as an import, and the answer is its id. What breaks off leaves no
file."""

import asyncio
import hashlib
import logging
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from domain.errors import Conflict, DomainError, Forbidden, InvalidInput, NotFound, TooManyImports, Unavailable
from domain.imports.formats import ImportOptions
from domain.imports.model import NewImport, PurchaseImport
from domain.model import Business, Permission, Viewer
from gql.auth import UNAUTHENTICATED_MESSAGE, Unauthenticated
from gql.composition import Services
from gql.http.endpoint import Endpoint, logged, refused
from gql.http.exports import safe_name
from gql.http.graphql import Authenticate
from gql.http.json_body import encode_json
from gql.parameters import UploadParameters, options_in_parameters, upload_parameters
from gql.schema.types.ids import encode, numbers_of

log = logging.getLogger("segments")
PATH = "/imports/purchases"
TYPES = {
    "text/csv": ".csv",
    "application/csv": ".csv",
    "application/gzip": ".csv.gz",
    "application/x-gzip": ".csv.gz",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
}
ENCODINGS = ("", "identity", "gzip")
AT_ONCE = 4
"""Uploads of one business that may be on their way at once."""
PIECE = 1 << 20
RETRY = {"Retry-After": "30"}
LONGEST_KEY = 200
CheckFile = Callable[[Path, Business, ImportOptions], object]
"""Looks at the header of a file; InvalidInput says what is wrong with it."""


class TooLarge(DomainError):
    """The body is longer than what is taken."""


class WrongType(DomainError):
    """The body is of a type that is not read."""


@dataclass(frozen=True, slots=True)
class Received:
    """A file that was received, in a folder of its own."""

    path: Path
    digest: str

    def drop(self) -> None:
        """Take it away again."""
        shutil.rmtree(self.path.parent, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Uploads:
    """Answers /imports/purchases."""

    services: Services
    authenticate: Authenticate
    folder: Path
    maximum: int
    check: CheckFile
    coming: dict[int, int] = field(default_factory=dict)

    def routes(self) -> list[Route]:
        """Where it answers."""

        async def upload(request: Request) -> Response:
            return await self.answer(request, "POST", Permission.EDIT, self.upload)

        async def state(request: Request) -> Response:
            return await self.answer(request, "GET", Permission.VIEW, self.state)

        return [Route(PATH, Endpoint(upload)), Route(f"{PATH}/{{id}}", Endpoint(state))]

    async def answer(
        self,
        request: Request,
        method: str,
        permission: Permission,
        make: Callable[[Request, Viewer, Business], Awaitable[Response]],
    ) -> Response:
        """One request, one line in the log."""
        return await logged(request, "import", self._answered(request, method, permission, make))

    async def _answered(
        self,
        request: Request,
        method: str,
        permission: Permission,
        make: Callable[[Request, Viewer, Business], Awaitable[Response]],
    ) -> Response:
        if request.method != method:
            return refused(405, f"Use {method}.", {"Allow": method})
        try:
            viewer = await self._viewer(request)
            if permission.value not in viewer.permissions:
                raise Forbidden(f"This needs the permission {permission.value}.")
            business = await self.services.businesses.open(viewer.business)
            return await make(request, viewer, business)
        except Unauthenticated as error:
            return refused(401, error.message, {"WWW-Authenticate": "Bearer"})
        except Forbidden as error:
            return refused(403, error.message)
        except NotFound as error:
            return refused(404, error.message)
        except Conflict as error:
            return refused(409, error.message)
        except TooLarge as error:
            return refused(413, error.message)
        except WrongType as error:
            return refused(415, error.message)
        except TooManyImports as error:
            return refused(429, error.message, RETRY)
        except Unavailable as error:
            return refused(503, error.message, RETRY)
        except DomainError as error:
            return refused(400, options_in_parameters(error.message))

    async def _viewer(self, request: Request) -> Viewer:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated(UNAUTHENTICATED_MESSAGE)
        return await self.authenticate(token.strip())

    async def upload(self, request: Request, viewer: Viewer, business: Business) -> Response:
        """Receive a file and let it wait."""
        ending = file_ending(request)
        parameters = upload_parameters(request.query_params.multi_items())
        key = request.headers.get("idempotency-key")
        if key is not None and not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
            raise InvalidInput(f"Idempotency-Key must be 1 to {LONGEST_KEY} printable ASCII characters")
        self._refuse_longer(int(request.headers.get("content-length") or 0))
        if self.coming.get(business.id, 0) >= AT_ONCE:
            raise TooManyImports(f"{AT_ONCE} files of this business are being received already. Try again later.")
        self.coming[business.id] = self.coming.get(business.id, 0) + 1
        try:
            received = await self._received(request, safe_name(parameters.name or f"upload{ending}"))
        except OSError as error:
            raise Unavailable("The file could not be kept: the data folder is full or cannot be written.") from error
        finally:
            self.coming[business.id] -= 1
        try:
            made = await self._queued(request, viewer, business, parameters, received, key)
        except BaseException:
            received.drop()
            raise
        if (made.options or {}).get("file") != received.path.parent.name:
            received.drop()
        number = encode("PurchaseImport", business.id, made.id)
        headers = {"Location": f"{PATH}/{number}", "Cache-Control": "no-store"}
        return Response(encode_json({"id": number}), 202, headers, "application/json")

    async def _received(self, request: Request, name: str) -> Received:
        """The body as a file. Where the client goes, or sends too much, nothing stays."""
        digest, size = hashlib.sha256(), 0
        path = self.folder / uuid4().hex / name
        await asyncio.to_thread(path.parent.mkdir, mode=0o700, parents=True)
        received = Received(path, "")
        try:
            with await asyncio.to_thread(path.open, "xb") as file:
                held = bytearray()
                async for chunk in request.stream():
                    size += len(chunk)
                    self._refuse_longer(size)
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
        query = "&".join(f"{name}={value}" for name, value in sorted(request.query_params.multi_items()))
        digest.update(b"\0" + query.encode("utf-8", "replace"))
        return Received(path, digest.hexdigest())

    async def _queued(
        self,
        request: Request,
        viewer: Viewer,
        business: Business,
        parameters: UploadParameters,
        received: Received,
        key: str | None,
    ) -> PurchaseImport:
        if key is not None:
            known = await self.services.imports.known(business, key, received.digest)
            if known is not None:
                return known
        await asyncio.to_thread(self.check, received.path, business, parameters.options)
        options = {**parameters.document(), "file": received.path.parent.name, "name": received.path.name}
        new = NewImport(received.path.name, options, viewer.subject, key, received.digest)
        return await self.services.imports.queue(business, new, request.state.request_id)

    def _refuse_longer(self, size: int) -> None:
        if size > self.maximum:
            raise TooLarge(f"A file may have at most {self.maximum} bytes (SEGMENTS_UPLOAD_BYTES).")

    async def state(self, request: Request, viewer: Viewer, business: Business) -> Response:
        """How far an import is."""
        said = request.path_params["id"]
        numbers = numbers_of(said, "PurchaseImport", business.id, 1)
        found = {} if numbers is None else await self.services.imports.by_ids(business, numbers)
        if numbers is None or numbers[0] not in found:
            raise NotFound("There is no import with this id.")
        return Response(
            encode_json({"id": said, **state_document(found[numbers[0]])}),
            headers={"Cache-Control": "no-store"},
            media_type="application/json",
        )


def file_ending(request: Request) -> str:
    """The ending of a file of the body's type; WrongType where it is not read."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in TYPES:
        raise WrongType(f"Content-Type must be one of: {', '.join(TYPES)}")
    if request.headers.get("content-encoding", "").strip().lower() not in ENCODINGS:
        raise WrongType("Content-Encoding must be gzip, or be left out")
    return TYPES[kind]


def state_document(found: PurchaseImport) -> Mapping[str, object]:
    """The import as the body of an answer."""
    error = None if found.error_code is None else {"code": found.error_code, "message": found.error_message}
    return {
        "source": found.source,
        "status": found.status.value,
        "progress": {"phase": found.phase, "done": found.done, "total": found.total, "fraction": found.fraction},
        "rowsRead": found.rows_read,
        "created": found.created,
        "updated": found.updated,
        "unchanged": found.unchanged,
        "rejected": found.rejected,
        "error": error,
    }
