"""Ariadne over our store: `python -m tests.benchmarks.peers.ariadne_server STORE REPORT PORT`; the report is the answer
that is kept, as JSON."""

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from aiodataloader import DataLoader
from ariadne import ObjectType, QueryType, make_executable_schema
from ariadne.asgi import GraphQL

from tests.benchmarks.peers import store

query, customer = QueryType(), ObjectType("Customer")


@query.field("customers")
async def customers(_: object, info: Any, first: int, after: str | None = None) -> dict[str, Any]:
    """A page of customers."""
    rows, more = await store.load_customers(info.context["connection"], first, after)
    nodes = [{"key": r[0], "id": store.make_id("Customer", 1, r[0]), "externalId": r[1], "name": r[2]} for r in rows]
    last = store.make_cursor(rows[-1][1]) if rows else None
    return {"nodes": nodes, "pageInfo": {"hasNextPage": more, "endCursor": last}}


@customer.field("purchases")
async def purchases(found: dict[str, Any], info: Any, first: int) -> dict[str, Any]:
    """The newest purchases of a customer."""
    rows = await info.context["purchases"].load((found["key"], first))
    return {
        "nodes": [
            {
                "id": store.make_id("Purchase", 1, r[0], r[1]),
                "externalId": r[2],
                "purchasedAt": store.write_instant(r[3]),
                "amount": store.write_amount(r[4]),
                "status": store.STATUSES[r[5]],
            }
            for r in rows
        ]
    }


@query.field("segmentationReport")
def report(_: object, info: Any, days: int) -> Any:
    """The report as it is kept."""
    return info.context["report"]


def main(path: str, kept: Path, port: int) -> None:
    """Serve until the end."""
    schema = make_executable_schema(
        (Path(__file__).parent / "schema.graphql").read_text(encoding="utf-8"), query, customer
    )
    held: dict[str, Any] = {"report": json.loads(kept.read_text(encoding="utf-8"))}

    async def build_context(*_: object) -> dict[str, Any]:
        if "connection" not in held:
            held["connection"] = await store.connect(path)
        return {**held, "purchases": DataLoader(partial(store.load_purchases, held["connection"]))}

    uvicorn.run(GraphQL(schema, context_value=build_context), port=port, access_log=False, log_level="warning")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
