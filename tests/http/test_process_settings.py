"""Settings from the environment: what is absent has its default, what is wrong is refused with the variable's name and
without its value, and a secret is never shown."""

from pathlib import Path

import pytest

from domain.errors import InvalidInput
from gql.settings import Settings

PUBLIC = "an address such as https://shop.example or https://shop.example/segments"
PROXIES = "addresses or networks such as 10.0.0.5, 10.1.0.0/16, separated by commas"
ENGINES = "an address of Spark Connect such as sc://spark.example:15002"
ORIGINS = "origins such as https://shop.example, separated by commas"

KEYS = (
    "like 2026b=SECRET,2026a=SECRET: key ids of letters, digits, dots, hyphens and underscores, each once, with their "
    "secrets, which hold no comma"
)


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = Settings.from_environment({})

    assert settings == Settings()
    assert (settings.data, settings.host, settings.port) == (Path("data"), "127.0.0.1", 8000)
    assert settings.url == "sqlite:///data/segments.sqlite"
    assert (settings.jwt_secret, settings.cors_origins, settings.log_level) == ("", (), "INFO")
    assert (settings.demo, settings.introspection, settings.token_lifetime_hours) == (False, True, 24)


def test_every_variable_is_read() -> None:
    settings = Settings.from_environment(
        {
            "PORT": "9000",
            "SEGMENTS_DATA": "/srv/segments",
            "SEGMENTS_DATABASE_URL": "postgresql://shop:pass@db/shop",
            "SEGMENTS_JWT_SECRET": "s" * 40,
            "SEGMENTS_JWT_SECRETS": "2026b=new=secret==, 2026a=old",
            "SEGMENTS_JWKS_URL": "https://id.example/keys",
            "SEGMENTS_BUSINESS": "shop",
            "SEGMENTS_CORS_ORIGINS": "https://shop.example, http://localhost:3000",
            "SEGMENTS_PUBLIC_URL": "https://shop.example/segments/",
            "SEGMENTS_TRUSTED_PROXIES": "10.0.0.5, 2001:db8::/32",
            "SEGMENTS_COST_BUCKET": "0",
            "SEGMENTS_COST_RESTORE": "50",
            "SEGMENTS_FONTS": "/srv/fonts",
            "SEGMENTS_LOG_LEVEL": "debug",
            "SEGMENTS_LOG_FORMAT": "JSON",
            "SEGMENTS_METRICS_TOKEN": "m" * 16,
            "SEGMENTS_REPORTS_FOLDER": "/srv/reports",
            "SEGMENTS_INTROSPECTION": "off",
            "SEGMENTS_PERSISTED_QUERIES": "off",
            "SEGMENTS_TOKEN_LIFETIME_HOURS": "8",
            "SEGMENTS_LAKE": "s3://shop/copies",
            "SEGMENTS_LAKE_MINIMUM_PURCHASES": "5",
            "SEGMENTS_ENGINE": "sc://spark.example:15002",
            "SEGMENTS_ENGINE_FALLBACK": "on",
        }
    )

    assert settings == Settings(
        data=Path("/srv/segments"),
        database_url="postgresql://shop:pass@db/shop",
        jwt_secret="s" * 40,
        jwt_secrets=(("2026b", "new=secret=="), ("2026a", "old")),
        jwks_url="https://id.example/keys",
        business="shop",
        cors_origins=("https://shop.example", "http://localhost:3000"),
        public_url="https://shop.example/segments",
        trusted_proxies=("10.0.0.5", "2001:db8::/32"),
        cost_bucket=0,
        cost_restore=50,
        fonts=Path("/srv/fonts"),
        log_level="DEBUG",
        log_format="json",
        metrics_token="m" * 16,
        reports_folder=Path("/srv/reports"),
        port=9000,
        introspection=False,
        persisted_queries=False,
        token_lifetime_hours=8,
        lake="s3://shop/copies",
        lake_minimum_purchases=5,
        engine="sc://spark.example:15002",
        engine_fallback=True,
    )
    assert settings.url == "postgresql://shop:pass@db/shop"


def test_an_empty_variable_counts_as_absent() -> None:
    names = ("PORT", "SEGMENTS_DATA", "SEGMENTS_LOG_LEVEL", "SEGMENTS_CORS_ORIGINS", "SEGMENTS_JWT_SECRET")

    assert Settings.from_environment(dict.fromkeys(names, " ")) == Settings()


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("PORT", "eighty", "a whole number between 0 and 65535"),
        ("PORT", "70000", "a whole number between 0 and 65535"),
        ("PORT", "-1", "a whole number between 0 and 65535"),
        ("PORT", "٨٠٠٠", "a whole number between 0 and 65535"),
        ("SEGMENTS_LOG_LEVEL", "loud", "one of: DEBUG, INFO, WARNING, ERROR"),
        ("SEGMENTS_LOG_FORMAT", "xml", "one of: text, json"),
        ("SEGMENTS_INTROSPECTION", "maybe", "on or off"),
        ("SEGMENTS_TOKEN_LIFETIME_HOURS", "0", "a whole number between 1 and 8760"),
        ("SEGMENTS_LAKE_MINIMUM_PURCHASES", "0", "a whole number between 1 and 1000000000000"),
        *(("SEGMENTS_ENGINE", value, ENGINES) for value in ("spark.example", "http://spark", "sc://", "sc://a b")),
        ("SEGMENTS_COST_RESTORE", "0", "a whole number between 1 and 1000000000"),
        ("SEGMENTS_TRUSTED_PROXIES", "*", PROXIES),
        ("SEGMENTS_TRUSTED_PROXIES", "10.0.0.5, proxy.example", PROXIES),
        ("SEGMENTS_TRUSTED_PROXIES", "10.0.0.5/8", PROXIES),
        *(
            ("SEGMENTS_PUBLIC_URL", value, PUBLIC)
            for value in ("shop.example", "ftp://a", "https://a?b", "https://a@b")
        ),
        *(("SEGMENTS_JWT_SECRETS", value, KEYS) for value in ("secret", "a=1,a=2", "a b=1", "=1", "a=1,b", "é=1")),
        ("SEGMENTS_CORS_ORIGINS", "*", ORIGINS),
        ("SEGMENTS_CORS_ORIGINS", "https://shop.example/path", ORIGINS),
    ],
)
def test_a_wrong_variable_is_named_with_what_would_be_right(name: str, value: str, right: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Settings.from_environment({name: value})

    assert refused.value.message == f"{name} must be {right}"


def test_a_cluster_without_copies_is_refused() -> None:
    with pytest.raises(InvalidInput) as refused:
        Settings.from_environment({"SEGMENTS_ENGINE": "sc://spark.example"})

    message = "SEGMENTS_ENGINE runs over columnar copies: let SEGMENTS_LAKE say where they are"
    assert refused.value.message == message


def test_a_token_for_the_numbers_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(InvalidInput) as refused:
        Settings.from_environment({"SEGMENTS_METRICS_TOKEN": "monday"})

    assert refused.value.message == "SEGMENTS_METRICS_TOKEN must have at least 16 characters, random ones"


def test_neither_the_secret_nor_the_address_of_the_store_is_shown() -> None:
    settings = Settings(jwt_secret="correct-horse-battery-staple", database_url="postgresql://shop:hunter2@db/shop")

    assert "correct-horse" not in repr(settings)
    assert "hunter2" not in repr(settings)
