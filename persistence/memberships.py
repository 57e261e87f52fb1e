"""Memberships as intervals. Every change of members also writes the log of changes and the segment's member count, in
the same transaction, so the count always equals the members."""

from sqlalchemy.ext.asyncio import AsyncConnection


class MembershipStore:
    """On one connection, of one business."""

    def __init__(self, connection: AsyncConnection, business_id: int) -> None:
        self.connection = connection
        self.business_id = business_id
