"""`make bench`: measures import, report and pages against pandas, recalculation against SQL, files against
the libraries that write them; one table with ratios.

A number is the median of several runs; the limit it should keep stands beside it. `--only NAME` (again for more)
chooses, `--rows N` makes the files smaller. The exit code is 1 where a limit is not kept or numbers differ.
"""

import argparse
import json
import os
import platform
import secrets
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from statistics import median

from tests.benchmarks.data import AS_OF, FOLDER, ROWS, PurchaseFile, one_row_an_order, ten_rows_an_order, write_file
from tests.benchmarks.processes import BUSINESS, SEGMENTS, Cost, Failed, python, run, watch_store

COMPLETE = "complete"
IMPORT_RUNS = 3
REPORT_RUNS = 7
SCRIPT_RUNS = 3
PAGE_RUNS = 50
SHEET_ROWS = 100_000
MEMORY_LIMIT = 200
LOCK_LIMIT = 1.0
SEGMENT_LIMIT = Fraction(2)
IMPORT_LIMITS = {"one": Fraction(3), "ten": Fraction(3, 2)}
POSTGRESQL_LIMIT = Fraction(5, 2)
COMMAND_RUNS = 7
COMMAND_LIMITS = {
    **dict.fromkeys(("businesses list", "status", "settings show", "segment list", "token"), Fraction(8, 5)),
    "import --help": Fraction(3, 4),
}
REPORT_LIMITS = {90: Fraction(1, 10), 730: Fraction(1, 5)}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table; `kept` is None where there is no limit."""

    what: str
    ours: str
    peer: str = ""
    ratio: str = ""
    limit: str = ""
    kept: bool | None = None


def compare_times(what: str, ours: float, peer: float, limit: Fraction | None) -> Line:
    """A line of two times and the ratio ours/peer with its limit, where there is one."""
    ratio = ours / peer
    written_ratio = f"{ratio:.2f}" if ratio >= 1 else f"1/{1 / ratio:.1f}"
    if limit is None:
        return Line(what, seconds(ours), seconds(peer), written_ratio)
    shown_limit = f"{float(limit):g}" if limit >= 1 else str(limit)
    return Line(what, seconds(ours), seconds(peer), written_ratio, f"at most {shown_limit}", ratio <= limit)


def memory(what: str, ours: float, peer: float, limit: str, kept: bool) -> Line:
    """A line of the most megabytes that both held."""
    return Line(f"{what}: memory", f"{ours:.0f} MB", f"{peer:.0f} MB", f"{ours / peer:.2f}", limit, kept)


def seconds(value: float) -> str:
    """A time, in the unit that reads best."""
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.1f} ms"


def store_folder(file: PurchaseFile) -> Path:
    """Where the store that was made from the file stays for the reports."""
    return FOLDER / f"store-{file.name}-{file.rows}"


def segments(data: Path, *arguments: str | Path) -> Cost:
    """Run our command on the embedded store of a data folder."""
    return run([SEGMENTS, *arguments], {"SEGMENTS_DATA": str(data), "SEGMENTS_DATABASE_URL": ""})


def fresh(data: Path) -> Path:
    """An empty, migrated store in a folder that held nothing."""
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    segments(data, "db", "upgrade")
    return data


def import_ours(file: PurchaseFile, data: Path) -> Cost:
    """Import the file into the store of the folder."""
    return segments(data, "import", write_file(file), *BUSINESS)


def measure_import(file: PurchaseFile) -> Iterator[Line]:
    """Time, memory and lock of our import beside pandas' time and memory, each from an empty store."""
    what = f"import of {file.rows:,} rows, {file.form}"
    write_file(file)
    data = store_folder(file)
    ours, peer = [], []
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        for number in range(IMPORT_RUNS):
            ours.append(import_ours(file, fresh(data)))
            peer.append(python("peers", "import", write_file(file), Path(folder) / f"{number}.sqlite"))
    with watch_store(fresh(data) / "segments.sqlite") as lock:
        import_ours(file, data)
    (data / COMPLETE).touch()
    yield compare_times(
        what, median(c.seconds for c in ours), median(c.seconds for c in peer), IMPORT_LIMITS[file.name]
    )
    most, pandas_most = max(c.megabytes for c in ours), max(c.megabytes for c in peer)
    yield memory(what, most, pandas_most, f"under {MEMORY_LIMIT} MB", most < MEMORY_LIMIT)
    kept = lock.longest <= LOCK_LIMIT
    yield Line(f"{what}: longest write lock", seconds(lock.longest), limit=f"at most {LOCK_LIMIT:g} s", kept=kept)


def measure_postgresql(file: PurchaseFile) -> Iterator[Line]:
    """Import and recording on PostgreSQL beside SQLite."""
    found = json.loads(python("postgresql", write_file(file), str(IMPORT_RUNS)).output)
    times = {name: median(taken) for name, taken in found.items()}
    what = f"import of {file.rows:,} rows into PostgreSQL, {file.form}; into SQLite"
    yield compare_times(what, times["postgresql"], times["sqlite"], POSTGRESQL_LIMIT)
    what = f"recording five purchases, PostgreSQL after {file.rows:,} rows; SQLite"
    yield compare_times(what, times["record_postgresql"], times["record_sqlite"], None)


