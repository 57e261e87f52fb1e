"""The console: one page at `/` and its files, served as they stand, without a build step. Every address below them is
relative, so that it works below any path that a proxy adds; the policy allows nothing from elsewhere and no markup made
of text."""

import html
from collections.abc import Callable
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.staticfiles import StaticFiles

FOLDER = Path(__file__).parent
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
"""What is served of the folder, by ending; the media types do not depend on the machine."""
TOKEN = '<meta name="demo-token" content="'
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
SAFE = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def make_console_routes(find_demo_token: Callable[[Request], str]) -> list[BaseRoute]:
    """The page, in demo mode with a token for whoever may have one, and what it loads."""
    files = StaticFiles(directory=FOLDER)

    async def page(request: Request) -> Response:
        content = (FOLDER / "index.html").read_text("utf-8")
        content = content.replace(TOKEN, TOKEN + html.escape(find_demo_token(request)))
        return HTMLResponse(content, headers={**SAFE, "Cache-Control": "no-store"})

    async def serve(request: Request) -> Response:
        path = request.path_params["path"]
        media_type = TYPES.get(Path(path).suffix)
        if media_type is None:
            raise HTTPException(404)
        response = await files.get_response(path, request.scope)
        # Asked for again each time, and sent again only where it has changed.
        response.headers.update({**SAFE, "Content-Type": media_type, "Cache-Control": "no-cache"})
        return response

    return [Route("/", page), Route("/console/{path:path}", serve)]
