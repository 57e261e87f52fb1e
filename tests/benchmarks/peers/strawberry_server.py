"""Bare Strawberry with its caches of parsed and validated documents, over our store and without anything else that a
server does: `python -m tests.benchmarks.peers.strawberry_server STORE PORT`. Scores and labels, which are our own
computation, come from our services; everything around them is as the library's documentation writes it."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from functools import partial
from typing import Any

import aiosqlite
import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.schema.config import StrawberryConfig

from domain.classification.rfm import RfmScheme, find_group
from domain.customers.metrics import measure_customer
from domain.model import Business, CustomerTotals
from gql.composition import Services
from persistence.database.engines import open_database
from tests.benchmarks.peers import store

PurchaseStatus = strawberry.enum(Enum("PurchaseStatus", {name: number for number, name in enumerate(store.STATUSES)}))


@strawberry.type
class Purchase:
    """A purchase."""

    id: strawberry.ID
    external_id: str
    purchased_at: datetime
    amount: Decimal
    status: PurchaseStatus  # type: ignore[valid-type]


@strawberry.type
class Purchases:
    """A page of purchases."""

    nodes: list[Purchase]


@strawberry.type
class Metrics:
    """What a customer bought."""

    order_count: int
    total_revenue: Decimal
    average_order_value: Decimal | None
    first_purchase_at: datetime | None
    last_purchase_at: datetime | None
    days_since_last_purchase: int | None


@strawberry.type
class Rfm:
    """Scores of a customer."""

    recency: int
    frequency: int
    monetary: int
    score: str
    segment_name: str | None


@strawberry.type
class Classification:
    """Labels of a customer."""

    frequency: str | None
    spending: str | None
    category: str | None


@strawberry.type
class Customer:
    """A customer."""

    id: strawberry.ID
    external_id: str
    name: str | None
    email: str | None
    registered_at: datetime | None
    key: strawberry.Private[int]
    totals: strawberry.Private[CustomerTotals]

    @strawberry.field
    async def purchases(self, info: strawberry.Info, first: int = 50) -> Purchases:
        """The newest purchases."""
        rows = await info.context["purchases"].load((self.key, first))
        return Purchases(
            nodes=[
                Purchase(
                    id=strawberry.ID(store.make_id("Purchase", 1, r[0], r[1])),
                    external_id=r[2],
                    purchased_at=store.make_instant(r[3]),  # type: ignore[arg-type]
                    amount=Decimal(r[4]).scaleb(-2),
                    status=PurchaseStatus(r[5]),
                )
                for r in rows
            ]
        )

    @strawberry.field
    def metrics(self, info: strawberry.Info) -> Metrics:
        """What the customer bought."""
        totals, measured = self.totals, measure_customer(self.totals, info.context["today"])
        average = measured.average_order_value
        return Metrics(
            order_count=totals.order_count,
            total_revenue=Decimal(totals.revenue).scaleb(-2),
            average_order_value=None if average is None else Decimal(average).scaleb(-2),
            first_purchase_at=totals.first_at,
            last_purchase_at=totals.last_at,
            days_since_last_purchase=measured.days_since_last_purchase,
        )

    @strawberry.field
    async def rfm(self, info: strawberry.Info) -> Rfm | None:
        """Scores of the customer."""
        scores = await info.context["scores"].load((self.key, self.totals))
        if scores is None:
            return None
        name = find_group(scores, RfmScheme.EIGHT_SEGMENT).name
        return Rfm(
            recency=scores.recency,
            frequency=scores.frequency,
            monetary=scores.monetary,
            score=scores.digits,
            segment_name=name,
        )

    @strawberry.field
    async def classification(self, info: strawberry.Info) -> Classification:
        """Labels of the customer."""
        found = await info.context["labels"].load((self.key, self.totals))
        return Classification(frequency=found.frequency, spending=found.spending, category=found.category)


@strawberry.type
class PageInfo:
    """Where the page stands."""

    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class Customers:
    """A page of customers."""

    nodes: list[Customer]
    page_info: PageInfo


@strawberry.type
class Query:
    """What is asked."""

    @strawberry.field
    async def customers(self, info: strawberry.Info, first: int = 50, after: str | None = None) -> Customers:
        """A page of customers."""
        rows, more = await store.load_customers(info.context["connection"], first, after)
        nodes = [
            Customer(
                id=strawberry.ID(store.make_id("Customer", 1, r[0])),
                external_id=r[1],
                name=r[2],
                email=r[3],
                registered_at=store.make_instant(r[4]),
                key=r[0],
                totals=CustomerTotals(r[5], r[6], store.make_instant(r[7]), store.make_instant(r[8]), *r[9:12]),
            )
            for r in rows
        ]
        last = store.make_cursor(rows[-1][1]) if rows else None
        return Customers(nodes=nodes, page_info=PageInfo(has_next_page=more, end_cursor=last))


class Bare(GraphQL[Any, Any]):
    """The library's application with loaders for each request."""

    def __init__(self, path: str) -> None:
        instants = strawberry.scalar(
            name="DateTime", serialize=lambda at: at.isoformat().replace("+00:00", "Z"), parse_value=str
        )
        amounts = strawberry.scalar(name="Decimal", serialize=lambda value: format(value, "f"), parse_value=Decimal)
        super().__init__(
            strawberry.Schema(
                Query,
                extensions=[lambda: ParserCache(maxsize=128), lambda: ValidationCache(maxsize=128)],
                config=StrawberryConfig(scalar_map={datetime: instants, Decimal: amounts}),
            )
        )
        self.path = path
        self.services = Services(open_database(f"sqlite:///{path}"), lambda: datetime.now(UTC))
        self.connection: aiosqlite.Connection | None = None
        self.business: Business | None = None

    async def get_context(self, request: Any, response: Any) -> dict[str, Any]:
        """What a request's fields share."""
        if self.connection is None or self.business is None:
            self.connection = await store.connect(self.path)
            self.business = await self.services.businesses.open("bench")
        return {
            "connection": self.connection,
            "today": self.services.customers.find_today(self.business).toordinal(),
            "purchases": DataLoader(partial(store.load_purchases, self.connection)),
            "scores": DataLoader(self.load_scores),
            "labels": DataLoader(self.load_labels),
        }

    async def load_scores(self, keys: Sequence[tuple[int, CustomerTotals]]) -> list[Any]:
        """Of each customer."""
        assert self.business
        found = await self.services.customers.compute_scores(self.business, dict(keys))
        return [found[key] for key, _ in keys]

    async def load_labels(self, keys: Sequence[tuple[int, CustomerTotals]]) -> list[Any]:
        """Of each customer."""
        assert self.business
        found = await self.services.customers.load_classifications(self.business, dict(keys))
        return [found[key] for key, _ in keys]


def main(path: str, port: int) -> None:
    """Serve until the end."""
    app = Starlette(routes=[Route("/graphql", Bare(path))])
    uvicorn.run(app, port=port, access_log=False, log_level="warning")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
