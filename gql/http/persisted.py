"""Documents that clients send once and name by their SHA-256 from then on, as Apollo's clients and urql do. A document
is kept in this process after it was executed, and found only by those of its business; whoever has many pushes out
their own, so no caller pushes out another's. What is named but not here is answered so that the client sends it
again."""

import hashlib
import re
from collections import OrderedDict, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from sys import getsizeof
from typing import Any

from domain.model import Viewer
from gql.http.endpoint import HttpError

DIGEST = re.compile(r"[0-9a-f]{64}")
VERSION = 1
NOT_FOUND = ("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")
NOT_SUPPORTED = ("PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED")
"""Message and code, by both of which the clients know what to do."""
MAXIMUM_DOCUMENTS = 500
MAXIMUM_BYTES = 1 << 20
"""Of one subject of one business, as they are held: where one character is an emoji, each has four bytes."""
MAXIMUM_ALL = 32 << 20
"""Bytes of all documents of the process."""
Caller = tuple[str, str]
"""Business and subject."""


@dataclass(slots=True)
class _Share:
    """What one caller had kept, the documents that were used longest ago first."""

    documents: "OrderedDict[str, tuple[str, int]]" = field(default_factory=OrderedDict)
    size: int = 0

    def pop_oldest(self) -> tuple[str, int]:
        digest, (_, size) = self.documents.popitem(last=False)
        self.size -= size
        return digest, size


@dataclass(slots=True)
class PersistedDocuments:
    """The documents of one process; where they are switched off, none."""

    enabled: bool = True
    maximum_all: int = MAXIMUM_ALL
    _owners: dict[tuple[str, str], Caller] = field(default_factory=dict)
    """Whose share a document of a business is in, by its digest."""
    _shares: defaultdict[Caller, _Share] = field(default_factory=lambda: defaultdict(_Share))
    _size: int = 0

    def find(self, viewer: Viewer, values: Mapping[str, Any]) -> tuple[Any, str | None]:
        """The document that a request means, and the digest to keep it by once it was executed, if any. HttpError where
        the extension is wrong, or only names what is not here."""
        query, digest = values.get("query"), _read_digest(values.get("extensions"))
        if digest is None:
            return query, None
        if query:
            if not isinstance(query, str) or hashlib.sha256(query.encode("utf-8", "replace")).hexdigest() != digest:
                message = "extensions.persistedQuery.sha256Hash must be the SHA-256 of query, in hexadecimal."
                raise HttpError(400, message)
            return query, digest if self.enabled else None
        if not self.enabled:
            raise HttpError(200, *NOT_SUPPORTED)
        owner = self._owners.get((viewer.business, digest))
        if owner is None:
            raise HttpError(200, *NOT_FOUND)
        documents = self._shares[owner].documents
        documents.move_to_end(digest)
        return documents[digest][0], None

    def keep(self, viewer: Viewer, digest: str, document: str) -> None:
        """Keep a document that was executed, and in its place what the same caller, or whoever has most, used longest
        ago."""
        if (viewer.business, digest) in self._owners:
            return
        caller = (viewer.business, viewer.subject)
        share = self._shares[caller]
        size = getsizeof(document)
        share.documents[digest] = document, size
        share.size += size
        self._size += size
        self._owners[viewer.business, digest] = caller
        while len(share.documents) > MAXIMUM_DOCUMENTS or share.size > MAXIMUM_BYTES:
            self._drop(caller)
        while self._size > self.maximum_all:
            self._drop(max(self._shares, key=lambda one: self._shares[one].size))

    def _drop(self, caller: Caller) -> None:
        share = self._shares[caller]
        digest, size = share.pop_oldest()
        self._size -= size
        del self._owners[caller[0], digest]
        if not share.documents:
            del self._shares[caller]


def _read_digest(extensions: object) -> str | None:
    """The digest of the extension; None where it is not there."""
    stated = extensions.get("persistedQuery") if isinstance(extensions, dict) else None
    if stated is None:
        return None
    if not isinstance(stated, dict) or stated.get("version") != VERSION:
        raise HttpError(400, f"extensions.persistedQuery must be an object of version {VERSION}.")
    digest = str(stated.get("sha256Hash")).lower()
    if DIGEST.fullmatch(digest) is None:
        raise HttpError(400, "extensions.persistedQuery.sha256Hash must be 64 hexadecimal digits.")
    return digest
