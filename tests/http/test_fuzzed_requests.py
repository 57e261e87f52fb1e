"""Whatever stands in a request's address, headers or body, the fault is never ours: lines B1 and B3 of the reliability
requirements. Each of these requests holds one thing that is odd; the rest is as it should be."""

import gzip
import io
import json
from collections.abc import AsyncIterator, Iterable
from itertools import islice
from pathlib import Path
from urllib.parse import quote, urlencode
from zipfile import ZipFile

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from domain.imports.formats import OPTIONS
from domain.imports.sources import FILE_TYPES
from domain.model import Actor
from domain.segments.model import SegmentKind
from domain.segments.validation import Draft
from gql.parameters import REPORT_PARAMETERS
from persistence.database.engines import Database
from tests.conftest import SetClock, examples, sqlite_alone
from tests.drivers.face import Face
from tests.drivers.fuzzing import TEXT, refuse
from tests.drivers.uploading import Place, placing

pytestmark = pytest.mark.anyio
ROW = b"customer_id,order_id,date,amount\nA,1,2024-05-01,10\n"
QUERY = b'{"query": "{ viewer { subject } }"}'
Request = tuple[str, str, dict[str, str], bytes]
REQUESTS: dict[str, Request] = {
    "query": ("POST", "/graphql", {"Content-Type": "application/json"}, QUERY),
    "explorer": ("GET", "/graphql", {"Accept": "text/html"}, b""),
    "query by GET": ("GET", "/graphql?query={viewer{subject}}", {}, b""),
    "report": ("GET", "/exports/segmentation.csv", {}, b""),
    "link": ("GET", "/exports/segmentation.csv?business=shop&expires=1&signature=x", {"Authorization": ""}, b""),
    "older report": ("GET", "/api/reports/customers/segmentation/", {}, b""),
    "members": ("GET", "/exports/segments/x/members.json", {}, b""),
    "inspection": ("POST", "/imports/inspect", {"Content-Type": "text/csv"}, ROW),
    "upload": ("POST", "/imports/purchases", {"Content-Type": "text/csv"}, ROW),
    "list of members": ("PUT", "/segments/x/members", {"Content-Type": "text/csv"}, ROW),
    "import": ("GET", "/imports/purchases/x", {}, b""),
    "health": ("GET", "/healthz", {}, b""),
    "ready": ("GET", "/readyz", {}, b""),
    "nothing": ("GET", "/nothing", {}, b""),
    "file of the explorer": ("GET", "/graphiql/x", {}, b""),
}
HEADERS = (
    *("Host", "Origin", "Accept", "Accept-Encoding", "Authorization", "Content-Type", "Content-Encoding", "Range"),
    *("Content-Length", "If-None-Match", "If-Modified-Since", "X-Forwarded-For", "X-Forwarded-Host", "Forwarded"),
    *("X-Forwarded-Proto", "Idempotency-Key", "Cookie", "X-Request-Id", "Expect", "X-HTTP-Method-Override"),
)
VALUES = (
    *(
        "",
        " ",
        "[",
        "[::1",
        "]",
        ":",
        "a:b:c",
        "127.0.0.1:x",
        "²",
        "٣",
        "-1",
        "1e9",
        "9" * 5000,
        "NaN",
        "*",
        "*/*",
        "null",
    ),
    *(";", ";;=", "text/csv;charset", 'text/csv;charset="', "text/csv;charset=idna", "text/csv;charset=zip", "gzip"),
    *(
        "text/csv;charset=utf-16",
        "text/csv;charset=undefined",
        "application/json;charset=\xff",
        "bytes=0-",
        "bytes=5-1",
    ),
    *('W/"', '"', "Bearer", "Bearer \xff", "Bearer a.b.c", "http://[", "//", "http://a@b", "x" * 9000, "\x7f", "\xe9"),
)
FOUND = {"Host": "[", "Content-Length": "9" * 5000, "Content-Type": "text/csv;charset=utf-16"}
"""What once was answered as a fault of ours."""
VALUE = st.sampled_from(VALUES) | st.text(
    st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=40
)


PARAMETERS = (*REPORT_PARAMETERS, *OPTIONS, "columns", "format", "source_format", "name", "query", "variables", "nope")
MEDIA = tuple(media for one in FILE_TYPES for media in one.media_types)
JSON_ROWS = b'[{"customer": {"id": "A"}, "order_id": 1, "date": "2024-05-01", "amount": 90071992547409.93}]'
SPLICES = (
    *(
        b"",
        b"\0",
        b"\xff",
        b"\xfe\xff",
        b"\xef\xbb\xbf",
        b'"',
        b"'",
        b",",
        b";",
        b"\t",
        b"\r",
        b"\n",
        b"\r\n\r\n",
        b"sep=;",
    ),
    *(
        b"=1+1",
        b"NaN",
        b"1e400",
        b"9" * 400,
        b"[" * 300,
        b"{" * 300,
        b"\\ud800",
        b"\xd9\xa3",
        b"-",
        b"<!DOCTYPE x>",
        b"0001",
    ),
    *(b"9999-12-31", b"2024-02-30", b"a" * 5000, b",,,,,,,,,,", b'"' * 7, b"PK\x03\x04", b"\x1f\x8b", b"#2", b"  "),
)


