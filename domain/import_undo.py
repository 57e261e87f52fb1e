"""Taking an import back: what it would restore, or what has changed since, in words. An order that another write has
stated since is not the import's any more; then nothing is changed."""

from dataclasses import dataclass

from domain.errors import DomainError

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
