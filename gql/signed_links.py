"""Links to files: a path with its query, who made it, an expiry and a signature over all of it. A link opens the one
file it was made for, for one business and in the name of who made it, until it expires; as anything else its signature
is worth nothing."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from urllib.parse import urlencode

from domain.calendar import Clock
from domain.errors import Unavailable
from domain.model import Permission, Viewer
from gql.auth import Unauthenticated, ensure_shared_secret
from gql.parameters import BUSINESS, EXPIRES, LINK_PARAMETERS, SIGNATURE, SUBJECT
from gql.settings import Settings

LIFETIME = timedelta(minutes=15)
PURPOSE = b"segments: links to exports, version 1"
NO_SECRET = "Links need SEGMENTS_JWT_SECRET, or a folder SEGMENTS_DATA that can be written."
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
        whose = [(BUSINESS, viewer.business), (SUBJECT, viewer.subject)]
        named = [*query, *whose, (EXPIRES, str(int(expires.timestamp())))]
        return f"{path}?{urlencode([*named, (SIGNATURE, self._compute_signature(path, named))])}", expires

    def check(self, path: str, query: Query) -> Viewer:
        """Who made the link, with the permission to view and no other; Unauthenticated for one that does not hold, and
        it is not said why."""
        signatures = [value for name, value in query if name == SIGNATURE]
        named = [pair for pair in query if pair[0] != SIGNATURE]
        values = {name: value for name, value in named if name in LINK_PARAMETERS}
        text, business, subject = (values.get(name, "") for name in (EXPIRES, BUSINESS, SUBJECT))
        if len(signatures) != 1 or not self._is_valid(path, named, signatures[0]):
            raise Unauthenticated(INVALID)
        if not (text.isascii() and text.isdigit() and len(text) <= 12 and business and subject):
            raise Unauthenticated(INVALID)
        expires = datetime.fromtimestamp(int(text), UTC)
        if self.clock() >= expires:
            raise Unauthenticated(INVALID)
        return Viewer(subject, business, frozenset({Permission.VIEW.value}), expires, None)

    def _is_valid(self, path: str, named: Query, signature: str) -> bool:
        expected = self._compute_signature(path, named)
        return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace"))

    def _compute_signature(self, path: str, named: Query) -> str:
        # Sorted: some programs write the parameters of an address in an order of their own.
        signed = f"{path}\n{urlencode(sorted(named), errors='replace')}".encode()
        return hmac.new(self._read_secret(), signed, sha256).hexdigest()

    def _read_secret(self) -> bytes:
        if self._key is None:
            try:
                secret = self.settings.jwt_secret or ensure_shared_secret(self.settings.data / "export-secret")
            except OSError as error:
                raise Unavailable(NO_SECRET) from error
            self._key = hmac.new(secret.encode(), PURPOSE, sha256).digest()
        return self._key
