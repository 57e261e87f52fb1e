"""The command run as it is installed: its entry point in this process, with its own data folder and environment, or a
real process where signals, pipes and ports matter. Whatever it says, a traceback is never part of it."""

import gc
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from gql.cli.main import main
from persistence.database.engines import open_database
from tests.drivers.mongo import Mongo, serve_mongodb
from tests.drivers.server import COMMAND

# What the terminal or the machine would add to the output.
TERMINAL = ("COLUMNS", "LINES", "TERM", "FORCE_COLOR", "NO_COLOR", "PY_COLORS", "GITHUB_ACTIONS", "TTY_COMPATIBLE")
UTC_EUR = ("--time-zone", "UTC", "--currency", "EUR")
MAKE = ("--business", "shop", *UTC_EUR)
MAKE_LKR = ("--business", "shop", "--time-zone", "UTC", "--currency", "LKR")
DATABASES = count()
AS_OF = date(2024, 3, 31)
WINDOW = ("--as-of", AS_OF.isoformat(), "--days", "90")
SOUND = "The store is sound.\n"
# The worked example of docs/numbers.md: age of the last order, number of orders, spend.
TEN = {
    "Ada": (2, 9, 900),
    "Ben": (20, 7, 400),
    "Cy": (40, 5, 300),
    "Dee": (5, 3, 150),
    "Eli": (60, 3, 150),
    "Fay": (10, 2, 80),
    "Gus": (85, 2, 500),
    "Hal": (1, 1, 50),
    "Ida": (50, 1, 50),
    "Jo": (80, 1, 20),
}


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Segments:
    """Runs the command against one data folder."""

    def __init__(self, data: Path, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> None:
        self.data = data
        self.patch = patch
        self.capture = capture

    def __call__(self, *arguments: str | Path) -> Ended:
        self.patch.setattr(sys, "argv", ["segments", *map(str, arguments)])
        self.capture.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        said = self.capture.readouterr()
        assert "Traceback" not in said.out + said.err
        assert isinstance(end.value.code, int)
        return Ended(end.value.code, said.out, said.err)

    def run(self, *arguments: str | Path) -> Ended:
        """The same where it must succeed."""
        ended = self(*arguments)
        assert ended.code == 0, ended.err
        return ended

    def json(self, *arguments: str | Path) -> Any:
        """What it answers in that format."""
        return json.loads(self.run(*arguments, "--format", "json").out)

    def expect_refusal(self, *arguments: str | Path) -> str:
        """What is said where nothing may come of it: one sentence, after which it may be shown what would help. Wrong
        use has an exit code of its own."""
        ended = self(*arguments)
        said = re.fullmatch(r"Error: ([^\n]+)\n(?:\nThe file could be imported so:\n.+)?", ended.err, re.DOTALL)
        assert said is not None, ended
        assert (ended.code, ended.out) == (2 if said[1].endswith(" --help shows how it is used.") else 1, "")
        return said[1]

    def environment(self, **more: str) -> dict[str, str]:
        """For a real process."""
        kept = {name: value for name, value in os.environ.items() if not is_ours(name)}
        return {**kept, "SEGMENTS_DATA": str(self.data), "COLUMNS": "100", "PYTHONUTF8": "1", **more}

    def apart(self, *arguments: str | Path, **more: Any) -> dict[str, Any]:
        """How `subprocess` starts a real process, which has no input and whose words are read."""
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return {"args": [COMMAND, *arguments], "env": self.environment(), "encoding": "utf-8", **pipes, **more}

    def process(self, *arguments: str | Path, **more: str) -> Ended:
        """A real process, to its end."""
        done = subprocess.run(**self.apart(*arguments, env=self.environment(**more)), timeout=60, check=False)
        assert "Traceback" not in done.stdout + done.stderr
        return Ended(done.returncode, done.stdout, done.stderr)


def write_lines(path: Path, *lines: str) -> Path:
    """The file, with these lines in it."""
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="surrogateescape")
    return path


