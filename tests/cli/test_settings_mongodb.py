"""How MongoDB is reached, on the command line: kept in a file of its own for its owner alone, never shown, never in the
store."""

import stat
from pathlib import Path

import pytest

from persistence.mongodb_section import read_mongodb_settings
from tests.cli.conftest import Segments, write_settings
from tests.cli.test_settings import MONGODB


def test_the_connection_of_mongodb_is_kept_for_its_owner_alone_and_never_shown(made: Segments, tmp_path: Path) -> None:
    ended = made.run("settings", "apply", write_settings(tmp_path, MONGODB))

    kept = made.data / "mongodb-shop.json"
    said = [ended.out, *(made.run("settings", "show", "--format", form).out for form in ("toml", "json"))]
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert [path for path in made.data.iterdir() if path.name.startswith(".")] == []
    assert "word" not in "".join(said).replace("password", "")
    assert all(b"p@ss/word" not in path.read_bytes() for path in made.data.glob("segments.sqlite*"))
    assert 'mongodb.password: none -> "********"' in ended.out
    assert "# password is set, and not shown" in said[1]
    read = read_mongodb_settings(made.data, "", "shop")
    assert read is not None
    assert read.uri == "mongodb://reader:p%40ss%2Fword@db.example:27017/"
    assert (read.database, read.collection) == ("shop", "orders")
    assert "word" not in repr(read)
    assert read_mongodb_settings(made.data, "", "other") is None


def test_parts_of_the_connection_change_and_go(made: Segments, tmp_path: Path) -> None:
    made.run("settings", "apply", write_settings(tmp_path, MONGODB))

    other = made.run("settings", "apply", write_settings(tmp_path, '[mongodb]\npassword = "other"\n'))
    bare = made.run("settings", "apply", write_settings(tmp_path, 'reset = ["mongodb.password", "mongodb.username"]\n'))
    read = read_mongodb_settings(made.data, "", "shop")
    made.run("settings", "apply", write_settings(tmp_path, 'reset = ["mongodb"]\n'))

    assert other.lines[0] == "mongodb.password: another one"
    assert bare.lines[0] == 'mongodb.username: "reader" -> none'
    assert read is not None
    assert read.uri == "mongodb://db.example:27017/"
    assert not (made.data / "mongodb-shop.json").exists()


@pytest.mark.parametrize(
    ("section", "uri"),
    [
        ('host = "cluster0.ab1cd.mongodb.net"', "mongodb+srv://cluster0.ab1cd.mongodb.net/"),
        ('host = "mongodb+srv://c.example"\nusername = "u"\npassword = "p"', "mongodb+srv://u:p@c.example/"),
        ('host = "a.example:1,b.example:2"', "mongodb://a.example:1,b.example:2/"),
        ('uri = "mongodb://u:p@h/?tls=true"', "mongodb://u:p@h/?tls=true"),
    ],
)
def test_hosts_and_connection_strings_become_an_address(made: Segments, tmp_path: Path, section: str, uri: str) -> None:
    made.run("settings", "apply", write_settings(tmp_path, f"[mongodb]\n{section}\n"))

    read = read_mongodb_settings(made.data, "", "shop")

    assert read is not None
    assert read.uri == uri
    over = read_mongodb_settings(made.data, "mongodb://first.example", "shop")
    assert over is not None
    assert over.uri == "mongodb://first.example"


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ('password = "p"', "mongodb.username must be given with a password"),
        ('uri = "mongodb://h"\nhost = "h"', "mongodb.host must not stand beside mongodb.uri, which says it all"),
        ('uri = "http://h"', "mongodb.uri must be a connection string such as mongodb://localhost:27017"),
        ('host = "h"\ncollection = "a$b"', "mongodb.collection must be the name of a collection, without $"),
        ('host = "u:p@h"', "mongodb.host must be a host such as localhost:27017"),
        ('host = "h"\nport = 27017', "mongodb.port is no setting."),
    ],
)
def test_a_connection_that_cannot_be_is_refused(made: Segments, tmp_path: Path, section: str, said: str) -> None:
    ended = made("settings", "apply", write_settings(tmp_path, f"[mongodb]\n{section}\n"))

    assert ended.code == 1
    assert ended.err.startswith(f"Error: {said}")
    assert not (made.data / "mongodb-shop.json").exists()
