"""Classifiers as somebody would install them beside the server: a distribution with entry points, on the path."""

from pathlib import Path
from uuid import uuid4

import pytest

VIP_SQL = """
from domain.classifiers import Classifier

vip = Classifier("vip", "loyalty", sql="CASE WHEN order_count >= 10 THEN 'VIP' END")
"""
VIP_FUNCTION = """
from domain.classifiers import Classifier


def classify(columns):
    return ["VIP" if orders >= 10 else None for orders in columns["order_count"]]


def vip():
    return Classifier("vip", "loyalty", function=classify)
"""
FOLLOWING_FUNCTION = """
import os

from domain.classifiers import Classifier


def classify(columns):
    return [os.environ["LABEL"] for _ in columns["order_count"]]


def vip():
    return Classifier("vip", "loyalty", function=classify)
"""
INSTEAD_SQL = VIP_SQL.replace('"loyalty"', '"spending"')
INSTEAD_FUNCTION = VIP_FUNCTION.replace('"loyalty"', '"spending"')


def install(patch: pytest.MonkeyPatch, folder: Path, module: str, **points: str) -> None:
    """Put a distribution on the path whose module holds the text; `points` are entry points by name."""
    # A module of a test before this one stays imported.
    name = f"classifiers_{uuid4().hex}"
    lines = "\n".join(f"{point} = {name}:{place}" for point, place in points.items())
    information = folder / f"{name}-1.dist-info"
    information.mkdir(parents=True)
    (folder / f"{name}.py").write_text(module)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (information / "entry_points.txt").write_text(f"[segments.classifiers]\n{lines}\n")
    patch.syspath_prepend(folder)
