"""Imports of purchases as jobs: queued, listed, followed, cancelled; one whose lease has expired and whose file nobody
has is marked as failed, and no other. With them the words of taking an import back: what it restored, or what has
changed since, for an order that another write has stated since is not the import's any more, and then nothing is
changed."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from domain.calendar import Clock
from domain.errors import Conflict, NotCancellable, TooManyImports, build_unknown_id
from domain.imports.model import NewImport, PurchaseImport
from domain.jobs.model import JobKind, JobStatus, Outcome
from domain.jobs.progress import ProgressFeed
from domain.jobs.queue import stop
from domain.model import Actor, AuditOutcome, Business
from domain.store import Store

MOST_WAITING = 20
"""Imports of one business that may wait; more are refused."""
AT_ONCE = 2
"""Imports of one business that are worked on at once."""
ABANDONED = "ABANDONED"
ABANDONED_SENTENCE = "The process that worked on it ended. Import the file again: nothing is written twice."


@dataclass(frozen=True, slots=True)
class PurchaseImports:
    """The imports of a business, as the services see them."""

    store: Store
    clock: Clock
    feed: ProgressFeed

    async def follow(self, business: Business, import_id: int) -> AsyncIterator[PurchaseImport]:
        """The import as it is, then every change, to its end; NotFound where there is none."""

        async def poll() -> PurchaseImport | None:
            async with self.store.read(business) as unit:
                return (await unit.imports.find_by_ids([import_id])).get(import_id)

        if await poll() is None:
            raise build_unknown_id("job")
        async for state in self.feed.follow((business.id, JobKind.IMPORT, import_id), poll):
            yield state

    async def find_earlier(self, business: Business, key: str, digest: str) -> PurchaseImport | None:
        """The import that an earlier request with this key began; Conflict where that was another request."""
        async with self.store.read(business) as unit:
            earlier = await unit.imports.find_by_key(key)
        return None if earlier is None else check_same_request(*earlier, digest)

    async def queue(self, business: Business, new: NewImport, request_id: str | None) -> PurchaseImport:
        """Let the file wait for a worker; TooManyImports where too many do. A request that was sent twice at once
        answers with the first one's import, whose source and options are then not the new one's."""
        async with self.store.write(business) as unit:
            if new.key is not None:
                before = await unit.imports.find_by_key(new.key)
                if before is not None:
                    return check_same_request(*before, new.digest)
            waiting = [one for one in await unit.imports.load_active() if one.status is JobStatus.QUEUED]
            if len(waiting) >= MOST_WAITING:
                raise TooManyImports(f"{MOST_WAITING} imports of this business wait already. Try again later.")
            queued = await unit.imports.add(unit.business.change_number, new, unit.instant)
            detail = {"source": new.source, "import": queued.id}
            await unit.audit(Actor(new.requested_by, request_id), "uploadPurchases", None, detail)
        self.feed.notify_work()
        return queued

    async def cancel(self, business: Business, import_id: int, actor: Actor) -> PurchaseImport:
        """End an import that waits, and ask one that is worked on to end; what it has written stays."""
        async with self.store.write(business) as unit:
            current = (await unit.imports.find_by_ids([import_id])).get(import_id)
            if current is None:
                raise build_unknown_id("job", "id")
            if current.status.final:
                raise NotCancellable("The job has ended already.")
            await stop(unit, current)
            await unit.audit(actor, "cancelJob", None, {"import": import_id})
            await unit.mark_done(actor, job=("PurchaseImport", import_id))
            current = (await unit.imports.find_by_ids([import_id]))[import_id]
        self.feed.notify_progress((business.id, JobKind.IMPORT, import_id))
        return current

    async def sweep(self, business: Business, is_kept: Callable[[PurchaseImport], bool] = lambda _: False) -> int:
        """Mark the imports whose process died as failed, but for those whose file is kept, which wait for a place; how
        many there were."""
        now, outcome = self.clock(), Outcome(JobStatus.FAILED, ABANDONED, ABANDONED_SENTENCE)
        async with self.store.read(business) as unit:
            expired = [one for one in await unit.imports.load_active() if one.is_expired(now) and not is_kept(one)]
        for one in expired:
            async with self.store.write(business) as unit:
                still = (await unit.imports.find_by_ids([one.id]))[one.id]
                if still.status.final or not still.is_expired(now):
                    continue
                await unit.jobs.terminate(JobKind.IMPORT, one.id, outcome, unit.instant)
                detail = {"source": one.source, "import": one.id, "error": ABANDONED}
                await unit.audit(
                    Actor(one.requested_by or ""), "importPurchases", None, detail, outcome=AuditOutcome.FAILED
                )
            self.feed.notify_progress((business.id, JobKind.IMPORT, one.id))
        return len(expired)


def check_same_request(earlier: PurchaseImport, digest: str | None, asked: str | None) -> PurchaseImport:
    """The import where both requests are the same one; Conflict otherwise."""
    if digest != asked:
        raise Conflict("The Idempotency-Key was used for another upload.")
    return earlier


EXAMPLES = 5
"""Orders that are named for each reason at most."""
CHANGED = "orders were changed since"
DELETED = "orders that it had changed were deleted since"
MOVED = "the time zone of the business was changed since"


@dataclass(frozen=True, slots=True)
class UndoConflict:
    """Why an import cannot be taken back: the reason, how many orders, and some of their ids."""

    reason: str
    count: int
    examples: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """Such as `3 orders were changed since: O1, O2, …`."""
        if not self.count:
            return self.reason
        named = ", ".join(self.examples)
        more = ", …" if len(self.examples) < self.count else ""
        return f"{self.count:,} {self.reason}{f': {named}{more}' if named else ''}"


@dataclass(frozen=True, slots=True)
class UndoSummary:
    """What taking an import back did. `customers_kept` it had made; they stay without purchases because they have
    a history of memberships or data of their own. `left` orders were written by others while it was taken back."""

    removed: int = 0
    restored: int = 0
    customers_removed: int = 0
    customers_kept: int = 0
    storefronts_removed: int = 0
    left: int = 0
