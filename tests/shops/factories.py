"""What tests are made of."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from domain.calendar import Clock
from domain.imports.columns import format_row
from domain.imports.formats import SourceFormat
from domain.imports.header import resolve_purchases
from domain.imports.model import ImportSummary
from domain.imports.reader import RowReader, read_rows
from domain.imports.rows import RejectedRow
from domain.model import Business, NewPurchase, PurchaseLine, PurchaseStatus
from persistence.database.engines import Database
from persistence.imports.importer import PurchaseImporter
from persistence.sources.csv import CsvSource


def purchase(customer: str, order: str, at: str, amount: int, **more: object) -> NewPurchase:
    """A purchase; `amount` in minor units, `at` an ISO date or timestamp in UTC."""
    instant = datetime.fromisoformat(at)
    values = {"status": PurchaseStatus.COMPLETED, "storefront_key": None, "channel": None, "lines": ()} | more
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return NewPurchase(customer, order, aware, amount, **values)  # type: ignore[arg-type]


def line(category: str | None, amount: int) -> PurchaseLine:
    """A completed line."""
    return PurchaseLine(category, amount, PurchaseStatus.COMPLETED)


def import_file(
    database: Database,
    business: Business,
    clock: Clock,
    path: Path,
    rejects: list[RejectedRow] | None = None,
    *,
    mapping: Iterable[str] = (),
    date_format: str | None = None,
    **options: Any,
) -> ImportSummary:
    """Import a file as the command line does; nothing is written before its header is understood."""
    source = CsvSource(path)
    forms = () if date_format is None else (date_format,)
    form = SourceFormat(columns=dict(pair.split("=") for pair in mapping), date_format=forms)
    layout = resolve_purchases(source.header, form, business.currency)
    reader = RowReader(layout.columns, business.currency, business.time_zone, form, terms=layout.terms)

    def texts(lines: Iterable[int]) -> Iterator[tuple[int, str]]:
        wanted = set(lines)
        return ((line, format_row(cells)) for line, cells in source.read_rows() if line in wanted)

    kept = rejects if rejects is not None else []
    return PurchaseImporter(database, business, clock).run(
        source.name,
        lambda reject: read_rows(source.read_batches(), reader, reject),
        texts,
        actor="test",
        rejects=kept.append,
        **options,
    )
