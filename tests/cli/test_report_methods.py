"""The report in the terminal by value and by behaviour, at 80 columns, whatever categories are called."""

from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.cli.conftest import MAKE, WINDOW, Segments, Stencils, write_lines

HEADER = "customer_id,order_id,date,amount,category"


def table(lines: list[str]) -> list[list[str]]:
    """The cells of the rows, without the bars."""
    rows = [line.replace("█", "").split("  ") for line in lines]
    return [[part.strip() for part in row if part.strip()] for row in rows]


def test_value_has_three_groups_and_no_movement(shop: Segments) -> None:
    shown = shop.run("report", *WINDOW, "--method", "value")

    assert shown.lines[0] == "shop: VALUE report, 2024-01-02 to 2024-03-31"
    assert table(shown.lines[2:5]) == [
        ["High Value", "2", "1,400.00", "11"],
        ["Medium Value", "5", "1,080.00", "20"],
        ["Low Value", "3", "120.00", "3"],
    ]
    totals = ["Customers: 10   Revenue: EUR 2,600.00", "Most revenue: High Value   Largest: Medium Value"]
    assert shown.lines[5:] == totals


def test_behaviour_shows_its_dimensions_one_under_the_other(shop: Segments) -> None:
    shown = shop.run("report", *WINDOW, "--method", "BEHAVIOR")

    assert table(shown.lines[2:11]) == [
        ["Category preference"],
        ["Tea", "10", "2,600.00", "34"],
        ["Mixed", "0", "0.00", "0"],
        ["Channel"],
        ["Unknown", "10", "2,600.00", "34"],
        ["Omnichannel", "0", "0.00", "0"],
        ["Season"],
        ["Year-round", "10", "2,600.00", "34"],
        ["Festive", "0", "0.00", "0"],
    ]
    assert shown.lines[11:] == ["Customers: 10   Revenue: EUR 2,600.00", "Most revenue: Tea   Largest: Tea"]
    only = shop.run("report", *WINDOW, "--method", "behavior", "--segment-code", "season:festive")
    assert table(only.lines[2:4]) == [["Season"], ["Festive", "0", "0.00", "0"]]


@pytest.mark.parametrize("category", ["[bold]Sale[/]", "=cmd()", "お茶" * 60, "x" * 200, "a\x1b[2Jb"])
def test_any_category_fits_into_eighty_columns(segments: Segments, tmp_path: Path, category: str) -> None:
    file = write_lines(tmp_path / "one.csv", HEADER, f"Ada,1,2024-03-01,12345678901.00,{category}")
    segments.run("import", file, *MAKE)
    segments.patch.setenv("COLUMNS", "80")

    shown = segments.run("report", *WINDOW, "--method", "behavior")

    assert max(map(cell_len, shown.lines)) <= 80
    assert shown.lines[1].split() == ["segment", "customers", "revenue", "EUR", "orders"]
    assert shown.lines[3].startswith(f"  {category[:1]}")
    assert shown.lines[3].split()[-4:] == ["1", "█" * 12, "12,345,678,901.00", "1"]
    assert "\x1b" not in shown.out
    if len(category) < 15 and category.isprintable():
        assert f"  {category}  " in shown.lines[3]
        assert shown.lines[-1] == f"Most revenue: {category}   Largest: {category}"


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100])
def test_figures_headings_and_bars_are_whole_at_any_width(
    segments: Segments, stencils: Stencils, tmp_path: Path, width: int
) -> None:
    orders = (f"C{n % 4_321},O{n},2024-03-01,1234567.89,{'x' * 64}" for n in range(12_345))
    file = tmp_path / "many.csv"
    stencils.fill(segments, "many", lambda: segments.run("import", write_lines(file, HEADER, *orders), *MAKE))
    segments.patch.setenv("COLUMNS", str(width))

    shown = segments.run("report", *WINDOW, "--method", "behavior")

    begins = next(place for place, line in enumerate(shown.lines) if line.startswith("segment"))
    heading, *rows = shown.lines[begins : begins + 10]
    assert heading.split() == ["segment", "customers", "revenue", "EUR", "orders"]
    bars = [row for row in rows if "█" in row]
    assert [row.split()[-4:] for row in bars] == [["4,321", "█" * 12, "15,240,740,602.05", "12,345"]] * 3
    # Only names are cut.
    third = "Year-round" if width > 60 else "Year-ro…"
    assert [row.split()[0].replace("x", "") for row in bars] == ["…", "Unknown", third]
    assert "…" not in "".join(row.split(maxsplit=1)[1] for row in rows if row.startswith("  "))
    assert width < 80 or max(map(cell_len, shown.lines)) <= width
