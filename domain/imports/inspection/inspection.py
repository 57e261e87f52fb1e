"""What a person checks before a file is imported: what it is, what is proposed, what is doubtful, what would come in,
and the command, or the format, that imports it so. The same for the command line, for HTTP and for an import that was
refused."""

import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from domain.errors import Names, name_fields, to_option_name
from domain.imports.columns import CUSTOMER_ALIASES, count_noun, normalise_header
from domain.imports.formats import OPTIONS, STATED_AS, SourceFormat
from domain.imports.header import Found
from domain.imports.inspection.proposals import ColumnGuess, Doubt, Proposer, StatusGuess
from domain.imports.inspection.sample import Sample, Tally
from domain.imports.presets import Preset, load_presets
from domain.model import Business
from domain.money import find_exponent, to_decimal

NEARLY = 0.5
"""The share of its signature from which on a preset is named as nearly matching."""
NAMED = {"\t": "tab", " ": "space"}


@dataclass(frozen=True, slots=True)
class PresetMatch:
    """The preset that a header fits best: how much of its signature is there, and what is not."""

    name: str
    title: str
    score: float
    missing: tuple[str, ...]
    refusal: str | None

    @property
    def fits(self) -> bool:
        """Whether all of it is there."""
        return not self.missing


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a file says of itself."""

    name: str
    encoding: str
    delimiter: str | None
    header_line: int
    notes: Sequence[str]


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found. `form` is what has to be said so that the file is imported as proposed, `settled` that with what
    stands behind it; `tally` is what would come in so, None where `refusal` says why nothing can. `business` is the one
    that is meant; what of it is not said is `assumed`."""

    facts: FileFacts
    rows: int
    columns: tuple[ColumnGuess, ...]
    statuses: tuple[StatusGuess, ...]
    dates: Mapping[str, Any]
    doubts: tuple[Doubt, ...]
    findings: tuple[str, ...]
    preset: PresetMatch | None
    form: SourceFormat
    settled: SourceFormat
    business: Business
    assumed: tuple[str, ...] = ()
    tally: Tally | None = None
    refusal: str | None = None
    sample: Sample | None = None

    def list_findings(self, names: Names) -> list[str]:
        """What else is doubtful and has no choice, as sentences."""
        told = [name_fields(one, names) for one in (*self.facts.notes, *self.findings)]
        for line in () if self.sample is None else self.sample.totals:
            told.append(f"Line {line:,} looks like a row of totals, which is no order.")
        if self.tally is not None:
            told += [name_fields(one, names) for one in self.tally.warnings]
            for one in self.tally.kinds.values():
                many = f"{count_noun(one.count, 'row')} would be rejected"
                told.append(f"{many}, the first on line {one.line:,}: {name_fields(one.reason, names)}.")
            if self.tally.future:
                told.append(f"{count_noun(self.tally.future, 'row')} would lie in the future.")
            if self.tally.refunds:
                amount = to_decimal(sum(self.tally.refunds.values()), find_exponent(self.business.currency))
                many = count_noun(len(self.tally.refunds), "refund")
                told.append(f"{many}, {amount:,} in all, would be of no order of the file, and not imported.")
        return list(dict.fromkeys(told))

    def to_document(self, names: Names = str) -> dict[str, Any]:
        """All of it as plain values."""
        decimals = find_exponent(self.business.currency)
        return {
            "source": self.facts.name,
            "encoding": self.facts.encoding,
            "delimiter": NAMED.get(self.facts.delimiter or "", self.facts.delimiter),
            "header_line": self.facts.header_line,
            "rows": self.rows,
            "preset": None if self.preset is None else asdict(self.preset),
            "columns": [asdict(one) for one in self.columns],
            "statuses": [asdict(one) for one in self.statuses],
            "dates": {**self.dates, "time_zone": self.settled.file_time_zone or self.business.time_zone},
            "amounts": {
                "currency": self.business.currency,
                "decimal": self.settled.decimal or ".",
                "thousands": self.settled.thousands,
                "currency_sign": self.settled.currency_sign,
                "round": bool(self.settled.round),
                "of": self.settled.amount or "line",
                "formula": self.settled.amount_formula,
            },
            "orders": self.settled.orders or "order_id",
            "doubts": [
                {
                    "key": one.key,
                    "question": name_fields(one.question, names),
                    "choices": [{"words": choice.words, "format": dict(choice.says)} for choice in one.choices],
                    "default": one.default,
                }
                for one in self.doubts
            ],
            "findings": self.list_findings(names),
            "assumed": list(self.assumed),
            "result": None if self.tally is None else self.tally.to_document(decimals),
            "refusal": None if self.refusal is None else name_fields(self.refusal, names),
            "format": self.form.to_document(),
            "source_format": self.form.name,
        }


