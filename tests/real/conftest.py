"""A server that a module shares, with the business `shop` and nothing in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drivers.server import Server, run, running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the business `shop`."""
    made = tmp_path_factory.mktemp("real")
    assert run(made, "businesses", "create", "shop", "--time-zone", "UTC", "--currency", "EUR").returncode == 0
    return made


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with running(folder) as made:
        yield made
