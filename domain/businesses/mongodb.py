"""How a business's MongoDB is reached. What is given is checked as a whole, each fault under its own name; no password
is ever part of a message or of `repr`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from urllib.parse import quote_plus

from domain.errors import InvalidInput, Sentence

SECTION = "mongodb"
NAMES = ("uri", "host", "username", "password", "database", "collection", "updated_field")
MASK = "********"
"""What is shown in place of a password; stated again, it keeps the one that is there."""
LONGEST = 500
SCHEMES = ("mongodb://", "mongodb+srv://")
# Such as `localhost:27017`, `db1:27017,db2:27017` or `[::1]:27017`.
HOST = re.compile(
    r"(mongodb(\+srv)?://)?(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:[0-9]{1,5})?(,(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:[0-9]{1,5})?)*"
)
ATLAS = re.compile(r"[\w.-]+\.mongodb\.net")
FORMS = {
    "uri": "a connection string such as mongodb://localhost:27017",
    "host": "a host such as localhost:27017, several with commas, or mongodb+srv://cluster.example",
    "database": 'the name of a database, without spaces and / \\ . " $ * < > : | ?',
    "collection": "the name of a collection, without $ and not beginning with `system.`",
    "updated_field": "the path of a date in the documents, such as updated_at or meta.changed",
}
DATABASE = re.compile(r'[^\s/\\."$*<>:|?\0]{1,63}')
PATH = re.compile(r"[^\s$.\0][^\s$\0]*(?<!\.)")
COLLECTION = re.compile(r"(?!system\.)[^$\0]{1,200}")


@dataclass(frozen=True, slots=True)
class MongoSettings:
    """Where to read purchases from; a missing database or collection is to be said by the caller.
    `updated_field` is the path at which documents say when they were changed."""

    uri: str = field(repr=False)
    database: str | None = None
    collection: str | None = None
    updated_field: str | None = None


def make_settings(section: Mapping[str, str], uri: str = "") -> MongoSettings | None:
    """What the kept section says; another connection string wins over its own. None where neither has one."""
    address = uri or section.get("uri") or _build_address(section)
    if address is None:
        return None
    return MongoSettings(address, section.get("database"), section.get("collection"), section.get("updated_field"))


def check_names(place: MongoSettings) -> None:
    """InvalidInput where database or collection cannot have the name that is given."""
    for name, value in (("database", place.database), ("collection", place.collection)):
        if value is not None and not _is_valid(name, value):
            raise InvalidInput(Sentence(f"{{{name}}} must be {{}}, not {{!r}}", FORMS[name], value[:60]), (name,))


def _build_address(section: Mapping[str, str]) -> str | None:
    host = section.get("host")
    if host is None:
        return None
    scheme = next((one for one in SCHEMES if host.startswith(one)), "")
    place = host.removeprefix(scheme)
    # Clusters of the hosted service have a name that only the service record resolves.
    scheme = scheme or (SCHEMES[1] if ATLAS.fullmatch(place) else SCHEMES[0])
    user, password = section.get("username"), section.get("password")
    if user is None:
        return f"{scheme}{place}/"
    secret = "" if password is None else f":{quote_plus(password)}"
    return f"{scheme}{quote_plus(user)}{secret}@{place}/"


def merge_section(
    stored: Mapping[str, str], changes: Mapping[str, object]
) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The section after the change, and every fault as name and sentence. Null clears, absent keeps."""
    faults: list[tuple[str, str]] = []
    section = dict(stored)
    for name, value in changes.items():
        if name not in NAMES:
            near = get_close_matches(str(name), NAMES, 1)
            hint = f" Is {SECTION}.{near[0]} meant?" if near else f" There are: {', '.join(NAMES)}."
            faults.append((str(name), f"{SECTION}.{name} is no setting.{hint}"))
        elif value is None:
            section.pop(name, None)
        elif value == MASK and name in stored:
            continue
        elif not isinstance(value, str) or not _is_valid(name, value):
            faults.append((name, f"{SECTION}.{name} must be {FORMS.get(name, f'a text of 1 to {LONGEST} characters')}"))
        else:
            section[name] = value
    if not faults:
        faults = _find_conflicts(section)
    return section, faults


def _is_valid(name: str, value: str) -> bool:
    if not 0 < len(value) <= LONGEST or "\0" in value:
        return False
    if name == "uri":
        return value.startswith(SCHEMES) and not re.search(r"\s", value)
    if name == "host":
        match = HOST.fullmatch(value)
        srv = value.startswith(SCHEMES[1])
        return match is not None and not (srv and ("," in value or ":" in value.removeprefix(SCHEMES[1])))
    pattern = {"database": DATABASE, "collection": COLLECTION, "updated_field": PATH}.get(name)
    return pattern is None or pattern.fullmatch(value) is not None


def _find_conflicts(section: Mapping[str, str]) -> list[tuple[str, str]]:
    faults = []
    others = [name for name in ("host", "username", "password") if name in section]
    if "uri" in section and others:
        faults.append((others[0], f"{SECTION}.{others[0]} must not stand beside {SECTION}.uri, which says it all"))
    if "password" in section and "username" not in section:
        faults.append(("username", f"{SECTION}.username must be given with a password"))
    if ("username" in section or "password" in section) and "host" not in section and "uri" not in section:
        faults.append(("host", f"{SECTION}.host must be given with a user name"))
    return faults
