"""Graphene over our store: `python -m tests.benchmarks.peers.graphene_server STORE PORT`, behind the smallest ASGI
application that answers posted queries."""

import json
import sys
from functools import partial
from typing import Any

import graphene
import uvicorn
from aiodataloader import DataLoader
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.benchmarks.peers import store

PurchaseStatus = graphene.Enum("PurchaseStatus", [(name, number) for number, name in enumerate(store.STATUSES)])


class Purchase(graphene.ObjectType):
    """A purchase."""

    id = graphene.ID(required=True)
    external_id = graphene.String(required=True)
    purchased_at = graphene.String(required=True)
    amount = graphene.String(required=True)
    status = PurchaseStatus(required=True)


class Purchases(graphene.ObjectType):
    """A page of purchases."""

    nodes = graphene.List(graphene.NonNull(Purchase), required=True)


class Customer(graphene.ObjectType):
    """A customer; the root value is its row."""

    id = graphene.ID(required=True)
    external_id = graphene.String(required=True)
    name = graphene.String()
    purchases = graphene.Field(Purchases, first=graphene.Int(default_value=50), required=True)

    async def resolve_purchases(self, info: Any, first: int) -> Any:
        """The newest purchases of the customer."""
        rows = await info.context["purchases"].load((self.key, first))
        return Purchases(
            nodes=[
                Purchase(
                    id=store.make_id("Purchase", 1, r[0], r[1]),
                    external_id=r[2],
                    purchased_at=store.write_instant(r[3]),
                    amount=store.write_amount(r[4]),
                    status=r[5],
                )
                for r in rows
            ]
        )


class PageInfo(graphene.ObjectType):
    """Where the page stands."""

    has_next_page = graphene.Boolean(required=True)
    end_cursor = graphene.String()


class Customers(graphene.ObjectType):
    """A page of customers."""

    nodes = graphene.List(graphene.NonNull(Customer), required=True)
    page_info = graphene.Field(PageInfo, required=True)


class Query(graphene.ObjectType):
    """What is asked."""

    customers = graphene.Field(Customers, first=graphene.Int(default_value=50), after=graphene.String(), required=True)

    async def resolve_customers(self, info: Any, first: int, after: str | None = None) -> Any:
        """A page of customers."""
        rows, more = await store.load_customers(info.context["connection"], first, after)
        nodes = []
        for row in rows:
            nodes.append(Customer(id=store.make_id("Customer", 1, row[0]), external_id=row[1], name=row[2]))
            nodes[-1].key = row[0]
        last = store.make_cursor(rows[-1][1]) if rows else None
        return Customers(nodes=nodes, page_info=PageInfo(has_next_page=more, end_cursor=last))


def main(path: str, port: int) -> None:
    """Serve until the end."""
    schema, held = graphene.Schema(query=Query), {}

    async def answer(request: Request) -> JSONResponse:
        asked = json.loads(await request.body())
        if "connection" not in held:
            held["connection"] = await store.connect(path)
        context = {**held, "purchases": DataLoader(partial(store.load_purchases, held["connection"]))}
        done = await schema.execute_async(asked["query"], variables=asked.get("variables"), context=context)
        return JSONResponse(done.formatted)

    app = Starlette(routes=[Route("/graphql", answer, methods=["POST"])])
    uvicorn.run(app, port=port, access_log=False, log_level="warning")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
