"""The query of an upload: how the file is written, as the command line has it, and what it is called."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.errors import InvalidInput
from domain.imports.formats import ImportOptions

TEXTS = ("date_format", "preset", "amount", "decimal", "thousands", "currency_sign", "sheet")
PARAMETERS = ("map", *TEXTS, "name")
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
        if name not in PARAMETERS:
            raise InvalidInput(f"There is no parameter {name[:40]!r}. There are: {', '.join(PARAMETERS)}")
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


def in_parameters(message: str) -> str:
    """A sentence about options of the command line as one about the parameters of an upload."""
    return OPTION.sub(lambda found: found[1].replace("-", "_"), message)