def write_settings(folder: Path, text: str, name: str = "shop.toml") -> Path:
    """The file of settings, with that text in it."""
    return write_lines(folder / name, text)


def is_ours(name: str) -> bool:
    """Whether the variable would change what the command does or how it looks."""
    return name.startswith("SEGMENTS_") or name == "PORT" or name in TERMINAL


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Segments]:
    """The command without a data folder and with none of this machine's settings."""
    for name in [name for name in os.environ if is_ours(name)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SEGMENTS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "100")
    handlers, level = logging.getLogger().handlers[:], logging.getLogger("segments").level
    yield Segments(tmp_path / "data", monkeypatch, capsys)
    logging.getLogger().handlers[:] = handlers
    logging.getLogger("segments").setLevel(level)


@pytest.fixture
def segments(bare: Segments, stencils: "Stencils") -> Segments:
    """The command with a store in which nothing is."""
    return stencils.fill(bare, "store", lambda: bare.run("db", "upgrade"))


@dataclass(frozen=True)
class Stencils:
    """Data folders that a fixture fills by commands; after the first test it is copied."""

    folder: Path

    def fill(self, segments: Segments, name: str, commands: Callable[[], object]) -> Segments:
        """The command with the data folder of that name."""
        if (self.folder / name).exists():
            shutil.copytree(self.folder / name, segments.data, dirs_exist_ok=True)
        else:
            commands()
            shutil.copytree(segments.data, self.folder / name)
        return segments


@pytest.fixture(scope="session")
def stencils(tmp_path_factory: pytest.TempPathFactory) -> Stencils:
    return Stencils(tmp_path_factory.mktemp("stencils"))


@pytest.fixture
def ten(tmp_path: Path) -> Path:
    """A file of the ten customers."""
    rows = ["customer_id,order_id,date,amount,category,storefront"]
    for name, (age, orders, spend) in TEN.items():
        day = AS_OF - timedelta(days=age)
        amounts = [1] * (orders - 1) + [spend - orders + 1]
        rows += [f"{name},{name}-{place},{day},{amount}.00,Tea,main" for place, amount in enumerate(amounts, 1)]
    return write_lines(tmp_path / "ten.csv", *rows)


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """A folder for what a classification writes."""
    return tmp_path / "labels"


@pytest.fixture
def empty(postgresql: str) -> str:
    """The address of a PostgreSQL database without tables."""
    opened = open_database(postgresql)
    with opened.bulk.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    opened.bulk.dispose()
    return postgresql


@pytest.fixture
def shop(segments: Segments, ten: Path, stencils: Stencils) -> Segments:
    """The command with the ten customers in business `shop`."""
    return stencils.fill(segments, "ten", lambda: segments.run("import", ten, *MAKE))


@pytest.fixture
def made(segments: Segments, stencils: Stencils) -> Segments:
    """The command with an empty business `shop`."""
    return stencils.fill(segments, "empty", lambda: segments.run("businesses", "create", "shop", *UTC_EUR))


@pytest.fixture
def rupees(segments: Segments, stencils: Stencils) -> Segments:
    """The same in the currency of the documents that the tests of MongoDB read."""
    return stencils.fill(segments, "rupees", lambda: segments.run("businesses", "create", *MAKE_LKR[1:]))


@pytest.fixture(scope="session")
def mongo_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A MongoDB for all tests of a process."""
    with serve_mongodb(tmp_path_factory.mktemp("mongodb")) as port:
        yield port


@pytest.fixture
def mongo(mongo_port: int, segments: Segments) -> Iterator[Mongo]:
    """A server with a database of its own, and the command told where it is."""
    found = Mongo(mongo_port, f"shop{next(DATABASES)}")
    segments.patch.setenv("SEGMENTS_MONGODB_URI", found.uri)
    yield found
    with warnings.catch_warnings():
        # A connection that the driver was just making when it was closed is left to the collector.
        warnings.simplefilter("ignore")
        gc.collect()
