"""The committed SDL is the program's; what clients were promised is in it, and everything has a description."""

import subprocess
import sys
from pathlib import Path

from graphql import build_schema, is_enum_type, is_input_object_type, is_interface_type, is_object_type

from gql.schema import sdl
from tests.conftest import shared

ROOT_FIELDS = [
    *(f"Query.{name}" for name in ("node", "nodes", "viewer", "customer", "customers", "storefronts")),
    "Query.segmentationReport",
    *(f"Query.{name}" for name in ("segmentTransitions", "segmentationTrend", "classificationStatistics")),
    "Query.segments",
    "Query.imports",
    "Query.job",
    *(f"Query.{name}" for name in ("segmentPreview", "segmentExplain", "segmentOverlap", "ruleVariables")),
    *(f"Mutation.{name}" for name in ("recordPurchases", "deletePurchases", "upsertCustomers")),
    *(f"Mutation.{name}" for name in ("createSegment", "updateSegment", "deleteSegment", "createStandardSegments")),
    "Mutation.updateBusinessSettings",
    *(f"Mutation.{name}" for name in ("exportSegmentationReport", "exportSegmentMembers")),
    *(f"Mutation.{name}" for name in ("assignSegment", "removeSegment", "createSnapshot", "eraseCustomer")),
]
LATER = {"Segment.latestRecalculation"}
ROOT = Path(__file__).parent.parent


def test_schema_file_is_what_the_program_serves() -> None:
    assert (ROOT / "schema.graphql").read_text() == sdl()


def test_contract_is_kept_where_it_is_built() -> None:
    ours, contract = build_schema(sdl()), build_schema(shared("contract.graphql").read_text())
    parts = list(ROOT_FIELDS)
    for name, kind in ours.type_map.items():
        promised = contract.type_map.get(name)
        if name.startswith("__") or promised is None or name in ("Query", "Mutation"):
            continue
        if is_object_type(promised) or is_interface_type(promised) or is_input_object_type(promised):
            parts += [f"{name}.{field}" for field in promised.fields if f"{name}.{field}" not in LATER]
        elif is_enum_type(kind):
            parts.append(name)
    arguments = [argument for part in parts for argument in ("--part", part)]

    check = [sys.executable, str(shared("checks", "contract")), *arguments]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)

    assert len(parts) > 100
    assert done.returncode == 0, done.stdout


def test_every_element_has_a_description() -> None:
    bare = []
    for name, kind in build_schema(sdl()).type_map.items():
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
