"""What is compared and how it is told: two sides that take turns, the least that each took, and lines of a table whose
ratios are checked against bars. A ratio is made of the least times, as everything else that a machine does only adds to
them; the load of the machine stands beside each line."""

import json
import math
import os
import platform
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class Failed(Exception):
    """A measured process ended with an error, or two sides answered differently; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What one turn took: seconds of the wall and of the processor, the most megabytes ever held, and the answer."""

    seconds: float
    processor: float
    megabytes: float = 0.0
    answer: Any = None


Turn = Callable[[], Taken]


def take_turns(sides: Mapping[str, Turn], rounds: int, warm: bool = True) -> dict[str, Taken]:
    """Each side in turn, again and again: the least seconds of both kinds, the most memory and the last answer. Where
    `warm`, a first round is not counted."""
    if warm:
        for turn in sides.values():
            turn()
    found: dict[str, list[Taken]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, turn in sides.items():
            found[name].append(turn())
    return {name: find_least(taken) for name, taken in found.items()}


def find_least(taken: list[Taken]) -> Taken:
    """The least of several turns of one side."""
    return replace(
        taken[-1],
        seconds=min(each.seconds for each in taken),
        processor=min(each.processor for each in taken),
        megabytes=max(each.megabytes for each in taken),
    )


def require_equal(what: str, answers: Mapping[str, object]) -> None:
    """Failed where one side answers other than the first."""
    (first, wanted), *others = answers.items()
    for name, answer in others:
        if answer != wanted:
            one, other = str(wanted), str(answer)
            same = next((place for place, pair in enumerate(zip(one, other, strict=False)) if len({*pair}) > 1), 0)
            place = max(0, same - 30)
            shown = (text[place : place + 60] for text in (one, other))
            raise Failed(f"{what}: {first} and {name} answer differently: {' and '.join(shown)}")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table. What is held against the bar is the ratio of both sides, or ours where there is no other;
    it should be at most the bar, or at least where `least`. `processor` is the ratio of times of the processor."""

    what: str
    ours: float | None = None
    peer: float | None = None
    unit: str = "s"
    bar: float | None = None
    least: bool = False
    processor: float | None = None
    failure: str = ""
    load: float = field(default_factory=lambda: round(os.getloadavg()[0], 2))

    @property
    def ratio(self) -> float | None:
        """Ours to the peer's."""
        return self.ours / self.peer if self.ours is not None and self.peer else None

    @property
    def kept(self) -> bool | None:
        """Whether the bar is; None where there is none."""
        measured = self.ours if self.peer is None else self.ratio
        if self.failure or measured is None or self.bar is None:
            return False if self.failure else None
        return measured >= self.bar if self.least else measured <= self.bar

    def record(self) -> dict[str, object]:
        """The line as JSON has it, with every figure as it was measured."""
        return {**asdict(self), "ratio": self.ratio, "kept": self.kept}

    def cells(self) -> tuple[str, ...]:
        """The line as the table has it."""
        bar = "" if self.bar is None else f"{'at least' if self.least else 'at most'} {self.bar:g}"
        words = {None: "", True: "yes", False: "no"}
        return (
            self.what,
            self.failure or write(self.ours, self.unit),
            write(self.peer, self.unit),
            write_ratio(self.ratio),
            write_ratio(self.processor),
            bar,
            words[self.kept],
            f"{self.load:.1f}",
        )


HEAD = ("", "ours", "peer", "ours / peer", "of processor", "bar", "kept", "load")


def compare(what: str, ours: Taken, peer: Taken, bar: float | None = None) -> Line:
    """A line of the seconds of two sides."""
    processor = ours.processor / peer.processor if peer.processor else None
    return Line(what, ours.seconds, peer.seconds, bar=bar, processor=processor)


def write(value: float | None, unit: str) -> str:
    """A figure in the unit that reads best."""
    if value is None:
        return ""
    if unit != "s":
        return f"{value:,.{0 if value >= 100 else 2}f} {unit}".strip()
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.1f} ms"


def write_ratio(value: float | None) -> str:
    """A ratio; a small one as a part of one."""
    if not value:
        return ""
    return f"{value:.2f}" if value >= 0.2 else f"1/{1 / value:.0f}"


def format_table(lines: list[Line]) -> str:
    """The lines as a table that a README can quote as it is."""
    cells = [HEAD, *(line.cells() for line in lines)]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(HEAD))]
    rows = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]
    rule = " | ".join("-" * width for width in widths)
    return "\n".join(f"| {row} |" for row in (rows[0], rule, *rows[1:]))


def describe_machine() -> str:
    """What the numbers were taken on."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return (
        f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    )


def write_json(path: Path, size: str, lines: list[Line]) -> None:
    """The lines beside the table, for programs."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    found = {"at": at, "machine": describe_machine(), "size": size, "lines": [line.record() for line in lines]}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def exponents(times: Mapping[int, float]) -> Iterator[tuple[int, int, float]]:
    """By which power of the size time grows between each size and the next."""
    from_size, *_ = sizes = sorted(times)
    for size in sizes[1:]:
        yield from_size, size, _power(size / from_size, times[size] / times[from_size])
        from_size = size


def _power(size: float, time: float) -> float:
    return math.log(time) / math.log(size)
