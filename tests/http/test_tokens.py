"""Tokens as an attacker makes them: lines T1 and T3 of the reliability requirements, with a shared secret."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.errors import InvalidInput
from gql.app import create_app
from gql.auth import require_secret
from gql.settings import Settings
from tests.conftest import NOW
from tests.drivers.face import SECRET, Face, Opening

pytestmark = pytest.mark.anyio
VIEWER = "{ viewer { subject } }"
ISSUED = int(NOW.timestamp())
CLAIMS = {"sub": "tester", "business": "shop", "permissions": ["customers:view"], "iat": ISSUED, "exp": ISSUED + 3600}


def encoded(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def signed(claims: object = CLAIMS, header: object = None, secret: str = SECRET, digest: Any = hashlib.sha256) -> str:
    """A token signed by hand, so that it can hold what no library would write."""
    head = {"alg": "HS256", "typ": "JWT"} if header is None else header
    body = f"{encoded(head)}.{encoded(claims)}"
    return f"{body}.{encoded(hmac.new(secret.encode(), body.encode(), digest).digest())}"


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in CLAIMS.items() if key != name}


def unsigned(algorithm: str) -> str:
    return f"{encoded({'alg': algorithm, 'typ': 'JWT'})}.{encoded(CLAIMS)}."


def tampered() -> str:
    head, _, signature = signed().split(".")
    return f"{head}.{encoded({**CLAIMS, 'permissions': ['customers:edit']})}.{signature}"


ATTACKS: dict[str, str] = {
    "none": unsigned("none"),
    "None": unsigned("None"),
    "nOnE": unsigned("nOnE"),
    "none with a signature": signed(header={"alg": "none"}),
    "another algorithm of the family": signed(header={"alg": "HS512"}, digest=hashlib.sha512),
    "no algorithm": signed(header={"typ": "JWT"}),
    "an algorithm that is a list": signed(header={"alg": ["HS256"]}),
    "a wrong key": signed(secret="another-secret-of-more-than-32-bytes"),
    "an empty key": signed(secret=""),
    "a default key": signed(secret="secret"),
    "expired": signed({**CLAIMS, "iat": ISSUED - 7200, "exp": ISSUED - 1}),
    "expires now": signed({**CLAIMS, "iat": ISSUED - 3600, "exp": ISSUED}),
    "not yet valid": signed({**CLAIMS, "nbf": ISSUED + 600}),
    "issued in the future": signed({**CLAIMS, "iat": ISSUED + 600, "exp": ISSUED + 1200}),
    "ten years": signed({**CLAIMS, "exp": ISSUED + 10 * 365 * 86400}),
    "a day and a second": signed({**CLAIMS, "exp": ISSUED + 86401}),
    "expires before it is issued": signed({**CLAIMS, "iat": ISSUED + 50, "exp": ISSUED + 10}),
    **{f"no {name}": signed(without(name)) for name in CLAIMS},
    **{
        f"exp {value!r}": signed({**CLAIMS, "exp": value})
        for value in (None, "x", str(ISSUED + 60), ISSUED + 60.5, True, [], {}, -1, 0, 10**400)
    },
    "exp beyond floats": signed(json.dumps(CLAIMS).replace(str(ISSUED + 3600), "1e999").encode()),
    "iat text": signed({**CLAIMS, "iat": str(ISSUED)}),
    "sub number": signed({**CLAIMS, "sub": 1}),
    "sub empty": signed({**CLAIMS, "sub": ""}),
    "sub with a line break": signed({**CLAIMS, "sub": "a\nlevel=ERROR"}),
    "sub of half a character": signed({**CLAIMS, "sub": "\ud800"}),
    **{f"jti {value!r}": signed({**CLAIMS, "jti": value}) for value in (1, "", "a\nb", "x" * 201, [])},
    "sub very long": signed({**CLAIMS, "sub": "x" * 201}),
    "business list": signed({**CLAIMS, "business": ["shop"]}),
    "business with NUL": signed({**CLAIMS, "business": "shop\0"}),
    "permissions text": signed({**CLAIMS, "permissions": "customers:view"}),
    "permissions of numbers": signed({**CLAIMS, "permissions": [1]}),
    "claims a list": signed([]),
    "claims not JSON": signed(b"{"),
    "claims deep": signed(b"[" * 3000),
    "critical header": signed(header={"alg": "HS256", "crit": ["exp"]}),
    "key address": signed(header={"alg": "HS256", "jku": "http://127.0.0.1:1/keys"}),
    "own key": signed(header={"alg": "HS256", "jwk": {"kty": "oct", "k": encoded(SECRET.encode())}}),
    "certificate": signed(header={"alg": "HS256", "x5u": "http://127.0.0.1:1/cert"}),
    "key id not text": signed(header={"alg": "HS256", "kid": 5}),
    "payload not encoded": signed(header={"alg": "HS256", "b64": False}),
    "tampered": tampered(),
    "no signature": signed().rpartition(".")[0] + ".",
    "two parts": signed().rpartition(".")[0],
    "four parts": signed() + ".x",
    "not base64": "!.!.!",
    "64 kB": signed({**CLAIMS, "extra": "x" * 64_000}),
    "dots": "..",
}


@pytest.mark.read_only
@pytest.mark.parametrize("attack", ATTACKS)
async def test_t1_every_bad_token_has_the_same_answer_without_a_reason(face: Face, attack: str) -> None:
    answer = await face.post(VIEWER, token=ATTACKS[attack])

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    error = {"message": "Invalid token.", "extensions": {"code": "UNAUTHENTICATED"}}
    assert answer.json() == {"errors": [error]}


@pytest.mark.read_only
async def test_t1_the_good_token_of_the_same_maker_is_taken(face: Face) -> None:
    hour = await face.post(VIEWER, token=signed())
    day = await face.post(VIEWER, token=signed({**CLAIMS, "exp": ISSUED + 86400}))
    named = await face.post(VIEWER, token=signed(header={"alg": "HS256", "kid": "../../dev/null"}))

    assert [one.status_code for one in (hour, day, named)] == [200, 200, 200]


async def test_t1_the_token_ends_at_its_instant(face: Face) -> None:
    token = face.token(hours=1)

    face.clock.now = NOW + timedelta(seconds=3599)
    before = await face.post(VIEWER, token=token)
    face.clock.now = NOW + timedelta(seconds=3600)
    after = await face.post(VIEWER, token=token)

    assert (before.status_code, after.status_code) == (200, 401)


@pytest.mark.read_only
async def test_a_token_is_told_its_own_id_permissions_and_end(face: Face) -> None:
    asked = "{ viewer { subject tokenId permissions expiresAt } }"

    named = await face.data(asked, token=face.token("customers:view", token_id="one"))
    nameless = await face.data(asked, token=signed())

    assert named["viewer"] == {
        "subject": "tester",
        "tokenId": "one",
        "permissions": ["customers:view"],
        "expiresAt": "2024-06-15T13:00:00Z",
    }
    assert nameless["viewer"]["tokenId"] is None


@pytest.mark.read_only
@pytest.mark.parametrize(
    ("headers", "path"),
    [
        ({"Cookie": "Authorization=Bearer {}; token={}; access_token={}"}, "/graphql"),
        ({}, "/graphql?access_token={}&token={}&Authorization=Bearer%20{}"),
        ({"X-Authorization": "Bearer {}"}, "/graphql"),
        ({"Authorization": "Basic {}"}, "/graphql"),
        ({"Authorization": "{}"}, "/graphql"),
        ({"Authorization": "Bearer"}, "/graphql"),
        ({"Authorization": "Token {}"}, "/graphql"),
    ],
)
async def test_t1_a_token_counts_in_its_header_only(face: Face, headers: dict[str, str], path: str) -> None:
    token = face.token()
    given = {name: value.replace("{}", token) for name, value in headers.items()}

    answer = await face.client.post(path.replace("{}", token), json={"query": VIEWER}, headers=given)

    error = {"message": "Authentication credentials were not provided.", "extensions": {"code": "UNAUTHENTICATED"}}
    assert answer.status_code == 401
    assert answer.json() == {"errors": [error]}
    assert token not in answer.text


async def test_t1_the_lifetime_is_a_setting(opening: Opening) -> None:
    async with opening(Settings(jwt_secret=SECRET, token_lifetime_hours=1)) as face:
        hour = await face.post(VIEWER, token=face.token(hours=1))
        longer = await face.post(VIEWER, token=signed({**CLAIMS, "exp": ISSUED + 3601}))

    assert (hour.status_code, longer.status_code) == (200, 401)


NEWEST, OLDER = "n3west-Qm5xWv9Yt3Ls7Nd1Bf6Hg4Jc-zr", "0lder-Zr2p0Qm5xWv9Yt3Ls7Nd1Bf6Hg4J"
SEVERAL = Settings(jwt_secret=SECRET, jwt_secrets=(("2026b", NEWEST), ("2026a", OLDER)))


def named(key_id: str, secret: str) -> str:
    return signed(header={"alg": "HS256", "kid": key_id}, secret=secret)


async def test_t1_of_several_secrets_the_id_says_which_one_a_token_is_checked_with(opening: Opening) -> None:
    good = (named("2026b", NEWEST), named("2026a", OLDER), signed())
    bad = (
        *(named("2026b", OLDER), named("2026a", NEWEST), named("2026b", SECRET), named("2025", NEWEST)),
        *(named("", SECRET), named("../../dev/null", SECRET), signed(secret=NEWEST), signed(secret=OLDER)),
    )
    async with opening(SEVERAL) as face:
        taken = [(await face.post(VIEWER, token=token)).status_code for token in good]
        refused = [(await face.post(VIEWER, token=token)).status_code for token in bad]

    assert taken == [200] * len(good)
    assert refused == [401] * len(bad)


async def test_t1_once_every_secret_has_an_id_a_token_must_name_one(opening: Opening) -> None:
    async with opening(Settings(jwt_secrets=SEVERAL.jwt_secrets)) as face:
        found = [(await face.post(VIEWER, token=token)).status_code for token in (named("2026a", OLDER), signed())]

    assert found == [200, 401]


async def test_t1_a_token_and_a_link_outlive_the_rotation_of_the_secret(opening: Opening) -> None:
    link = "mutation { exportSegmentationReport(format: CSV) { url } }"
    rotation = [(("a", OLDER),), (("a", OLDER), ("b", NEWEST)), (("b", NEWEST), ("a", OLDER)), (("b", NEWEST),)]
    found = []
    async with opening(Settings(jwt_secrets=rotation[0])) as face:
        token, url = named("a", OLDER), ""
        for step in rotation:
            settings = Settings(jwt_secrets=step)
            app = create_app(settings, face.clock, database=face.database)
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
                if not url:
                    asked = await client.post("/graphql", json={"query": link}, headers=face.bearer(token))
                    url = asked.json()["data"]["exportSegmentationReport"]["url"]
                answer = await client.post("/graphql", json={"query": VIEWER}, headers=face.bearer(token))
                found.append((answer.status_code, (await client.get(url)).status_code))

    assert found == [(200, 200), (200, 200), (200, 200), (401, 401)]


@pytest.mark.parametrize(
    ("settings", "demo", "names"),
    [
        (Settings(jwt_secrets=(("a", "x" * 40),)), False, "SEGMENTS_JWT_SECRETS: secret 1 "),
        (Settings(jwt_secrets=(("a", NEWEST), ("b", "short"))), False, "SEGMENTS_JWT_SECRETS: secret 2 "),
        (Settings(jwt_secret="short", jwt_secrets=(("a", NEWEST),)), True, "SEGMENTS_JWT_SECRET must"),
        (Settings(), False, "SEGMENTS_JWT_SECRET"),
        (Settings(jwt_secret="0123456789abcdef0123456789abcde"), False, "SEGMENTS_JWT_SECRET"),
        (Settings(jwt_secret="changeme-changeme-changeme-changeme"), False, "SEGMENTS_JWT_SECRET"),
        (Settings(jwt_secret="x" * 40), False, "SEGMENTS_JWT_SECRET"),
        (Settings(jwt_secret="my-Secret-key-which-is-long-enough-0"), False, "SEGMENTS_JWT_SECRET"),
        (Settings(host="0.0.0.0"), True, "SEGMENTS_JWT_SECRET"),
        (Settings(host="::"), True, "SEGMENTS_JWT_SECRET"),
        (Settings(jwks_url="http://issuer.example/keys"), False, "SEGMENTS_JWKS_URL"),
        (Settings(jwks_url="file:///etc/passwd"), False, "SEGMENTS_JWKS_URL"),
    ],
)
def test_t3_a_start_without_a_good_secret_is_refused_and_names_the_setting(
    settings: Settings, demo: bool, names: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        require_secret(settings, demo=demo)

    assert names in refused.value.message
    for value in (settings.jwt_secret, settings.jwks_url, *dict(settings.jwt_secrets).values()):
        assert not value or value not in refused.value.message
    assert not settings.jwt_secret or settings.jwt_secret not in repr(settings)


def test_t3_a_random_secret_and_an_issuer_over_tls_are_enough() -> None:
    secret = Settings(jwt_secret=SECRET)
    issuer = Settings(jwks_url="https://issuer.example/keys")
    several = Settings(jwt_secrets=(("b", NEWEST), ("a", OLDER)))

    assert require_secret(secret, demo=False) == secret
    assert require_secret(issuer, demo=False) == issuer
    assert require_secret(several, demo=False) == require_secret(several, demo=True) == several
    assert NEWEST not in repr(several)


def test_t3_the_secret_that_demo_mode_makes_is_random_lasting_and_only_ours(tmp_path: Path) -> None:
    one, other = Settings(data=tmp_path / "one"), Settings(data=tmp_path / "other")

    first, again, elsewhere = (require_secret(settings, demo=True).jwt_secret for settings in (one, one, other))

    assert first == again != elsewhere
    assert len(first.encode()) >= 32
    assert (tmp_path / "one" / "secret").stat().st_mode & 0o777 == 0o600
