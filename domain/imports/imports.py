"""Imports of purchases as runs: listed, followed, cancelled. The row is the truth; whoever works on an import gives
signs of life, and one that gives none any more is marked as failed.

Taking an import back: what it would restore, or what has changed since, in words. An order that another write has
stated since is not the import's any more; then nothing is changed.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from domain.calendar import Clock
from domain.errors import Conflict, DomainError, InvalidInput, NotFound
from domain.imports.quality import Quality
from domain.jobs.model import JobStatus, fraction_done
from domain.jobs.progress import Board
from domain.jobs.queue import NotCancellable
from domain.model import Business
from domain.pages import Page, PageRequest
from domain.store import Actor, AuditEvent, ReadUnit, WriteUnit

SILENT = timedelta(seconds=30)
"""Without a sign of life for so long, whoever worked on an import is dead."""
MOST_WAITING = 20
"""Imports of one business that may wait; more are refused."""
AT_ONCE = 2
"""Imports of one business that are worked on at once."""
ABANDONED = "ABANDONED"
ABANDONED_SENTENCE = "The process that worked on it ended. Import the file again: nothing is written twice."


class TooManyImports(DomainError):
    """So many imports of the business wait already that another one is refused."""

    code = "TOO_MANY_IMPORTS"


@dataclass(frozen=True, slots=True)
class PurchaseImport:
    """One import. `done` of `total` counts rows while it reads and orders while it merges; the four counts of rows add
    up to `rows_read`. `options` say how an uploaded file is read; `heard_at` is the last sign of life."""

    id: int
    source: str
    status: JobStatus
    phase: str
    done: int
    total: int | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error_code: str | None
    error_message: str | None
    requested_by: str | None
    cancel_requested: bool
    rows_read: int
    created: int
    updated: int
    unchanged: int
    rejected: int
    future: int
    quality: Quality | None
    options: Mapping[str, object] | None
    heard_at: datetime | None
    undo_begun_at: datetime | None
    undone_at: datetime | None

    @property
    def fraction(self) -> float:
        """How much is done, 0 to 1."""
        return fraction_done(self.status, self.done, self.total)


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that an import refused."""

    line: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class NewImport:
    """An uploaded file that is to be imported. `key` and `digest` tell a request that is sent again."""

    source: str
    options: Mapping[str, object]
    requested_by: str
    key: str | None = None
    digest: str | None = None


class Imports(Protocol):
    """The imports of one business."""

    async def by_ids(self, ids: Sequence[int]) -> Mapping[int, PurchaseImport]: ...
    async def page(self, request: PageRequest) -> Page[PurchaseImport]: ...
    async def count(self) -> int: ...
    async def rejects(self, ids: Sequence[int], request: PageRequest) -> Mapping[int, Page[Reject]]: ...
    async def waiting(self) -> int: ...
    async def by_key(self, key: str) -> tuple[PurchaseImport, str | None] | None:
        """The import of a request that carried the key, and the digest of that request."""
        ...

    async def active(self) -> list[PurchaseImport]: ...
    async def busy(self, since: datetime) -> int:
        """How many uploads are worked on by somebody who gave a sign of life since."""
        ...

    async def take(
        self, import_id: int, owner: str, options: Mapping[str, object], silent_before: datetime, at: datetime
    ) -> bool:
        """Hold one that waits or whose holder fell silent; whether it was free."""
        ...

    async def silent(self, before: datetime) -> list[PurchaseImport]:
        """Active ones whose last sign of life is older."""
        ...

    async def add(self, import_id: int, new: NewImport, at: datetime) -> PurchaseImport: ...
    async def end(self, import_id: int, status: JobStatus, code: str, sentence: str, at: datetime) -> None:
        """End one that is active."""
        ...

    async def ask_to_cancel(self, import_id: int) -> None: ...


class ImportReadUnit(ReadUnit, Protocol):
    """A read unit that also sees imports."""

    @property
    def imports(self) -> Imports: ...


class ImportWriteUnit(ImportReadUnit, WriteUnit, Protocol):
    """A write unit that also changes imports."""


class ImportStore(Protocol):
    """The store as this service sees it."""

    def read(self, business: Business) -> AbstractAsyncContextManager[ImportReadUnit]: ...
    def write(self, business: Business) -> AbstractAsyncContextManager[ImportWriteUnit]: ...


class ImportBoard(Board[PurchaseImport]):
    """Who follows which import."""


