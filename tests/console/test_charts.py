"""The drawings of the console: each is a figure with a title, the same values as a table, and both to be saved."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tests.drivers.browser import Page
from tests.drivers.console import Console, Shop, check_accessibility

pytestmark = [pytest.mark.tools, pytest.mark.anyio]
DAYS = ["2026-09-30", "2026-10-31", "2026-11-30"]
SERIES = [
    {"name": "Champions", "values": [3, None, 5], "low": [2, None, 4], "high": [4, None, 6], "tone": "good"},
    {"name": "محمد, اليوم", "values": [1, 2.5, 4]},
]
LINKS = [
    {"from": "a", "to": "b", "value": 900, "href": "#/there"},
    {"from": "a", "to": "c", "value": 1, "href": "#/thin"},
]
FIGURES: dict[str, dict[str, Any]] = {
    "bars": {
        "rows": [
            {"label": "=SUM(A1)", "value": 12, "note": "2 more", "tone": "good", "href": "#/there"},
            {"label": "B", "value": 4},
        ],
        "shareOf": 16,
    },
    "lines": {"labels": DAYS, "series": SERIES, "unit": "Customers"},
    "columns": {
        "labels": DAYS,
        "series": [{"name": "Entered", "values": [3, 0, 5]}, {"name": "Left", "values": [-1, -2, None]}],
    },
    "heat": {
        "rows": ["5", "4"],
        "columns": ["1", "2"],
        "cells": [
            {"row": 0, "column": 0, "value": 7, "note": "Champions", "href": "#/there"},
            {"row": 1, "column": 1, "value": 0, "href": "#/nobody"},
        ],
        "rowTitle": "Recency",
        "columnTitle": "Frequency",
    },
    "flows": {
        "from": [{"key": "a", "label": "Champions"}],
        "to": [{"key": "b", "label": "At Risk"}, {"key": "c", "label": "New"}],
        "links": LINKS,
    },
}
VALUES = {
    "bars": [["Name", "Value", "Share", "Note"], ["'=SUM(A1)", "12", "0.75", "2 more"], ["B", "4", "0.25", ""]],
    "lines": [
        ["Date", "Champions", "Champions, low", "Champions, high", "محمد, اليوم"],
        ["2026-09-30", "3", "2", "4", "1"],
        ["2026-10-31", "", "", "", "2.5"],
        ["2026-11-30", "5", "4", "6", "4"],
    ],
    "columns": [
        ["Date", "Entered", "Left"],
        ["2026-09-30", "3", "-1"],
        ["2026-10-31", "0", "-2"],
        ["2026-11-30", "5", ""],
    ],
    "heat": [["Recency", "Frequency", "Value", "Note"], ["5", "1", "7", "Champions"], ["4", "2", "0", ""]],
    "flows": [["From", "To", "Customers"], ["Champions", "At Risk", "900"], ["Champions", "New", "1"]],
}


async def draw(page: Page) -> None:
    """All figures on a page of their own, and a small line."""
    await page.evaluate(f"""(async () => {{
      const charts = await import(new URL('console/charts.js', document.baseURI).href);
      const given = {json.dumps(FIGURES)};
      const figures = Object.entries(given).map(([kind, options]) =>
        charts[kind]({{ title: `All ${{kind}}`, finding: `What ${{kind}} show.`, ...options }}));
      const heading = document.createElement('h2');
      heading.append('Drawings');
      document.querySelector('.page').replaceChildren(
        document.querySelector('h1'), heading, ...figures, charts.spark([1, null, 3], 'from 1 to 3'));
    }})()""")
    await page.settle()


async def test_every_drawing_has_a_title_a_name_and_the_same_values_as_a_table(
    console: Console, empty_shop: Shop
) -> None:
    page = await console.open(empty_shop, "/no-such-page")
    await draw(page)

    assert await page.texts("figure h3") == [f"All {kind}" for kind in FIGURES]
    roles = await page.evaluate(
        """[...document.querySelectorAll('figure svg, svg.spark')]
        .map((each) => [each.getAttribute('role'), each.getAttribute('aria-label')])"""
    )
    # What has links in it is a group of them, since what is in an image is not read out.
    kinds = {"bars": "group", "lines": "img", "columns": "img", "heat": "group", "flows": "group"}
    assert roles == [[role, f"All {kind}: What {kind} show."] for kind, role in kinds.items()] + [
        ["img", "from 1 to 3"]
    ]
    await page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    assert (await page.rows("figure table"))[1] == ["=SUM(A1)", "12", "75.0 %", "2 more"]
    await check_accessibility(page)


async def test_marks_lead_to_what_is_behind_them_and_empty_or_thin_ones_do_not(
    console: Console, empty_shop: Shop
) -> None:
    page = await console.open(empty_shop, "/no-such-page")
    await draw(page)

    marks = await page.evaluate(
        """[...document.querySelectorAll('figure svg a')]
        .map((each) => [each.getAttribute('href'), each.querySelector('title').textContent])"""
    )
    assert marks == [
        ["#/there", "=SUM(A1): 12 · 75.0 %, 2 more"],
        ["#/there", "5, 1: 7, Champions"],
        ["#/there", "Champions → At Risk: 900"],
    ]
    assert await page.evaluate("document.querySelectorAll('figure table a[href=\"#/thin\"]').length") == 1


@pytest.mark.parametrize("width", [380, 1280])
async def test_drawings_fit_their_place_and_letters_keep_their_size(
    console: Console, empty_shop: Shop, width: int
) -> None:
    page = await console.open(empty_shop, "/no-such-page", width=1920)
    await draw(page)

    await page.resize(width, 900)
    await page.wait_for(f"[...document.querySelectorAll('figure svg')].every(e => e.viewBox.baseVal.width <= {width})")

    scales = await page.evaluate("[...document.querySelectorAll('figure svg')].map(e => e.getScreenCTM().a)")
    assert scales == pytest.approx([1] * len(FIGURES))
    assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def test_values_and_pictures_are_saved(console: Console, empty_shop: Shop) -> None:
    page = await console.open(empty_shop, "/no-such-page", theme="dark")
    await draw(page)

    for kind, values in VALUES.items():
        await page.click(f"Save as CSV: All {kind}")
        saved = await page.downloaded()
        assert saved.name.endswith(f"All {kind}.csv")
        with saved.open(encoding="utf-8-sig", newline="") as file:
            assert list(csv.reader(file)) == values
    for kind in ("bars", "flows"):
        await page.click(f"Save as PNG: All {kind}")
        assert size_of(await page.downloaded()) >= (1000, 300)


def size_of(picture: Path) -> tuple[int, int]:
    """Width and height of a PNG in pixels."""
    data = picture.read_bytes()
    assert data.startswith(b"\x89PNG")
    return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
