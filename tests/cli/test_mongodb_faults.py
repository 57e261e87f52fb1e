"""What is wrong with MongoDB, said in one sentence without a secret: wrong hosts, wrong passwords, what is missing."""

import gc
import warnings
from datetime import UTC, datetime

import pytest

from tests.cli.conftest import MAKE_LKR, Segments
from tests.drivers.mongo import Mongo, place, purchase, refusing, silent

NOWHERE = ("--source", "mongodb", "--database", "shop", "--collection", "purchases")
DAY = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("mongodb://ada:hunter2@127.0.0.1:1", "MongoDB at 127.0.0.1:1 cannot be reached: nothing listens there."),
        (
            "mongodb://ada:hunter2@nowhere.invalid",
            "MongoDB at nowhere.invalid:27017 cannot be reached: the name is not known.",
        ),
        ("mongodb://ada:hunter2@127.0.0.1:port", "The connection string of MongoDB cannot be read"),
        ("mongodb://ada:hun@ter2@127.0.0.1", "The connection string of MongoDB cannot be read"),
        ("postgresql://ada:hunter2@127.0.0.1", "The connection string of MongoDB cannot be read"),
    ],
)
def test_a_wrong_address_is_one_sentence_without_a_secret(segments: Segments, uri: str, sentence: str) -> None:
    segments.patch.setenv("SEGMENTS_MONGODB_URI", f"{uri}/?serverSelectionTimeoutMS=500")

    ended = segments("-v", "import", *NOWHERE, *MAKE_LKR)

    assert ended.code == 1
    assert f"Error: {sentence}" in ended.err
    assert "SEGMENTS_MONGODB_URI or the section mongodb of the settings" in ended.err
    for secret in ("hunter2", "ada", "hun@ter2"):
        assert secret not in ended.out + ended.err


@pytest.mark.parametrize(
    ("code", "name", "sentence"),
    [
        (
            18,
            "AuthenticationFailed",
            "MongoDB at {host} refuses the user name or the password. Check SEGMENTS_MONGODB_URI",
        ),
        (13, "Unauthorized", "MongoDB at {host} does not let this user read there. Give it the role read."),
        (8000, "AtlasError", "MongoDB at {host} cannot answer (code 8000)."),
    ],
)
def test_what_the_server_refuses_is_one_sentence_without_a_secret(
    segments: Segments, code: int, name: str, sentence: str
) -> None:
    with refusing(code, name) as host:
        user = "ada:hunter2@" if code == 18 else ""
        segments.patch.setenv("SEGMENTS_MONGODB_URI", f"mongodb://{user}{host}/")
        ended = segments("-v", "import", *NOWHERE, *MAKE_LKR)

    assert ended.code == 1
    assert sentence.format(host=host) in ended.err
    assert "hunter2" not in ended.out + ended.err


def test_names_that_cannot_be_and_fields_that_are_nowhere_are_said(segments: Segments, mongo: Mongo) -> None:
    mongo.insert("purchases", purchase("Ada", 1, DAY, 10))

    odd = segments.expect_refusal("import", *NOWHERE, "--database", "sh op$", *MAKE_LKR)
    done = segments.run("import", *place(mongo), *MAKE_LKR, "--map", "nope.x=category")

    assert odd.startswith("--database must be the name of a database, without spaces and ")
    assert "Warning: nope.x stands in none of the documents that were looked at." in done.err


def test_a_server_without_logins_is_a_sentence(segments: Segments, mongo: Mongo) -> None:
    segments.patch.setenv("SEGMENTS_MONGODB_URI", mongo.uri.replace("//", "//ada:hunter2@"))

    refused = segments.expect_refusal("import", *place(mongo), *MAKE_LKR)

    assert f"MongoDB at 127.0.0.1:{mongo.port} answered what cannot be understood" in refused
    assert "hunter2" not in refused


def test_a_server_that_does_not_answer_is_one_sentence_and_leaves_no_socket(segments: Segments) -> None:
    gc.collect()
    with silent() as host, warnings.catch_warnings(record=True) as left:
        warnings.simplefilter("always")
        segments.patch.setenv("SEGMENTS_MONGODB_URI", f"mongodb://{host}/?serverSelectionTimeoutMS=500")
        refused = segments.expect_refusal("import", *NOWHERE, *MAKE_LKR)
        gc.collect()

    assert refused.startswith(f"MongoDB at {host} cannot be reached: it does not answer.")
    assert [str(warning.message) for warning in left] == []


def test_what_is_missing_is_named(segments: Segments, mongo: Mongo) -> None:
    mongo.insert("orders", purchase("Ada", 1, DAY, 10))

    said = [
        segments.expect_refusal("import", *place(mongo), *MAKE_LKR),
        segments.expect_refusal("import", "--source", "mongodb", *MAKE_LKR),
        segments.expect_refusal("import", "--source", "mongodb", "--database", mongo.database, *MAKE_LKR),
        segments.expect_refusal("import", "orders.csv", *place(mongo), *MAKE_LKR),
        segments.expect_refusal("import", "orders.csv", "--whole", *MAKE_LKR),
        segments.expect_refusal("import", *MAKE_LKR),
    ]
    segments.patch.delenv("SEGMENTS_MONGODB_URI")
    address = segments.expect_refusal("import", *place(mongo), *MAKE_LKR)

    assert said == [
        f"The database {mongo.database} has no collection purchases. There are: orders.",
        "--database must be given, or set in the section mongodb of the settings.",
        "--collection must be given, or set in the section mongodb of the settings.",
        "--source mongodb takes no file: give --database and --collection.",
        "--database, --collection and --whole are for --source mongodb.",
        "A file must be named, or --source mongodb given.",
    ]
    assert address == (
        "Where MongoDB is has not been said. Set SEGMENTS_MONGODB_URI, or the section mongodb of a settings file and "
        "run: segments settings apply FILE."
    )
    assert segments.run("businesses", "list").lines[1:] == []