@dataclass(frozen=True, slots=True)
class PurchaseImports:
    """The imports of a business, as the services see them."""

    store: ImportStore
    clock: Clock
    board: ImportBoard

    async def by_ids(self, business: Business, ids: Sequence[int]) -> Mapping[int, PurchaseImport]:
        """Those that exist."""
        async with self.store.read(business) as unit:
            return await unit.imports.by_ids(ids)

    async def page(self, business: Business, request: PageRequest) -> Page[PurchaseImport]:
        """Imports, newest first."""
        async with self.store.read(business) as unit:
            return await unit.imports.page(request)

    async def count(self, business: Business) -> int:
        """How many there are."""
        async with self.store.read(business) as unit:
            return await unit.imports.count()

    async def rejects(self, business: Business, ids: Sequence[int], request: PageRequest) -> Mapping[int, Page[Reject]]:
        """The rows that each import refused, in the order of its file."""
        async with self.store.read(business) as unit:
            return await unit.imports.rejects(ids, request)

    async def follow(self, business: Business, import_id: int) -> AsyncIterator[PurchaseImport]:
        """The import as it is, then every change, to its end; NotFound where there is none."""

        async def look() -> PurchaseImport | None:
            return (await self.by_ids(business, [import_id])).get(import_id)

        if await look() is None:
            raise NotFound("There is no job with this id.")
        async for found in self.board.follow((business.id, import_id), look):
            yield found

    async def known(self, business: Business, key: str, digest: str) -> PurchaseImport | None:
        """The import that an earlier request with this key began; Conflict where that was another request."""
        async with self.store.read(business) as unit:
            found = await unit.imports.by_key(key)
        return None if found is None else same_request(*found, digest)

    async def queue(self, business: Business, new: NewImport, request_id: str | None) -> PurchaseImport:
        """Let the file wait for a worker; TooManyImports where too many do. A request that was sent twice at once
        answers with the first one's import, whose source and options are then not the new one's."""
        async with self.store.write(business) as unit:
            if new.key is not None:
                before = await unit.imports.by_key(new.key)
                if before is not None:
                    return same_request(*before, new.digest)
            if await unit.imports.waiting() >= MOST_WAITING:
                raise TooManyImports(f"{MOST_WAITING} imports of this business wait already. Try again later.")
            made = await unit.imports.add(unit.business.change_number, new, unit.instant)
            detail = {"source": new.source, "import": made.id}
            await unit.audit(AuditEvent(new.requested_by, "uploadPurchases", request_id=request_id, detail=detail))
        self.board.wake()
        return made

    async def cancel(self, business: Business, import_id: int, actor: Actor) -> PurchaseImport:
        """End an import that waits, and ask one that is worked on to end; what it has written stays."""
        async with self.store.write(business) as unit:
            found = (await unit.imports.by_ids([import_id])).get(import_id)
            if found is None:
                raise InvalidInput("There is no job with this id.", ("id",), "NOT_FOUND")
            if found.status.final:
                raise NotCancellable("The job has ended already.")
            if found.status is JobStatus.QUEUED:
                await unit.imports.end(import_id, JobStatus.CANCELLED, "CANCELLED", "It was cancelled.", unit.instant)
            else:
                await unit.imports.ask_to_cancel(import_id)
            detail = {"import": import_id}
            await unit.audit(AuditEvent(actor.name, "cancelJob", request_id=actor.request_id, detail=detail))
            found = (await unit.imports.by_ids([import_id]))[import_id]
        self.board.post(business.id, found)
        return found

    async def sweep(self, business: Business) -> int:
        """Mark the imports whose process died as failed; how many there were."""
        before = self.clock() - SILENT
        async with self.store.read(business) as unit:
            silent = await unit.imports.silent(before)
        for one in silent:
            async with self.store.write(business) as unit:
                if one.id not in {still.id for still in await unit.imports.silent(before)}:
                    continue
                await unit.imports.end(one.id, JobStatus.FAILED, ABANDONED, ABANDONED_SENTENCE, unit.instant)
                detail = {"source": one.source, "import": one.id, "error": ABANDONED}
                await unit.audit(AuditEvent(one.requested_by or "", "importPurchases", "FAILED", detail=detail))
            ended = replace(one, status=JobStatus.FAILED, error_code=ABANDONED, error_message=ABANDONED_SENTENCE)
            self.board.post(business.id, ended)
        return len(silent)


def same_request(found: PurchaseImport, digest: str | None, asked: str | None) -> PurchaseImport:
    """The import where both requests are the same one; Conflict otherwise."""
    if digest != asked:
        raise Conflict("The Idempotency-Key was used for another upload.")
    return found


EXAMPLES = 5
"""Orders that are named for each reason at most."""
CHANGED = "orders were changed since"
DELETED = "orders that it had changed were deleted since"
MOVED = "the time zone of the business was changed since"


@dataclass(frozen=True, slots=True)
class ChangedSince:
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


class UndoRefused(DomainError):
    """Something has changed since the import; nothing was changed now."""

    code = "CHANGED_SINCE"

    def __init__(self, import_id: int, reasons: list[ChangedSince]) -> None:
        found = "; ".join(reason.sentence for reason in reasons)
        super().__init__(f"Import {import_id} cannot be taken back, and nothing was changed: {found}.")
        self.reasons = tuple(reasons)


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
