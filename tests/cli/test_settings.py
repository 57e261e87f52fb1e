"""Settings on the command line: a file is applied whole or not at all, every fault is said, secrets stay out of
sight and out of the store."""

import json
from base64 import b64decode
from pathlib import Path

import pytest
from PIL import Image

from domain.businesses.settings import read_effective
from domain.imports.columns import FIELDS
from tests.cli.conftest import UTC_EUR, Segments, write_settings
from tests.drivers.documents import blocks

MONGODB = """[mongodb]
host = "db.example:27017"
username = "reader"
password = "p@ss/word"
database = "shop"
collection = "orders"
"""


def test_a_file_is_applied_and_what_changed_is_printed(made: Segments, tmp_path: Path) -> None:
    file = write_settings(tmp_path, 'lapsed_days = 120\nhigh_lifetime = 20000.50\n[import]\npreset = "shopify"\n')

    ended = made.run("settings", "apply", file)

    assert ended.lines == [
        "high_lifetime: 150000 -> 20000.5",
        "lapsed_days: 90 -> 120",
        'import.preset: none -> "shopify"',
        "3 settings changed in shop (version 2).",
    ]
    assert made.json("settings", "show").items() >= {"lapsed_days": 120, "high_lifetime": 20000.5}.items()


def test_a_file_that_was_applied_changes_nothing_again(made: Segments, tmp_path: Path) -> None:
    file = write_settings(tmp_path, "lapsed_days = 120\n" + MONGODB)
    made.run("settings", "apply", file)

    assert made.run("settings", "apply", file).out == "Nothing changed in shop (version 2).\n"


@pytest.mark.parametrize("place", ["logo.png", "below/Logo.PNG"])
def test_a_logo_is_the_picture_that_the_file_names(made: Segments, tmp_path: Path, place: str) -> None:
    picture = tmp_path / place
    picture.parent.mkdir(exist_ok=True)
    Image.new("RGB", (120, 40), "#7b1fa2").save(picture)
    file = write_settings(tmp_path, f'[brand]\nlogo = "{place}"\ncolour = "#7B1FA2"\ncurrency = "Rs"\n')

    ended = made.run("settings", "apply", file)
    again = made.run("settings", "apply", write_settings(tmp_path, made.run("settings", "show").out, "shown.toml"))

    size = picture.stat().st_size
    assert ended.lines == [
        f'brand.logo: none -> "PNG picture, 120 x 40 pixels, {size:,} bytes"',
        'brand.colour: "#1f5fbf" -> "#7b1fa2"',
        'brand.currency: none -> "Rs"',
        "3 settings changed in shop (version 2).",
    ]
    assert b64decode(made.json("settings", "show")["brand"]["logo"]) == picture.read_bytes()
    assert again.out == "Nothing changed in shop (version 2).\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "brand.logo cannot be read from logo.png: No such file or directory"),
        (b"<svg/>", "brand.logo must be a whole PNG or JPEG picture"),
        (b"\x89PNG" + bytes(200_000), "brand.logo must have at most 102,400 bytes"),
    ],
)
def test_a_logo_that_is_no_picture_is_refused_beside_the_other_faults(
    made: Segments, tmp_path: Path, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "logo.png").write_bytes(content)
    text = '[brand]\nlogo = "logo.png"\ncolour = "purple"\ncurrency = "Rupees of here"\n'

    ended = made("settings", "apply", write_settings(tmp_path, text))

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.splitlines() == [
        f"Error: {said}.",
        "Error: brand.colour must be a colour such as #1a5fb4.",
        "Error: brand.currency must have at most 8 characters.",
    ]
    assert made.json("settings", "show") == {**read_effective({}), "mongodb": {}}


def test_check_says_what_would_change_and_writes_nothing(made: Segments, tmp_path: Path) -> None:
    file = write_settings(tmp_path, "lapsed_days = 120\n" + MONGODB)

    ended = made.run("settings", "apply", file, "--check")

    assert ended.lines[0] == "lapsed_days: 90 -> 120"
    assert ended.lines[-1] == "6 settings would change in shop (version 1)."
    assert made.json("settings", "show") == {**read_effective({}), "mongodb": {}}
    assert not (made.data / "mongodb-shop.json").exists()


