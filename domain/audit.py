"""What the audit log says beside counts: what was touched, by its ids or by a digest of them, and which attempts were
refused. An attempt that is refused changes nothing, so nothing is lost with its event but the knowledge of it; and who
is refused without end must not make the store write without end, so only so many a minute have an event each."""

import asyncio
import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from domain.errors import Unavailable
from domain.model import Actor, AuditOutcome, AuditTarget
from domain.store import Store

MOST_NAMED = 20
"""Things that an event names; of more it says how many they are, and their digest."""
MOST_REFUSALS = 60
"""Refused attempts of one caller within a minute that have an event each."""
MINUTE = 60.0
MANY_REFUSALS = "refusals"
"""The action of the event that stands for all further ones of a minute."""
log = logging.getLogger("segments")


def compute_digest(value: object) -> str:
    """The SHA-256 of a JSON value, written without blanks and with sorted keys, in hexadecimal."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def compute_digests(before: object, after: object) -> dict[str, str | None]:
    """What an event says of a value that was changed as a whole; None where there was, or is, none."""
    return {
        name: None if value is None else compute_digest(value) for name, value in (("before", before), ("after", after))
    }


def name_touched(ids: Iterable[str]) -> object:
    """The ids, sorted, or of many their number and the digest of that list."""
    known = sorted(set(ids))
    return known if len(known) <= MOST_NAMED else {"count": len(known), "sha256": compute_digest(known)}


@dataclass(slots=True)
class Refusals:
    """The refused attempts that this process tells the audit log of. A minute begins with the first one; what is not
    told by its end is told then, as a number for each caller, who is a subject of a business."""

    store: Store
    seconds: float = MINUTE
    _counts: Counter[tuple[int, str]] = field(default_factory=Counter)
    _telling: asyncio.Task[None] | None = None

    async def add(
        self,
        business_id: int,
        actor: Actor,
        action: str,
        subject: AuditTarget | None,
        outcome: AuditOutcome,
        codes: Sequence[str],
    ) -> None:
        """Keep that somebody was refused, and with which codes; beyond the bound, only that it was one more."""
        caller = (business_id, actor.name)
        self._counts[caller] += 1
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell_by_minutes())
        if self._counts[caller] <= MOST_REFUSALS:
            await self._keep(business_id, actor, action, subject, outcome, {"codes": sorted(set(codes))})

    async def _tell_by_minutes(self) -> None:
        while self._counts:
            await asyncio.sleep(self.seconds)
            await self._tell_rest()

    async def _tell_rest(self) -> None:
        counts, self._counts = self._counts, Counter()
        for (business_id, name), count in counts.items():
            if count > MOST_REFUSALS:
                detail = {"count": count - MOST_REFUSALS}
                await self._keep(business_id, Actor(name), MANY_REFUSALS, None, AuditOutcome.REFUSED, detail)

    async def _keep(
        self,
        business_id: int,
        actor: Actor,
        action: str,
        subject: AuditTarget | None,
        outcome: AuditOutcome,
        detail: Mapping[str, object],
    ) -> None:
        """The refusal stands whether the store can take its event or not; the log has it then."""
        try:
            await self.store.audit(business_id, actor, action, subject, detail, outcome=outcome)
        except Unavailable:
            log.warning("audit event not kept id=%s action=%s outcome=%s", actor.request_id, action, outcome.value)

    async def close(self) -> None:
        """Tell what is not told yet; to be called when the process ends."""
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.wait({self._telling})
        await self._tell_rest()
