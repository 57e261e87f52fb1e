"""Our commands in a process that is warm, so that starting the program does not count: a worker,
`python -m tests.benchmarks.ours.commands`, whose questions are the words of a command and, where it is not that of
its environment, the data folder. The answer is what the command printed."""

import contextlib
import io
import os
import sys

from gql.cli.main import main
from tests.benchmarks.processes import answer_questions


def run_command(words: list[str], data: str | None = None) -> str:
    """Run it to its end; RuntimeError with what it said where it did not do what it should."""
    said = io.StringIO()
    if data is not None:
        os.environ["SEGMENTS_DATA"] = data
    sys.argv = ["segments", *words]
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            main()
    except SystemExit as end:
        if end.code:
            raise RuntimeError(said.getvalue().strip() or f"exit code {end.code}") from None
    return said.getvalue()


if __name__ == "__main__":
    answer_questions(run_command)
