"""The list of revoked tokens as a process keeps it: how often it is read, how long it is believed, and that nobody is
let in once it cannot be; line T2 of the reliability requirements."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.businesses.revocations import BELIEVED_SECONDS, FRESH_SECONDS, Revocations, RevokedTokens
from domain.errors import Unavailable
from domain.model import Revocation, Viewer
from tests.conftest import NOW

pytestmark = pytest.mark.anyio
DAY = timedelta(days=1)


def viewer(subject: str = "ann", token_id: str | None = "a1", business: str = "shop", at: datetime = NOW) -> Viewer:
    return Viewer(subject, business, frozenset(), at, at + DAY, token_id)


@dataclass
class Shelf:
    """The part of a store that holds what is revoked; `gate` holds up whoever reads while it is closed."""

    held: dict[str, list[Revocation]] = field(default_factory=dict)
    newest: dict[str, datetime] = field(default_factory=dict)
    failure: Exception | None = None
    asked: int = 0
    loaded: list[list[str]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def revoke(self, revocation: Revocation, business: str = "shop") -> None:
        self.held.setdefault(business, []).append(revocation)
        self.newest[business] = self.newest.get(business, NOW) + timedelta(microseconds=1)

    async def find_newest_revocations(self) -> Mapping[str, datetime]:
        self.asked += 1
        found = dict(self.newest)
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return found

    async def load_revocations(self, keys: Sequence[str]) -> Mapping[str, list[Revocation]]:
        self.loaded.append(list(keys))
        return {key: list(self.held[key]) for key in keys}


@dataclass
class Process:
    """A process with its list, and a count of seconds that stands where a test puts it."""

    shelf: Shelf = field(default_factory=Shelf)
    seconds: float = 1000.0

    def __post_init__(self) -> None:
        store: Any = self.shelf
        self.revocations = Revocations(store, lambda: NOW, DAY, lambda: self.seconds)

    async def refuses(self, one: Viewer) -> bool:
        return await self.revocations.is_revoked(one)


@pytest.mark.parametrize(
    ("revocation", "one", "revoked"),
    [
        (Revocation("a1", None, None), viewer(), True),
        (Revocation("a1", None, None), viewer(token_id="a2"), False),
        (Revocation("a1", None, None), viewer(token_id=None), False),
        (Revocation(None, "ann", NOW), viewer(at=NOW - timedelta(seconds=1)), True),
        (Revocation(None, "ann", NOW), viewer(at=NOW), False),
        (Revocation(None, "ann", NOW), viewer("bob", at=NOW - DAY), False),
        (Revocation(None, None, NOW), viewer("bob", None, at=NOW - timedelta(seconds=1)), True),
        (Revocation(None, None, NOW), viewer(at=NOW), False),
    ],
)
def test_t2_a_revocation_is_of_the_tokens_that_it_names(revocation: Revocation, one: Viewer, revoked: bool) -> None:
    assert (one in RevokedTokens([revocation])) is revoked


def test_t2_of_several_instants_the_latest_holds() -> None:
    before = [NOW, NOW + timedelta(hours=2), NOW + timedelta(hours=1)]

    tokens = RevokedTokens(Revocation(None, "ann", at) for at in before)

    assert viewer(at=NOW + timedelta(minutes=119)) in tokens
    assert viewer(at=NOW + timedelta(hours=2)) not in tokens


async def test_t2_the_list_is_read_once_in_two_seconds_whoever_asks() -> None:
    process = Process()

    for _ in range(5):
        await asyncio.gather(*(process.refuses(viewer()) for _ in range(20)))
        process.seconds += FRESH_SECONDS / 2

    assert process.shelf.asked == 3
    assert process.shelf.loaded == []


async def test_t2_what_is_revoked_is_known_two_seconds_later_and_only_that_business_is_read() -> None:
    process = Process()
    process.shelf.revoke(Revocation("x", None, None), "other")
    await process.refuses(viewer())
    process.shelf.revoke(Revocation("a1", None, None))

    process.seconds += FRESH_SECONDS
    found = [await process.refuses(one) for one in (viewer(), viewer(token_id="x", business="other"), viewer("b", "b"))]

    assert found == [True, True, False]
    assert process.shelf.loaded == [["other"], ["shop"]]


async def test_t2_a_business_whose_revocations_are_gone_has_none() -> None:
    process = Process()
    process.shelf.revoke(Revocation("a1", None, None))
    before = await process.refuses(viewer())
    process.shelf.newest.clear()

    process.seconds += FRESH_SECONDS
    after = await process.refuses(viewer())

    assert (before, after) == (True, False)


@pytest.mark.parametrize("failure", [Unavailable("The store is out of reach."), TimeoutError()])
async def test_t2_a_list_that_cannot_be_read_is_believed_for_five_seconds_and_then_nobody_is_let_in(
    failure: Exception,
) -> None:
    process = Process()
    await process.refuses(viewer())
    process.shelf.failure = failure

    process.seconds += BELIEVED_SECONDS - 0.1
    believed = await process.refuses(viewer())
    process.seconds += 0.1
    with pytest.raises(Unavailable, match="Whether tokens were revoked cannot be read"):
        await process.refuses(viewer())
    process.shelf.failure = None
    process.shelf.revoke(Revocation("a1", None, None))

    assert believed is False
    assert await process.refuses(viewer()) is True


async def test_t2_a_process_that_never_read_the_list_lets_nobody_in() -> None:
    process = Process()
    process.shelf.failure = Unavailable("The store is out of reach.")

    with pytest.raises(Unavailable):
        await process.refuses(viewer())


async def test_t2_a_fault_that_nobody_expected_lets_nobody_in_and_is_not_hidden() -> None:
    process = Process()
    process.shelf.failure = LookupError("no such table")

    with pytest.raises(LookupError):
        await process.refuses(viewer())


async def test_t2_a_reading_that_hangs_is_waited_for_no_longer_than_the_list_is_believed() -> None:
    process = Process()
    await process.refuses(viewer())
    process.shelf.gate.clear()
    loop = asyncio.get_running_loop()

    process.seconds += BELIEVED_SECONDS - 0.2
    began = loop.time()
    believed = await process.refuses(viewer())
    took = loop.time() - began
    process.shelf.gate.set()

    assert believed is False
    assert took < 2


async def test_t2_what_was_committed_while_the_list_was_read_is_found_by_the_next_reading() -> None:
    process = Process()
    process.shelf.gate.clear()
    asking = asyncio.create_task(process.refuses(viewer()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    process.shelf.revoke(Revocation("a1", None, None))
    process.seconds += FRESH_SECONDS
    process.shelf.gate.set()

    first, second = await asking, await process.refuses(viewer())

    assert (first, second) == (False, True)


async def test_t2_a_client_that_goes_does_not_stop_the_reading_of_the_others() -> None:
    process = Process()
    process.shelf.gate.clear()
    gone, staying = (asyncio.create_task(process.refuses(viewer())) for _ in range(2))
    await asyncio.sleep(0)

    gone.cancel()
    process.shelf.gate.set()

    assert await staying is False
    assert process.shelf.asked == 1
