"""Imports of purchases as jobs: queued, listed, followed, cancelled; one whose lease has expired and whose file nobody
has is marked as failed, and no other. With them what is to hold before one is taken back: an order that another write
has stated since is not the import's any more, and then nothing is changed."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from domain.calendar import Clock
from domain.errors import Conflict, NotCancellable, TooManyImports, UndoRefused, build_unknown_id
from domain.imports.model import NewImport, PurchaseImport, UndoConflict
from domain.jobs.model import JobKind, JobStatus, Outcome
from domain.jobs.progress import Audience, ProgressFeed
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

    async def follow(
        self, business: Business, import_id: int, audience: Audience | None = None
    ) -> AsyncIterator[PurchaseImport]:
        """The import as it is, then every change, to its end, and again for whoever joins the audience; NotFound where
        there is no such import."""

        async def poll() -> PurchaseImport | None:
            async with self.store.read(business) as unit:
                return (await unit.imports.find_by_ids([import_id])).get(import_id)

        exists = False
        async for state in self.feed.follow((business.id, JobKind.IMPORT, import_id), poll, audience):
            exists = True
            yield state
        if not exists:
            raise build_unknown_id("job")

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

    async def undo(self, business: Business, import_id: int, actor: Actor) -> PurchaseImport:
        """Let the workers take an import back; UndoRefused says what has changed since, and then nothing is done. One
        that is being taken back, or whose undo died, is gone on with."""
        async with self.store.write(business) as unit:
            current = (await unit.imports.find_by_ids([import_id])).get(import_id)
            if current is None:
                raise build_unknown_id("job", "id")
            check_ended(current)
            if current.undo_begun_at is None:
                refuse_changed(import_id, await unit.imports.find_undo_conflicts(current))
            await unit.imports.begin_undo(import_id, actor.name, unit.instant)
            await unit.audit(actor, "undoImport", None, {"import": import_id, "source": current.source})
            await unit.mark_done(actor, purchase_import=("PurchaseImport", import_id))
            current = (await unit.imports.find_by_ids([import_id]))[import_id]
        self.feed.notify_work()
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


def check_ended(one: PurchaseImport) -> None:
    """Conflict where an import cannot be taken back as it is."""
    if not one.status.final:
        raise Conflict(f"Import {one.id} has not ended yet.")
    if one.undone_at is not None:
        raise Conflict(f"Import {one.id} was taken back already.")
    if one.time_zone is None and (one.created or one.updated):
        raise Conflict(f"Import {one.id} was made before imports could be taken back.")


def refuse_changed(import_id: int, conflicts: Sequence[UndoConflict]) -> None:
    """UndoRefused where there are any."""
    if conflicts:
        raise UndoRefused(import_id, [conflict.sentence for conflict in conflicts])
