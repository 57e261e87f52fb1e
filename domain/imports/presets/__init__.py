"""The export shapes that are known without being told: one file of data each, beside this one. A source whose header
holds all signature columns of exactly one of them is read by it. A shape without a buyer is known, too, and refused
with the name of the report that has one."""

import tomllib
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

from domain.errors import InvalidInput, Sentence
from domain.imports.columns import normalise_header
from domain.imports.formats import SourceFormat

PURCHASES, CUSTOMERS = "purchases", "customers"
ENDING = ".toml"


@dataclass(frozen=True, slots=True)
class Preset:
    """One shape: `source` is where its header is published, `signature` the columns that tell it, `absent` those that
    it never has, `about` what its rows are, `refusal` why it cannot be read, `missing` what its amounts lack."""

    name: str
    title: str
    source: str
    about: str
    signature: tuple[str, ...]
    format: SourceFormat
    absent: tuple[str, ...] = ()
    refusal: str | None = None
    missing: str | None = None

    def fits(self, header: Sequence[str]) -> bool:
        """Whether the header holds the whole signature, and no column that such a shape never has."""
        names = set(map(normalise_header, header))
        wanted, unwanted = set(map(normalise_header, self.signature)), set(map(normalise_header, self.absent))
        return bool(wanted) and wanted <= names and not unwanted & names


@cache
def load_presets() -> Mapping[str, Preset]:
    """All of them, by name."""
    folder = files(__package__)
    found = sorted(file.name for file in folder.iterdir() if file.name.endswith(ENDING))
    return {name.removesuffix(ENDING): read_preset(name, (folder / name).read_text("utf-8")) for name in found}


def read_preset(name: str, text: str) -> Preset:
    """The preset that a file states."""
    document = tomllib.loads(text)
    return Preset(
        name.removesuffix(ENDING),
        document["title"],
        document["source"],
        document["about"],
        tuple(document["signature"]),
        SourceFormat.read(document.get("format", {})),
        tuple(document.get("absent", ())),
        document.get("refusal"),
        document.get("missing"),
    )


def find_preset(name: str, about: str = PURCHASES) -> Preset:
    """The preset of that name; InvalidInput lists those there are."""
    known = {one.name: one for one in load_presets().values() if one.about == about and one.refusal is None}
    if name not in known:
        raise InvalidInput(Sentence("{preset} must be one of: {}, not {}", ", ".join(known), name[:40]), ("preset",))
    return known[name]


def add_preset(form: SourceFormat, preset: Preset) -> SourceFormat:
    """The format on top of a preset, whose columns hold where the source has them, and its encoding where the source
    does not say one. A decimal sign that is told is not the preset's sign between thousands."""
    if form.amount is not None and preset.format.amount not in (None, form.amount):
        template = "{amount} {} does not go with {preset} {}, whose amounts are of orders"
        raise InvalidInput(Sentence(template, form.amount, preset.name), ("amount",))
    of_preset = replace(
        preset.format, preset=preset.name, encoding=None, columns={}, kept_columns=preset.format.columns
    )
    if form.decimal is not None and form.decimal == of_preset.thousands:
        of_preset = replace(of_preset, thousands=None)
    return form.build_on(of_preset)


def match_preset(header: Sequence[str], about: str = PURCHASES, told: Container[str] = ()) -> Preset | None:
    """The only preset whose signature the header holds, None where there is none or more than one; InvalidInput where
    it is one of a shape that cannot be read, unless the customer's column is among the fields that are told."""
    fitting = [one for one in load_presets().values() if one.about == about and one.fits(header)]
    if len(fitting) > 1:
        # One whose signature holds those of all others says more.
        most = max(fitting, key=lambda one: len(one.signature))
        wanted = set(map(normalise_header, most.signature))
        fitting = [most] if all(set(map(normalise_header, one.signature)) <= wanted for one in fitting) else []
    if not fitting:
        return None
    found = fitting[0]
    if found.refusal is None:
        return found
    if "customer_id" in told:
        return None
    raise InvalidInput(f"This is {found.title}. {found.refusal}")
