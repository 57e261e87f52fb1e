"""Settings of a business as a file of TOML or JSON states them, read without rounding a number, and as they are shown:
so that they can be read again. Secrets are never printed."""

import json
import tomllib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.items import Item

from domain.businesses.mongodb import MASK, NAMES, SECTION
from domain.businesses.settings import BY_NAME, SECTIONS, SettingChange, read_effective
from domain.errors import FieldProblem, InvalidInput
from domain.model import Business
from domain.reports.brand import LARGEST
from domain.reports.brand import SECTION as BRAND

MAXIMUM_BYTES = 1024 * 1024
RESET = "reset"
LOGO, PICTURES = "logo", (".png", ".jpg", ".jpeg")
"""A file of settings names its picture, from its own folder on; what is kept is what stands in it."""
SECRET = ("uri", "password")


@dataclass(frozen=True, slots=True)
class Statement:
    """What a file states: settings of the store, those of MongoDB by their names, and faults of the file itself. None
    goes back to the default, which TOML says by `reset`, a list of names."""

    settings: Mapping[str, object]
    mongodb: Mapping[str, object]
    problems: tuple[FieldProblem, ...]


def read_statement(file: Path) -> Statement:
    """The statement of a file; InvalidInput where it is no TOML or JSON."""
    stated = read_file(file)
    problems: list[FieldProblem] = []

    def fault(name: str, message: str) -> None:
        problems.append(FieldProblem(("settings", name), message))

    resets = stated.pop(RESET, [])
    if not isinstance(resets, list) or not all(isinstance(name, str) for name in resets):
        fault(RESET, 'reset must be a list of names such as ["lapsed_days"]')
        resets = []
    mongodb = stated.pop(SECTION, {})
    mongodb_section: dict[str, object] = dict.fromkeys(NAMES) if mongodb is None else {}
    if isinstance(mongodb, dict):
        mongodb_section = mongodb
    elif mongodb is not None:
        fault(SECTION, f"{SECTION} must be a section with {', '.join(NAMES)}")
    for name in dict.fromkeys(resets):
        section, dot, inner = name.partition(".")
        held = stated.get(section)
        if name in stated or (name == SECTION and mongodb_section) or (section == SECTION and inner in mongodb_section):
            fault(RESET, f"reset must not name {name}, which the file sets")
        elif section == SECTION:
            mongodb_section = {**mongodb_section, **({inner: None} if dot else dict.fromkeys(NAMES))}
        elif dot and isinstance(held, dict) and inner in held:
            fault(RESET, f"reset must not name {name}, which the file sets")
        else:
            stated[name] = None
    brand = stated.get(BRAND)
    if isinstance(brand, dict) and isinstance(brand.get(LOGO), str) and Path(brand[LOGO]).suffix.lower() in PICTURES:
        try:
            with (file.parent / brand[LOGO]).open("rb") as picture:
                brand[LOGO] = b64encode(picture.read(LARGEST + 1)).decode()
        except OSError as error:
            fault(f"{BRAND}.{LOGO}", f"{BRAND}.{LOGO} cannot be read from {brand[LOGO]}: {error.strerror}")
            del brand[LOGO]
    return Statement(stated, mongodb_section, tuple(problems))


def mask_secrets(section: Mapping[str, str]) -> dict[str, str]:
    """The section of MongoDB as people may see it."""
    return {name: MASK if name in SECRET else section[name] for name in NAMES if name in section}


def as_toml(business: Business, section: Mapping[str, str]) -> str:
    """Every setting with what it is; what is not set, and secrets, as comments."""
    values = read_effective(business.settings.stored)
    document = tomlkit.document()
    document.add(tomlkit.comment(f"Settings of {business.key}, version {business.settings_version}."))
    document.add(tomlkit.comment('To go back to defaults: reset = ["lapsed_days", "import.preset"]'))
    _add(document, {name: value for name, value in values.items() if name not in SECTIONS}, "")
    for name in SECTIONS:
        own, held = tomlkit.table(), values[name]
        assert isinstance(held, dict)
        _add(own, held, f"{name}.")
        document.add(tomlkit.nl())
        document.add(name, own)
    document.add(tomlkit.nl())
    if section:
        own = tomlkit.table()
        for inner, text in mask_secrets(section).items():
            own.add(tomlkit.comment(f"{inner} is set, and not shown")) if text == MASK else own.add(inner, text)
        document.add(SECTION, own)
    else:
        document.add(tomlkit.comment(f"[{SECTION}] is not set; its names are {', '.join(NAMES)}"))
    return tomlkit.dumps(document)


def _add(table: Any, values: Mapping[str, object], prefix: str) -> None:
    for name, value in values.items():
        setting = BY_NAME[prefix + name]
        table.add(tomlkit.nl())
        table.add(tomlkit.comment(f"{setting.description[0].upper()}{setting.description[1:]} ({setting.kind.words})"))
        table.add(tomlkit.comment(f"{name} is not set")) if value is None else table.add(name, _to_item(value))


def _to_item(value: object) -> Item:
    if isinstance(value, dict):
        inline = tomlkit.inline_table()
        for name, held in value.items():
            inline.append(name, held)
        return inline
    if isinstance(value, list):
        array = tomlkit.array()
        for held in value:
            array.append(_to_item(held))
        return array
    return tomlkit.item(value)


def read_file(file: Path) -> dict[str, Any]:
    """What a file of TOML or JSON states; InvalidInput where it is none, or holds something else."""
    if file.suffix not in (".json", ".toml"):
        raise InvalidInput(f"{file} must be a .toml or a .json file")
    with file.open("rb") as opened:
        content = opened.read(MAXIMUM_BYTES + 1)
    if len(content) > MAXIMUM_BYTES:
        raise InvalidInput(f"{file} must be at most 1 MiB")
    try:
        text = content.decode("utf-8-sig")
        values = _parse_json(text) if file.suffix == ".json" else tomllib.loads(text, parse_float=Decimal)
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file} must be UTF-8 text") from error
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise InvalidInput(f"{file} is not readable {file.suffix[1:].upper()}: {error}") from error
    if not isinstance(values, dict):
        raise InvalidInput(f"{file} must hold an object of names and values")
    return values


def _parse_json(text: str) -> Any:
    return json.loads(text, parse_float=Decimal, parse_constant=Decimal)


def describe_change(change: SettingChange) -> str:
    told = change.told
    return f"{change.name}: {_format_text(told['old'])} -> {_format_text(told['new'])}"


def describe_mongodb(name: str, stored: Mapping[str, str], section: Mapping[str, str]) -> str:
    old, new = mask_secrets(stored).get(name), mask_secrets(section).get(name)
    if name in SECRET and old == new:
        return f"{SECTION}.{name}: another one"
    return f"{SECTION}.{name}: {_format_text(old)} -> {_format_text(new)}"


def _format_text(value: object) -> str:
    return "none" if value is None else json.dumps(value, ensure_ascii=False)
