"""The explorer page. Its files come from the locally installed packages where they are all there, with no foreign
request at all, else from a public CDN with integrity hashes. The page needs no token; its requests carry one."""

import html
import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from gql.auth import is_loopback
from gql.settings import Settings

CDN = "https://unpkg.com"
LOCAL = Path(__file__).parents[2] / "node_modules" / ".graphiql" / "node_modules"
PAGE = Path(__file__).parent / "explorer.html"
EXAMPLES = Path(__file__).parent / "explorer_examples.toml"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of the page: its package, version, path and hash."""

    package: str
    version: str
    path: str
    sha384: str

    @property
    def name(self) -> str:
        """What it is called when we serve it."""
        return f"{self.package.replace('/', '-').lstrip('@')}-{Path(self.path).name}"

    @property
    def file(self) -> Path:
        """Where `make graphiql` puts it."""
        return LOCAL / self.package / self.path

    def build_tag(self, local: bool) -> str:
        """The element that loads it."""
        url = f"graphiql/{self.name}" if local else f"{CDN}/{self.package}@{self.version}/{self.path}"
        guard = f'integrity="sha384-{self.sha384}" crossorigin="anonymous"'
        if self.path.endswith(".css"):
            return f'<link rel="stylesheet" href="{url}" {guard}>'
        return f'<script src="{url}" {guard}></script>'


ASSETS = (
    Asset(
        "react",
        "18.3.1",
        "umd/react.production.min.js",
        "DGyLxAyjq0f9SPpVevD6IgztCFlnMF6oW/XQGmfe+IsZ8TqEiDrcHkMLKI6fiB/Z",
    ),
    Asset(
        "react-dom",
        "18.3.1",
        "umd/react-dom.production.min.js",
        "gTGxhz21lVGYNMcdJOyq01Edg0jhn/c22nsx0kyqP0TxaV5WVdsSH1fSDUf5YJj1",
    ),
    Asset(
        "js-cookie",
        "3.0.5",
        "dist/js.cookie.min.js",
        "/vxhYfM1LENRhdpZ8dwEsQn/X4VhpbEZSiU4m/FwR+PVpzar4fkEOw8FP9Y+OfQN",
    ),
    Asset(
        "graphiql",
        "3.8.3",
        "graphiql.min.js",
        "HbRVEFG0JGJZeAHCJ9Xm2+tpknBQ7QZmNlO/DgZtkZ0aJSypT96YYGRNod99l9Ie",
    ),
    Asset(
        "graphiql",
        "3.8.3",
        "graphiql.min.css",
        "Mq3vbRBY71jfjQAt/DcjxUIYY33ksal4cgdRt9U/hNPvHBCaT2JfJ/PTRiPKf0aM",
    ),
    Asset(
        "@graphiql/plugin-explorer",
        "3.2.5",
        "dist/index.umd.js",
        "5p6hGdlOTvUy6Wf0GauxCz+xM9YB/YYvcGG+bf9msr2eyd+KVIxgRkepHgUijedJ",
    ),
    Asset(
        "@graphiql/plugin-explorer",
        "3.2.5",
        "dist/style.css",
        "YN9MumWidbWKuNj8VfH5ggrFvm9YqAoIOMnKYpeGL3dr7Eg1qnQ+SAqSthdNZCjz",
    ),
)


def is_local() -> bool:
    """Whether every file is installed."""
    return all(asset.file.is_file() for asset in ASSETS)


def read_host(request: Request) -> str:
    """The name by which the client knows this server; empty where its Host header says none."""
    try:
        return urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    except ValueError:
        return ""


def make_finder_of_demo_token(settings: Settings, demo_token: Callable[[], str] | None) -> Callable[[Request], str]:
    """A token for whoever asks for a page of the demo by a loopback name; empty for everybody else."""

    def find(request: Request) -> str:
        # A foreign name that points here must not be given a token, nor a page of another port that reads this one.
        asked_here = is_loopback(read_host(request)) and "origin" not in request.headers
        ours = settings.demo and is_loopback(settings.host) and asked_here
        return "" if demo_token is None or not ours else demo_token()

    return find


def make_explorer(find_demo_token: Callable[[Request], str]) -> Callable[[Request], Response]:
    """The page; in demo mode, asked for by a loopback name, it carries a token."""

    def page(request: Request) -> Response:
        local = is_local()
        token = find_demo_token(request)
        authorization = f"Bearer {token}" if token else ""
        content = PAGE.read_text()
        content = content.replace("<!-- assets -->", "\n".join(asset.build_tag(local) for asset in ASSETS))
        examples = json.dumps(tomllib.loads(EXAMPLES.read_text())["example"])
        content = content.replace("/* examples */", examples.replace("<", "\\u003c"))
        content = content.replace("/* authorization */", json.dumps(authorization))
        content = content.replace("<!-- title -->", html.escape("Segments: customer segmentation over GraphQL"))
        foreign = "" if local else f" {CDN}"
        policy = (
            f"default-src 'none'; script-src 'self' 'unsafe-inline'{foreign}; "
            f"style-src 'self' 'unsafe-inline'{foreign}; "
            f"font-src 'self' data:{foreign}; img-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        safe = {
            "Content-Security-Policy": policy,
            "X-Frame-Options": "DENY",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
        }
        return HTMLResponse(content, headers=safe)

    return page


def make_asset_routes() -> list[BaseRoute]:
    """The installed files by exact name; nothing else below /graphiql/ answers."""
    known = {asset.name: asset for asset in ASSETS}

    async def serve(request: Request) -> Response:
        asset = known.get(request.path_params["name"])
        if asset is None or not asset.file.is_file():
            return Response(status_code=404)
        kind = "text/css" if asset.path.endswith(".css") else "text/javascript"
        headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "max-age=3600"}
        return FileResponse(asset.file, media_type=kind, headers=headers)

    return [Route("/graphiql/{name}", serve)]
