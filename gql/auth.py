"""Bearer tokens, and the random secrets that the data folder holds. The configuration decides the algorithm of a token,
never the token; whatever is wrong with one, the answer is the same and says no reason."""

import asyncio
import ipaddress
import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt

from domain.errors import DomainError, InvalidInput, Unavailable
from domain.model import Viewer, is_token_name
from gql.settings import Settings

MINIMUM_SECRET_BYTES = 32
MAXIMUM_TOKEN = 8192
LEEWAY = 60
WEAK = ("changeme", "secret", "password", "default")
INVALID = "Invalid token."
KNOWN_HEADERS = frozenset({"alg", "typ", "kid"})
MOST_CHECKED = 10_000
"""Tokens whose signatures are remembered."""
KEYS_SECONDS = 300.0
RETRY_SECONDS = 10.0


class Unauthenticated(DomainError):
    """There is no token, or none that holds."""

    code = "UNAUTHENTICATED"


def read_bearer_token(headers: Mapping[str, str]) -> str:
    """The token of the header `authorization`; Unauthenticated where there is none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("Authentication credentials were not provided.")
    return token.strip()


class IssuerKeys:
    """The public keys of the issuer. An unknown key id makes us ask again, but no stranger can make us ask often."""

    def __init__(self, url: str) -> None:
        self._client = jwt.PyJWKClient(url, timeout=5)
        self._asking = asyncio.Lock()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._asked = float("-inf")

    async def find_key(self, identity: object) -> jwt.PyJWK:
        """The key of that id; KeyError where the issuer has none."""
        async with self._asking:
            age = time.monotonic() - self._asked
            if age > KEYS_SECONDS or (identity not in self._keys and age > RETRY_SECONDS):
                self._asked = time.monotonic()
                published = await asyncio.to_thread(self._client.get_jwk_set, refresh=True)
                self._keys = {key.key_id: key for key in published.keys if key.key_id and key.key_type in ("RSA", "EC")}
        return self._keys[str(identity)]


IsRevoked = Callable[[Viewer], Awaitable[bool]]
"""Whether the token was revoked; Unavailable where that cannot be known."""


class Authenticator:
    """Turns a token into a viewer, and says of one whether its token still holds."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime], is_revoked: IsRevoked) -> None:
        self.settings = settings
        self.clock = clock
        self.is_revoked = is_revoked
        self.secrets = dict(settings.jwt_secrets)
        self.keys = IssuerKeys(settings.jwks_url) if settings.jwks_url else None
        self._checked: OrderedDict[bytes, tuple[Viewer, object, Any]] = OrderedDict()
        """Whose tokens had a signature that holds, by their digests, with the id of the key and the key."""

    async def authenticate(self, token: str) -> Viewer:
        """The viewer; Unauthenticated for everything that does not hold, Unavailable where it cannot be known."""
        try:
            if len(token) > MAXIMUM_TOKEN:
                raise ValueError
            viewer = await self._recognise(token)
        except (jwt.PyJWTError, ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise Unauthenticated(INVALID) from error
        await self.confirm(viewer)
        return viewer

    async def confirm(self, viewer: Viewer) -> None:
        """Unauthenticated where the viewer's token has expired or was revoked, Unavailable where that cannot be
        known."""
        if viewer.expires_at <= self.clock() or await self.is_revoked(viewer):
            raise Unauthenticated(INVALID)

    async def _recognise(self, token: str) -> Viewer:
        """Whose token it is. Its signature is checked once with each key: an issuer may have withdrawn one."""
        digest = sha256(token.encode()).digest()
        checked = self._checked.get(digest)
        if checked is not None and await self._find_key(checked[1]) is checked[2]:
            self._checked.move_to_end(digest)
            return checked[0]
        header = jwt.get_unverified_header(token)
        if not set(header) <= KNOWN_HEADERS:
            raise ValueError
        key = await self._find_key(header.get("kid"))
        if not key:
            raise ValueError
        viewer = self._build_viewer(self._decode_claims(token, key))
        self._checked[digest] = viewer, header.get("kid"), key
        if len(self._checked) > MOST_CHECKED:
            self._checked.popitem(last=False)
        return viewer

    async def _find_key(self, key_id: Any) -> Any:
        """The key of that id, KeyError where there is none."""
        return self._find_secret(key_id) if self.keys is None else await self.keys.find_key(key_id)

    def _decode_claims(self, token: str, key: Any) -> dict[str, Any]:
        algorithms = ["HS256"] if self.keys is None else ["RS256", "ES256"]
        # Times are compared with our own clock below.
        checks = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False}
        claims: dict[str, Any] = jwt.decode(token, key, algorithms=algorithms, options=checks)  # type: ignore[arg-type]
        return claims

    def _find_secret(self, key_id: str | None) -> str:
        """The secret of that id, KeyError where there is none; of a token without an id, and where no secret has one,
        the secret that has none."""
        return self.secrets[key_id] if self.secrets and key_id is not None else self.settings.jwt_secret

    def _build_viewer(self, claims: dict[str, Any]) -> Viewer:
        now = self.clock().timestamp()
        expires, issued, begins = claims["exp"], claims["iat"], claims.get("nbf", claims["iat"])
        if any(type(value) is not int for value in (expires, issued, begins)):
            raise ValueError
        if not now < expires or issued > now + LEEWAY or begins > now + LEEWAY:
            raise ValueError
        if not 0 < expires - issued <= self.settings.token_lifetime_hours * 3600:
            raise ValueError
        subject, business, permissions = claims["sub"], claims["business"], claims["permissions"]
        token_id = claims.get("jti")
        if not all(map(is_token_name, (subject, business, "-" if token_id is None else token_id))):
            raise ValueError
        if not isinstance(permissions, list) or not all(isinstance(one, str) for one in permissions):
            raise ValueError
        began, ends = (datetime.fromtimestamp(seconds, UTC) for seconds in (issued, expires))
        return Viewer(subject, business, frozenset(permissions), began, ends, token_id)


