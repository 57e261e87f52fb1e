"""A file of purchases by what it is, not by its name: an Excel workbook, or text."""

from pathlib import Path

from domain.errors import InvalidInput
from domain.imports.rows import PurchaseSource
from persistence.sources.csv import CsvSource

ZIP_MAGIC = b"PK\x03\x04"
OLD_MAGIC = b"\xd0\xcf\x11\xe0"
"""Workbooks of Excel 97 to 2003, and all that are encrypted."""


def open_file(path: Path, sheet: str | None = None, decimal: str = ".") -> PurchaseSource:
    """The file, with its header read; InvalidInput says why it cannot be."""
    magic = b""
    if path.is_file():
        try:
            with path.open("rb") as file:
                magic = file.read(4)
        except OSError as error:
            raise InvalidInput(f"No data found in {path.name}.") from error
    if magic == ZIP_MAGIC:
        # The reader of workbooks takes 200 ms to load, which text need not wait for.
        from persistence.sources.xlsx import XlsxSource

        return XlsxSource(path, sheet, decimal)
    if magic == OLD_MAGIC:
        raise InvalidInput(
            f"{path.name} is an old or an encrypted Excel workbook. Save it as .xlsx without a password."
        )
    if sheet is not None:
        raise InvalidInput(f"--sheet is for Excel workbooks, and {path.name} is none", ("sheet",))
    return CsvSource(path)
