"""A purchase and its lines."""

from datetime import datetime
from decimal import Decimal

import strawberry

from domain.model import Business as BusinessEntity
from domain.money import exponent, to_decimal
from domain.store import PurchaseRecord
from gql.context import Info
from gql.enums import PurchaseStatus
from gql.ids import encode
from gql.node import Node
from gql.viewer import Storefront


@strawberry.type(description="One line of an order.")
class PurchaseLine:
    """One line of an order."""

    category: str | None = strawberry.field(description="Product category of the line.")
    amount: Decimal = strawberry.field(
        description="Amount of the line in the business's currency; negative for a refund."
    )
    status: PurchaseStatus = strawberry.field(description="Status of the line.")


@strawberry.type(description="One order of a customer.")
class Purchase(Node):
    """One order."""

    external_id: str = strawberry.field(description="Order id of the shop, unique in the business.")
    purchased_at: datetime = strawberry.field(description="Timestamp of the order.")
    status: PurchaseStatus = strawberry.field(description="Status of the order.")
    amount: Decimal = strawberry.field(description="Amount of the order in the business's currency.")
    storefront: Storefront | None = strawberry.field(description="Storefront of the order.")
    channel: str | None = strawberry.field(description="Sales channel of the order.")
    key: strawberry.Private[tuple[int, int]]
    decimals: strawberry.Private[int]

    @classmethod
    def of(cls, business: BusinessEntity, record: PurchaseRecord) -> "Purchase":
        """The purchase of the record."""
        entity = record.purchase
        decimals = exponent(business.currency)
        return cls(
            id=encode("Purchase", business.id, entity.customer_id, entity.id),
            external_id=entity.external_id,
            purchased_at=entity.purchased_at,
            status=entity.status,
            amount=to_decimal(entity.amount, decimals),
            storefront=None if record.storefront is None else Storefront.of(business.id, record.storefront),
            channel=entity.channel,
            key=(entity.customer_id, entity.id),
            decimals=decimals,
        )

    @strawberry.field(description="Lines of the order, as they were stated.")
    async def lines(self, info: Info) -> list[PurchaseLine]:
        """Through the loader: one statement for all purchases of the page."""
        return [
            PurchaseLine(category=line.category, amount=to_decimal(line.amount, self.decimals), status=line.status)
            for line in await info.context.loaders.lines.load(self.key)
        ]
