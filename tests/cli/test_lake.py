"""Columnar copies from the command line."""

import re

from tests.cli.conftest import WINDOW, Segments

HEAD = ["business", "purchases", "written", "customers", "changed since", "no copy, as it is"]


def test_a_copy_is_written_shown_and_answers(shop: Segments) -> None:
    report = shop.run("report", *WINDOW).out
    shop.patch.setenv("SEGMENTS_LAKE", str(shop.data / "lake"))
    small = shop.expect_refusal("lake", "renew")
    shop.patch.setenv("SEGMENTS_LAKE_MINIMUM_PURCHASES", "5")

    before = shop.run("lake", "status").lines
    written = shop.run("lake", "renew").out
    again = shop.run("lake", "renew").out
    after = shop.run("lake", "status").lines

    assert re.fullmatch(
        r"The business has \d+ purchases; copies are of 100,000 and more, as SEGMENTS_LAKE_MINIMUM_PURCHASES says.",
        small,
    )
    assert re.split(r"\s{2,}", before[0].strip()) == HEAD
    assert before[1].split()[::2] == ["shop", "absent"]
    assert re.fullmatch(r"The copy of shop is written: 10 customers with \d+ purchases\.\n", written)
    assert again == "The copy of shop is as new as it has to be. --whole writes it anew.\n"
    assert re.fullmatch(r"shop +\d+ +\d{4}-\d\d-\d\d \d\d:\d\d +10 +0", after[1])
    assert shop.run("lake", "renew", "--whole").out == written
    assert shop.run("report", *WINDOW).out == report


def test_where_there_are_no_copies_it_says_so(shop: Segments) -> None:
    sentence = "There are no columnar copies: let SEGMENTS_LAKE say where they are to be."
    assert [shop.expect_refusal("lake", name) for name in ("status", "renew")] == [sentence] * 2
