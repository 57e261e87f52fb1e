"""The committed SDL is the program's; what clients were promised is in it, and everything has a description."""

import subprocess
import sys
from pathlib import Path

from graphql import build_schema

from gql.schema.schema import print_sdl
from tests.conftest import find_shared

NOT_BUILT_YET = """
TYPE_REMOVED: UpdateStorefrontPayload was removed.
FIELD_REMOVED: Field Mutation.updateStorefront was removed.
"""
"""How the schema differs from what clients were promised; what is built goes from the list."""
ROOT = Path(__file__).parent.parent


def test_schema_file_is_what_the_program_serves() -> None:
    assert (ROOT / "schema.graphql").read_text() == print_sdl()


def test_contract_is_kept_but_for_what_is_not_built_yet() -> None:
    check = [sys.executable, str(find_shared("checks", "contract"))]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)
    *found, summary = done.stdout.splitlines()

    assert sorted(line.removeprefix("differs: ") for line in found) == sorted(NOT_BUILT_YET.split("\n")[1:-1])
    assert summary.endswith(" differences from the contract, 0 elements without a description")


def test_every_element_has_a_description() -> None:
    bare = []
    for name, kind in build_schema(print_sdl()).type_map.items():
        if name.startswith("__") or name in ("String", "Int", "Float", "Boolean", "ID"):
            continue
        bare += [] if kind.description else [name]
        for field, value in getattr(kind, "fields", {}).items():
            bare += [] if value.description else [f"{name}.{field}"]
            arguments = getattr(value, "args", {}).items()
            bare += [f"{name}.{field}({argument})" for argument, detail in arguments if not detail.description]
        for value_name, item in getattr(kind, "values", {}).items():
            bare += [] if item.description else [f"{name}.{value_name}"]

    assert bare == []
