"""Sources opened for a business as every command opens them, without a store: their rows as they would be staged."""

from pathlib import Path

from domain.imports.formats import SourceFormat
from domain.imports.presets import PURCHASES, load_presets
from domain.imports.rows import RejectedRow
from domain.model import Business, BusinessSettings
from persistence.sources.opening import OpenedPurchases, open_purchases

PRESETS = ", ".join(one.name for one in load_presets().values() if one.about == PURCHASES and one.refusal is None)
"""As refusals name those that can be told."""


def shop(**settings: object) -> Business:
    return Business(1, "shop", "Shop", "EUR", "UTC", BusinessSettings.of(settings), 1, 0, 0)


def open_source(folder: Path, *lines: str, business: Business | None = None, **options: object) -> OpenedPurchases:
    path = folder / "orders.csv"
    path.write_text("\n".join(lines) + "\n")
    return open_purchases(path, business or shop(), SourceFormat.read(options))


def read(source: OpenedPurchases) -> tuple[list[tuple[object, ...]], list[RejectedRow]]:
    """Order, customer, status rank, amount and category of the accepted rows; and the rejected ones."""
    rejected: list[RejectedRow] = []
    rows: list[tuple[object, ...]] = []
    for portion in source.read_rows(rejected.append):
        rows += zip(portion.order_id, portion.customer, portion.status, portion.amount, portion.category, strict=True)
    return rows, rejected
