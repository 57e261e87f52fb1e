"""Runs of background work. The row is the truth: whoever follows a run reads it here."""

from sqlalchemy.ext.asyncio import AsyncConnection


class JobStore:
    """On one connection, of one business."""

    def __init__(self, connection: AsyncConnection, business_id: int) -> None:
        self.connection = connection
        self.business_id = business_id
