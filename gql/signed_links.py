"""Links to files: a path with its query, an expiry and a signature over all of it. A link opens the one file it was
made for, for one business, until it expires; as anything else its signature is worth nothing."""

import hmac
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlencode

from domain.calendar import Clock
from domain.errors import Unavailable
from domain.model import Permission, Viewer
from gql.auth import MAXIMUM_NAME, Unauthenticated
from gql.parameters import BUSINESS, EXPIRES, LINK_PARAMETERS, SIGNATURE
from gql.settings import MINIMUM_SECRET_BYTES, Settings

LIFETIME = timedelta(minutes=15)
PURPOSE = b"segments: links to exports, version 1"
INVALID = "This link does not hold or has expired."
Query = Sequence[tuple[str, str]]


@dataclass(slots=True)
class ExportLinks:
    """Signs and checks links. The key is derived from the secret of the tokens; where there is none, from a random one
    that is kept in the data folder, so that every worker has the same."""

    settings: Settings
    clock: Clock
    _key: bytes | None = field(default=None, repr=False)

    def sign(self, path: str, query: Query, viewer: Viewer) -> tuple[str, datetime]:
        """The address on this server and when it expires: never later than the token of whoever asked for it."""
        expires = min(self.clock() + LIFETIME, viewer.expires_at).replace(microsecond=0)
        named = [*query, (BUSINESS, viewer.business), (EXPIRES, str(int(expires.timestamp())))]
        return f"{path}?{urlencode([*named, (SIGNATURE, self._signature(path, named))])}", expires

    def check(self, path: str, query: Query) -> Viewer:
        """Who the link lets in, with the permission to view and no other; Unauthenticated for one that does not hold,
        and it is not said why."""
        given = [value for name, value in query if name == SIGNATURE]
        named = [pair for pair in query if pair[0] != SIGNATURE]
        values = {name: value for name, value in named if name in LINK_PARAMETERS}
        text, business = values.get(EXPIRES, ""), values.get(BUSINESS, "")
        if len(given) != 1 or not self._holds(path, named, given[0]):
            raise Unauthenticated(INVALID)
        if not (text.isascii() and text.isdigit() and len(text) <= 12 and 0 < len(business) <= MAXIMUM_NAME):
            raise Unauthenticated(INVALID)
        expires = datetime.fromtimestamp(int(text), UTC)
        if self.clock() >= expires:
            raise Unauthenticated(INVALID)
        return Viewer("link", business, frozenset({Permission.VIEW.value}), expires, None)

    def _holds(self, path: str, named: Query, signature: str) -> bool:
        expected = self._signature(path, named)
        return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace"))

    def _signature(self, path: str, named: Query) -> str:
        # Sorted: some programs write the parameters of an address in an order of their own.
        signed = f"{path}\n{urlencode(sorted(named), errors='replace')}".encode()
        return hmac.new(self._secret(), signed, sha256).hexdigest()

    def _secret(self) -> bytes:
        if self._key is None:
            secret = self.settings.jwt_secret or kept_secret(self.settings.data)
            self._key = hmac.new(secret.encode(), PURPOSE, sha256).digest()
        return self._key


def kept_secret(folder: Path) -> str:
    """The random secret of the data folder, made by whoever comes first; Unavailable where none can be kept."""
    path = folder / "export-secret"
    try:
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            own = folder / f".export-secret-{secrets.token_hex(8)}"
            with os.fdopen(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(48))
            # Whole or not at all, and only once: the second worker takes the first one's.
            with suppress(FileExistsError):
                path.hardlink_to(own)
            own.unlink()
        secret = path.read_text().strip()
    except OSError as error:
        raise Unavailable("Links need SEGMENTS_JWT_SECRET, or a folder SEGMENTS_DATA that can be written.") from error
    if len(secret.encode()) < MINIMUM_SECRET_BYTES:
        raise Unavailable("The file export-secret in the data folder is too short. Remove it to have it made anew.")
    return secret
