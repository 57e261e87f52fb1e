"""The formats of files that there are: of reports and of lists of members, over HTTP and on the command line."""

from dataclasses import dataclass

from domain.imports.sources import WORKBOOK


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A kind of file: what a report, and a list of members, is in it, None where they are no such file. One that is
    binary takes a processor for a while and does not go to a terminal."""

    media_type: str
    report: str | None
    members: str | None = None
    binary: bool = False


FILE_FORMATS = {
    "csv": FileFormat("text/csv; charset=utf-8", "Comma-separated values.", "Comma-separated values."),
    "xlsx": FileFormat(WORKBOOK, "A workbook with charts.", "A workbook.", binary=True),
    "pdf": FileFormat("application/pdf", "A document to print.", binary=True),
    "json": FileFormat("application/json", "The documented response.", "An object with a list of members."),
}
"""By the endings of the files; what writes them is in composition.py."""
REPORT_FORMATS = {ending: one.report for ending, one in FILE_FORMATS.items() if one.report}
MEMBER_FORMATS = {ending: one.members for ending, one in FILE_FORMATS.items() if one.members}
