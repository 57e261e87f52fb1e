"""What storage tests share: importing files into the shop."""

from pathlib import Path

import pytest

from domain.model import Business
from persistence.database.engines import Database
from tests.conftest import SetClock
from tests.drivers.files import Importer


@pytest.fixture
def importer(database: Database, shop: Business, tmp_path: Path, clock: SetClock) -> Importer:
    """Imports files into the shop, whose zone is UTC and whose currency is EUR."""
    return Importer(database, shop, tmp_path, clock.now)
