"""Files to import, and importing them as the command line does: the summary, and every rejected row with its reason."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from domain.imports.model import ImportSummary
from domain.imports.rows import RejectedRow
from domain.model import Business
from persistence.database.engines import Database
from tests.shops.factories import import_file

HEADER = "customer_id,order_id,date,amount"


@dataclass
class Importer:
    """Imports into one business; `folder` holds the files."""

    database: Database
    business: Business
    folder: Path
    now: datetime
    rejected: list[tuple[int, str, str]] = field(default_factory=list)

    def lines(self, *lines: str, header: str = HEADER, **options: Any) -> ImportSummary:
        """Import a file of these lines, with the options of `import_file`."""
        return self.content("\n".join((header, *lines, "")).encode(), **options)

    def content(self, content: bytes, *, name: str = "orders.csv", **options: Any) -> ImportSummary:
        """Import a file of these bytes; `rejected` becomes what this file had to reject."""
        file = self.folder / name
        file.write_bytes(content)
        return self.file(file, **options)

    def file(self, file: Path, **options: Any) -> ImportSummary:
        """Import a file that is there, with the options of `import_file`."""
        rejected: list[RejectedRow] = []
        summary = import_file(self.database, self.business, lambda: self.now, file, rejected, **options)
        self.rejected = [(row.line, row.reason, row.text) for row in rejected]
        assert summary.created + summary.updated + summary.unchanged + summary.rejected == summary.rows_read
        assert len(self.rejected) == summary.rejected
        return summary


def counts(summary: ImportSummary) -> tuple[int, int, int, int]:
    """Created, updated, unchanged, rejected."""
    return summary.created, summary.updated, summary.unchanged, summary.rejected
