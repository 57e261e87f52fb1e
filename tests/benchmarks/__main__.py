"""`make bench`: everything that is said of speed, beside what people would otherwise use, in one table with ratios.

Both sides answer in the same run, in turn, and must answer the same; a ratio is of the least times. `--only NAME`
(again for more) chooses, `--sizes` how much. The table goes to standard output and, with every figure, as JSON
beside the files. The exit code is 1 where a part fails, answers differ or, at full sizes, a bar is not kept.
`--ratios` is the lane that finds what became slower: tests/benchmarks/ratios.py.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.benchmarks import classification, commands, exports, growth, imports, ratios, reports, segments, serving
from tests.benchmarks.comparison import Failed, Line, describe_machine, format_table, write_json
from tests.benchmarks.data import FOLDER, SIZES, Sizes

PARTS: dict[str, Callable[[Sizes], Iterator[Line]]] = {
    "reports": reports.measure,
    "serving": serving.measure,
    "imports": imports.measure,
    "segments": segments.measure,
    "exports": exports.measure,
    "classification": classification.measure,
    "growth": growth.measure,
    "commands": commands.measure,
}

LONGEST_FAILURE = 300


def measure(name: str, sizes: Sizes) -> Iterator[Line]:
    """The lines of a part; one that fails is a line of the table and does not end the others."""
    print(f"{name} …", file=sys.stderr, flush=True)
    began = time.monotonic()
    try:
        for line in PARTS[name](sizes):
            print(" | ".join(line.cells()), file=sys.stderr, flush=True)
            yield line
    except Failed as failure:
        yield Line(name, failure=f"FAILED: {failure}"[:LONGEST_FAILURE])
    print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def main(arguments: list[str]) -> int:
    """Measure what was chosen."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    names = ", ".join(PARTS)
    parser.add_argument("--only", action="append", choices=PARTS, metavar="NAME", help=f"one of: {names}")
    parser.add_argument("--sizes", choices=SIZES, default="small", help="how much (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="where the figures go (default: bench-data/bench-SIZES.json)")
    parser.add_argument("--ratios", action="store_true", help="compare a few ratios with those that are kept")
    parser.add_argument("--keep", action="store_true", help="with --ratios: keep those of now")
    chosen = parser.parse_args(arguments)
    if chosen.ratios:
        return ratios.main(chosen.keep)
    lines = [line for name in chosen.only or PARTS for line in measure(name, SIZES[chosen.sizes])]
    write_json(chosen.json or FOLDER / f"bench-{chosen.sizes}.json", chosen.sizes, lines)
    print(f"{describe_machine()}\n\n{format_table(lines)}")
    behind = chosen.sizes == "full" and any(line.kept is False for line in lines)
    return int(behind or any(line.failure for line in lines))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
