"""The query of an address as what it asks for. Every parameter has one name and perhaps an older one; one that nobody
knows, or that is given twice, is refused, as a misspelt one would silently give another report.

The query of an upload: how the file is written, as the command line has it, and what it is called.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from domain.classification.rfm import RfmScheme
from domain.errors import InvalidInput
from domain.imports.formats import ImportOptions
from domain.reports.reporting import Method
from domain.segments.member_export import check_columns

METHODS = tuple(method.value.lower() for method in Method)
SCHEMES = {"eight": RfmScheme.EIGHT_SEGMENT, "eleven": RfmScheme.ELEVEN_SEGMENT}
REPORT_FORMATS = ("csv", "xlsx", "pdf", "json")
MEMBER_FORMATS = ("csv", "xlsx", "json")
BUSINESS, EXPIRES, SIGNATURE = "business", "expires", "signature"
LINK_PARAMETERS = frozenset({BUSINESS, EXPIRES, SIGNATURE})
"""What a signed link carries beside the parameters of its file."""
OLDER = {"segmentation_method": "method", "storefront_id": "storefront", "export_format": "format"}
REPORT_PARAMETERS = ("method", "days", "as_of", "storefront", "segment_name", "segment_code", "scheme", "format")
# Arguments of services by the parameter that gives them.
ARGUMENTS = {"segmentName": "segment_name", "segmentCode": "segment_code", "storefrontId": "storefront"}


@dataclass(frozen=True, slots=True)
class ReportParameters:
    """Which report, and as which file; the storefront by its key or id."""

    method: Method = Method.RFM
    days: int = 90
    as_of: date | None = None
    storefront: str | None = None
    name: str | None = None
    code: str | None = None
    scheme: RfmScheme = RfmScheme.EIGHT_SEGMENT
    format: str | None = None

    @property
    def query(self) -> list[tuple[str, str]]:
        """The same as the query of an address."""
        values = {
            "method": self.method.value.lower(),
            "days": str(self.days),
            "as_of": None if self.as_of is None else self.as_of.isoformat(),
            "storefront": self.storefront,
            "segment_name": self.name,
            "segment_code": self.code,
            "scheme": self.scheme.value.removesuffix("_SEGMENT").lower(),
        }
        return [(name, value) for name, value in values.items() if value is not None]


def report_parameters(query: Sequence[tuple[str, str]]) -> ReportParameters:
    """What the query asks for; InvalidInput names the parameter that is wrong."""
    given = _given(query, REPORT_PARAMETERS)
    return ReportParameters(
        read_method(given.get("method", "rfm")),
        read_days(given.get("days", "90")),
        read_date(given["as_of"], "as_of") if "as_of" in given else None,
        given.get("storefront"),
        given.get("segment_name"),
        given.get("segment_code"),
        read_scheme(given.get("scheme", "eight"), "scheme"),
        read_format(given["format"]) if "format" in given else None,
    )


def member_columns(query: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """The columns that the query chooses, separated by commas; all where it says none."""
    given = _given(query, ("columns",))
    names = [name.strip() for name in given.get("columns", "").split(",")]
    return check_columns([name for name in names if name])


def _given(query: Sequence[tuple[str, str]], known: Sequence[str]) -> Mapping[str, str]:
    """The values by name; an empty one counts as absent."""
    found: dict[str, str] = {}
    for said, value in query:
        if said in LINK_PARAMETERS:
            continue
        name = OLDER.get(said, said) if OLDER.get(said) in known else said
        if name not in known:
            raise InvalidInput(f"There is no parameter {said[:40]!r}. There are: {', '.join(known)}", (said,))
        if name in found and found[name] != value:
            raise InvalidInput(f"{name} must be given once", (name,))
        if value:
            found[name] = value
    return found


def read_method(text: str) -> Method:
    """A method, letter case ignored."""
    if text.lower() not in METHODS:
        raise InvalidInput(f"Invalid segmentation_method. Must be one of: {', '.join(METHODS)}", ("method",))
    return Method(text.upper())


def read_scheme(text: str, said: str) -> RfmScheme:
    """A scheme by its short or its whole name, letter case ignored."""
    key = text.lower().removesuffix("_segment")
    if key not in SCHEMES:
        raise InvalidInput(f"{said} must be one of: {', '.join(SCHEMES)}", ("scheme",))
    return SCHEMES[key]


def read_date(text: str, said: str) -> date:
    """An ISO date."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"{said} must be an ISO 8601 date, such as 2024-03-01", ("asOf",)) from error


def read_days(text: str) -> int:
    """A whole number; its bounds are the report's."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise InvalidInput("days must be between 1 and 9999", ("days",))
    return int(text)


def read_format(text: str) -> str:
    """The ending of a file."""
    if text.lower() not in REPORT_FORMATS:
        raise InvalidInput(f"Invalid export_format. Must be one of: {', '.join(REPORT_FORMATS)}", ("format",))
    return text.lower()


def in_parameters(message: str) -> str:
    """A sentence about an argument as one about the parameter that gives it."""
    first, space, rest = message.partition(" ")
    return f"{ARGUMENTS.get(first, first)}{space}{rest}"


TEXTS = ("date_format", "preset", "amount", "decimal", "thousands", "currency_sign", "sheet")
UPLOAD_PARAMETERS = ("map", *TEXTS, "name")
LONGEST = 200
OPTION = re.compile(r"--([a-z][a-z-]*)")


@dataclass(frozen=True, slots=True)
class UploadParameters:
    """How the file is to be read; the name is the source's."""

    options: ImportOptions
    name: str | None

    def document(self) -> dict[str, object]:
        """The options as plain values, for keeping."""
        texts = {name: getattr(self.options, name) for name in TEXTS}
        return {"map": dict(self.options.mapping), **{name: text for name, text in texts.items() if text is not None}}


def upload_parameters(query: Sequence[tuple[str, str]]) -> UploadParameters:
    """What the query says; InvalidInput names the parameter that is wrong."""
    mapping: dict[str, str] = {}
    texts: dict[str, str] = {}
    for name, value in query:
        if name not in UPLOAD_PARAMETERS:
            raise InvalidInput(f"There is no parameter {name[:40]!r}. There are: {', '.join(UPLOAD_PARAMETERS)}")
        if len(value) > LONGEST:
            raise InvalidInput(f"{name} must have at most {LONGEST} characters")
        if name == "map":
            column, equals, field = value.partition("=")
            if not (column and equals and field):
                raise InvalidInput(f"map must be COLUMN=FIELD, not {value[:40]}")
            mapping[column] = field
        elif texts.setdefault(name, value) != value:
            raise InvalidInput(f"{name} must be given once")
    return UploadParameters(options_of(mapping, texts), texts.get("name"))


def kept_options(document: Mapping[str, object]) -> ImportOptions:
    """The options of what `document` made."""
    mapping = document.get("map")
    texts = {name: str(document[name]) for name in TEXTS if document.get(name) is not None}
    return options_of(mapping if isinstance(mapping, dict) else {}, texts)


def options_of(mapping: Mapping[str, str], texts: Mapping[str, str]) -> ImportOptions:
    """Options by their names."""
    values: dict[str, Any] = {name: texts.get(name) for name in TEXTS}
    return ImportOptions(mapping, **values)


def options_in_parameters(message: str) -> str:
    """A sentence about options of the command line as one about the parameters of an upload."""
    return OPTION.sub(lambda found: found[1].replace("-", "_"), message)
