"""What README and docs hold, for the tests that follow them: fences by their language, names in their tables."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = (
    "README.md",
    "docs/operations.md",
    "docs/numbers.md",
    "docs/reports.md",
    "docs/settings.md",
    "docs/classification.md",
    "docs/classifiers.md",
    "docs/sources.md",
    "docs/security.md",
    "docs/subscriptions.md",
    "docs/clients.md",
)
FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fence of a document: its language, the file name it may carry, and what it holds."""

    language: str
    name: str
    text: str


def blocks(document: str, language: str) -> list[Block]:
    text = (ROOT / document).read_text(encoding="utf-8")
    return [Block(*map(str, found)) for found in FENCE.findall(text) if found[0] == language]


def table_rows(document: str, heading: str) -> list[list[str]]:
    """The cells of the rows of the table under the heading, without its head."""
    section = (ROOT / document).read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in re.findall(r"^\|.*\|$", section, re.M)]
    return rows[2:]


def table(document: str, heading: str) -> list[str]:
    """The first cells of the rows of the table under the heading."""
    section = (ROOT / document).read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
