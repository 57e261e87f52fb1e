"""A token from the command line: alone on standard output, within the longest lifetime, and never without a secret that
can be trusted."""

from typing import Any

import jwt
import pytest

from tests.cli.conftest import Segments
from tests.drivers.face import SECRET


@pytest.fixture
def signing(made: Segments) -> Segments:
    """The command with a secret and one business."""
    made.patch.setenv("SEGMENTS_JWT_SECRET", SECRET)
    return made


def claims(token: str) -> dict[str, Any]:
    return dict(jwt.decode(token.rstrip("\n"), SECRET, algorithms=["HS256"]))


def test_the_token_stands_alone_and_may_do_everything_for_eight_hours(signing: Segments) -> None:
    printed = signing.run("token")

    found = claims(printed.out)
    assert len(printed.lines) == 1
    assert printed.err == ""
    assert set(found) == {"sub", "business", "permissions", "iat", "exp"}
    assert (found["sub"], found["business"]) == ("cli", "shop")
    assert found["permissions"] == ["customers:view", "customers:edit"]
    assert found["exp"] - found["iat"] == 8 * 3600


def test_subject_permissions_and_lifetime_are_those_asked_for(signing: Segments) -> None:
    printed = signing.run("token", "--subject", "pos-7", "--permission", "customers:view", "--expires", "0.5")

    found = claims(printed.out)
    assert (found["sub"], found["permissions"]) == ("pos-7", ["customers:view"])
    assert found["exp"] - found["iat"] == 1800


def test_the_default_lifetime_is_never_longer_than_the_longest(signing: Segments) -> None:
    signing.patch.setenv("SEGMENTS_TOKEN_LIFETIME_HOURS", "4")

    found = claims(signing.run("token").out)

    assert found["exp"] - found["iat"] == 4 * 3600


def test_the_secret_of_the_demo_mode_signs_where_none_is_set(made: Segments) -> None:
    (made.data / "secret").write_text(SECRET)

    assert claims(made.run("token").out)["business"] == "shop"


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("expires", "25", "--expires must be at most 24 hours (SEGMENTS_TOKEN_LIFETIME_HOURS)."),
        ("expires", "0", "Invalid value for '--expires': it must be at least 0.01. --help shows how it is used."),
        (
            "permission",
            "fly",
            "Invalid value for '--permission': 'fly' is not one of 'customers:view', 'customers:edit'. "
            "--help shows how it is used.",
        ),
        ("subject", " ", "--subject must be 1 to 200 printable characters, not all blank."),
        ("subject", "a\nb", "--subject must be 1 to 200 printable characters, not all blank."),
        ("subject", "x" * 201, "--subject must be 1 to 200 printable characters, not all blank."),
        ("business", "mars", "There is no business with the key mars. There are: shop."),
    ],
)
def test_what_makes_no_token_is_one_sentence(signing: Segments, option: str, value: str, sentence: str) -> None:
    assert signing.expect_refusal("token", f"--{option}", value) == sentence


@pytest.mark.parametrize(
    ("secret", "sentence"),
    [
        ("", "SEGMENTS_JWT_SECRET must be set, or the demo server started once, to sign a token."),
        ("s3cr3t-of-31-bytes-and-no-more!", "SEGMENTS_JWT_SECRET must have at least 32 bytes."),
        ("changeme" * 5, "SEGMENTS_JWT_SECRET must be random: this one is easily guessed."),
    ],
)
def test_a_secret_that_cannot_be_trusted_signs_nothing_and_is_not_shown(
    signing: Segments, secret: str, sentence: str
) -> None:
    signing.patch.setenv("SEGMENTS_JWT_SECRET", secret)

    assert signing.expect_refusal("token") == sentence
