"""Who follows work is told what its row says, in order and to its end, whoever reads the row and when."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from domain.jobs.model import JobKind, JobStatus
from domain.jobs.progress import ProgressFeed

pytestmark = pytest.mark.anyio
KEY = (1, JobKind.IMPORT, 7)


@dataclass(frozen=True)
class State:
    """How far some work is."""

    done: int
    status: JobStatus = JobStatus.RUNNING
    id: int = 7
    kind: JobKind = JobKind.IMPORT


@dataclass
class Row:
    """The row of the work; a read takes its state at once and answers when it may."""

    state: State = field(default_factory=lambda: State(0))
    reads: int = 0
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it has been read as often as was expected."""
    expected: int = 0

    def expect(self, reads: int) -> asyncio.Event:
        """What is set when so many more reads have begun."""
        self.expected = self.reads + reads
        self.asked.clear()
        return self.asked

    async def poll(self) -> State:
        self.reads += 1
        if self.reads == self.expected:
            self.asked.set()
        state = self.state
        await self.may_answer.wait()
        return state


async def tell(stream: AsyncIterator[State]) -> list[int]:
    return [state.done async for state in stream]


async def test_what_is_written_while_the_row_is_read_is_told_after_it() -> None:
    feed, row = ProgressFeed(60), Row()
    row.may_answer.set()
    stream = feed.follow(KEY, row.poll)
    first = await anext(stream)
    rest = asyncio.create_task(tell(stream))
    row.may_answer.clear()
    row.state, asked = State(1), row.expect(1)
    feed.notify_progress(KEY)
    await asyncio.wait_for(asked.wait(), 5)

    row.state = State(2, JobStatus.SUCCEEDED)
    feed.notify_progress(KEY)
    row.may_answer.set()

    assert first == State(0)
    assert (await asyncio.wait_for(rest, 5))[-1] == 2


async def test_nobody_is_told_an_older_state_after_a_newer_one() -> None:
    feed, row = ProgressFeed(60), Row()
    row.may_answer.set()
    early = feed.follow(KEY, row.poll)
    await anext(early)
    rest = asyncio.create_task(tell(early))
    row.may_answer.clear()
    row.state, asked = State(1), row.expect(1)
    feed.notify_progress(KEY)
    await asyncio.wait_for(asked.wait(), 5)

    # The first follower's read is under way with the older state when another one comes.
    row.state = State(2)
    late = feed.follow(KEY, row.poll)
    told = asyncio.create_task(anext(late))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    row.may_answer.set()
    begun = await asyncio.wait_for(told, 5)
    row.state = State(3, JobStatus.FAILED)
    feed.notify_progress(KEY)

    assert begun == State(2)
    assert await asyncio.wait_for(tell(late), 5) == [3]
    assert await asyncio.wait_for(rest, 5) in ([1, 2, 3], [2, 3])


async def test_a_thousand_followers_read_the_row_once_for_each_news() -> None:
    feed, row = ProgressFeed(60), Row()
    row.may_answer.set()
    asked = row.expect(1)
    following = [asyncio.create_task(tell(feed.follow(KEY, row.poll))) for _ in range(1000)]
    await asyncio.wait_for(asked.wait(), 5)

    row.state = State(1, JobStatus.SUCCEEDED)
    feed.notify_progress(KEY)

    assert await asyncio.wait_for(asyncio.gather(*following), 10) == [[0, 1]] * 1000
    assert row.reads == 2


async def test_the_row_is_read_again_where_another_process_works_or_the_store_was_away() -> None:
    feed, row = ProgressFeed(0.01), Row()
    row.may_answer.set()
    failures = iter([False, True, True])

    async def poll() -> State:
        if next(failures, False):
            raise OSError("the store is away")
        return await row.poll()

    stream = feed.follow(KEY, poll)
    await anext(stream)
    row.state = State(5, JobStatus.SUCCEEDED)

    assert await asyncio.wait_for(tell(stream), 5) == [5]
