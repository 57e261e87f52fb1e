"""docs/segments.md is true: its files are created in their order, and say what stands below each."""

import re
from pathlib import Path

from tests.cli.conftest import Segments, write_lines
from tests.drivers.documents import ROOT

PAGE = ROOT / "docs" / "segments.md"
EXAMPLE = re.compile(r"^```(toml|json)\n(.*?)^```\n(?:> ([^\n]*)\n)?", re.MULTILINE | re.DOTALL)


def test_the_files_of_the_page_make_what_is_said_of_them(shop: Segments, tmp_path: Path) -> None:
    examples = EXAMPLE.findall(PAGE.read_text(encoding="utf-8"))
    said = []

    shop.patch.delenv("COLUMNS")
    for form, text, _ in examples:
        key = shop.run("segment", "create", write_lines(tmp_path / f"segment.{form}", text)).out.split()[1]
        shown = {line[:12].strip(): line[13:] for line in shop.run("segment", "show", key).lines}
        said.append(shown.get("definition", ""))

    assert len(examples) == 5
    assert said == [sentence for _, _, sentence in examples]


def test_the_fields_of_the_page_are_those_that_a_segment_has(shop: Segments, tmp_path: Path) -> None:
    told = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    new = '{"name": "X", "rules": {"!!": [1]}, "schedule": "0 1 * * *"}'

    shop.run("segment", "create", write_lines(tmp_path / "new.json", new))

    assert {*told, "rules"} == {*shop.json("segment", "show", "x"), "version"}
