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
    assert table(shown.lines[2:6]) == [
        ["High Value", "2", "20.0 %", "1,400.00", "11"],
        ["Medium Value", "5", "50.0 %", "1,080.00", "20"],
        ["Low Value", "3", "30.0 %", "120.00", "3"],
        ["All", "10", "100.0 %", "2,600.00", "34"],
    ]
    assert shown.lines[6:] == [
        "Customers: 10   Revenue: EUR 2,600.00",
        "Most revenue: High Value, 1,400.00 EUR, 53.8 % of the total, from 2 customers.",
        "Largest group: Medium Value, 5 customers, 50.0 % of all.",
    ]


def test_behaviour_shows_its_dimensions_one_under_the_other(shop: Segments) -> None:
    shown = shop.run("report", *WINDOW, "--method", "BEHAVIOR")

    everybody, nobody = ["10", "100.0 %", "2,600.00", "34"], ["0", "0.0 %", "0.00", "0"]
    assert table(shown.lines[2:14]) == [
        ["Category preference"],
        ["Tea", *everybody],
        ["Mixed", *nobody],
        ["All", *everybody],
        ["Channel"],
        ["Unknown", *everybody],
        ["Omnichannel", *nobody],
        ["All", *everybody],
        ["Season"],
        ["Year-round", *everybody],
        ["Festive", *nobody],
        ["All", *everybody],
    ]
    assert shown.lines[14:] == [
        "Customers: 10   Revenue: EUR 2,600.00",
        "Most revenue by category: Tea, 2,600.00 EUR, 100.0 % of the total, from 10 customers.",
        "Largest group by category: Tea, 10 customers, 100.0 % of all.",
    ]
    only = shop.run("report", *WINDOW, "--method", "behavior", "--segment-code", "season:festive")
    assert table(only.lines[2:4]) == [["Season"], ["Festive", *nobody]]
    assert only.lines[4] == "Customers: 10   Revenue: EUR 2,600.00"


@pytest.mark.parametrize("category", ["[bold]Sale[/]", "=cmd()", "お茶" * 60, "x" * 200, "a\x1b[2Jb"])
def test_any_category_fits_into_eighty_columns(segments: Segments, tmp_path: Path, category: str) -> None:
    file = write_lines(tmp_path / "one.csv", HEADER, f"Ada,1,2024-03-01,12345678901.00,{category}")
    segments.run("import", file, *MAKE)
    segments.patch.setenv("COLUMNS", "80")

    shown = segments.run("report", *WINDOW, "--method", "behavior")

    assert max(map(cell_len, shown.lines)) <= 80
    assert shown.lines[1].split() == ["segment", "customers", "share", "revenue", "EUR", "orders"]
    assert shown.lines[3].startswith(f"  {category[:1]}")
    assert shown.lines[3].split()[-6:] == ["1", "100.0", "%", "█" * 12, "12,345,678,901.00", "1"]
    assert "\x1b" not in shown.out
    if len(category) < 15 and category.isprintable():
        assert f"  {category}  " in shown.lines[3]
        assert shown.lines[-1] == f"Largest group by category: {category}, 1 customer, 100.0 % of all."


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100])
def test_figures_are_whole_at_any_width(segments: Segments, stencils: Stencils, tmp_path: Path, width: int) -> None:
    orders = (f"C{n % 4_321},O{n},2024-03-01,1234567.89,{'x' * 64}" for n in range(12_345))
    file = tmp_path / "many.csv"
    stencils.fill(segments, "many", lambda: segments.run("import", write_lines(file, HEADER, *orders), *MAKE))
    segments.patch.setenv("COLUMNS", str(width))

    shown = segments.run("report", *WINDOW, "--method", "behavior")

    text = " ".join(shown.out.split())
    assert width < 40 or max(map(cell_len, shown.lines)) <= width
    assert text.count("15,240,740,602.05") == 7
    assert ("█" * 12 in text) is (width >= 80)
    headings = ["segment", "customers", "share", "revenue", "EUR", "orders"]
    assert (headings in [line.split() for line in shown.lines]) is (width >= 60)
    assert width >= 60 or "segment: Unknown customers: 4,321 share: 100.0 % revenue EUR: 15,240,740,602.05" in text
