"""The query of an address as what it asks for: a report, members, or how an uploaded file is written, as the command
line has it. Every parameter has one name and perhaps an older one; one that
nobody knows, or that is given twice, is refused, as a misspelt one would silently give another report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from domain.classification.groups import Method
from domain.classification.rfm import RfmScheme
from domain.errors import InvalidInput, Sentence
from domain.imports.formats import KEYS, OPTIONS, SourceFormat
from domain.reports.document import Layout
from domain.segments.member_export import check_columns
from gql.file_formats import REPORT_FORMATS

METHODS = tuple(method.value.lower() for method in Method)
LAYOUTS = tuple(layout.value for layout in Layout)
SCHEMES = {"eight": RfmScheme.EIGHT_SEGMENT, "eleven": RfmScheme.ELEVEN_SEGMENT}


BUSINESS, EXPIRES, SIGNATURE = "business", "expires", "signature"
LINK_PARAMETERS = frozenset({BUSINESS, EXPIRES, SIGNATURE})
"""What a signed link carries beside the parameters of its file."""
OLDER = {"segmentation_method": "method", "storefront_id": "storefront", "export_format": "format"}
REPORT_PARAMETERS = (
    "method",
    "days",
    "as_of",
    "storefront",
    "segment_name",
    "segment_code",
    "scheme",
    "format",
    "layout",
)


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
    layout: Layout = Layout.DOCUMENT

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
            "layout": None if self.layout is Layout.DOCUMENT else self.layout.value,
        }
        return [(name, value) for name, value in values.items() if value is not None]


def read_report_parameters(query: Sequence[tuple[str, str]]) -> ReportParameters:
    """What the query asks for; InvalidInput names the parameter that is wrong."""
    values = _read_query(query, REPORT_PARAMETERS)
    return ReportParameters(
        read_method(values.get("method", "rfm")),
        read_days(values.get("days", "90")),
        read_date(values["as_of"]) if "as_of" in values else None,
        values.get("storefront"),
        values.get("segment_name"),
        values.get("segment_code"),
        read_scheme(values.get("scheme", "eight")),
        read_format(values["format"]) if "format" in values else None,
        read_layout(values.get("layout", Layout.DOCUMENT.value)),
    )


def read_member_columns(query: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """The columns that the query chooses, separated by commas; all where it says none."""
    values = _read_query(query, ("columns",))
    names = [name.strip() for name in values.get("columns", "").split(",")]
    return check_columns([name for name in names if name])


def _read_query(query: Sequence[tuple[str, str]], known: Sequence[str]) -> Mapping[str, str]:
    """The values by name; an empty one counts as absent."""
    values: dict[str, str] = {}
    for parameter, value in query:
        if parameter in LINK_PARAMETERS:
            continue
        name = OLDER.get(parameter, parameter) if OLDER.get(parameter) in known else parameter
        if name not in known:
            message = f"There is no parameter {parameter[:40]!r}. There are: {', '.join(known)}"
            raise InvalidInput(message, (parameter,))
        if name in values and values[name] != value:
            raise InvalidInput(f"{name} must be given once", (name,))
        if value:
            values[name] = value
    return values


def read_method(text: str) -> Method:
    """A method, letter case ignored; InvalidInput lists those there are."""
    if text.lower() not in METHODS:
        raise InvalidInput(f"Invalid segmentation_method. Must be one of: {', '.join(METHODS)}", ("method",))
    return Method(text.upper())


def read_scheme(text: str) -> RfmScheme:
    """A scheme by its short or its whole name, letter case ignored."""
    key = text.lower().removesuffix("_segment")
    if key not in SCHEMES:
        raise InvalidInput(Sentence("{scheme} must be one of: {}", ", ".join(SCHEMES)), ("scheme",))
    return SCHEMES[key]


def read_layout(text: str) -> Layout:
    """How a report lies in CSV, letter case ignored."""
    if text.lower() not in LAYOUTS:
        raise InvalidInput(Sentence("{layout} must be one of: {}", ", ".join(LAYOUTS)), ("layout",))
    return Layout(text.lower())


def check_layout(layout: Layout, format: str) -> None:
    """InvalidInput where a file of that format has no such layout."""
    if layout is not Layout.DOCUMENT and format != "csv":
        raise InvalidInput(Sentence("{layout} {} is for csv, not {}", layout.value, format), ("layout",))


def read_date(text: str) -> date:
    """An ISO 8601 date; InvalidInput where it is none."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        message = Sentence("{as_of} must be an ISO 8601 date, such as 2024-03-01")
        raise InvalidInput(message, ("as_of",)) from error


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


FORMAT = "format"
SAVED = "source_format"
UPLOAD_PARAMETERS = (*OPTIONS, FORMAT, SAVED, "name")
LONGEST = 200


def to_parameter_name(field: str) -> str:
    """What a field is called in the query of an upload."""
    return FORMAT if field == SAVED else field


@dataclass(frozen=True, slots=True)
class UploadParameters:
    """How the file is to be read; the name is the source's."""

    form: SourceFormat
    name: str | None

    def to_document(self) -> dict[str, object]:
        """How the file is to be read, as plain values, for keeping."""
        return {**self.form.to_document(), **({} if self.form.name is None else {FORMAT: self.form.name})}


def read_upload_parameters(query: Sequence[tuple[str, str]]) -> UploadParameters:
    """What the query says; InvalidInput names the parameter that is wrong."""
    stated: dict[str, list[str]] = {}
    for name, value in query:
        if name not in UPLOAD_PARAMETERS:
            raise InvalidInput(f"There is no parameter {name[:40]!r}. There are: {', '.join(UPLOAD_PARAMETERS)}")
        if len(value) > LONGEST:
            raise InvalidInput(f"{name} must have at most {LONGEST} characters")
        stated.setdefault(to_parameter_name(name), []).append(value)
    names = {one: stated.pop(one, [None]) for one in (FORMAT, "name")}
    for one, values in names.items():
        if len(set(values)) > 1:
            raise InvalidInput(f"{one} must be given once")
    return UploadParameters(SourceFormat.read_options(stated, names[FORMAT][0]), names["name"][0])


@dataclass(frozen=True, slots=True)
class ListParameters:
    """How a list of members is to be read: the name is the source's; rows that name nobody are left out, or refuse the
    list."""

    skip_unknown: bool
    name: str | None


def read_list_parameters(query: Sequence[tuple[str, str]]) -> ListParameters:
    """What the query says; InvalidInput names the parameter that is wrong."""
    values = _read_query(query, ("skip_unknown", "name"))
    skip = values.get("skip_unknown", "false").lower()
    if skip not in ("true", "false"):
        raise InvalidInput("skip_unknown must be true or false", ("skip_unknown",))
    if len(values.get("name", "")) > LONGEST:
        raise InvalidInput(f"name must have at most {LONGEST} characters")
    return ListParameters(skip == "true", values.get("name"))


def read_form(document: Mapping[str, object]) -> SourceFormat:
    """The format that `UploadParameters.to_document` wrote down."""
    # A file that waited through an upgrade says its columns in the older way.
    older = {"columns": document["map"]} if document.get("map") else {}
    said = older | {name: value for name, value in document.items() if name in KEYS}
    saved = document.get(FORMAT)
    return replace(SourceFormat.read_keys(said), name=None if saved is None else str(saved))