@pytest.mark.parametrize("options", [["--check"], []])
def test_every_fault_of_a_file_is_said_and_nothing_is_written(
    made: Segments, tmp_path: Path, options: list[str]
) -> None:
    text = """reset = ["inactive_days", "rfm_day"]
inactive_days = 30
high_lifetime = 1
lapsed_days = 1.5
frequency_order = ["NEW"]
lapsed_dys = 3
[import]
date_format = "%d/%m"
columns = {A = "sum"}
[mongodb]
hots = "x"
password = "secret"
"""

    ended = made("settings", "apply", write_settings(tmp_path, text), *options)

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.splitlines() == [
        "Error: reset must not name inactive_days, which the file sets.",
        "Error: lapsed_days must be a whole number between 1 and 9999.",
        "Error: frequency_order must hold each of NEW, LOYAL, LAPSED, SEASONAL once.",
        "Error: lapsed_dys is no setting. Is lapsed_days meant?",
        "Error: import.date_format must name year, month and day, such as %d/%m/%Y: it lacks the year.",
        f"Error: import.columns must give A one of the fields {', '.join(FIELDS)} or attribute:NAME.",
        "Error: rfm_day is no setting. Is rfm_days meant?",
        "Error: low_lifetime must be less than high_lifetime.",
        "Error: mongodb.hots is no setting. Is mongodb.host meant?",
    ]
    assert made.json("settings", "show") == {**read_effective({}), "mongodb": {}}


def test_what_is_shown_can_be_applied(made: Segments, tmp_path: Path) -> None:
    text = """high_average_order = 0.01
frequency_order = ["LAPSED", "NEW", "LOYAL", "SEASONAL"]
festive_periods = [{from = "12-24", to = "01-06"}, {from = 2025-03-30, to = 2025-04-02}]
output_dir = "C:\\\\Labels \\"of\\" 東京"
classify_every = "15  2 * * *"
[import]
columns = {"Order No." = "order_id", "Käufer" = "customer"}
thousands = "'"
"""
    made.run("settings", "apply", write_settings(tmp_path, text + MONGODB))
    toml = write_settings(tmp_path, made.run("settings", "show").out, "shown.toml")
    shown_json = write_settings(tmp_path, made.run("settings", "show", "--format", "json").out, "shown.json")

    again = [made.run("settings", "apply", file, "--check").out for file in (toml, shown_json)]
    made.run("businesses", "create", "copy", *UTC_EUR)
    made.run("settings", "apply", toml, "--business", "copy")

    copy = made.json("settings", "show", "--business", "copy")
    assert again == ["Nothing would change in shop (version 2).\n"] * 2
    assert copy == {**json.loads(shown_json.read_text()), "mongodb": copy["mongodb"]}
    assert copy["festive_periods"] == [{"from": "12-24", "to": "01-06"}, {"from": "2025-03-30", "to": "2025-04-02"}]
    assert copy["output_dir"] == 'C:\\Labels "of" 東京'
    assert copy["import"]["columns"] == {"Order No.": "order_id", "Käufer": "customer_id"}


def test_defaults_come_back_by_reset_and_by_null(made: Segments, tmp_path: Path) -> None:
    text = "lapsed_days = 120\nrfm_days = 30\nloyal_orders = 9\n"
    text += '[import]\npreset = "shopify"\nthousands = ","\ndecimal = "."\n'
    made.run("settings", "apply", write_settings(tmp_path, text))

    reset = 'reset = ["lapsed_days", "import"]\nloyal_orders = 8\n'
    by_reset = made.run("settings", "apply", write_settings(tmp_path, reset))
    by_null = made.run("settings", "apply", write_settings(tmp_path, '{"rfm_days": null}', "null.json"))

    assert by_reset.lines[:-1] == [
        "loyal_orders: 9 -> 8",
        "lapsed_days: 120 -> 90",
        'import.preset: "shopify" -> none',
        'import.decimal: "." -> none',
        'import.thousands: "," -> none',
    ]
    assert by_null.lines == ["rfm_days: 30 -> 365", "1 setting changed in shop (version 4)."]
    assert made.json("settings", "show") == {**read_effective({"loyal_orders": 8}), "mongodb": {}}


def test_the_examples_of_the_documentation_are_right(made: Segments, tmp_path: Path) -> None:
    examples = blocks("docs/settings.md", "toml")

    for example in examples:
        made.run("settings", "apply", write_settings(tmp_path, example.text, example.name))

    assert [example.name for example in examples] == ["shop.toml", "mongodb.toml"]


