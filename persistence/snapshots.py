"""Snapshots: instants of segments with their member counts; their members are the memberships that cover an instant."""

from sqlalchemy.ext.asyncio import AsyncConnection


class SnapshotStore:
    """On one connection, of one business."""

    def __init__(self, connection: AsyncConnection, business_id: int) -> None:
        self.connection = connection
        self.business_id = business_id
