"""How a business's MongoDB is reached, kept in a file of the data folder that only its owner may read, and never in the
store."""

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from domain.businesses.mongodb import NAMES, MongoSettings, make_settings
from domain.errors import InvalidInput


def read_mongodb_settings(data: Path, uri: str, business_key: str) -> MongoSettings | None:
    """How the business's MongoDB is reached; None where nobody has said it."""
    return make_settings(read_section(data, business_key), uri)


def build_section_path(data: Path, business_key: str) -> Path:
    """Where the section of a business is kept."""
    return data / f"mongodb-{business_key}.json"


def read_section(data: Path, business_key: str) -> dict[str, str]:
    """The section as it is kept, empty where there is none; InvalidInput where the file is not ours."""
    path = build_section_path(data, business_key)
    try:
        section = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise InvalidInput(_describe_unreadable(path)) from error
    if not isinstance(section, dict) or not all(
        name in NAMES and isinstance(value, str) for name, value in section.items()
    ):
        raise InvalidInput(_describe_unreadable(path))
    return section


def write_section(data: Path, business_key: str, section: Mapping[str, str]) -> None:
    """Replace the section; an empty one removes the file."""
    path = build_section_path(data, business_key)
    if not section:
        path.unlink(missing_ok=True)
        return
    data.mkdir(parents=True, exist_ok=True)
    own = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(dict(section), file, ensure_ascii=False, indent=2)
            file.flush()
            os.fsync(file.fileno())
        own.replace(path)
    finally:
        own.unlink(missing_ok=True)


def _describe_unreadable(path: Path) -> str:
    return f"{path} cannot be read as the MongoDB settings. Remove it and run: segments settings apply FILE"
