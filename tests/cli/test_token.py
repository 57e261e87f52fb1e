"""A token from the command line: alone on standard output, within the longest lifetime, and never without a secret that
can be trusted."""

import re
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
    assert set(found) == {"sub", "business", "permissions", "iat", "exp", "jti"}
    assert "kid" not in jwt.get_unverified_header(printed.out.strip())
    assert (found["sub"], found["business"]) == ("cli", "shop")
    assert found["permissions"] == ["customers:view", "customers:edit"]
    assert found["exp"] - found["iat"] == 8 * 3600


def test_subject_permissions_and_lifetime_are_those_asked_for(signing: Segments) -> None:
    printed = signing.run("token", "--subject", "pos-7", "--permission", "customers:view", "--expires", "0.5")

    found = claims(printed.out)
    assert (found["sub"], found["permissions"]) == ("pos-7", ["customers:view"])
    assert found["exp"] - found["iat"] == 1800


def test_the_id_of_a_token_is_random_and_said_only_where_it_is_asked_for(signing: Segments) -> None:
    told, other = signing.run("token", "--show-id"), signing.run("token")

    assert len(told.lines) == 1
    assert told.err == f"JTI: {claims(told.out)['jti']}\n"
    assert claims(other.out)["jti"] != claims(told.out)["jti"]


def test_the_first_of_several_secrets_signs(signing: Segments) -> None:
    newest = "n3west-Qm5xWv9Yt3Ls7Nd1Bf6Hg4Jc-zr"
    signing.patch.setenv("SEGMENTS_JWT_SECRETS", f"2026b={newest},2026a={SECRET}")

    printed = signing.run("token").out.strip()

    assert jwt.get_unverified_header(printed)["kid"] == "2026b"
    assert jwt.decode(printed, newest, algorithms=["HS256"])["business"] == "shop"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["a1"], "Revoked the token a1 in shop."),
        (["--subject", "ann", "--before", "2024-03-01"], "Revoked the tokens of ann in shop, issued before {}."),
        (["--before", "2024-03-01T00:00:00Z"], "Revoked all tokens in shop, issued before {}."),
    ],
)
def test_tokens_are_revoked_and_it_is_said_which(made: Segments, asked: list[str], said: str) -> None:
    printed = made.run("token", "revoke", *asked)

    said = said.replace("{}", "2024-03-01T00:00:00Z")
    assert printed.out == f"{said} Every server knows within 5 seconds.\n"
    assert printed.err == ""


def test_of_a_subject_all_that_was_issued_up_to_now_is_revoked(made: Segments) -> None:
    printed = made.run("token", "revoke", "--subject", "ann", "--business", "shop")

    assert re.match(r"Revoked the tokens of ann in shop, issued before \d{4}-\d\d-\d\dT[\d:]{8}Z\. ", printed.out)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ([], "JTI, --subject or --before must say which tokens to revoke."),
        (["a1", "--subject", "ann"], "JTI is one token: it must be given without --subject and --before."),
        (["a\nb"], "JTI must be 1 to 200 printable characters."),
        (["--before", "9999-01-01"], "--before must not be in the future."),
        (
            ["--before", "soon"],
            "--before must be an ISO 8601 date or timestamp such as 2024-03-01 or 2024-03-01T09:30:00Z.",
        ),
        (["a1", "--business", "mars"], "There is no business with the key mars. There are: shop."),
    ],
)
def test_what_does_not_say_which_tokens_revokes_none(made: Segments, asked: list[str], sentence: str) -> None:
    assert made.expect_refusal("token", "revoke", *asked) == sentence


def test_options_of_a_token_do_not_stand_before_revoke(made: Segments) -> None:
    refused = made.expect_refusal("token", "--subject", "ann", "revoke", "--before", "2024-03-01")

    assert refused == "Invalid value: options stand after revoke. --help shows how it is used."


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
