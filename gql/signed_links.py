"""Links to files: a path with its query, an expiry and a signature over all of it, in which stands, sealed, whose token
it was made with. A link opens the one file it was made for, for one business, until it expires or that token is
revoked; as anything else its signature is worth nothing."""

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from domain.calendar import Clock
from domain.errors import Unavailable
from domain.model import Permission, Viewer
from gql.auth import Unauthenticated, ensure_shared_secret
from gql.parameters import BUSINESS, EXPIRES, LINK_PARAMETERS, SIGNATURE
from gql.settings import Settings

LIFETIME = timedelta(minutes=15)
PURPOSE = b"segments: links to exports, version 2"
NO_SECRET = "Links need SEGMENTS_JWT_SECRET, or a folder SEGMENTS_DATA that can be written."
INVALID = "This link does not hold or has expired."
Query = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Link:
    """A signed address: the whole one, and its part below where the client has reached the server."""

    url: str
    path: str
    expires_at: datetime


@dataclass(slots=True)
class ExportLinks:
    """Signs and checks links. The keys are derived from the secrets of the tokens, the newest first, so that a link
    outlives their rotation; where there are none, from a random one that is kept in the data folder, so that every
    worker has the same."""

    settings: Settings
    clock: Clock
    _seal: MultiFernet | None = field(default=None, repr=False)

    def sign(self, path: str, query: Query, viewer: Viewer) -> tuple[str, datetime]:
        """The address on this server and when it expires: never later than the token of whoever asked for it."""
        expires = min(self.clock() + LIFETIME, viewer.expires_at).replace(microsecond=0)
        named = [*query, (BUSINESS, viewer.business), (EXPIRES, str(int(expires.timestamp())))]
        whose = [viewer.subject, viewer.token_id, int(viewer.issued_at.timestamp())]
        signature = self._open_seal().encrypt(json.dumps([compute_digest(path, named), *whose]).encode()).decode()
        return f"{path}?{urlencode([*named, (SIGNATURE, signature)])}", expires

    def check(self, path: str, query: Query) -> Viewer:
        """Who the link lets in: whoever made it, with the permission to view and no other; whether that token was
        revoked is for the caller to see. Unauthenticated for one that does not hold, and it is not said why."""
        signatures = [value for name, value in query if name == SIGNATURE]
        named = [pair for pair in query if pair[0] != SIGNATURE]
        values = {name: value for name, value in named if name in LINK_PARAMETERS}
        digest, subject, token_id, issued = self._unseal(signatures)
        if digest != compute_digest(path, named):
            raise Unauthenticated(INVALID)
        # What was signed has both.
        expires = datetime.fromtimestamp(int(values[EXPIRES]), UTC)
        if self.clock() >= expires:
            raise Unauthenticated(INVALID)
        permissions = frozenset({Permission.VIEW.value})
        return Viewer(subject, values[BUSINESS], permissions, datetime.fromtimestamp(issued, UTC), expires, token_id)

    def _unseal(self, signatures: list[str]) -> Any:
        try:
            (signature,) = signatures
            return json.loads(self._open_seal().decrypt(signature.encode("utf-8", "replace")))
        except (InvalidToken, ValueError) as error:
            raise Unauthenticated(INVALID) from error

    def _open_seal(self) -> MultiFernet:
        if self._seal is None:
            secrets = [secret for _, secret in self.settings.jwt_secrets]
            try:
                single = self.settings.jwt_secret or (
                    "" if secrets else ensure_shared_secret(self.settings.data / "export-secret")
                )
            except OSError as error:
                raise Unavailable(NO_SECRET) from error
            keys = [hmac.new(secret.encode(), PURPOSE, sha256).digest() for secret in (*secrets, single) if secret]
            self._seal = MultiFernet([Fernet(urlsafe_b64encode(key)) for key in keys])
        return self._seal


def compute_digest(path: str, named: Query) -> str:
    """Of all that a link says beside its signature."""
    # Sorted: some programs write the parameters of an address in an order of their own.
    return sha256(f"{path}\n{urlencode(sorted(named), errors='replace')}".encode()).hexdigest()
