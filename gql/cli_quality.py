"""What is doubtful about an import: in the terminal what was found, as JSON every check, with the orders that stand
out."""

from typing import Any

from rich.console import Console
from rich.table import Table

from domain.imports.quality import CHECKS, Quality
from domain.money import exponent, to_decimal
from gql.cli_text import cell

MORE = "…"


def print_quality(quality: Quality, currency: str) -> None:
    """A row for each kind of doubt that was found; nothing where there is none."""
    table = Table("check", "found", "", box=None)
    table.columns[1].justify = "right"
    for name, count in quality.counts.items():
        if count:
            table.add_row(CHECKS[name], f"{count:,}", cell(named(quality, currency) if name == "outliers" else ""))
    if table.row_count:
        Console(highlight=False).print(table)


def named(quality: Quality, currency: str) -> str:
    """The orders that stand out, with their amounts."""
    decimals = exponent(currency)
    shown = [f"{one.order_id} ({to_decimal(one.amount, decimals):,f})" for one in quality.named]
    return ", ".join([*shown, *([MORE] if len(shown) < quality.outliers else [])])


def quality_document(quality: Quality | None, currency: str) -> dict[str, Any] | None:
    """The same as JSON: every count, and amounts as text in the business's currency."""
    if quality is None:
        return None
    decimals = exponent(currency)
    largest = [{"order_id": one.order_id, "amount": str(to_decimal(one.amount, decimals))} for one in quality.named]
    above = None if quality.fence is None else str(to_decimal(quality.fence, decimals))
    return {**quality.counts, "outliers_above": above, "largest_outliers": largest}
