"""Every table of the command line at every width: no line is wider than the terminal, measured in its cells, no figure
and no key is cut, and where nobody looks nothing is. Names are of scripts whose letters take no cell, one or two."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from functools import partial
from pathlib import Path

import pytest
from rich.cells import cell_len

from gql.cli.actions.terminal import Fit, lay_out
from tests.cli.conftest import WINDOW, Segments, Stencils, write_lines
from tests.cli.test_program import read_terminal

NAMES = {
    "C-1": "प्रिया शर्मा कृष्णमूर्ति सुब्रमण्यम",
    "C-2": "田中太郎とその家族の皆様方へのご案内",
    "C-3": "👩‍👩‍👧‍👦 Family Smith of the Harbour Street",
    "C-4": "عمر خالد عبد الرحمن المنصور",
    "C-5": "Zoë éclair",
}
ROWS = [f"{key},{key}-{n},2024-03-0{n},{n}234567.89,{name}" for key, name in NAMES.items() for n in (1, 2)]
TABLES = {
    "customers": ("3,469,135.78", "C-1"),
    "imports list": ("10",),
    "imports show 1": ("10 rows",),
    "segment list": ("vip", "MANUAL"),
    "status": ("vip", "big"),
    "formats list": ("till", "online-retail-2"),
    "businesses list": ("shop", "Asia/Kolkata"),
    "report --as-of 2024-03-31": ("17,345,678.90",),
    "report --as-of 2024-03-31 --method behavior": ("17,345,678.90",),
    "import {bad} --dry-run": ("rejected",),
    "inspect {file}": ("17,345,678.90", "Asia/Kolkata"),
}
"""Every command that prints a table, and what stands in it whole."""


@pytest.fixture
def filled(segments: Segments, stencils: Stencils, tmp_path: Path) -> Segments:
    """A shop whose customers, categories and segments have such names."""
    header = "customer_id,order_id,date,amount,category"
    write_lines(tmp_path / "orders.csv", header, *ROWS)
    write_lines(tmp_path / "bad.csv", header, "C-1,,2024-03-01,1.00,", "C-2,9,yesterday,1.00,", "C-3,10,2024-03-01,x,")

    def fill() -> None:
        make = ("--business", "shop", "--time-zone", "Asia/Kolkata", "--currency", "INR")
        segments.run("import", tmp_path / "orders.csv", *make)
        customers = [f"{key},{name}" for key, name in NAMES.items()]
        segments.run("import-customers", write_lines(tmp_path / "names.csv", "customer_id,name", *customers))
        for key, more in (("vip", '"kind": "MANUAL"'), ("big", '"criteria": {"minOrders": 1}')):
            text = f'{{"name": "{NAMES["C-1"]} {key}", "key": "{key}", {more}}}'
            segments.run("segment", "create", write_lines(tmp_path / "segment.json", text))
        segments.run("recalculate")
        segments.run("formats", "save", "till", "--date-format", "%d.%m.%Y", "--decimal", ",")
        segments.run("businesses", "set", "shop", "--name", f"{NAMES['C-1']} {NAMES['C-2']}")

    return stencils.fill(segments, "names", fill)


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_table_is_wider_than_the_terminal_and_nothing_that_counts_is_cut(
    filled: Segments, tmp_path: Path, width: int
) -> None:
    filled.patch.setenv("COLUMNS", str(width))

    for command, whole in TABLES.items():
        given = command.format(bad=tmp_path / "bad.csv", file=tmp_path / "orders.csv").split()
        shown = filled(*given).lines
        # Sentences, and a command to be copied, are lines of their own.
        copied = [line for line in shown if str(tmp_path) in line or line.startswith("bad.csv: ")]

        wide = [line for line in shown if cell_len(line) > width and line not in copied]
        assert wide == [], command
        text = "\n".join(shown)
        assert [one for one in whole if one not in text] == [], text
        assert not re.search(r"\d…", text), text


def test_a_pipe_gets_rows_that_are_whole(filled: Segments) -> None:
    filled.patch.delenv("COLUMNS")

    customers = filled.run("customers").lines
    segments = filled.run("segment", "list").lines

    assert len(customers) == 1 + len(NAMES)
    assert [name in line for name, line in zip(NAMES.values(), customers[1:], strict=True)] == [True] * len(NAMES)
    assert "…" not in "".join(customers + segments)


def test_columns_stand_below_each_other_whatever_the_letters() -> None:
    rows = [(key, name, "1") for key, name in NAMES.items()]

    for width in (None, 24, 30):
        lines = list(lay_out({"key": Fit.WHOLE, "name": Fit.NAME, "n": Fit.FIGURE}, rows, width))
        assert len({cell_len(line) for line in lines}) == 1
        assert width is None or {cell_len(line) for line in lines} == {width}


def test_a_name_is_cut_between_letters_and_not_within_one() -> None:
    (_, line) = lay_out({"name": Fit.NAME}, [["काव्या कृष्णमूर्ति सुब्रमण्यम"]], 10)

    assert line == "काव्या कृष्णमूर्…"
    assert cell_len(line) <= 10


def test_prose_goes_on_below_at_words_and_what_has_no_room_becomes_lines() -> None:
    columns = {"key": Fit.WHOLE, "why": Fit.PROSE, "rows": Fit.FIGURE}
    rows = [["a-key", "the date is absent or wrong", "1,234"]]

    assert list(lay_out(columns, rows, 26)) == [
        "key    why            rows",
        "a-key  the date is   1,234",
        "       absent or",
        "       wrong",
    ]
    assert list(lay_out(columns, rows, 17)) == [
        "key:  a-key",
        "why:  the date is",
        "      absent or",
        "      wrong",
        "rows: 1,234",
        "",
    ]


def test_a_terminal_says_how_wide_it_is(filled: Segments) -> None:
    environment = {name: value for name, value in filled.environment(TERM="xterm").items() if name != "COLUMNS"}
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))

    with subprocess.Popen(**filled.apart("customers", env=environment, stdout=terminal)):
        os.close(terminal)
        shown = b"".join(iter(partial(read_terminal, screen), b"")).decode()
    os.close(screen)

    assert max(map(cell_len, shown.splitlines())) <= 60
    assert "…" in shown
    assert "3,469,135.78" in shown


def test_times_are_those_of_the_shop_and_json_is_in_utc(filled: Segments) -> None:
    (one, *_) = filled.json("segment", "list")
    listed = filled.run("segment", "list").lines
    show = filled.run("imports", "show", "1").out

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", one["last_calculated"])
    hour, minute = map(int, one["last_calculated"][11:16].split(":"))
    local = (hour * 60 + minute + 330) % 1440
    assert any(f"{local // 60:02}:{local % 60:02}" in line for line in listed)
    assert listed[-1] == "Times are in Asia/Kolkata."
    assert re.search(r"began +\d{4}-\d\d-\d\d \d\d:\d\d \(Asia/Kolkata\)\n", show)


def test_a_report_of_nothing_says_the_day_of_the_last_purchase_and_the_command(shop: Segments) -> None:
    said = shop.run("report", "--method", "value", "--days=30", "--as-of", "2026-01-01", "--scheme", "eleven")

    command = "segments report --method value --days=30 --scheme eleven --as-of 2024-03-30"
    assert said.err == f"No purchase counts in this window. The last one of the shop was on 2024-03-30: {command}\n"
    assert shop.run(*command.split()[1:]).err == ""


def test_a_store_without_purchases_says_how_to_import(made: Segments) -> None:
    said = made.run("report", *WINDOW, "--format", "json")

    assert said.err == "There are no purchases yet. Import some: segments import FILE --business shop\n"
