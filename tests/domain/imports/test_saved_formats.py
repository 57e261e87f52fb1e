"""What a format that is to be kept may say: checked as a whole, every fault under its own key, kept as it was said."""

from typing import Any

import pytest

from domain.errors import InvalidInput
from domain.imports.formats import KEYS, SourceFormat
from domain.imports.presets import load_presets
from domain.imports.saved_formats import LARGEST_DOCUMENT, describe_unknown, list_presets, read_document, read_saved

TILL = {"columns": {"Beleg": "order_id"}, "date_format": ["%d.%m.%Y"], "decimal": ",", "fill_down": True}


def faults(document: object) -> list[tuple[tuple[str, ...], str, str]]:
    with pytest.raises(InvalidInput) as refused:
        read_document(document)
    return [(one.field, one.code, one.message) for one in refused.value.problems]


def test_what_is_kept_is_what_was_stated() -> None:
    assert read_document(TILL).to_document() == TILL
    assert read_document({"date_format": "%d/%m/%Y", "preset": "shopify"}).to_document() == {
        "date_format": ["%d/%m/%Y"],
        "preset": "shopify",
    }


def test_every_fault_is_named_under_its_key_as_the_document_writes_it() -> None:
    found = faults({"date_format": "%d", "skip_lines": "two", "colour": "red", "statuses": {"done": "FINE"}})

    assert [(field, code) for field, code, _ in found] == [
        (("settings", "date_format"), "INVALID"),
        (("settings", "skip_lines"), "INVALID"),
        (("settings", "colour"), "INVALID"),
        (("settings", "statuses"), "INVALID"),
    ]
    assert found[0][2].startswith("date_format must name year, month and day")
    assert found[1][2] == "skip_lines must be a whole number between 0 and 1000"
    assert found[2][2] == f"A format has no 'colour'. There are: {', '.join(KEYS)}"


@pytest.mark.parametrize(
    ("document", "field", "message"),
    [
        (3, (), 'settings must be an object such as {"date_format": "%d/%m/%Y"}'),
        ({}, (), "settings must say something of the source, such as date_format"),
        ({"ignore": []}, (), "settings must say something of the source, such as date_format"),
        (
            {"orders": "row", "order_id_scope": "year"},
            ("order_id_scope",),
            "order_id_scope is for files with order ids, orders for those without",
        ),
        ({"preset": "shopfy"}, ("preset",), "preset must be one of: "),
        ({"preset": "instacart"}, ("preset",), "preset must be one of: "),
        ({"preset": "shopify", "amount": "line"}, ("amount",), "amount line does not go with preset shopify"),
        (
            {"columns": {f"{n:0300}": "ignore me" for n in range(3)}},
            ("columns",),
            "columns must give ",
        ),
        (
            {"zones": {f"{n:0500}": "UTC" for n in range(150)}},
            (),
            f"settings must be at most {LARGEST_DOCUMENT:,} characters of JSON",
        ),
    ],
)
def test_what_cannot_be_kept_is_refused(document: object, field: tuple[str, ...], message: str) -> None:
    ((place, _, said),) = faults(document)

    assert place == ("settings", *field)
    assert said.startswith(message)


def test_every_preset_is_a_format_that_can_be_kept_under_another_name() -> None:
    listed = list_presets()

    assert [one.name for one in listed] == [one.name for one in load_presets().values() if one.refusal is None]
    # Said in a format, an encoding would hold for a file that is UTF-8, too.
    assert load_presets()["superstore"].format.encoding is not None
    assert [one.name for one in listed if "encoding" in one.document] == []
    assert all(one.is_preset and read_document(one.document).to_document() == one.document for one in listed)


def test_a_name_that_is_not_there_is_told_with_those_that_are() -> None:
    documents: dict[str, Any] = {"pos": {"decimal": "."}, "till": TILL}

    with pytest.raises(InvalidInput) as refused:
        read_saved(documents, "kasse", "{source_format}")

    assert refused.value.message == (
        "source_format must be the name of a saved format, not kasse. There are: pos, till."
    )
    assert read_saved(documents, "till", "{source_format}") == SourceFormat.read(TILL)
    assert describe_unknown("name", "shopify", ()) == (
        "name must be the name of a saved format, not shopify. There are: none yet. A preset is given by preset."
    )