def make_workbook() -> bytes:
    book, file = Workbook(), io.BytesIO()
    sheet = book.active
    assert sheet is not None
    sheet.append(["customer_id", "order_id", "date", "amount"])
    sheet.append(["A", "1", "2024-05-01", 12.5])
    book.save(file)
    return file.getvalue()


def make_archive() -> bytes:
    file = io.BytesIO()
    with ZipFile(file, "w") as archive:
        archive.writestr("orders.csv", ROW)
    return file.getvalue()


FILES = (ROW, ROW.replace(b",", b";"), JSON_ROWS, JSON_ROWS[1:-1], make_workbook(), make_archive())


@pytest.fixture
async def place(database: Database, clock: SetClock, tmp_path: Path) -> AsyncIterator[Place]:
    async with placing(database, clock, tmp_path) as made:
        yield made


def draw_some(what: st.SearchStrategy[Request], small: int, full: int) -> list[Request]:
    """The test's own loop makes the requests, so that they are drawn first."""
    drawn: list[Request] = []

    @settings(max_examples=examples(small, full), suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(what)
    def draw(request: Request) -> None:
        drawn.append(request)

    draw()
    return drawn


async def find_faults(face: Face, requests: Iterable[Request]) -> list[tuple[Request, str]]:
    """The requests of which the answer says that the server is at fault, or is no strict JSON, with the answer."""
    found = []
    for method, address, headers, body in requests:
        given = [(name.encode(), value.encode()) for name, value in {**face.bearer(), **headers}.items()]
        answer = await face.client.request(method, address, headers=given, content=body)
        if "json" in answer.headers.get("content-type", "") and answer.content:
            json.loads(answer.text, parse_constant=refuse)
        if answer.status_code >= 500 or "INTERNAL" in answer.text:
            found.append(((method, address, headers, body), answer.text[:500]))
    return found


@sqlite_alone
@pytest.mark.parametrize("which", REQUESTS)
async def test_b1_no_header_is_our_fault(place: Place, which: str) -> None:
    method, address, headers, body = REQUESTS[which]
    odd = st.tuples(st.sampled_from(HEADERS), VALUE).map(
        lambda pair: (method, address, {**headers, pair[0]: pair[1]}, body)
    )
    each = [(method, address, {**headers, name: value}, body) for name, value in FOUND.items()]
    more = ((method, address, {**headers, name: value}, body) for name in HEADERS for value in VALUES)

    assert await find_faults(place.face, [*each, *draw_some(odd, 8, 500), *islice(more, examples(0, 5000))]) == []


@sqlite_alone
@pytest.mark.parametrize("which", REQUESTS)
async def test_b1_no_parameter_of_an_address_is_our_fault(place: Place, which: str) -> None:
    method, address, headers, body = REQUESTS[which]
    pairs = st.lists(st.tuples(st.sampled_from(PARAMETERS), TEXT), min_size=1, max_size=3)
    bare = address.partition("?")[0]
    odd = pairs.map(lambda query: (method, f"{bare}?{urlencode(query)}", headers, body))
    raw = st.binary(max_size=20).map(lambda tail: (method, f"{bare}?x={quote(tail)}", headers, body))

    assert await find_faults(place.face, draw_some(odd | raw, 8, 1000)) == []


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A file with parts of it cut out, doubled or replaced."""
    content = draw(st.sampled_from(FILES))
    for _ in range(draw(st.integers(1, 4))):
        start, length = draw(st.integers(0, len(content))), draw(st.integers(0, 12))
        content = content[:start] + draw(st.sampled_from(SPLICES) | st.binary(max_size=8)) + content[start + length :]
    return draw(st.sampled_from([content, content * 2, gzip.compress(content)]))


@sqlite_alone
@pytest.mark.parametrize(
    "request_line", ["POST /imports/inspect", "POST /imports/purchases", "PUT /segments/vip/members?skip_unknown=true"]
)
async def test_b1_no_file_is_our_fault(place: Place, request_line: str) -> None:
    shop = await place.face.services.businesses.open("shop")
    await place.face.services.segments.create(shop, Draft("VIP", SegmentKind.MANUAL), Actor("test"))
    method, address = request_line.split()
    files = st.tuples(st.sampled_from(MEDIA), damaged())
    odd = files.map(lambda one: (method, address, {"Content-Type": one[0]}, one[1]))

    assert await find_faults(place.face, draw_some(odd, 25, 1500)) == []
    await place.import_waiting()
    read = await place.face.data("{ imports(first: 250) { nodes { error { code } } } }")
    assert "INTERNAL" not in str(read)