def rate_presets(header: Sequence[str], about: str) -> PresetMatch | None:
    """The preset whose signature stands in the header most; None where no one comes near."""
    names = set(map(normalise_header, header))
    best: tuple[float, int, Preset] | None = None
    for preset in load_presets().values():
        if preset.about != about or not preset.signature or names & set(map(normalise_header, preset.absent)):
            continue
        held = sum(normalise_header(column) in names for column in preset.signature)
        rated = held / len(preset.signature), held, preset
        if best is None or rated[:2] > best[:2]:
            best = rated
    if best is None or best[0] < NEARLY or best[1] < 2:
        return None
    score, _, preset = best
    missing = tuple(column for column in preset.signature if normalise_header(column) not in names)
    return PresetMatch(preset.name, preset.title, round(score, 2), missing, preset.refusal)


def is_of_customers(header: Sequence[str], found: Found) -> bool:
    """Whether a header without amounts is that of a file of customers, by fields that purchases do not have."""
    own = {alias for of, known in CUSTOMER_ALIASES.items() if of != "customer_id" for alias in known}
    return len(own & set(map(normalise_header, header))) > ("purchase_date" in found.fields)


def inspect_sample(
    facts: FileFacts,
    sample: Sample,
    told: SourceFormat,
    settle: Callable[[SourceFormat], SourceFormat],
    business: Business,
    about: str,
    doubts: Sequence[Doubt] = (),
    assumed: Sequence[str] = (),
    declined: Collection[str] = (),
) -> Inspection:
    """All that can be said without reading the file again; `doubts` are those that came before, and those of keys that
    were `declined` are none."""
    proposer = Proposer(sample, told, settle, business.currency, declined)
    proposer.propose()
    findings = list(proposer.findings)
    if not proposer.found.fields.keys() & {"amount", "unit_price"} and is_of_customers(sample.header, proposer.found):
        findings.append("It looks like a file of customers: segments import-customers reads those.")
    return Inspection(
        facts,
        sample.count,
        tuple(proposer.list_columns()),
        tuple(proposer.statuses),
        proposer.dates,
        (*doubts, *proposer.doubts),
        tuple(findings),
        rate_presets(sample.header, about),
        proposer.told,
        proposer.form,
        business,
        tuple(assumed),
        sample=sample,
    )


def list_options(form: SourceFormat) -> list[str] | None:
    """The options that say the format; None where it says more than options can."""
    words: list[str] = []
    keys = {name: option for option, name in ((STATED_AS.get(key, key), key) for key in form.to_document())}
    for name, value in form.to_document().items():
        option = keys[name]
        if option not in OPTIONS:
            return None
        flag = to_option_name(option)
        if isinstance(value, Mapping):
            words += [word for key, one in value.items() for word in (flag, f"{key}={one}")]
        elif isinstance(value, list):
            words += [word for one in value for word in (flag, one)]
        elif isinstance(value, bool):
            words += [flag] if value else []
        else:
            words += [flag, NAMED.get(value, str(value))]
    return words + ([to_option_name("source_format"), form.name] if form.name is not None else [])


def build_command(inspection: Inspection, file: str) -> str | None:
    """The command that imports the file as proposed; None where only a saved format can say it."""
    options = list_options(inspection.form)
    if options is None:
        return None
    business = inspection.business
    words = ["segments", "import", file, to_option_name("business"), business.key]
    if not business.id:
        words += [to_option_name("time_zone"), business.time_zone, to_option_name("currency"), business.currency]
    return shlex.join([*words, *options])
