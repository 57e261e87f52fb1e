"""The application as a client meets it, over a fresh store."""

from tests.drivers.face import both, face, opening, reported

__all__ = ["both", "face", "opening", "reported"]
