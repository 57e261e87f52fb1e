"""Tokens that are revoked before they expire. The list lives in the store; each process keeps what it read of it and
reads it anew at most once in two seconds, so that a request costs no statement. A list that could not be read for five
seconds is not believed: nobody is let in, as nobody can say who was shut out."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.calendar import Clock
from domain.errors import InvalidInput, Sentence, Unavailable
from domain.model import MAXIMUM_TOKEN_NAME, Actor, Business, Revocation, Viewer, is_token_name
from domain.store import Store

FRESH_SECONDS = 2.0
"""How old the list may be while the store answers."""
BELIEVED_SECONDS = 5.0
"""How old it may be at all."""
READ_SECONDS = 3.0
"""How long a list that is too old is waited for."""
KEPT_LONGER = timedelta(days=1)
"""Beyond the lifetime of a token, as clocks differ and leap."""
UNKNOWN = "Whether tokens were revoked cannot be read from the store. Try again in a moment."


class RevokedTokens:
    """What is revoked in one business."""

    def __init__(self, revocations: Iterable[Revocation]) -> None:
        self.ids: set[str] = set()
        self.before: dict[str | None, datetime] = {}
        for one in revocations:
            if one.token_id is not None:
                self.ids.add(one.token_id)
            if one.issued_before is not None:
                earlier = self.before.get(one.subject)
                self.before[one.subject] = max(one.issued_before, earlier or one.issued_before)

    def __contains__(self, viewer: Viewer) -> bool:
        limits = (self.before.get(None), self.before.get(viewer.subject))
        return viewer.token_id in self.ids or any(limit is not None and viewer.issued_at < limit for limit in limits)


NOTHING = RevokedTokens(())


def check_request(token_id: str | None, subject: str | None, issued_before: datetime | None, now: datetime) -> None:
    """InvalidInput where it is not said, or not understood, which tokens are meant."""
    if token_id is None and subject is None and issued_before is None:
        raise InvalidInput(Sentence("{jti}, {subject} or {issued_before} must say which tokens to revoke"), ("jti",))
    if token_id is not None and (subject is not None or issued_before is not None):
        message = Sentence("{jti} is one token: it must be given without {subject} and {issued_before}")
        raise InvalidInput(message, ("jti",))
    for name, text in (("jti", token_id), ("subject", subject)):
        if text is not None and not is_token_name(text):
            message = Sentence(f"{{{name}}} must be 1 to {MAXIMUM_TOKEN_NAME} printable characters")
            raise InvalidInput(message, (name,))
    if issued_before is not None and issued_before > now:
        # Or nobody could come in until then, with a new token either.
        raise InvalidInput(Sentence("{issued_before} must not be in the future"), ("issued_before",))


@dataclass(slots=True)
class Revocations:
    """Revokes tokens, and knows which were. `lifetime` is the longest that a token can have, beyond which nothing need
    be kept of it."""

    store: Store
    clock: Clock
    lifetime: timedelta
    count_seconds: Callable[[], float] = time.monotonic
    _known: Mapping[str, RevokedTokens] = field(default_factory=dict)
    _newest: Mapping[str, datetime] = field(default_factory=dict)
    _read_at: float = float("-inf")
    _reading: asyncio.Task[None] | None = None

    async def revoke(
        self,
        business: Business,
        actor: Actor,
        *,
        token_id: str | None = None,
        subject: str | None = None,
        issued_before: datetime | None = None,
    ) -> datetime:
        """Revoke the token of that id; or what was issued to the subject up to now, or before the instant, or to
        everybody before the instant. When that was; InvalidInput where it is not clear which tokens are meant."""
        check_request(token_id, subject, issued_before, self.clock())
        async with self.store.write(business) as unit:
            at = unit.instant
            if subject is not None and issued_before is None:
                # Tokens say the second in which they were issued: the whole of this one is meant.
                issued_before = self.clock().replace(microsecond=0) + timedelta(seconds=1)
            ends_at = at + self.lifetime + KEPT_LONGER
            await unit.revocations.add(Revocation(token_id, subject, issued_before), at, ends_at)
            until = None if issued_before is None else issued_before.isoformat()
            await unit.audit(actor, "revokeTokens", None, {"jti": token_id, "subject": subject, "issuedBefore": until})
            await unit.mark_done(actor, revoked_at=at.isoformat())
        self._read_at = float("-inf")
        return at

    async def is_revoked(self, viewer: Viewer) -> bool:
        """Whether the token was revoked, at least two seconds ago; Unavailable where that cannot be known."""
        age = self.count_seconds() - self._read_at
        if age >= FRESH_SECONDS:
            await self._renew(BELIEVED_SECONDS - age if age < BELIEVED_SECONDS else READ_SECONDS)
        return viewer in self._known.get(viewer.business, NOTHING)

    async def _renew(self, seconds: float) -> None:
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
            # Whoever waited may be gone when it fails.
            self._reading.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        reading = self._reading
        # One reading serves all who wait for it, and is not stopped with one of them.
        await asyncio.wait({reading}, timeout=seconds)
        if self.count_seconds() - self._read_at >= BELIEVED_SECONDS:
            failure = reading.exception() if reading.done() else TimeoutError()
            if isinstance(failure, Unavailable | TimeoutError | None):
                raise Unavailable(UNKNOWN) from failure
            raise failure

    async def _read(self) -> None:
        """Only what changed is read: within a business the instants of its writes grow with every commit."""
        began = self.count_seconds()
        async with asyncio.timeout(READ_SECONDS):
            newest = await self.store.find_newest_revocations()
            changed = [key for key, at in newest.items() if self._newest.get(key) != at]
            loaded = await self.store.load_revocations(changed) if changed else {}
        unchanged = {key: known for key, known in self._known.items() if key in newest}
        self._known = unchanged | {key: RevokedTokens(loaded.get(key, ())) for key in changed}
        self._newest, self._read_at = newest, began