def test_the_names_of_the_reference_configuration_are_understood(made: Segments, tmp_path: Path) -> None:
    text = """high_aov_threshold = 500
high_lifetime_threshold = 9000.5
low_lifetime_threshold = 100
dominant_threshold = 0.65
family_threshold = 25
output_dir = "out"
output_filename = "labels.json"
"""

    ended = made.run("settings", "apply", write_settings(tmp_path, text))

    assert ended.lines[:5] == [
        "high_aov_threshold is taken as high_average_order",
        "high_lifetime_threshold is taken as high_lifetime",
        "low_lifetime_threshold is taken as low_lifetime",
        "dominant_threshold = 0.65 is taken as a share: dominant_percent = 65",
        "family_threshold is taken as family_percent",
    ]
    amounts = {"high_average_order": 500, "high_lifetime": 9000.5, "low_lifetime": 100}
    shares = {"dominant_percent": 65, "family_percent": 25}
    found = made.json("settings", "show")
    assert found.items() >= {**amounts, **shares, "output_dir": "out", "output_filename": "labels.json"}.items()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.toml", "lapsed_days = \n", "is not readable TOML"),
        ("a.json", "[1]", "must hold an object of names and values"),
        ("a.yaml", "lapsed_days: 1", "must be a .toml or a .json file"),
        ("a.toml", "mongodb = 3", "mongodb must be a section with uri, host"),
        ("a.toml", "import = 3", "import must be a section with import.format, import.columns"),
        ("a.toml", "reset = 3", 'reset must be a list of names such as ["lapsed_days"]'),
        ("a.toml", "high_lifetime = nan", "high_lifetime must be an amount such as 15000"),
        ("a.toml", "high_lifetime = 1e400", "high_lifetime must have at most 15 digits"),
        ("a.toml", "high_lifetime = 20000.005", "high_lifetime must have at most 2 decimals"),
        ("a.toml", "high_aov_threshold = 1\nhigh_average_order = 1", "high_average_order must not be given beside"),
        ("a.toml", "lapsed_days = true", "lapsed_days must be a whole number"),
    ],
)
def test_a_file_that_cannot_be_is_one_sentence(made: Segments, tmp_path: Path, name: str, text: str, said: str) -> None:
    assert said in made.expect_refusal("settings", "apply", write_settings(tmp_path, text, name))


def test_a_file_that_is_not_there_is_one_sentence(made: Segments, tmp_path: Path) -> None:
    refused = made.expect_refusal("settings", "apply", tmp_path / "none.toml")

    assert refused == f"No such file: {tmp_path}/none.toml."


def test_thresholds_must_be_amounts_of_another_currency_too(made: Segments, tmp_path: Path) -> None:
    made.run("settings", "apply", write_settings(tmp_path, "high_lifetime = 20000.50\n"))

    refused = made.expect_refusal("businesses", "set", "shop", "--currency", "JPY")

    assert refused == "high_lifetime must have at most 0 decimals."


def test_segments_follow_the_settings_before_the_command_ends(shop: Segments, tmp_path: Path) -> None:
    low = '{"name": "Low", "rules": {"==": [{"var": "spending_label"}, "Low Value"]}}'
    shop.run("segment", "create", write_settings(tmp_path, low, "low.json"))
    before = shop.run("recalculate", "low")
    settings = write_settings(tmp_path, "low_lifetime = 50\n")

    checked = shop.run("settings", "apply", settings, "--check")
    applied = shop.run("settings", "apply", settings)
    again = shop.run("settings", "apply", settings)

    assert before.out == "low: 10 customers evaluated, 10 entered, 0 left.\n"
    assert checked.lines[-1] == "1 setting would change in shop (version 1)."
    followed = "low: 10 customers evaluated, 0 entered, 7 left."
    assert applied.lines[-2:] == ["1 setting changed in shop (version 2).", followed]
    assert again.lines[-1] == "Nothing changed in shop (version 2)."


def test_every_wrong_period_and_column_is_named(shop: Segments, tmp_path: Path) -> None:
    wrong = (
        'currency = "USD"\noutput_dir = "../escaped"\noutput_filename = "automation_status.json"\nfestive_periods = ['
        '{from="02-30",to="03-01"}, {from=2024-01-01,to="05-01"}, {from=2024-05-01,to=2024-04-01}, {from="1"}]\n'
        '[import]\ncolumns = {X = "foo", Y = "bar", A = "category", B = "category"}\n'
    )

    ended = shop("settings", "apply", write_settings(tmp_path, wrong), "--check")

    form = 'must have from and to, either both MM-DD such as "12-24" or both dates such as "2025-03-30"'
    assert ended.code == 1
    assert ended.err.splitlines()[0].startswith("Error: currency is no setting.")
    said = set(ended.err.splitlines()[1:])
    assert "Error: output_dir must be the path of a folder, without any .. in it." in said
    assert "Error: output_filename must not be automation_status.json, which is another file of the run." in said
    assert (
        f"Error: festive_periods must have days that exist, unlike 02-30 (period 1); {form} (period 2, 4); "
        "must not have a `to` before its `from` (period 3)." in said
    )
    assert any(line.startswith("Error: import.columns must give X, Y one of the fields ") for line in said)
