"""The committed SDL is the program's; what clients were promised is in it, and everything has a description."""

import subprocess
import sys
from pathlib import Path

from graphql import build_schema

from gql.schema.schema import print_sdl
from tests.conftest import find_shared

ROOT = Path(__file__).parent.parent


def test_schema_file_is_what_the_program_serves() -> None:
    assert (ROOT / "schema.graphql").read_text() == print_sdl()


def test_contract_is_kept() -> None:
    check = [sys.executable, str(find_shared("checks", "contract"))]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.stdout.splitlines() == ["0 differences from the contract, 0 elements without a description"]


def test_what_is_asked_most_stands_first() -> None:
    schema = build_schema(print_sdl())
    assert schema.query_type is not None and schema.mutation_type is not None
    queries, mutations = list(schema.query_type.fields), list(schema.mutation_type.fields)

    assert queries[:3] == ["viewer", "segments", "customers"]
    assert queries[-2:] == ["node", "nodes"]
    assert mutations[:3] == ["createSegment", "updateSegment", "deleteSegment"]
    assert mutations[-1] == "revokeTokens"


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
