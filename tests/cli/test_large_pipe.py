"""A file far larger than memory should hold comes through a pipe: it is read in pieces, and nothing of it stays."""

import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.conftest import MAKE, Segments

pytestmark = pytest.mark.slow
ROWS, FILLING = 60_000, 9_000
"""Of which each row is a little above nine thousand letters: about 550 MB in all."""
MOST = 400 << 10
"""KiB that the command may hold at most."""


def read_most(pid: int) -> int:
    """KiB that the process has held at most; none where it has ended."""
    with suppress(OSError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return 0


def test_half_a_gigabyte_through_a_pipe_is_imported_without_being_held(segments: Segments, tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    filling = "x" * FILLING
    how = segments.apart("import", "-", *MAKE, stdin=subprocess.PIPE, env=segments.environment(TMPDIR=str(folder)))

    with subprocess.Popen(**how) as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        process.stdin.write("customer_id,order_id,date,amount,note\n")
        for place in range(ROWS):
            process.stdin.write(f"C{place % 999},{place},2024-03-01,1.00,{filling}\n")
        process.stdin.close()
        held = 0
        # What it held since it was begun: what the kernel tells in the end counts whoever began it, too.
        while process.poll() is None:
            held = max(held, read_most(process.pid))
            time.sleep(0.05)
        out, err = process.stdout.read(), process.stderr.read()

    assert process.returncode == 0, err
    assert out.splitlines()[0] == (
        "standard-input: 60,000 rows read: 60,000 created, 0 updated, 0 unchanged, 0 rejected."
    )
    assert list(folder.iterdir()) == []
    assert 0 < held < MOST