def import_once(file: PurchaseFile) -> Path:
    """The folder of a store that holds the file; it is imported where no earlier run left one."""
    data = store_folder(file)
    if not (data / COMPLETE).exists():
        import_ours(file, fresh(data))
        (data / COMPLETE).touch()
    return data


def measure_report(file: PurchaseFile) -> Iterator[Line]:
    """The uncached report beside pandas on the same store; the groups must be equal."""
    data = import_once(file)
    store = data / "segments.sqlite"
    for days, limit in REPORT_LIMITS.items():
        ours = json.loads(python("ours", "report", data, str(days), str(REPORT_RUNS)).output)
        asked = ("report", store, str(days), AS_OF.isoformat())
        scripts = [python("peers", *asked, "0").seconds for _ in range(SCRIPT_RUNS)]
        loaded = json.loads(python("peers", *asked, str(SCRIPT_RUNS)).output)
        peer = json.loads(python("peers", *asked, str(REPORT_RUNS), "--tuned").output)
        ask = median(ours["seconds"])
        yield compare_times(f"report of {days} days; a pandas script", ask, median(scripts), limit)
        yield compare_times(
            f"report of {days} days; the script, pandas kept loaded", ask, median(loaded["seconds"]), None
        )
        yield compare_times(f"report of {days} days; and tuned to the store", ask, median(peer["seconds"]), None)
        same = ours["groups"] == peer["groups"] == loaded["groups"]
        what = f"report of {days} days: customers and revenue of each group"
        counted = (f"{sum(count for count, _ in found['groups'].values()):,} customers" for found in (ours, peer))
        yield Line(what, *counted, "equal" if same else "DIFFERENT", "equal", same)
        both = json.loads(python("ours", "report", data, str(days), str(REPORT_RUNS), "--previous").output)
        yield Line(f"report of {days} days, with the previous window", seconds(median(both["seconds"])))


def measure_page(file: PurchaseFile) -> Iterator[Line]:
    """A page of 100 customers by revenue with metrics and RFM."""
    page = json.loads(python("ours", "page", import_once(file), "100", str(PAGE_RUNS)).output)
    yield Line(f"page of {page['customers']} customers with metrics and RFM", seconds(median(page["seconds"])))


def measure_requests(file: PurchaseFile) -> Iterator[Line]:
    """Requests for the report, kept and computed, beside the smallest there is, and for its files."""
    found = json.loads(python("reports", import_once(file), str(REPORT_RUNS)).output)
    times = {name: median(taken) for name, taken in found.items()}
    yield compare_times("request for a kept report of 90 days; computed", times["cached"], times["uncached"], None)
    yield compare_times("request for a kept report; for { __typename }", times["cached"], times["typename"], None)
    for kind in ("json", "csv", "xlsx", "pdf"):
        yield Line(f"kept report of 90 days as {kind.upper()}", seconds(times[kind]))


def measure_exports(file: PurchaseFile) -> Iterator[Line]:
    """Members of a segment of so many customers as files, beside the library that writes them by itself."""
    customers = file.rows
    for form, library in (("csv", "csv"), ("xlsx", "openpyxl")):
        ours = json.loads(python("exports", str(customers), form).output)
        peer = json.loads(python("exports", str(customers), form, "peer").output)
        what = f"{customers:,} members as {form.upper()}"
        yield compare_times(f"{what}; {library} alone, the rows at hand", ours["seconds"], peer["seconds"], None)
        yield Line(f"{what}: rows a second", f"{ours['rows_a_second']:,.0f}", f"{peer['rows_a_second']:,.0f}")
        before, after = ours["megabytes"]
        yield Line(f"{what}: memory before and at most", f"{before:.0f} and {after:.0f} MB")


def measure_workbooks(_: PurchaseFile) -> Iterator[Line]:
    """A workbook read by calamine beside openpyxl, which reads what calamine does not read as right."""
    found = json.loads(python("workbooks", str(SHEET_ROWS)).output)
    what = f"workbook of {SHEET_ROWS:,} rows and 8 columns"
    yield compare_times(f"{what}; openpyxl", found["calamine"], found["openpyxl"], Fraction(1, 4))
    yield Line(f"{what}: cells", "", "", "equal" if found["equal"] else "DIFFERENT", "equal", found["equal"])


