"""Files to import, and importing them as the command line does: the summary, and every rejected row with its reason."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from domain.imports.columns import format_row, resolve_columns
from domain.imports.model import ImportSummary
from domain.imports.rows import RejectedRow, RowReader, read_rows
from domain.model import Business
from persistence.database.engines import Database
from persistence.imports.importer import PurchaseImporter
from persistence.sources.csv import CsvSource

HEADER = "customer_id,order_id,date,amount"


@dataclass
class Importer:
    """Imports into one business; `folder` holds the files."""

    database: Database
    business: Business
    folder: Path
    now: datetime
    rejected: list[tuple[int, str, str]] = field(default_factory=list)

    def lines(
        self,
        *lines: str,
        header: str = HEADER,
        mapping: Iterable[str] = (),
        date_format: str | None = None,
        dry_run: bool = False,
    ) -> ImportSummary:
        """Import a file of these lines."""
        content = "\n".join((header, *lines, ""))
        return self.content(content.encode(), mapping=mapping, date_format=date_format, dry_run=dry_run)

    def content(
        self,
        content: bytes,
        *,
        name: str = "orders.csv",
        mapping: Iterable[str] = (),
        date_format: str | None = None,
        dry_run: bool = False,
    ) -> ImportSummary:
        """Import a file of these bytes; `rejected` becomes what this file had to reject."""
        file = self.folder / name
        file.write_bytes(content)
        return self.file(file, mapping=mapping, date_format=date_format, dry_run=dry_run)

    def file(
        self, file: Path, *, mapping: Iterable[str] = (), date_format: str | None = None, dry_run: bool = False
    ) -> ImportSummary:
        """Import a file that is there; nothing is written before its header is understood."""
        source = CsvSource(file)
        given = dict(pair.split("=") for pair in mapping)
        columns = resolve_columns(source.header, given, self.business.currency)
        reader = RowReader(columns, self.business.currency, self.business.time_zone, date_format)
        rejected: list[RejectedRow] = []

        def texts(lines: Iterable[int]) -> Iterator[tuple[int, str]]:
            wanted = set(lines)
            return ((line, format_row(cells)) for line, cells in source.read_rows() if line in wanted)

        summary = PurchaseImporter(self.database, self.business, lambda: self.now).run(
            source.name,
            lambda reject: read_rows(source.read_batches(), reader, reject),
            texts,
            actor="test",
            dry_run=dry_run,
            rejects=rejected.append,
        )
        self.rejected = [(row.line, row.reason, row.text) for row in rejected]
        assert summary.created + summary.updated + summary.unchanged + summary.rejected == summary.rows_read
        assert len(self.rejected) == summary.rejected
        return summary


def counts(summary: ImportSummary) -> tuple[int, int, int, int]:
    """Created, updated, unchanged, rejected."""
    return summary.created, summary.updated, summary.unchanged, summary.rejected
