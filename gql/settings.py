"""Every setting of the process, each environment variable named once. Settings are frozen and made once, at start."""

import ipaddress
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from domain.errors import InvalidInput
from gql.logs import LOG_FORMATS, TEXT

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
ADDRESS = re.compile(r"https?://[^\s/]+(/\S*)?")
ENGINE = re.compile(r"sc://[^\s/:?#@]+(:\d{1,5})?(/;\S*)?")
KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
SHORTEST_TOKEN = 16
"""Characters of the one for /metrics."""
LONGEST_LIFETIME_HOURS = 8760
"""Of a token, whatever is set."""
PUBLIC = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
ORIGIN = re.compile(r"https?://[^\s/?#@*]+")


@dataclass(frozen=True, slots=True)
class Settings:
    """How this process runs. Secrets never appear in `repr`."""

    data: Path = Path("data")
    database_url: str = field(default="", repr=False)
    read_url: str = field(default="", repr=False)
    jwt_secret: str = field(default="", repr=False)
    jwt_secrets: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Key ids and their secrets; the first signs."""
    jwks_url: str = ""
    business: str = ""
    public_url: str = ""
    """Where clients reach the server, with a prefix where the proxy has one, without a slash at the end."""
    cors_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    log_level: str = "INFO"
    log_format: str = TEXT
    metrics_token: str = field(default="", repr=False)
    reports_folder: Path | None = None
    alert_url: str = field(default="", repr=False)
    cache_url: str = field(default="", repr=False)
    mongodb_uri: str = field(default="", repr=False)
    lake: str = field(default="", repr=False)
    """Where columnar copies are: a folder or a bucket."""
    lake_minimum_purchases: int = 100_000
    engine: str = field(default="", repr=False)
    engine_fallback: bool = False
    host: str = "127.0.0.1"
    port: int = 8000
    demo: bool = False
    introspection: bool = True
    persisted_queries: bool = True
    token_lifetime_hours: int = 24
    maximum_document: int = 64_000
    deadline_seconds: float = 10.0
    report_deadline_seconds: float = 60.0
    upload_bytes: int = 1 << 30
    cost_bucket: int = 100_000
    cost_restore: int = 2_000
    answer_memory: int = 64 << 20
    workers: int = 1
    fonts: Path | None = None

    @property
    def store_file(self) -> Path:
        """The embedded store, which is used where no address is set."""
        return self.data / "segments.sqlite"

    @property
    def url(self) -> str:
        """The store's address: the one that is set, else that of the embedded store."""
        return self.database_url or f"sqlite:///{self.store_file}"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read PORT and SEGMENTS_*; one that is empty counts as absent. InvalidInput names the variable that is wrong,
        never its value."""
        env = {name: value for name, value in (os.environ if environ is None else environ).items() if value.strip()}
        return cls(
            data=Path(env.get("SEGMENTS_DATA", "data")),
            database_url=env.get("SEGMENTS_DATABASE_URL", ""),
            read_url=env.get("SEGMENTS_READ_URL", ""),
            jwt_secret=env.get("SEGMENTS_JWT_SECRET", ""),
            jwt_secrets=_read_secrets(env, "SEGMENTS_JWT_SECRETS"),
            jwks_url=env.get("SEGMENTS_JWKS_URL", ""),
            business=env.get("SEGMENTS_BUSINESS", ""),
            public_url=_read_public_url(env, "SEGMENTS_PUBLIC_URL"),
            cors_origins=_read_origins(env, "SEGMENTS_CORS_ORIGINS"),
            trusted_proxies=_read_networks(env, "SEGMENTS_TRUSTED_PROXIES"),
            log_level=_read_choice(env, "SEGMENTS_LOG_LEVEL", "INFO", LOG_LEVELS),
            log_format=_read_choice(env, "SEGMENTS_LOG_FORMAT", TEXT, LOG_FORMATS),
            metrics_token=_read_secret(env, "SEGMENTS_METRICS_TOKEN"),
            reports_folder=Path(env["SEGMENTS_REPORTS_FOLDER"]) if "SEGMENTS_REPORTS_FOLDER" in env else None,
            alert_url=_read_address(env, "SEGMENTS_ALERT_URL"),
            cache_url=env.get("SEGMENTS_CACHE_URL", ""),
            mongodb_uri=env.get("SEGMENTS_MONGODB_URI", ""),
            lake=env.get("SEGMENTS_LAKE", ""),
            lake_minimum_purchases=_read_whole(env, "SEGMENTS_LAKE_MINIMUM_PURCHASES", 100_000, 1, 10**12),
            engine=_read_engine(env, "SEGMENTS_ENGINE"),
            engine_fallback=_read_switch(env, "SEGMENTS_ENGINE_FALLBACK", False),
            fonts=Path(env["SEGMENTS_FONTS"]) if "SEGMENTS_FONTS" in env else None,
            port=_read_whole(env, "PORT", 8000, 0, 65535),
            introspection=_read_switch(env, "SEGMENTS_INTROSPECTION", True),
            persisted_queries=_read_switch(env, "SEGMENTS_PERSISTED_QUERIES", True),
            upload_bytes=_read_whole(env, "SEGMENTS_UPLOAD_BYTES", 1 << 30, 1, 1 << 40),
            cost_bucket=_read_whole(env, "SEGMENTS_COST_BUCKET", 100_000, 0, 10**9),
            cost_restore=_read_whole(env, "SEGMENTS_COST_RESTORE", 2_000, 1, 10**9),
            answer_memory=_read_whole(env, "SEGMENTS_ANSWER_MEMORY", 64 << 20, 0, 1 << 40),
            token_lifetime_hours=_read_whole(env, "SEGMENTS_TOKEN_LIFETIME_HOURS", 24, 1, LONGEST_LIFETIME_HOURS),
        )


def _read_origins(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    origins = tuple(part.strip() for part in env.get(name, "").split(",") if part.strip())
    if not all(ORIGIN.fullmatch(origin) for origin in origins):
        raise InvalidInput(f"{name} must be origins such as https://shop.example, separated by commas")
    return origins


def _read_public_url(env: Mapping[str, str], name: str) -> str:
    address = env.get(name, "").strip()
    if address and not PUBLIC.fullmatch(address):
        raise InvalidInput(f"{name} must be an address such as https://shop.example or https://shop.example/segments")
    return address.rstrip("/")


def _read_networks(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    networks = tuple(part.strip() for part in env.get(name, "").split(",") if part.strip())
    try:
        for network in networks:
            ipaddress.ip_network(network)
    except ValueError as error:
        message = f"{name} must be addresses or networks such as 10.0.0.5, 10.1.0.0/16, separated by commas"
        raise InvalidInput(message) from error
    return networks


def _read_secrets(env: Mapping[str, str], name: str) -> tuple[tuple[str, str], ...]:
    pairs = [part.strip().partition("=") for part in env.get(name, "").split(",") if part.strip()]
    ids = {key_id for key_id, _, secret in pairs if KEY_ID.fullmatch(key_id) and secret}
    if len(ids) < len(pairs):
        raise InvalidInput(
            f"{name} must be like 2026b=SECRET,2026a=SECRET: key ids of letters, digits, dots, hyphens and "
            "underscores, each once, with their secrets, which hold no comma"
        )
    return tuple((key_id, secret) for key_id, _, secret in pairs)


def _read_address(env: Mapping[str, str], name: str) -> str:
    address = env.get(name, "")
    if address and not ADDRESS.fullmatch(address):
        raise InvalidInput(f"{name} must be an address such as https://shop.example/alerts")
    return address


def _read_engine(env: Mapping[str, str], name: str) -> str:
    address = env.get(name, "")
    if address and not ENGINE.fullmatch(address):
        raise InvalidInput(f"{name} must be an address of Spark Connect such as sc://spark.example:15002")
    if address and "SEGMENTS_LAKE" not in env:
        raise InvalidInput(f"{name} runs over columnar copies: let SEGMENTS_LAKE say where they are")
    return address


def _read_whole(env: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = env.get(name, str(default))
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise InvalidInput(f"{name} must be a whole number between {low} and {high}")
    return int(text)


def _read_choice(env: Mapping[str, str], name: str, default: str, choices: Sequence[str]) -> str:
    """One of them, written in capitals or not."""
    by_word = {choice.lower(): choice for choice in choices}
    choice = by_word.get(env.get(name, default).lower())
    if choice is None:
        raise InvalidInput(f"{name} must be one of: {', '.join(choices)}")
    return choice


def _read_secret(env: Mapping[str, str], name: str) -> str:
    secret = env.get(name, "")
    if secret and len(secret) < SHORTEST_TOKEN:
        raise InvalidInput(f"{name} must have at least {SHORTEST_TOKEN} characters, random ones")
    return secret


def _read_switch(env: Mapping[str, str], name: str, default: bool) -> bool:
    text = env.get(name, "on" if default else "off").lower()
    if text not in ("on", "off"):
        raise InvalidInput(f"{name} must be on or off")
    return text == "on"