def measure_segments(file: PurchaseFile) -> Iterator[Line]:
    """Recalculation beside the bare statement that writes the same rows; preview, page and many segments at once."""
    customers = file.rows
    found = json.loads(python("segments", str(customers)).output)
    what = f"recalculation of {customers:,} customers"
    yield compare_times(
        f"{what}, {found['entered']:,} entering; the bare INSERT … SELECT", found["first"], found["bare"], SEGMENT_LIMIT
    )
    yield Line(f"{what} again, nothing changes", seconds(found["again"]))
    before, after = found["megabytes"]
    yield Line(f"{what}: memory before and at most", f"{before:.0f} and {after:.0f} MB")
    yield Line(f"preview over {customers:,} customers", seconds(found["preview"]))
    yield Line("page of 100 members with metrics and memberships", seconds(found["page"]))
    many = json.loads(python("segments", str(customers // 10), "50").output)["many"]
    yield Line(f"50 segments over {customers // 10:,} customers in one run", seconds(many))


def measure_commands(_: PurchaseFile) -> Iterator[Line]:
    """Time of the processor of small commands and of a help text, beside what every command of such a program loads:
    the least of several runs, as everything else that a machine does only adds to it."""
    bare = [sys.executable, "-c", "import sqlmodel, typer"]
    with tempfile.TemporaryDirectory() as data:
        environ = {"SEGMENTS_DATA": data, "SEGMENTS_JWT_SECRET": secrets.token_urlsafe(48)}
        run([SEGMENTS, "businesses", "create", *BUSINESS[1:]], environ)
        for words, limit in COMMAND_LIMITS.items():
            costs = [(run([SEGMENTS, *words.split()], environ), run(bare)) for _ in range(COMMAND_RUNS)]
            ours, peer = (min(cost.processor for cost in side) for side in zip(*costs, strict=True))
            yield compare_times(f"processor: segments {words}; import sqlmodel, typer", ours, peer, limit)
            yield Line(f"memory: segments {words}", f"{max(cost.megabytes for cost, _ in costs):.0f} MB")


def measure_pipeline(file: PurchaseFile) -> Iterator[Line]:
    """Import, classification and output beside a pandas script that classifies the file and stores nothing."""
    today = datetime.now(UTC).date().isoformat()
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        data, labels = Path(folder) / "data", Path(folder) / "peer.json"
        peer = [python("pipeline_peer", write_file(file), labels, today) for _ in range(SCRIPT_RUNS)]
        script, most = median(c.seconds for c in peer), max(c.megabytes for c in peer)
        ours = segments(fresh(data), "classify", "--csv-path", write_file(file), *BUSINESS)
        made = (data / "output" / "bench" / "customer_segmentation.json").read_text(encoding="utf-8")
        what = f"import, classification and output of {file.rows:,} rows"
        yield compare_times(f"{what}; a pandas script that stores nothing", ours.seconds, script, Fraction(2))
        yield memory(what, ours.megabytes, most, "at most 1/3", 3 * ours.megabytes <= most)
        same = json.loads(made) == json.loads(labels.read_text(encoding="utf-8"))
        yield Line(f"{what}: labels", "", "", "equal" if same else "DIFFERENT", "equal", same)
        # Nothing is kept.
        with sqlite3.connect(data / "segments.sqlite") as connection:
            connection.execute("UPDATE label_state SET basis = NULL")
        store = segments(data, "classify", "--force")
        yield compare_times("classification of the store alone; the script", store.seconds, script, Fraction(1))
        found = json.loads(python("pipeline", fresh(data), write_file(file), str(file.rows)).output)
    for name, words in (("appended", "1 % was appended to the file"), ("changed", "1 % changed in the store")):
        what = f"second run after {words}, in a process that stays; the first"
        yield compare_times(what, found[name], found["first"], Fraction(1, 10))


PARTS = {
    "import-one": measure_import,
    "import-ten": measure_import,
    "postgresql-one": measure_postgresql,
    "postgresql-ten": measure_postgresql,
    "report": measure_report,
    "requests": measure_requests,
    "page": measure_page,
    "segments": measure_segments,
    "exports": measure_exports,
    "workbooks": measure_workbooks,
    "pipeline": measure_pipeline,
    "commands": measure_commands,
}


def machine() -> str:
    """What the numbers were taken on."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return (
        f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    )


def format_table(lines: list[Line]) -> str:
    """The lines as a table that a README can quote as it is."""
    words = {None: "", True: "yes", False: "NO"}
    head = ("", "ours", "peer", "ours / peer", "limit", "kept")
    cells = [head, *((n.what, n.ours, n.peer, n.ratio, n.limit, words[n.kept]) for n in lines)]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(head))]
    rows = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]
    rule = " | ".join("-" * width for width in widths)
    return "\n".join(f"| {row} |" for row in (rows[0], rule, *rows[1:]))


def main(arguments: list[str]) -> int:
    """Measure what was chosen; a part that fails is one line of the table and does not end the others."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    names = ", ".join(PARTS)
    parser.add_argument("--only", action="append", choices=PARTS, metavar="NAME", help=f"one of: {names}")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of each file (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    if chosen.rows < 1000 or chosen.rows % 100:
        parser.error("--rows must be a multiple of 100, and at least 1000")
    one, ten = one_row_an_order(chosen.rows), ten_rows_an_order(chosen.rows)
    lines: list[Line] = []
    for name in chosen.only or PARTS:
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            lines += PARTS[name](ten if name.endswith("-ten") else one)
        except Failed as failure:
            lines.append(Line(name, str(failure), kept=False))
    print(f"{machine()}\n\n{format_table(lines)}")
    return 1 if any(line.kept is False for line in lines) else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