def issue_token(
    secret: str,
    *,
    subject: str,
    business: str,
    permissions: Iterable[str],
    lifetime: timedelta,
    now: datetime,
    token_id: str | None = None,
    key_id: str | None = None,
) -> str:
    """A token by which it is known who asks; `token_id` is a random one where it is absent, `key_id` that of the
    secret, if it has one."""
    issued = int(now.timestamp())
    claims = {
        "sub": subject,
        "business": business,
        "permissions": list(permissions),
        "iat": issued,
        "exp": issued + int(lifetime.total_seconds()),
        "jti": token_id or make_token_id(),
    }
    return jwt.encode(claims, secret, algorithm="HS256", headers=None if key_id is None else {"kid": key_id})


def make_token_id() -> str:
    """A random id, by which a token can be revoked."""
    return secrets.token_hex(8)


def find_signing_secret(settings: Settings) -> tuple[str | None, str]:
    """The key id and the secret that new tokens are signed with; the secret is empty where there is none."""
    return settings.jwt_secrets[0] if settings.jwt_secrets else (None, settings.jwt_secret)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def require_secret(settings: Settings, *, demo: bool) -> Settings:
    """Settings with which tokens can be checked; InvalidInput names the setting that is missing, never a value."""
    for place, (_, secret) in enumerate(settings.jwt_secrets, 1):
        # By its place: where somebody forgot the id, what stands there may be the secret.
        check_secret(f"SEGMENTS_JWT_SECRETS: secret {place}", secret)
    if settings.jwt_secret:
        check_secret("SEGMENTS_JWT_SECRET", settings.jwt_secret)
    if settings.jwt_secrets or settings.jwt_secret:
        return settings
    if settings.jwks_url:
        parts = urlsplit(settings.jwks_url)
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
            raise InvalidInput("SEGMENTS_JWKS_URL must begin with https://, or name this machine.")
        return settings
    if not demo:
        raise InvalidInput("SEGMENTS_JWT_SECRET must be set, to at least 32 random bytes, or SEGMENTS_JWKS_URL.")
    if not is_loopback(settings.host):
        raise InvalidInput("SEGMENTS_JWT_SECRET must be set: demo mode makes its own only on a loopback address.")
    return replace(settings, jwt_secret=ensure_shared_secret(settings.data / "secret"))


def check_secret(name: str, secret: str) -> None:
    """InvalidInput, which never shows it, where the secret can be guessed."""
    if len(secret.encode()) < MINIMUM_SECRET_BYTES:
        raise InvalidInput(f"{name} must have at least {MINIMUM_SECRET_BYTES} bytes.")
    if len(set(secret.lower())) < 8 or any(word in secret.lower() for word in WEAK):
        raise InvalidInput(f"{name} must be random: this one is easily guessed.")


def read_stored_secret(settings: Settings) -> str | None:
    """The secret that demo mode made, if it did."""
    try:
        return (settings.data / "secret").read_text().strip() or None
    except OSError:
        return None


def ensure_shared_secret(path: Path) -> str:
    """The random secret in a file, made by whoever comes first; OSError where it cannot be written, Unavailable where
    what stands there is too short to be one."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        own = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
        try:
            descriptor = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            # Of the file that is meant, not of the one that is written first.
            raise OSError(error.errno, error.strerror, str(path)) from error
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
        # Whole or not at all, and only once: the second worker takes the first one's.
        with suppress(FileExistsError):
            path.hardlink_to(own)
        own.unlink()
    secret = path.read_text().strip()
    if len(secret.encode()) < MINIMUM_SECRET_BYTES:
        raise Unavailable(f"The file {path.name} in the data folder is too short. Remove it to have it made anew.")
    return secret
