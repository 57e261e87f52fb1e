"""Tokens of an issuer, checked with the public keys at its address: the part of line T1 about algorithms and keys. The
issuer is a real server on a loopback port."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gql.settings import Settings
from tests.drivers.face import SECRET, Face, Opening
from tests.drivers.server import QuietHandler, listening
from tests.http.test_tokens import CLAIMS, VIEWER, encoded, signed

pytestmark = pytest.mark.anyio


@dataclass
class Issuer:
    """An issuer with one RSA and one EC key, whose address counts how often it is asked."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    broken: bool = False
    rsa_key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    ec_key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def keys(self) -> dict[str, Any]:
        made = [
            {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.rsa_key.public_key())), "kid": "r", "alg": "RS256"},
            {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.ec_key.public_key())), "kid": "e", "alg": "ES256"},
            {"kty": "oct", "k": encoded(SECRET.encode()), "kid": "o", "alg": "HS256"},
        ]
        return {"keys": made}

    def token(self, algorithm: str, key: Any, kid: str | None) -> str:
        return jwt.encode(CLAIMS, key, algorithm, headers={} if kid is None else {"kid": kid})


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            made.asked.append(self.path)
            self.send_response(500 if made.broken else 200)
            self.end_headers()
            self.wfile.write(json.dumps(made.keys()).encode())

    with listening(Handler) as address:
        made.url = f"{address}/keys"
        yield made


async def test_t1_tokens_of_an_issuer_are_checked_with_its_public_keys(opening: Opening, issuer: Issuer) -> None:
    async with opening(Settings(jwks_url=issuer.url)) as face:
        good = [issuer.token("RS256", issuer.rsa_key, "r"), issuer.token("ES256", issuer.ec_key, "e")]
        statuses = [(await face.post(VIEWER, token=token)).status_code for token in good]

    assert statuses == [200, 200]
    assert len(issuer.asked) == 1


async def test_t1_no_algorithm_is_confused_with_another(opening: Opening, issuer: Issuer) -> None:
    public = issuer.rsa_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    other = rsa.generate_private_key(65537, 2048)
    attacks = {
        "the public key as a shared secret": signed(header={"alg": "HS256", "kid": "r"}, secret=public.decode()),
        "a shared secret that the issuer lists": signed(header={"alg": "HS256", "kid": "o"}),
        "a shared secret under the RSA key": signed(header={"alg": "HS256", "kid": "r"}),
        "another RSA key": issuer.token("RS256", other, "r"),
        "the EC key under the RSA key's name": issuer.token("ES256", issuer.ec_key, "r"),
        "the RSA key under the EC key's name": issuer.token("RS256", issuer.rsa_key, "e"),
        "another hash": issuer.token("RS512", issuer.rsa_key, "r"),
        "another padding": issuer.token("PS256", issuer.rsa_key, "r"),
        "no key id": issuer.token("RS256", issuer.rsa_key, None),
        "none": f"{encoded({'alg': 'none', 'kid': 'r'})}.{encoded(CLAIMS)}.",
    }

    async with opening(Settings(jwks_url=issuer.url, jwt_secret=SECRET)) as face:
        statuses = {name: (await face.post(VIEWER, token=token)).status_code for name, token in attacks.items()}

    assert set(statuses.values()) == {401}, statuses


async def test_t1_a_key_of_the_issuer_is_no_secret_of_ours(face: Face, issuer: Issuer) -> None:
    private = issuer.rsa_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    answer = await face.post(VIEWER, token=jwt.encode(CLAIMS, private, "RS256", headers={"kid": "r"}))

    assert answer.status_code == 401


async def test_t1_strangers_cannot_make_us_ask_the_issuer_again_and_again(opening: Opening, issuer: Issuer) -> None:
    async with opening(Settings(jwks_url=issuer.url)) as face:
        for number in range(20):
            await face.post(VIEWER, token=issuer.token("RS256", issuer.rsa_key, f"unknown-{number}"))

    assert len(issuer.asked) == 1


async def test_t1_while_the_issuer_is_out_of_reach_nobody_comes_in(opening: Opening, issuer: Issuer) -> None:
    issuer.broken = True
    async with opening(Settings(jwks_url=issuer.url)) as face:
        answer = await face.post(VIEWER, token=issuer.token("RS256", issuer.rsa_key, "r"))

    assert answer.status_code == 401
