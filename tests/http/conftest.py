"""The application as a client meets it, over a store of the test or of its module."""

from tests.drivers.face import (
    both,
    face,
    fresh_postgresql_face,
    fresh_sqlite_face,
    opening,
    reported,
    shared_postgresql_face,
    shared_sqlite_face,
)

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
