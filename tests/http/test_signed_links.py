"""Signed links: they open one file for one business until they expire, and are worth nothing as anything else."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import jwt
import pytest
from starlette.requests import HTTPConnection

from domain.errors import Unavailable
from domain.model import Viewer
from gql.auth import ensure_shared_secret
from gql.http.middleware import find_origin
from gql.http.strangers import Stranger, Strangers
from gql.settings import Settings
from gql.signed_links import ExportLinks
from tests.conftest import SetClock, content
from tests.drivers.face import SECRET, Face, Opening
from tests.drivers.sockets import fetch_answer, live
from tests.shops.segmented_shop import fill

pytestmark = pytest.mark.anyio
REPORT = "mutation { exportSegmentationReport(%s) { url path expiresAt userErrors { field message code } } }"
MEMBERS = "mutation { exportSegmentMembers(%s) { url path expiresAt userErrors { field message code } } }"
DETAIL = {"detail": "This link does not hold or has expired."}


async def link(face: Face, asked: str = "format: CSV, days: 30", token: str | None = None) -> str:
    made = (await face.data(REPORT % asked, token=token))["exportSegmentationReport"]
    assert made["userErrors"] == []
    return str(made["url"])


async def parted(face: Face) -> tuple[str, str, dict[str, str]]:
    """The same with its path and what follows."""
    url = await link(face)
    return url, urlsplit(url).path, dict(parse_qsl(urlsplit(url).query))


async def test_a_link_opens_the_report_that_was_asked_for(both: Face) -> None:
    ids = await fill(both)
    asked = 'format: JSON, method: VALUE, days: 120, segmentCode: "HIGH"'

    url = await link(both, asked)
    answer = await both.client.get(url)
    path = "/exports/segmentation.json?method=value&days=120&segment_code=HIGH"
    plain = await both.client.get(path, headers=both.bearer())

    assert answer.status_code == 200
    assert answer.json() == plain.json()
    assert [group["segment_code"] for group in answer.json()["data"]["segments"]] == ["HIGH"]
    for form in ("CSV", "XLSX", "PDF"):
        assert (await both.client.get(await link(both, f"format: {form}"))).status_code == 200
    for form in ("CSV", "XLSX", "JSON"):
        made = (await both.data(MEMBERS % f'segmentId: "{ids["vip"]}", format: {form}'))["exportSegmentMembers"]
        assert (await both.client.get(made["url"])).status_code == 200
        assert made["url"] == f"http://127.0.0.1/{made['path']}"
        assert made["expiresAt"] == "2024-06-15T12:15:00Z"


async def test_a_link_says_the_day_so_that_it_shows_the_same_tomorrow(face: Face) -> None:
    assert "as_of=2024-06-15" in await link(face)


async def test_a_link_expires_and_never_outlives_the_token(face: Face) -> None:
    token = face.token("customers:view", hours=0.1)
    usual, short = await link(face), await link(face, token=token)

    face.clock.now += timedelta(minutes=6) - timedelta(seconds=1)
    before = await face.client.get(short)
    face.clock.now += timedelta(seconds=1)
    after = await face.client.get(short)
    still = await face.client.get(usual)
    face.clock.now += timedelta(minutes=9)
    gone = await face.client.get(usual)

    assert [before.status_code, after.status_code, still.status_code, gone.status_code] == [200, 401, 200, 401]
    assert gone.json() == DETAIL
    assert gone.headers["www-authenticate"] == "Bearer"


async def test_a_link_holds_for_nothing_else(face: Face) -> None:
    ids = await fill(face)
    url, path, query = await parted(face)
    members = f"/exports/segments/{ids['vip']}/members.csv"
    changed = [
        (path, {**query, "days": "31"}),
        (path, {**query, "storefront": "main"}),
        (path, {**query, "business": "other"}),
        (path, {**query, "expires": str(int(query["expires"]) + 60)}),
        (path, {**query, "signature": query["signature"][:-1] + ("0" if query["signature"][-1] != "0" else "1")}),
        (path, {**query, "signature": ""}),
        (path, {**query, "signature": "é"}),
        (path, {name: value for name, value in query.items() if name != "expires"}),
        (path.replace("csv", "json"), query),
        (members, query),
        (members, {name: query[name] for name in ("business", "expires", "signature")}),
    ]

    answers = [await face.client.get(f"{where}?{urlencode(what)}") for where, what in changed]
    doubled = await face.client.get(f"{url}&signature={query['signature']}")
    as_token = await face.client.get(path, headers=face.bearer(query["signature"]))
    posted = await face.client.post("/graphql?" + urlencode(query), json={"query": "{ viewer { subject } }"})

    assert [(answer.status_code, answer.json()) for answer in answers] == [(401, DETAIL)] * len(changed)
    assert [doubled.status_code, as_token.status_code, posted.status_code] == [401, 401, 401]
    assert (await face.client.get(f"{path}?{urlencode(sorted(query.items()))}")).status_code == 200


@pytest.mark.read_only
async def test_a_token_of_ours_is_no_signature(face: Face) -> None:
    _, path, query = await parted(face)

    forged = jwt.encode({"exp": 2**31}, SECRET, algorithm="HS256").rpartition(".")[2]
    answer = await face.client.get(f"{path}?{urlencode({**query, 'signature': forged})}")

    assert answer.status_code == 401


@pytest.mark.read_only
@pytest.mark.parametrize(
    ("asked", "field", "code"),
    [
        ("format: CSV, days: 0", ["days"], "INVALID"),
        ('format: CSV, segmentName: "Whales"', ["segmentName"], "INVALID"),
        ('format: CSV, storefrontId: "nonsense"', ["storefrontId"], "NOT_FOUND"),
    ],
)
async def test_what_cannot_be_a_file_gets_no_link(face: Face, asked: str, field: list[str], code: str) -> None:
    made = (await face.data(REPORT % asked))["exportSegmentationReport"]

    assert (made["url"], made["expiresAt"]) == (None, None)
    assert [(error["field"], error["code"]) for error in made["userErrors"]] == [(field, code)]


async def test_a_segment_that_was_deleted_gets_no_link_and_its_link_nothing(face: Face) -> None:
    ids = await fill(face)
    asked = f'segmentId: "{ids["vip"]}", format: CSV'
    url = (await face.data(MEMBERS % asked))["exportSegmentMembers"]["url"]

    await face.data(f'mutation {{ deleteSegment(id: "{ids["vip"]}") {{ deletedSegmentId }} }}')
    made = (await face.data(MEMBERS % asked))["exportSegmentMembers"]
    answer = await face.client.get(url)

    assert made["url"] is None
    assert [error["code"] for error in made["userErrors"]] == ["NOT_FOUND"]
    assert answer.status_code == 404


async def test_without_a_secret_of_tokens_the_links_have_one_of_their_own(tmp_path: Path, opening: Opening) -> None:
    settings = Settings(data=tmp_path / "data", jwks_url="https://issuer.example/keys")
    async with opening(settings) as face:
        # Another worker with the same data folder signs.
        viewer = Viewer("s", "shop", frozenset(), face.clock(), face.clock() + timedelta(hours=1))
        url, _ = ExportLinks(settings, face.clock).sign("/exports/segmentation.csv", [("days", "30")], viewer)
        elsewhere = replace(settings, data=tmp_path / "elsewhere")
        other, _ = ExportLinks(elsewhere, face.clock).sign("/exports/segmentation.csv", [("days", "30")], viewer)

        answers = [(await face.client.get(each)).status_code for each in (url, other)]

    assert answers == [200, 401]
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["export-secret"]
    assert (tmp_path / "data" / "export-secret").stat().st_mode & 0o777 == 0o600
    assert len(ensure_shared_secret(tmp_path / "data" / "export-secret")) >= 43


async def test_where_no_secret_can_be_kept_it_is_said(tmp_path: Path, clock: SetClock) -> None:
    (tmp_path / "file").write_text("no folder")
    links = ExportLinks(Settings(data=tmp_path / "file", jwks_url="https://issuer.example/keys"), clock)

    with pytest.raises(Unavailable, match="SEGMENTS_JWT_SECRET"):
        links.check("/exports/segmentation.csv", [("signature", "x")])


async def test_a_secret_that_is_too_short_is_never_used(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("short\n")

    with pytest.raises(Unavailable, match="The file secret in the data folder is too short"):
        ensure_shared_secret(tmp_path / "secret")


async def test_a_link_holds_the_columns_that_were_asked_for(both: Face) -> None:
    ids = await fill(both)
    await both.data(
        'mutation { upsertCustomers(input: [{externalId: "C01", attributes: "{\\"tier\\": 1}"}]) { created } }'
    )
    asked = f'segmentId: "{ids["vip"]}", format: CSV, columns: '

    url = (await both.data(MEMBERS % f'{asked}["city", "customer_id", "attributes.tier", "city"]'))[
        "exportSegmentMembers"
    ]["url"]
    chosen, usual = [
        (await both.data(MEMBERS % f"{asked}{columns}"))["exportSegmentMembers"]["url"] for columns in ("[]", "null")
    ]

    assert (await both.client.get(url)).text.splitlines()[:2] == ["city,customer_id,attributes.tier", ",C01,1"]
    assert (await both.client.get(url.replace("city", "email"))).status_code == 401
    assert [urlsplit(one).query.partition("=")[0] for one in (chosen, usual)] == ["business"] * 2


async def test_a_column_that_there_is_not_is_refused_with_those_there_are(both: Face) -> None:
    ids = await fill(both)

    for columns, message in (
        ('["customer_id", "e_mail"]', "columns must be of: customer_id, name, email, "),
        ('["attributes.teir"]', "columns must name attributes that there are: none yet; not 'attributes.teir'"),
    ):
        asked = f'segmentId: "{ids["vip"]}", format: CSV, columns: {columns}'
        made = (await both.data(MEMBERS % asked))["exportSegmentMembers"]
        assert made["url"] is None
        (error,) = made["userErrors"]
        assert (error["field"], error["code"]) == (["columns"], "INVALID")
        assert error["message"].startswith(message)


EXPORT = "mutation { exportSegmentationReport(format: CSV) { url } }"
SETTINGS = Settings(jwt_secret=SECRET)
ODD_HOSTS = (
    "evil.example/x",
    "a b",
    "user@evil.example",
    "evil.example#",
    "evil.example:99999999",
    "\xe9.example",
)


@pytest.mark.parametrize(
    ("headers", "scheme", "forwarded", "origin"),
    [
        ({"Host": "shop.example:8080"}, "http", False, "http://shop.example:8080"),
        ({"Host": "shop.example"}, "wss", False, "https://shop.example"),
        ({"Host": "[2001:db8::1]:8000"}, "ws", False, "http://[2001:db8::1]:8000"),
        *(({"Host": odd}, "http", False, "http://127.0.0.1:8000") for odd in ODD_HOSTS),
        ({}, "http", False, "http://127.0.0.1:8000"),
        ({"Host": "in:1", "X-Forwarded-Host": "out", "X-Forwarded-Proto": "https"}, "http", False, "http://in:1"),
        ({"Host": "in:1", "Forwarded": "host=out;proto=https"}, "http", False, "http://in:1"),
        ({"Host": "in:1", "X-Forwarded-Host": "out", "X-Forwarded-Proto": "https"}, "http", True, "https://out"),
        ({"Host": "in:1", "X-Forwarded-Proto": "https"}, "http", True, "https://in:1"),
        ({"Host": "in:1", "X-Forwarded-Host": "of.client, out"}, "https", True, "https://out"),
        ({"Host": "in:1", "X-Forwarded-Host": "out/evil"}, "http", True, "http://in:1"),
        (
            {"Host": "in:1", "Forwarded": 'for=10.0.0.1;host=of.client, For="[::1]";Proto=HTTPS; host="out:8443"'},
            "http",
            True,
            "https://out:8443",
        ),
    ],
)
def test_where_a_client_reaches_the_server(headers: dict[str, str], scheme: str, forwarded: bool, origin: str) -> None:
    stranger = Stranger(Strangers(), lambda: None, forwarded)
    given = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    scope = {"type": "http", "scheme": scheme, "headers": given, "server": ("127.0.0.1", 8000)}
    connection = HTTPConnection({**scope, "state": {"stranger": stranger}})

    assert find_origin(connection) == origin
    assert find_origin(connection, "https://public.example/prefix") == "https://public.example/prefix"


async def test_a_link_is_a_whole_address_of_the_host_that_was_asked(face: Face) -> None:
    headers = {**face.bearer(), "Host": "shop.example"}

    asked = await face.client.post("/graphql", json={"query": EXPORT}, headers=headers)

    url = asked.json()["data"]["exportSegmentationReport"]["url"]
    assert url.startswith("http://shop.example/exports/segmentation.csv?")
    assert (await link(face)).startswith("http://127.0.0.1/exports/segmentation.csv?")
    assert (await face.client.get(url)).status_code == 200


async def test_a_link_begins_with_the_public_address_where_one_is_set(opening: Opening) -> None:
    async with opening(replace(SETTINGS, public_url="https://shop.example/segments")) as face:
        url = await link(face)

        assert url.startswith("https://shop.example/segments/exports/segmentation.csv?")
        # The proxy takes its prefix off.
        assert (await face.client.get(url.replace("https://shop.example/segments", ""))).status_code == 200


async def test_a_kept_answer_tells_nobody_where_another_request_reached_the_server(both: Face) -> None:
    async def ask(host: str) -> httpx.Response:
        headers = {**both.bearer(), "Host": host, "Idempotency-Key": "one"}
        return await both.client.post("/graphql", json={"query": EXPORT}, headers=headers)

    first, again, elsewhere = await ask("one.example"), await ask("one.example"), await ask("two.example")

    assert [one.headers.get("Idempotency-Replayed") for one in (first, again, elsewhere)] == [None, "true", "true"]
    assert again.content == first.content
    assert "http://one.example/exports/" in first.text
    assert elsewhere.text == first.text.replace("http://one.example/", "http://two.example/")
    assert "one.example" not in str(content(both.database))


@pytest.mark.parametrize(("proxies", "origin"), [((), "http://HOST"), (("127.0.0.1",), "https://shop.example")])
async def test_a_link_over_a_socket_is_a_whole_address(opening: Opening, proxies: tuple[str, ...], origin: str) -> None:
    forwarded = {"Forwarded": "host=shop.example;proto=https"}
    async with opening(replace(SETTINGS, trusted_proxies=proxies)) as face, live(face.app) as server:
        async with server.initiate(face.token(), additional_headers=forwarded) as client:
            answer = await fetch_answer(client, "1", EXPORT)

        url = answer["data"]["exportSegmentationReport"]["url"]
        assert url.startswith(f"{origin.replace('HOST', server.host)}/exports/segmentation.csv?")


async def test_a_link_to_a_table_for_other_programs(face: Face) -> None:
    await fill(face)

    made = (await face.data(REPORT % "format: CSV, layout: TABLE"))["exportSegmentationReport"]
    refused = (await face.data(REPORT % "format: PDF, layout: TABLE"))["exportSegmentationReport"]

    answer = await face.client.get(made["url"])
    assert answer.text.startswith("first_day,last_day,method,")
    assert refused["userErrors"][0]["message"] == "layout table is for csv, not pdf"
    assert refused["userErrors"][0]["field"] == ["layout"]
