"""The console as the server gives it out: the page and its files to everybody, a token to nobody but the demo's own
machine, nothing else of its folder. What the pages do stands in tests/console."""

import re
from pathlib import Path

import httpx
import pytest

from domain.reports.brand import ACCENT, COLOURS, GREY, INK, PALE, RULE
from gql.app import create_app
from gql.console import FOLDER
from gql.settings import Settings
from tests.drivers.face import SECRET, Face

pytestmark = [pytest.mark.anyio, pytest.mark.read_only]
FILES = sorted(
    path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.suffix in {".js", ".css", ".svg"}
)


async def test_c2_the_page_and_its_files_allow_nothing_from_elsewhere_and_no_frame(face: Face) -> None:
    answers = [await face.client.get(path) for path in ("/", *(f"/console/{name}" for name in FILES))]

    assert [answer.status_code for answer in answers] == [200] * len(answers)
    for answer in answers:
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert policy["require-trusted-types-for"] == "'script'"
        assert policy["frame-ancestors"] == "'none'"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not re.search(r"""(?:src|href|url|from|import)\s*[=(]?\s*["']?(?:https?:)?//\S""", answer.text)
    assert answers[0].headers["cache-control"] == "no-store"
    assert {answer.headers["content-type"].split(";")[0] for answer in answers} == {
        "text/html",
        "text/javascript",
        "text/css",
        "image/svg+xml",
    }


async def test_every_address_of_the_page_is_relative_so_that_it_works_below_a_path(face: Face) -> None:
    page = (await face.client.get("/")).text

    assert re.findall(r'(?:src|href)="([^"]*)"', page) == ["console/icon.svg", "console/console.css", "console/main.js"]
    for name in FILES:
        for imported in re.findall(r"from '([^']*)'", (FOLDER / name).read_text("utf-8")):
            assert (FOLDER / name).parent.joinpath(imported).resolve().is_file(), f"{name} imports {imported}"


@pytest.mark.parametrize("path", ["__init__.py", "index.html", "../app.py", "%2e%2e/app.py", "pages", "no.js", ""])
async def test_nothing_else_of_the_folder_is_given_out(face: Face, path: str) -> None:
    answer = await face.client.get(f"/console/{path}")

    assert answer.status_code == 404


async def test_a_file_that_has_not_changed_is_not_sent_again(face: Face) -> None:
    first = await face.client.get("/console/main.js")
    again = await face.client.get("/console/main.js", headers={"If-None-Match": first.headers["etag"]})

    assert (first.headers["cache-control"], again.status_code, again.content) == ("no-cache", 304, b"")


@pytest.mark.parametrize(
    ("demo", "host", "headers", "given"),
    [
        (True, "127.0.0.1", {}, True),
        (True, "localhost:8000", {}, True),
        (True, "[::1]", {}, True),
        (True, "evil.example", {}, False),
        (True, "127.0.0.1", {"Origin": "http://localhost:3000"}, False),
        (False, "127.0.0.1", {}, False),
    ],
)
async def test_c2_the_token_of_the_demo_is_given_to_its_own_machine_alone(
    face: Face, demo: bool, host: str, headers: dict[str, str], given: bool
) -> None:
    settings = Settings(jwt_secret=SECRET, demo=demo)
    app = create_app(settings, face.clock, demo_token=lambda: 'ready"token', database=face.database)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        page = (await client.get("/", headers={"Host": host, **headers})).text

    assert ('content="ready&quot;token"' in page, 'content=""' in page) == (given, not given)


async def test_only_reading_is_answered_at_the_page(face: Face) -> None:
    assert (await face.client.head("/")).status_code == 200
    assert (await face.client.post("/")).status_code == 405


def test_the_colours_of_light_pages_are_those_of_the_files_of_reports() -> None:
    sheet = (FOLDER / "console.css").read_text()
    root = sheet[sheet.index(":root") : sheet.index("@media")]
    stated = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", root))

    assert {name: stated[name] for name in ("ink", "soft", "ground", "line", "accent")} == {
        "ink": INK,
        "soft": GREY,
        "ground": PALE,
        "line": RULE,
        "accent": ACCENT,
    }
    assert {meaning.value: stated[meaning.value] for meaning in COLOURS if meaning.value in stated} == {
        meaning.value: colour for meaning, colour in COLOURS.items() if meaning.value in ("good", "watch", "bad")
    }


def _channels(colour: str) -> list[float]:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def _contrast(one: str, other: str) -> float:
    light, dark = sorted(
        (sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), _channels(each), strict=True)) for each in (one, other)),
        reverse=True,
    )
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_letters_can_be_read_on_every_ground_of_either_theme(theme: str) -> None:
    sheet = (FOLDER / "console.css").read_text()
    roots = re.findall(r":root \{(.*?)\}", sheet, re.DOTALL)
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", roots[0] if theme == "light" else roots[1]))

    for ground in ("ground", "paper", "accent-soft"):
        for letters in ("ink", "soft", "accent"):
            assert _contrast(colours[letters], colours[ground]) >= 4.5, (letters, ground)
    for tone in ("good", "watch", "bad"):
        for ground in ("ground", "paper", f"{tone}-soft"):
            assert _contrast(colours[tone], colours[ground]) >= 4.5, (tone, ground)
        assert _contrast(colours["ink"], colours[f"{tone}-soft"]) >= 4.5
    assert _contrast(colours["on-accent"], colours["accent"]) >= 4.5
    assert min(_contrast(colours["edge"], colours[ground]) for ground in ("ground", "paper")) >= 3


def test_every_file_goes_with_the_package() -> None:
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    patterns = re.findall(r'"(console/[^"]+)"', project)

    given = {path.relative_to(FOLDER.parent).as_posix() for pattern in patterns for path in FOLDER.parent.glob(pattern)}

    assert given == {f"console/{name}" for name in (*FILES, "index.html")}
