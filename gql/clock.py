"""Where time comes from, outside tests."""

from datetime import UTC, datetime


def system_clock() -> datetime:
    """The present instant."""
    return datetime.now(UTC)
