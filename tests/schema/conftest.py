"""The application as a client meets it, over a store of the test or of its module."""

import pytest

from persistence.database.engines import Database
from tests.conftest import once_a_store
from tests.drivers.face import (
    Face,
    both,
    face,
    fresh_postgresql_face,
    fresh_sqlite_face,
    opening,
    reported,
    shared_postgresql_face,
    shared_sqlite_face,
)
from tests.shops.segmented_shop import fill

__all__ = [
    "both",
    "face",
    "fresh_postgresql_face",
    "fresh_sqlite_face",
    "opening",
    "reported",
    "shared_postgresql_face",
    "shared_sqlite_face",
]


@once_a_store
async def filled(*, database: Database, face: Face) -> dict[str, str]:
    return await fill(face)


@pytest.fixture
def asked(request: pytest.FixtureRequest) -> Face:
    """The application that the test asks."""
    made: Face = request.getfixturevalue("both" if "both" in request.fixturenames else "face")
    return made


@pytest.fixture
async def ids(asked: Face) -> dict[str, str]:
    """Those of the segments and of a customer of the segmented shop."""
    return await filled(database=asked.database, face=asked)
