"""Segments: definitions and what is kept of each. Deleted ones stay for history and are seen only where asked for."""

from sqlalchemy.ext.asyncio import AsyncConnection


class SegmentStore:
    """On one connection, of one business."""

    def __init__(self, connection: AsyncConnection, business_id: int) -> None:
        self.connection = connection
        self.business_id = business_id
