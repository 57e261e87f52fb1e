"""Processes that are killed while they write a copy: whatever they left, answers are those of the store, and the next
writing ends as if nobody had begun before."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from itertools import count

import pytest

from domain.calendar import to_micros
from persistence.lake.manifest import Manifest, name_manifest
from persistence.lake.places import UNFINISHED
from persistence.lake.reading import ANSWERED
from persistence.lake.writing import DELTA_EVERY
from tests.persistence.lake.conftest import Copied

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
MOMENTS = {"base": 15, "delta": 18}
"""The fewest that a writing has."""


def require_tidy(copied: Copied) -> None:
    """There is nothing but two generations, and files that have no name yet."""
    whole = [path for path in copied.files() if not path.name.endswith(UNFINISHED)]
    manifests = [Manifest.read(path.read_bytes()) for path in whole if path.name.endswith(name_manifest(""))]
    assert {path.name for path in whole} == {
        name for one in manifests for name in (name_manifest(one.generation), *one.files)
    }
    assert len(manifests) == 2


@pytest.mark.parametrize("kind", MOMENTS)
async def test_a_writer_that_is_killed_at_any_moment_changes_no_answer(copied: Copied, kind: str) -> None:
    url = copied.database.bulk.url.render_as_string(hide_password=False)
    driver = ("-m", "tests.drivers.dying_lake", url, str(copied.folder / "lake"))
    dying = await asyncio.create_subprocess_exec(sys.executable, *driver, stdin=PIPE, stdout=PIPE)
    assert dying.stdin is not None
    assert dying.stdout is not None

    for place in count(1):
        # One after the other, so that a delta is all that is due.
        await copied.buy(place % 3)
        copied.clock.now += DELTA_EVERY
        dying.stdin.write(f"{to_micros(copied.clock.now)} {kind} {place}\n".encode())
        ended = (await asyncio.wait_for(dying.stdout.readline(), 60)).decode().strip()

        assert await copied.ask() == ANSWERED
        assert ended in ("killed", "done")
        if ended == "done":
            break
        # What was written may be in force already, and the next is due when something changes again.
        await copied.buy(0)
        copied.clock.now += DELTA_EVERY
        await copied.renewal.renew_now(copied.business.id, whole=kind == "base")
        assert await copied.ask() == ANSWERED
        require_tidy(copied)

    dying.stdin.close()
    assert await asyncio.wait_for(dying.wait(), 60) == 0
    assert place > MOMENTS[kind]
