"""The settings of a business: a table of every one, and how stated values become kept ones. What is stated is checked
as a whole, every fault named; absent keeps, null goes back to the default; only what differs from it is kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from domain.businesses.mongodb import NAMES as MONGODB_NAMES
from domain.businesses.mongodb import SECTION as MONGODB
from domain.businesses.setting_types import (
    Kind,
    amount,
    colour,
    cron,
    file_name,
    folder,
    format_key,
    label,
    order,
    periods,
    picture,
    read_percentage,
    reports,
    saved_format,
    switch,
    whole,
)
from domain.classification.labels import BOUNDS, ClassificationSettings
from domain.errors import FieldProblem, InvalidInput
from domain.imports.formats import KEYS
from domain.model import BusinessSettings
from domain.reports.brand import ACCENT

DEFAULTS = BusinessSettings()
THRESHOLDS = ClassificationSettings()


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting; a dot in its name is a section. `unit` is what a whole number counts. `here` marks places on this
    machine, which only its command line sets."""

    name: str
    kind: Kind
    default: object
    description: str
    here: bool = False
    unit: str | None = None


def _make_whole_setting(name: str, unit: str, description: str) -> Setting:
    return Setting(name, whole(1, BOUNDS[name]), getattr(THRESHOLDS, name), description, unit=unit)


def _make_amount_setting(name: str, description: str) -> Setting:
    return Setting(name, amount(), int(getattr(THRESHOLDS, name)), description)


def _make_own_setting(
    name: str, kind: Kind, description: str, *, here: bool = False, unit: str | None = None
) -> Setting:
    return Setting(name, kind, getattr(DEFAULTS, name), description, here, unit)


SETTINGS: tuple[Setting, ...] = (
    _make_amount_setting("high_average_order", "average order from which a customer is High Value"),
    _make_amount_setting("high_lifetime", "sum of all orders from which a customer is High Value"),
    _make_amount_setting("low_lifetime", "sum of all orders up to which a customer is Low Value"),
    _make_whole_setting("loyal_orders", "orders", "orders in the last `loyal_months` from which a customer is Loyal"),
    _make_whole_setting("loyal_months", "months", "calendar months that Loyal looks at"),
    _make_whole_setting(
        "lapsed_days", "days", "days without an order, today included, after which a customer is Lapsed"
    ),
    _make_whole_setting(
        "festive_percent", "percent", "share of orders in festive periods from which a customer is Seasonal, in percent"
    ),
    _make_whole_setting(
        "dominant_percent", "percent", "share of lines from which one category names the label, in percent"
    ),
    _make_whole_setting("family_percent", "percent", "share of lines that two categories need for Family, in percent"),
    Setting("frequency_order", order(), list(THRESHOLDS.frequency_order), "which frequency label is tried first"),
    Setting("festive_periods", periods(), THRESHOLDS.festive.as_json(), "when it is festive, both ends included"),
    _make_own_setting("rfm_days", whole(1, 9999), "days that a customer's own RFM scores look back", unit="days"),
    _make_own_setting(
        "inactive_days", whole(1, 9999), "days without an order after which a member counts as inactive", unit="days"
    ),
    _make_own_setting("follow_purchases", switch(), "whether dynamic segments follow as soon as purchases are written"),
    Setting("import.format", saved_format(), None, "saved format that files are read by"),
    *(Setting(f"import.{name}", format_key(name, key), None, key.words) for name, key in KEYS.items()),
    Setting("brand.logo", picture(), None, "logo on the first page of reports"),
    Setting("brand.colour", colour(), ACCENT, "colour of reports; darkened until letters in it can be read"),
    Setting(
        "brand.currency", label(), None, "what stands for the currency in reports, such as Rs; its code where absent"
    ),
    _make_own_setting(
        "output_dir",
        folder(),
        "folder that classification writes to, in the data folder unless it begins with /",
        here=True,
    ),
    _make_own_setting("output_filename", file_name(".json"), "name of its file", here=True),
    _make_own_setting("classify_every", cron(), "when the server classifies by itself"),
    Setting("scheduled_reports", reports(), [], "reports that the server writes to a folder by itself"),
)
BY_NAME = {setting.name: setting for setting in SETTINGS}
SECTIONS = tuple(dict.fromkeys(name.partition(".")[0] for name in BY_NAME if "." in name))
Translate = Callable[[object, int], object]


def _keep_value(value: object, decimals: int) -> object:
    return value


ALIASES: Mapping[str, tuple[str, Translate]] = {
    "high_aov_threshold": ("high_average_order", _keep_value),
    "high_lifetime_threshold": ("high_lifetime", _keep_value),
    "low_lifetime_threshold": ("low_lifetime", _keep_value),
    "dominant_threshold": ("dominant_percent", read_percentage),
    "family_threshold": ("family_percent", read_percentage),
}
"""Names of the reference configuration; the last two may be shares such as 0.7 there."""


@dataclass(frozen=True, slots=True)
class SettingChange:
    """A setting whose value in effect is another one now."""

    name: str
    old: object
    new: object

    @property
    def told(self) -> dict[str, object]:
        """The old and the new value as people are told of them."""
        tell = BY_NAME[self.name].kind.tell
        values = {"old": self.old, "new": self.new}
        return {name: None if value is None else tell(value) for name, value in values.items()}


@dataclass(frozen=True, slots=True)
class SettingsPlan:
    """What stated settings come to: what is to be kept, what changes, and how values were understood."""

    kept: dict[str, object]
    changes: tuple[SettingChange, ...]
    notes: tuple[str, ...]


def list_effective(stored: Mapping[str, object]) -> list[tuple[Setting, object]]:
    """Every setting with its value in effect."""
    held = _flatten_sections(stored)
    return [(setting, held.get(setting.name, setting.default)) for setting in SETTINGS]


