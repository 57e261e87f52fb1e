"""Answers of /exports: bodies of refusals, and the headers that every file has. A file is private, is asked for anew
each time, and costs nothing where it is still the same."""

import hashlib
import json
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from gql.bodies import encode_json

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


def wrong_input(message: str) -> Response:
    """The documented body of a wrong parameter."""
    return _json({"success": False, "error": message}, 400)


def refused(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """Any other refusal."""
    return _json({"detail": detail}, status, headers)


def _json(body: object, status: int, headers: Mapping[str, str] | None = None) -> Response:
    kept = {"Cache-Control": "no-store", **(headers or {})}
    return Response(encode_json(body), status, kept, "application/json")


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
