"""How a business's MongoDB is reached, kept outside the store: one file a business in the data folder, which only its
owner may read, written whole or not at all. SEGMENTS_MONGODB_URI wins over it."""

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from domain.businesses.mongodb import NAMES, MongoSettings, connection
from domain.errors import InvalidInput


def mongodb_settings(data: Path, uri: str, business_key: str) -> MongoSettings | None:
    """How the business's MongoDB is reached; None where nobody has said it."""
    return connection(kept_section(data, business_key), uri)


def section_file(data: Path, business_key: str) -> Path:
    """Where the section of a business is kept."""
    return data / f"mongodb-{business_key}.json"


def kept_section(data: Path, business_key: str) -> dict[str, str]:
    """The section as it is kept, empty where there is none; InvalidInput where the file is not ours."""
    path = section_file(data, business_key)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise InvalidInput(_unreadable(path)) from error
    if not isinstance(found, dict) or not all(
        name in NAMES and isinstance(value, str) for name, value in found.items()
    ):
        raise InvalidInput(_unreadable(path))
    return found


def keep_section(data: Path, business_key: str, section: Mapping[str, str]) -> None:
    """Replace the section; an empty one removes the file."""
    path = section_file(data, business_key)
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


def _unreadable(path: Path) -> str:
    return f"{path} cannot be read as the MongoDB settings. Remove it and run: segments settings apply FILE"