def read_effective(stored: Mapping[str, object]) -> dict[str, object]:
    """The value in effect of every setting by its name, sections as objects."""
    return _nest_sections({setting.name: value for setting, value in list_effective(stored)})


def plan_changes(
    stored: Mapping[str, object], stated: Mapping[str, object], decimals: int, *, here: bool = False
) -> SettingsPlan:
    """What the statement comes to in a currency of so many decimals; InvalidInput carries every fault. `here` allows
    what only this machine's command line may set."""
    reading = _Reading(decimals, here)
    for name, value in stated.items():
        reading.read_entry(str(name), value)
    before, after = _flatten_sections(stored), _flatten_sections(stored)
    for name, value in reading.found.items():
        if value == BY_NAME[name].default:
            after.pop(name, None)
        else:
            after[name] = value
    reading.check_contradictions(after)
    if reading.problems:
        raise InvalidInput.of(reading.problems)
    # In the table's order, and then whatever else is kept.
    ordered = {name: after[name] for name in (*BY_NAME, *after) if name in after}
    values = {name: (before.get(name, one.default), after.get(name, one.default)) for name, one in BY_NAME.items()}
    changes = tuple(SettingChange(name, old, new) for name, (old, new) in values.items() if old != new)
    return SettingsPlan(_nest_sections(ordered), changes, tuple(reading.notes))


class _Reading:
    """What is understood of a statement so far, and every fault."""

    def __init__(self, decimals: int, here: bool) -> None:
        self.decimals, self.here = decimals, here
        self.found: dict[str, object] = {}
        self.said_as: dict[str, str] = {}
        self.notes: list[str] = []
        self.problems: list[FieldProblem] = []

    def read_entry(self, name: str, value: object) -> None:
        """One setting, or one section of them."""
        if name == MONGODB or name.startswith(f"{MONGODB}."):
            self.note_fault(
                name, f"{MONGODB} is not kept in the store: run `segments settings apply FILE` on the server"
            )
        elif name in SECTIONS:
            own = [one for one in BY_NAME if one.startswith(f"{name}.")]
            if value is None:
                value = dict.fromkeys(one.partition(".")[2] for one in own)
            if isinstance(value, Mapping):
                for inner, held in value.items():
                    self.read_setting(f"{name}.{inner}", held)
            else:
                self.note_fault(name, f"{name} must be a section with {', '.join(own)}")
        else:
            self.read_setting(name, value)

    def read_setting(self, stated: str, value: object) -> None:
        """One setting, by its name or an alias."""
        name, translate = ALIASES.get(stated, (stated, _keep_value))
        setting = BY_NAME.get(name)
        if setting is None:
            self.note_fault(stated, _describe_unknown(stated))
        elif name in self.said_as:
            self.note_fault(
                stated, f"{stated} must not be given beside {self.said_as[name]}: they are the same setting"
            )
        elif setting.here and not self.here:
            self.said_as[name] = stated
            self.note_fault(stated, f"{stated} must be set on the server: run `segments settings apply FILE` there")
        else:
            self.said_as[name] = stated
            try:
                taken = None if value is None else translate(value, self.decimals)
                self.found[name] = setting.default if taken is None else setting.kind.read(taken, self.decimals)
            except ValueError as error:
                self.note_fault(stated, f"{stated} {error}")
                return
            if translate is read_percentage and taken not in (None, value):
                self.notes.append(f"{stated} = {value} is taken as a share: {name} = {self.found[name]}")
            elif name != stated:
                self.notes.append(f"{stated} is taken as {name}")

    def check_contradictions(self, after: Mapping[str, object]) -> None:
        """Settings that are right by themselves and contradict each other; those at fault are left out."""
        wrong = {problem.field[-1] for problem in self.problems}
        wrong |= {name for name, said in self.said_as.items() if said in wrong}
        whole = {name: value for name, value in after.items() if "." not in name}
        contradictions = ClassificationSettings.from_unchecked(whole).find_contradictions()
        if after.get("import.thousands") == (after.get("import.decimal") or "."):
            contradictions.append(
                ("import.thousands", "import.decimal", "import.thousands must differ from import.decimal")
            )
        for name, other, message in contradictions:
            if not {name, other} & wrong:
                self.note_fault(name, message)

    def note_fault(self, name: str, message: str) -> None:
        """Noted, and the rest is looked at, too."""
        self.problems.append(FieldProblem(("settings", name), message))


def _describe_unknown(name: str) -> str:
    every = (*BY_NAME, *SECTIONS, *ALIASES, MONGODB, *(f"{MONGODB}.{one}" for one in MONGODB_NAMES))
    name = name[:100]
    if name.partition(".")[0] in SECTIONS:
        every = tuple(one for one in every if one.startswith(f"{name.partition('.')[0]}."))
    near = get_close_matches(name, every, 1, 0.7) or [one for one in every if one.endswith(f".{name}")]
    return f"{name} is no setting. " + (f"Is {near[0]} meant?" if near else f"There are: {', '.join(every)}.")


def _flatten_sections(nested: Mapping[str, object]) -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in nested.items():
        if name in SECTIONS and isinstance(value, Mapping):
            flat |= {f"{name}.{inner}": held for inner, held in value.items()}
        else:
            flat[name] = value
    return flat


def _nest_sections(flat: Mapping[str, object]) -> dict[str, object]:
    nested: dict[str, object] = {}
    for name, value in flat.items():
        section, dot, inner = name.partition(".")
        if dot:
            held = nested.setdefault(section, {})
            assert isinstance(held, dict)
            held[inner] = value
        else:
            nested[name] = value
    return nested
